"""What calls came to, added up by day, model, thread or client. What the sandbox "costs" is never added to money.

A day is one of the time zone that the asking process is in, as people and the budgets count.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Label,
    Row,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import LEDGER_ENTRIES as ENTRIES
from ..database.tables import THREADS
from ..openai_api.values import Tokens
from .accuracy import Accuracy, accuracy, billed, compared
from .entries import SANDBOX

By = Literal["day", "model", "thread", "client"]
EVERY: tuple[By, ...] = ("day", "model", "thread", "client")

MODELS = ("image_model", "host_model")  # whose tokens an entry tells
KINDS = tuple(kind.name for kind in fields(Tokens))

# Days begin at other moments in other time zones, and databases know little of them. All offsets are whole quarters of
# an hour, so that sums of these can be put together to days anywhere.
_QUARTER = timedelta(minutes=15)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Sums:
    """Of some entries. `calls` were sent and not refused; `refused` requests cost nothing and are in nothing else.

    What was settled is `billed_nano` by the API's own figures, else `estimated_nano`; `reserved_nano` is the most that
    calls may cost whose end is not known yet. `unpriced` of the calls have no known price and count nothing. `tokens`
    are by model and kind, those that are not 0.
    """

    calls: int = 0
    refused: int = 0
    images: int = 0
    billed_nano: int = 0
    estimated_nano: int = 0
    reserved_nano: int = 0
    unpriced: int = 0
    tokens: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def spent_nano(self) -> int:
        return self.billed_nano + self.estimated_nano

    @property
    def input_tokens(self) -> int:
        """Of both models, cached ones too."""
        return self._tokens("text_input", "image_input", "other_input")

    @property
    def output_tokens(self) -> int:
        return self._tokens("text_output", "image_output", "other_output")

    def _tokens(self, *kinds: str) -> int:
        return sum(counts.get(kind, 0) for counts in self.tokens.values() for kind in kinds)


@dataclass(frozen=True)
class Group:
    """`key` is the day, model, thread_id or client; None where there is none. Threads that still exist have a title."""

    key: date | str | None
    sums: Sums
    title: str | None = None


@dataclass(frozen=True)
class PricesUsed:
    """A price row as it was kept with the entries that it settled, and how many these are."""

    row: Mapping[str, Any]
    calls: int


@dataclass(frozen=True)
class Section:
    """Calls that cost money, or those of the sandbox: put together in one or several ways."""

    groups: Mapping[By, tuple[Group, ...]] = field(default_factory=dict)
    estimates: tuple[Accuracy, ...] = ()
    prices: tuple[PricesUsed, ...] = ()

    @property
    def total(self) -> Sums:
        return together(next(iter(self.groups.values()), ()))


@dataclass(frozen=True)
class Report:
    money: Section = field(default_factory=Section)
    sandbox: Section = field(default_factory=Section)


async def report(
    connection: AsyncConnection,
    *,
    owner: str,
    groupings: Sequence[By] = EVERY,
    since: datetime | None = None,
    zone: tzinfo | None = None,
) -> Report:
    """What the owner's calls that were reserved at or after `since` came to, with how far the estimates were off.

    `zone` is that of the days; None: the system's.
    """
    sections = [
        Section(
            {
                by: await grouped(connection, owner=owner, by=by, sandbox=sandbox, since=since, zone=zone)
                for by in groupings
            },
            await _accuracies(connection, _chosen(owner, sandbox, since)),
            await _prices(connection, _chosen(owner, sandbox, since)),
        )
        for sandbox in (False, True)
    ]
    return Report(*sections)


async def grouped(
    connection: AsyncConnection,
    *,
    owner: str,
    by: By,
    sandbox: bool,
    since: datetime | None = None,
    zone: tzinfo | None = None,
) -> tuple[Group, ...]:
    """The calls of the sandbox, or those that cost money: days in order, else the dearest first. See `report`."""
    chosen = _chosen(owner, sandbox, since)
    if by == "day":
        microseconds = type_coerce(ENTRIES.c.created_at, BigInteger)
        quarter = literal_column(str(_QUARTER // timedelta(microseconds=1)), BigInteger)
        rows = await _summed(connection, (microseconds // quarter).label("key"), chosen)
        return _days([Group(_day(row.key, zone), _sums(row)) for row in rows])
    column = {"model": ENTRIES.c.model, "thread": ENTRIES.c.thread_id, "client": ENTRIES.c.client}[by]
    rows = await _summed(connection, column.label("key"), chosen)
    titles = await _titles(connection, owner) if by == "thread" else {}
    groups = [Group(row.key, _sums(row), titles.get(row.key)) for row in rows]
    return tuple(sorted(groups, key=lambda group: (-group.sums.spent_nano, str(group.key))))


async def _accuracies(connection: AsyncConnection, chosen: Sequence[ColumnElement[bool]]) -> tuple[Accuracy, ...]:
    """For each provider and model with calls whose cost follows from the API's own figures."""
    found = await connection.execute(
        select(*ENTRIES.c["provider", "model", "nano", "low_nano", "expected_nano", "high_nano", "judged"])
        .where(*chosen, compared())
        .order_by(ENTRIES.c.provider, ENTRIES.c.model, ENTRIES.c.entry_id.desc())
    )
    models = groupby(found, lambda row: (row.provider, row.model))
    return tuple(accuracy(provider, model, billed(rows)) for (provider, model), rows in models)


