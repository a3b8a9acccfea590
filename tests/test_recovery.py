"""A server that was killed: its turns are settled when the state is next used, with all that is on disk of them."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY, Upstream
from doors import call, client_of
from mcp import Client
from openai_bodies import error, sse
from spend_support import run
from stand_in import GOOD
from state_file import busy, execute, rows, turns, until
from test_joining import ASK, begun
from test_stdio import begin_a_slow_call, kill, raw

from mcp_imagegen.openai_api.spool import About
from mcp_imagegen.pipeline import recovery
from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
from mcp_imagegen.threads import leases

MOUNTAIN = {"prompt": "a mountain", "size": "1024x640"}
TURN = "SELECT * FROM turns"
ANOTHER_MACHINE = "UPDATE turns SET owner_process = 'elsewhere:1:0123456789abcdef'"


@pytest.fixture(scope="module")
def left_by_a_killed_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of a server that was killed in the middle of a call."""
    left = tmp_path_factory.mktemp("killed")

    async def leave() -> None:
        async with running(Sandbox(seconds_per_image=3_600).app) as url:
            at = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_PROVIDER": "openai"}
            async with raw({**at, "MCP_IMAGEGEN_HOME": str(left)}) as client:
                await client.start()
                await begin_a_slow_call(client)
                await kill(client)

    asyncio.run(leave())
    return left


@pytest.fixture
async def killed(environment: dict[str, str], left_by_a_killed_server: Path) -> AsyncIterator[dict[str, str]]:
    """The environment of a server that was killed in the middle of a call."""
    shutil.copytree(left_by_a_killed_server, environment["MCP_IMAGEGEN_HOME"])
    async with running(Sandbox(seconds_per_image=3_600).app) as url:
        yield {**environment, "OPENAI_BASE_URL": url}


async def never(_: str) -> None:
    """A drawing that does not begin."""
    await asyncio.Event().wait()


def until_set(drawing: asyncio.Event) -> Callable[[str], Awaitable[None]]:
    """A drawing that begins when this event is set."""

    async def before_drawing(_: str) -> None:
        await drawing.wait()

    return before_drawing


async def leave_in_the_background(environment: dict[str, str]) -> None:
    """A server that is killed when it knows under which id its call will be answered."""
    async with raw(environment) as dead:
        await dead.start()
        await begin_a_slow_call(dead)
        await until(lambda: turns(environment)[0]["response_id"] is not None)
        await kill(dead)


def home(environment: dict[str, str]) -> Path:
    return Path(environment["MCP_IMAGEGEN_HOME"])


async def looked_at(environment: dict[str, str]) -> dict[str, Any]:
    """The one thread there is, as the next server shows it."""
    async with client_of(environment) as client:
        threads = (await call(client, "get_image_thread"))["threads"]
        return await call(client, "get_image_thread", thread_id=threads[0]["thread_id"], wait=True)


async def test_a_turn_of_a_killed_server_is_lost_at_once(killed: dict[str, str]) -> None:
    answer = await looked_at(killed)
    turn = answer["thread"]["turns"][0]
    assert [turn["status"], answer["result"]["status"]] == ["lost", "lost"]
    assert turn["error"]["may_be_billed"]
    assert answer["result"]["cost"]["basis"] == "estimated"
    assert answer["result"]["cost"]["usd"] == answer["result"]["cost"]["estimate_usd"] > 0
    (entry,) = rows(home(killed), "SELECT status, basis, ending, reason FROM ledger_entries")
    assert [entry["status"], entry["basis"], entry["ending"]] == ["settled", "estimated", "lost"]
    assert entry["reason"].startswith("upstream_timeout: ")
    assert list((home(killed) / "processes").iterdir()) == []


async def test_what_was_let_go_of_is_taken_up_whatever_the_clock_was_that_let_it_go(killed: dict[str, str]) -> None:
    execute(home(killed), f"UPDATE turns SET owner_process = '{leases.NOBODY}', lease_until = {4 * 10**15}")
    assert (await looked_at(killed))["thread"]["turns"][0]["status"] == "lost"


async def test_copied_answers_of_a_turn_that_another_database_knows_stay(killed: dict[str, str]) -> None:
    """The database was removed, say, and may be put back."""
    known, unknown = (home(killed) / "answers" / f"thr_{letter * 32}-001.0" for letter in "ab")
    for file in (known, unknown):
        file.write_bytes(b"the beginning of an answer")
    thread = rows(home(killed), "SELECT thread_id FROM threads")[0]["thread_id"]
    execute(home(killed), f"UPDATE ledger_entries SET thread_id = 'thr_{'a' * 32}' WHERE thread_id = '{thread}'")
    await looked_at(killed)
    assert [path for path in (known, unknown) if path.exists()] == [unknown]


