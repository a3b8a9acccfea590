"""The database: how it is created, how its transactions behave, and what its failures tell the user."""

import asyncio
import logging
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from sqlalchemy.dialects import sqlite
from thread_checks import open_below

from mcp_imagegen.database.engine import Database
from mcp_imagegen.database.tables import THREADS, Instant, Words
from mcp_imagegen.errors import InvalidArgument, StorageFailed

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DIALECT = sqlite.dialect()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(tmp_path / "state" / "imagegen.sqlite3")
    yield database
    await database.aclose()


def row(thread_id: str) -> dict[str, Any]:
    return {
        "thread_id": thread_id,
        "owner": "local",
        "title": "a cat",
        "provider": "openai",
        "last_turn": 0,
        "created_at": AT,
        "updated_at": AT,
    }


async def write(database: Database, thread_id: str, *, title: str = "a cat", under: str | None = None) -> None:
    """One more row, after the pragma `under`."""
    async with database.writing() as connection:
        if under is not None:
            await connection.exec_driver_sql(f"PRAGMA {under}")
        await connection.execute(insert(THREADS).values({**row(thread_id), "title": title}))


async def written(database: Database) -> list[str]:
    async with database.reading() as connection:
        return list(await connection.scalars(select(THREADS.c.thread_id).order_by(THREADS.c.thread_id)))


async def give_way() -> None:
    """Let the other tasks and their threads get on, by many small reads."""
    for _ in range(100):
        await asyncio.to_thread(Path.cwd)


async def test_new_database_is_open_to_its_owner_alone(database: Database) -> None:
    await database.prepare()
    await write(database, "one")

    assert stat.S_IMODE(database.file.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in database.file.parent.iterdir()} == {0o600}
    assert len(list(database.file.parent.iterdir())) == 3, "the database, its log and the log's index"


async def test_first_use_prepares_the_database(database: Database) -> None:
    assert await written(database) == []


async def test_rows_are_there_after_the_database_is_opened_again(database: Database) -> None:
    await write(database, "one")
    await database.aclose()
    await database.prepare()

    assert await written(database) == ["one"]


async def test_commits_are_durable_and_readers_do_not_wait(database: Database) -> None:
    async with database.writing() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
        assert await connection.scalar(text("PRAGMA synchronous")) == 2
        assert await connection.scalar(text("PRAGMA foreign_keys")) == 1
        await connection.execute(insert(THREADS).values(row("one")))
        assert await written(database) == [], "a reader beside an open writer sees the state before it"
    assert await written(database) == ["one"]


async def test_database_restored_without_wal_gets_it_back(database: Database) -> None:
    await write(database, "one")
    await database.aclose()
    restored = sqlite3.connect(database.file)
    restored.execute("PRAGMA journal_mode = DELETE")
    restored.close()

    async with database.reading() as connection:
        assert await connection.scalar(text("PRAGMA journal_mode")) == "wal"
    assert await written(database) == ["one"]


async def test_reader_sees_one_state_throughout(database: Database) -> None:
    await write(database, "one")
    async with database.reading() as connection:
        before = (await connection.execute(select(THREADS))).all()
        await write(database, "two")
        assert (await connection.execute(select(THREADS))).all() == before


async def test_failed_transaction_leaves_nothing(database: Database) -> None:
    async def fail() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(THREADS).values(row("one")))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await written(database) == []


async def test_cancelled_writer_leaves_neither_rows_nor_a_lock(database: Database) -> None:
    entered = asyncio.Event()

    async def hang() -> None:
        async with database.writing() as connection:
            await connection.execute(insert(THREADS).values(row("one")))
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await write(database, "two")
    assert await written(database) == ["two"]


async def test_closing_leaves_nothing_open_of_a_writer_that_is_just_cancelled(database: Database) -> None:
    begun = asyncio.Event()

    async def write_for_ever() -> None:
        async with database.writing():
            begun.set()
            await asyncio.Event().wait()

    writer = asyncio.create_task(write_for_ever())
    await begun.wait()
    writer.cancel()
    await database.aclose()
    assert open_below(database.file.parent) == []
    with pytest.raises(asyncio.CancelledError):
        await writer


