"""Reports add up: by whatever calls are put together, every call is in them once, and sandbox amounts are no money."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mcp_imagegen.database.engine import Database
from mcp_imagegen.ledger.accuracy import Billed, accuracy
from mcp_imagegen.ledger.entries import release, reserve, settle
from mcp_imagegen.ledger.reports import EVERY, By, Group, Sums, grouped, together

START = datetime(2025, 12, 30, 12, 0, tzinfo=UTC)
OWNERS = itertools.count()


@dataclass(frozen=True)
class Called:
    """An entry: reserved for `high`, then settled at `nano` by `basis`, released, or neither."""

    provider: str
    model: str
    thread_id: str | None
    client: str | None
    after: timedelta
    high: int | None
    ending: str
    nano: int | None
    tokens: tuple[int, int]
    images: int

    @property
    def at(self) -> datetime:
        return START + self.after

    async def enter(self, connection: Any, owner: str) -> None:
        entry = await reserve(
            connection, owner=owner, client=self.client, thread_id=self.thread_id, turn=1, operation="generate",
            provider=self.provider, api="image", model=self.model, host_model=None,
            low_nano=self.high, expected_nano=self.high, high_nano=self.high, at=self.at,
        )  # fmt: skip
        if self.ending == "released":
            await release(connection, entry, reason="no", at=self.at)
        elif self.ending != "reserved":
            image, host = self.tokens
            await settle(
                connection,
                entry,
                nano=self.nano,
                basis=self.ending,
                prices_as_of=None,
                request_id=None,
                tokens={"image_model": {"image_output": image}, "host_model": {"text_input": host}},
                ending="completed",
                images=self.images,
                at=self.at,
            )  # type: ignore[arg-type]  # fmt: skip - one of the two that are left

    def key(self, by: By, zone: tzinfo) -> Any:
        day = self.at.astimezone(zone).date()
        return {"day": day, "model": self.model, "thread": self.thread_id, "client": self.client}[by]


def added(calls: list[Called]) -> Sums:
    """What the calls come to, without the database's help."""
    settled = [call for call in calls if call.ending in ("billed", "estimated")]
    reserved = [call for call in calls if call.ending == "reserved"]
    counts = {
        "image_model": {"image_output": sum(call.tokens[0] for call in settled)},
        "host_model": {"text_input": sum(call.tokens[1] for call in settled)},
    }
    return Sums(
        calls=len(settled) + len(reserved),
        refused=len(calls) - len(settled) - len(reserved),
        images=sum(call.images for call in settled),
        billed_nano=sum(call.nano or 0 for call in settled if call.ending == "billed"),
        estimated_nano=sum(call.nano or 0 for call in settled if call.ending == "estimated"),
        reserved_nano=sum(call.high or 0 for call in reserved),
        unpriced=[call.nano for call in settled].count(None) + [call.high for call in reserved].count(None),
        tokens={model: kinds for model, kinds in counts.items() if any(kinds.values())},
    )


AMOUNT = st.none() | st.integers(0, 10**13)
CALLED = st.builds(
    Called,
    provider=st.sampled_from(["openai", "azure", "sandbox"]),
    model=st.sampled_from(["gpt-image-2", "gpt-image-2.5-flare"]),
    thread_id=st.sampled_from([None, "thr_1", "thr_2"]),
    client=st.sampled_from([None, "an editor"]),
    after=st.timedeltas(timedelta(0), timedelta(days=3)),
    high=AMOUNT,
    ending=st.sampled_from(["billed", "estimated", "reserved", "released"]),
    nano=AMOUNT,
    tokens=st.tuples(st.integers(0, 20_000), st.integers(0, 300_000)),
    images=st.integers(0, 10),
)
ZONES = st.integers(-4 * 12, 4 * 14).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports") / "imagegen.sqlite3"


