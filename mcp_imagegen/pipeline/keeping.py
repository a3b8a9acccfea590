"""Keep a picture: its bytes are on disk before anything is recorded of it."""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import stamina

from ..database.engine import Database
from ..errors import StorageFailed
from ..images.probe import measure
from ..images.soundness import ends_well, fault
from ..images.store import ImageStore
from ..openai_api.values import Frame, Made
from ..threads import store as threads
from ..threads.ids import new_image_id
from ..threads.values import StoredImage
from . import elsewhere
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
            await self._save(part, image.key, picture.data, running)
        else:
            image = await self._described(
                running, part, picture.data, digest=digest, image_id=image_id_in(key), key=key
            )
        if isinstance(picture, Made):
            image = replace(
                image, call_id=picture.call_id, revised_prompt=picture.revised_prompt, action=picture.action
            )
        await self._record(image, picture.data, running)
        return image

    async def adopt(self, running: Running) -> None:
        """Record the files of the turn that nothing else accounts for and that hold a whole picture: a put is atomic,
        but a power cut may leave no more than its name. Raises StorageFailed."""
        await self._bring_home(running)
        for part, key in sorted(running.found.files.items(), key=lambda item: item[1]):
            data = await self.store.load(key)
            wrong = await asyncio.to_thread(fault, data)
            if wrong is not None and (part[1] is not None or not await asyncio.to_thread(ends_well, data)):
                self._leave(running, part, wrong)
                continue
            digest = await asyncio.to_thread(_digest, data)
            image = await self._described(running, part, data, digest=digest, image_id=image_id_in(key), key=key)
            await self._record(image, data, running)
            if image.role == "final":
                running.images.append((Made(b"", image.index), image))
                running.warn_of(image.index, wrong)

    def _leave(self, running: Running, part: Part, wrong: str) -> None:
        """Say of a file that it is not taken for a picture of the turn, unless that one is known already."""
        path = self.store.path(running.found.files.pop(part))
        log.warning("the file %s is left alone: %s", path, wrong)
        if part[1] is None and part not in running.found.recorded:
            running.warnings.append(f"a file of the call was left where it is, {path}: {wrong}")

    async def _bring_home(self, running: Running) -> None:
        """Put what was kept elsewhere into its folder. What cannot be read is left at that."""
        known = running.found.recorded.keys() | running.found.files.keys()
        for part, path in list(running.found.elsewhere.items()):
            if part not in known:
                key = f"{running.turn.thread_id}/{path.name}"
                with suppress(OSError):
                    await self._save(part, key, await asyncio.to_thread(path.read_bytes), running)
                    running.found.files[part] = key

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

    async def _record(self, image: StoredImage, data: bytes, running: Running) -> None:
        """Record a picture whose file lies in its folder; only then its copy elsewhere is one too many."""
        part, found = (image.index, image.frame), running.found
        try:
            async with self.database.writing() as connection:
                await threads.add_image(connection, image)
        except StorageFailed as error:
            error.sentence += f"; the picture that was made is kept at {self.store.path(image.key)}"
            found.files.setdefault(part, image.key)
            raise
        found.recorded[part] = image
        if found.files.get(part) == image.key:
            del found.files[part]
        if (path := found.elsewhere.pop(part, None)) is not None:
            await asyncio.to_thread(elsewhere.drop, path, data)

    async def _save(self, part: Part, key: str, data: bytes, running: Running) -> None:
        """The picture is paid for by now: it is held in memory and tried again for some seconds, and then kept where
        the system keeps temporary files. At once where another picture of the turn was tried so, since a server that is
        told to end has no time to wait for each.

        Raises StorageFailed with the place.
        """
        try:
            if not running.unsaved:
                await self._patiently(key, data, running.hurry)
            else:
                await self.store.save(key, data)
        except StorageFailed as error:
            path = running.found.elsewhere[part] = await asyncio.to_thread(_keep_elsewhere, key, data)
            error.sentence += f"; the picture that was made is kept at {path}"
            log.warning("%s", error)  # nobody may be left to be told
            raise

    async def _patiently(self, key: str, data: bytes, hurry: asyncio.Event) -> None:
        """Try it for some seconds, or a last time when there is hurry. Raises StorageFailed."""
        trying, hurrying = asyncio.create_task(self._tried(key, data)), asyncio.create_task(hurry.wait())
        try:
            await asyncio.wait({trying, hurrying}, return_when=asyncio.FIRST_COMPLETED)
            if trying.done():
                trying.result()
                return
        finally:
            trying.cancel()
            hurrying.cancel()
        await asyncio.wait({trying})
        await self.store.save(key, data)

    async def _tried(self, key: str, data: bytes) -> None:
        async for attempt in stamina.retry_context(
            on=StorageFailed, attempts=SAVES, timeout=None, wait_initial=0.5, wait_max=2
        ):
            with attempt:
                await self.store.save(key, data)


def _keep_elsewhere(key: str, data: bytes) -> Path:
    """Raises StorageFailed when that fails as well."""
    try:
        return elsewhere.put(key, data)
    except OSError as error:
        raise StorageFailed(
            f"the picture that was made could be saved nowhere: {error.strerror}", "free some space, then collect it"
        ) from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _part(picture: Made | Frame) -> Part:
    return (picture.index, None) if isinstance(picture, Made) else (picture.image, picture.frame)
