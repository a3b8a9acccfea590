"""`mcp-imagegen sandbox` as a process of its own, with the official client as its user."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from doors import clean_environment
from openai import AsyncOpenAI


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_the_command_serves_until_a_signal_and_ends_cleanly(ending: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", "sandbox", "--port", "0", stderr=PIPE, env=clean_environment({})
    )
    assert process.stderr is not None
    url = (await process.stderr.readline()).decode().split("OPENAI_BASE_URL=")[1].split()[0]
    async with AsyncOpenAI(api_key="any", base_url=url, max_retries=0) as openai:
        assert "gpt-image-2" in [model.id async for model in openai.models.list()]
    process.send_signal(ending)
    await process.communicate()
    assert process.returncode == 0


async def test_a_taken_port_is_told() -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "mcp_imagegen", "sandbox", "--port", str(port), stderr=PIPE, env=clean_environment({})
        )
        _, error = await process.communicate()
    assert process.returncode == 1
    assert str(port).encode() in error
