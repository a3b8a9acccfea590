"""The migrations lead to the tables that the program creates, and a database at an earlier revision is upgraded."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, insert, text

from mcp_imagegen.database import migrations
from mcp_imagegen.database.engine import Database
from mcp_imagegen.database.migrations.upgrade import config_for, upgrade
from mcp_imagegen.database.schema import bring_to_newest, standing
from mcp_imagegen.database.tables import METADATA, NEWEST, REVISIONS, VERSIONS
from mcp_imagegen.errors import StorageFailed

EMPTY_HISTORY = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'imagegen.sqlite3'}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
async def before_the_first_revision(tmp_path: Path) -> AsyncIterator[Database]:
    file = tmp_path / "imagegen.sqlite3"
    old = sqlite3.connect(file)
    old.execute(EMPTY_HISTORY)
    old.close()
    database = Database(file)
    yield database
    await database.aclose()


PRAGMAS = ("table_info", "foreign_key_list", "index_list")


def definitions(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every table with its columns in order, its keys and its indexes, which have none, and every index with its
    columns."""
    named = connection.execute(text("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'index')")).all()
    asked = [(name, pragma) for kind, name in named for pragma in (PRAGMAS if kind == "table" else ("index_info",))]
    return {
        f"{pragma} of {name}": sorted(
            tuple(row)[pragma == "index_list" :] for row in connection.exec_driver_sql(f"PRAGMA {pragma}('{name}')")
        )
        for name, pragma in asked
    }


def test_migrations_make_the_tables_that_the_program_works_with(connection: Connection) -> None:
    upgrade(connection)
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})

    assert compare_metadata(context, METADATA) == []


def test_migrated_and_created_databases_are_defined_alike(connection: Connection) -> None:
    upgrade(connection)
    migrated = definitions(connection)
    METADATA.drop_all(connection)
    VERSIONS.drop(connection)
    bring_to_newest(connection)

    assert definitions(connection) == migrated
    assert len(migrated) > len(PRAGMAS) * len(METADATA.tables)


AT_0002 = (
    "INSERT INTO threads VALUES ('thr_1', 'local', NULL, 'a mill', 'openai', 2, 1, 1)",
    *(
        "INSERT INTO turns (thread_id, number, kind, prompt, status, provider, api, model, options, warnings, "
        f"owner_process, lease_until, created_at) VALUES ('thr_1', {number}, 'generate', 'a mill', '{status}', "
        "'openai', 'image', 'gpt-image-2', '{}', '[]', 'here', 1, 1)"
        for number, status in ((1, "completed"), (2, "failed"), (3, "in_progress"))
    ),
    *(
        'INSERT INTO images (image_id, thread_id, turn, "index", role, key, mime_type, width, height, bytes, sha256, '
        f"created_at) VALUES ('img_{index}', 'thr_1', 1, {index}, '{role}', 'k', 'image/png', 1, 1, 1, '', 1)"
        for index, role in enumerate(("final", "final", "frame"))
    ),
    *(
        "INSERT INTO ledger_entries (owner, thread_id, turn, operation, provider, api, model, status, created_at) "
        f"VALUES ('local', 'thr_1', {turn}, 'generate', 'openai', 'image', 'gpt-image-2', '{status}', 1)"
        for turn, status in ((1, "settled"), (2, "released"), (3, "reserved"))
    ),
)


def test_earlier_entries_are_told_how_they_ended_by_their_turns(connection: Connection) -> None:
    command.upgrade(config_for(connection), "0002")
    for statement in AT_0002:
        connection.execute(text(statement))
    upgrade(connection)

    found = connection.execute(text("SELECT ending, images FROM ledger_entries ORDER BY entry_id"))
    assert [tuple(row) for row in found] == [("completed", 2), ("failed", None), (None, None)]


def test_of_earlier_turns_it_is_not_known_with_which_settings_they_were_sent(connection: Connection) -> None:
    command.upgrade(config_for(connection), "0005")
    for statement in AT_0002[:2]:
        connection.execute(text(statement))
    upgrade(connection)

    found = connection.execute(text("SELECT status, account FROM turns"))
    assert [tuple(row) for row in found] == [("completed", None)]


def test_program_knows_every_revision_in_order() -> None:
    history = ScriptDirectory.from_config(config_for()).walk_revisions()

    assert tuple(script.revision for script in history)[::-1] == REVISIONS


def test_created_database_is_stamped_as_the_newest(connection: Connection) -> None:
    bring_to_newest(connection)

    assert standing(connection) == "newest"
    assert MigrationContext.configure(connection).get_current_revision() == NEWEST


def test_database_with_two_revisions_at_once_is_upgraded_no_further(connection: Connection) -> None:
    bring_to_newest(connection)
    connection.execute(insert(VERSIONS).values(version_num="9999"))

    with pytest.raises(StorageFailed):
        standing(connection)


async def test_older_database_is_upgraded(before_the_first_revision: Database) -> None:
    async with before_the_first_revision.writing() as connection:
        assert await connection.run_sync(standing) == "newest"
        assert await connection.scalar(text("SELECT count(*) FROM ledger_entries")) == 0
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1


async def test_upgrade_that_fails_changes_nothing(before_the_first_revision: Database) -> None:
    file = before_the_first_revision.file
    obstacle = sqlite3.connect(file)
    obstacle.execute("CREATE TABLE ledger_entries (made_by TEXT)")
    with pytest.raises(StorageFailed):
        await before_the_first_revision.prepare()
    tables = {name for (name,) in obstacle.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    obstacle.close()

    assert tables == {"alembic_version", "ledger_entries"}


def test_migrations_are_packages_so_that_they_are_installed() -> None:
    folder = Path(migrations.__path__[0])
    scripts = [script for script in folder.rglob("*.py") if script.name != "__init__.py"]

    assert len(scripts) == len(REVISIONS) + len(["env.py", "upgrade.py"])
    assert all((script.parent / "__init__.py").is_file() for script in scripts)
