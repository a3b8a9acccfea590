"""What the ledger says of each request that was sent: who, for what, at which price, and how it ended."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal
from mcp import Client
from mcp.types import Implementation
from openai_bodies import IMAGE_USAGE, image_call, message, response
from stand_in import GOOD, Said, StandIn, error, picture, standing_in, streamed
from state_file import rows

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

LEDGER = "SELECT * FROM ledger_entries ORDER BY entry_id"
ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "low"}
MADE = Said({**GOOD, "usage": IMAGE_USAGE}, headers={"x-request-id": "req_made"})
RESPONDED = Said(response(image_call(picture())))
MISSING = Said({"detail": "Not Found"}, 404)
FORGOTTEN = error(404, message="Item with id 'ig_1' not found.", x_request_id="req_gone")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


def environment(provider: StandIn, home: Path, **more: str) -> dict[str, str]:
    return provider.environment(**{"MCP_IMAGEGEN_PROVIDER": "openai", "MCP_IMAGEGEN_HOME": str(home), **more})


async def entries(home: Path, tool: str, *answers: Said, **more: Any) -> list[dict[str, Any]]:
    """The ledger after one call that is answered so."""
    variables = {name: more.pop(name) for name in list(more) if name.startswith("MCP_")}
    async with standing_in(*answers) as provider, client_of(environment(provider, home, **variables)) as client:
        await call(client, tool, **ASK, **more)
        assert len(provider.seen) == len(answers)
    return rows(home, LEDGER)


def seen(found: list[dict[str, Any]], *names: str) -> list[list[Any]]:
    return [[entry[name] for name in names] for entry in found]


def codes(found: list[dict[str, Any]]) -> list[str | None]:
    """Why each attempt did not come to what was wanted."""
    return [entry["reason"] and entry["reason"].split(":")[0] for entry in found]


async def test_each_request_that_was_refused_and_sent_again_is_an_entry(home: Path) -> None:
    busy = error(429, "rate_limit_exceeded", x_request_id="req_busy")
    found = await entries(home, "generate_image", error(500, x_request_id="req_broken"), busy, MADE)
    assert seen(found, "status", "ending", "request_id") == [
        ["released", "failed", "req_broken"],
        ["released", "failed", "req_busy"],
        ["settled", "completed", "req_made"],
    ]
    assert codes(found) == ["upstream_unavailable", "rate_limited", None]
    first, _, last = found
    same = ("owner", "client", "thread_id", "turn", "operation", "provider", "api", "model")
    assert len({tuple(entry[name] for name in same) for entry in found}) == 1
    assert len({(entry["low_nano"], entry["expected_nano"], entry["high_nano"]) for entry in found}) == 1
    assert first["closed_at"] <= last["created_at"] <= last["closed_at"]
    assert [first["nano"], first["images"], last["images"]] == [None, None, 1]


@pytest.mark.parametrize(("status", "became"), [(400, "released"), (504, "settled")])
async def test_the_entry_of_a_call_that_failed_has_the_request_to_ask_about(
    home: Path, status: int, became: str
) -> None:
    failed = error(status, x_request_id="req_no")
    async with standing_in(failed) as provider, client_of(environment(provider, home)) as client:
        await refusal(client, "generate_image", **ASK)
    assert seen(rows(home, LEDGER), "status", "request_id") == [[became, "req_no"]]


# What is asked for otherwise when the provider does not want it so.
ASKED_OTHERWISE: dict[str, tuple[list[Said], dict[str, Any]]] = {
    "without a stream": ([error(400, message="stream is not supported"), MADE], {"partial_images": 2}),
    "in the foreground": (
        [Said({"error": {"message": "Background mode is off", "param": "background"}}, 400), RESPONDED],
        {"MCP_IMAGEGEN_API": "responses"},
    ),
}


@pytest.mark.parametrize("otherwise", ASKED_OTHERWISE)
async def test_a_request_that_is_asked_for_otherwise_is_an_entry_too(home: Path, otherwise: str) -> None:
    answers, more = ASKED_OTHERWISE[otherwise]
    found = await entries(home, "generate_image", *answers, **more)
    assert seen(found, "status", "basis") == [["released", None], ["settled", "billed"]]
    assert codes(found) == ["upstream_invalid", None]


@pytest.mark.parametrize("inside", [False, True])
async def test_a_forgotten_id_is_an_entry_wherever_it_is_told(home: Path, inside: bool) -> None:
    told = streamed({"type": "error", **(FORGOTTEN.body)}) if inside else FORGOTTEN
    api = {"MCP_IMAGEGEN_API": "responses"}
    async with (
        standing_in(RESPONDED, told, RESPONDED) as provider,
        client_of(environment(provider, home, **api)) as client,
    ):
        thread_id = (await call(client, "generate_image", **ASK))["thread_id"]
        await call(client, "continue_image_thread", thread_id=thread_id, **{**ASK, "partial_images": 1})
    found = rows(home, LEDGER)
    assert seen(found, "turn", "status") == [[1, "settled"], [2, "released"], [2, "settled"]]


async def test_an_entry_keeps_the_price_rows_of_what_was_billed(home: Path) -> None:
    """An answer in words costs the model that wrote it alone."""
    api = {"MCP_IMAGEGEN_API": "responses"}
    (drawn,) = await entries(home / "drawn", "generate_image", RESPONDED, **api)
    (said,) = await entries(home / "said", "generate_image", Said(response(message("no"), tool_usage={})), **api)
    models = [[row["model"] for row in json.loads(entry["price_rows"])] for entry in (drawn, said)]
    assert models == [["gpt-image-2", "gpt-5.4"], ["gpt-5.4"]]


async def continued(home: Path, *answers: Said, **variables: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The ledger of a thread that is continued twice, each turn with all its entries, and the answers."""
    async with standing_in(*answers) as provider, client_of(environment(provider, home, **variables)) as client:
        told = [await call(client, "generate_image", **ASK)]
        for prompt in ("a hat", "a scarf"):
            told.append(
                await call(client, "continue_image_thread", thread_id=told[0]["thread_id"], **{**ASK, "prompt": prompt})
            )
        assert provider.answers == [answers[-1]]
    return rows(home, LEDGER), told


