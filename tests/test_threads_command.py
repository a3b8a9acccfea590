"""`mcp-imagegen threads` as a process of its own, beside servers on the same home folder."""

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, clean_environment, refusal
from mcp import Client
from state_file import execute, rows
from test_recovery import killed, left_by_a_killed_server

from mcp_imagegen.pricing import amounts

SMALL = {"size": "1024x640", "quality": "low"}
UNKNOWN = "thr_" + "0" * 32
KINDS = ("threads", "turns", "images", "ledger_entries")
COMMAND = ("-m", "mcp_imagegen", "threads")
__all__ = ["killed", "left_by_a_killed_server"]  # fixtures

# Ends the command at once when it opens a connection, or listens for one.
ALONE = """
import os, sys
sys.addaudithook(lambda event, _: os._exit(9) if event in ("socket.connect", "socket.bind") else None)
from mcp_imagegen.__main__ import main
main()
"""

# Kills the command when it is about to do something: remove files, or the rows of turns.
KILLED_AT_FILES = """
import os, signal, sys
sys.addaudithook(lambda event, _: os.kill(os.getpid(), signal.SIGKILL) if event == "shutil.rmtree" else None)
from mcp_imagegen.__main__ import main
main()
"""
KILLED_AT_ROWS = """
import os, signal, sys
from sqlalchemy import Engine, event

@event.listens_for(Engine, "after_cursor_execute")
def kill(connection, cursor, statement, *rest):
    if statement.startswith("DELETE FROM turns"):
        os.kill(os.getpid(), signal.SIGKILL)

from mcp_imagegen.__main__ import main
main()
"""


