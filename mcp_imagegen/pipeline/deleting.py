"""Delete threads: their rows first, in one transaction, then their files.

A row without a file never appears. A process that ends in between leaves files without rows, which are found by their
folder, named after a thread that was deleted, and removed the next time.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ..database.engine import Database
from ..errors import StorageFailed
from ..images.store import ImageStore
from ..ledger import entries as ledger
from ..openai_api.spool import Spool
from ..threads import deleting
from ..threads import store as threads
from ..threads.ids import is_thread_id
from . import elsewhere
from .closing import LOST, Closing
from .leasing import in_progress
from .processes import Process
from .running import Running

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deleting:
    """Deletes threads with all that is kept of them but their prices."""

    database: Database
    store: ImageStore
    spool: Spool
    process: Process
    closing: Closing
    now: Callable[[], datetime]

    async def delete(self, thread_id: str, since: datetime | None = None) -> bool:
        """Whether the thread was there and its rows are gone now. One that has a turn in progress, or was changed after
        `since`, stays as it is. Raises StorageFailed."""
        async with self.database.writing() as connection:
            gone = await deleting.delete_thread(connection, thread_id, since)
        if gone:
            await self._remove_files(thread_id)
        return gone

    async def expire(self, since: datetime) -> int:
        """Delete the threads whose last change was before `since`; how many went. One at a time, so that nobody waits
        for long. Raises StorageFailed when the state cannot be read or written."""
        async with self.database.reading() as connection:
            old = await deleting.unchanged(connection, since)
        return sum([await self.delete(thread_id, since) for thread_id in old])

    async def sweep(self) -> None:
        """Remove files that a deletion has left. Raises StorageFailed."""
        names = await self.store.names("")  # first: a folder whose thread is not there yet is not among them
        folders = frozenset(name for name in names if is_thread_id(name))
        async with self.database.reading() as connection:
            left = await deleting.deleted(connection, folders)
        for thread_id in sorted(left):
            log.info("removing what is left of the deleted thread %s", thread_id)
            await self._remove_files(thread_id)

    async def busy(self) -> frozenset[str]:
        """The threads that a living process works on. Raises StorageFailed."""
        running = await in_progress(self.database, self.process, self.now())
        return frozenset(lease.thread_id for lease, left in running.items() if not left)

    async def left(self) -> dict[str, bool]:
        """The threads with a turn that nobody works on any more, which a server settles when it next looks, and whether
        it fetches a response then that the provider may still have. Raises StorageFailed."""
        found: dict[str, bool] = {}
        for lease, left in (await in_progress(self.database, self.process, self.now())).items():
            if left:
                async with self.database.reading() as connection:
                    turn = await threads.turn(connection, *lease.key)
                found[lease.thread_id] = found.get(lease.thread_id, False) or turn.response_id is not None
        return found

    async def give_up(self, thread_id: str) -> bool:
        """Close the thread's turns that nobody works on any more, as lost; whether there were any. Raises
        StorageFailed."""
        running = await in_progress(self.database, self.process, self.now())
        dead = [lease for lease, left in running.items() if left and lease.thread_id == thread_id]
        for lease in dead:
            async with self.database.reading() as connection:
                turn = await threads.turn(connection, *lease.key)
                entry = await ledger.open_entry(connection, *lease.key)
            await self.closing.close(Running(turn, entry), LOST, "lost")
        return bool(dead)

    async def _remove_files(self, thread_id: str) -> None:
        try:
            for name in await asyncio.to_thread(self.spool.names):
                if name.startswith(f"{thread_id}-"):
                    await self.spool.copy(name).discard()
            await asyncio.to_thread(elsewhere.remove, thread_id)
            await self.store.remove(thread_id)
        except StorageFailed as error:
            log.warning("files of the deleted thread %s are left, and will be removed later: %s", thread_id, error)
