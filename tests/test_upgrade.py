"""A home folder of the previous release: opened, upgraded with a copy beside it, and continued."""

import asyncio
import sqlite3
import stat
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal
from pictures import png
from state_file import execute, rows

from mcp_imagegen.database.tables import NEWEST

DUMP = (Path(__file__).parent / "data" / "revision-0001.sql").read_text(encoding="utf-8")
COPY = f"imagegen.sqlite3.before-{NEWEST}"
SIZE = (1024, 640)

# Stops in the middle of the migration, when some of its statements have run.
UPGRADE = """
import asyncio, sys
from sqlalchemy import Engine, event
from mcp_imagegen.database.engine import Database

@event.listens_for(Engine, "after_cursor_execute")
def stop(connection, cursor, statement, *rest):
    if statement.startswith("CREATE INDEX"):
        print("half way", flush=True)
        sys.stdin.readline()

asyncio.run(Database(sys.argv[1]).prepare())
"""


@pytest.fixture
def home(environment: dict[str, str]) -> Iterator[Path]:
    """The folder as a server of that release left it when it was killed: what it wrote is still in the database's log.
    The pictures are plain ones of the same size."""
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    with closing(sqlite3.connect(home / "imagegen.sqlite3", isolation_level=None)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.execute("PRAGMA wal_autocheckpoint = 0")
        old.executescript(DUMP)
        for row in rows(home, "SELECT key FROM images"):
            path = home / "images" / row["key"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(SIZE))
        yield home


def dump(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(connection.iterdump())


def revision(home: Path) -> str:
    return str(rows(home, "SELECT version_num FROM alembic_version")[0]["version_num"])


def copies(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("*before*"))


def as_before(turns: list[dict[str, Any]], home: Path) -> list[tuple[Any, ...]]:
    """The recorded turns of a thread in the order of `told`, which is compared with it."""
    pictures = rows(home, "SELECT * FROM images WHERE role = 'final' ORDER BY \"index\"")
    return [
        (
            turn["number"], turn["kind"], turn["prompt"], turn["status"], turn["from_image"], turn["text"],
            (turn["cost_nano"] or 0) / 1e9,
            [
                (one["image_id"], one["sha256"], one["width"], one["call_id"])
                for one in pictures
                if (one["thread_id"], one["turn"]) == (turn["thread_id"], turn["number"])
            ],
        )
        for turn in turns
    ]  # fmt: skip


def told(thread: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (
            turn["turn"], turn["kind"], turn["prompt"], turn["status"], turn.get("from_image"), turn.get("text"),
            turn.get("cost_usd", 0.0),
            [(one["image_id"], one["sha256"], one["width"], one.get("call_id")) for one in turn["images"]],
        )
        for turn in thread["turns"]
    ]  # fmt: skip


async def test_threads_of_the_previous_release_are_all_there_and_go_on(
    environment: dict[str, str], home: Path, upstream: Upstream
) -> None:
    before = {row["thread_id"]: row for row in rows(home, "SELECT * FROM threads ORDER BY updated_at DESC")}
    turns = rows(home, "SELECT * FROM turns ORDER BY thread_id, number")
    ledger = rows(home, "SELECT entry_id, nano, basis, status FROM ledger_entries WHERE status <> 'reserved'")
    expected = {
        thread_id: as_before([turn for turn in turns if turn["thread_id"] == thread_id], home) for thread_id in before
    }
    (running,) = [turn["thread_id"] for turn in turns if turn["status"] == "in_progress"]
    (lighthouse,) = [row["thread_id"] for row in before.values() if row["title"] == "a lighthouse at dusk"]

    async with client_of(environment, "stdio") as client:
        listed = (await call(client, "get_image_thread"))["threads"]
        shown = {one: (await call(client, "get_image_thread", thread_id=one))["thread"] for one in before}
        more = await call(client, "continue_image_thread", thread_id=lighthouse, prompt="at noon", quality="low")

    assert {row["thread_id"]: row["title"] for row in listed} == {one: row["title"] for one, row in before.items()}
    assert [turn["status"] for turn in shown[running]["turns"]] == ["lost"]
    del expected[running], shown[running]
    assert {one: told(thread) for one, thread in shown.items()} == expected
    assert {turn[3] for thread in expected.values() for turn in thread} == {"completed", "text_only", "failed", "lost"}
    kept = rows(home, "SELECT entry_id, nano, basis, status FROM ledger_entries")
    assert [entry for entry in ledger if entry not in kept] == []
    assert [more["status"], more["turn"]] == ["completed", 5]
    assert any("saved image" in warning for warning in more["warnings"])
    assert upstream.seen == ["POST /v1/responses"] * 2  # the first one's id is not known, which costs nothing
    assert revision(home) == NEWEST


async def test_a_complete_copy_is_kept_beside_the_database(environment: dict[str, str], home: Path) -> None:
    before = dump(home / "imagegen.sqlite3")
    async with client_of(environment) as client:
        await call(client, "get_image_thread")

    assert copies(home) == [COPY]
    assert dump(home / COPY) == before
    assert stat.S_IMODE((home / COPY).stat().st_mode) == 0o600
    assert revision(home) == NEWEST


async def test_where_no_copy_can_be_kept_nothing_is_changed(environment: dict[str, str], home: Path) -> None:
    before = dump(home / "imagegen.sqlite3")
    obstacle = home / f"{COPY}.partial"
    obstacle.mkdir()
    async with client_of(environment) as client:
        said = await refusal(client, "get_image_thread")
        refused = dump(home / "imagegen.sqlite3")
        obstacle.rmdir()
        await call(client, "get_image_thread")

    assert said.startswith("storage_failed: ")
    assert "was not upgraded" in said
    assert refused == before
    assert revision(home) == NEWEST


async def test_an_upgrade_that_fails_leaves_the_database_whole_and_one_copy(
    environment: dict[str, str], home: Path
) -> None:
    execute(home, "CREATE INDEX ix_turns_fingerprint ON turns (status)")  # in the migration's way
    before = dump(home / "imagegen.sqlite3")
    async with client_of(environment) as client:
        refused = [await refusal(client, "get_image_thread") for _ in range(2)]
        left = dump(home / "imagegen.sqlite3")
        assert copies(home) == [COPY]
        execute(home, "DROP INDEX ix_turns_fingerprint")
        await call(client, "get_image_thread")

    assert [said.partition(":")[0] for said in refused] == ["storage_failed"] * 2
    assert left == before
    assert copies(home) == [COPY, f"{COPY}.2"], "what is no longer the same is kept too, and overwrites nothing"
    assert dump(home / COPY) == before


async def test_a_process_killed_in_the_middle_of_an_upgrade_leaves_the_old_database(
    environment: dict[str, str], home: Path
) -> None:
    before = dump(home / "imagegen.sqlite3")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPGRADE, str(home / "imagegen.sqlite3"), stdin=PIPE, stdout=PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"half way\n"
    process.kill()
    await process.communicate()
    left = dump(home / "imagegen.sqlite3")
    async with client_of(environment) as client:
        await call(client, "get_image_thread")

    assert left == before
    assert revision(home) == NEWEST
    assert copies(home) == [COPY]
    assert dump(home / COPY) == before


async def test_what_a_killed_process_left_of_a_copy_is_in_nobodys_way(environment: dict[str, str], home: Path) -> None:
    before = dump(home / "imagegen.sqlite3")
    (home / f"{COPY}.partial").write_bytes(b"half a copy")
    async with client_of(environment) as client:
        await call(client, "get_image_thread")

    assert copies(home) == [COPY]
    assert dump(home / COPY) == before


@pytest.mark.parametrize("tool", ["get_image_thread", "generate_image"])
async def test_a_database_of_a_newer_release_is_refused_in_a_clear_sentence(
    environment: dict[str, str], home: Path, upstream: Upstream, tool: str
) -> None:
    execute(home, "UPDATE alembic_version SET version_num = '9999'")
    before = dump(home / "imagegen.sqlite3")
    async with client_of(environment) as client:
        said = await refusal(client, tool, **({"prompt": "a cat"} if tool == "generate_image" else {}))

    assert said.startswith("storage_failed: ")
    assert upstream.seen == []
    assert "revision 9999, which a newer release of mcp-imagegen made" in said
    assert "To fix: update mcp-imagegen" in said
    assert dump(home / "imagegen.sqlite3") == before
    assert copies(home) == []
