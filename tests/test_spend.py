"""`mcp-imagegen spend` and `imagegen://spend` tell what calls cost, by the ledger alone, while a server runs beside."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import click
import pytest
import pytest_asyncio
from conftest import held
from spend_support import BILLED, Used, run, used_server
from state_file import execute, rows

from mcp_imagegen.cli.spend import beginning

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def used(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Used]:
    async with held(used_server(tmp_path_factory.mktemp("spend") / "state")) as one:
        yield one


async def test_the_command_tells_what_the_calls_cost_while_a_server_runs(used: Used) -> None:
    """And nothing that could reach a provider is even imported."""
    out, imported, code = await run("--json", environment=used.environment, python=("-X", "importtime"))
    told, costs = json.loads(out)["money"], [answer["cost"]["usd"] for answer in used.answers]
    assert code == 0
    assert told["total"] == {
        "calls": 3,
        "refused": 1,
        "images": 3,
        "spent_usd": pytest.approx(sum(costs), abs=1e-12),
        "billed_usd": 2 * BILLED / 10**9,
        "estimated_usd": costs[2],
        "reserved_usd": 0,
        "unpriced": 0,
        "tokens": {"image_model": {"text_input": 20, "image_output": 400}},
    }
    names = {line.rsplit("|", 1)[-1].strip() for line in imported.splitlines()}
    assert "mcp_imagegen.ledger.reports" in names
    reaching = {"httpx2", "uvicorn", "mcp_imagegen.openai_api.client", "mcp_imagegen.sandbox", "mcp_imagegen.services"}
    assert names.isdisjoint(reaching)
    shown = await used.resource()
    assert {name: shown["money"][name] for name in ("total", "by_day", "estimates", "prices")} == told
    assert shown["sandbox"] == json.loads(out)["sandbox"] | {"by_model": [], "by_thread": [], "by_client": []}


async def test_the_resource_tells_of_each_model_thread_and_client(used: Used) -> None:
    costs = [answer["cost"]["usd"] for answer in used.answers]
    listed = {str(resource.uri): resource for resource in (await used.client.list_resources()).resources}
    assert listed["imagegen://spend"].mime_type == "application/json"
    told = (await used.resource())["money"]
    assert [[group["model"], group["calls"], group["spent_usd"]] for group in told["by_model"]] == [
        ["gpt-image-2", 2, pytest.approx(costs[0] + costs[2], abs=1e-12)],
        ["gpt-image-2.5-flare", 1, costs[1]],
    ]
    by_thread = {group["thread"]: [group["title"], group["spent_usd"]] for group in told["by_thread"]}
    for answer in used.answers:
        assert by_thread[answer["thread_id"]] == ["a mill [31m at dusk", answer["cost"]["usd"]]
    assert [len(by_thread), len(told["by_client"])] == [4, 1]
    errors = {one["model"]: [one["calls"], one["median_error"], one["worst_error"]] for one in told["estimates"]}
    (entry, *_) = rows(used.home, "SELECT * FROM ledger_entries ORDER BY entry_id")
    assert errors["gpt-image-2"] == [1, *[pytest.approx(BILLED / entry["expected_nano"] - 1)] * 2]


async def test_another_owner_s_calls_are_not_shown(used: Used) -> None:
    execute(used.home, "UPDATE ledger_entries SET owner = 'somebody' WHERE model = 'gpt-image-2.5-flare'")
    told = (await used.resource())["money"]
    execute(used.home, "UPDATE ledger_entries SET owner = 'local'")
    assert [group["model"] for group in told["by_model"]] == ["gpt-image-2"]
    assert [told["total"]["calls"], len(told["estimates"])] == [2, 1]


async def test_a_call_that_failed_says_nothing_of_estimates(used: Used) -> None:
    execute(used.home, "UPDATE ledger_entries SET ending = 'failed' WHERE model = 'gpt-image-2.5-flare'")
    told = (await used.resource())["money"]
    execute(used.home, "UPDATE ledger_entries SET ending = 'completed' WHERE model = 'gpt-image-2.5-flare'")
    assert [one["model"] for one in told["estimates"]] == ["gpt-image-2"]


async def test_days_are_those_of_the_user_s_time_zone_and_amounts_are_exact(used: Used) -> None:
    """Of calls at 18:14 and at 18:15 in Greenwich, of which the second is at midnight in Kathmandu."""
    moments = {1: datetime(2026, 11, 10, 18, 14, 59, tzinfo=UTC), 3: datetime(2026, 11, 10, 18, 15, tzinfo=UTC)}
    kept = rows(used.home, "SELECT entry_id, created_at FROM ledger_entries")
    set_back(used, {entry: round(at.timestamp() * 10**6) for entry, at in moments.items()})
    both, later = await asyncio.gather(
        used.told("--csv", TZ="NPT-5:45"), used.told("--csv", "--since", "2026-11-11", TZ="NPT-5:45")
    )
    set_back(used, {entry["entry_id"]: entry["created_at"] for entry in kept})
    lines = [list(csv.DictReader(io.StringIO(text))) for text in (both, later)]
    assert [line["day"] for line in lines[0][:2]] == ["2026-11-10", "2026-11-11"]
    assert lines[0][1:] == lines[1]
    assert [lines[0][0][name] for name in ("sandbox", "calls", "input_tokens", "output_tokens", "billed_usd")] == [
        "no", "1", "10", "200", "0.00605",
    ]  # fmt: skip


def set_back(used: Used, moments: dict[int, int]) -> None:
    """Give entries other moments, in microseconds since 1970."""
    for entry, at in moments.items():
        execute(used.home, f"UPDATE ledger_entries SET created_at = {at} WHERE entry_id = {entry}")


NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "days"), [("1d", 0), ("7d", 6), ("30d", 29)])
async def test_a_period_begins_with_a_day_and_the_last_days_include_today(text: str, days: int) -> None:
    today = NOW.astimezone().replace(hour=0, minute=0, tzinfo=None)
    assert beginning(text, NOW) == (today - timedelta(days=days)).astimezone()
    assert beginning("2026-11-18", NOW) == datetime(2026, 11, 18).astimezone()  # of the server's place


@pytest.mark.parametrize("text", ["0d", "d", "7", "-7d", "yesterday", "2026-13-01", "0001-01-01x", "99999d"])
async def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        beginning(text, NOW)


async def test_two_forms_at_once_are_refused(used: Used) -> None:
    out, err, code = await run("--json", "--csv", environment=used.environment)
    assert [out, code] == ["", 2]
    assert "--json and --csv" in err


@pytest.mark.parametrize("clients", [["=HYPERLINK(1)", "+1", "-1"], ["@SUM(A1)", "\t=1", "an editor"]])
async def test_a_name_that_a_spreadsheet_would_compute_is_text_in_csv(used: Used, clients: list[str]) -> None:
    paid = rows(used.home, "SELECT entry_id, client FROM ledger_entries WHERE status = 'settled'")
    for entry, client in zip(paid, clients, strict=True):
        execute(used.home, f"UPDATE ledger_entries SET client = '{client}' WHERE entry_id = {entry['entry_id']}")
    lines = list(csv.DictReader(io.StringIO(await used.told("--csv", "--by", "client"))))
    execute(used.home, f"UPDATE ledger_entries SET client = '{paid[0]['client']}'")
    spent = {line["client"]: float(line["spent_usd"]) for line in lines}
    assert all(spent[client if client == "an editor" else f"'{client}"] > 0 for client in clients), spent
    assert not any(name.startswith(("=", "+", "-", "@", "\t")) for name in spent)
