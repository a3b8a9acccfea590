"""The state as any other program finds it in the server's folder."""

import sqlite3
from contextlib import closing
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
