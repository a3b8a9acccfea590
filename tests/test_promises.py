"""What is promised about turns, threads, results and the log, each seen where a user or a provider would see it."""

import asyncio
import base64
import json
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doors import call, clean_environment, client_of, refusal
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import ImageContent, ResourceLink
from openai_bodies import b64, call_frame, image_call, item_done, message, response, sse
from pictures import encoded
from PIL import Image
from stand_in import GOOD, KEY, PICTURE, Said, StandIn, error, picture, standing_in
from starlette.types import Receive, Scope, Send
from state_file import rows

from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

PATIENCE_S = 20  # only a bound for a test that hangs
ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
MORE: dict[str, Any] = {"prompt": "in blue", "size": "1024x640", "quality": "low"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "state"


def environment(provider: StandIn, home: Path, **more: str) -> dict[str, str]:
    return provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(home), **more)


class Clock:
    """The time of day and the event loop's own, both of which a test can put forward together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0  # seconds
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


async def test_a_turn_is_not_given_up_while_its_call_runs(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn whose lease has run out is settled as lost by whoever looks at its thread, so a living one renews it."""
    clock, asked, answered = Clock(monkeypatch), asyncio.Event(), asyncio.Event()
    provider = StandIn([Said(GOOD)])

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            asked.set()
            await answered.wait()
        await provider(scope, receive, send)

    def lease() -> int:
        return int(rows(home, "SELECT lease_until FROM turns")[0]["lease_until"])

    async with running(patient) as url:
        provider.url = url
        variables = environment(provider, home, MCP_IMAGEGEN_MAX_WAIT_S="3600")
        server = ImagegenServer(from_environment(variables), local=True, now=clock.now)
        async with Client(server) as client:
            calling = asyncio.create_task(call(client, "generate_image", **ASK))
            await asked.wait()
            taken = lease()
            clock.ahead += 50  # the lease is of 60 seconds
            async with asyncio.timeout(PATIENCE_S):
                while lease() == taken:
                    (thread,) = (await call(client, "get_image_thread"))["threads"]
            clock.ahead += 50
            tree = (await call(client, "get_image_thread", thread_id=thread["thread_id"]))["thread"]
            answered.set()
            made = await calling
    assert tree["turns"][0]["status"] == "in_progress"
    assert made["status"] == "completed"
    assert [row["status"] for row in rows(home, "SELECT status FROM ledger_entries")] == ["settled"]


ELSEWHERE = "https://me:hunter2222@elsewhere.example/v1/sk-in-the-path-123456"


async def test_the_log_of_a_server_holds_no_secret_and_no_picture(home: Path, tmp_path: Path) -> None:
    """The HTTP client would log the headers of every answer as they came, so that it is not heard at DEBUG."""
    answers = [
        Said("", 307, {"location": ELSEWHERE}),
        error(401, "invalid_api_key", "no such key", x_echo="Bearer abcdef.1234567890", x_key=KEY),
        error(400, location="http://a.example/b?token=opensesame", x_echo="data:image/png;base64," + PICTURE),
        Said(GOOD),
    ]
    log = tmp_path / "log"
    async with standing_in(*answers) as provider:
        variables = clean_environment(environment(provider, home, MCP_IMAGEGEN_LOG_LEVEL="DEBUG"))
        process = StdioServerParameters(command=sys.executable, args=["-m", "mcp_imagegen"], env=variables)
        with log.open("w") as stderr:
            async with Client(stdio_client(process, errlog=stderr)) as client:
                said = [await refusal(client, "generate_image", **ASK) for _ in answers[:-1]]
                await call(client, "generate_image", **ASK)
        assert len(provider.seen) == len(answers)
    written = log.read_text()
    assert " DEBUG " in written
    assert "elsewhere.example" not in written
    for secret in ("hunter2222", "sk-in-the-path", "abcdef.1234567890", KEY, "opensesame", PICTURE[:40]):
        assert secret not in written
        assert secret not in "\n".join(said)


