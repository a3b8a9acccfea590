"""Which ids the API no longer knows, so that a thread is not asked for by them again.

Works in the caller's transaction.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import IMAGES, TURNS

KEPT = timedelta(days=30)  # for which OpenAI keeps what is stored
NEVER_KEPT = datetime.fromtimestamp(0, UTC)  # since when what the API never kept is forgotten: before it was made


async def note_forgotten(connection: AsyncConnection, thread_id: str, upstream_id: str, at: datetime) -> None:
    """Record that the API does not know the id of a call or a response.

    A response goes with its calls, and those of earlier turns went before it where they are older than the API keeps
    anything.
    """
    of_thread, images = TURNS.c.thread_id == thread_id, IMAGES.c.thread_id == thread_id
    calls = select(IMAGES.c.turn).where(images, IMAGES.c.call_id == upstream_id)
    found = select(TURNS.c.number, TURNS.c.provider).where(
        of_thread, or_(TURNS.c.response_id == upstream_id, TURNS.c.number.in_(calls))
    )
    for number, provider in (await connection.execute(found)).all():
        before = and_(TURNS.c.number < number, TURNS.c.provider == provider, TURNS.c.created_at < at - KEPT)
        gone = and_(of_thread, or_(TURNS.c.number == number, before))
        made = IMAGES.c.turn.in_(select(TURNS.c.number).where(gone))
        await connection.execute(update(IMAGES).where(images, made).values(forgotten_at=at))
        await connection.execute(update(TURNS).where(gone).values(forgotten_at=at))


async def note_nothing_kept(connection: AsyncConnection, thread_id: str, provider: str, account: str | None) -> None:
    """Record that the API keeps nothing for this account: neither what it has made of the thread nor what it makes of a
    turn that is in progress."""
    made_so = and_(TURNS.c.thread_id == thread_id, TURNS.c.provider == provider, TURNS.c.account == account)
    await connection.execute(update(TURNS).where(made_so).values(forgotten_at=NEVER_KEPT))
