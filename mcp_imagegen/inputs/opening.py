"""Opening what was resolved and checked before, without being led elsewhere by a link that was put on the way since."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLLOW_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_PASS_THROUGH = getattr(os, "O_PATH", os.O_RDONLY)  # a folder on the way need not be readable
_DO_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe without a writer would wait for one
_NO_TERMINAL = getattr(os, "O_NOCTTY", 0)  # a terminal that is opened would become the server's own
_BINARY = getattr(os, "O_BINARY", 0)
_STEP_BY_STEP = os.open in os.supports_dir_fd and bool(_FOLDER)


@contextmanager
def opened_file(path: Path) -> Iterator[int]:
    """A descriptor to read from `path`, which is resolved. Raises OSError, also for a link on the way."""
    flags = os.O_RDONLY | _FOLLOW_NO_LINK | _DO_NOT_WAIT | _NO_TERMINAL | _BINARY
    with opened_folder(path.parent) as folder:
        descriptor = os.open(_name(path, folder), flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_folder(path: Path, *, make: bool = False) -> Iterator[int | None]:
    """A descriptor of `path`, which is resolved, reached folder by folder; None on Windows, which cannot go so.

    With `make` the folders that are missing are made. Raises OSError, also for a link on the way.
    """
    if not _STEP_BY_STEP:
        _compare(path, make=make)
        yield None
        return
    folder = os.open(path.anchor, _PASS_THROUGH | _FOLDER)
    try:
        for part in path.parts[1:]:
            inner = _stepped(part, folder, make=make)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def write_new(path: Path, data: bytes, folder: int | None) -> None:
    """Write a file into an opened folder. Raises FileExistsError where anything has its name, a link included, and
    OSError where it cannot be written; then nothing of it is left."""
    name = _name(path, folder)
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FOLLOW_NO_LINK | _BINARY, 0o644, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError:
        os.unlink(name, dir_fd=folder)
        raise


def _stepped(part: str, folder: int, *, make: bool) -> int:
    flags = _PASS_THROUGH | _FOLDER | _FOLLOW_NO_LINK
    try:
        return os.open(part, flags, dir_fd=folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):  # somebody else made it, or put a link there, which opening it finds out
        os.mkdir(part, dir_fd=folder)
    return os.open(part, flags, dir_fd=folder)


def _compare(path: Path, *, make: bool) -> None:
    """The best that Windows can do: look again, right before."""
    if make:
        path.mkdir(parents=True, exist_ok=True)
    if path.resolve() != path:
        raise OSError(errno.ELOOP, "it became a link")


def _name(path: Path, folder: int | None) -> str | Path:
    return path if folder is None else path.name or "."
