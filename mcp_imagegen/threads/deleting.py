"""Delete threads with their turns and images. What they cost stays in the ledger.

Every function works in the caller's transaction.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import IMAGES, LEDGER_ENTRIES, THREADS, TURNS


async def unchanged(connection: AsyncConnection, since: datetime) -> tuple[str, ...]:
    """The ids of threads whose last change was before `since` and that have no turn in progress, the oldest first."""
    old = select(THREADS.c.thread_id).where(_idle(since)).order_by(THREADS.c.updated_at, THREADS.c.thread_id)
    return tuple(await connection.scalars(old))


async def delete_thread(connection: AsyncConnection, thread_id: str, since: datetime | None = None) -> bool:
    """Whether the thread was there and is gone now. One that has a turn in progress, or was changed after `since`,
    stays as it is."""
    # The row is locked, so that no turn is opened in between.
    found = select(THREADS.c.thread_id).where(THREADS.c.thread_id == thread_id, _idle(since)).with_for_update()
    if await connection.scalar(found) is None:
        return False
    for table in (IMAGES, TURNS, THREADS):
        await connection.execute(delete(table).where(table.c.thread_id == thread_id))
    return True


async def deleted(connection: AsyncConnection, thread_ids: frozenset[str]) -> frozenset[str]:
    """Which of these ids are of threads that were deleted: the ledger has a part in every turn that was ever opened
    here, so they are those that it alone knows. What neither knows may be another database's."""
    missing = thread_ids - frozenset(await connection.scalars(select(THREADS.c.thread_id)))
    if not missing:
        return missing
    return missing & frozenset(await connection.scalars(select(LEDGER_ENTRIES.c.thread_id).distinct()))


async def has_ended(connection: AsyncConnection, thread_id: str, number: int) -> bool:
    """Whether a turn of this database has ended, or was deleted with its thread."""
    turn = select(TURNS.c.status).where(TURNS.c.thread_id == thread_id, TURNS.c.number == number)
    status = await connection.scalar(turn)
    if status is not None:
        return str(status) != "in_progress"
    return bool(await deleted(connection, frozenset({thread_id})))


def _idle(since: datetime | None) -> ColumnElement[bool]:
    running = exists().where(TURNS.c.thread_id == THREADS.c.thread_id, TURNS.c.status == "in_progress")
    return ~running if since is None else and_(~running, THREADS.c.updated_at < since)
