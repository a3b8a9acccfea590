"""Kill a real server in the middle of a paid call, start the next one, and look at what it finds.

`python tests/kills.py 100` (or `make kills N=100`) does so a hundred times and prints what was found. The instant of
each kill is drawn from its number: at a byte of the answer that is on its way, before a drawing, some milliseconds
after the whole answer, while the pictures are saved and recorded, or some time after the call began.
"""

import asyncio
import collections
import hashlib
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doors import call, client_of
from holding import Asked, HeldSandbox, held_sandbox
from mcp import Client
from state_file import rows
from test_stdio import Raw, raw

SMALL = {"size": "1024x640", "quality": "low"}
LATEST_S = 0.9  # after the beginning of the call; by then most of them are done
SAVING_S = 0.06  # after the answer; by then most of them are recorded
# Bytes of the answer, a little less than the shortest of them, by what is called.
LENGTH = {"generate": 43_000, "several": 127_000, "streamed": 290_000, "continue": 43_000, "stream on": 290_000}


@dataclass(frozen=True)
class Plan:
    """What is called, and when its server is killed: `seconds` after the call began or, where an answer is held, after
    it stood still at `byte` (before the drawing: -1) and, if it goes on, was released."""

    number: int
    what: str
    seconds: float
    byte: int | None = None
    goes_on: bool = False

    @property
    def continues(self) -> bool:
        return self.what in ("continue", "stream on")

    def arguments(self, thread_id: str | None) -> tuple[str, dict[str, Any]]:
        asked: dict[str, Any] = {"prompt": f"a mill, {self.number}", **SMALL}
        if self.what == "several":
            asked["n"] = 3
        if self.what in ("streamed", "stream on"):
            asked["partial_images"] = 2
        if thread_id is not None:
            return "continue_image_thread", {**asked, "thread_id": thread_id}
        return "generate_image", asked


def plan(number: int) -> Plan:
    """The same plan for the same number, in every run."""
    chance = random.Random(number)
    what = list(LENGTH)[number % len(LENGTH)]
    match chance.choice(["byte", "byte", "late", "late", "late", "drawing", "time"]):
        case "byte":
            return Plan(number, what, 0, byte=chance.randrange(LENGTH[what]))
        case "late":
            return Plan(number, what, chance.uniform(0, SAVING_S), byte=LENGTH[what] - 4_000, goes_on=True)
        case "drawing":
            return Plan(number, what, 0, byte=-1)
        case _:
            return Plan(number, what, chance.uniform(0, LATEST_S))


@dataclass(frozen=True)
class Found:
    """What the next server found. `problems` are broken promises; there must be none."""

    plan: Plan
    statuses: tuple[str, ...]
    pictures: int
    paid: int
    recovered_s: float
    problems: tuple[str, ...]


async def killed(plan: Plan, sandbox: HeldSandbox, home: Path) -> Found:
    """Do as the plan says in a home of its own, and look."""
    environment = {
        "OPENAI_API_KEY": "sk-test-kills",
        "OPENAI_BASE_URL": sandbox.url,
        "MCP_IMAGEGEN_PROVIDER": "openai",
        "MCP_IMAGEGEN_HOME": str(home),
    }
    thread_id = None
    async with raw(environment) as server:
        await server.start()
        if plan.continues:
            first = await answered(server, "generate_image", {"prompt": f"a well, {plan.number}", **SMALL})
            thread_id = first["thread_id"]
        before = len(await sandbox.requests())
        if plan.byte is not None:
            await sandbox.hold("drawing" if plan.byte == -1 else plan.byte)
        name, arguments = plan.arguments(thread_id)
        await server.send("tools/call", {"name": name, "arguments": arguments})
        await instant(plan, sandbox)
        server.process.kill()
        await server.process.wait()
        killed_at = time.monotonic()
    await sandbox.release()
    async with client_of(environment) as client:
        threads = await everything(client)
        recovered_s = time.monotonic() - killed_at
        problems = [*wrong(home, threads), *await goes_on(client, threads)]
    asked = (await sandbox.requests())[before:]
    paid = [one for one in asked if one.paid and one.status == 200]
    problems += accounted(plan, threads, paid)
    turns = [turn for thread in threads for turn in thread["turns"]]
    statuses = tuple(turn["status"] for turn in turns[1 if plan.continues else 0 :])
    return Found(plan, statuses, sum(len(turn["images"]) for turn in turns), len(paid), recovered_s, tuple(problems))


