"""An answer that does not reach its caller was not given: the same call made again gets what was paid for."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream, held
from doors import Era, call, client_of
from mcp import Client
from starlette.types import Message, Receive, Scope, Send
from state_file import turns, until

from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
from mcp_imagegen.transports.http import PATH, application

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
ONE = ["POST /v1/images/generations"]
ERAS: list[Era] = ["modern", "legacy"]
FACTS = b'"structuredContent"'  # of an answer


@dataclass
class Wire:
    """A server over HTTP whose answers stand still on the way to their client, before their first byte."""

    url: str = ""
    open: asyncio.Event = field(default_factory=asyncio.Event)  # while it is not set
    reached: asyncio.Event = field(default_factory=asyncio.Event)  # an answer stands there


@pytest.fixture
async def wire(environment: dict[str, str]) -> AsyncIterator[Wire]:
    async with held(serving(environment)) as wire:
        yield wire


@asynccontextmanager
async def serving(environment: dict[str, str]) -> AsyncIterator[Wire]:
    wire, server = Wire(), application(ImagegenServer(from_environment(environment), local=False))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_when_open(message: Message) -> None:
            if FACTS in message.get("body", b""):
                wire.reached.set()
                await wire.open.wait()
            await send(message)

        await server(scope, receive, send_when_open)

    async with server.router.lifespan_context(server), running(app) as url:
        wire.url = url.removesuffix("/v1") + PATH
        yield wire
        wire.open.set()


def mode(era: Era) -> Any:
    return {"mode": "legacy"} if era == "legacy" else {}


async def asked(url: str, era: Era, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The answer to a client that makes one call."""
    async with Client(url, **mode(era)) as client:
        return await call(client, tool, **arguments)


async def killed(calling: "asyncio.Task[Any]") -> None:
    """End a client with its connections."""
    calling.cancel()
    with suppress(asyncio.CancelledError):
        await calling


async def test_a_client_of_a_handshake_revision_whose_connection_is_closed_is_known_to_be_gone(
    environment: dict[str, str], wire: Wire, upstream: Upstream
) -> None:
    upstream.open.clear()
    calling = asyncio.create_task(asked(wire.url, "legacy", "generate_image", ASK))
    await upstream.drew.wait()
    await killed(calling)
    await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
    upstream.open.set()
    wire.open.set()
    again = await asked(wire.url, "legacy", "generate_image", ASK)
    assert again["reused"]
    assert upstream.seen == ONE


@pytest.mark.parametrize("era", ERAS)
async def test_an_answer_whose_connection_closes_before_it_is_sent_was_not_given(
    environment: dict[str, str], wire: Wire, upstream: Upstream, era: Era
) -> None:
    calling = asyncio.create_task(asked(wire.url, era, "generate_image", ASK))
    await wire.reached.wait()
    await killed(calling)
    await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
    wire.open.set()
    again = await asked(wire.url, era, "generate_image", ASK)
    new = await asked(wire.url, era, "generate_image", ASK)
    assert [again["reused"], new["reused"]] == [True, False]
    assert upstream.seen == ONE * 2


async def test_what_is_collected_was_not_given_before_it_is_sent(
    environment: dict[str, str], wire: Wire, upstream: Upstream
) -> None:
    await left(environment)
    look = {"thread_id": turns(environment)[0]["thread_id"], "wait": True}
    calling = asyncio.create_task(asked(wire.url, "modern", "get_image_thread", look))
    await wire.reached.wait()
    await killed(calling)
    wire.open.set()
    again = await asked(wire.url, "modern", "generate_image", ASK)
    assert again["reused"]
    assert upstream.seen == ONE


async def left(environment: dict[str, str], **more: Any) -> None:
    """A call makes its pictures, which are given to nobody."""
    async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.001"}) as client:
        await call(client, "generate_image", **ASK, **more)
        await until(lambda: turns(environment)[0]["status"] == "completed")


async def test_who_leaves_while_what_he_collects_is_put_together_was_not_given_it(
    environment: dict[str, str], upstream: Upstream
) -> None:
    await left(environment, n=2)
    look = {"thread_id": turns(environment)[0]["thread_id"], "wait": True}
    files = sorted((Path(environment["MCP_IMAGEGEN_HOME"]) / "images").rglob("*.png"))
    pictures = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
        os.mkfifo(file)  # looking at it for a preview waits until somebody opens it to write
    async with client_of(environment) as client:
        collecting = asyncio.create_task(call(client, "get_image_thread", **look))
        with await asyncio.to_thread(files[0].open, "wb"):  # now it is at the previews, and will wait at the second
            await killed(collecting)
        both_ways = os.open(files[1], os.O_RDWR)  # which waits for nobody
        for file, picture in zip(files, pictures, strict=True):
            file.unlink()
            file.write_bytes(picture)
        again = await call(client, "generate_image", **ASK, n=2)
        os.close(both_ways)
    assert again["reused"]
    assert upstream.seen == ONE
