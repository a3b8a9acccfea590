"""Who waits for a turn: so that the same call made again gets what an earlier one made, when nobody else did.

A turn is waited for by the caller of one process, its `waiter`. It is abandoned from when that caller is known to be
gone (cancelled, disconnected, handed over, ended with its server) until somebody is given what became of the turn.
Every function works in the caller's transaction.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Update, and_, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import THREADS, TURNS

WORTH = timedelta(minutes=10)  # after its end, for which an abandoned turn answers the same call made again
_MADE = ("completed", "text_only")


async def abandon(
    connection: AsyncConnection,
    thread_id: str,
    number: int,
    at: datetime,
    *,
    stop: bool = False,
    waiter: str | None = None,
) -> None:
    """Record that the caller of a turn is gone without an answer; with `stop`, that it wants the work to end. Late, it
    is recorded only where the `waiter` still is the one that is said to wait."""
    gone = update(TURNS).where(_one(thread_id, number)).values(abandoned_at=at, waiter=None)
    if waiter is not None:
        gone = gone.where(TURNS.c.waiter == waiter)
    await connection.execute(gone.values(stop_at=at) if stop else gone)


async def waiters(connection: AsyncConnection) -> frozenset[str]:
    """The processes whose callers wait for turns, or did when they ended."""
    return frozenset(await connection.scalars(select(TURNS.c.waiter).where(TURNS.c.waiter.is_not(None)).distinct()))


async def leave(connection: AsyncConnection, processes: Collection[str], at: datetime) -> None:
    """Record that the callers of these processes are gone without an answer: it has ended."""
    gone = update(TURNS).where(TURNS.c.waiter.in_(processes))
    await connection.execute(gone.values(abandoned_at=at, waiter=None))


async def leave_with(connection: AsyncConnection, thread_id: str, number: int, owner: str, at: datetime) -> None:
    """The same for one turn, unless another process than its `owner` waits for it."""
    alone = or_(TURNS.c.waiter.is_(None), TURNS.c.waiter == owner)
    await connection.execute(update(TURNS).where(_one(thread_id, number), alone).values(abandoned_at=at, waiter=None))


async def deliver(connection: AsyncConnection, thread_id: str, number: int) -> None:
    """Record that the caller of a turn is given what became of it."""
    await connection.execute(_given().where(_one(thread_id, number)))


async def collect(connection: AsyncConnection, thread_id: str, numbers: Collection[int]) -> None:
    """Record that somebody was given what became of these turns of the thread."""
    shown = and_(TURNS.c.thread_id == thread_id, TURNS.c.number.in_(numbers))
    await connection.execute(_given().where(shown))


async def join(
    connection: AsyncConnection,
    *,
    owner: str,
    fingerprint: str,
    waiter: str,
    at: datetime,
    but: Collection[tuple[str, int]] = (),
) -> tuple[str, int] | None:
    """The newest abandoned turn of the same call that runs, or has ended well a short while ago: thread_id and number.

    The `waiter`'s caller waits for it from now on, so that of two calls that come together only one gets it. None
    that is `but` one of these.
    """
    recent = and_(TURNS.c.status.in_(_MADE), TURNS.c.finished_at >= at - WORTH)
    found = (
        await connection.execute(
            select(TURNS.c.thread_id, TURNS.c.number)
            .join(THREADS, THREADS.c.thread_id == TURNS.c.thread_id)
            .where(THREADS.c.owner == owner, TURNS.c.fingerprint == fingerprint, TURNS.c.abandoned_at.is_not(None))
            .where(or_(TURNS.c.status == "in_progress", recent))
            .where(*(not_(_one(*key)) for key in but))
            .order_by(TURNS.c.created_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if found is None:
        return None
    still = and_(_one(found.thread_id, found.number), TURNS.c.abandoned_at.is_not(None))
    joined = await connection.execute(update(TURNS).where(still).values(abandoned_at=None, waiter=waiter, stop_at=None))
    return (found.thread_id, found.number) if joined.rowcount == 1 else None


def _given() -> Update:
    waited = or_(TURNS.c.abandoned_at.is_not(None), TURNS.c.waiter.is_not(None))
    ended = and_(waited, TURNS.c.status != "in_progress")
    return update(TURNS).where(ended).values(abandoned_at=None, waiter=None)


def _one(thread_id: str, number: int) -> ColumnElement[bool]:
    return and_(TURNS.c.thread_id == thread_id, TURNS.c.number == number)