async def test_a_continuation_through_edits_is_priced_without_a_host(home: Path) -> None:
    found, told = await continued(home, MADE, MISSING, MADE, MCP_IMAGEGEN_PROVIDER="compatible")
    assert seen(found, "turn", "status", "api", "host_model") == [
        [1, "settled", "image", None],
        [2, "released", "responses", "gpt-5.4"],
        [2, "settled", "image", None],
        [3, "settled", "image", None],
    ]
    _, refused, second, third = found
    assert second["expected_nano"] == third["expected_nano"] < refused["expected_nano"]
    assert second["high_nano"] < refused["high_nano"]
    assert seen(found[2:], "basis", "nano") == [["billed", found[0]["nano"]]] * 2
    assert [answer["cost"]["basis"] for answer in told] == ["billed"] * 3
    assert {answer["cost"]["usd"] for answer in told} == {found[0]["nano"] / 10**9}


async def test_a_continuation_through_edits_without_usage_costs_what_an_edit_is_expected_to(home: Path) -> None:
    found, told = await continued(home, Said(GOOD), MISSING, Said(GOOD), MCP_IMAGEGEN_PROVIDER="compatible")
    assert seen(found[2:], "basis", "nano", "tokens") == [
        ["estimated", found[2]["expected_nano"], "{}"],
        ["estimated", found[3]["expected_nano"], "{}"],
    ]
    assert [answer["cost"]["basis"] for answer in told] == ["estimated"] * 3


async def test_a_request_whose_id_was_forgotten_is_an_entry_beside_that_with_the_saved_image(home: Path) -> None:
    found, _ = await continued(home, RESPONDED, FORGOTTEN, RESPONDED, MCP_IMAGEGEN_API="responses")
    assert seen(found, "turn", "status", "request_id", "host_model") == [
        [1, "settled", None, "gpt-5.4"],
        [2, "released", "req_gone", "gpt-5.4"],
        [2, "settled", None, "gpt-5.4"],
        [3, "settled", None, "gpt-5.4"],
    ]
    assert set(json.loads(found[2]["tokens"])) == {"image_model", "host_model"}


async def test_an_entry_names_who_called(home: Path) -> None:
    async with standing_in(MADE) as provider:
        me = Implementation(name="an editor", version="1")
        async with client_of(environment(provider, home), client_info=me) as client:
            await call(client, "generate_image", **ASK)
    (entry,) = rows(home, LEDGER)
    assert [entry["owner"], entry["client"].split(" ")[0:2]] == ["local", ["an", "editor"]]


