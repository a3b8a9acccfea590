"""A server and its provider on a day of a test's choice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from conftest import KEY
from mcp import Client

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment


@asynccontextmanager
async def on(day: datetime, environment: dict[str, str]) -> AsyncIterator[tuple[Client, Sandbox]]:
    """A server and its provider on a day."""
    sandbox = Sandbox(keys=[KEY], clock=day.timestamp)
    async with running(sandbox.app) as url:
        settings = from_environment({**environment, "OPENAI_BASE_URL": url})
        async with Client(ImagegenServer(settings, local=True, now=lambda: day)) as client:
            yield client, sandbox
