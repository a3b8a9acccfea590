"""The same call made again, after its caller went away, gets what the first one makes: one request, one payment."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import DOORS, Era, Transport, call, client_of, text_of
from mcp import Client
from stand_in import error, standing_in
from state_file import busy, execute, rows, turns, until

from mcp_imagegen.database.engine import Database
from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
ONE = ["POST /v1/images/generations"]
SEEING = [door for door in DOORS if door != ("http", "legacy")]  # that transport hides it when a caller goes away


async def begun(client: Client, ask: dict[str, Any] = ASK) -> "asyncio.Task[Any]":
    """A call that waits for its image."""
    rendering = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message and message.startswith("rendering"):
            rendering.set()

    calling = asyncio.create_task(client.call_tool("generate_image", ask, progress_callback=on_progress))
    await rendering.wait()
    return calling


@contextmanager
def refusing(environment: dict[str, str]) -> Iterator[None]:
    """While it cannot be recorded that nobody waits."""
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    refuse = "BEFORE UPDATE OF abandoned_at ON turns BEGIN SELECT RAISE(ABORT, 'no room'); END"
    execute(home, f"CREATE TRIGGER full {refuse}")
    yield
    execute(home, "DROP TRIGGER full")


async def left(client: Client, upstream: Upstream) -> None:
    """A call whose caller cancels it while its image is drawn."""
    upstream.open.clear()
    calling = await begun(client)
    await upstream.drew.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


@pytest.mark.parametrize(("transport", "era"), SEEING)
async def test_the_same_call_joins_the_one_whose_caller_cancelled(
    environment: dict[str, str], upstream: Upstream, transport: Transport, era: Era
) -> None:
    async with client_of(environment, transport, era) as client:
        await left(client, upstream)
        again = await begun(client)
        upstream.open.set()
        answer = await again
    facts = answer.structured_content or {}
    assert upstream.seen == ONE
    assert facts["status"] == "completed"
    assert facts["reused"]
    assert "nothing more was paid" in facts["warnings"][0]


async def test_the_same_call_collects_what_its_handed_over_first_made(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
        upstream.open.clear()
        handed = await call(client, "generate_image", **ASK)
        joined = await call(client, "generate_image", **ASK)
        upstream.open.set()
        await finished(client, handed["thread_id"], upstream)
    async with client_of(environment) as client:  # after a restart too
        again = await call(client, "generate_image", **ASK)
    assert [handed["status"], again["status"]] == ["in_progress", "completed"]
    assert [handed["reused"], joined["reused"], again["reused"]] == [False, True, True]
    assert "was already running" in joined["warnings"][0]  # there is no image yet to call again for another of
    assert "do not call again" in joined["warnings"][1]
    assert "Call again for another image" in again["warnings"][0]
    assert again["thread_id"] == handed["thread_id"]
    assert upstream.seen == ONE


async def finished(client: Client, thread_id: str, upstream: Upstream) -> None:
    """Wait for a thread's turns to end, without being given what they made."""
    async with asyncio.timeout(60):
        while True:
            threads = (await call(client, "get_image_thread"))["threads"]
            if threads[0]["images"] and threads[0]["cost_usd"]:
                return


