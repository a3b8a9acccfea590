"""What is promised about money: reserved at its highest before a call is sent, settled at what was billed, limited."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal
from stand_in import GOOD, Said, StandIn, error, standing_in
from starlette.types import Receive, Scope, Send
from state_file import rows

from mcp_imagegen.sandbox.serving import running

NANO = 10**9  # of 1 USD
LEDGER = "SELECT * FROM ledger_entries ORDER BY entry_id"
ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "auto"}  # three prices that differ
USAGE = {
    "input_tokens": 12,
    "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
    "output_tokens": 200,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 200},
    "total_tokens": 212,
}
BILLED = 12 * 5_000 + 200 * 30_000  # gpt-image-2: 5 and 30 USD per million tokens of text input and image output
MADE = Said({**GOOD, "usage": USAGE}, headers={"x-request-id": "req_made"})


@dataclass
class Watching(StandIn):
    """A stand-in that looks at something at the moment at which a paid request reaches it."""

    look: Callable[[], Any] = list
    looked: list[Any] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            self.looked.append(self.look())
        await super().__call__(scope, receive, send)


@asynccontextmanager
async def watching(answer: Said, look: Callable[[], Any]) -> AsyncIterator[Watching]:
    provider = Watching([answer], look=look)
    async with running(provider) as url:
        provider.url = url
        yield provider


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


def environment(provider: StandIn, home: Path, **more: str) -> dict[str, str]:
    return provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(home), **more)


def nano(usd: float) -> int:
    return round(usd * NANO)


async def test_the_highest_price_is_reserved_before_the_request_leaves(home: Path) -> None:
    async with (
        watching(MADE, lambda: rows(home, LEDGER)) as provider,
        client_of(environment(provider, home)) as client,
    ):
        price = await call(client, "estimate_cost", **ASK)
        await call(client, "generate_image", **ASK)
    low, expected, high = (nano(price[name]) for name in ("low_usd", "expected_usd", "high_usd"))
    ((entry,),) = provider.looked
    assert low < expected < high
    assert [entry["status"], entry["nano"], entry["closed_at"]] == ["reserved", None, None]
    assert [entry["low_nano"], entry["expected_nano"], entry["high_nano"]] == [low, expected, high]


async def test_a_paid_call_leaves_one_settled_entry_with_what_was_billed(home: Path) -> None:
    async with standing_in(MADE) as provider, client_of(environment(provider, home)) as client:
        price = await call(client, "estimate_cost", **ASK)
        made = await call(client, "generate_image", **ASK)
    (entry,) = rows(home, LEDGER)
    assert [entry["status"], entry["basis"], entry["nano"]] == ["settled", "billed", BILLED]
    assert nano(made["cost"]["usd"]) == BILLED
    assert [nano(price[name]) for name in ("low_usd", "expected_usd", "high_usd")] == [
        entry["low_nano"],
        entry["expected_nano"],
        entry["high_nano"],
    ]
    assert json.loads(entry["tokens"]) == {"image_model": {"text_input": 12, "image_output": 200}} == made["usage"]
    assert entry["request_id"] == made["request_id"] == "req_made"
    assert [entry["thread_id"], entry["turn"]] == [made["thread_id"], made["turn"]]
    assert [entry["operation"], entry["provider"], entry["model"]] == ["generate", "openai", "gpt-image-2"]
    assert entry["closed_at"] >= entry["created_at"]


# how the call ends: for each request the status of its entry, and of the last one the basis of its amount and its code
ENDINGS: dict[str, tuple[Said, list[str], str | None, str | None]] = {
    "refused": (error(400, "moderation_blocked"), ["released"], None, "moderation_blocked"),
    "wrong key": (error(401, "invalid_api_key"), ["released"], None, "authentication_failed"),
    "broken for ever": (error(500), ["released"] * 3, None, "upstream_unavailable"),
    "too busy": (error(429, "rate_limit_exceeded", retry_after="999"), ["released"], None, "rate_limited"),
    "a gateway gave up": (error(504), ["settled"], "estimated", "upstream_unavailable"),
    "an answer that cannot be read": (Said("<html>hello</html>"), ["settled"], "estimated", "upstream_invalid"),
    "an image without usage": (Said(GOOD), ["settled"], "estimated", None),
    "usage without an image": (
        Said({"created": 1, "data": [], "usage": USAGE}),
        ["settled"],
        "billed",
        "upstream_invalid",
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
async def test_nothing_stays_reserved_however_a_call_ends(home: Path, ending: str) -> None:
    answer, statuses, basis, code = ENDINGS[ending]
    async with standing_in(answer) as provider, client_of(environment(provider, home)) as client:
        await client.call_tool("generate_image", ASK)
        assert len(provider.seen) == len(statuses)
    entries = rows(home, LEDGER)
    amounts = {None: None, "estimated": entries[-1]["expected_nano"], "billed": BILLED}
    assert [entry["status"] for entry in entries] == statuses
    for entry in entries:
        assert [entry["basis"], entry["nano"]] == [basis, amounts[basis]]
        assert entry["closed_at"] is not None
        assert entry["ending"] == ("failed" if code else "completed")
        assert (entry["reason"] or "None").split(":")[0] == str(code)


LIMITS = ["MCP_IMAGEGEN_BUDGET_CALL_USD", "max_cost_usd"]


def limited(name: str, usd: float) -> tuple[dict[str, str], dict[str, Any]]:
    """What to add to the environment and to the arguments for this limit."""
    return ({name: f"{usd:.9f}"}, {}) if name.startswith("MCP_") else ({}, {name: usd})


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_is_held_against_the_highest_price_before_anything_is_sent(home: Path, name: str) -> None:
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home)) as client:
            price = await call(client, "estimate_cost", **ASK)
        variables, arguments = limited(name, (price["expected_usd"] + price["high_usd"]) / 2)
        async with client_of(environment(provider, home, **variables)) as client:
            text = await refusal(client, "generate_image", **ASK, **arguments)
            threads = (await call(client, "get_image_thread"))["threads"]
        assert price["expected_usd"] < price["high_usd"]
        assert text.startswith("budget_exceeded: ")
        assert name in text
        assert [provider.seen, threads, rows(home, LEDGER)] == [[], [], []]


@pytest.mark.parametrize("name", [*LIMITS, "MCP_IMAGEGEN_BUDGET_DAY_USD"])
async def test_a_limit_that_is_passed_by_the_least_amount_looks_smaller_than_the_price(home: Path, name: str) -> None:
    ask = {**ASK, "quality": "high"}
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home)) as client:
            high = (await call(client, "estimate_cost", **ask))["high_usd"]
        variables, arguments = limited(name, high - 1 / NANO)
        async with client_of(environment(provider, home, **variables)) as client:
            text = await refusal(client, "generate_image", **ask, **arguments)
    cost, limit, *_ = re.findall(r"\$[\d.]+\d", text)
    assert [cost, limit] == [f"${high:.9f}".rstrip("0"), f"${high - 1 / NANO:.9f}"]


@pytest.mark.parametrize("name", LIMITS)
async def test_a_limit_of_just_the_highest_price_lets_the_call_pass(home: Path, name: str) -> None:
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home)) as client:
            price = await call(client, "estimate_cost", **ASK)
        variables, arguments = limited(name, price["high_usd"])
        async with client_of(environment(provider, home, **variables)) as client:
            made = await call(client, "generate_image", **ASK, **arguments)
    assert made["status"] == "completed"


async def test_the_stricter_of_two_limits_counts(home: Path) -> None:
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home, MCP_IMAGEGEN_BUDGET_CALL_USD="0.0001")) as client:
            by_setting = await refusal(client, "generate_image", **ASK, max_cost_usd=100)
        async with client_of(environment(provider, home, MCP_IMAGEGEN_BUDGET_CALL_USD="100")) as client:
            by_caller = await refusal(client, "generate_image", **ASK, max_cost_usd=0.0001)
        assert by_setting.startswith("budget_exceeded: ")
        assert by_caller.startswith("budget_exceeded: ")
        assert provider.seen == []


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("unpriced", [{"output_format": "gif"}, {"model": "gpt-image-9"}], ids=["gif", "model"])
async def test_a_call_without_a_known_price_is_refused_only_while_there_is_a_limit(
    home: Path, name: str, unpriced: dict[str, str]
) -> None:
    ask = {"prompt": "a mill", "model": "gpt-image-2.5-flare", "size": "1024x1024", **unpriced}
    variables, arguments = limited(name, 1_000)
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home, **variables)) as client:
            text = await refusal(client, "generate_image", **ask, **arguments)
            assert text.startswith("budget_exceeded: ")
            assert provider.seen == []
        async with client_of(environment(provider, home)) as client:
            made = await call(client, "generate_image", **ask)
            assert made["status"] == "completed"
            assert len(provider.seen) == 1
    (entry,) = rows(home, LEDGER)
    assert [entry["low_nano"], entry["expected_nano"], entry["high_nano"]] == [None, None, None]


async def test_a_continuation_is_limited_too(home: Path) -> None:
    async with standing_in(MADE) as provider:
        async with client_of(environment(provider, home)) as client:
            first = await call(client, "generate_image", **ASK)
        async with client_of(environment(provider, home, MCP_IMAGEGEN_BUDGET_CALL_USD="0.0001")) as client:
            text = await refusal(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in blue")
            assert text.startswith("budget_exceeded: ")
            edit = await refusal(client, "edit_image", images=[first["images"][0]["image_id"]], prompt="in blue")
            assert edit.startswith("budget_exceeded: ")
        assert [path for path, _ in provider.seen] == ["POST /v1/images/generations"]
