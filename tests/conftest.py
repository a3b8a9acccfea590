"""What most tests start from: a sandbox apart from the server under test, and the environment that leads to it."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import hypothesis
import once
import pytest
import pytest_asyncio
import stamina
from capture_server import CaptureServer, capture_server
from doors import client_of
from mcp import Client
from pydantic import SecretStr
from sandbox_support import Connection, connected
from starlette.types import Message, Receive, Scope, Send

from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.sandbox import renderings
from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.bodies import Seen
from mcp_imagegen.sandbox.serving import running

pytest.register_assert_rewrite("thread_checks", "thread_play")
T = TypeVar("T")
# The same examples in every run, so that a run that is red was red for what changed; and no limit on the clock.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")
# Every process of a server would compile the whole package anew, which takes a quarter of its time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
KEY = "sk-test-0123456789abcdef"


@dataclass
class Upstream:
    """A sandbox over real loopback sockets, what it has seen, and its clock.

    A server asks once in the background which models there are. Another sandbox answers that, so that what this one has
    seen are the calls alone.
    """

    sandbox: Sandbox
    url: str
    later: list[float]  # seconds that its clock is ahead
    open: asyncio.Event  # while it is not set, answers wait before their first byte
    drew: asyncio.Event  # set when an answer is ready to be sent
    after_frames: asyncio.Event  # while it is not set, a stream goes no further than its partial images

    @property
    def seen(self) -> list[str]:
        """What it was asked for; looking whether a response is ready, which costs nothing, is left out."""
        return [f"{one.method} {one.path}" for one in self.asked]

    @property
    def asked(self) -> list[Seen]:
        """The requests of `seen` with their fields."""
        return [one for one in self.sandbox.requests if one.method != "GET"]

    def forget(self) -> None:
        """Let the time pass after which the API no longer knows what it stored."""
        self.later.append(31 * 24 * 3600)


@pytest.fixture(autouse=True, scope="session")
def only_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for repeated in (once.schemas, once.certificates, once.statements, once.pictures):
            repeated(patch)
        yield


@pytest.fixture
def drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the sandbox's pictures themselves."""
    monkeypatch.setattr(renderings, "rendered", once.drawn_anew)


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Requests are tried again as often as ever, but without waiting in between."""
    with stamina.set_testing(True, attempts=3):
        yield


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The system's time zone, in the form of POSIX, which needs no files of zones."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    later: list[float] = []
    sandbox, listing = (Sandbox(keys=[KEY], clock=lambda: time.time() + sum(later)) for _ in range(2))

    opened, drew, after_frames = asyncio.Event(), asyncio.Event(), asyncio.Event()
    opened.set()
    after_frames.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        framed = False

        async def send_when_open(message: Message) -> None:
            nonlocal framed
            drew.set()
            await opened.wait()
            piece = message.get("body", b"")
            if piece.startswith(b"event: "):
                is_frame = b"partial_image\n" in piece[:100]
                if framed and not is_frame:
                    await after_frames.wait()
                framed = framed or is_frame
            await send(message)

        if scope["path"] == "/v1/models":
            await listing.app(scope, receive, send)
        else:
            await sandbox.app(scope, receive, send_when_open)

    async with running(app) as url:
        yield Upstream(sandbox, url, later, opened, drew, after_frames)
        opened.set()
        after_frames.set()


@pytest.fixture
def environment(upstream: Upstream, tmp_path: Path) -> dict[str, str]:
    """A server that takes the sandbox for OpenAI, with folders of its own."""
    work = tmp_path / "work"
    work.mkdir()
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": upstream.url,
        "MCP_IMAGEGEN_PROVIDER": "openai",
        "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
        "MCP_IMAGEGEN_ROOTS": str(work),
    }


@pytest.fixture
def work(environment: dict[str, str]) -> Path:
    """The folder that files may be read from and written to."""
    return Path(environment["MCP_IMAGEGEN_ROOTS"])


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    async with held(client_of(environment)) as connected:
        yield connected


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


@pytest.fixture
async def openai_client(capture: CaptureServer) -> AsyncIterator[OpenAIClient]:
    """A client of the API whose requests `capture` answers."""
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr(KEY), trust_env=False)
    yield client
    await client.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Connection]:
    async with connected() as connection:
        yield connection


@pytest.fixture
def connection(shared: Connection) -> Iterator[Connection]:
    """One sandbox for all tests of a file, because to end a server takes a tenth of a second."""
    yield shared
    shared.check()


@asynccontextmanager
async def held(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave a context in one task, which a fixture does not: its two halves run in different tasks."""
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    leave = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await leave.wait()

    holding = asyncio.create_task(hold())
    await asyncio.wait({holding, entered}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield entered.result() if entered.done() else holding.result()  # type: ignore[misc]
    finally:
        leave.set()
        await holding
