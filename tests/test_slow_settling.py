"""What a server has left may need the network to be settled, for a picture that an answer links to: nobody waits longer
for it than for anything else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from doors import call, client_of, refusal
from openai_bodies import image_call, response
from stand_in import PICTURE, Said, StandIn, picture
from starlette.types import Receive, Scope, Send
from state_file import execute, turns, until

from mcp_imagegen.pipeline import recovery
from mcp_imagegen.sandbox.serving import running

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
CAT = "/v1/files/cat.png"


@dataclass
class Linked:
    """A thread whose first answer links to a picture, and whose server ended before it had come."""

    environment: dict[str, str]
    thread_id: str
    provider: StandIn
    asked: asyncio.Event
    there: asyncio.Event


@pytest.fixture
async def linked(environment: dict[str, str]) -> AsyncIterator[Linked]:
    asked, there = asyncio.Event(), asyncio.Event()
    made = StandIn([Said({"data": [{"url": CAT}]}), Said({"data": [{"b64_json": PICTURE}]})])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == CAT:
            asked.set()
            await there.wait()
            await StandIn([Said(picture())])(scope, receive, send)
        else:
            await made(scope, receive, send)

    async with running(app) as url:
        given = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_PROVIDER": "compatible"}
        async with client_of({**given, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05", "MCP_IMAGEGEN_DRAIN_S": "0"}) as ended:
            handed = await call(ended, "generate_image", **ASK)
            await asked.wait()
        asked.clear()
        yield Linked(given, handed["thread_id"], made, asked, there)
        there.set()


async def test_who_asks_for_something_else_does_not_wait_for_it(linked: Linked) -> None:
    async with client_of(linked.environment) as client, asyncio.timeout(60):
        other = await call(client, "generate_image", **{**ASK, "prompt": "a cat"})
        await linked.asked.wait()
        left = turns(linked.environment)
        linked.there.set()
        answer = await call(client, "get_image_thread", thread_id=linked.thread_id, wait=True)
    assert other["status"] == "completed"
    assert sorted(turn["status"] for turn in left) == ["completed", "in_progress"]
    assert [answer["result"]["status"], len(answer["result"]["images"])] == ["completed", 1]


async def test_nobody_waits_longer_than_for_a_call(linked: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who continues the thread, nor who waits for it, nor who looks at it; and then it goes on."""
    monkeypatch.setattr(recovery, "SETTLING_S", 3600.0)
    ask = {"thread_id": linked.thread_id, "prompt": "at night", "quality": "low"}
    async with client_of({**linked.environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.2"}) as client, asyncio.timeout(60):
        refused = await refusal(client, "continue_image_thread", **ask)
        waited = await call(client, "get_image_thread", thread_id=linked.thread_id, wait=True)
        looked = await call(client, "get_image_thread", thread_id=linked.thread_id)
        sent = len(linked.provider.seen)
        linked.there.set()
        await until(lambda: turns(linked.environment)[0]["status"] != "in_progress")
    linked.provider.answers = [Said(response(image_call(picture())))]
    async with client_of(linked.environment) as client:
        after = await call(client, "continue_image_thread", **ask)
    assert refused.startswith("upstream_unavailable: the server ended during an earlier turn of the thread, which is ")
    assert "To fix: call again" in refused
    assert "billed" not in refused
    assert [waited["result"]["status"], looked["thread"]["turns"][0]["status"], sent] == ["in_progress"] * 2 + [1]
    assert [turn["status"] for turn in turns(linked.environment)] == ["completed"] * 2
    assert after["turn"] == 2


async def test_of_somebody_elses_thread_nothing_is_told(linked: Linked) -> None:
    execute(Path(linked.environment["MCP_IMAGEGEN_HOME"]), "UPDATE threads SET owner = 'somebody else'")
    async with client_of({**linked.environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.2"}) as client:
        text = await refusal(client, "continue_image_thread", thread_id=linked.thread_id, prompt="at night")
        linked.there.set()
    assert text.startswith("thread_not_found: ")