async def _prices(connection: AsyncConnection, chosen: Sequence[ColumnElement[bool]]) -> tuple[PricesUsed, ...]:
    """By model and then by the day from which a row holds. As text, since PostgreSQL compares no JSON."""
    settled = and_(*chosen, ENTRIES.c.status == "settled", ENTRIES.c.price_rows.is_not(None))
    kept = cast(ENTRIES.c.price_rows, Text).label("kept")
    calls: Counter[str] = Counter()
    for row in await connection.execute(select(kept, func.count().label("calls")).where(settled).group_by("kept")):
        calls.update({json.dumps(one): row.calls for one in json.loads(row.kept)})
    found = [PricesUsed(json.loads(row), count) for row, count in calls.items()]
    return tuple(sorted(found, key=lambda used: (used.row["model"], used.row.get("valid_from", ""))))


def together(groups: Iterable[Group]) -> Sums:
    """The sum of all."""
    parts = [group.sums for group in groups]
    numbers = {one.name: sum(getattr(part, one.name) for part in parts) for one in fields(Sums) if one.name != "tokens"}
    counts = {
        model: {kind: sum(part.tokens.get(model, {}).get(kind, 0) for part in parts) for kind in KINDS}
        for model in MODELS
    }
    return Sums(**numbers, tokens=_used(counts))


def _chosen(owner: str, sandbox: bool, since: datetime | None) -> tuple[ColumnElement[bool], ...]:
    money = ENTRIES.c.provider == SANDBOX if sandbox else ENTRIES.c.provider != SANDBOX
    return ENTRIES.c.owner == owner, money, *(() if since is None else (ENTRIES.c.created_at >= since,))


async def _summed(
    connection: AsyncConnection, key: Label[Any], chosen: Sequence[ColumnElement[bool]]
) -> Sequence[Row[Any]]:
    settled, reserved = ENTRIES.c.status == "settled", ENTRIES.c.status == "reserved"
    amount = case((settled, ENTRIES.c.nano), (reserved, ENTRIES.c.high_nano))
    sums = {
        "calls": func.count(case((settled | reserved, 1))),
        "refused": func.count(case((ENTRIES.c.status == "released", 1))),
        "images": _sum(ENTRIES.c.images),
        "billed_nano": _sum(case((settled & (ENTRIES.c.basis == "billed"), ENTRIES.c.nano))),
        "estimated_nano": _sum(case((settled & (ENTRIES.c.basis == "estimated"), ENTRIES.c.nano))),
        "reserved_nano": _sum(case((reserved, ENTRIES.c.high_nano))),
        "unpriced": func.count(case(((settled | reserved) & amount.is_(None), 1))),
    }
    tokens = {f"{model}.{kind}": _sum(ENTRIES.c.tokens[model, kind].as_integer()) for model in MODELS for kind in KINDS}
    columns = [column.label(name) for name, column in (sums | tokens).items()]
    found = await connection.execute(select(key, *columns).where(*chosen).group_by("key"))
    return found.all()


def _sum(amount: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.coalesce(func.sum(amount), 0), BigInteger)


def _sums(row: Row[Any]) -> Sums:
    told = row._mapping
    numbers = {one.name: told[one.name] for one in fields(Sums) if one.name != "tokens"}
    return Sums(**numbers, tokens=_used({model: {k: told[f"{model}.{k}"] for k in KINDS} for model in MODELS}))


def _used(counts: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Without the kinds and models of which there was nothing."""
    kinds = {model: {kind: count for kind, count in of.items() if count} for model, of in counts.items()}
    return {model: of for model, of in kinds.items() if of}


def _day(quarter: int, zone: tzinfo | None) -> date:
    return (_EPOCH + quarter * _QUARTER).astimezone(zone).date()


def _days(quarters: list[Group]) -> tuple[Group, ...]:
    ordered = sorted(quarters, key=lambda group: str(group.key))
    return tuple(Group(day, together(groups)) for day, groups in groupby(ordered, lambda group: group.key))


async def _titles(connection: AsyncConnection, owner: str) -> dict[str | None, str]:
    found = await connection.execute(select(*THREADS.c["thread_id", "title"]).where(THREADS.c.owner == owner))
    return {row.thread_id: row.title for row in found}
