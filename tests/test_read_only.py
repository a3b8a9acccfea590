"""A home folder that can only be read: one looks back at what is there, and nothing is spent."""

import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, clean_environment, client_of, refusal
from mcp import Client, StdioServerParameters
from mcp.types import ImageContent
from test_threads_command import ran

SCRIPT = str(Path(__file__).with_name("unprivileged.py"))
ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}


def read_only(home: Path) -> None:
    for path in [home, *home.rglob("*")]:
        path.chmod(0o500 if path.is_dir() else 0o400)


def writable(home: Path) -> None:
    for path in [home, *home.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


@dataclass
class Kept:
    """A home folder with one thread."""

    environment: dict[str, str]
    thread_id: str
    image: dict[str, Any]

    @property
    def home(self) -> Path:
        return Path(self.environment["MCP_IMAGEGEN_HOME"])

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        process = StdioServerParameters(command=sys.executable, args=[SCRIPT], env=clean_environment(self.environment))
        async with Client(process) as client:
            yield client


@pytest.fixture(params=["ended", "killed"])
async def kept(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Kept]:
    """As a server leaves it that ends, and one that is killed, with all of it still in the log beside the database."""
    home = tmp_path / "copy"
    async with client_of(environment) as client:
        made = await call(client, "generate_image", **ASK)
        if request.param == "killed":
            shutil.copytree(environment["MCP_IMAGEGEN_HOME"], home)
    if request.param == "ended":
        shutil.copytree(environment["MCP_IMAGEGEN_HOME"], home)
    assert (home / "imagegen.sqlite3-wal").exists() == (request.param == "killed")
    read_only(home)
    yield Kept({**environment, "MCP_IMAGEGEN_HOME": str(home)}, made["thread_id"], made["images"][0])
    writable(home)


async def test_one_looks_back_at_a_home_folder_that_can_only_be_read_and_nothing_is_spent_until_it_can_be_written(
    kept: Kept, upstream: Upstream
) -> None:
    before = {path: path.read_bytes() for path in kept.home.rglob("*") if path.is_file()}
    async with kept.client() as client:
        listed = await call(client, "get_image_thread")
        result = await client.call_tool("get_image_thread", {"thread_id": kept.thread_id, "wait": True})
        shown = (result.structured_content or {})["result"]
        thread = await client.read_resource(f"thread://{kept.thread_id}")
        original = await client.read_resource(kept.image["uri"])
        spent = await client.read_resource("imagegen://spend")
        refused = await refusal(client, "generate_image", **{**ASK, "prompt": "a well"})
        on = await refusal(client, "continue_image_thread", thread_id=kept.thread_id, prompt="at night")
        after = {path: path.read_bytes() for path in kept.home.rglob("*") if path.is_file()}
        sent = list(upstream.seen)
        writable(kept.home)
        made = await call(client, "generate_image", **{**ASK, "prompt": "a well"})
    assert [row["thread_id"] for row in listed["threads"]] == [kept.thread_id]
    assert [shown["status"], shown["images"][0]["sha256"]] == ["completed", kept.image["sha256"]]
    assert [block for block in result.content if isinstance(block, ImageContent)]
    assert kept.thread_id in str(thread.contents)
    assert original.contents
    assert "a mill" in str(thread.contents)
    assert spent.contents
    for text in (refused, on):
        assert text.startswith("storage_failed: ")
        assert "billed" not in text
        assert "set MCP_IMAGEGEN_HOME" in text
    assert sent == ["POST /v1/images/generations"]
    assert before == after
    assert made["status"] == "completed"


async def test_the_commands_look_back_too(kept: Kept) -> None:
    code, listed, _ = await ran(kept.environment, "list", command=(SCRIPT, "threads"))
    spent_code, spent, _ = await ran(kept.environment, "--json", command=(SCRIPT, "spend"))
    refused, _, why = await ran(kept.environment, "delete", kept.thread_id, "--yes", command=(SCRIPT, "threads"))
    assert [code, spent_code, refused] == [0, 0, 1]
    assert kept.thread_id in listed
    assert '"calls": 1' in spent
    assert "cannot be written" in why


async def test_tables_that_would_have_to_be_made_first_are_told_of(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "imagegen.sqlite3").touch()
    read_only(home)
    code, _, why = await ran({"MCP_IMAGEGEN_HOME": str(home)}, "list", command=(SCRIPT, "threads"))
    writable(home)
    assert code == 1
    assert "is empty, and cannot be written" in why
