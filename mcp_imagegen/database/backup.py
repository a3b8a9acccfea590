"""A complete copy of a database beside it, made before its tables are changed. Imported only for an upgrade."""

import filecmp
import logging
import os
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path

from ..errors import StorageFailed
from .tables import NEWEST

log = logging.getLogger(__name__)


def back_up(file: Path) -> Path:
    """Copy the database as it was last committed, with what lies in its write-ahead log; where the copy is.

    To be called while the caller's transaction keeps every other writer out, so that nothing comes between the copy and
    the upgrade, and so that of several processes only one copies. No file is ever overwritten; a copy that says the
    same as an earlier one, as after an upgrade that failed, is dropped. Blocks. Raises StorageFailed.
    """
    partial = file.with_name(f"{file.name}.before-{NEWEST}.partial")
    try:
        partial.unlink(missing_ok=True)  # left by a process that was killed
        _copy(file, partial)
        kept = _kept(file, partial)
    except (sqlite3.Error, OSError) as error:
        with suppress(OSError):
            partial.unlink()
        raise _failed(file, error) from error
    # At the level that everybody sees: who wants to go back to the earlier release must find it.
    log.warning("before its upgrade to revision %s, the database %s was copied to %s", NEWEST, file, kept)
    return kept


def _copy(file: Path, copy: Path) -> None:
    """VACUUM INTO takes a reader's view of the committed state, and writes a file that needs no log beside it."""
    os.close(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(file)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    _sync(copy)  # SQLite leaves that to whoever asked for the copy


def _kept(file: Path, copy: Path) -> Path:
    """Give the copy the first name that is free, unless a file that is there says the same."""
    names = (f"{file.name}.before-{NEWEST}" + (f".{number}" if number > 1 else "") for number in count(1))
    places = (file.with_name(name) for name in names)
    place = next(one for one in places if not one.exists() or filecmp.cmp(copy, one, shallow=False))
    if place.exists():
        copy.unlink()
    else:
        copy.rename(place)
        with suppress(PermissionError):  # Windows opens no folders
            _sync(place.parent)
    return place


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(file: Path, error: Exception) -> StorageFailed:
    log.error("the database %s could not be copied", file, exc_info=error)
    cause = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return StorageFailed(
        f"the database {file} is of an earlier release and was not upgraded, because no copy of it could be kept "
        f"beside it: {cause}",
        "make its folder writable and free some space there, then try again; nothing was changed",
    )
