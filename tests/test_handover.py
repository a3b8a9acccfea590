"""Calls that outlive their caller: handed over in time, cancelled, and collected by thread afterwards."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import KEY
from doors import Era, Transport, call, client_of, text_of
from mcp import Client

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
PATIENCE_S = 60  # only a bound for a test that hangs
STREAMS = [("stdio", "modern"), ("stdio", "legacy"), ("http", "modern")]


@pytest.fixture
async def slow(environment: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """An API that takes its time, and a server that does not wait for it."""
    async with running(Sandbox(keys=[KEY], seconds_per_image=0.3).app) as url:
        yield {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_MAX_WAIT_S": "0.02"}


async def collected(client: Client, thread_id: str) -> dict[str, Any]:
    """Ask for the thread until its turn has ended."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            answer = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
            if answer["result"]["status"] != "in_progress":
                return answer


async def test_a_long_call_is_handed_over_and_collected_by_thread(slow: dict[str, str]) -> None:
    async with client_of(slow) as client:
        handed = await client.call_tool("generate_image", ASK)
        answer = handed.structured_content or {}
        assert not handed.is_error
        assert answer["status"] == "in_progress"
        assert answer["images"] == []
        assert "get_image_thread" in text_of(handed)
        assert "do not call again" in text_of(handed)
        done = await collected(client, answer["thread_id"])
    assert done["result"]["status"] == "completed"
    assert done["result"]["images"] == done["thread"]["turns"][0]["images"]
    assert len(done["thread"]["turns"]) == 1


@pytest.mark.parametrize("given", [{}, {"partial_images": 1}], ids=["plain", "streamed"])
@pytest.mark.parametrize("api", ["image", "responses"])
async def test_a_word_in_the_prompt_makes_the_sandbox_slow(
    environment: dict[str, str], api: str, given: dict[str, int]
) -> None:
    """So slow that another call ends before."""
    impatient = {"MCP_IMAGEGEN_MAX_WAIT_S": "0.02", "MCP_IMAGEGEN_DRAIN_S": "0", "MCP_IMAGEGEN_API": api}
    async with client_of(environment | impatient) as client:
        slow = await call(client, "generate_image", **{**ASK, "prompt": "a mill, sandbox:slow", **given})
        other = await call(client, "generate_image", **ASK)
        assert (await collected(client, other["thread_id"]))["result"]["status"] == "completed"
        seen = await call(client, "get_image_thread", thread_id=slow["thread_id"])
    assert seen["thread"]["turns"][0]["status"] == "in_progress"


@pytest.mark.parametrize(("transport", "era"), STREAMS)
async def test_a_call_that_its_caller_cancels_is_finished_and_kept(
    slow: dict[str, str], transport: Transport, era: Era
) -> None:
    async with client_of({**slow, "MCP_IMAGEGEN_MAX_WAIT_S": "50"}, transport, era) as client:
        begun = asyncio.Event()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            if message and message.startswith("rendering"):
                begun.set()

        calling = asyncio.create_task(client.call_tool("generate_image", ASK, progress_callback=on_progress))
        await begun.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        threads = (await call(client, "get_image_thread"))["threads"]
        done = await collected(client, threads[0]["thread_id"])
    assert done["result"]["status"] == "completed"
    assert done["result"]["images"][0]["width"] == 1024


async def test_a_failed_call_is_collected_with_its_error(slow: dict[str, str]) -> None:
    async with client_of(slow) as client:
        refused = await client.call_tool("generate_image", {**ASK, "prompt": "sandbox:moderation a mill"})
        if not refused.is_error:  # it was handed over before the answer came
            thread_id = (refused.structured_content or {})["thread_id"]
        else:
            thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
        done = await collected(client, thread_id)
    assert done["result"]["status"] == "failed"
    assert done["result"]["error"]["code"] == "moderation_blocked"
    assert not done["result"]["error"]["may_be_billed"]
    assert done["thread"]["cost_usd"] == 0
