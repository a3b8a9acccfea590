"""The real process over stdio: what goes over the wire, and how it ends."""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from doors import call, clean_environment, client_of

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.transports.stdin import HELD

SETTLED_MS = 500  # for which no more is taken: longer only makes the test stricter
PATIENCE_S = 120  # only a bound for a hanging process; how fast an end is, the benchmark measures
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "0"},
}


class Raw:
    """A client that sees every byte of stdout."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.lines: list[bytes] = []
        self._id = 0

    async def send(self, method: str, params: dict[str, Any] | None = None, *, notify: bool = False) -> int:
        self._id += 1
        message = {"jsonrpc": "2.0", "method": method, "params": params or {}} | ({} if notify else {"id": self._id})
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()
        return self._id

    async def answer(self, wanted: int) -> dict[str, Any]:
        while True:
            message = await self.message()
            if message.get("id") == wanted:
                return message

    async def message(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        assert line, "the server closed stdout"
        self.lines.append(line)
        return dict(json.loads(line))

    async def start(self) -> None:
        await self.answer(await self.send("initialize", INITIALIZE))
        await self.send("notifications/initialized", notify=True)


@asynccontextmanager
async def raw(environment: dict[str, str], *arguments: str) -> AsyncIterator[Raw]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", *arguments,
        stdin=PIPE, stdout=PIPE, stderr=PIPE, env=clean_environment(environment), limit=2**26,
    )  # fmt: skip
    try:
        yield Raw(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def slow(environment: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """An API that takes an hour for each picture, and a server that does not wait for it when it ends."""
    async with running(Sandbox(seconds_per_image=3_600).app) as url:
        yield {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_DRAIN_S": "0"}


MOUNTAIN = {"prompt": "a mountain", "size": "1024x640"}


async def hand_over(client: Raw) -> dict[str, Any]:
    """What the call below answers where it may not wait for its image."""
    answer = await client.answer(await client.send("tools/call", {"name": "generate_image", "arguments": MOUNTAIN}))
    facts: dict[str, Any] = answer["result"]["structuredContent"]
    assert facts["status"] == "in_progress", facts
    return facts


async def begin_a_slow_call(client: Raw) -> None:
    """A call that goes on for longer than the test; returns when it has begun."""
    params = {"name": "generate_image", "arguments": MOUNTAIN, "_meta": {"progressToken": 1}}
    await client.send("tools/call", params)
    while True:
        message = await client.message()
        if "rendering" in json.dumps(message.get("params", {})):
            return


async def ended(client: Raw) -> int:
    assert client.process.stdout is not None
    client.lines += (await asyncio.wait_for(client.process.stdout.read(), PATIENCE_S)).splitlines()
    return await asyncio.wait_for(client.process.wait(), PATIENCE_S)


async def kill(server: Raw) -> None:
    server.process.kill()
    await server.process.wait()


def end_of_input(client: Raw) -> None:
    assert client.process.stdin is not None
    client.process.stdin.close()


ENDINGS = {
    "end-of-input": end_of_input,
    "SIGINT": lambda client: client.process.send_signal(signal.SIGINT),
    "SIGTERM": lambda client: client.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize(("command", "ending"), [*((None, ending) for ending in ENDINGS), ("serve", "end-of-input")])
async def test_every_ending_of_an_idle_server_is_clean(
    environment: dict[str, str], ending: str, command: str | None
) -> None:
    async with raw(environment, *([command] if command else [])) as client:
        await client.start()
        ENDINGS[ending](client)
        assert await ended(client) == 0


@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_ending_during_a_call_is_clean_and_recorded(slow: dict[str, str], ending: str) -> None:
    """The turn that was running does not stay in progress."""
    async with raw(slow) as client:
        await client.start()
        await begin_a_slow_call(client)
        ENDINGS[ending](client)
        assert await ended(client) == 0
    async with client_of(slow) as after:
        [listed] = (await call(after, "get_image_thread"))["threads"]
        shown = await call(after, "get_image_thread", thread_id=listed["thread_id"])
    [turn] = shown["thread"]["turns"]
    assert turn["status"] == "lost"
    assert turn["error"]["may_be_billed"]


@pytest.mark.parametrize("waiting", [0, 20_000], ids=["nothing", "20 MB of requests"])
async def test_a_server_whose_client_has_stopped_reading_ends_by_itself(
    environment: dict[str, str], waiting: int
) -> None:
    """The answer repeats an id that is larger than any pipe, so that it stands in the middle of a write when the input
    ends, behind what else waits there."""
    unread, stdout = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcp_imagegen", stdin=PIPE, stdout=stdout, stderr=DEVNULL,
            env=clean_environment(environment),
        )  # fmt: skip
        os.close(stdout)
        try:
            assert process.stdin is not None
            process.stdin.write(_initialize(2**20))
            await asyncio.wait_for(begun(unread), PATIENCE_S)
            process.stdin.write(_initialize(2**10) * waiting)
            process.stdin.close()  # once all is written
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) >= 0, "no signal of anybody's ended it"
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()
    finally:
        os.close(unread)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_the_end_of_input_is_seen_behind_more_requests_than_are_held(
    environment: dict[str, str], kind: str
) -> None:
    """Many runtimes give a socket for a pipe."""
    ours, theirs = _connected(kind)
    unread, stdout = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", stdin=theirs, stdout=stdout, stderr=DEVNULL,
        env=clean_environment(environment),
    )  # fmt: skip
    os.close(theirs)
    os.close(stdout)
    try:
        written = await asyncio.to_thread(_fill, ours)
        os.close(ours)
        assert HELD < written < HELD + 2**23, "what is held has a limit"
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) >= 0, "no signal of anybody's ended it"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(unread)


def _connected(kind: str) -> tuple[int, int]:
    """Our end for writing, and the one for the server to read."""
    if kind == "pipe":
        theirs, ours = os.pipe()
        return ours, theirs
    one, other = socket.socketpair()
    return one.detach(), other.detach()


def _initialize(size: int) -> bytes:
    """A request with an id of that many bytes. It is answered before any other is read."""
    request = {"jsonrpc": "2.0", "id": "x" * size, "method": "initialize", "params": INITIALIZE}
    return json.dumps(request).encode() + b"\n"


def _fill(descriptor: int) -> int:
    """Write requests until no more are taken, and tell how many bytes went. The first answer is larger than any pipe,
    so that the server, which nobody reads from, takes no further ones."""
    waiting, written = _initialize(2**20), 0
    os.set_blocking(descriptor, False)
    writable = select.poll()
    writable.register(descriptor, select.POLLOUT)
    while writable.poll(SETTLED_MS if written > HELD else PATIENCE_S * 1_000):
        with contextlib.suppress(BlockingIOError):
            sent = os.write(descriptor, waiting[: 2**16])
            waiting, written = waiting[sent:] or _initialize(2**10) * 2**10, written + sent
        if written > 2 * HELD:
            break
    return written


async def begun(descriptor: int) -> None:
    """Wait until there is something to read, and read nothing."""
    readable, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)


async def test_stdout_carries_protocol_lines_only(environment: dict[str, str]) -> None:
    async with raw({**environment, "MCP_IMAGEGEN_LOG_LEVEL": "DEBUG"}) as client:
        await client.start()
        for tool, arguments in [
            ("generate_image", {"prompt": "a well", "size": "1024x640", "quality": "low", "partial_images": 1}),
            ("generate_image", {"prompt": "", "n": 99}),
            ("get_image_thread", {"thread_id": "thr_none"}),
        ]:
            await client.answer(await client.send("tools/call", {"name": tool, "arguments": arguments}))
        end_of_input(client)
        await ended(client)
    assert len(client.lines) >= 4
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in client.lines)


async def test_no_secret_appears_in_the_log(environment: dict[str, str]) -> None:
    key = environment["OPENAI_API_KEY"]
    async with raw({**environment, "MCP_IMAGEGEN_LOG_LEVEL": "DEBUG"}) as client:
        await client.start()
        params = {"name": "generate_image", "arguments": {"prompt": "a well", "size": "1024x640", "quality": "low"}}
        await client.answer(await client.send("tools/call", params))
        end_of_input(client)
        await ended(client)
        assert client.process.stderr is not None
        log = (await client.process.stderr.read()).decode()
    assert "HTTP" in log or "http" in log, "the log of the request is there"
    assert key not in log
    assert key not in b"".join(client.lines).decode()


async def test_an_unknown_tool_is_a_protocol_error(environment: dict[str, str]) -> None:
    async with raw(environment) as client:
        await client.start()
        answer = await client.answer(await client.send("tools/call", {"name": "paint", "arguments": {}}))
    assert answer["error"]["code"] == -32602


async def test_a_wrong_setting_ends_the_start_with_its_name(environment: dict[str, str]) -> None:
    async with raw({**environment, "MCP_IMAGEGEN_PREVIEW_EDGE": "9999"}) as client:
        out, err = await client.process.communicate()
    assert client.process.returncode != 0
    assert out == b""
    assert b"MCP_IMAGEGEN_PREVIEW_EDGE" in err
    assert b"To fix: " in err


async def test_a_misspelt_setting_is_warned_of(environment: dict[str, str]) -> None:
    async with raw({**environment, "MCP_IMAGEGEN_BUDGET_CAL_USD": "1"}) as client:
        await client.start()
        end_of_input(client)
        await ended(client)
        assert client.process.stderr is not None
        log = await client.process.stderr.read()
    assert b"did you mean MCP_IMAGEGEN_BUDGET_CALL_USD" in log