async def ran(
    environment: Mapping[str, str], *arguments: str, answer: str = "", command: tuple[str, ...] = COMMAND
) -> tuple[int | None, str, str]:
    """How the command ended, and what it printed on stdout and stderr; `answer` is typed at its question."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, *arguments, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=clean_environment(environment)
    )
    out, err = await process.communicate(answer.encode())
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def home(environment: dict[str, str]) -> Path:
    return Path(environment["MCP_IMAGEGEN_HOME"])


async def made(client: Client, prompt: str) -> str:
    return str((await call(client, "generate_image", prompt=prompt, **SMALL))["thread_id"])


def state(home: Path) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """Every row of every table, and every file."""
    files = {str(path.relative_to(home)) for path in (home / "images").rglob("*")}
    return {kind: rows(home, f"SELECT * FROM {kind}") for kind in KINDS}, files


async def test_threads_are_listed_and_shown_as_a_client_sees_them(
    environment: dict[str, str], client: Client, home: Path
) -> None:
    first = await call(client, "generate_image", prompt="a red mill", **SMALL)
    thread_id = first["thread_id"]
    await call(client, "continue_image_thread", thread_id=thread_id, prompt="at night", **SMALL)
    await made(client, "a well")
    threads = (await call(client, "get_image_thread"))["threads"]
    thread = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]

    asked = (["list", "--json"], ["show", thread_id, "--json"], ["list"], ["show", thread_id])
    said = await asyncio.gather(*(ran(environment, *arguments) for arguments in asked))
    listed, shown, table, tree = (out for _, out, _ in said)

    assert [code for code, _, _ in said] == [0, 0, 0, 0]
    assert json.loads(listed)["threads"] == threads
    assert json.loads(shown)["thread"] == thread
    assert [line.split()[0] for line in table.splitlines()[1:]] == [row["thread_id"] for row in threads]
    assert f"{amounts.shown(round(threads[1]['cost_usd'] * 10**9))}  a red mill" in table
    image_id = first["images"][0]["image_id"]
    assert f"1 generate, {image_id}: a red mill\n2 continue, img_" in tree
    assert f"{image_id}  1024x640" in tree
    assert f"{first['images'][0]['path']}\n" in tree


async def test_an_empty_home_is_said_to_be_and_nothing_is_connected_to(tmp_path: Path) -> None:
    home = tmp_path / "none"
    environment = {"MCP_IMAGEGEN_HOME": str(home)}  # a server would draw on a sandbox of its own
    code, out, err = await ran(environment, "list", command=("-c", ALONE, "threads"))
    assert [code, out, err] == [0, "There are no threads yet.\n", ""]
    assert not home.exists(), "who looks makes nothing"


async def test_what_cannot_be_done_is_told_in_a_sentence_alone(tmp_path: Path) -> None:
    environment = {"MCP_IMAGEGEN_HOME": str(tmp_path)}
    (tmp_path / "imagegen.sqlite3").write_bytes(b"garbage " * 500)
    asked = (["list"], ["delete", "--older-than", "nan", "--yes"])
    said = await asyncio.gather(*(ran(environment, *arguments) for arguments in asked))
    listed, deleted = (err for _, _, err in said)
    assert [code for code, _, _ in said] == [1, 2]
    assert listed.startswith("Error: storage_failed: ")
    assert len(listed.splitlines()) == 2, "the sentence and the way out"
    assert "number of days" in deleted
    assert "Traceback" not in deleted


async def test_deleting_asks_first_and_takes_all_but_the_prices(
    environment: dict[str, str], client: Client, home: Path
) -> None:
    old, other = await made(client, "a mill"), await made(client, "a well")
    copied = home / "answers" / f"{old}-001.0"
    copied.write_bytes(b"left of an answer")
    before = state(home)

    refused = await asyncio.gather(*(ran(environment, "delete", old, answer=answer) for answer in ("n\n", "")))
    assert state(home) == before
    code, out, _ = await ran(environment, "delete", old, answer="y\n")

    assert [refused[0][0], refused[1][0], code] == [1, 1, 0]
    assert "1 thread, 1 turn, 1 image, " in refused[0][1]
    assert "a mill" in refused[0][1]
    assert "deleted.\n" in out
    assert not copied.exists()
    after, files = state(home)
    assert after["ledger_entries"] == before[0]["ledger_entries"]
    assert {row["thread_id"] for kind in KINDS[:3] for row in after[kind]} == {other}
    assert files == {name for name in before[1] if old not in name}
    assert (await refusal(client, "get_image_thread", thread_id=old)).startswith("thread_not_found")
    assert await refusal(client, "continue_image_thread", thread_id=old, prompt="bluer")
    assert [row["thread_id"] for row in (await call(client, "get_image_thread"))["threads"]] == [other]


async def test_old_threads_are_deleted_together(environment: dict[str, str], client: Client, home: Path) -> None:
    old, other = await made(client, "a mill"), await made(client, "a well")
    execute(home, f"UPDATE threads SET updated_at = updated_at - 40 * 86400000000 WHERE thread_id = '{old}'")

    code, out, _ = await ran(environment, "delete", "--older-than", "30", "--yes")

    assert code == 0
    assert [old in out, other in out] == [True, False]
    assert [row["thread_id"] for row in rows(home, "SELECT thread_id FROM threads")] == [other]


async def test_nothing_is_deleted_where_one_name_is_wrong(
    environment: dict[str, str], client: Client, home: Path
) -> None:
    thread_id = await made(client, "a mill")
    before = state(home)
    unknown, both = await asyncio.gather(
        ran(environment, "delete", thread_id, UNKNOWN, "--yes"),
        ran(environment, "delete", thread_id, "--older-than", "0", "--yes"),
    )

    assert [unknown[0], both[0]] == [1, 2]
    assert unknown[2].startswith(f"Error: thread_not_found: there is no thread {UNKNOWN}\nTo fix: ")
    assert state(home) == before


async def test_a_thread_that_a_server_works_on_stays(
    environment: dict[str, str], client: Client, home: Path, upstream: Upstream
) -> None:
    other = await made(client, "a well")
    upstream.open.clear()
    upstream.drew.clear()
    running = asyncio.create_task(call(client, "generate_image", prompt="a mill", **SMALL))
    await upstream.drew.wait()
    (thread_id,) = [row["thread_id"] for row in rows(home, "SELECT * FROM turns WHERE status = 'in_progress'")]

    named = await ran(environment, "delete", thread_id, "--yes")
    old = await ran(environment, "delete", "--older-than", "0", "--yes")
    upstream.open.set()
    answer = await running

    assert named[0] == 1
    assert f"a call of the thread {thread_id} still runs in a server\nTo fix: wait until" in named[2]
    assert [old[0], f"{thread_id} stays: a call of it still runs." in old[2], other in old[1]] == [0, True, True]
    assert answer["status"] == "completed"
    assert [row["thread_id"] for row in rows(home, "SELECT thread_id FROM threads")] == [thread_id]


async def test_a_thread_of_a_killed_server_goes_and_its_price_is_settled(killed: dict[str, str]) -> None:
    home = Path(killed["MCP_IMAGEGEN_HOME"])
    code, _, err = await ran(killed, "delete", "--older-than", "0", "--yes")

    assert [code, err] == [0, ""]
    assert rows(home, "SELECT * FROM threads") == []
    (entry,) = rows(home, "SELECT * FROM ledger_entries")
    assert [entry["status"], entry["basis"], entry["nano"]] == ["settled", "estimated", entry["expected_nano"]]


async def test_a_thread_goes_also_when_its_image_folder_never_comes_back(killed: dict[str, str]) -> None:
    home = Path(killed["MCP_IMAGEGEN_HOME"])
    shutil.rmtree(home / "images")
    (home / "images").write_text("no folder any more")
    [thread] = rows(home, "SELECT thread_id FROM threads")
    code, out, err = await ran(killed, "delete", thread["thread_id"], "--yes")

    assert [code, "image folder" in err] == [0, True]
    assert "may have been billed" in out
    assert rows(home, "SELECT * FROM threads") == []


async def test_files_that_a_killed_deletion_left_go_the_next_time(
    environment: dict[str, str], client: Client, home: Path
) -> None:
    thread_id, other = await made(client, "a mill"), await made(client, "a well")
    code, _, _ = await ran(environment, "delete", thread_id, "--yes", command=("-c", KILLED_AT_FILES, "threads"))
    left, (after, _) = (home / "images" / thread_id).exists(), state(home)
    again = await ran(environment, "delete", thread_id, "--yes")

    assert code == -9
    assert left, "files without rows, and never rows without files"
    assert {row["thread_id"] for kind in KINDS[:3] for row in after[kind]} == {other}
    assert "thread_not_found" in again[2]
    assert [path.name for path in (home / "images").iterdir()] == [other]


async def test_a_deletion_that_is_killed_before_its_end_has_not_been(
    environment: dict[str, str], client: Client, home: Path
) -> None:
    thread_id = await made(client, "a mill")
    before = state(home)
    code, _, _ = await ran(environment, "delete", thread_id, "--yes", command=("-c", KILLED_AT_ROWS, "threads"))

    assert code == -9
    assert state(home) == before
