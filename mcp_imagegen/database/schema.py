"""Bring a database to the newest revision, whatever state it is in.

A new database is made in one go and stamped, so that Alembic (a third of a second to import) is loaded only for a
real upgrade.
"""

from typing import Literal

from sqlalchemy import Connection, insert, inspect, select

from ..errors import StorageFailed
from .tables import METADATA, NEWEST, REVISIONS, VERSIONS

Standing = Literal["new", "older", "newest"]


def standing(connection: Connection) -> Standing:
    """Where the database stands against this program.

    Raises StorageFailed for one that a newer release made, for one that holds another program's tables, and for one
    that does not say what it is.
    """
    name, tables = connection.engine.url.database, inspect(connection).get_table_names()
    if not tables:
        return "new"
    if VERSIONS.name not in tables:
        raise StorageFailed(
            f"the database {name} holds tables of another program ({', '.join(sorted(tables)[:3])})",
            "give mcp-imagegen a database of its own: set MCP_IMAGEGEN_HOME to another folder, or move the file away",
        )
    stored = connection.scalars(select(VERSIONS.c.version_num)).all()
    if stored == [NEWEST]:
        return "newest"
    if len(stored) > 1 or (not stored and len(tables) > 1):  # without any but its own table it is before the first
        raise StorageFailed(
            f"the database {name} does not say of which revision it is: {VERSIONS.name} has {len(stored)} rows "
            "in place of one",
            "restore a backup, or move the file away: a new one is then made",
        )
    if unknown := sorted(set(stored) - set(REVISIONS)):
        raise StorageFailed(
            f"the database {name} has revision {', '.join(unknown)}, which a newer release of mcp-imagegen made; "
            f"this one knows revisions up to {NEWEST}",
            "update mcp-imagegen, or set MCP_IMAGEGEN_HOME to another folder",
        )
    return "older"


def bring_to_newest(connection: Connection) -> None:
    """Make or upgrade the tables. To be called in a transaction that keeps every other writer out: of several
    processes that come here at once, the first one works and the others find it done. Raises StorageFailed."""
    match standing(connection):
        case "new":
            METADATA.create_all(connection, checkfirst=False)
            VERSIONS.create(connection)
            connection.execute(insert(VERSIONS).values(version_num=NEWEST))
        case "older":
            from .migrations.upgrade import upgrade  # late: only an upgrade needs Alembic

            upgrade(connection)
        case "newest":
            pass
