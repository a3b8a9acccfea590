"""What a failing database means for the user: StorageFailed with a way out. The cause itself goes only to the log."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..errors import StorageFailed

log = logging.getLogger(__name__)

# By SQLite's primary result code: what happened to the database, and the way out.
_SQLITE = {
    sqlite3.SQLITE_BUSY: ("is held by another process", "end that process, or try again"),
    sqlite3.SQLITE_LOCKED: ("is held by another process", "end that process, or try again"),
    sqlite3.SQLITE_PERM: ("may not be opened", "make the file and its folder readable and writable for you"),
    sqlite3.SQLITE_READONLY: ("cannot be written", "make the file and its folder writable, or set MCP_IMAGEGEN_HOME"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk fails", "check the disk, or set MCP_IMAGEGEN_HOME"),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "restore a backup, or move the file away: a new one is then made"),
    sqlite3.SQLITE_FULL: ("does not fit on its disk", "free some space there, or set MCP_IMAGEGEN_HOME"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "check the file and its folder, or set MCP_IMAGEGEN_HOME"),
    sqlite3.SQLITE_NOTADB: ("is no SQLite database", "move the file away: a new one is then made"),
}
_UNKNOWN = ("cannot be used", "see the server's log for the cause")


@contextmanager
def storage_failures(database: str) -> Iterator[None]:
    """Raise StorageFailed for whatever the database raises inside; `database` is how to name it to the user."""
    try:
        yield
    except SQLAlchemyError as error:
        happened, fix = _explained(error)
        log.error("the database %s %s", database, happened, exc_info=error)
        raise StorageFailed(f"the database {database} {happened}", fix) from error


def folder_failed(file: Path, error: OSError) -> StorageFailed:
    """The folder or the file of a database could not be made."""
    log.error("the database %s cannot be created", file, exc_info=error)
    return StorageFailed(
        f"the database {file} cannot be created: {error.strerror or 'the system refuses'}",
        "make its folder writable for you, or set MCP_IMAGEGEN_HOME to another folder",
    )


def is_busy(error: SQLAlchemyError) -> bool:
    """Whether SQLite failed because another connection holds the database."""
    return _sqlite_code(error) == sqlite3.SQLITE_BUSY


def _explained(error: SQLAlchemyError) -> tuple[str, str]:
    if isinstance(error, PoolTimeout):
        return _SQLITE[sqlite3.SQLITE_BUSY]
    return _SQLITE.get(_sqlite_code(error), _UNKNOWN)


def _sqlite_code(error: SQLAlchemyError) -> int:
    """The primary result code; 0 where the error is not SQLite's own."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    return int(getattr(cause, "sqlite_errorcode", 0)) & 0xFF
