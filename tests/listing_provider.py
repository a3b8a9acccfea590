"""A provider whose list of models is the test's, and servers that ask it."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from conftest import KEY
from mcp import Client
from mcp.types import TextResourceContents
from starlette.types import Receive, Scope, Send

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

BOUND_S = 20  # seconds; only a failing test waits so long


@dataclass
class Provider:
    """A sandbox whose list of models is the test's; `body` None: the list never comes."""

    body: bytes | None = b'{"object": "list", "data": []}'
    status: int = 200
    asked: int = 0
    before: list[str] = field(default_factory=list)  # what had been seen when the list was asked for
    sandbox: Sandbox = field(default_factory=lambda: Sandbox(keys=[KEY]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/v1/models":
            await self.sandbox.app(scope, receive, send)
            return
        self.asked += 1
        self.before = [request.path for request in self.sandbox.requests]
        if self.body is None:
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [(b"content-type", b"application/json"), (b"x-should-retry", b"false")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def listing(*names: str, ends: Mapping[str, Any] | None = None) -> bytes:
    """The list of models, the last of them with shutdown dates."""
    dated = {**dict.fromkeys(names), **(ends or {})}
    models = [{"id": name, "object": "model", "shutdown_date": day} for name, day in dated.items()]
    return json.dumps({"object": "list", "data": models}).encode()


@asynccontextmanager
async def served(
    provider: Provider, environment: dict[str, str], today: datetime | None = None
) -> AsyncIterator[Client]:
    async with running(provider) as url:
        settings = from_environment({**environment, "OPENAI_BASE_URL": url})
        clock = {"now": lambda: today} if today else {}
        async with Client(ImagegenServer(settings, local=True, **clock)) as client:
            yield client


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again, over real calls, until it holds."""
    async with asyncio.timeout(BOUND_S):
        while not await holds():
            pass


async def models_table(client: Client) -> dict[str, list[dict[str, Any]]]:
    content = (await client.read_resource("imagegen://models")).contents[0]
    assert isinstance(content, TextResourceContents)
    return dict(json.loads(content.text))


async def models_rows(client: Client) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in (await models_table(client))["models"]}


def knows(client: Client) -> Callable[[], Awaitable[bool]]:
    async def listed() -> bool:
        return (await models_rows(client))["gpt-image-2"]["listed"] is not None

    return listed
