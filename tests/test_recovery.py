"""A server that was killed: its turns do not stay in progress, and what they may have cost is accounted for."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from doors import call
from mcp import Client
from test_stdio import begin_a_slow_call, raw

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment


@pytest.fixture
async def killed(environment: dict[str, str]) -> AsyncIterator[dict[str, str]]:
    """The environment of a server that was killed in the middle of a call."""
    async with running(Sandbox(seconds_per_image=3_600).app) as url:
        slow = {**environment, "OPENAI_BASE_URL": url}
        async with raw(slow) as client:
            await client.start()
            await begin_a_slow_call(client)
            client.process.kill()
            await client.process.wait()
        yield slow


def server(environment: dict[str, str], later_s: float) -> ImagegenServer:
    now = lambda: datetime.now(UTC) + timedelta(seconds=later_s)  # noqa: E731 - a clock that is ahead
    return ImagegenServer(from_environment(environment), local=True, now=now)


async def test_a_turn_of_a_killed_server_is_lost_once_its_lease_is_over(killed: dict[str, str]) -> None:
    async with Client(server(killed, later_s=120)) as client:
        threads = (await call(client, "get_image_thread"))["threads"]
        answer = await call(client, "get_image_thread", thread_id=threads[0]["thread_id"], wait=True)
    turn = answer["thread"]["turns"][0]
    assert [turn["status"], answer["result"]["status"]] == ["lost", "lost"]
    assert turn["error"]["may_be_billed"]
    assert answer["result"]["cost"]["basis"] == "estimated"
    assert answer["result"]["cost"]["usd"] == answer["result"]["cost"]["estimate_usd"] > 0


async def test_a_turn_whose_lease_lasts_is_left_to_its_owner(killed: dict[str, str]) -> None:
    async with Client(server(killed, later_s=0)) as client:
        threads = (await call(client, "get_image_thread"))["threads"]
        answer = await call(client, "get_image_thread", thread_id=threads[0]["thread_id"])
    assert answer["thread"]["turns"][0]["status"] == "in_progress"
