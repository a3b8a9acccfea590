"""What must hold after every step: the model, the database, the files and what the API was asked for agree."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from state_file import rows
from thread_model import Model, Thread, Turn
from thread_upstream import Post
from thread_world import World

# 10^-9 USD for a token: of gpt-image-2 as text in, image in and image out, of gpt-5.4 in and out.
TEXT_IN, IMAGE_IN, IMAGE_OUT, HOST_IN, HOST_OUT = 5_000, 8_000, 30_000, 2_500, 15_000
WORTHWHILE = ("in_progress", "completed", "text_only")  # what the same call made again may get


def check(world: World, model: Model) -> None:
    check_turns(world, model)
    check_ledger(world, model)
    check_sent(world, model)
    check_files(world, model)


def check_turns(world: World, model: Model) -> None:
    """Every turn of every thread stands as it should, under the picture it started from, with the pictures that
    came."""
    turns = {(row["thread_id"], row["number"]): row for row in rows(world.home, "SELECT * FROM turns")}
    images = rows(world.home, 'SELECT * FROM images ORDER BY "index"')
    expected = [turn for thread in model.living for turn in thread.turns]
    assert set(turns) == {key_of(world, turn) for turn in expected}, "no turn is missing or doubled"
    for turn in expected:
        row = turns[key_of(world, turn)]
        every = [one for one in images if (one["thread_id"], one["turn"]) == key_of(world, turn)]
        mine = [one for one in every if one["role"] == "final"]
        parent = world.image_id(turn.parent.turn, turn.parent.index) if turn.parent else None
        assert row["status"] == turn.status, f"{turn}: {row['status']} {row['error']}"
        assert (row["prompt"], row["kind"]) == (turn.ask.prompt, turn.ask.tool)
        assert row["from_image"] == parent, f"{turn} starts from {row['from_image']}"
        assert [one["index"] for one in mine] == [picture.index for picture in turn.pictures], turn
        if turn.status != "in_progress":
            assert [one["sha256"] for one in mine] == (world.posts[turn].arrived if turn.price else []), turn
            assert world.frames(turn) == (world.posts[turn].frames if turn.price else []), turn
        if turn.status in WORTHWHILE:
            assert (row["abandoned_at"] is not None) == turn.left, f"{turn}: abandoned at {row['abandoned_at']}"


def check_shown(world: World, thread: Thread, answer: dict[str, Any]) -> None:
    """A client is shown the same tree, and in `result` the newest turn."""
    shown = answer["thread"]
    parents = [turn.parent.turn.number if turn.parent else None for turn in thread.turns]
    assert [turn["turn"] for turn in shown["turns"]] == [turn.number for turn in thread.turns]
    assert [turn["status"] for turn in shown["turns"]] == [turn.status for turn in thread.turns]
    assert [turn.get("parent_turn") for turn in shown["turns"]] == parents
    for turn, one in zip(thread.turns, shown["turns"], strict=True):
        assert [image["image_id"] for image in one["images"]] == [
            world.image_id(turn, each.index) for each in turn.pictures
        ]
    if "result" in answer:
        assert (answer["result"]["turn"], answer["result"]["status"]) == (len(thread.turns), thread.turns[-1].status)


def check_ledger(world: World, model: Model) -> None:
    """An entry for each request: the refused ones are released, the last one is settled at its price, once."""
    entries: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in rows(world.home, "SELECT * FROM ledger_entries ORDER BY entry_id"):
        entries.setdefault((row["thread_id"], row["turn"]), []).append(row)
    assert set(entries) == {key_of(world, turn) for turn in model.turns}
    for turn in model.turns:
        mine = entries[key_of(world, turn)]
        last = "reserved" if turn.status == "in_progress" else "settled" if turn.price else "released"
        assert [row["status"] for row in mine] == ["released"] * (turn.posts - 1) + [last], turn
        if turn.price:
            assert mine[-1]["basis"] == turn.price, turn
            assert mine[-1]["nano"] == due(turn, world.posts[turn], mine[-1]), turn
    spent = sum(row["nano"] or 0 for some in entries.values() for row in some if row["status"] == "settled")
    told = rows(world.home, "SELECT coalesce(sum(cost_nano), 0) AS nano FROM turns")[0]["nano"]
    gone = sum(entries[key_of(world, turn)][-1]["nano"] or 0 for turn in model.turns if turn.thread.deleted)
    assert spent == told + gone, "the turns cost what the ledger says"


def due(turn: Turn, post: Post, entry: dict[str, Any]) -> int:
    """What the answer's own figures come to, or the estimate."""
    if turn.price == "estimated":
        return int(entry["expected_nano"])
    image, host = post.usage["usage"], {"input_tokens": 0, "output_tokens": 0}
    if turn.api == "responses":
        image, host = post.usage["tool_usage"]["image_gen"], image
    given = image["input_tokens_details"]
    drawn = given["text_tokens"] * TEXT_IN + given["image_tokens"] * IMAGE_IN + image["output_tokens"] * IMAGE_OUT
    return int(drawn + host["input_tokens"] * HOST_IN + host["output_tokens"] * HOST_OUT)


def check_sent(world: World, model: Model) -> None:
    """The API was asked no more and no less often than it should have been, and each prompt told once."""
    expected: Counter[str] = Counter()
    for turn in model.turns:
        expected[turn.ask.prompt] += turn.posts
    assert Counter(post.prompt for post in world.upstream.posts) == +expected, "each user turn is sent once"
    for turn in model.turns:
        if turn.price:
            assert world.posts[turn].prompts == (*turn.told, turn.ask.prompt), world.posts[turn].prompts


def check_files(world: World, model: Model) -> None:
    """A file for each picture, with its bytes, and nothing left over."""
    images = {row["key"]: row["sha256"] for row in rows(world.home, "SELECT key, sha256 FROM images")}
    gone = {world.key(one) for thread in model.living for one in thread.pictures if one.gone}
    found = {str(path.relative_to(world.home / "images")): path for path in files(world.home / "images")}
    unrecorded = set(found) - set(images)
    begun = Counter(key_of(world, turn) for turn in model.running if turn.whole and not turn.pictures)
    assert set(images) - set(found) == gone
    assert Counter((key.split("/")[0], int(key.split("/")[1][:3])) for key in unrecorded) == begun
    for key, path in found.items():
        assert key in unrecorded or hashlib.sha256(path.read_bytes()).hexdigest() == images[key]
    running = {"{}-{:03d}".format(*key_of(world, turn)) for turn in model.running}
    assert {path.stem for path in files(world.home / "answers")} <= running, "no copied answer is left over"


def check_end(world: World) -> None:
    """After the last server has closed nothing is open, reserved or left over."""
    assert rows(world.home, "SELECT * FROM turns WHERE status = 'in_progress'") == []
    assert rows(world.home, "SELECT * FROM ledger_entries WHERE status = 'reserved'") == []
    assert files(world.home / "answers") == []
    left = {path.stem for path in files(world.home / "processes")}
    assert left <= world.killed, "no lock is left over but those of servers that were killed when nothing ran"
    handles = open_below(world.home)
    assert handles == [], f"these files stay open: {handles}"


def open_below(folder: Path) -> list[str]:
    """The files of a folder that this process has open, where the system tells."""
    handles = Path("/proc/self/fd")
    if not handles.exists():
        return []
    found = [str(one.readlink()) for one in handles.iterdir() if one.is_symlink()]
    return [path for path in found if path.startswith(f"{folder}/")]


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def key_of(world: World, turn: Turn) -> tuple[str, int]:
    return world.keys[turn], turn.number
