"""Who waits for a turn: so that the same call made again gets what an earlier one made, when nobody else did.

A turn is abandoned from when its caller is known to be gone (cancelled, disconnected, handed over, ended with its
server) until somebody is given what became of it. Every function works in the caller's transaction.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import THREADS, TURNS

WORTH = timedelta(minutes=10)  # after its end, for which an abandoned turn answers the same call made again
_MADE = ("completed", "text_only")


async def abandon(connection: AsyncConnection, thread_id: str, number: int, at: datetime) -> None:
    """Record that the caller of a turn is gone without an answer."""
    await connection.execute(update(TURNS).where(_one(thread_id, number)).values(abandoned_at=at))


async def collect(connection: AsyncConnection, thread_id: str, numbers: Collection[int]) -> None:
    """Record that somebody was given what became of these turns of the thread."""
    shown = and_(TURNS.c.thread_id == thread_id, TURNS.c.number.in_(numbers))
    ended = and_(shown, TURNS.c.status != "in_progress", TURNS.c.abandoned_at.is_not(None))
    await connection.execute(update(TURNS).where(ended).values(abandoned_at=None))


async def join(
    connection: AsyncConnection, *, owner: str, provider: str, fingerprint: str, at: datetime
) -> tuple[str, int] | None:
    """The newest abandoned turn of the same call that runs, or has ended well a short while ago: thread_id and number.

    It is waited for from now on, so that of two calls that come together only one gets it.
    """
    recent = and_(TURNS.c.status.in_(_MADE), TURNS.c.finished_at >= at - WORTH)
    found = (
        await connection.execute(
            select(TURNS.c.thread_id, TURNS.c.number)
            .join(THREADS, THREADS.c.thread_id == TURNS.c.thread_id)
            .where(THREADS.c.owner == owner, TURNS.c.fingerprint == fingerprint, TURNS.c.abandoned_at.is_not(None))
            .where(TURNS.c.provider == provider, or_(TURNS.c.status == "in_progress", recent))
            .order_by(TURNS.c.created_at.desc())
            .limit(1)
        )
    ).one_or_none()
    if found is None:
        return None
    still = and_(_one(found.thread_id, found.number), TURNS.c.abandoned_at.is_not(None))
    joined = await connection.execute(update(TURNS).where(still).values(abandoned_at=None))
    return (found.thread_id, found.number) if joined.rowcount == 1 else None


def _one(thread_id: str, number: int) -> ColumnElement[bool]:
    return and_(TURNS.c.thread_id == thread_id, TURNS.c.number == number)
