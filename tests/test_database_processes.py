"""Several real processes share one database: all of them start, and none overlooks what another did."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcp_imagegen.database.tables import REVISIONS

# Each process says that it is ready, waits for a line, does its work and prints one line for what came out.
PREPARE = """
import asyncio, sys
from mcp_imagegen.database.engine import Database

async def main():
    database = Database(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await database.prepare()
    await database.aclose()
    late = [name for name in ("alembic", "mcp_imagegen.database.backup") if name in sys.modules]
    print("prepared with", *late, flush=True)

asyncio.run(main())
"""

OPEN_TURNS = """
import asyncio, sys
from datetime import UTC, datetime
from mcp_imagegen.database.engine import Database
from mcp_imagegen.threads import store

AT = datetime(2026, 11, 20, tzinfo=UTC)

async def main():
    database = Database(sys.argv[1])
    await database.prepare()
    print("ready", flush=True)
    sys.stdin.readline()
    numbers = []
    for _ in range(100):
        async with database.writing() as connection:
            await store.recent(connection, "local")
            turn = await store.open_turn(
                connection, thread_id=sys.argv[2], kind="continue", prompt="bluer", from_image=None, provider="openai",
                api="image", model="gpt-image-2", host_model=None, options={}, estimate_nano=None,
                owner_process="p", lease_until=AT, at=AT,
            )
        numbers.append(turn.number)
    await database.aclose()
    print(*numbers, flush=True)

asyncio.run(main())
"""

OPEN_THREAD = """
import asyncio, sys
from datetime import UTC, datetime
from mcp_imagegen.database.engine import Database
from mcp_imagegen.threads import store

async def main():
    database = Database(sys.argv[1])
    at = datetime(2026, 11, 20, tzinfo=UTC)
    async with database.writing() as connection:
        thread_id = await store.open_thread(
            connection, owner="local", label=None, title="a cat", provider="openai", at=at
        )
    await database.aclose()
    print(thread_id)

asyncio.run(main())
"""

EXIT_WITH_OPEN_CONNECTIONS = """
import asyncio, sys
from mcp_imagegen.database.engine import Database

async def main():
    database = Database(sys.argv[1])
    async with database.writing(), database.reading():
        print("open", flush=True)
        raise SystemExit(3)

asyncio.run(main())
"""


@contextmanager
def processes(count: int, script: str, *arguments: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that all stand at their starting line."""
    command = [sys.executable, "-c", script, *arguments]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(count)]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


def answers(started: list[subprocess.Popen[str]]) -> list[str]:
    """Start the work of all of them, and what each printed."""
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0] * len(started), said
    return [out.strip() for out, _ in said]


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    file = tmp_path / "state" / "imagegen.sqlite3"
    with processes(4, PREPARE, str(file)) as started:
        assert answers(started) == ["prepared with"] * 4

    stamped = sqlite3.connect(file)
    assert stamped.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISIONS[-1],)]
    stamped.close()


def test_of_processes_that_find_an_old_database_exactly_one_upgrades_it(tmp_path: Path) -> None:
    file = tmp_path / "imagegen.sqlite3"
    old = sqlite3.connect(file)
    old.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    old.close()
    with processes(4, PREPARE, str(file)) as started:
        said = sorted(answers(started))

    assert said == ["prepared with"] * 3 + ["prepared with alembic mcp_imagegen.database.backup"]
    (copy,) = tmp_path.glob("*before*")
    copied = sqlite3.connect(copy)
    assert copied.execute("SELECT count(*) FROM alembic_version").fetchall() == [(0,)]
    copied.close()


def test_turns_opened_by_two_processes_in_one_thread_get_numbers_of_their_own(tmp_path: Path) -> None:
    """Each transaction reads before it writes, which fails with "database is locked" unless writers wait."""
    file = str(tmp_path / "imagegen.sqlite3")
    command = [sys.executable, "-c", OPEN_THREAD, file]
    thread_id = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    with processes(2, OPEN_TURNS, file, thread_id) as started:
        first, second = ([int(number) for number in line.split()] for line in answers(started))

    assert sorted(first + second) == list(range(1, 201))
    assert first == sorted(first)


def test_process_ends_although_its_connections_are_open(tmp_path: Path) -> None:
    command = [sys.executable, "-c", EXIT_WITH_OPEN_CONNECTIONS, str(tmp_path / "imagegen.sqlite3")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert ended.stdout == "open\n"
    assert ended.returncode == 3


@pytest.mark.parametrize("module", ["threads.values", "threads.ids", "threads.parents"])
def test_values_of_threads_are_importable_without_a_database(module: str) -> None:
    script = f"import sys, mcp_imagegen.{module}; print('sqlalchemy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert said == "False\n"
