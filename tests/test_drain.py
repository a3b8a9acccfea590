"""What becomes of running calls when the server ends: recorded, given their time, else left to the next server."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from conftest import Upstream
from doors import Era, call, clean_environment, client_of
from mcp import Client
from state_file import turns, until
from test_joining import ASK, begun
from test_stdio import ENDINGS, Raw, begin_a_slow_call, ended, hand_over, raw

PATIENCE_S = 60  # only a bound for a test that hangs


def read_no_more(client: Raw) -> None:
    """What the server says next, the answer to a question, comes to nobody."""
    assert client.process.stdin is not None
    pipe = client.process._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
    pipe.close()
    client.process.stdin.write(b'{"jsonrpc": "2.0", "id": "p", "method": "ping"}\n')


def be_killed(client: Raw) -> None:
    """Both pipes close."""
    read_no_more(client)
    ENDINGS["end-of-input"](client)


GOING = {**ENDINGS, "killed": be_killed, "reads no more": read_no_more}


@pytest.mark.parametrize("ending", GOING)
async def test_a_running_call_is_recorded_and_finished_when_the_server_ends(
    environment: dict[str, str], upstream: Upstream, ending: str
) -> None:
    upstream.open.clear()
    async with raw(environment) as client:
        await client.start()
        await begin_a_slow_call(client)
        await upstream.drew.wait()
        GOING[ending](client)
        await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
        before = turns(environment)[0]["status"]
        upstream.open.set()
        assert await ended(client) == 0
    assert before == "in_progress"
    assert [turn["status"] for turn in turns(environment)] == ["completed"]
    async with client_of(environment) as after:
        again = await call(after, "generate_image", prompt="a mountain", size="1024x640")
    assert again["reused"]
    assert upstream.seen == ["POST /v1/images/generations"]


async def test_what_is_cut_off_is_left_to_the_next_server(environment: dict[str, str], upstream: Upstream) -> None:
    upstream.open.clear()
    async with raw({**environment, "MCP_IMAGEGEN_DRAIN_S": "0"}) as client:
        await client.start()
        await begin_a_slow_call(client)
        await upstream.drew.wait()
        ENDINGS["end-of-input"](client)
        assert await ended(client) == 0
    upstream.open.set()
    left = turns(environment)
    async with client_of(environment) as after:
        thread = (await call(after, "get_image_thread", thread_id=left[0]["thread_id"]))["thread"]
    assert [turn["status"] for turn in left] == ["in_progress"]
    assert [turn["status"] for turn in thread["turns"]] == ["lost"]
    assert upstream.seen == ["POST /v1/images/generations"]


async def test_who_asks_twice_is_not_made_to_wait(environment: dict[str, str], upstream: Upstream) -> None:
    upstream.open.clear()
    async with raw({**environment, "MCP_IMAGEGEN_DRAIN_S": "3600"}) as client:
        await client.start()
        await begin_a_slow_call(client)
        client.process.send_signal(signal.SIGTERM)
        await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
        client.process.send_signal(signal.SIGTERM)
        assert await ended(client) == 1


@dataclass
class Ended:
    """What the caller was answered, and what the server said on stderr."""

    answer: dict[str, Any] | None = None
    said: str = ""


@asynccontextmanager
async def ended_over_http(environment: dict[str, str], upstream: Upstream, era: Era = "modern") -> AsyncIterator[Ended]:
    """A server over HTTP that is told to end while a caller waits for its picture, and has ended afterwards."""
    mode: Any = {"mode": "legacy"} if era == "legacy" else {}
    told = Ended()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", "serve", "--http", "--port", "0",
        env=clean_environment(environment), stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        said = await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)
        found = re.search(rb"http://\S+", said)
        assert found, said
        upstream.open.clear()
        async with Client(found[0].decode(), **mode) as client:
            await client.list_tools()  # else the client asks for them to check its answer by, when nobody answers
            calling = await begun(client)
            await upstream.drew.wait()
            process.terminate()
            yield told
            assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0
            await asyncio.wait({calling})
            told.answer = None if calling.exception() else calling.result().structured_content
    finally:
        if process.returncode is None:
            process.kill()
        told.said = (await process.communicate())[1].decode()


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_server_over_http_says_where_to_collect_and_drains(
    environment: dict[str, str], upstream: Upstream, era: Era
) -> None:
    async with ended_over_http(environment, upstream, era) as told:
        await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
        upstream.open.set()
    [turn] = turns(environment)
    assert turn["status"] == "completed"
    assert told.answer is not None
    assert [told.answer[name] for name in ("status", "thread_id", "turn")] == ["in_progress", turn["thread_id"], 1]
    assert told.said == ""
    async with client_of(environment) as after:
        assert (await call(after, "generate_image", **ASK))["reused"]


async def test_a_server_over_http_aborts_too(environment: dict[str, str], upstream: Upstream) -> None:
    aborting = {"MCP_IMAGEGEN_ON_CANCEL": "abort", "MCP_IMAGEGEN_DRAIN_S": "3600"}
    async with ended_over_http({**environment, **aborting}, upstream) as told:
        pass
    assert [turn["status"] for turn in turns(environment)] == ["cancelled"]
    assert "Traceback" not in told.said


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_call_that_loses_its_caller_with_the_server_is_aborted_where_that_is_wanted(
    environment: dict[str, str], upstream: Upstream, ending: str
) -> None:
    upstream.open.clear()
    async with raw({**environment, "MCP_IMAGEGEN_ON_CANCEL": "abort", "MCP_IMAGEGEN_DRAIN_S": "3600"}) as client:
        await client.start()
        await begin_a_slow_call(client)
        await upstream.drew.wait()
        ENDINGS[ending](client)
        assert await ended(client) == 0
    [turn] = turns(environment)
    assert turn["status"] == "cancelled"
    assert json.loads(turn["error"])["may_be_billed"]


async def test_a_call_that_was_handed_over_is_finished_when_the_server_ends_also_where_others_are_aborted(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.open.clear()
    handing = {"MCP_IMAGEGEN_ON_CANCEL": "abort", "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
    async with raw({**environment, **handing}) as client:
        await client.start()
        await hand_over(client)
        ENDINGS["end-of-input"](client)
        upstream.open.set()
        assert await ended(client) == 0
    assert [turn["status"] for turn in turns(environment)] == ["completed"]