async def test_a_call_that_ends_after_midnight_costs_what_its_own_day_did(home: Path) -> None:
    """And the row that was used is named by its day."""
    today = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
    clock = [today]
    row = '[[flat]]\nmodel = "acme-draw"\nvalid_from = {}\nchecked = {}\nsizes = {{ any = "{}" }}\n'
    home.mkdir()
    (home / "prices.toml").write_text(
        row.format("2026-11-20", "2026-11-18", "0.02") + row.format("2026-11-21", "2026-11-19", "0.05")
    )
    async with standing_in(Said(GOOD)) as provider:
        provider.meanwhile = lambda: clock.append(today + timedelta(minutes=2))
        settings = from_environment(environment(provider, home, MCP_IMAGEGEN_PROVIDER="compatible"))
        async with Client(ImagegenServer(settings, local=True, now=lambda: clock[-1])) as client:
            made = await call(client, "generate_image", **{**ASK, "model": "acme-draw"})
    (entry,) = rows(home, LEDGER)
    assert [entry["nano"], entry["basis"], entry["prices_as_of"]] == [20_000_000, "billed", "2026-11-18"]
    assert [made["cost"]["usd"], made["cost"]["prices_as_of"]] == [0.02, str(date(2026, 11, 18))]


OWN = """
[[image]]
models = ["gpt-image-2"]
{since}checked = 2026-11-20
source = "our contract"
tokens = "gpt-image-2"
text_input = "5"
cached_text = "1"
image_input = "8"
cached_image = "2"
image_output = "{output}"
"""


async def test_an_entry_names_the_price_row_that_was_used(home: Path) -> None:
    """Of two rows that were seen on the same day and hold one after the other, in the estimate, the entry and the
    report."""
    home.mkdir()
    later = OWN.format(since="valid_from = 2026-11-25\n", output="60")
    (home / "prices.toml").write_text(OWN.format(since="", output="30") + later)
    moments = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (24, 25)]
    clock = [moments[0]]
    async with standing_in(MADE) as provider:
        settings = from_environment(environment(provider, home))
        async with Client(ImagegenServer(settings, local=True, now=lambda: clock[0])) as client:
            estimates = []
            for clock[0] in moments:
                estimates.append(await call(client, "estimate_cost", **ASK))
                await call(client, "generate_image", **ASK)
            content = (await client.read_resource("imagegen://spend")).contents[0]
    before, after = [json.loads(entry["price_rows"]) for entry in rows(home, LEDGER)]
    rates = {"text_input": 5, "cached_text": 1, "image_input": 8, "cached_image": 2, "image_output": 30}
    row = {"model": "gpt-image-2", "checked": "2026-11-20", "source": "our contract", "usd_per_million": rates}
    new = {**row, "valid_from": "2026-11-25", "usd_per_million": {**rates, "image_output": 60}}
    assert [before, after] == [[row], [new]]
    assert [one.get("valid_from") for one in estimates] == [None, "2026-11-25"]
    assert json.loads(content.text)["money"]["prices"] == [{**row, "calls": 1}, {**new, "calls": 1}]


async def test_an_entry_has_the_rows_of_both_models_and_else_those_of_its_estimate(home: Path) -> None:
    """Also one that was refused, one of which nothing is told, and one that went to the Image API in the end."""
    found, _ = await continued(home, Said(GOOD), MISSING, Said(GOOD), MCP_IMAGEGEN_PROVIDER="compatible")
    assert [models(entry) for entry in found] == [
        ["gpt-image-2"],
        ["gpt-image-2", "gpt-5.4"],
        ["gpt-image-2"],
        ["gpt-image-2"],
    ]
    (both,) = await entries(home.with_name("other"), "generate_image", RESPONDED, MCP_IMAGEGEN_API="responses")
    assert models(both) == ["gpt-image-2", "gpt-5.4"]


def models(entry: dict[str, Any]) -> list[str]:
    return [row["model"] for row in json.loads(entry["price_rows"])]


async def test_a_model_that_is_billed_by_image_has_its_row_too(home: Path) -> None:
    home.mkdir()
    (home / "prices.toml").write_text(
        '[[flat]]\nmodel = "gpt-image-2"\nvalid_from = 2026-11-01\nchecked = 2026-11-20\n'
        'source = "our contract"\nsizes = { any = "0.05" }\n'
    )
    (entry,) = await entries(home, "generate_image", MADE)
    (row,) = json.loads(entry["price_rows"])
    assert [row["model"], row["valid_from"], row["usd_per_image"]] == ["gpt-image-2", "2026-11-01", 0.05]
