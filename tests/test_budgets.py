"""Limits on what calls cost together: held before anything is sent, by thread, day and month, sandbox apart."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal, text_of
from mcp import Client
from stand_in import Said, standing_in
from state_file import rows

from mcp_imagegen.pipeline import limits
from mcp_imagegen.pricing.amounts import shown
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
ROOM_FOR = 10
CALLS = 50
BOUND_S = 40  # seconds; the refusals take one or two


async def price_of_one(environment: dict[str, str]) -> float:
    async with client_of(environment) as client:
        return float((await call(client, "estimate_cost", **ASK))["high_usd"])


def limited(environment: dict[str, str], scope: str, usd: float) -> dict[str, str]:
    return {**environment, f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD": f"{usd:.9f}"}


@pytest.mark.parametrize("scope", ["day", "month"])
async def test_a_call_for_which_a_budget_has_no_room_is_refused_with_what_is_spent(
    environment: dict[str, str], upstream: Upstream, scope: str
) -> None:
    one = await price_of_one(environment)
    async with client_of(limited(environment, scope, 1.5 * one)) as client:
        first = await call(client, "generate_image", **ASK)
        said = await refusal(client, "generate_image", **ASK)
    assert said.startswith("budget_exceeded: ")
    assert f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD" in said
    assert "is spent" in said
    assert "To fix: " in said
    assert first["cost"]["budget_left_usd"] == pytest.approx(1.5 * one - first["cost"]["usd"])
    assert len(upstream.seen) == 1


async def test_a_thread_has_a_budget_of_its_own(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(environment) as client:
        turn = await call(client, "estimate_cost", operation="continue", prompt="in blue", quality="low")
        first, other = [await call(client, "generate_image", **ASK) for _ in range(2)]
    async with client_of(limited(environment, "thread", turn["high_usd"] + first["cost"]["usd"])) as client:
        ask = {"prompt": "in blue", "quality": "low"}
        await call(client, "continue_image_thread", thread_id=first["thread_id"], **ask)
        said = await refusal(client, "continue_image_thread", thread_id=first["thread_id"], **ask)
        await call(client, "continue_image_thread", thread_id=other["thread_id"], **ask)
        await call(client, "generate_image", **ASK)
    assert "MCP_IMAGEGEN_BUDGET_THREAD_USD" in said
    assert "in this thread" in said
    assert len(upstream.seen) == 5


async def test_the_cheapest_way_that_fits_is_named(environment: dict[str, str], upstream: Upstream) -> None:
    dear = {**ASK, "quality": "high"}
    async with client_of(limited(environment, "day", await price_of_one(environment))) as client:
        said = await refusal(client, "generate_image", **dear)
    assert "To fix: set quality=low" in said
    assert upstream.seen == []


async def test_a_way_fits_by_what_it_could_cost_at_most(environment: dict[str, str], upstream: Upstream) -> None:
    """Not by what it is expected to."""
    low = {"prompt": "a mill", "size": "auto", "quality": "low"}
    async with client_of(environment) as client:
        way = await call(client, "estimate_cost", **low)
        between = (way["expected_usd"] + way["high_usd"]) / 2
        said = [
            await refusal(client, "generate_image", **{**low, "quality": "high"}, max_cost_usd=limit)
            for limit in (between, way["high_usd"])
        ]
    assert way["expected_usd"] < between < way["high_usd"]
    assert ["set quality=low" in one for one in said] == [False, True]


@pytest.mark.parametrize("limit", ["CALL", "THREAD", "DAY", "MONTH"])
async def test_with_a_limit_a_call_whose_price_is_unknown_is_refused(
    environment: dict[str, str], upstream: Upstream, limit: str
) -> None:
    async with client_of({**environment, f"MCP_IMAGEGEN_BUDGET_{limit}_USD": "100"}) as client:
        ask = {**ASK, "model": "gpt-image-2.5-sunburst"}
        png = (await call(client, "estimate_cost", **ask))["expected_usd"]
        said = await refusal(client, "generate_image", **ask, output_format="svg")
    assert said.startswith("budget_exceeded: nothing bounds the price of this call (how OpenAI bills svg output is not")
    assert f"MCP_IMAGEGEN_BUDGET_{limit}_USD is $100.00" in said
    assert "$0.00 is spent" in said
    assert said.endswith(f"To fix: set output_format=png: that would cost about {shown(round(png * 10**9))}")
    assert upstream.seen == []


async def test_what_nothing_bounds_is_refused_with_the_same_call_at_a_known_price(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """Or, where that does not fit, with a cheaper one."""
    ask = {**ASK, "model": "gpt-image-2.6-flare"}
    dear = {**ask, "quality": "max", "extra": {"complexity": "low"}}
    async with client_of(limited(environment, "day", 100)) as client:
        plain = await call(client, "estimate_cost", **{**ask, "quality": "max"})
        by_day = await refusal(client, "generate_image", **dear)
        said = [
            await refusal(client, "generate_image", **dear, max_cost_usd=limit)
            for limit in (plain["high_usd"], plain["high_usd"] - 1e-9, 1e-6)
        ]
    why = "budget_exceeded: nothing bounds the price of this call (what complexity adds to the price is not published)"
    assert [one.startswith(why) for one in (*said, by_day)] == [True] * 4
    cost = shown(round(plain["expected_usd"] * 10**9))
    assert said[0].endswith(f"To fix: make the call without complexity: that would cost about {cost}")
    assert "To fix: make the call without complexity, " in said[1]
    assert "choose a model, format and options with a published price" in said[2]
    assert upstream.seen == []


async def test_a_model_without_a_price_is_refused_with_the_row_that_it_needs(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """And with a model that has one. As many words as the row has are enough."""
    ask, table = {**ASK, "model": 'acme"draw'}, Path(environment["MCP_IMAGEGEN_HOME"]) / "prices.toml"
    async with client_of(limited(environment, "day", 1)) as client:
        said = await refusal(client, "generate_image", **ask)
        model = said.rpartition("set model=")[2].partition(": that would cost about ")
        other = await call(client, "estimate_cost", **{**ask, "model": model[0]})
    assert f"tell its price in {table}" in said
    assert model[2] == shown(round(other["expected_usd"] * 10**9))
    kind, row = said.partition(": [[")[2].partition(", or ")[0].replace(" and ", ", ").split("]] with ")
    table.write_text(f"[[{kind}]]\n" + row.replace(", ", "\n").replace("USD an image", "0.5"))
    async with client_of(environment) as client:
        assert (await call(client, "estimate_cost", **ask))["expected_usd"] == 0.5
    assert upstream.seen == []


async def test_a_host_without_a_price_is_refused_with_the_row_that_it_needs_and_the_way_without_it(
    environment: dict[str, str], upstream: Upstream
) -> None:
    unknown = {**environment, "MCP_IMAGEGEN_RESPONSES_MODEL": "acme-host"}
    async with client_of(limited(unknown, "day", 1)) as client:
        first = await call(client, "generate_image", **ASK)
        said = [
            await refusal(client, "continue_image_thread", **ASK, thread_id=first["thread_id"], max_cost_usd=limit)
            for limit in (1, 1e-6)
        ]
    assert ['[[host]] with models = ["acme-host"], checked = ' in one for one in said] == [True, True]
    assert ["use edit_image with the image" in one for one in said] == [True, False]


@pytest.mark.parametrize(("later", "fits"), [(timedelta(0), False), (timedelta(days=1), True)])
async def test_a_day_is_over_at_midnight(
    environment: dict[str, str], upstream: Upstream, later: timedelta, fits: bool
) -> None:
    limits = limited(environment, "day", 1.5 * await price_of_one(environment))
    async with client_of(limits) as client:
        await call(client, "generate_image", **ASK)
    server = ImagegenServer(from_environment(limits), local=True, now=lambda: datetime.now(UTC) + later)
    async with Client(server) as client:
        answer = await client.call_tool("generate_image", ASK)
    assert (not answer.is_error) == fits


@pytest.mark.parametrize("scope", ["day", "month"])
@pytest.mark.parametrize("others", [0, 1])
async def test_a_request_that_is_sent_again_after_midnight_is_held_to_the_new_days_limit(
    environment: dict[str, str], upstream: Upstream, scope: str, others: int
) -> None:
    """The clock passes midnight, and with it the end of the month, while the first request is on its way. Meanwhile
    another server takes the room of the new day."""
    clock = [datetime(2026, 11, 30, 23, 59, 59).astimezone()]
    limits = from_environment(limited(environment, scope, 1.5 * await price_of_one(environment)))
    first, second = (ImagegenServer(limits, local=True, now=lambda: clock[0]) for _ in range(2))
    async with Client(first) as client, Client(second) as other:
        upstream.open.clear()
        refused = asyncio.create_task(
            client.call_tool("generate_image", {**ASK, "prompt": "sandbox:rate-limit a mill"})
        )
        await upstream.drew.wait()
        clock[0] += timedelta(seconds=2)
        upstream.drew.clear()
        taken = [asyncio.create_task(other.call_tool("generate_image", ASK)) for _ in range(others)]
        if taken:
            await upstream.drew.wait()
        upstream.open.set()
        said = text_of(await refused)
        assert not any(one.is_error for one in await asyncio.gather(*taken))
    if others:
        assert said.startswith("budget_exceeded: rate_limited, and it is not sent again: ")
        assert f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD" in said
    else:
        assert said.startswith("rate_limited: ")
    assert len(upstream.seen) == (2 if others else 3)
    entries = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT status FROM ledger_entries")
    assert sorted(entry["status"] for entry in entries) == (["released", "settled"] if others else ["released"] * 3)


async def test_what_a_call_did_not_cost_is_free_again(environment: dict[str, str], upstream: Upstream) -> None:
    """The highest price is reserved while it runs, and what was billed counts afterwards; a refusal costs nothing."""
    one = await price_of_one(environment)
    async with client_of(limited(environment, "day", 1.1 * one)) as client:
        await refusal(client, "generate_image", **{**ASK, "prompt": "sandbox:moderation a mill"})
        answer = await call(client, "generate_image", **ASK)
    assert answer["status"] == "completed"


async def test_a_running_call_keeps_its_highest_price_reserved(environment: dict[str, str], upstream: Upstream) -> None:
    limits = {**limited(environment, "day", 1.5 * await price_of_one(environment)), "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
    async with client_of(limits) as client:
        upstream.open.clear()
        await call(client, "generate_image", **ASK)
        said = await refusal(client, "generate_image", **{**ASK, "prompt": "another mill"})
        upstream.open.set()
    assert "reserved by running calls" in said


async def test_the_sandbox_is_limited_apart(environment: dict[str, str], upstream: Upstream) -> None:
    limits = limited(environment, "day", 1.5 * await price_of_one(environment))
    async with client_of(limits) as client:
        await call(client, "generate_image", **ASK)
    async with client_of({**limits, "MCP_IMAGEGEN_PROVIDER": "compatible"}) as client:
        elsewhere = await refusal(client, "generate_image", **ASK)
    inside = {**limits, "MCP_IMAGEGEN_PROVIDER": "sandbox"}
    async with client_of(inside) as client:
        answer = await call(client, "generate_image", **ASK)
        said = await refusal(client, "generate_image", **ASK)
    assert answer["provider"] == "sandbox"
    assert said.startswith("budget_exceeded: ")
    assert elsewhere.startswith("budget_exceeded: "), "money is money at whatever provider"


async def test_an_estimate_says_what_the_budgets_leave(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(
        {**environment, "MCP_IMAGEGEN_BUDGET_DAY_USD": "2", "MCP_IMAGEGEN_BUDGET_MONTH_USD": "1"}
    ) as client:
        before = await call(client, "estimate_cost", **ASK)
        answer = await call(client, "generate_image", **ASK)
        after = await call(client, "estimate_cost", **ASK)
    assert before["budget_left_usd"] == 1
    assert after["budget_left_usd"] == pytest.approx(1 - answer["cost"]["usd"])


async def test_of_fifty_calls_of_two_servers_that_race_for_room_for_ten_ten_are_sent(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """Two real server processes on one home, each with half of the calls, all at once."""
    one = await price_of_one(environment)
    limits = limited(environment, "month", ROOM_FOR * one)
    upstream.open.clear()  # none ends, so that the whole price of each stays reserved
    async with client_of(limits, "stdio") as first, client_of(limits, "stdio") as second:
        calls = [
            asyncio.create_task(client.call_tool("generate_image", {**ASK, "prompt": f"mill{number:02}"}))
            for number in range(CALLS // 2)
            for client in (first, second)
        ]
        refused: list[Any] = []
        with suppress(TimeoutError):  # were too many let through, they would wait with those that may
            async with asyncio.timeout(BOUND_S):
                for done in asyncio.as_completed(calls):
                    refused.append(await done)
                    if len(refused) == CALLS - ROOM_FOR:
                        break
        upstream.open.set()
        answers = await asyncio.gather(*calls)
    assert len(refused) == CALLS - ROOM_FOR
    assert all(text_of(answer).startswith("budget_exceeded: ") for answer in refused), "nor lost to each other's locks"
    assert sum(not answer.is_error for answer in answers) == ROOM_FOR
    assert len(upstream.seen) == ROOM_FOR
    entries = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT status FROM ledger_entries")
    assert [entry["status"] for entry in entries] == ["settled"] * ROOM_FOR


async def test_while_the_room_for_a_call_is_looked_at_nobody_else_can_take_it(
    environment: dict[str, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the race shows where the processes happen to meet, shown of each look at the budgets: of the early one, of
    the one that reserves, of the one before a request is sent again, and of the one that tells what is left."""
    file, real, taken = Path(environment["MCP_IMAGEGEN_HOME"]) / "imagegen.sqlite3", limits.standings, []

    async def standings(*given: Any) -> Any:
        found = await real(*given)
        with closing(sqlite3.connect(file, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                taken.append(False)
            else:
                taken.append(True)
        return found

    monkeypatch.setattr(limits, "standings", standings)
    async with client_of(limited(environment, "day", 1)) as client:
        await call(client, "generate_image", **ASK)
        await refusal(client, "generate_image", **{**ASK, "prompt": "sandbox:rate-limit a mill"})
    assert taken == [True, False, True, True, False, False, False]


async def test_a_lost_call_at_a_price_for_each_image_counts_as_paid(environment: dict[str, str]) -> None:
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    (home / "prices.toml").write_text('[[flat]]\nmodel = "acme-draw"\nchecked = 2026-11-20\nsizes = { any = "0.02" }\n')
    async with standing_in(Said({"created": 1, "data": []})) as provider:
        limits = {**provider.environment(MCP_IMAGEGEN_PROVIDER="compatible"), "MCP_IMAGEGEN_BUDGET_DAY_USD": "0.05"}
        async with client_of({**environment, **limits}) as client:
            said = [await refusal(client, "generate_image", prompt="a cat", model="acme-draw") for _ in range(3)]
        assert len(provider.seen) == 2
    assert said[2].startswith("budget_exceeded: ")
    entries = rows(home, "SELECT basis, nano FROM ledger_entries")
    assert entries == [{"basis": "estimated", "nano": 20_000_000}] * 2
