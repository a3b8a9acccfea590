"""A thread as a tree: drawn for whoever reads the text, told by number to a program, and right about what it cost."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from doors import call, refusal, text_of
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


async def test_a_long_thread_shows_its_newest_turns(client: Client, environment: dict[str, str]) -> None:
    answer = await call(client, "generate_image", prompt="a mill", **SMALL)
    home, columns = Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT name FROM pragma_table_info('turns')"
    copied = [row["name"] for row in rows(home, columns)]
    kept = ", ".join(f'"{name}"' for name in copied if name not in ("number", "prompt", "from_image", "kind"))
    execute(
        home,
        "WITH RECURSIVE counted(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM counted WHERE n < 200) "
        f"INSERT INTO turns (number, prompt, from_image, kind, {kept}) "
        f"SELECT n, 'turn ' || n, '{answer['images'][0]['image_id']}', 'continue', {kept} FROM turns, counted",
    )
    thread, drawn = await tree_of(client, answer["thread_id"])

    assert len(thread["turns"]) == 200
    assert drawn[0] == "(160 earlier turns are left out)"
    assert drawn[1:] == [f"{number} continue from 1: turn {number}" for number in range(161, 201)]


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
        model="gpt-image-2", host_model=None, options={}, resolved=None, text=None, error=None, response_id=None,
        request_id=None, estimate_nano=None, cost_nano=None, cost_basis=None, prices_as_of=None, usage=None,
        warnings=(), owner_process="p", lease_until=AT, created_at=AT, finished_at=AT, images=(image,),
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
