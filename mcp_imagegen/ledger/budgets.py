"""What is left of the budgets: limits on what an owner's calls cost together, by thread, day and month.

A limit is held where the reservation is entered, in one writing transaction: two calls never see the same room. Days
and months are those of the server's own time zone. What the sandbox "costs" is limited apart from real money, so that
limits can be tried without a key.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import BigInteger, case, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import LEDGER_ENTRIES as ENTRIES
from .entries import SANDBOX

Scope = Literal["thread", "day", "month"]


@dataclass(frozen=True)
class Budget:
    """`name` is the setting that the limit comes from."""

    name: str
    scope: Scope
    nano: int


@dataclass(frozen=True)
class Standing:
    """A budget and what of it is spent, or reserved by calls that run, at their highest price."""

    budget: Budget
    spent_nano: int
    reserved_nano: int

    @property
    def left_nano(self) -> int:
        """Never below 0, which a call that cost more than its highest price can lead to."""
        return max(0, self.budget.nano - self.spent_nano - self.reserved_nano)


async def standings(
    connection: AsyncConnection,
    budgets: tuple[Budget, ...],
    *,
    owner: str,
    provider: str,
    thread_id: str | None,
    at: datetime,
) -> tuple[Standing, ...]:
    """How each budget stands for a call in this thread (None: a new one) at this moment."""
    return tuple(
        [
            await _standing(connection, budget, owner=owner, provider=provider, thread_id=thread_id, at=at)
            for budget in budgets
        ]
    )


async def _standing(
    connection: AsyncConnection, budget: Budget, *, owner: str, provider: str, thread_id: str | None, at: datetime
) -> Standing:
    if budget.scope == "thread" and thread_id is None:
        return Standing(budget, 0, 0)
    amount = case((ENTRIES.c.status == "settled", ENTRIES.c.nano), else_=ENTRIES.c.high_nano)
    money = ENTRIES.c.provider == SANDBOX if provider == SANDBOX else ENTRIES.c.provider != SANDBOX
    within = ENTRIES.c.thread_id == thread_id if budget.scope == "thread" else ENTRIES.c.created_at >= start(budget, at)
    sums = await connection.execute(
        select(ENTRIES.c.status, cast(func.coalesce(func.sum(amount), 0), BigInteger))
        .where(ENTRIES.c.owner == owner, ENTRIES.c.status != "released", money, within)
        .group_by(ENTRIES.c.status)
    )
    by_status = {status: int(nano) for status, nano in sums}
    return Standing(budget, by_status.get("settled", 0), by_status.get("reserved", 0))


def start(budget: Budget, at: datetime) -> datetime:
    """When the day or the month of this moment began, in the server's own time zone."""
    midnight = at.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.replace(day=1) if budget.scope == "month" else midnight
    return first.replace(tzinfo=None).astimezone()  # with the offset that the zone had then
