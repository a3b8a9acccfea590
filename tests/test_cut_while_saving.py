"""A call that is aborted, or whose server ends, while its pictures are saved: what had arrived whole is the turn's."""

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import Era, Transport, call, client_of
from holding import held_sandbox
from mcp import Client
from state_file import rows, until
from test_joining import begun
from test_stdio import ENDINGS, begin_a_slow_call, ended, raw

THREE = {"prompt": "a mill", "size": "1024x640", "quality": "low", "n": 3}
BOTH: list[tuple[Transport, Era]] = [("memory", "modern"), ("stdio", "legacy")]


@pytest.fixture
def home(environment: dict[str, str]) -> Path:
    return Path(environment["MCP_IMAGEGEN_HOME"])


@contextmanager
def unwritable(home: Path) -> Iterator[None]:
    """The database is held by somebody, so that whoever records something stands still."""
    with closing(sqlite3.connect(home / "imagegen.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def pictures(home: Path) -> list[str]:
    images = home / "images"
    return sorted(str(path.relative_to(images)) for path in images.rglob("*") if path.is_file())


def recorded(home: Path) -> list[str]:
    return sorted(row["key"] for row in rows(home, "SELECT key FROM images"))


def open_answers(home: Path) -> list[Path]:
    """Copies of answers that this process has open."""
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [path for path in links if path.parent == home / "answers"]


async def aborted_while_saving(client: Client, upstream: Upstream, home: Path, ask: dict[str, Any]) -> str:
    """The thread of a call whose caller cancels it when its first picture lies on disk and is not recorded."""
    upstream.open.clear()
    calling = await begun(client, ask)
    await upstream.drew.wait()
    with unwritable(home):
        upstream.open.set()
        await until(lambda: any("#" not in name for name in pictures(home)))
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        threads = (await call(client, "get_image_thread"))["threads"]  # by now the server knows
    return str(threads[0]["thread_id"])


@pytest.mark.parametrize(("transport", "era"), BOTH)
async def test_pictures_that_had_arrived_when_a_call_is_aborted_are_its_turns(
    environment: dict[str, str], upstream: Upstream, home: Path, transport: Transport, era: Era
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_ON_CANCEL": "abort"}, transport, era) as client:
        thread_id = await aborted_while_saving(client, upstream, home, THREE)
        await until(lambda: rows(home, "SELECT abandoned_at FROM turns")[0]["abandoned_at"] is not None)
        again = await call(client, "generate_image", **THREE)
        collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
    result = collected["result"]
    assert [result["status"], len(result["images"])] == ["completed", 3]
    assert again["reused"]
    assert again["images"] == result["images"]
    assert any("cancelled the call" in warning for warning in result["warnings"])
    assert result["cost"]["basis"] == "billed"
    assert pictures(home) == recorded(home)
    assert len({row["sha256"] for row in rows(home, "SELECT sha256 FROM images")}) == 3
    assert list((home / "answers").iterdir()) == []
    assert upstream.seen == ["POST /v1/images/generations"]


async def test_a_response_that_ended_before_it_could_be_cancelled_is_fetched(
    environment: dict[str, str], home: Path
) -> None:
    ask = {**THREE, "n": 1}
    async with held_sandbox() as held:
        there = {"OPENAI_BASE_URL": held.url, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_ON_CANCEL": "abort"}
        await held.hold(20_000)
        async with client_of({**environment, **there}) as client:
            calling = await begun(client, ask)
            assert await held.held(), "the answer with the picture is on its way"
            calling.cancel()
            await asyncio.wait({calling})
            thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
            collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        asked = [(one.method, one.status) for one in await held.requests() if "responses" in one.path]
    result = collected["result"]
    assert [result["status"], len(result["images"]), result["cost"]["basis"]] == ["completed", 1, "billed"]
    assert any("cancelled the call" in warning for warning in result["warnings"])
    assert pictures(home) == recorded(home)
    assert asked[-2:] == [("POST", 400), ("GET", 200)]
    assert [method for method, _ in asked].count("POST") == 2, "the call and its cancellation"


@pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")
async def test_aborted_calls_leave_no_file_open(environment: dict[str, str], upstream: Upstream, home: Path) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_ON_CANCEL": "abort"}) as client:
        for number in range(3):
            upstream.drew.clear()
            ask = {**THREE, "prompt": f"a mill, {number}"}
            upstream.open.clear()
            calling = await begun(client, ask)
            await upstream.drew.wait()
            calling.cancel()
            upstream.open.set()
            await asyncio.wait({calling})
        for row in (await call(client, "get_image_thread"))["threads"]:
            await call(client, "get_image_thread", thread_id=row["thread_id"], wait=True)
        assert open_answers(home) == []
    assert {row["status"] for row in rows(home, "SELECT status FROM turns")} <= {"cancelled", "completed"}
    assert pictures(home) == recorded(home)


@pytest.mark.parametrize("ending", ["end-of-input", "SIGTERM"])
async def test_pictures_that_had_arrived_when_a_server_ends_are_their_turns(
    environment: dict[str, str], upstream: Upstream, home: Path, ending: str
) -> None:
    upstream.open.clear()
    async with raw({**environment, "MCP_IMAGEGEN_DRAIN_S": "0"}) as client:
        await client.start()
        await begin_a_slow_call(client)
        await upstream.drew.wait()
        with unwritable(home):
            upstream.open.set()
            await until(lambda: any("#" not in name for name in pictures(home)))
            ENDINGS[ending](client)
        assert await ended(client) == 0
    async with client_of(environment) as after:
        thread_id = (await call(after, "get_image_thread"))["threads"][0]["thread_id"]
        collected = await call(after, "get_image_thread", thread_id=thread_id, wait=True)
    assert [collected["result"]["status"], len(collected["result"]["images"])] == ["completed", 1]
    assert pictures(home) == recorded(home)
    assert list((home / "answers").iterdir()) == []
    assert upstream.seen == ["POST /v1/images/generations"]
