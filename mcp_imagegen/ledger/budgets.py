"""What is left of the budgets: limits on what an owner's calls cost together, by thread, day and month.

A limit is held where the reservation is entered, in one writing transaction: two calls never see the same room. Days
and months are those of the server's own time zone; prices have days of their own (`pricing.table.day_of`). What the
sandbox "costs" is limited apart from real money, so that limits can be tried without a key.
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
class Payer:
    """Whose call it is, at which provider, and in which thread (None: a new one)."""

    owner: str
    provider: str
    thread_id: str | None


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
    connection: AsyncConnection, budgets: tuple[Budget, ...], payer: Payer, at: datetime
) -> tuple[Standing, ...]:
    """How each budget stands for a call at this moment."""
    return tuple([await _standing(connection, budget, payer, at) for budget in budgets])


async def _standing(connection: AsyncConnection, budget: Budget, payer: Payer, at: datetime) -> Standing:
    of_thread = budget.scope == "thread"
    if of_thread and payer.thread_id is None:
        return Standing(budget, 0, 0)
    amount = case((ENTRIES.c.status == "settled", ENTRIES.c.nano), else_=ENTRIES.c.high_nano)
    money = ENTRIES.c.provider == SANDBOX if payer.provider == SANDBOX else ENTRIES.c.provider != SANDBOX
    within = ENTRIES.c.thread_id == payer.thread_id if of_thread else ENTRIES.c.created_at >= start(budget, at)
    sums = await connection.execute(
        select(ENTRIES.c.status, cast(func.coalesce(func.sum(amount), 0), BigInteger))
        .where(ENTRIES.c.owner == payer.owner, ENTRIES.c.status != "released", money, within)
        .group_by(ENTRIES.c.status)
    )
    by_status = {status: int(nano) for status, nano in sums}
    return Standing(budget, by_status.get("settled", 0), by_status.get("reserved", 0))


def start(budget: Budget, at: datetime) -> datetime:
    """When the day or the month of this moment began, in the server's own time zone."""
    midnight = at.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight.replace(day=1) if budget.scope == "month" else midnight
    return first.replace(tzinfo=None).astimezone()  # with the offset that the zone had then
