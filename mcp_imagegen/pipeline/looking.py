"""Look at threads, their running turns, previews and originals, and at what was spent; nothing here spends."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..database.engine import Database
from ..errors import ImageNotFound, StorageFailed
from ..images.preview import Preview, preview
from ..images.store import ImageStore
from ..ledger.reports import report
from ..ledger.statement import statement
from ..operations import Caller
from ..threads import store as threads
from ..threads.values import StoredImage, Thread, ThreadSummary, Turn
from .recovery import OWN_S, Recovery
from .retention import Retention

log = logging.getLogger(__name__)
PREVIEWS_BYTES = 500_000  # of all previews in one result; clients refuse results over about a million characters
_PREVIEW_LEAST = 8_000  # bytes below which a preview shows nothing

_NAMED = 10  # of the images whose files are gone, the newest
STATEMENT_LINES = 31  # days, models, threads or clients in a statement: what came of a month by day


@dataclass(frozen=True)
class Looking:
    database: Database
    store: ImageStore
    recovery: Recovery
    retention: Retention
    preview_edge: int
    now: Callable[[], datetime]

    async def thread(self, thread_id: str, caller: Caller, *, patience_s: float = OWN_S) -> Thread:
        """Raises ThreadNotFound, also for somebody else's thread. Turns that nobody works on any more are closed, as
        far as that takes no longer than `patience_s` seconds."""
        await self.recovery.settle(thread_id, patience_s=patience_s)
        async with self.database.reading() as connection:
            return await threads.thread(connection, thread_id, caller.owner)

    async def recent(self, caller: Caller) -> Sequence[ThreadSummary]:
        """The caller's threads, newest first. Turns that nobody works on any more are closed."""
        await self.recovery.settle()
        async with self.database.reading() as connection:
            found = await threads.recent(connection, caller.owner)
        self.retention.begin()
        return found

    async def spent(self, caller: Caller) -> dict[str, Any]:
        """What the caller's own calls came to, as JSON values. Turns that nobody works on any more are closed."""
        await self.recovery.settle()
        async with self.database.reading() as connection:
            found = await report(connection, owner=caller.owner)
        return statement(found, now=self.now(), longest=STATEMENT_LINES)

    async def turn(self, thread_id: str, number: int) -> Turn:
        async with self.database.reading() as connection:
            return await threads.turn(connection, thread_id, number)

    async def original(self, image_id: str, caller: Caller) -> tuple[bytes, str]:
        """The bytes and type of an image. Raises ImageNotFound, also for somebody else's image."""
        async with self.database.reading() as connection:
            image = await threads.image(connection, image_id, caller.owner)
        return await self.store.load(image.key), image.mime_type

    async def gone(self, images: Sequence[StoredImage]) -> list[str]:
        """What to say of images whose files somebody has removed."""
        try:
            keys = await self.store.gone([image.key for image in images])
        except StorageFailed as error:
            return [f"the files of the images cannot be looked for: {error.sentence}"]
        missing = [image.image_id for image in images if image.key in keys]
        if not missing:
            return []
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return [
            f"gone from the image folder: the files of {', '.join(missing[-_NAMED:])}{more}; put them back, or go on "
            "from another image with from_image"
        ]

    async def previews(self, images: Sequence[StoredImage]) -> list[Preview]:
        """Small copies of the images, as many as fit into one result together; none of one that cannot be read."""
        room, made = PREVIEWS_BYTES, []
        for left, image in zip(range(len(images), 0, -1), images, strict=True):
            share = room // left
            if share < _PREVIEW_LEAST:
                break
            small = await self._preview(image, share)
            if small is not None:
                made.append(small)
                room -= len(small.data)
        return made

    async def _preview(self, image: StoredImage, max_bytes: int) -> Preview | None:
        try:
            data = await self.store.load(image.key)
        except (ImageNotFound, StorageFailed) as error:
            log.warning("no preview of %s: %s", image.image_id, error)
            return None
        return await asyncio.to_thread(lambda: preview(data, edge=self.preview_edge, max_bytes=max_bytes))

    def path(self, image: StoredImage) -> str:
        return str(self.store.path(image.key))
