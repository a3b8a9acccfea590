"""Keep a picture: its bytes are on disk before anything is recorded of it."""

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ..database.engine import Database
from ..errors import StorageFailed
from ..images.probe import UNKNOWN, measure
from ..images.store import ImageStore
from ..openai_api.values import Frame, Made
from ..threads import store as threads
from ..threads.ids import new_image_id
from ..threads.values import StoredImage

log = logging.getLogger(__name__)
_ENDINGS = {"image/jpeg": "jpg", "image/svg+xml": "svg", UNKNOWN: "bin"}


@dataclass(frozen=True)
class Keeping:
    """Writes the pictures of turns into the image store and then into the database."""

    database: Database
    store: ImageStore
    now: Callable[[], datetime]

    async def keep(self, picture: Made | Frame, thread_id: str, turn: int) -> StoredImage:
        """Save one picture of a turn byte for byte. Raises StorageFailed."""
        (mime_type, width, height), digest = await asyncio.to_thread(_measured, picture.data)
        image_id = new_image_id()
        frame = picture.frame if isinstance(picture, Frame) else None
        index = picture.image if isinstance(picture, Frame) else picture.index
        made = picture if isinstance(picture, Made) else None
        image = StoredImage(
            image_id=image_id,
            thread_id=thread_id,
            turn=turn,
            index=index,
            role="final" if made else "frame",
            frame=frame,
            key=_key(thread_id=thread_id, turn=turn, index=index, frame=frame, image_id=image_id, mime_type=mime_type),
            mime_type=mime_type,
            width=width,
            height=height,
            bytes=len(picture.data),
            sha256=digest,
            call_id=made.call_id if made else None,
            revised_prompt=made.revised_prompt if made else None,
            action=made.action if made else None,
            created_at=self.now(),
        )
        await self._save(image.key, picture.data)
        try:
            async with self.database.writing() as connection:
                await threads.add_image(connection, image)
        except StorageFailed as error:
            error.sentence += f"; the picture that was made is kept at {self.store.path(image.key)}"
            raise
        return image

    async def _save(self, key: str, data: bytes) -> None:
        """The picture is paid for by now: it is tried again, and then kept where the system keeps temporary files.

        Raises StorageFailed with the place.
        """
        try:
            await self.store.save(key, data)
        except StorageFailed as failed:
            log.warning("%s; trying again", failed)
            try:
                await self.store.save(key, data)
            except StorageFailed as error:
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


def _measured(data: bytes) -> tuple[tuple[str, int, int], str]:
    return measure(data), hashlib.sha256(data).hexdigest()


def _key(*, thread_id: str, turn: int, index: int, frame: int | None, image_id: str, mime_type: str) -> str:
    """A name that says by itself which turn the file belongs to, so that a file without a row can be placed."""
    part = f"-frame{frame + 1}" if frame is not None else ""
    ending = _ENDINGS.get(mime_type) or mime_type.removeprefix("image/")
    return f"{thread_id}/{turn:03d}-{index + 1}{part}-{image_id}.{ending}"