async def test_what_a_dead_server_left_is_shown_while_it_cannot_be_settled(killed: dict[str, str]) -> None:
    execute(home(killed), "CREATE TRIGGER full BEFORE UPDATE ON turns BEGIN SELECT RAISE(ABORT, 'no room'); END")
    async with client_of(killed) as client:
        threads = (await call(client, "get_image_thread"))["threads"]
        seen = await call(client, "get_image_thread", thread_id=threads[0]["thread_id"])
        execute(home(killed), "DROP TRIGGER full")
        after = await call(client, "get_image_thread", thread_id=threads[0]["thread_id"])
    assert [answer["thread"]["turns"][0]["status"] for answer in (seen, after)] == ["in_progress", "lost"]


async def test_a_turn_whose_answer_refuses_the_input_has_failed_and_cost_nothing(killed: dict[str, str]) -> None:
    """The answer had arrived, and the server was killed before it recorded what the answer said."""
    [turn] = rows(home(killed), TURN)
    about = About("image", 1, streamed=True, origin="http://stand-in", endpoint="POST /images/edits", request_id=None)
    said = sse({"type": "error", **error("Invalid image data.", "invalid_image_file", param="image[0]")})
    copy = home(killed) / "answers" / f"{turn['thread_id']}-{turn['number']:03d}.0"
    copy.write_bytes(b"\n".join([json.dumps(asdict(about)).encode(), *said]))
    answer = await looked_at(killed)
    assert answer["result"]["status"] == answer["thread"]["turns"][0]["status"] == "failed"
    assert answer["thread"]["turns"][0]["error"]["code"] == "input_rejected"
    assert not answer["thread"]["turns"][0]["error"]["may_be_billed"]
    assert [row["status"] for row in rows(home(killed), "SELECT status FROM ledger_entries")] == ["released"]
    assert not copy.exists()


