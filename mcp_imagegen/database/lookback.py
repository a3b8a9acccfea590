"""A database that can only be read, as on a disk that is mounted so: its threads are shown all the same."""

import os
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from ..errors import StorageFailed


def only_read(file: Path) -> bool:
    """Whether the database is there and cannot be written: SQLite writes beside it too. Blocks."""
    return file.is_file() and not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK))


def connect_to_read(engine: AsyncEngine, file: Path) -> None:
    """Let the engine's connections write nothing, not even the files that SQLite keeps beside a database.

    Where there is no log of a writer, nobody writes, and SQLite is told so: it would else want to make one.
    """

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: list[object], options: dict[str, object]) -> None:
        log = file.with_name(f"{file.name}-wal")
        quiet = not log.exists() or not log.stat().st_size
        arguments[0] = f"{file.absolute().as_uri()}?mode=ro{'&immutable=1' if quiet else ''}"
        options["uri"] = True


def check_newest(file: Path, found: str) -> None:
    """Raises StorageFailed for tables that would have to be made or changed first."""
    if found != "newest":
        said = "is empty" if found == "new" else "is of an earlier release, which is upgraded before it is read"
        raise StorageFailed(
            f"the database {file} {said}, and cannot be written",
            "make the file and its folder writable, or copy the folder to where it can be written and set "
            "MCP_IMAGEGEN_HOME to that",
        )
