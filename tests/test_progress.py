"""Whoever waits hears at once what happens, and again at least every five seconds, and is answered in time: both from
the call's beginning, whatever it waits for."""

import asyncio
from collections.abc import Callable
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import DOORS, Era, Transport, client_of
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult
from openai_bodies import call_frame, image_call, response
from stand_in import error, picture, standing_in, streamed
from state_file import busy, turns, until

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
OFTEN_S = 5.0  # the longest that nothing is heard
SLACK_S = 2.0  # that a machine with much to do may add to it


class Clock:
    """The event loop's, which a test puts forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0  # seconds
        self._loop = asyncio.get_running_loop()
        real = self._loop.time
        monkeypatch.setattr(self._loop, "time", lambda: real() + self.ahead)

    async def forward(self, seconds: float, seen: Callable[[], object]) -> None:
        """Let so much time pass, and then wait for what it leads to."""
        before = seen()
        self.ahead += seconds
        async with asyncio.timeout(60):
            while seen() == before:  # noqa: ASYNC110 - the clock is put forward under the loop, which must be awake
                await asyncio.sleep(0)


class Heard:
    """What a client is told of one call."""

    def __init__(self) -> None:
        self.said: list[tuple[float, str]] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.said.append((progress, message or ""))

    @property
    def longest_silence(self) -> float:
        """Seconds of the loop's clock between two messages."""
        seconds = [progress for progress, _ in self.said]
        return max(later - earlier for earlier, later in pairwise(seconds))

    @property
    def messages(self) -> list[str]:
        return [message for _, message in self.said]

    def calling(self, client: Client, tool: str = "generate_image", **arguments: Any) -> "asyncio.Task[Any]":
        return asyncio.create_task(client.call_tool(tool, arguments or ASK, progress_callback=self))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Clock]:
    return lambda: Clock(monkeypatch)


async def test_a_call_that_is_drawn_for_long_is_heard_of_every_five_seconds(
    client: Client, upstream: Upstream, clock: Callable[[], Clock]
) -> None:
    time, heard = clock(), Heard()
    upstream.open.clear()
    calling = heard.calling(client)
    await upstream.drew.wait()
    await until(lambda: any(message.startswith("rendering") for message in heard.messages))
    before = len(heard.said)
    for _ in range(5):
        await time.forward(OFTEN_S, lambda: len(heard.said))
    upstream.open.set()
    await calling
    assert heard.longest_silence < OFTEN_S + SLACK_S
    assert {message[:9] for message in heard.messages[before : before + 5]} == {"rendering"}


async def test_a_call_that_cannot_begin_yet_is_heard_of_from_its_beginning_and_answered_in_time(
    client: Client, environment: dict[str, str], upstream: Upstream, clock: Callable[[], Clock]
) -> None:
    await client.call_tool("generate_image", {**ASK, "prompt": "a well"})  # makes the database
    time, heard = clock(), Heard()
    upstream.open.clear()
    with busy(environment):
        calling = heard.calling(client)
        await until(lambda: heard.said != [])
        for _ in range(11):  # more than the fifty seconds that a call may take
            await time.forward(OFTEN_S, lambda: len(heard.said))
        assert len(turns(environment)) == 1
        before = len(heard.said)
    answer = (await calling).structured_content
    upstream.open.set()
    assert heard.longest_silence < OFTEN_S + SLACK_S
    assert set(heard.messages[:before]) == {"preparing"}
    assert answer["status"] == "in_progress"


async def test_the_users_time_is_not_the_calls(
    environment: dict[str, str], upstream: Upstream, clock: Callable[[], Clock]
) -> None:
    time, heard, asked, thought = clock(), Heard(), asyncio.Event(), asyncio.Event()

    async def user(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        asked.set()
        await thought.wait()
        return ElicitResult(action="accept", content={"proceed": True})

    asking = {**environment, "MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "0.0001"}
    async with client_of(asking, era="legacy", elicitation_callback=user) as client:
        calling = heard.calling(client)
        await asked.wait()
        for _ in range(12):
            await time.forward(OFTEN_S, lambda: len(heard.said))
        thought.set()
        answer = (await calling).structured_content
    assert heard.messages.count("waiting for the user's answer") >= 12
    assert answer["status"] == "completed"


async def test_who_waits_for_a_thread_is_heard_of_and_answered_in_time(
    client: Client, upstream: Upstream, clock: Callable[[], Clock]
) -> None:
    time, heard = clock(), Heard()
    upstream.open.clear()
    making = heard.calling(client)
    await upstream.drew.wait()
    thread_id = (await client.call_tool("get_image_thread", {})).structured_content["threads"][0]["thread_id"]
    waited = Heard()
    waiting = waited.calling(client, "get_image_thread", thread_id=thread_id, wait=True)
    await until(lambda: any(message.startswith("rendering") for message in waited.messages))
    for _ in range(4):
        await time.forward(OFTEN_S, lambda: len(waited.said))
    time.ahead += 50
    answers = [(await one).structured_content for one in (making, waiting)]
    upstream.open.set()
    assert answers[0]["status"] == answers[1]["result"]["status"] == "in_progress"


async def test_a_busy_database_does_not_make_an_answer_late(
    client: Client, environment: dict[str, str], upstream: Upstream, clock: Callable[[], Clock]
) -> None:
    """That nobody waits any more is recorded when it can be."""
    time, heard = clock(), Heard()
    upstream.open.clear()
    calling = heard.calling(client)
    await upstream.drew.wait()
    with busy(environment):
        time.ahead += 50
        async with asyncio.timeout(20):
            answer = (await calling).structured_content
        assert turns(environment)[0]["abandoned_at"] is None
    await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
    upstream.open.set()
    assert answer["status"] == "in_progress"


EVENTS = [
    {"type": "response.created", "response": response(id="resp_1", status="in_progress")},
    call_frame(picture(), 0, "ig_1"),
    call_frame(picture(), 1, "ig_1"),
    {"type": "response.completed", "response": response(image_call(picture(), "ig_1"), id="resp_1")},
]


@pytest.mark.parametrize(("transport", "era"), DOORS)
async def test_progress_increases_strictly_through_all_that_happens(
    tmp_path: Path, transport: Transport, era: Era
) -> None:
    heard = Heard()
    answers = [error(429, "rate_limit_exceeded", retry_after="0.01"), streamed(*EVENTS)]
    async with standing_in(*answers) as provider:
        environment = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses"
        )
        async with client_of(environment, transport, era) as client:
            answer = (await heard.calling(client, **ASK, partial_images=2)).structured_content
    assert answer["status"] == "completed"
    seconds = [progress for progress, _ in heard.said]
    assert all(one < other for one, other in pairwise(seconds))
    stages = ["preparing", "queued", "rendering", "rate limited: trying again", "frame 1 of 2", "frame 2 of 2"]
    stages += ["saving"]
    told = [next(stage for stage in stages if message.startswith(stage)) for message in heard.messages]
    assert [stage for stage, _ in groupby(told)] == stages  # on a slow machine, one that takes long is told again
