"""Where originals are kept, byte for byte, under keys that are safe as file names on every system."""

import asyncio
import contextlib
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from ..errors import ImageNotFound, StorageFailed

_KEY = re.compile(r"(?:[a-z0-9_][a-z0-9_.-]*/)*[a-z0-9_][a-z0-9_.-]*\.[a-z0-9+]+")
_CAUSES = {
    errno.ENOSPC: ("the disk is full", "free some space"),
    errno.EDQUOT: ("the disk quota is used up", "free some space"),
    errno.EROFS: ("it lies on a read-only disk", "set MCP_IMAGEGEN_IMAGES to a folder that can be written"),
    errno.ENOTDIR: ("a file stands in its place, or on the way to it", "set MCP_IMAGEGEN_IMAGES to a folder"),
    errno.EEXIST: ("a file stands in its place", "set MCP_IMAGEGEN_IMAGES to a folder"),
    errno.EACCES: ("permission is denied", "make it writable, or set MCP_IMAGEGEN_IMAGES to another folder"),
    errno.EPERM: ("permission is denied", "make it writable, or set MCP_IMAGEGEN_IMAGES to another folder"),
}


class ImageStore:
    """A folder of pictures, files 0600 and folders 0700. A put is atomic, and survives a power cut once it returns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._store: LocalStore | None = None

    async def prepare(self) -> None:
        """Make the folder and try to write there. Raises StorageFailed, before anything is spent on a picture."""
        try:
            await asyncio.to_thread(_try_folder, self.folder)
        except OSError as error:
            raise self._failed(error) from error

    async def save(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`. Raises StorageFailed; then nothing is left under the key."""
        path = self.path(key)
        try:
            await asyncio.to_thread(_make_folder, path.parent)
            await obstore.put_async(self._opened(), key, data, use_multipart=False)
            await asyncio.to_thread(_settle, path, self.folder)
        except (OSError, BaseError) as error:
            raise self._failed(error) from error

    async def load(self, key: str) -> bytes:
        """The bytes that were kept. Raises ImageNotFound when the file is gone, else StorageFailed."""
        try:
            found = await obstore.get_async(self._opened(), self._checked(key))
            buffer = await found.bytes_async()
            return await asyncio.to_thread(bytes, buffer)
        except (OSError, BaseError) as error:
            if isinstance(error, FileNotFoundError) or _errno(error) == errno.ENOENT:
                name = key.rsplit("/", 1)[-1]
                raise ImageNotFound(f"the file {name} is gone from the image folder", "use another image") from None
            raise self._failed(error) from error

    async def gone(self, keys: Collection[str]) -> frozenset[str]:
        """Those of the keys under which no file lies any more. Raises StorageFailed."""
        folders = {key.rpartition("/")[0] for key in keys}
        there = {f"{folder}/{name}" for folder in folders for name in await self.names(folder)}
        return frozenset(keys) - there

    async def names(self, folder: str) -> list[str]:
        """The files in a folder of the store that were put there whole. Raises StorageFailed."""
        return [name for name in await self._names(folder) if "#" not in name]

    async def sweep(self, folder: str, prefix: str) -> None:
        """Remove what a put that was cut off has left of files with this prefix. Raises StorageFailed."""
        for name in await self._names(folder):
            if "#" in name and name.startswith(prefix):
                await asyncio.to_thread((self.folder / folder / name).unlink, missing_ok=True)

    async def _names(self, folder: str) -> list[str]:
        try:
            return sorted(await asyncio.to_thread(os.listdir, self.folder / folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed(error) from error

    async def remove(self, folder: str) -> None:
        """Remove a folder of the store with all its files, if it is there. Raises StorageFailed."""
        try:
            await asyncio.to_thread(shutil.rmtree, self.folder / folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._failed(error) from error

    def path(self, key: str) -> Path:
        """Where the picture lies on this machine."""
        return self.folder / self._checked(key)

    def _checked(self, key: str) -> str:
        if not _KEY.fullmatch(key) or ".." in key:
            raise ValueError(f"not a key of the image store: {key!r}")
        return key

    def _opened(self) -> LocalStore:
        if self._store is None:
            self._store = LocalStore(self.folder)
        return self._store

    def _failed(self, error: Exception) -> StorageFailed:
        said, fix = _CAUSES.get(_errno(error), ("it cannot be used", "check the folder, or set MCP_IMAGEGEN_IMAGES"))
        return StorageFailed(f"the image folder {self.folder} failed: {said}", fix)


def _errno(error: Exception) -> int:
    """The system's error number; obstore gives it only in its text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = re.search(r"\(os error (\d+)\)|code: (\d+)", str(error))
    return int(found[1] or found[2]) if found else 0


def _try_folder(folder: Path) -> None:
    _make_folder(folder)
    with tempfile.TemporaryFile(dir=folder) as trial:
        trial.write(b"mcp-imagegen")


def _make_folder(folder: Path) -> None:
    """Make what is missing of a folder and of those above it. The store would make them readable for everybody, and so
    would `mkdir(parents=True)` those above."""
    if not folder.parent.exists():
        _make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def _settle(path: Path, top: Path) -> None:
    """obstore renames into place but leaves the writing to the disk to the system: force the file, then every folder
    up to the one that holds the top one, since the entry of a new folder is in the folder above it."""
    path.chmod(0o600)
    for target in (path, *(one for one in path.parents if one.is_relative_to(top)), top.parent):
        with contextlib.suppress(PermissionError):  # Windows opens no folders
            descriptor = os.open(target, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
