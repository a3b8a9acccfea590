"""Two servers on one home folder with different settings: what the provider keeps for one account, another one cannot
ask for, and so leaves it to a server that can."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY
from doors import call, client_of
from mcp import Client
from openai_bodies import image_call, response
from stand_in import picture
from state_file import execute, turns, until

from mcp_imagegen.openai_api.spool import About
from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
AT_ONCE = {"MCP_IMAGEGEN_MAX_WAIT_S": "0.05", "MCP_IMAGEGEN_DRAIN_S": "0"}
OTHERS = {
    "key": {"OPENAI_API_KEY": "sk-of-another-organization"},
    "organization": {"OPENAI_ORG_ID": "org-2"},
    "project": {"OPENAI_PROJECT_ID": "proj_2"},
    "address": {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
    "provider": {"MCP_IMAGEGEN_PROVIDER": "compatible"},
}


@dataclass
class Left:
    """A turn whose server has ended, and whose answer the provider makes in the background."""

    environment: dict[str, str]
    thread_id: str
    sandbox: Sandbox
    drawing: asyncio.Event

    @property
    def questions(self) -> int:
        """How often the provider was asked for the response."""
        return sum(one.path.startswith("/v1/responses/resp_") for one in self.sandbox.requests)

    async def status(self, client: Client, **more: Any) -> str:
        thread = (await call(client, "get_image_thread", thread_id=self.thread_id, **more))["thread"]
        return str(thread["turns"][0]["status"])


@pytest.fixture
async def left(environment: dict[str, str]) -> AsyncIterator[Left]:
    drawing = asyncio.Event()

    async def before_drawing(_: str) -> None:
        await drawing.wait()

    sandbox = Sandbox(before_drawing=before_drawing)  # to which each key is an organization of its own
    async with running(sandbox.app) as url:
        given = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_DRAIN_S": "0"}
        async with client_of({**given, **AT_ONCE}) as client:
            handed = await call(client, "generate_image", **ASK)
            await until(lambda: turns(environment)[0]["response_id"] is not None)
        sandbox.requests.clear()
        yield Left(given, handed["thread_id"], sandbox, drawing)
        drawing.set()


@pytest.mark.parametrize("other", OTHERS)
async def test_an_answer_is_left_to_a_server_with_the_settings_it_was_asked_for_with(left: Left, other: str) -> None:
    """Also while the other one lives, and looks again and again."""
    async with client_of({**left.environment, **AT_ONCE, **OTHERS[other]}) as another:
        before = [await left.status(another)]
        await until(lambda: turns(left.environment)[0]["owner_process"] == "nobody")
        let_go = turns(left.environment)[0]["lease_until"]
        before += [await left.status(another, wait=True)]
        kept_off = turns(left.environment)[0]["lease_until"] == let_go
        questions = left.questions
        left.drawing.set()
        async with client_of(left.environment) as client:
            fetched = await left.status(client, wait=True)
        after = await left.status(another)
    assert (before, questions, kept_off) == (["in_progress"] * 2, 0, True)
    assert [fetched, after] == ["completed"] * 2


async def test_after_a_day_it_is_lost_and_says_why(left: Left) -> None:
    another = from_environment({**left.environment, **OTHERS["key"]})
    passed = timedelta()
    async with Client(ImagegenServer(another, local=True, now=lambda: datetime.now(UTC) + passed)) as client:
        before = await left.status(client)
        passed = timedelta(days=1.1)
        answer = await call(client, "get_image_thread", thread_id=left.thread_id, wait=True)
    told = answer["result"]["error"]
    assert [before, answer["result"]["status"], left.questions] == ["in_progress", "lost", 0]
    assert "could not be asked for with these settings" in told["sentence"]
    assert told["may_be_billed"]
    assert answer["result"]["cost"]["basis"] == "estimated"


async def test_the_same_call_with_other_settings_does_not_wait_for_it(left: Left) -> None:
    left.drawing.set()
    async with client_of({**left.environment, **OTHERS["key"]}) as client:
        again = await call(client, "generate_image", **ASK)
    assert [again["status"], again["reused"]] == ["completed", False]


async def test_what_is_on_disk_of_it_is_anybodys(left: Left) -> None:
    """The answer had arrived, and its server was killed before it recorded it."""
    about = About("responses", 1, streamed=False, origin="http://x", endpoint="POST /responses", request_id=None)
    said = response(image_call(picture()), id=turns(left.environment)[0]["response_id"])
    copy = Path(left.environment["MCP_IMAGEGEN_HOME"]) / "answers" / f"{left.thread_id}-001.9"
    copy.write_bytes(json.dumps(asdict(about)).encode() + b"\n" + json.dumps(said).encode())
    async with client_of({**left.environment, **OTHERS["key"]}) as client:
        assert await left.status(client) == "completed"
    assert left.questions == 0


async def test_a_turn_of_an_earlier_release_may_be_anybodys(left: Left) -> None:
    execute(Path(left.environment["MCP_IMAGEGEN_HOME"]), "UPDATE turns SET account = NULL")
    left.drawing.set()
    async with client_of({**left.environment, **OTHERS["project"]}) as client:
        assert await left.status(client, wait=True) == "completed"


async def test_what_is_kept_of_the_settings_does_not_tell_them(left: Left) -> None:
    """And what means the same is the same."""
    alike = {**left.environment, "OPENAI_BASE_URL": left.environment["OPENAI_BASE_URL"] + "/", "OPENAI_ORG_ID": " "}
    left.drawing.set()
    async with client_of(alike) as client:
        await call(client, "generate_image", **{**ASK, "prompt": "a cat"})
    accounts = [turn["account"] for turn in turns(left.environment)]
    assert len(accounts) == 2
    assert len(set(accounts)) == 1
    assert re.fullmatch("[0-9a-f]{16}", accounts[0])
    files = Path(left.environment["MCP_IMAGEGEN_HOME"]).rglob("*")
    assert not any(KEY.encode() in file.read_bytes() for file in files if file.is_file())


async def test_what_the_sandbox_inside_a_server_had_begun_is_lost_with_it(tmp_path: Path) -> None:
    inside = {"MCP_IMAGEGEN_HOME": str(tmp_path), "MCP_IMAGEGEN_API": "responses"}
    async with client_of({**inside, **AT_ONCE}) as client:
        handed = await call(client, "generate_image", **{**ASK, "prompt": "a mill, sandbox:slow"})
        await until(lambda: turns(inside)[0]["response_id"] is not None)
    async with client_of(inside) as client:
        answer = await call(client, "get_image_thread", thread_id=handed["thread_id"], wait=True)
    assert answer["result"]["status"] == "lost"
