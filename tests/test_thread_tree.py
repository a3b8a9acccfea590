"""A thread as a tree: drawn for whoever reads the text, told by number to a program, and right about what it cost."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal, text_of
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from state_file import execute, rows

from mcp_imagegen.threads.drawing import LINES, drawing
from mcp_imagegen.threads.values import StoredImage, Thread, Turn

SMALL = {"size": "1024x640", "quality": "low"}
AT = datetime(2026, 11, 20, tzinfo=UTC)
LINE = re.compile(r"( *)(\d+) (\w+)(?: from (\d+))?(?:, (\w+_\w+|failed|lost))?(?:, (img_\w+))?(?:: (.*))?")


async def tree_of(client: Client, thread_id: str) -> tuple[dict[str, Any], list[str]]:
    """The structured thread, and the lines that draw it."""
    result = await client.call_tool("get_image_thread", {"thread_id": thread_id})
    assert result.structured_content is not None
    drawn, _, _ = text_of(result).partition("\n\n")
    return result.structured_content["thread"], drawn.splitlines()[1:]


async def test_a_thread_is_drawn_with_its_branches_under_where_they_start(client: Client) -> None:
    first = await call(client, "generate_image", prompt="a lighthouse", n=2, **SMALL)
    asked = {"thread_id": first["thread_id"], **SMALL}
    images = [image["image_id"] for image in first["images"]]
    night = await call(client, "continue_image_thread", prompt="at night", from_image=images[0], **asked)
    boat = await call(client, "continue_image_thread", prompt="with a boat", **asked)
    snow = await call(client, "continue_image_thread", prompt="in snow", from_image=images[1], **asked)
    await call(client, "continue_image_thread", prompt="say it, sandbox:text-only", **asked)
    await refusal(
        client, "continue_image_thread", prompt="sandbox:moderation", from_image=boat["images"][0]["image_id"], **asked
    )
    thread, drawn = await tree_of(client, first["thread_id"])
    made = [one["images"][0]["image_id"] for one in (night, boat, snow)]

    assert drawn == [
        f"1 generate, {images[0]}: a lighthouse",
        f"  4 continue from 1, {made[2]}: in snow",
        "  5 continue, text_only: say it, sandbox:text-only",
        f"2 continue, {made[0]}: at night",
        f"3 continue, {made[1]}: with a boat",
        "6 continue, failed: sandbox:moderation",
    ]
    assert [turn.get("parent_turn") for turn in thread["turns"]] == [None, 1, 2, 1, 4, 3]
    assert "parent_turn" not in thread["turns"][0]


async def test_what_a_prompt_says_cannot_pass_for_a_turn(client: Client) -> None:
    prompt = "a mill\n2 continue, img_0: \x1b[2Jof \u202ellimdniw\u2028" + "x" * 80
    answer = await call(client, "generate_image", prompt=prompt, **SMALL)
    _, drawn = await tree_of(client, answer["thread_id"])

    (line,) = drawn
    shown = line.removeprefix(f"1 generate, {answer['images'][0]['image_id']}: ")
    assert shown.startswith("a mill 2 continue, img_0: [2Jof llimdniw xx")
    assert len(shown) == 60
    assert shown.isprintable()


async def long_thread(client: Client, home: Path, count: int) -> str:
    """A thread of so many turns that start from the image of the first."""
    answer = await call(client, "generate_image", prompt="a mill", **SMALL)
    columns = "SELECT name FROM pragma_table_info('turns')"
    kept = [row["name"] for row in rows(home, columns)]
    kept = [name for name in kept if name not in ("number", "prompt", "from_image", "kind")]
    listed = ", ".join(f'"{name}"' for name in kept)
    execute(
        home,
        f"WITH RECURSIVE counted(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counted WHERE n < {count}) "
        f"INSERT INTO turns (number, prompt, from_image, kind, {listed}) "
        f"SELECT n, 'turn ' || n, '{answer['images'][0]['image_id']}', 'continue', {listed} FROM turns, counted",
    )
    kept = [row["name"] for row in rows(home, "SELECT name FROM pragma_table_info('images')")]
    listed = ", ".join(f'"{name}"' for name in kept if name not in ("turn", "image_id", "key"))
    execute(
        home,
        f"INSERT INTO images (turn, image_id, key, {listed}) "
        f"SELECT number, 'img_' || printf('%032x', number), images.key || number, {listed} "
        "FROM (SELECT number FROM turns WHERE number > 1), images WHERE images.turn = 1",
    )
    return str(answer["thread_id"])


async def test_a_long_thread_is_shown_in_parts(client: Client, environment: dict[str, str]) -> None:
    thread_id = await long_thread(client, Path(environment["MCP_IMAGEGEN_HOME"]), 200)
    thread, drawn = await tree_of(client, thread_id)
    older = await client.call_tool("get_image_thread", {"thread_id": thread_id, "turn": 160})
    facts = older.structured_content or {}
    [resource] = (await client.read_resource(f"thread://{thread_id}")).contents

    assert [turn["turn"] for turn in thread["turns"]] == list(range(161, 201))
    assert [thread["turn_count"], thread["cost_usd"]] == [200, pytest.approx(200 * thread["turns"][0]["cost_usd"])]
    assert "160 earlier and 0 later turns are left out" in "".join(drawn)
    assert "turn=160" in "".join(drawn)
    assert drawn[-41] == "(160 earlier turns are left out)"
    pictured = [f"{number} continue from 1, img_{number:032x}: turn {number}" for number in range(161, 201)]
    assert drawn[-40:] == pictured
    assert [turn["turn"] for turn in facts["thread"]["turns"]] == list(range(121, 161))
    assert facts["result"]["turn"] == 160
    assert "(40 later turns are left out)" in text_of(older)
    assert len(json.loads(resource.text)["turns"]) == 200, "the resource has them all"


async def test_a_thread_of_hundreds_of_turns_makes_no_larger_a_result(
    client: Client, environment: dict[str, str]
) -> None:
    """However long a thread gets, its result grows no more: at most 80 kB of facts and their text."""
    thread_id = await long_thread(client, Path(environment["MCP_IMAGEGEN_HOME"]), 500)
    for wait in (False, True):
        result = await client.call_tool("get_image_thread", {"thread_id": thread_id, "wait": wait})
        assert len(json.dumps(result.structured_content)) + len(text_of(result)) < 80_000
        assert "characters)" not in text_of(result), "no id or path is cut"


@pytest.mark.parametrize("wait", [False, True])
async def test_the_result_of_each_turn_can_be_had(client: Client, wait: bool) -> None:
    first = await call(client, "generate_image", prompt="a lighthouse", **SMALL)
    asked = {"thread_id": first["thread_id"], "from_image": first["images"][0]["image_id"], **SMALL}
    made = [first]
    for prompt in ("at night", "in snow"):
        made.append(await call(client, "continue_image_thread", prompt=prompt, **asked))
    for number, answer in enumerate(made, 1):
        result = await client.call_tool(
            "get_image_thread", {"thread_id": first["thread_id"], "turn": number, "wait": wait}
        )
        facts = result.structured_content or {}
        assert facts["result"] == answer
        assert [turn["turn"] for turn in facts["thread"]["turns"]] == list(range(1, number + 1))
        assert [block.type for block in result.content] == ["text", "image", "resource_link"]


async def test_a_turn_that_is_not_there_is_refused(client: Client) -> None:
    first = await call(client, "generate_image", prompt="a lighthouse", **SMALL)
    for number in (0, 2, -1):
        said = await refusal(client, "get_image_thread", thread_id=first["thread_id"], turn=number)
        assert said.startswith(f"invalid_argument: the thread {first['thread_id']} has no turn {number}\n")
        assert "its turns are 1 to 1" in said
    assert (await refusal(client, "get_image_thread", turn=1)).startswith("invalid_argument: ")


async def test_who_collects_is_told_of_every_branch_that_ended(environment: dict[str, str], upstream: Upstream) -> None:
    budget = {"MCP_IMAGEGEN_BUDGET_THREAD_USD": "5", "MCP_IMAGEGEN_BUDGET_DAY_USD": "4"}
    async with client_of({**environment, **budget}) as client:
        first = await call(client, "generate_image", prompt="a lighthouse", **SMALL)
    asked = {"thread_id": first["thread_id"], "from_image": first["images"][0]["image_id"], **SMALL}
    upstream.open.clear()
    async with client_of({**environment, **budget, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
        for prompt in ("at night", "in snow", "in fog"):
            handed = await call(client, "continue_image_thread", prompt=prompt, **asked)
            assert handed["status"] == "in_progress"
        upstream.open.set()
    async with client_of({**environment, **budget}) as client:
        collected = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
        second = await call(client, "get_image_thread", thread_id=first["thread_id"], turn=2)
        again = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
        fresh = await call(client, "continue_image_thread", prompt="at dawn", **asked)
        shown = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
    [told] = [warning for warning in collected["warnings"] if "ended as well" in warning]
    assert "turn 2, 3;" in told
    assert not any("ended as well" in warning for warning in again["warnings"])
    assert [collected["result"]["turn"], second["result"]["turn"], second["result"]["status"]] == [4, 2, "completed"]
    assert second["result"]["images"] == collected["thread"]["turns"][1]["images"]
    assert 0 < collected["result"]["cost"]["budget_left_usd"] < 4
    assert shown["result"] == fresh, "what is collected is what the call would have answered"


async def test_a_turn_that_is_not_shown_is_not_taken_for_collected(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        first = await call(client, "generate_image", prompt="a lighthouse", **SMALL)
    asked = {"thread_id": first["thread_id"], "prompt": "at night", **SMALL}
    upstream.open.clear()
    async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
        await call(client, "continue_image_thread", **asked)
        upstream.open.set()
    async with client_of(environment) as client:
        await call(client, "get_image_thread", thread_id=first["thread_id"], turn=1)
        again = await call(client, "continue_image_thread", **asked)
    assert [again["turn"], again["reused"]] == [2, True]


async def test_a_thread_is_listed_as_it_is_shown_and_costs_what_the_ledger_says(
    client: Client, environment: dict[str, str]
) -> None:
    first = await call(client, "generate_image", prompt="a red\nmill " * 20, **SMALL)
    asked = {"thread_id": first["thread_id"], **SMALL}
    second = await call(client, "continue_image_thread", prompt="at night", **asked)
    await refusal(client, "continue_image_thread", prompt="sandbox:moderation", **asked)
    await call(client, "continue_image_thread", prompt="say it, sandbox:text-only", **asked)
    thread, _ = await tree_of(client, first["thread_id"])
    (row,) = (await call(client, "get_image_thread"))["threads"]
    ledger = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT nano FROM ledger_entries WHERE status = 'settled'")

    assert thread["title"].startswith("a red mill a red mill")
    assert len(thread["title"]) <= 80
    assert thread["cost_usd"] == pytest.approx(sum(entry["nano"] for entry in ledger) / 1e9)
    assert thread["cost_usd"] > first["cost"]["usd"] + second["cost"]["usd"], "an answer in words costs too"
    assert [row["turns"], row["images"]] == [4, 2]
    assert row == {**row, **{name: thread[name] for name in ("title", "label", "cost_usd", "created_at", "updated_at")}}


def thread_of(parents: list[int]) -> Thread:
    """A thread whose turn n + 2 starts from the image of turn parents[n]."""
    turns = [turn(number, parent) for number, parent in enumerate([0, *parents], start=1)]
    return Thread("thr_1", "local", None, "a mill", AT, AT, "openai", tuple(turns))


def turn(number: int, parent: int) -> Turn:
    image = StoredImage(
        image_id=f"img_{number}", thread_id="thr_1", turn=number, index=0, role="final", frame=None, key="a/a.png",
        mime_type="image/png", width=1, height=1, bytes=1, sha256="", call_id=None, revised_prompt=None, action=None,
        created_at=AT,
    )  # fmt: skip
    return Turn(
        thread_id="thr_1", number=number, kind="continue" if parent else "generate", prompt=f"prompt {number}",
        status="completed", from_image=f"img_{parent}" if parent else None, provider="openai", api="image",
        model="gpt-image-2", host_model=None, options={}, estimate_nano=None, owner_process="p", lease_until=AT,
        created_at=AT, finished_at=AT, images=(image,),
    )  # fmt: skip


def parents_in(lines: list[str]) -> dict[int, int | None]:
    """The drawing read back by what its heading says of it."""
    above: dict[int, int] = {}  # the newest turn so far by indentation
    found: dict[int, int | None] = {}
    for line in lines:
        read = LINE.fullmatch(line)
        assert read, line
        depth, number = len(read[1]), int(read[2])
        found[number] = int(read[4]) if read[4] else above.get(depth)
        above = {**{one: last for one, last in above.items() if one < depth}, depth: number}
    return found


@given(st.data())
def test_every_tree_can_be_read_from_its_drawing(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 60))
    parents = [data.draw(st.integers(1, number - 1)) for number in range(2, count + 1)]
    lines = drawing(thread_of(parents))
    left_out = max(0, count - LINES)

    assert [line for line in lines if line.startswith("(")] == (
        [f"({left_out} earlier turns are left out)"] if left_out else []
    )
    read = parents_in([line for line in lines if not line.startswith("(")])
    assert read == {number: parent for number, parent in enumerate([None, *parents], start=1) if number > left_out}


def test_a_turn_whose_image_is_not_there_is_drawn_all_the_same() -> None:
    thread = thread_of([1, 2])
    orphan = replace(thread, turns=thread.turns[1:])
    assert drawing(orphan) == ["2 continue, img_2: prompt 2", "3 continue, img_3: prompt 3"]
