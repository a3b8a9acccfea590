"""A model that is near its end says so in every result; past it, OpenAI is not asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from conftest import KEY
from doors import call, refusal
from mcp import Client

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

ENDING = {"model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"}
ENDS = "OpenAI shuts gpt-image-1.5 down on 2026-12-01"


@asynccontextmanager
async def on(day: datetime, environment: dict[str, str]) -> AsyncIterator[tuple[Client, Sandbox]]:
    """A server and its provider on a day."""
    sandbox = Sandbox(keys=[KEY], clock=day.timestamp)
    async with running(sandbox.app) as url:
        settings = from_environment({**environment, "OPENAI_BASE_URL": url})
        async with Client(ImagegenServer(settings, local=True, now=lambda: day)) as client:
            yield client, sandbox


async def test_a_model_near_its_end_warns_in_every_result(environment: dict[str, str]) -> None:
    async with on(datetime(2026, 11, 20, tzinfo=UTC), environment) as (client, _):
        first = await call(client, "generate_image", prompt="a kite", **ENDING)
        image = first["images"][0]["image_id"]
        answers = [
            first,
            await call(client, "edit_image", prompt="in red", images=[image], **ENDING),
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in blue", quality="low"),
            await call(client, "estimate_cost", prompt="a kite", **ENDING),
            await call(client, "estimate_cost", operation="continue", thread_id=first["thread_id"], quality="low"),
        ]
    for answer in answers:
        assert [warning for warning in answer["warnings"] if warning.startswith(f"{ENDS}, 11 days from now")]


async def test_more_than_60_days_before_nothing_is_said(environment: dict[str, str]) -> None:
    async with on(datetime(2026, 10, 1, tzinfo=UTC), environment) as (client, _):
        price = await call(client, "estimate_cost", prompt="a kite", **ENDING)
    assert price["warnings"] == []


@pytest.mark.parametrize("tool", ["generate_image", "estimate_cost"])
async def test_past_its_end_a_model_is_refused_with_its_successor(environment: dict[str, str], tool: str) -> None:
    async with on(datetime(2026, 12, 1, tzinfo=UTC), environment) as (client, sandbox):
        text = await refusal(client, tool, prompt="a kite", **ENDING)
    assert text.startswith("model_retired: OpenAI shut gpt-image-1.5 down on 2026-12-01")
    assert "use gpt-image-2.5-sunburst" in text
    assert sandbox.requests == []
