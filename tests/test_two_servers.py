"""Two servers on one home folder, as with two editors open: both work, and neither loses or doubles anything."""

import asyncio
from pathlib import Path

from conftest import Upstream
from doors import call, client_of
from state_file import rows
from test_joining import ASK, begun

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