@settings(max_examples=20, phases=[Phase.generate])  # a smaller example would take minutes to find
@given(calls=st.lists(CALLED, max_size=12), zone=ZONES, since=st.none() | st.timedeltas(timedelta(0), timedelta(3)))
def test_every_grouping_adds_up_to_all_entries(
    file: Path, calls: list[Called], zone: timezone, since: timedelta | None
) -> None:
    owner = f"owner {next(OWNERS)}"
    begin = None if since is None else START + since

    async def run() -> dict[tuple[bool, By], tuple[Group, ...]]:
        database = Database(file)
        async with database.writing() as connection:
            for call in calls:
                await call.enter(connection, owner)
        async with database.reading() as connection:
            found = {
                (sandbox, by): await grouped(connection, owner=owner, by=by, sandbox=sandbox, since=begin, zone=zone)
                for sandbox in (False, True)
                for by in EVERY
            }
        await database.aclose()
        return found

    for (sandbox, by), groups in asyncio.run(run()).items():
        chosen = [
            call for call in calls if (call.provider == "sandbox") == sandbox and (begin is None or call.at >= begin)
        ]
        assert together(groups) == added(chosen)
        assert {group.key: group.sums for group in groups} == {
            key: added([call for call in chosen if call.key(by, zone) == key])
            for key in {call.key(by, zone) for call in chosen}
        }
        if by == "day":
            assert [group.key for group in groups] == sorted(call for call in {group.key for group in groups})
        else:
            spent = [group.sums.spent_nano for group in groups]
            assert spent == sorted(spent, reverse=True)


@pytest.fixture
def in_central_europe(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time by a rule that needs no table of time zones: summer time ends on 2026-10-25 at 01:00 UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


async def test_days_are_those_of_the_system_s_time_zone_in_summer_and_winter(
    file: Path, in_central_europe: None
) -> None:
    moments = {
        datetime(2026, 10, 24, 21, 59, tzinfo=UTC): date(2026, 10, 24),
        datetime(2026, 10, 24, 22, 0, tzinfo=UTC): date(2026, 10, 25),
        datetime(2026, 10, 25, 22, 59, tzinfo=UTC): date(2026, 10, 25),
        datetime(2026, 10, 25, 23, 0, tzinfo=UTC): date(2026, 10, 26),
    }
    owner = f"owner {next(OWNERS)}"
    database = Database(file)
    async with database.writing() as connection:
        for nano, at in enumerate(moments, 1):
            call = Called("openai", "gpt-image-2", None, None, at - START, 1, "billed", nano, (0, 0), 1)
            await call.enter(connection, owner)
    async with database.reading() as connection:
        groups = await grouped(connection, owner=owner, by="day", sandbox=False)
    await database.aclose()
    assert [(group.key, group.sums.spent_nano) for group in groups] == [
        (date(2026, 10, 24), 1),
        (date(2026, 10, 25), 2 + 3),
        (date(2026, 10, 26), 4),
    ]


def test_an_estimate_is_judged_by_the_middle_and_the_worst_of_all_calls_and_by_the_last_ten() -> None:
    """Prices of 80 to 150, 100 expected."""
    amounts = [300] * 6 + [100] * 4 + [110, 90, 20]
    found = accuracy("openai", "gpt-image-2", [Billed(amount, 80, 100, 150) for amount in amounts])
    assert [found.calls, found.outside, found.lately, found.drifts] == [13, 7, 1.0, True]
    assert [found.median, found.worst] == pytest.approx([0.1, 2.0])
    cheap = accuracy("openai", "gpt-image-2", [Billed(amount, 80, 100, 150) for amount in (20, 140)])
    assert [cheap.worst, cheap.outside, cheap.lately, cheap.drifts] == [pytest.approx(-0.8), 1, None, False]
    unbounded = accuracy("openai", "gpt-image-2", [Billed(900, 80, 100, None)])
    assert [unbounded.worst, unbounded.outside] == [pytest.approx(8.0), 0]
