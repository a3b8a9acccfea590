"""Which process works on a turn in progress: its owner renews the lease; a turn whose lease has run out is nobody's.

Every function works in the caller's transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import TURNS

NOBODY = "nobody"  # owns what was let go of; no process is called so


@dataclass(frozen=True)
class Lease:
    """A turn in progress, the process that owns it, and until when."""

    thread_id: str
    number: int
    owner: str
    until: datetime

    @property
    def key(self) -> tuple[str, int]:
        return self.thread_id, self.number


async def renew(connection: AsyncConnection, thread_id: str, number: int, owner_process: str, until: datetime) -> bool:
    """Whether the turn still is in progress and this process's, and so is leased to it until then."""
    mine = TURNS.c.owner_process == owner_process
    renewed = await connection.execute(update(TURNS).where(_running(thread_id, number), mine).values(lease_until=until))
    return renewed.rowcount == 1


async def let_go(connection: AsyncConnection, thread_id: str, number: int, owner_process: str, at: datetime) -> None:
    """Leave a turn of this process to whoever looks next, also while this process lives."""
    mine = TURNS.c.owner_process == owner_process
    nobodys = update(TURNS).where(_running(thread_id, number), mine).values(owner_process=NOBODY, lease_until=at)
    await connection.execute(nobodys)


async def in_progress(connection: AsyncConnection) -> tuple[Lease, ...]:
    """The leases of all turns in progress, the oldest first."""
    columns = TURNS.c["thread_id", "number", "owner_process", "lease_until"]
    rows = await connection.execute(
        select(*columns).where(TURNS.c.status == "in_progress").order_by(TURNS.c.created_at, TURNS.c.thread_id)
    )
    return tuple(Lease(*row) for row in rows)


async def lease_of(connection: AsyncConnection, thread_id: str, number: int) -> Lease | None:
    """Who works on a turn; None when it is not in progress, or is gone."""
    columns = TURNS.c["thread_id", "number", "owner_process", "lease_until"]
    found = (await connection.execute(select(*columns).where(_running(thread_id, number)))).one_or_none()
    return None if found is None else Lease(*found)


async def is_to_stop(connection: AsyncConnection, thread_id: str, number: int) -> bool:
    """Whether whoever works on the turn is asked to stop."""
    stopped = select(TURNS.c.number).where(_running(thread_id, number), TURNS.c.stop_at.is_not(None))
    return await connection.scalar(stopped) is not None


async def take_over(connection: AsyncConnection, lease: Lease, owner_process: str, until: datetime) -> bool:
    """Whether the turn was still in progress under this very lease, and now is another process's: of several that find
    the same dead one's turn, one gets it."""
    same = and_(TURNS.c.owner_process == lease.owner, TURNS.c.lease_until == lease.until)
    taken = await connection.execute(
        update(TURNS).where(_running(*lease.key), same).values(owner_process=owner_process, lease_until=until)
    )
    return taken.rowcount == 1


def _running(thread_id: str, number: int) -> ColumnElement[bool]:
    return and_(TURNS.c.thread_id == thread_id, TURNS.c.number == number, TURNS.c.status == "in_progress")
