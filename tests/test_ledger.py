"""The ledger: every attempt is reserved, then settled or released, once, and adds up."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, select

from mcp_imagegen.database.engine import Database
from mcp_imagegen.database.tables import LEDGER_ENTRIES
from mcp_imagegen.ledger.entries import Spent, follow, release, reserve, settle, spent

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(seconds=30)
PRICES = date(2026, 10, 14)
ROWS = [{"model": "gpt-image-2", "source": "a page"}]
JUDGED = {"nano": 2_000, "low_nano": 800, "high_nano": 2_500}
NOTHING = Spent(billed_nano=0, reserved_nano=0, calls=0, unpriced=0)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "imagegen.sqlite3")
    await database.prepare()
    yield database
    await database.aclose()


async def reserved(database: Database, **given: Any) -> int:
    values: dict[str, Any] = {
        "owner": "local",
        "client": "claude-code",
        "thread_id": "thr_" + "1" * 32,
        "turn": 1,
        "operation": "generate",
        "provider": "openai",
        "api": "image",
        "model": "gpt-image-2",
        "host_model": None,
        "low_nano": 1_000,
        "expected_nano": 2_000,
        "high_nano": 3_000,
        "at": AT,
    }
    async with database.writing() as connection:
        return await reserve(connection, **values | given)


async def settled(database: Database, entry: int, nano: int | None = 2_500, **given: Any) -> bool:
    values: dict[str, Any] = {
        "basis": "billed",
        "prices_as_of": PRICES,
        "tokens": {"image_model": {"image_output": 1372}},
        "request_id": "req_1",
        "ending": "completed",
        "images": 1,
        "at": LATER,
    }
    async with database.writing() as connection:
        return await settle(connection, entry, nano=nano, **values | given)


async def released(database: Database, entry: int) -> bool:
    async with database.writing() as connection:
        return await release(connection, entry, reason="rate_limited: slow down", at=LATER)


async def followed(database: Database, entry: int, asked: list[str] | None = None) -> int | None:
    async def hold(owner: str) -> None:
        if asked is not None:
            asked.append(owner)

    async with database.writing() as connection:
        why = "rate_limited: slow down"
        return await follow(connection, entry, reason=why, request_id="req_1", at=LATER, hold=hold)


async def total(database: Database, owner: str = "local", **given: Any) -> Spent:
    async with database.reading() as connection:
        return await spent(connection, owner=owner, **given)


async def entries(database: Database) -> list[Row[Any]]:
    async with database.reading() as connection:
        return list(await connection.execute(select(LEDGER_ENTRIES).order_by(LEDGER_ENTRIES.c.entry_id)))


async def test_reserved_amount_is_the_most_that_the_call_may_cost(database: Database) -> None:
    await reserved(database)

    assert await total(database) == Spent(billed_nano=0, reserved_nano=3_000, calls=1, unpriced=0)


async def test_settling_puts_what_it_cost_in_place_of_what_was_reserved(database: Database) -> None:
    assert await settled(database, await reserved(database))

    assert await total(database) == Spent(billed_nano=2_500, reserved_nano=0, calls=1, unpriced=0)


async def test_released_call_costs_nothing(database: Database) -> None:
    assert await released(database, await reserved(database))

    assert await total(database) == NOTHING


async def test_entry_keeps_all_that_is_known_of_the_attempt(database: Database) -> None:
    await settled(
        database, await reserved(database, api="responses", host_model="gpt-5.4"), price_rows=ROWS, judged=JUDGED
    )
    await released(database, await reserved(database, operation="edit", thread_id=None, turn=None, client=None))
    first, second = (dict(entry._mapping) for entry in await entries(database))

    assert first == {
        "entry_id": 1,
        "owner": "local",
        "client": "claude-code",
        "thread_id": "thr_" + "1" * 32,
        "turn": 1,
        "operation": "generate",
        "provider": "openai",
        "api": "responses",
        "model": "gpt-image-2",
        "host_model": "gpt-5.4",
        "status": "settled",
        "low_nano": 1_000,
        "expected_nano": 2_000,
        "high_nano": 3_000,
        "nano": 2_500,
        "basis": "billed",
        "prices_as_of": PRICES,
        "tokens": {"image_model": {"image_output": 1372}},
        "request_id": "req_1",
        "reason": None,
        "created_at": AT,
        "closed_at": LATER,
        "ending": "completed",
        "images": 1,
        "price_rows": ROWS,
        "judged": JUDGED,
    }
    assert (second["status"], second["reason"], second["nano"]) == ("released", "rate_limited: slow down", None)
    assert (second["ending"], second["images"]) == ("failed", None)


@pytest.mark.parametrize("close", [settled, released])
@pytest.mark.parametrize("again", [settled, released])
async def test_entry_is_closed_once(database: Database, close: Any, again: Any) -> None:
    entry = await reserved(database)
    assert await close(database, entry)
    before = await entries(database)

    assert not await again(database, entry)
    assert await entries(database) == before


async def test_closing_an_entry_leaves_the_others_alone(database: Database) -> None:
    await reserved(database)
    await settled(database, await reserved(database))

    assert not await settled(database, 3)
    assert [entry.status for entry in await entries(database)] == ["reserved", "settled"]


async def test_sandbox_amounts_are_no_money(database: Database) -> None:
    await settled(database, await reserved(database, provider="sandbox"), nano=9)
    await settled(database, await reserved(database, provider="openai"), nano=100)
    await reserved(database, provider="compatible", high_nano=1_000)

    assert await total(database) == Spent(billed_nano=100, reserved_nano=1_000, calls=2, unpriced=0)
    assert await total(database, provider="sandbox") == Spent(billed_nano=9, reserved_nano=0, calls=1, unpriced=0)
    assert await total(database, provider="openai") == Spent(billed_nano=100, reserved_nano=0, calls=1, unpriced=0)


async def test_total_counts_calls_from_the_moment_they_were_reserved(database: Database) -> None:
    await settled(database, await reserved(database, at=AT - timedelta(microseconds=1)), nano=1, at=AT)
    await settled(database, await reserved(database, at=AT), nano=10)

    assert (await total(database, since=AT)).billed_nano == 10
    assert (await total(database, since=AT - timedelta(days=1))).billed_nano == 11
    assert await total(database, since=LATER) == NOTHING


async def test_total_is_the_owner_s_own(database: Database) -> None:
    await reserved(database, owner="ann")

    assert await total(database, "bob") == NOTHING
    assert (await total(database, "ann")).calls == 1


async def test_calls_without_a_known_price_are_counted_as_such(database: Database) -> None:
    await reserved(database, low_nano=None, expected_nano=None, high_nano=None)
    await settled(database, await reserved(database), nano=None, basis="estimated", prices_as_of=None)
    await settled(database, await reserved(database), nano=7)

    assert await total(database) == Spent(billed_nano=7, reserved_nano=0, calls=3, unpriced=2)


async def test_large_amounts_are_added_exactly(database: Database) -> None:
    million_usd = 10**15 + 1
    for _ in range(3):
        await settled(database, await reserved(database, high_nano=million_usd), nano=million_usd)

    assert (await total(database)).billed_nano == 3 * million_usd


CALLS = st.lists(
    st.tuples(
        st.sampled_from(["openai", "sandbox"]),
        st.none() | st.integers(0, 10**12),
        st.integers(0, 2),
        st.lists(st.none() | st.integers(0, 10**12), max_size=2),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(calls=CALLS)
def test_ledger_adds_up_whatever_happens(tmp_path_factory: pytest.TempPathFactory, calls: list[Any]) -> None:
    """Each call: its provider, what was reserved, how often it was refused and sent again before it was closed, and how
    that was done: amounts settle it, None releases it. What is closed is not sent again."""

    async def run() -> Spent:
        database = Database(tmp_path_factory.mktemp("ledger") / "imagegen.sqlite3")
        for provider, high, refusals, closings in calls:
            entry = await reserved(database, provider=provider, high_nano=high)
            for _ in range(refusals):
                entry = await followed(database, entry) or 0
            for nano in closings:
                await (released(database, entry) if nano is None else settled(database, entry, nano))
            assert not closings or await followed(database, entry) is None
        found = await total(database)
        await database.aclose()
        return found

    real = [(high, closings) for provider, high, _, closings in calls if provider == "openai"]
    still_open = [high for high, closings in real if not closings]
    paid = [closings[0] for _, closings in real if closings and closings[0] is not None]
    assert asyncio.run(run()) == Spent(
        billed_nano=sum(paid),
        reserved_nano=sum(high for high in still_open if high is not None),
        calls=len(paid) + len(still_open),
        unpriced=still_open.count(None),
    )
