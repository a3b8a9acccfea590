"""Copies of paid answers on disk, written as the answers arrive, so that little is ever only in memory.

A copy begins with one line of JSON (`About`) and goes on with the answer's body, decompressed and otherwise as it came.
Nothing is synced: what was written outlives the process, not a power cut. A disk that fails ends the copying, never the
call.
"""

import asyncio
import logging
import os
import re
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from ..errors import StorageFailed

log = logging.getLogger(__name__)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_FILE = re.compile(rf"({NAME.pattern})\.(\d{{1,6}})")
_LONGEST_HEADER = 8_192  # bytes
_PIECE = 256 << 10  # bytes read at a time


@dataclass(frozen=True)
class About:
    """What reading an answer needs besides its body. `n`: how many images it should hold. `origin` and `endpoint`: whom
    it came from, as errors name it. `ids`: what its request named by them. `hosts`: the names of its host model."""

    api: Literal["image", "responses"]
    n: int
    streamed: bool
    origin: str
    endpoint: str
    request_id: str | None
    ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()


_ABOUT = TypeAdapter(About)


@dataclass(frozen=True)
class Spool:
    """A folder of copies, by the names that were given to them."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, for its owner alone (0700). Blocks: call it in a thread. Raises StorageFailed."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
        except OSError as error:
            raise _failed(self.folder, error) from error

    def names(self) -> list[str]:
        """The names that copies lie under, in order. Blocks: call it in a thread. Raises StorageFailed."""
        try:
            found = [_FILE.fullmatch(path.name) for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failed(self.folder, error) from error
        return sorted({match[1] for match in found if match})

    def copy(self, name: str) -> "Copy":
        """The copies of one call, those that lie there and those to come. `name`: letters, digits, `_` and `-`.

        Touches nothing yet. Raises ValueError for another name.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a copy")
        return Copy(self.folder, name)


class Copy:
    """The answers of one call: files `{name}.0`, `{name}.1` and so on, in the order in which they came."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._newest: Path | None = None  # of those written here that may be withdrawn
        self._failed = False

    async def kept(self, about: About, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The chunks of an answer, each handed on when it is on the disk."""
        file = _Open()
        try:
            await asyncio.to_thread(self._begin, file, about)
            async with aclosing(chunks):
                async for chunk in chunks:
                    if not self._failed:
                        await asyncio.to_thread(self._add, file, chunk)
                    yield chunk
        finally:
            await file.aclose()

    def seal(self) -> None:
        """What was kept so far stays, whatever is withdrawn."""
        self._newest = None

    async def withdraw(self) -> None:
        """Remove the answer that was kept last, since the next one will say the same and more."""
        newest, self._newest = self._newest, None
        if newest is not None:
            await asyncio.to_thread(_remove, newest)

    async def discard(self) -> None:
        """Remove the files of this name; what cannot be removed is logged."""
        await asyncio.to_thread(self._remove_all)

    def lying(self) -> "list[Lying]":
        """The answers that lie there, in order. Blocks: call it in a thread. Raises StorageFailed."""
        return [Lying(path) for _, path in self._numbered()]

    def _numbered(self) -> list[tuple[int, Path]]:
        try:
            paths = list(self.folder.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failed(self.folder, error) from error
        matches = [(_FILE.fullmatch(path.name), path) for path in paths]
        return sorted((int(match[2]), path) for match, path in matches if match and match[1] == self.name)

    def _begin(self, file: "_Open", about: About) -> None:
        if self._failed:
            return
        try:
            number = max((number for number, _ in self._numbered()), default=-1) + 1
            path = self.folder / f"{self.name}.{number}"
            file.open(path, "xb")
        except (OSError, StorageFailed) as error:
            self._give_up(error)
            return
        self._newest = path
        self._add(file, _ABOUT.dump_json(about) + b"\n")

    def _add(self, file: "_Open", data: bytes) -> None:
        try:
            file.write(data)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._failed = True
        log.warning("the answer to %s is not copied to disk any further: %s", self.name, error)

    def _remove_all(self) -> None:
        try:
            paths = [path for _, path in self._numbered()]
        except StorageFailed as error:
            log.warning("the copies of %s could not be removed: %s", self.name, error)
        else:
            for path in paths:
                _remove(path)


@dataclass(frozen=True)
class Lying:
    """One answer on disk, perhaps not whole."""

    path: Path

    def about(self) -> About | None:
        """None where even the first line is not whole, so that nothing can be read. Blocks."""
        try:
            with self.path.open("rb") as file:
                line = file.readline(_LONGEST_HEADER)
            return _ABOUT.validate_json(line) if line.endswith(b"\n") else None
        except (OSError, ValidationError) as error:
            log.warning("the copy %s cannot be read: %s", self.path.name, type(error).__name__)
            return None

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, as far as it was written and can be read."""
        file = _Open()
        try:
            await asyncio.to_thread(file.open, self.path, "rb")
            await asyncio.to_thread(file.skip_line)
            while piece := await asyncio.to_thread(file.read):
                yield piece
        except OSError as error:
            log.warning("the copy %s cannot be read to its end: %s", self.path.name, error)
        finally:
            await file.aclose()


class _Open:
    """A file that threads write or read, a new one for its owner alone. What a caller that was cancelled has begun goes
    on in its thread, and closing waits for it, since the descriptor of a closed file may soon be another's; after that
    nothing is opened, written or read.
    """

    def __init__(self) -> None:
        self._file: FileIO | None = None
        self._closed = False
        self._lock = threading.Lock()

    def open(self, path: Path, mode: Literal["xb", "rb"]) -> None:
        """Raises OSError."""
        with self._lock:
            if not self._closed:
                self._file = FileIO(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))

    def skip_line(self) -> None:
        """Go on behind the first line. Raises OSError."""
        with self._lock:
            if self._file is not None and not self._closed:
                self._file.seek(len((self._file.read(_LONGEST_HEADER) or b"").partition(b"\n")[0]) + 1)

    def read(self) -> bytes:
        """The next piece, empty at the end. Raises OSError."""
        with self._lock:
            return (self._file.read(_PIECE) or b"") if self._file is not None and not self._closed else b""

    def write(self, data: bytes) -> None:
        """Raises OSError."""
        rest = memoryview(data)
        with self._lock:
            while rest and self._file is not None and not self._closed:
                rest = rest[self._file.write(rest) :]

    async def aclose(self) -> None:
        """Close the file in a thread, also when the caller is cancelled meanwhile, perhaps once more."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._close))

    def _close(self) -> None:
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        log.warning("the copy %s could not be removed: %s", path.name, error)


def _failed(folder: Path, error: OSError) -> StorageFailed:
    return StorageFailed(
        f"the folder {folder} for answers that arrive cannot be used: {error.strerror or type(error).__name__}",
        "make it writable, or set MCP_IMAGEGEN_HOME to another folder",
    )
