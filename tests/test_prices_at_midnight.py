"""Prices go by the day, in UTC, on which each request is sent: also one that is sent again after midnight."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doors import call, refusal
from mcp import Client
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult
from stand_in import GOOD, Said, StandIn, error, standing_in
from state_file import rows

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

EVENING = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
MORNING = EVENING + timedelta(seconds=2)
ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "low"}
USAGE = {"input_tokens": 10, "output_tokens": 196, "output_tokens_details": {"image_tokens": 196}}
MADE = Said({**GOOD, "usage": USAGE})
BUSY = error(429, "rate_limit_exceeded")
MISSING = Said({"detail": "Not Found"}, 404)
OLD, NEW = (10 * 5_000 + 196 * rate * 1_000 for rate in (30, 300))  # what is billed on each of the days
ROW = """
[[image]]
models = ["gpt-image-2"]
valid_from = {day}
checked = 2026-11-01
tokens = "gpt-image-2"
text_input = 5
cached_text = 5
image_input = 8
cached_image = 8
image_output = {rate}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a price that rises tenfold at midnight."""
    prices = ROW.format(day="2026-11-20", rate=30) + ROW.format(day="2026-11-21", rate=300)
    (tmp_path / "prices.toml").write_text(prices)
    return tmp_path


async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    return ElicitResult(action="accept", content={"proceed": True})


@asynccontextmanager
async def evening(home: Path, *answers: Said, **variables: str) -> AsyncIterator[tuple[Client, StandIn]]:
    """A server in the last second of a day, and its provider, while whose first answer is awaited the day ends."""
    clock = [EVENING]
    async with standing_in(*answers) as provider:
        provider.meanwhile = lambda: clock.append(MORNING)
        server = serving(provider, home, lambda: clock[-1], **variables)
        async with Client(server, elicitation_callback=agree) as client:
            yield client, provider


def serving(provider: StandIn, home: Path, now: Any, **variables: str) -> ImagegenServer:
    given = {"MCP_IMAGEGEN_PROVIDER": "openai", "MCP_IMAGEGEN_HOME": str(home), **variables}
    return ImagegenServer(from_environment(provider.environment(**given)), local=True, now=now)


def entries(home: Path) -> list[list[Any]]:
    """Of each request its status, since when its price holds, whether much was expected, and what it cost."""
    found = rows(home, "SELECT * FROM ledger_entries ORDER BY entry_id")
    days = [json.loads(entry["price_rows"])[0]["valid_from"] for entry in found]
    dear = [entry["expected_nano"] > 2 * OLD for entry in found]
    return [[entry["status"], *more, entry["nano"]] for entry, *more in zip(found, days, dear, strict=True)]


@pytest.mark.parametrize("zone", ["UTC0", "EAST-14", "WEST+11:30"], indirect=True)
async def test_a_request_that_is_sent_again_after_midnight_has_the_price_of_its_own_day(home: Path, zone: str) -> None:
    """Wherever the server is."""
    async with evening(home, BUSY, MADE) as (client, _):
        made = await call(client, "generate_image", **ASK)
    assert entries(home) == [["released", "2026-11-20", False, None], ["settled", "2026-11-21", True, NEW]]
    assert made["cost"]["usd"] == NEW / 10**9


async def test_a_request_that_was_sent_before_midnight_has_the_price_of_that_day(home: Path) -> None:
    async with evening(home, MADE) as (client, _):
        await call(client, "generate_image", **ASK)
    assert entries(home) == [["settled", "2026-11-20", False, OLD]]


async def test_a_continuation_that_goes_on_as_an_edit_has_the_price_of_its_own_day(home: Path) -> None:
    async with evening(home, MADE, MISSING, MADE) as (client, provider):
        midnight, provider.meanwhile = provider.meanwhile, None
        thread_id = (await call(client, "generate_image", **ASK))["thread_id"]
        provider.meanwhile = midnight
        await call(client, "continue_image_thread", thread_id=thread_id, **ASK)
    assert entries(home)[1:] == [["released", "2026-11-20", True, None], ["settled", "2026-11-21", True, NEW]]


LIMITS: list[tuple[dict[str, str], dict[str, float]]] = [
    ({}, {"max_cost_usd": 0.03}),
    ({"MCP_IMAGEGEN_BUDGET_CALL_USD": "0.03"}, {}),
    ({"MCP_IMAGEGEN_BUDGET_DAY_USD": "0.03"}, {}),
]


@pytest.mark.parametrize("zone", ["UTC0", "EAST-14"], indirect=True)
@pytest.mark.parametrize(("variables", "arguments"), LIMITS)
async def test_a_request_is_not_sent_again_where_the_new_days_price_passes_a_limit(
    home: Path, variables: dict[str, str], arguments: dict[str, float], zone: str
) -> None:
    async with evening(home, BUSY, MADE, **variables) as (client, provider):
        said = await refusal(client, "generate_image", **ASK, **arguments)
        assert len(provider.seen) == 1
    assert said.startswith("budget_exceeded: rate_limited, and it is not sent again: this call ")
    assert "could cost $0.059" in said
    assert next(iter({**variables, **arguments})) in said
    assert "$0.00 is spent today" in said
    assert "reserved" not in said, "what was refused is reserved no more"
    assert [entry[0] for entry in entries(home)] == ["released"]


@pytest.mark.parametrize(
    ("variables", "arguments", "sent"),
    [
        ({}, {}, 1),
        ({"MCP_IMAGEGEN_CONFIRM": "when_possible"}, {}, 2),
        ({"MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "0.1"}, {}, 2),
        ({}, {"max_cost_usd": 0.1}, 2),
    ],
)
async def test_a_yes_to_the_price_of_one_day_is_none_to_that_of_the_next(
    home: Path, variables: dict[str, str], arguments: dict[str, float], sent: int
) -> None:
    asking = {"MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "0.001", **variables}
    async with evening(home, BUSY, MADE, **asking) as (client, provider):
        if sent == 1:
            said = await refusal(client, "generate_image", **ASK)
            assert said.startswith("confirmation_declined: rate_limited, and it is not sent again: since midnight")
            assert "the call could cost $0.059, and it was agreed to at $0.0059" in said
        else:
            await call(client, "generate_image", **ASK, **arguments)
        assert len(provider.seen) == sent


async def test_a_yes_covers_a_price_that_has_fallen_since(home: Path) -> None:
    """Also one of which the user would be asked by itself."""
    prices = ROW.format(day="2026-11-20", rate=300) + ROW.format(day="2026-11-21", rate=30)
    (home / "prices.toml").write_text(prices)
    async with evening(home, BUSY, MADE, MCP_IMAGEGEN_CONFIRM_ABOVE_USD="0.001") as (client, provider):
        await call(client, "generate_image", **ASK)
        assert len(provider.seen) == 2


@pytest.mark.parametrize(("limit", "sent"), [(0.1, 1), (0.03, 0)])
async def test_midnight_between_the_price_and_the_request_counts_too(home: Path, limit: float, sent: int) -> None:
    """The folder of the images is made when a price is agreed to and its call begins."""
    async with standing_in(MADE) as provider:
        server = serving(provider, home, lambda: MORNING if (home / "images").exists() else EVENING)
        async with Client(server) as client:
            answer = await client.call_tool("generate_image", {**ASK, "max_cost_usd": limit})
        assert len(provider.seen) == sent
    assert answer.is_error == (not sent)
    assert entries(home) == [["settled", "2026-11-21", True, NEW]] * sent
