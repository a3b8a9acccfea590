"""The state of a home folder as the command that looks after threads uses it: without tools and without a provider."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from ..database.engine import Database
from ..errors import ThreadNotFound
from ..images.store import ImageStore
from ..openai_api.spool import Spool
from ..pricing import table as price_tables
from ..settings import Settings
from ..threads import store as threads
from ..threads.values import Thread, ThreadSummary
from .closing import Closing
from .deleting import Deleting
from .processes import Process

# In the home folder.
DATABASE = "imagegen.sqlite3"
PROCESSES = "processes"
ANSWERS = "answers"


@dataclass(frozen=True)
class Shelf:
    """The threads, whoever owns them."""

    database: Database
    store: ImageStore
    deleting: Deleting

    async def threads(self) -> Sequence[ThreadSummary]:
        """All of them, the one changed last first. Raises StorageFailed."""
        if not await self.database.exists():
            return ()
        async with self.database.reading() as connection:
            return await threads.recent(connection, None, limit=None)

    async def thread(self, thread_id: str) -> tuple[Thread, dict[str, str]]:
        """A thread, and where its images lie, by image_id. Raises ThreadNotFound, StorageFailed."""
        if not await self.database.exists():
            raise ThreadNotFound(f"there is no thread {thread_id}", "check MCP_IMAGEGEN_HOME: there are no threads yet")
        async with self.database.reading() as connection:
            found = await threads.thread(connection, thread_id, None)
        images = [image for turn in found.turns for image in turn.images]
        return found, {image.image_id: str(self.store.path(image.key)) for image in images}


@asynccontextmanager
async def open_shelf(settings: Settings, *, now: Callable[[], datetime]) -> AsyncIterator[Shelf]:
    """What is in the home folder, which servers may be using meanwhile.

    Raises InvalidArgument for a table of the user's that cannot be used.
    """
    prices = await asyncio.to_thread(price_tables.load, settings.home)
    database, store = Database(settings.home / DATABASE), ImageStore(settings.images)
    process, closing = Process(settings.home / PROCESSES), Closing(database, prices, now)
    try:
        yield Shelf(database, store, Deleting(database, store, Spool(settings.home / ANSWERS), process, closing, now))
    finally:
        await database.aclose()