async def answered(server: Raw, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    said = await server.answer(await server.send("tools/call", {"name": tool, "arguments": dict(arguments)}))
    return dict(said["result"]["structuredContent"])


async def instant(plan: Plan, sandbox: HeldSandbox) -> None:
    """Until it is time for the kill. Where an answer ends before its byte, that is when it has been given."""
    if plan.byte is not None:
        await sandbox.held()
    if plan.goes_on:
        await sandbox.release()
    await asyncio.sleep(plan.seconds)


async def everything(client: Client) -> list[dict[str, Any]]:
    """Every thread, once nothing in it is in progress."""
    listed = (await call(client, "get_image_thread"))["threads"]
    threads = []
    for one in listed:
        async with asyncio.timeout(60):
            while True:
                shown = await call(client, "get_image_thread", thread_id=one["thread_id"], wait=True)
                if all(turn["status"] != "in_progress" for turn in shown["thread"]["turns"]):
                    break
        threads.append(shown["thread"])
    return threads


def wrong(home: Path, threads: list[dict[str, Any]]) -> list[str]:
    """What does not agree between the threads, the database and the files."""
    problems = []
    with closing(sqlite3.connect(home / "imagegen.sqlite3")) as connection:
        if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
            problems.append("the database is damaged")
    recorded = rows(home, 'SELECT key, sha256, thread_id, turn, role, "index", frame FROM images')
    keys = [row["key"] for row in recorded]
    images = home / "images"
    files = {str(path.relative_to(images)) for path in images.rglob("*") if path.is_file()}
    problems += [f"{key} has no file" for key in set(keys) - files]
    problems += [f"{key} has no record" for key in files - set(keys)]
    problems += [f"{key} is recorded twice" for key in keys if keys.count(key) > 1]
    for row in recorded:
        path = images / row["key"]
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            problems.append(f"{row['key']} has other bytes than were recorded")
    parts = [(row["thread_id"], row["turn"], row["role"], row["index"], row["frame"]) for row in recorded]
    problems += [f"{part} was kept twice" for part in set(parts) if parts.count(part) > 1]
    shown = [image["image_id"] for thread in threads for turn in thread["turns"] for image in turn["images"]]
    if len(shown) != len([row for row in recorded if row["role"] == "final"]):
        problems.append("the threads do not show the pictures that are recorded")
    problems += [f"{path.name} is left of a copied answer" for path in (home / "answers").glob("*")]
    entries = rows(home, "SELECT thread_id, turn, status FROM ledger_entries WHERE status <> 'released'")
    problems += [f"{entry} is not settled" for entry in entries if entry["status"] == "reserved"]
    if len(entries) != len(rows(home, "SELECT number FROM turns")):
        problems.append("there is not one paid entry in the ledger for each turn")
    return problems


def accounted(plan: Plan, threads: list[dict[str, Any]], paid: list[Asked]) -> list[str]:
    """What does not agree between the turns and what the API was asked for."""
    turns = [turn for thread in threads for turn in thread["turns"]][1 if plan.continues else 0 :]
    problems = []
    if len(paid) > 2:  # the call, and the one that shows that the thread goes on
        problems.append(f"{len(paid)} paid requests")
    for turn in turns:
        if turn["status"] == "completed" and not turn["images"]:
            problems.append("a completed turn without a picture")
        if turn["status"] == "lost" and not turn["error"]["may_be_billed"]:
            problems.append("a lost turn that does not say that it may be billed")
        if turn["status"] not in ("completed", "lost"):
            problems.append(f"a turn that is {turn['status']}")
    return problems


async def goes_on(client: Client, threads: list[dict[str, Any]]) -> list[str]:
    """A thread goes on from its last good image, if it has one."""
    for thread in threads:
        if any(turn["images"] for turn in thread["turns"]):
            answer = await call(
                client, "continue_image_thread", thread_id=thread["thread_id"], prompt="at night", **SMALL
            )
            if answer["status"] != "completed":
                return [f"the thread does not go on: {answer['status']}"]
    return []


async def main(count: int) -> int:
    found = []
    async with held_sandbox() as sandbox:
        for number in range(count):
            with tempfile.TemporaryDirectory() as home:
                one = await killed(plan(number), sandbox, Path(home))
            found.append(one)
            print(json.dumps({"plan": vars(one.plan), "found": one.statuses, "problems": one.problems}), flush=True)
    for what in LENGTH:
        ended = collections.Counter(
            one.statuses[0] if one.statuses else "not begun" for one in found if one.plan.what == what
        )
        print(f"{what}: {', '.join(f'{count} {name}' for name, count in ended.most_common())}")
    print(f"from kill to recovered: median {statistics.median(one.recovered_s for one in found):.2f} s")
    broken = [one for one in found if one.problems]
    print(f"{count} kills, {len(broken)} with problems")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)))
