"""Whose calls count against a budget, and when: days and months of the server's time zone, owners, crashed calls."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of
from mcp import Client
from state_file import rows
from test_recovery import killed, left_by_a_killed_server, looked_at

from mcp_imagegen.operations import Caller
from mcp_imagegen.server.backend import LazyBackend
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

__all__ = ["killed", "left_by_a_killed_server"]  # fixtures
ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
SECOND = timedelta(seconds=1)


async def room_for_one(environment: dict[str, str], scope: str) -> dict[str, str]:
    async with client_of(environment) as client:
        high = (await call(client, "estimate_cost", **ASK))["high_usd"]
    return {**environment, f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD": f"{1.5 * high:.9f}"}


async def fit(limits: dict[str, str], *moments: datetime) -> list[bool]:
    """Whether there is room for one call at each of these moments."""
    clock = [moments[0]]
    found = []
    async with Client(ImagegenServer(from_environment(limits), local=True, now=lambda: clock[0])) as client:
        for moment in moments:
            clock[0] = moment
            found.append(not (await client.call_tool("generate_image", ASK)).is_error)
    return found


# The system's zone by POSIX, whose sign is the other way round, and when its 20 November 2026 ends.
MIDNIGHTS = {
    "UTC0": datetime(2026, 11, 21, 0, tzinfo=UTC),
    "EAST-14": datetime(2026, 11, 20, 10, tzinfo=UTC),
    "WEST+11:30": datetime(2026, 11, 21, 11, 30, tzinfo=UTC),
}


@pytest.mark.parametrize(("zone", "midnight"), MIDNIGHTS.items(), indirect=["zone"])
async def test_a_day_ends_at_midnight_where_the_server_is(
    environment: dict[str, str], upstream: Upstream, zone: str, midnight: datetime
) -> None:
    limits = await room_for_one(environment, "day")
    moments = (midnight - 2 * SECOND, midnight - SECOND, midnight, midnight + timedelta(hours=23, minutes=59))
    assert await fit(limits, *moments) == [True, False, True, False]


@pytest.mark.parametrize("zone", ["EAST-14"], indirect=True)
async def test_a_month_lasts_over_its_days_and_ends_with_the_last(
    environment: dict[str, str], upstream: Upstream, zone: str
) -> None:
    limits = await room_for_one(environment, "month")
    end = datetime(2026, 11, 30, 10, tzinfo=UTC)
    days = (end - timedelta(days=30), end - timedelta(days=29), end - SECOND, end)
    assert await fit(limits, *days) == [True, False, False, True]


@pytest.mark.parametrize("zone", ["CET-1CEST,M3.5.0,M10.5.0/3"], indirect=True)
async def test_a_month_begins_at_the_midnight_that_its_first_day_had(
    environment: dict[str, str], upstream: Upstream, zone: str
) -> None:
    """October begins in summer time, and ends without it."""
    limits = await room_for_one(environment, "month")
    begin = datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert await fit(limits, begin - SECOND, begin, datetime(2026, 10, 31, 12, tzinfo=UTC)) == [True, True, False]


@pytest.mark.parametrize("scope", ["day", "month"])
async def test_what_others_spend_does_not_count(
    environment: dict[str, str], upstream: Upstream, scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = await room_for_one(environment, scope)
    callers = ["local", "local", "ada", "ada", "local"]
    found = []
    async with client_of(limits) as client:
        for owner in callers:
            monkeypatch.setattr(LazyBackend, "caller", lambda *_, owner=owner: Caller(owner))
            found.append(not (await client.call_tool("generate_image", ASK)).is_error)
    assert found == [True, False, True, False, False]


async def test_what_a_crashed_call_reserved_is_settled_at_the_expected_price(killed: dict[str, str]) -> None:
    """Until somebody looks, its highest price stays reserved; then it is lost, which may have been billed."""
    limits = {**killed, "MCP_IMAGEGEN_BUDGET_DAY_USD": "1"}
    (entry,) = rows(Path(killed["MCP_IMAGEGEN_HOME"]), "SELECT * FROM ledger_entries")
    async with client_of(limits) as client:
        before = (await call(client, "estimate_cost", **ASK))["budget_left_usd"]
    (turn,) = (await looked_at(limits))["thread"]["turns"]
    async with client_of(limits) as client:
        after = (await call(client, "estimate_cost", **ASK))["budget_left_usd"]
    assert entry["status"] == "reserved"
    assert before == pytest.approx(1 - entry["high_nano"] / 10**9)
    assert after == pytest.approx(1 - entry["expected_nano"] / 10**9)
    assert [turn["status"], turn["error"]["may_be_billed"]] == ["lost", True]
