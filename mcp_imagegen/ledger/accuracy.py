"""How far estimates lay from what was billed, so that a model that is counted or priced wrongly shows itself.

Both amounts are by the same price rows: what shows is that a call took other tokens than were expected of it. That a
rate is wrong shows on the provider's bill alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import LEDGER_ENTRIES as ENTRIES

LATELY = 10  # calls by which an estimate is judged
TOLERATED = 0.10  # of the price
SHORT = "short"  # in `judged`: fewer pictures were made than the estimate was for


@dataclass(frozen=True)
class Billed:
    """What one call was billed, and the estimate before. `high_nano` is None where nothing bounded the price; `judged`
    has nano, low_nano and high_nano where the image model's part is known better than the whole."""

    nano: int
    low_nano: int
    expected_nano: int
    high_nano: int | None
    judged: Mapping[str, int] | None = None

    @property
    def error(self) -> float:
        """How much more than expected it cost, as a share of the expected price; below 0 where it cost less."""
        return _share(self.nano, self.expected_nano)

    @property
    def off(self) -> float:
        """The same against the nearer end of the estimate, of what is judged; 0 between its lowest and highest."""
        nano, low, high = self.nano, self.low_nano, self.high_nano
        if self.judged is not None:
            nano, low, high = (self.judged[name] for name in ("nano", "low_nano", "high_nano"))
        if nano < low:
            return _share(nano, low)
        return _share(nano, high) if high is not None and nano > high else 0.0


@dataclass(frozen=True)
class Accuracy:
    """The estimates of a model against its bills: the errors in the middle and furthest from 0, how many calls lay
    outside of their estimates, and by how much the last ten did in the median (None: there are not so many)."""

    provider: str
    model: str
    calls: int
    median: float
    worst: float
    outside: int
    lately: float | None

    @property
    def drifts(self) -> bool:
        return self.lately is not None and abs(self.lately) > TOLERATED


def compared() -> ColumnElement[bool]:
    """The entries whose amount is by the API's own figures, for all that was asked for, and that had an estimate. Those
    of a release that did not keep by what they are judged have no price rows either, and say nothing."""
    amounts = (ENTRIES.c.nano, ENTRIES.c.low_nano, ENTRIES.c.expected_nano)
    known = and_(*(amount.is_not(None) for amount in amounts))
    whole = ENTRIES.c.judged[SHORT].as_integer().is_(None)
    kept = ENTRIES.c.price_rows.is_not(None)
    return and_(ENTRIES.c.basis == "billed", ENTRIES.c.ending == "completed", known, whole, kept)


def accuracy(provider: str, model: str, calls: Sequence[Billed]) -> Accuracy:
    """Of the calls of a model, at least one, the latest first."""
    errors = [call.error for call in calls]
    return Accuracy(
        provider=provider,
        model=model,
        calls=len(calls),
        median=median(errors),
        worst=max(errors, key=abs),
        outside=sum(call.off != 0 for call in calls),
        lately=lately(calls),
    )


def lately(calls: Sequence[Billed]) -> float | None:
    """By how much the last ten were off, in the median; None where there are fewer."""
    return median(call.off for call in calls[:LATELY]) if len(calls) >= LATELY else None


async def drift(connection: AsyncConnection, entry_id: int) -> float | None:
    """By how much the last ten calls like this one were off, itself among them: of its owner, provider and model. None
    where they are fewer, or off by no more than is tolerated. One look along an index."""
    this = ENTRIES.alias("this")
    alike = [ENTRIES.c[name] == this.c[name] for name in ("owner", "provider", "model")]
    found = await connection.execute(
        select(*ENTRIES.c["nano", "low_nano", "expected_nano", "high_nano", "judged"])
        .select_from(this)
        .join(ENTRIES, and_(*alike))
        .where(this.c.entry_id == entry_id, ENTRIES.c.entry_id <= entry_id, compared())
        .order_by(ENTRIES.c.entry_id.desc())
        .limit(LATELY)
    )
    off = lately(billed(found))
    return off if off is not None and abs(off) > TOLERATED else None


def billed(rows: Iterable[Row[Any]]) -> list[Billed]:
    return [Billed(row.nano, row.low_nano, row.expected_nano, row.high_nano, row.judged) for row in rows]


def _share(nano: int, of: int) -> float:
    return nano / of - 1 if of else 0.0