async def test_writer_that_is_cancelled_while_it_waits_holds_up_nobody(database: Database) -> None:
    async with database.writing() as connection:
        waiting = asyncio.create_task(write(database, "never"))
        await give_way()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await connection.execute(insert(THREADS).values(row("one")))

    await write(database, "two")
    assert await written(database) == ["one", "two"]


async def test_writers_of_one_process_come_in_the_order_in_which_they_asked(database: Database) -> None:
    await database.prepare()
    order: list[int] = []

    async def enter(number: int) -> None:
        async with database.writing() as connection:
            await connection.execute(insert(THREADS).values(row(str(number))))
            order.append(number)

    await asyncio.gather(*(enter(number) for number in range(40)))

    assert order == list(range(40))


async def test_writer_waits_for_another_connection_instead_of_failing(database: Database) -> None:
    """The second one reads and then writes, which fails at once where a transaction begins without its lock."""
    other = Database(database.file)
    await write(database, "one")

    async def read_then_write() -> list[str]:
        async with other.writing() as connection:
            seen = list(await connection.scalars(select(THREADS.c.thread_id)))
            await connection.execute(insert(THREADS).values(row("three")))
        return seen

    async with database.writing() as connection:
        waiting = asyncio.create_task(read_then_write())
        await give_way()
        await connection.execute(insert(THREADS).values(row("two")))
    try:
        assert await waiting == ["one", "two"]
        assert await written(database) == ["one", "three", "two"]
    finally:
        await other.aclose()


async def test_opening_waits_for_a_writer_on_a_file_that_is_not_yet_in_wal_mode(database: Database) -> None:
    database.file.parent.mkdir()
    holder = sqlite3.connect(database.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    opening = asyncio.create_task(database.prepare())
    await give_way()
    holder.close()
    await opening

    await write(database, "one")
    assert await written(database) == ["one"]


async def test_database_held_for_too_long_is_told_with_a_way_out(tmp_path: Path) -> None:
    database = Database(tmp_path / "imagegen.sqlite3", busy_s=0.05)
    await database.prepare()
    holder = sqlite3.connect(database.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed) as failure:
        await write(database, "one")
    holder.close()

    assert "held by another process" in failure.value.sentence
    assert failure.value.fix == "end that process, or try again"
    await write(database, "two")
    assert await written(database) == ["two"]
    await database.aclose()


async def test_opening_gives_up_on_a_new_file_that_stays_held(tmp_path: Path) -> None:
    database = Database(tmp_path / "imagegen.sqlite3", busy_s=0.05)
    holder = sqlite3.connect(database.file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed) as failure:
        await database.prepare()
    holder.close()

    assert "held by another process" in failure.value.sentence


async def test_writer_inside_a_writer_is_refused_instead_of_hanging(tmp_path: Path) -> None:
    database = Database(tmp_path / "imagegen.sqlite3", busy_s=0.05)
    async with database.writing():
        with pytest.raises(StorageFailed):
            await write(database, "inner")
    await database.aclose()


async def test_full_disk_is_told_and_undone(database: Database) -> None:
    """SQLite's own limit on the number of pages gives the same error as a full disk."""
    await write(database, "one")
    with pytest.raises(StorageFailed) as failure:
        await write(database, "two", title="x" * 100_000, under="max_page_count = 1")

    assert "does not fit on its disk" in failure.value.sentence
    assert str(database.file) in failure.value.sentence
    assert "free some space" in failure.value.fix
    assert await written(database) == ["one"]


async def test_read_only_database_is_told(database: Database) -> None:
    await database.prepare()
    with pytest.raises(StorageFailed) as failure:
        await write(database, "one", under="query_only = ON")

    assert "cannot be written" in failure.value.sentence
    assert "MCP_IMAGEGEN_HOME" in failure.value.fix


async def test_file_that_is_no_database_is_told_and_left_alone(database: Database) -> None:
    database.file.parent.mkdir()
    database.file.write_bytes(b"not a database " * 500)
    with pytest.raises(StorageFailed) as failure:
        await database.prepare()

    assert "is no SQLite database" in failure.value.sentence
    assert "move the file away" in failure.value.fix
    assert database.file.read_bytes() == b"not a database " * 500


async def test_database_that_lost_its_revision_is_told_and_left_alone(database: Database) -> None:
    await database.prepare()
    await database.aclose()
    with closing(sqlite3.connect(database.file)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
    with pytest.raises(StorageFailed) as failure:
        await database.prepare()

    assert "does not say of which revision it is" in failure.value.sentence
    assert [path.name for path in database.file.parent.iterdir() if "before" in path.name] == []


async def test_folder_in_the_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed) as failure:
        await Database(tmp_path).prepare()

    assert "cannot be opened" in failure.value.sentence


async def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageFailed) as failure:
        await Database(tmp_path / "state" / "imagegen.sqlite3").prepare()

    assert "cannot be created" in failure.value.sentence
    assert "MCP_IMAGEGEN_HOME" in failure.value.fix


