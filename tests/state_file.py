"""The state as any other program finds it in the server's folder."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any


def rows(home: Path, query: str) -> list[dict[str, Any]]:
    """What the database of the server with this MCP_IMAGEGEN_HOME answers, as committed at this moment."""
    with closing(sqlite3.connect(home / "imagegen.sqlite3")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def execute(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "imagegen.sqlite3")) as connection:
        connection.execute(statement)
        connection.commit()


@contextmanager
def busy(environment: dict[str, str]) -> Iterator[None]:
    """While another program holds the database."""
    with closing(sqlite3.connect(Path(environment["MCP_IMAGEGEN_HOME"]) / "imagegen.sqlite3")) as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        yield


def turns(environment: dict[str, str]) -> list[dict[str, Any]]:
    """All turns of the server with this environment."""
    return rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT * FROM turns")


async def until(ready: Callable[[], bool]) -> None:
    """Wait for what another process or task makes ready; the bound is only for a test that hangs."""
    async with asyncio.timeout(60):
        while not ready():  # noqa: ASYNC110 - another process makes it ready
            await asyncio.sleep(0.01)
