"""A response that the API keeps and whose server is gone: fetched by the next one, also where somebody on the way
answers in the API's place for a while."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, text_of
from mcp import Client
from stand_in import Said, error, reply
from starlette.types import Receive, Scope, Send
from state_file import rows
from test_drain import turns, until
from test_threads_command import ran

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

NOWHERE = "http://127.0.0.1:9/v1"  # the discard port, where nobody listens
ODD = {
    "a portal's page": Said("<html><title>Sign in</title></html>"),
    "an empty page": Said(""),
    "JSON without a status": Said({}),
    "JSON of a proxy": Said({"status": "ok"}),
    "a list": Said([]),
    "a stream of nothing": Said(b"", headers={"content-type": "text/event-stream"}),
    "a page that is not found": Said("<html><title>404 Not Found</title></html>", 404),
    "JSON of a proxy that finds nothing": Said({"detail": "Not Found"}, 404),
    "a page that refuses": Said("<html><title>Bad Request</title></html>", 400),
    "a redirection": Said("", 302, {"location": "https://portal.example/"}),
}


@dataclass
class Left:
    """A turn whose server has ended while the API draws, and what stands between the API and the next server."""

    sandbox: Sandbox
    environment: dict[str, str]
    thread_id: str = ""
    between: Said | None = None
    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/v1/models":
            self.asked.append(scope["method"])
        if self.between is not None and scope["path"].startswith("/v1/responses/"):
            await reply(send, self.between)
        else:
            await self.sandbox.app(scope, receive, send)

    async def looked_at(self, client: Client) -> dict[str, Any]:
        return await call(client, "get_image_thread", thread_id=self.thread_id, wait=True)


@pytest.fixture
async def left(environment: dict[str, str]) -> AsyncIterator[Left]:
    drawing = asyncio.Event()

    async def before_drawing(_: str) -> None:
        await drawing.wait()

    one = Left(Sandbox(before_drawing=before_drawing), environment)
    async with running(one) as url:
        one.environment = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses"}
        hasty = {**one.environment, "MCP_IMAGEGEN_DRAIN_S": "0", "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
        async with client_of(hasty) as client:
            handed = await call(client, "generate_image", prompt="a mill", size="1024x640", quality="low")
            await until(lambda: turns(environment)[0]["response_id"] is not None)
        one.thread_id = handed["thread_id"]
        drawing.set()
        yield one


@pytest.mark.parametrize("odd", ODD)
async def test_an_answer_that_is_not_the_apis_own_is_no_end_of_a_kept_response(left: Left, odd: str) -> None:
    left.between = ODD[odd]
    async with client_of(left.environment) as client:
        left.asked.clear()
        before = await left.looked_at(client)
        asked, left.between = left.asked.count("GET"), None
        after = await left.looked_at(client)
    assert [before["result"]["status"], after["result"]["status"]] == ["in_progress", "completed"]
    assert len(after["result"]["images"]) == 1
    assert after["result"]["cost"]["basis"] == "billed"
    assert asked <= 26, "a look asks a bounded number of times"
    assert "POST" not in left.asked


async def test_an_api_that_cannot_be_reached_is_asked_later(left: Left) -> None:
    async with client_of({**left.environment, "OPENAI_BASE_URL": NOWHERE}) as client:
        before = await left.looked_at(client)
    async with client_of(left.environment) as client:
        after = await left.looked_at(client)
    assert [before["result"]["status"], after["result"]["status"]] == ["in_progress", "completed"]


async def test_what_the_api_itself_does_not_know_is_lost_at_once(left: Left) -> None:
    left.sandbox.forget()
    left.asked.clear()
    async with client_of(left.environment) as client:
        answer = await left.looked_at(client)
    assert answer["result"]["status"] == "lost"
    assert answer["result"]["error"]["may_be_billed"]
    assert left.asked == ["GET"]


async def test_after_a_day_of_odd_answers_the_turn_is_lost_and_may_have_been_billed(left: Left) -> None:
    left.between = ODD["a portal's page"]
    late = ImagegenServer(
        from_environment(left.environment), local=True, now=lambda: datetime.now(UTC) + timedelta(hours=25)
    )
    async with Client(late) as client:
        result = await client.call_tool("get_image_thread", {"thread_id": left.thread_id, "wait": True})
    answer = (result.structured_content or {})["result"]
    assert answer["status"] == "lost"
    assert answer["error"]["may_be_billed"]
    assert "may have been made and billed" in text_of(result)
    home = Path(left.environment["MCP_IMAGEGEN_HOME"])
    assert [row["status"] for row in rows(home, "SELECT status FROM ledger_entries")] == ["settled"]


async def test_an_odd_answer_on_disk_is_no_end_of_a_kept_response(left: Left) -> None:
    """The server that read it was killed before it asked again."""
    answers = Path(left.environment["MCP_IMAGEGEN_HOME"]) / "answers"
    [first] = answers.glob("*.0")
    about = first.read_bytes().partition(b"\n")[0].replace(b"POST ", b"GET ")
    first.with_name(first.name.replace(".0", ".9")).write_bytes(about + b"\n{}")
    async with client_of(left.environment) as client:
        answer = await left.looked_at(client)
    assert answer["result"]["status"] == "completed"


async def test_a_running_call_asks_again_where_somebody_else_answers(environment: dict[str, str]) -> None:
    one = Left(Sandbox(), environment)
    portal = [ODD["a portal's page"], ODD["JSON of a proxy that finds nothing"], error(502), None]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and scope["path"].startswith("/v1/responses/") and portal:
            one.between = portal.pop(0)
        await one(scope, receive, send)

    async with running(app) as url:
        settings = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses"}
        async with client_of(settings) as client:
            answer = await call(client, "generate_image", prompt="a mill", size="1024x640", quality="low")
    assert answer["status"] == "completed"
    assert portal == []
    assert one.asked.count("POST") == 1


async def test_deleting_a_thread_whose_picture_can_still_be_had_says_so_before_it_asks(left: Left) -> None:
    refused = await ran(left.environment, "delete", left.thread_id, answer="n\n")
    async with client_of(left.environment) as client:
        fetched = await left.looked_at(client)
    code, out, _ = await ran(left.environment, "delete", left.thread_id, answer="y\n")
    before, _, _ = refused[1].partition("Delete?")
    assert [refused[0], code] == [1, 0]
    assert f"{left.thread_id}: a call of it was cut off" in before
    assert "may have been billed" in before
    assert fetched["result"]["status"] == "completed"
    assert "cut off" not in out
