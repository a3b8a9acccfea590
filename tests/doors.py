"""The doors that users come in by: a client over stdio, over HTTP, or in memory, in either protocol era."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urljoin

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
from mcp_imagegen.transports.http import PATH, application

Transport = Literal["memory", "stdio", "http", "serve"]  # the last is HTTP from a process, which takes seconds to start
Era = Literal["modern", "legacy"]
SIZES = ("COLUMNS", "LINES")  # of a terminal that the test runner may have, and a server has not
PATIENCE_S = 120  # only a bound for a test that hangs
OURS = ("MCP_IMAGEGEN_", "OPENAI_", "AZURE_OPENAI_")
DOORS: list[tuple[Transport, Era]] = [
    ("memory", "modern"),
    ("memory", "legacy"),
    ("stdio", "modern"),
    ("stdio", "legacy"),
    ("http", "modern"),
    ("http", "legacy"),
]


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server process: nothing of ours or of OpenAI's from outside, then what the test gives."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name not in SIZES}
    return {**kept, **given}


@asynccontextmanager
async def client_of(
    environment: Mapping[str, str], transport: Transport = "memory", era: Era = "modern", **options: Any
) -> AsyncIterator[Client]:
    """A connected client of a server with this environment."""
    mode: Any = {"mode": "legacy"} if era == "legacy" else {}
    if transport == "memory":
        server = ImagegenServer(from_environment(environment), local=True)
        async with Client(server, **mode, **options) as client:
            yield client
    elif transport == "stdio":
        process = StdioServerParameters(
            command=sys.executable, args=["-m", "mcp_imagegen"], env=clean_environment(environment)
        )
        async with Client(process, **mode, **options) as client:
            yield client
    else:
        served = http_server if transport == "serve" else http_endpoint
        async with served(environment) as url, Client(url, **mode, **options) as client:
            yield client


@asynccontextmanager
async def http_endpoint(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """What `serve --http` serves, over a real socket, without a process of its own; yields the endpoint's URL."""
    app = application(ImagegenServer(from_environment(environment), local=False))
    async with app.router.lifespan_context(app), running(app) as url:
        yield urljoin(url, PATH)


@asynccontextmanager
async def http_server(environment: Mapping[str, str]) -> AsyncIterator[str]:
    """A real `serve --http` process on a port of the system's choice; yields the endpoint's URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", "serve", "--http", "--port", "0",
        env=clean_environment(environment), stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield await asyncio.wait_for(_announced_url(process), PATIENCE_S)
    finally:
        process.terminate()
        await process.communicate()


async def _announced_url(process: asyncio.subprocess.Process) -> str:
    """The server says on stderr where it listens."""
    assert process.stderr is not None
    seen = b""
    while line := await process.stderr.readline():
        seen += line
        if found := re.search(rb"http://127\.0\.0\.1:\d+/mcp", line):
            return found[0].decode()
    raise AssertionError(f"the server ended without listening: {seen.decode()}")


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured content of a call that must succeed."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """The text of a call that must be refused."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, text_of(result)
    return text_of(result)
