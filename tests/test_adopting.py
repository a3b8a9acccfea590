"""Files that a dead server left without a record: whole pictures are the turn's, anything else is left alone."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conftest import Upstream
from doors import call, client_of
from stand_in import GOOD, picture
from test_unsound_pictures import DAMAGED, NO_PICTURE, NOISE, SVG, animation, flipped

from mcp_imagegen.openai_api.spool import About

WHOLE = {
    1: ("png", picture()),
    2: ("jpg", picture("JPEG")),
    3: ("webp", picture("WEBP")),
    4: ("svg", SVG),
    5: ("gif", animation()),
    6: ("png", flipped(NOISE)),  # to its end, but damaged in its middle
}
NOT_WHOLE = {
    1: ("png", b""),
    2: ("png", bytes(300)),
    3: ("png", b"hello world, not an image"),
    4: ("png", picture()[:-12]),
    5: ("png", picture()[:8] + b"garbage"),
    6: ("jpg", picture("JPEG")[:-40]),
    7: ("webp", picture("WEBP")[:-10]),
    8: ("svg", SVG[:-6]),
    9: ("gif", animation()[:-900].rstrip(b"\0;")),
    10: ("webp", picture("WEBP")[:12] + bytes(200)),
}


async def after(
    files: dict[int, tuple[str, bytes]],
    environment: dict[str, str],
    upstream: Upstream,
    answer: dict[str, Any] | None = None,
    **more: str,
) -> tuple[dict[str, Any], dict[int, Path]]:
    """What the next server says of a turn that has these files, by the numbers of its pictures, and nothing else but
    the copy of this answer."""
    upstream.open.clear()
    hasty = {**environment, "MCP_IMAGEGEN_DRAIN_S": "0", "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
    async with client_of(hasty) as client:
        handed = await call(client, "generate_image", prompt="a mill", n=10, size="1024x640", quality="low", **more)
    folder = Path(environment["MCP_IMAGEGEN_HOME"]) / "images" / handed["thread_id"]
    folder.mkdir()
    paths = {number: folder / f"001-{number}-img_{number:032x}.{ending}" for number, (ending, _) in files.items()}
    for number, path in paths.items():
        path.write_bytes(files[number][1])
    if answer is not None:
        about = About("image", 10, streamed=False, origin="http://stand-in", endpoint="POST /images", request_id=None)
        copy = Path(environment["MCP_IMAGEGEN_HOME"]) / "answers" / f"{handed['thread_id']}-001.0"
        copy.write_bytes(json.dumps(asdict(about)).encode() + b"\n" + json.dumps(answer).encode())
    async with client_of(environment) as client:
        answer = await call(client, "get_image_thread", thread_id=handed["thread_id"], wait=True)
    return answer["result"], paths


async def test_whole_pictures_are_the_turns_and_one_that_is_damaged_inside_is_warned_of(
    environment: dict[str, str], upstream: Upstream
) -> None:
    result, paths = await after(WHOLE, environment, upstream)
    assert result["status"] == "completed"
    assert [Path(image["path"]) for image in result["images"]] == list(paths.values())
    assert [said for said in result["warnings"] if NO_PICTURE in said or DAMAGED in said] == [f"image 6: {DAMAGED}"]
    assert "the server ended before this call did; other images of it may be lost" in result["warnings"]


async def test_what_is_no_whole_picture_is_left_alone_and_told_of(
    environment: dict[str, str], upstream: Upstream
) -> None:
    result, paths = await after(NOT_WHOLE, environment, upstream)
    left = [said for said in result["warnings"] if said.startswith("a file of the call was left")]
    assert [result["status"], result["images"]] == ["lost", []]
    assert len(left) == len(NOT_WHOLE)
    assert all(any(f"{path}: " in said for said in left) for path in paths.values())
    assert all(path.read_bytes() == NOT_WHOLE[number][1] for number, path in paths.items())


async def test_a_file_that_holds_other_bytes_than_the_copied_answer_is_not_its_picture(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """As where the power was cut before the file was whole on the disk."""
    result, paths = await after({1: NOT_WHOLE[4]}, environment, upstream, GOOD)
    assert [Path(image["path"]).read_bytes() for image in result["images"]] == [picture()]
    assert paths[1].read_bytes() == NOT_WHOLE[4][1]


async def test_copies_that_were_asked_for_and_not_written_are_told_of(
    environment: dict[str, str], upstream: Upstream, work: Path
) -> None:
    result, _ = await after(WHOLE, environment, upstream, save_to=str(work / "mill.png"))
    assert list(work.iterdir()) == []
    assert [said for said in result["warnings"] if said.startswith(f"no copy was written to {work / 'mill.png'}")]
    lost, _ = await after({}, environment, upstream, save_to=str(work / "mill.png"))
    assert not [said for said in lost["warnings"] if "no copy" in said]
