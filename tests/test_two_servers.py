"""Two servers on one home folder, as with two editors open: both work, and neither loses or doubles anything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, text_of
from mcp import Client
from state_file import execute, rows, turns, until
from test_joining import ASK, ONE, begun, refusing
from test_progress import Clock
from test_stdio import MOUNTAIN, begin_a_slow_call, hand_over, kill, raw

CALLS = 6  # of each server


async def test_two_servers_work_on_one_home_and_on_one_thread(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(environment, "stdio") as one, client_of(environment, "stdio", "legacy") as other:
        first = await call(one, "generate_image", **ASK)
        thread_id = first["thread_id"]
        branches = [
            call(client, "continue_image_thread", thread_id=thread_id, prompt=f"{name} {number}", quality="low",
                 from_image=first["images"][0]["image_id"])
            for number in range(CALLS)
            for name, client in (("one", one), ("other", other))
        ]  # fmt: skip
        answers = await asyncio.gather(*branches)
        trees = [(await call(client, "get_image_thread", thread_id=thread_id))["thread"] for client in (one, other)]
    assert trees[0] == trees[1]
    assert sorted(answer["turn"] for answer in answers) == list(range(2, 2 * CALLS + 2))
    assert [turn["status"] for turn in trees[0]["turns"]] == ["completed"] * (2 * CALLS + 1)
    assert len(upstream.seen) == 2 * CALLS + 1
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    files = {str(path.relative_to(home / "images")) for path in (home / "images").rglob("*.png")}
    assert files == {row["key"] for row in rows(home, "SELECT key FROM images")}
    entries = rows(home, "SELECT status, count(*) AS entries FROM ledger_entries GROUP BY status")
    assert entries == [{"status": "settled", "entries": 2 * CALLS + 1}]


async def test_a_call_that_runs_in_one_server_is_waited_for_in_the_other(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment, "stdio") as one, client_of(environment) as other:
        upstream.open.clear()
        calling = await begun(one)
        await upstream.drew.wait()
        thread_id = (await call(other, "get_image_thread"))["threads"][0]["thread_id"]
        told = asyncio.Event()

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            told.set()

        waiting = asyncio.create_task(
            other.call_tool("get_image_thread", {"thread_id": thread_id, "wait": True}, progress_callback=on_progress)
        )
        await told.wait()
        upstream.open.set()
        collected = (await waiting).structured_content or {}
        answer = (await calling).structured_content or {}
    assert collected["result"]["status"] == "completed"
    assert collected["result"]["images"] == answer["images"]
    assert len(upstream.seen) == 1


async def test_a_call_left_alone_in_one_server_is_joined_in_the_other(
    environment: dict[str, str], upstream: Upstream
) -> None:
    short = {**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
    async with client_of(short, "stdio") as one, client_of(environment) as other:
        upstream.open.clear()
        handed = await call(one, "generate_image", **ASK)
        joining = await begun(other)
        upstream.open.set()
        answer = (await joining).structured_content or {}
    assert [handed["status"], answer["status"], answer["reused"]] == ["in_progress", "completed", True]
    assert answer["thread_id"] == handed["thread_id"]
    assert len(upstream.seen) == 1


async def elsewhere(client: Client, tool: str, **arguments: Any) -> "asyncio.Task[Any]":
    """A call that waits for a turn of another server."""
    heard = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message == "rendering in another process":
            heard.set()

    calling = asyncio.create_task(client.call_tool(tool, arguments, progress_callback=on_progress))
    async with asyncio.timeout(60):
        await heard.wait()
    return calling


async def test_who_waits_for_a_turn_learns_at_once_that_its_server_died(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.open.clear()
    patient = {**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "3600"}
    async with raw(environment) as one, client_of(patient) as other:
        await one.start()
        await begin_a_slow_call(one)
        await upstream.drew.wait()
        waiting = await elsewhere(other, "get_image_thread", thread_id=turns(environment)[0]["thread_id"], wait=True)
        await kill(one)
        async with asyncio.timeout(60):
            answer = (await waiting).structured_content or {}
    assert answer["result"]["status"] == "lost"
    assert answer["result"]["error"]["may_be_billed"]


async def test_who_joined_a_call_learns_at_once_that_its_server_died(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.open.clear()
    patient = {**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "3600"}
    async with raw({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as one, client_of(patient) as other:
        await one.start()
        await hand_over(one)
        await upstream.drew.wait()
        joining = await elsewhere(other, "generate_image", **MOUNTAIN)
        await kill(one)
        async with asyncio.timeout(60):
            text = text_of(await joining)
    assert text.startswith("upstream_timeout: ")
    assert "may have been billed" in text
    assert upstream.seen == ONE


async def test_what_a_killed_server_had_joined_is_joined_again(environment: dict[str, str], upstream: Upstream) -> None:
    upstream.open.clear()
    async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as one, raw(environment) as two:
        handed = await call(one, "generate_image", **MOUNTAIN)
        await two.start()
        await begin_a_slow_call(two)
        assert turns(environment)[0]["abandoned_at"] is None
        await kill(two)
        upstream.open.set()
        again = await call(one, "generate_image", **MOUNTAIN)
        while again["status"] == "in_progress":
            again = await call(one, "generate_image", **MOUNTAIN)
        after = await call(one, "get_image_thread")
    assert [again["thread_id"], again["reused"]] == [handed["thread_id"], True]
    assert upstream.seen == ONE
    assert len(after["threads"]) == 1


@pytest.mark.parametrize("given", [False, True])
async def test_what_a_killed_server_had_made_is_collected_unless_it_was_given(
    environment: dict[str, str], upstream: Upstream, given: bool
) -> None:
    async with raw(environment) as one:
        await one.start()
        name = {"name": "generate_image", "arguments": MOUNTAIN}
        await one.answer(await one.send("tools/call", name))
        await kill(one)
    if not given:  # as if it had been killed a moment earlier
        execute(Path(environment["MCP_IMAGEGEN_HOME"]), "UPDATE turns SET waiter = owner_process")
    async with client_of(environment) as other:
        again = await call(other, "generate_image", **MOUNTAIN)
        once_more = await call(other, "generate_image", **MOUNTAIN)
    assert [again["reused"], once_more["reused"]] == [not given, False]


async def test_who_waited_in_a_killed_server_is_known_to_be_gone_also_when_that_could_not_be_noted_at_first(
    environment: dict[str, str], upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    async with raw(environment) as one:
        await one.start()
        await one.answer(await one.send("tools/call", {"name": "generate_image", "arguments": MOUNTAIN}))
        await kill(one)
    execute(Path(environment["MCP_IMAGEGEN_HOME"]), "UPDATE turns SET waiter = owner_process")
    async with client_of(environment) as other:
        with refusing(environment):
            await call(other, "get_image_thread")
            assert "it was not noted whose callers are gone" in caplog.text
        again = await call(other, "generate_image", **MOUNTAIN)
    assert again["reused"]
    assert upstream.seen == ONE


@asynccontextmanager
async def joined_and_then_aborted(environment: dict[str, str], upstream: Upstream) -> AsyncIterator[list[Client]]:
    """The clients of two servers: a call of the first was joined in the other, by who then wanted it aborted."""
    upstream.open.clear()
    short, aborting = {**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}, {"MCP_IMAGEGEN_ON_CANCEL": "abort"}
    async with client_of(short) as one, client_of({**environment, **aborting}) as other:
        await call(one, "generate_image", **ASK)
        joining = await elsewhere(other, "generate_image", **ASK)
        joining.cancel()
        await until(lambda: turns(environment)[0]["abandoned_at"] is not None)
        yield [one, other]


async def test_a_joined_call_is_aborted_in_the_server_that_works_on_it(
    environment: dict[str, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with joined_and_then_aborted(environment, upstream) as (one, _):
        await clock.forward(5, lambda: turns(environment)[0]["status"])
        collected = await call(one, "get_image_thread", thread_id=turns(environment)[0]["thread_id"])
        upstream.open.set()
    assert [turn["status"] for turn in collected["thread"]["turns"]] == ["cancelled"]
    assert upstream.seen == ONE


async def test_a_call_that_is_to_be_aborted_is_kept_for_who_joins_it_before_its_server_knows(
    environment: dict[str, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    async with joined_and_then_aborted(environment, upstream) as (_, other):
        again = await elsewhere(other, "generate_image", **ASK)
        before = turns(environment)[0]["lease_until"]
        await clock.forward(5, lambda: turns(environment)[0]["lease_until"])
        renewed = turns(environment)[0]["lease_until"] > before
        upstream.open.set()
        await clock.forward(1, again.done)
        facts = (await again).structured_content or {}
    assert renewed
    assert [facts["status"], facts["reused"]] == ["completed", True]
    assert upstream.seen == ONE
