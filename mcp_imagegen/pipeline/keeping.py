"""Keep a picture: its bytes are on disk before anything is recorded of it."""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import stamina

from ..database.engine import Database
from ..errors import StorageFailed
from ..images.probe import measure
from ..images.store import ImageStore
from ..openai_api.values import Frame, Made
from ..threads import store as threads
from ..threads.ids import new_image_id
from ..threads.values import StoredImage
from .naming import image_id_in, key_of
from .running import Part, Running

log = logging.getLogger(__name__)
SAVES = 4  # attempts


@dataclass(frozen=True)
class Keeping:
    """Writes the pictures of turns into the image store and then into the database."""

    database: Database
    store: ImageStore
    now: Callable[[], datetime]

    async def keep(self, picture: Made | Frame, running: Running) -> StoredImage:
        """Save one picture of a turn byte for byte, unless a server that ended before has done so. Raises
        StorageFailed."""
        part, digest = _part(picture), await asyncio.to_thread(_digest, picture.data)
        recorded = running.found.recorded.get(part)
        if recorded is not None and recorded.sha256 == digest:
            return recorded
        key = await self._saved_before(running.found.files.get(part), digest)
        if key is None:
            image = await self._described(running, part, picture.data, digest=digest, image_id=new_image_id())
            await self._save(image.key, picture.data)
        else:
            del running.found.files[part]
            image = await self._described(
                running, part, picture.data, digest=digest, image_id=image_id_in(key), key=key
            )
        if isinstance(picture, Made):
            image = replace(
                image, call_id=picture.call_id, revised_prompt=picture.revised_prompt, action=picture.action
            )
        await self._record(image)
        running.found.recorded[part] = image
        return image

    async def adopt(self, running: Running) -> None:
        """Record the files of the turn that nothing else accounts for. A put is atomic, so that each of them is whole.

        Raises StorageFailed.
        """
        for part, key in sorted(running.found.files.items(), key=lambda item: item[1]):
            data = await self.store.load(key)
            digest = await asyncio.to_thread(_digest, data)
            image = await self._described(running, part, data, digest=digest, image_id=image_id_in(key), key=key)
            await self._record(image)
            running.found.recorded[part] = image
            if image.role == "final":
                running.images.append((Made(b"", image.index), image))
        running.found.files.clear()

    async def _saved_before(self, key: str | None, digest: str) -> str | None:
        """The key of a file without a record, when it holds the same bytes."""
        if key is None:
            return None
        data = await self.store.load(key)
        return key if await asyncio.to_thread(_digest, data) == digest else None

    async def _described(
        self, running: Running, part: Part, data: bytes, *, digest: str, image_id: str, key: str | None = None
    ) -> StoredImage:
        mime_type, width, height = await asyncio.to_thread(measure, data)
        index, frame = part
        return StoredImage(
            image_id=image_id,
            thread_id=running.turn.thread_id,
            turn=running.turn.number,
            index=index,
            role="final" if frame is None else "frame",
            frame=frame,
            key=key or key_of(running.key, part, image_id, mime_type),
            mime_type=mime_type,
            width=width,
            height=height,
            bytes=len(data),
            sha256=digest,
            call_id=None,
            revised_prompt=None,
            action=None,
            created_at=self.now(),
        )

    async def _record(self, image: StoredImage) -> None:
        try:
            async with self.database.writing() as connection:
                await threads.add_image(connection, image)
        except StorageFailed as error:
            error.sentence += f"; the picture that was made is kept at {self.store.path(image.key)}"
            raise

    async def _save(self, key: str, data: bytes) -> None:
        """The picture is paid for by now: it is held in memory and tried again for some seconds, and then kept where
        the system keeps temporary files.

        Raises StorageFailed with the place.
        """
        try:
            async for attempt in stamina.retry_context(
                on=StorageFailed, attempts=SAVES, timeout=None, wait_initial=0.5, wait_max=2
            ):
                with attempt:
                    await self.store.save(key, data)
        except StorageFailed as error:
            log.warning("%s", error)
            path = await asyncio.to_thread(_keep_elsewhere, key, data)
            error.sentence += f"; the picture that was made is kept at {path}"
            raise


def _keep_elsewhere(key: str, data: bytes) -> str:
    """Raises StorageFailed when that fails as well."""
    name = key.rsplit("/", 1)[-1]
    try:
        path = Path(tempfile.mkdtemp(prefix="mcp-imagegen-")) / name
        path.write_bytes(data)
    except OSError as error:
        raise StorageFailed(
            f"the picture that was made could be saved nowhere: {error.strerror}", "free some space, then ask again"
        ) from None
    return str(path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _part(picture: Made | Frame) -> Part:
    return (picture.index, None) if isinstance(picture, Made) else (picture.image, picture.frame)