async def test_database_can_be_used_once_the_obstacle_is_gone(database: Database) -> None:
    database.file.parent.mkdir()
    database.file.write_bytes(b"not a database " * 500)
    with pytest.raises(StorageFailed):
        await database.prepare()
    database.file.unlink()

    await write(database, "one")
    assert await written(database) == ["one"]


async def test_database_of_a_newer_release_is_refused_and_left_alone(database: Database) -> None:
    await write(database, "one")
    async with database.writing() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await database.aclose()
    before = database.file.read_bytes()
    with pytest.raises(StorageFailed) as failure:
        await database.prepare()

    assert "9999" in failure.value.sentence
    assert "a newer release of mcp-imagegen made" in failure.value.sentence
    assert failure.value.fix.startswith("update mcp-imagegen")
    assert database.file.read_bytes() == before


async def test_database_of_another_program_is_refused_and_left_alone(database: Database) -> None:
    database.file.parent.mkdir()
    foreign = sqlite3.connect(database.file)
    foreign.execute("CREATE TABLE cookies (name TEXT)")
    foreign.close()
    before = database.file.read_bytes()
    with pytest.raises(StorageFailed) as failure:
        await database.prepare()

    assert "tables of another program (cookies)" in failure.value.sentence
    assert str(database.file) in failure.value.sentence
    assert database.file.read_bytes() == before


async def test_cause_of_a_failure_is_only_in_the_log_and_what_was_written_in_neither(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await write(database, "one")
    with caplog.at_level(logging.ERROR), pytest.raises(StorageFailed) as failure:
        await write(database, "one", title="a private prompt")

    assert failure.value.sentence == f"the database {database.file} cannot be used"
    assert "UNIQUE constraint failed" in caplog.text
    assert "a private prompt" not in caplog.text


def test_sqlite_url_names_a_file() -> None:
    assert Database("sqlite:////home/me/imagegen.sqlite3").file == Path("/home/me/imagegen.sqlite3")
    assert Database("sqlite+aiosqlite:////home/me/a b.sqlite3").file == Path("/home/me/a b.sqlite3")
    assert Database("state/imagegen.sqlite3").file == Path("state/imagegen.sqlite3")


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://me:hunter22@db/imagegen", "http://a/b", "://me:hunter22@db"]
)
def test_other_databases_are_refused_without_their_password(url: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        Database(url)

    assert "hunter22" not in str(failure.value)


@settings(deadline=None)
@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.just(UTC)))
def test_moments_keep_their_microseconds_and_their_order(one: datetime, other: datetime) -> None:
    kind = Instant()
    stored, later = kind.process_bind_param(one, DIALECT), kind.process_bind_param(other, DIALECT)
    assert stored is not None
    assert later is not None

    assert kind.process_result_value(later, DIALECT) == other
    assert (stored < later) == (one.astimezone(UTC) < other)


def test_moments_of_other_zones_are_stored_in_utc() -> None:
    there = AT.astimezone(timezone(timedelta(hours=9)))
    stored = Instant().process_bind_param(there, DIALECT)
    read = Instant().process_result_value(stored, DIALECT)

    assert read == AT
    assert read is not None
    assert read.tzinfo is UTC


def test_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Instant().process_bind_param(datetime(2026, 11, 20), DIALECT)  # noqa: DTZ001 - the subject of the test


@settings(deadline=None)
@given(st.text(st.characters(codec=None)))
def test_any_text_can_be_stored_and_proper_text_is_unchanged(given_text: str) -> None:
    stored = Words().process_bind_param(given_text, DIALECT)
    assert stored is not None

    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert len(stored) == len(given_text)
    if "\0" not in given_text and not any("\ud800" <= char <= "\udfff" for char in given_text):
        assert stored == given_text