@pytest.mark.parametrize("by", ["itself", "another"])
async def test_a_turn_that_could_not_be_settled_for_want_of_room_is_settled_when_there_is_room(
    killed: dict[str, str], monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """At once: by the server that tried it, also where that could not be recorded, or by another."""
    if by == "itself":
        refuse = "BEGIN SELECT RAISE(ABORT, 'no room'); END"
        execute(home(killed), f"CREATE TRIGGER full BEFORE UPDATE ON turns WHEN NEW.owner_process = 'nobody' {refuse}")
    [turn] = rows(home(killed), TURN)
    about = About("image", 1, streamed=False, origin="http://stand-in", endpoint="POST /images", request_id=None)
    copy = home(killed) / "answers" / f"{turn['thread_id']}-{turn['number']:03d}.0"
    copy.write_bytes(json.dumps(asdict(about)).encode() + b"\n" + json.dumps(GOOD).encode())
    shutil.rmtree(home(killed) / "images")
    (home(killed) / "images").write_text("no folder any more")
    monkeypatch.setattr(tempfile, "tempdir", str(home(killed) / "gone"))
    async with client_of(killed) as client, client_of(killed) as other:
        seen = await call(client, "get_image_thread", thread_id=turn["thread_id"])
        (home(killed) / "images").unlink()
        looking = client if by == "itself" else other
        after = await call(looking, "get_image_thread", thread_id=turn["thread_id"])
    assert [answer["thread"]["turns"][0]["status"] for answer in (seen, after)] == ["in_progress", "completed"]


def leave_halves(environment: dict[str, str], thread_id: str) -> list[Path]:
    """What a put that was cut off has left of the thread's first turn, and an answer that was copied by half."""
    folder = home(environment) / "images" / thread_id
    folder.mkdir(parents=True, exist_ok=True)
    halves = [folder / f"001-1-img_{'0' * 32}.png#1", home(environment) / "answers" / f"{thread_id}-001.7"]
    for file in halves:
        file.write_bytes(b"half of it")
    return halves


async def test_halves_of_a_dead_servers_files_go_and_those_of_a_living_one_stay(
    killed: dict[str, str], upstream: Upstream
) -> None:
    [dead] = rows(home(killed), TURN)
    gone = leave_halves(killed, dead["thread_id"])
    beside = gone[0].with_name(gone[0].name.replace("001-", "002-"))  # of a turn that another server works on
    beside.write_bytes(b"half of it")
    upstream.open.clear()
    async with raw({**killed, "OPENAI_BASE_URL": upstream.url}) as living:
        await living.start()
        await begin_a_slow_call(living)
        await upstream.drew.wait()
        [lives] = rows(home(killed), f"{TURN} WHERE status = 'in_progress'")
        stay = leave_halves(killed, lives["thread_id"])
        async with client_of(killed) as client:
            await call(client, "get_image_thread")
        assert [file.exists() for file in (*gone, *stay, beside)] == [False, False, True, True, True]
    assert lives["thread_id"] != dead["thread_id"]


async def test_a_start_alone_settles_nothing(killed: dict[str, str]) -> None:
    async with client_of(killed) as client:
        await client.list_tools()
    assert [row["status"] for row in rows(home(killed), TURN)] == ["in_progress"]


@pytest.mark.parametrize(("lease_until", "status"), [("9999999999999999", "in_progress"), ("0", "lost")])
async def test_a_turn_of_another_machine_is_its_own_until_its_lease_is_over(
    killed: dict[str, str], lease_until: str, status: str
) -> None:
    execute(home(killed), ANOTHER_MACHINE)
    execute(home(killed), f"UPDATE turns SET lease_until = {lease_until}")
    async with client_of({**killed, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
        threads = (await call(client, "get_image_thread"))["threads"]
        answer = await call(client, "get_image_thread", thread_id=threads[0]["thread_id"])
    assert answer["thread"]["turns"][0]["status"] == status


async def test_a_living_servers_turn_is_left_alone_even_without_a_lease(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """As after a night in which the computer slept: both servers wake, and one looks before the other renews."""
    upstream.open.clear()
    async with raw(environment) as client:
        await client.start()
        await begin_a_slow_call(client)
        await upstream.drew.wait()
        execute(home(environment), "UPDATE turns SET lease_until = 0")
        async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as other:
            threads = (await call(other, "get_image_thread"))["threads"]
            seen = await call(other, "get_image_thread", thread_id=threads[0]["thread_id"], wait=True)
            upstream.open.set()
    assert seen["result"]["status"] == "in_progress"


async def test_an_answer_in_the_background_is_fetched_by_a_server_that_has_nothing_stored_too(
    environment: dict[str, str],
) -> None:
    drawing = asyncio.Event()
    async with running(Sandbox(before_drawing=until_set(drawing)).app) as url:
        first = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_DRAIN_S": "0"}
        async with client_of({**first, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
            handed = await call(client, "generate_image", prompt="a mill", size="1024x640", quality="low")
            await until(lambda: turns(environment)[0]["response_id"] is not None)
        drawing.set()
        async with client_of({**first, "MCP_IMAGEGEN_STORE": "off"}) as client:
            answer = await call(client, "get_image_thread", thread_id=handed["thread_id"], wait=True)
    assert [handed["status"], answer["result"]["status"]] == ["in_progress", "completed"]


def locks(environment: dict[str, str]) -> set[str]:
    return {path.name for path in (home(environment) / "processes").iterdir()}


async def test_locks_of_killed_servers_that_had_nothing_to_do_are_swept(environment: dict[str, str]) -> None:
    async with raw(environment) as dead, raw(environment) as living:
        await dead.start()
        await dead.answer(await dead.send("tools/call", {"name": "generate_image", "arguments": MOUNTAIN}))
        buried = locks(environment)
        await living.start()
        await living.answer(await living.send("tools/call", {"name": "generate_image", "arguments": MOUNTAIN}))
        kept = locks(environment) - buried
        await kill(dead)
        async with client_of(environment) as client:
            await call(client, "get_image_thread")
            assert locks(environment) == kept
    assert [len(buried), len(kept)] == [1, 1]


async def test_who_takes_a_turn_up_is_seen_to_live_before_the_turn_is_its_own(killed: dict[str, str]) -> None:
    """Another server that looked in between would take it for one more dead server's."""
    async with client_of(killed) as client:
        with busy(killed):
            looking = asyncio.create_task(call(client, "get_image_thread"))
            await until(lambda: len(locks(killed)) == 2)
            assert not looking.done()
        await looking


async def test_who_looks_does_not_wait_for_a_database_that_is_held(
    killed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking needs no lock, and settling goes on when there is one."""
    monkeypatch.setattr(recovery, "TAKING_S", 0.1)
    async with client_of({**killed, "MCP_IMAGEGEN_MAX_WAIT_S": "0.2"}) as client:
        thread = turns(killed)[0]["thread_id"]
        with busy(killed):
            looked = await call(client, "get_image_thread", thread_id=thread)
            waited = await call(client, "get_image_thread", thread_id=thread, wait=True)
        assert [looked["thread"]["thread_id"], waited["result"]["status"]] == [thread, "in_progress"]
        await until(lambda: turns(killed)[0]["status"] == "lost")


async def test_an_answer_that_is_fetched_for_a_caller_is_given_up_when_that_one_aborts_it(
    environment: dict[str, str],
) -> None:
    sandbox = Sandbox(before_drawing=never)
    async with running(sandbox.app) as url:
        there = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses"}
        await leave_in_the_background(there)
        async with client_of({**there, "MCP_IMAGEGEN_ON_CANCEL": "abort"}) as client:
            calling = await begun(client, MOUNTAIN)
            calling.cancel()
            await until(lambda: turns(environment)[0]["status"] != "in_progress")
    asked = [f"{one.method} {one.path}" for one in sandbox.requests if one.method == "POST"]
    [turn] = turns(environment)
    assert turn["status"] == "cancelled"
    assert asked == ["POST /v1/responses", f"POST /v1/responses/{turn['response_id']}/cancel"]


async def test_what_another_machine_has_left_is_joined_by_the_same_call(environment: dict[str, str]) -> None:
    drawing = asyncio.Event()
    sandbox = Sandbox(before_drawing=until_set(drawing))
    async with running(sandbox.app) as url:
        there = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses"}
        await leave_in_the_background(there)
        execute(home(environment), ANOTHER_MACHINE)
        execute(home(environment), "UPDATE turns SET waiter = owner_process, lease_until = 0")
        drawing.set()
        async with client_of(there) as client:
            again = await call(client, "generate_image", **MOUNTAIN)
    assert [again["status"], again["reused"]] == ["completed", True]
    assert [one.path for one in sandbox.requests if one.method == "POST"] == ["/v1/responses"]


async def test_a_provider_that_cannot_be_reached_is_asked_for_an_answer_for_a_day(
    environment: dict[str, str], tmp_path: Path
) -> None:
    there = {**environment, "MCP_IMAGEGEN_API": "responses"}
    async with running(Sandbox(before_drawing=never).app) as url:
        await leave_in_the_background({**there, "OPENAI_BASE_URL": url})
    results = []
    for days in (0.9, 1.1):
        left = {**there, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_HOME": str(tmp_path / f"after {days} days")}
        shutil.copytree(home(environment), left["MCP_IMAGEGEN_HOME"])
        now = lambda days=days: datetime.now(UTC) + timedelta(days=days)  # noqa: E731 - a clock that is ahead
        async with Client(ImagegenServer(from_environment(left), local=True, now=now)) as client:
            thread_id = turns(left)[0]["thread_id"]
            results.append((await call(client, "get_image_thread", thread_id=thread_id, wait=True))["result"])
    early, late = results
    assert [early["status"], late["status"]] == ["in_progress", "lost"]
    assert late["error"]["may_be_billed"]
    assert late["cost"]["basis"] == "estimated"


async def test_the_spend_command_tells_of_calls_that_a_dead_server_has_left(killed: dict[str, str]) -> None:
    said, _, _ = await run(environment=killed)
    told, _, _ = await run("--json", environment=killed)
    await looked_at(killed)
    after, _, _ = await run("--json", environment=killed)
    assert "1 call of a server that ended not settled yet" in said
    assert json.loads(told)["unsettled_calls"] == 1
    assert json.loads(told)["money"]["total"]["reserved_usd"] > 0
    assert "unsettled_calls" not in json.loads(after)
    assert json.loads(after)["money"]["total"]["reserved_usd"] == 0


async def test_the_spend_command_does_not_take_a_running_call_for_one_that_was_left(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.open.clear()
    async with raw(environment) as server:
        await server.start()
        await begin_a_slow_call(server)
        told, _, _ = await run("--json", environment=environment)
    assert "unsettled_calls" not in json.loads(told)
    assert json.loads(told)["money"]["total"]["calls"] == 1


async def test_a_call_that_was_joined_and_then_lost_its_server_is_delivered_once(environment: dict[str, str]) -> None:
    drawing = asyncio.Event()
    async with running(Sandbox(before_drawing=until_set(drawing)).app) as url:
        given = {**environment, "OPENAI_BASE_URL": url, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_DRAIN_S": "0"}
        async with client_of(given) as other:
            async with client_of({**given, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as first:
                await call(first, "generate_image", **ASK)
                await until(lambda: turns(environment)[0]["response_id"] is not None)
                joining = await begun(other)
            await call(other, "get_image_thread")
            beside = await begun(other)  # while the one that joined still waits
            drawing.set()
            joined = (await joining).structured_content or {}
            answers = [(await beside).structured_content or {}, await call(other, "generate_image", **ASK)]
    assert [joined["status"], joined["reused"]] == ["completed", True]
    assert [answer["reused"] for answer in answers] == [False, False]
