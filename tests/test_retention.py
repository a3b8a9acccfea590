"""`MCP_IMAGEGEN_KEEP_DAYS`: threads that nobody changed for so long go with their images, and only they."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Upstream
from doors import call, client_of
from mcp import Client
from pictures import png
from state_file import execute, rows

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

SMALL = {"size": "1024x640", "quality": "low"}
UNKNOWN = "thr_" + "0" * 32
PATIENCE_S = 60  # only a bound for a test that hangs


class Days:
    """The server's clock, put forward in days."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.passed)


@pytest.fixture
def days() -> Days:
    return Days()


@pytest.fixture
def home(environment: dict[str, str]) -> Path:
    return Path(environment["MCP_IMAGEGEN_HOME"])


@asynccontextmanager
async def served(environment: dict[str, str], days: Days, **settings: str) -> AsyncIterator[Client]:
    server = ImagegenServer(from_environment({**environment, **settings}), local=True, now=days.now)
    async with Client(server) as client:
        yield client


async def made(client: Client, prompt: str) -> str:
    return str((await call(client, "generate_image", prompt=prompt, **SMALL))["thread_id"])


async def listed(client: Client) -> set[str]:
    return {row["thread_id"] for row in (await call(client, "get_image_thread"))["threads"]}


async def until(client: Client, ready: Callable[[], bool], tool: str = "get_image_thread") -> None:
    """Call the tool until the background has done its part."""
    async with asyncio.timeout(PATIENCE_S):
        while not ready():
            await call(client, tool)


def folders(home: Path) -> set[str]:
    return {path.name for path in (home / "images").iterdir()}


async def test_a_thread_goes_with_all_that_is_kept_of_it_but_its_price(
    environment: dict[str, str], home: Path, days: Days
) -> None:
    async with served(environment, days, MCP_IMAGEGEN_KEEP_DAYS="30") as client:
        await call(client, "generate_image", prompt="a mill", partial_images=2, **SMALL)
        changed = await made(client, "a well")
        days.passed = 20
        await call(client, "continue_image_thread", thread_id=changed, prompt="at night", **SMALL)
        ledger = rows(home, "SELECT * FROM ledger_entries")
        days.passed = 31
        await until(client, lambda: folders(home) == {changed})

        assert await listed(client) == {changed}
        assert rows(home, "SELECT DISTINCT thread_id FROM turns") == [{"thread_id": changed}]
        assert rows(home, "SELECT DISTINCT thread_id FROM images") == [{"thread_id": changed}]
        assert rows(home, "SELECT * FROM ledger_entries") == ledger


async def test_the_old_ones_are_looked_for_once_a_day(environment: dict[str, str], home: Path, days: Days) -> None:
    async with served(environment, days, MCP_IMAGEGEN_KEEP_DAYS="30") as client:
        old = await made(client, "a mill")
        days.passed = 29.9
        await listed(client)
        days.passed = 30.1
        new = await made(client, "a well")  # takes longer than a deletion would
        assert await listed(client) == folders(home) == {old, new}
        days.passed = 31
        newest = await made(client, "a gate")
        await until(client, lambda: folders(home) == {new, newest}, "estimate_cost")


async def test_a_thread_whose_call_runs_stays(
    environment: dict[str, str], home: Path, upstream: Upstream, days: Days
) -> None:
    async with served(environment, days, MCP_IMAGEGEN_KEEP_DAYS="30") as client:
        old = await made(client, "a mill")
        upstream.open.clear()
        upstream.drew.clear()
        running = asyncio.create_task(call(client, "generate_image", prompt="a well", **SMALL))
        await upstream.drew.wait()
        days.passed = 31
        await until(client, lambda: old not in folders(home))
        assert len(await listed(client)) == 1
        upstream.open.set()
        answer = await running
    assert answer["status"] == "completed"
    assert folders(home) == {answer["thread_id"]}


async def test_threads_are_kept_where_nothing_is_said(environment: dict[str, str], home: Path, days: Days) -> None:
    async with served(environment, days) as client:
        old = await made(client, "a mill")
        deleted = await made(client, "a well")
        for table in ("images", "turns", "threads"):
            execute(home, f"DELETE FROM {table} WHERE thread_id = '{deleted}'")
        days.passed = 10_000
        await until(client, lambda: folders(home) == {old})  # the round is over, and what is nobody's is gone
        assert await listed(client) == {old}


async def test_only_files_of_deleted_threads_are_ever_removed(
    environment: dict[str, str], home: Path, work: Path, days: Days
) -> None:
    """The image folder may hold another home's threads and whatever else, and a folder may lead elsewhere."""
    async with served(environment, days) as client:
        deleted = await made(client, "a mill")
        linked = await made(client, "a well")
    for table in ("images", "turns", "threads"):
        execute(home, f"DELETE FROM {table}")
    images, mine = home / "images", work / "mine.png"
    mine.write_bytes(png((64, 64)))
    (images / linked).rename(work / "elsewhere")
    (images / linked).symlink_to(work, target_is_directory=True)
    (images / UNKNOWN).mkdir()
    (images / "holiday").mkdir()
    async with client_of(environment) as client:
        await until(client, lambda: not (images / deleted).exists())
    assert folders(home) == {linked, UNKNOWN, "holiday"}
    assert mine.exists()