async def test_two_callers_that_wait_get_two_pictures(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(environment) as client:
        upstream.open.clear()
        first, second = await begun(client), await begun(client)
        upstream.open.set()
        answers = [(await calling).structured_content or {} for calling in (first, second)]
    assert upstream.seen == ONE * 2
    assert answers[0]["thread_id"] != answers[1]["thread_id"]
    assert not any(answer["reused"] for answer in answers)


async def test_of_two_same_calls_only_one_joins_a_call_left_alone(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        both = [await begun(client), await begun(client)]
        upstream.open.set()
        answers = [(await calling).structured_content or {} for calling in both]
    assert upstream.seen == ONE * 2
    assert sorted(answer["reused"] for answer in answers) == [False, True]


async def test_after_a_delivered_answer_the_same_call_is_a_new_one(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        first, second = await call(client, "generate_image", **ASK), await call(client, "generate_image", **ASK)
    assert upstream.seen == ONE * 2
    assert first["thread_id"] != second["thread_id"]


async def test_what_was_collected_by_thread_is_not_delivered_again(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        upstream.open.set()
        thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
        collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        again = await call(client, "generate_image", **ASK)
    assert collected["result"]["status"] == "completed"
    assert not again["reused"]
    assert upstream.seen == ONE * 2


async def test_who_left_while_the_database_was_busy_is_known_to_be_gone_when_the_server_ends(
    environment: dict[str, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(Database.__init__.__kwdefaults__ or {}, "busy_s", 0.05)
    upstream.open.clear()
    async with client_of(environment) as client:
        calling = await begun(client)
        await upstream.drew.wait()
        with busy(environment):
            calling.cancel()
            await until(lambda: "it was not noted that nobody waits" in caplog.text)
        assert turns(environment)[0]["abandoned_at"] is None
        upstream.open.set()
    async with client_of(environment) as client:
        again = await call(client, "generate_image", **ASK)
    assert again["reused"]
    assert upstream.seen == ONE


async def test_who_left_while_it_could_not_be_noted_is_known_to_be_gone_when_the_same_call_comes(
    environment: dict[str, str], upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.open.clear()
    async with client_of(environment) as client:
        calling = await begun(client)
        await upstream.drew.wait()
        with refusing(environment):
            calling.cancel()
            await until(lambda: "it was not noted that nobody waits" in caplog.text)
        upstream.open.set()
        again = await call(client, "generate_image", **ASK)
    assert again["reused"]
    assert upstream.seen == ONE


async def test_who_left_with_a_server_that_could_not_note_it_is_seen_to_be_gone_by_the_next(
    environment: dict[str, str], upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """The server ends in order, and so does all that it worked on: its lock shows that nobody waits in it."""

    async def draw_when_it_ends() -> None:
        await until(lambda: "it was not noted that nobody waits any more" in caplog.text)
        upstream.open.set()

    upstream.open.clear()
    with ExitStack() as stack:
        async with client_of(environment) as client:
            calling = await begun(client)
            await upstream.drew.wait()
            stack.enter_context(refusing(environment))
            calling.cancel()
            await until(lambda: "it was not noted that nobody waits for" in caplog.text)
            ending = asyncio.create_task(draw_when_it_ends())
        await ending
    assert [(turn["status"], turn["abandoned_at"]) for turn in turns(environment)] == [("completed", None)]
    async with client_of(environment) as client:
        again = await call(client, "generate_image", **ASK)
    assert again["reused"]
    assert upstream.seen == ONE


@pytest.mark.parametrize("change", [{"prompt": "a mill."}, {"quality": "medium"}, {"n": 2}])
async def test_another_call_joins_nothing(
    environment: dict[str, str], upstream: Upstream, change: dict[str, Any]
) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        upstream.open.set()
        other = await call(client, "generate_image", **{**ASK, **change})
    assert not other["reused"]
    assert upstream.seen == ONE * 2


@pytest.mark.parametrize(("minutes", "reused"), [(9, True), (11, False)])
async def test_what_a_call_left_alone_made_is_kept_for_ten_minutes(
    environment: dict[str, str], upstream: Upstream, minutes: int, reused: bool
) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        upstream.open.set()
        await finished(client, "", upstream)
    now = lambda: datetime.now(UTC) + timedelta(minutes=minutes)  # noqa: E731 - a clock that is ahead
    async with Client(ImagegenServer(from_environment(environment), local=True, now=now)) as client:
        again = await call(client, "generate_image", **ASK)
    assert again["reused"] == reused
    assert len(upstream.seen) == (1 if reused else 2)


async def test_a_cancelled_call_that_failed_is_not_handed_out(environment: dict[str, str], upstream: Upstream) -> None:
    ask = {**ASK, "prompt": "sandbox:moderation a mill"}
    async with client_of(environment) as client:
        upstream.open.clear()
        calling = await begun(client, ask)
        await upstream.drew.wait()
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        upstream.open.set()
        thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
        collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        again = await client.call_tool("generate_image", ask)
    assert collected["result"]["status"] == "failed"
    assert text_of(again).startswith("moderation_blocked")
    assert upstream.seen == ONE * 2


async def test_where_the_transport_hides_that_a_caller_left_its_image_is_collected_by_thread(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment, "http", "legacy") as client:
        upstream.open.clear()
        calling = await begun(client)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        upstream.open.set()
        thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
        collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
    assert collected["result"]["status"] == "completed"
    assert upstream.seen == ONE


async def test_a_call_that_is_to_be_aborted_closes_its_request(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_ON_CANCEL": "abort"}) as client:
        await left(client, upstream)
        thread_id = (await call(client, "get_image_thread"))["threads"][0]["thread_id"]
        collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        upstream.open.set()
        again = await call(client, "generate_image", **ASK)
    assert [collected["result"]["status"], collected["result"]["error"]["code"]] == ["cancelled", "cancelled"]
    assert collected["result"]["error"]["may_be_billed"]
    assert collected["result"]["images"] == []
    assert not again["reused"]
    assert upstream.seen == ONE * 2


async def test_a_call_whose_picture_was_deleted_meanwhile_makes_it_again(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        upstream.open.set()
        await finished(client, "", upstream)
        [file] = (Path(environment["MCP_IMAGEGEN_HOME"]) / "images").rglob("*.png")
        file.unlink()
        again = await call(client, "generate_image", **ASK)
    assert [again["status"], again["reused"]] == ["completed", False]
    assert upstream.seen == ONE * 2


async def test_the_same_call_of_somebody_else_joins_nothing(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(environment) as client:
        await left(client, upstream)
        state = Path(
            environment["MCP_IMAGEGEN_HOME"]
        )  # written in a thread: the server of this loop may be writing too
        await asyncio.to_thread(execute, state, "UPDATE threads SET owner = 'somebody else'")
        upstream.open.set()
        other = await call(client, "generate_image", **ASK)
    assert not other["reused"]
    assert upstream.seen == ONE * 2


async def test_a_response_in_the_background_is_cancelled_at_the_provider(environment: dict[str, str]) -> None:
    drawing, never = asyncio.Event(), asyncio.Event()

    async def before_drawing(_: str) -> None:
        drawing.set()
        await never.wait()

    sandbox = Sandbox(before_drawing=before_drawing)
    async with running(sandbox.app) as url:
        there = {"OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_ON_CANCEL": "abort"}
        async with client_of({**environment, **there}) as client:
            calling = await begun(client)
            await drawing.wait()
            await until(lambda: turns(environment)[0]["response_id"] is not None)
            calling.cancel()
            thread_id = turns(environment)[0]["thread_id"]
            collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        asked = [f"{one.method} {one.path}" for one in sandbox.requests if one.method == "POST"]
    response_id = turns(environment)[0]["response_id"]
    assert collected["result"]["status"] == "cancelled"
    assert asked == ["POST /v1/responses", f"POST /v1/responses/{response_id}/cancel"]


async def test_a_call_that_is_aborted_while_it_waits_to_be_sent_again_cost_nothing(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message and "trying again" in message:
            waiting.set()

    async with standing_in(error(429, "rate_limit_exceeded", retry_after="100")) as provider:
        environment = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_ON_CANCEL="abort"
        )
        async with client_of(environment, "stdio") as client:
            calling = asyncio.create_task(client.call_tool("generate_image", ASK, progress_callback=on_progress))
            await waiting.wait()
            calling.cancel()
            thread_id = turns(environment)[0]["thread_id"]
            collected = await call(client, "get_image_thread", thread_id=thread_id, wait=True)
        assert len(provider.seen) == 1
    assert collected["result"]["status"] == "cancelled"
    assert not collected["result"]["error"]["may_be_billed"]
    assert [row["status"] for row in rows(tmp_path, "SELECT status FROM ledger_entries")] == ["released"]