@pytest.mark.parametrize("history", ["image", "full"])
async def test_with_store_off_nothing_is_kept_upstream_and_threads_go_on_from_saved_images(
    home: Path, history: str
) -> None:
    pictures = [picture(size=(64 + step, 48)) for step in range(3)]
    first, *later = pictures
    answers = [Said({**GOOD, "data": [{"b64_json": b64(first)}]})]
    answers += [Said(response(image_call(data, f"ig_{n}"), id=f"resp_{n}")) for n, data in enumerate(later)]
    async with standing_in(*answers) as provider:
        async with client_of(environment(provider, home, MCP_IMAGEGEN_STORE="off")) as client:
            thread = (await call(client, "generate_image", **ASK))["thread_id"]
            for _ in later:
                await call(client, "continue_image_thread", thread_id=thread, history=history, **MORE)
        continued = [body for path, body in provider.seen if path == "POST /v1/responses"]
    assert [body["store"] for body in continued] == [False, False]
    for body, start in zip(continued, pictures, strict=False):
        (turn,) = body["input"]
        assert turn["content"][1] == {"type": "input_image", "image_url": f"data:image/png;base64,{b64(start)}"}
        assert "previous_response_id" not in body
        assert "ig_" not in json.dumps(turn["content"][0])


async def test_with_store_on_the_next_turn_refers_to_the_image_by_its_id(home: Path) -> None:
    answers = [Said(GOOD), Said(response(image_call(picture(), "ig_7"), id="resp_7"))]
    async with standing_in(*answers) as provider:
        async with client_of(environment(provider, home)) as client:
            thread = (await call(client, "generate_image", **ASK))["thread_id"]
            for _ in range(2):
                await call(client, "continue_image_thread", thread_id=thread, **MORE)
        body = provider.seen[-1][1]
    assert body["store"] is True
    assert body["input"][0] == {"type": "image_generation_call", "id": "ig_7"}
    assert [part["type"] for part in body["input"][1]["content"]] == ["input_text"]


async def test_ten_previews_stay_far_below_what_clients_refuse(home: Path) -> None:
    """Noise is the worst that can be compressed: at full quality each of these previews would take some 400 kB."""
    noise = encoded(Image.frombytes("L", (1024, 768), os.urandom(1024 * 768)), compress_level=0)
    answer = Said({"created": 1, "data": [{"b64_json": b64(noise)}] * 10})
    async with (
        standing_in(answer) as provider,
        client_of(environment(provider, home, MCP_IMAGEGEN_PREVIEW_EDGE="1024")) as client,
    ):
        result = await client.call_tool("generate_image", {**ASK, "n": 10})
    previews = [base64.b64decode(block.data) for block in result.content if isinstance(block, ImageContent)]
    assert len([block for block in result.content if isinstance(block, ResourceLink)]) == 10
    assert len(previews) == 10
    assert sum(map(len, previews)) < 500_000
    assert len(result.model_dump_json()) < 1_000_000


async def test_the_ids_of_every_responses_turn_are_recorded(home: Path) -> None:
    """They are what a thread is continued by, also after a turn that made no picture."""
    made, streamed, failed = image_call(picture(), "ig_1"), image_call(picture(), "ig_2"), image_call(None, "ig_4")
    stream = [
        {"type": "response.created", "response": response(id="resp_2", status="in_progress")},
        call_frame(picture(), 0, "ig_2"),
        item_done(streamed),
        {"type": "response.completed", "response": response(streamed, id="resp_2")},
    ]
    answers = [
        Said(response(made, id="resp_1")),
        Said(b"".join(sse(*stream)), headers={"content-type": "text/event-stream"}),
        Said(response(message("Which mill?"), id="resp_3")),
        Said(response(failed, id="resp_4")),
        Said(response(image_call(picture(), "ig_5"), id="resp_5")),
    ]
    async with (
        standing_in(*answers) as provider,
        client_of(environment(provider, home, MCP_IMAGEGEN_API="responses")) as client,
    ):
        thread = (await call(client, "generate_image", **ASK))["thread_id"]
        for arguments in ({"partial_images": 1}, {}, {}, {}):
            await client.call_tool("continue_image_thread", {"thread_id": thread, **MORE, **arguments})
    turns = rows(home, "SELECT number, status, response_id FROM turns ORDER BY number")
    images = rows(home, "SELECT turn, call_id FROM images WHERE role = 'final' ORDER BY turn")
    assert [turn["status"] for turn in turns] == ["completed", "completed", "text_only", "failed", "completed"]
    assert [turn["response_id"] for turn in turns] == ["resp_1", "resp_2", "resp_3", "resp_4", "resp_5"]
    assert [(image["turn"], image["call_id"]) for image in images] == [(1, "ig_1"), (2, "ig_2"), (5, "ig_5")]
