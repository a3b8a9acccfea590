"""What comes otherwise than it was asked for: the result tells what the pictures are, and says what differs."""

import base64
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import image_event
from stand_in import GOOD, PICTURE, Said, picture, standing_in, streamed

JPEG = base64.b64encode(picture("JPEG")).decode()
SVG = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"/>').decode()
UNREADABLE = base64.b64encode(b"no picture that is known here").decode()
COMPLETED = image_event("image_generation.completed", picture())
FRAME = image_event("image_generation.partial_image", picture(), partial_image_index=0)


async def made(folder: Path, said: Said, model: str = "gpt-image-2.5-flare", **arguments: Any) -> dict[str, Any]:
    async with standing_in(said) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(folder), MCP_IMAGEGEN_PROVIDER="compatible")
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="a cat", model=model, **arguments)
            again = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
    assert again["result"]["warnings"] == first["warnings"]
    return first


def answer(*pictures: str, **resolved: str) -> Said:
    return Said({"created": 1, "data": [{"b64_json": one} for one in pictures], **resolved})


@pytest.mark.parametrize(
    ("said", "asked", "came"),
    [
        (Said(GOOD), {"n": 3}, "3 images were asked for and 1 came"),
        (answer(PICTURE, PICTURE), {"n": 3}, "3 images were asked for and 2 came"),
        (streamed(FRAME, COMPLETED), {"n": 2, "partial_images": 1}, "2 images were asked for and 1 came"),
    ],
    ids=["1 of 3", "2 of 3", "a stream that ends after 1 of 2"],
)
async def test_fewer_images_than_were_asked_for_are_told_of(
    tmp_path: Path, said: Said, asked: dict[str, Any], came: str
) -> None:
    result = await made(tmp_path, said, **asked)
    assert result["status"] == "completed"
    assert came in result["warnings"]


async def test_as_many_as_were_asked_for_go_without_saying(tmp_path: Path) -> None:
    result = await made(tmp_path, answer(PICTURE, PICTURE), n=2)
    assert result["warnings"] == []


async def test_a_format_other_than_the_one_asked_for_is_told_of_and_the_result_has_the_real_one(tmp_path: Path) -> None:
    result = await made(tmp_path, answer(JPEG), output_format="png", background="transparent", quality="low")
    assert result["images"][0]["mime_type"] == "image/jpeg"
    assert result["output_format"] == "jpeg"
    assert "background" not in result, "a JPEG has no transparent pixels"
    assert result["quality"] == "low"
    assert "png was asked for and jpeg came" in result["warnings"]


@pytest.mark.parametrize(
    ("model", "size", "warned"),
    [
        ("gpt-image-2.5-flare", "1024x1024", ["1024x1024 was asked for and 64x48 came"]),
        ("gpt-image-2.5-flare", "auto", []),
        ("a-model", "64x48", []),
        ("a-model", "1K", []),
    ],
)
async def test_a_size_other_than_the_one_asked_for_is_told_of(
    tmp_path: Path, model: str, size: str, warned: list[str]
) -> None:
    result = await made(tmp_path, answer(PICTURE, PICTURE), model=model, size=size, n=2)
    assert result["size"] == "64x48"
    assert [warning for warning in result["warnings"] if "was asked for" in warning] == warned


async def test_an_svg_has_no_size_to_differ(tmp_path: Path) -> None:
    result = await made(tmp_path, answer(SVG), size="1024x1024", output_format="svg")
    assert [warning for warning in result["warnings"] if "was asked for" in warning] == []


@pytest.mark.parametrize(
    ("came", "kind"), [(PICTURE, "png"), (SVG, "svg"), (UNREADABLE, "webp")], ids=["png", "svg", "unknown"]
)
async def test_the_pictures_themselves_go_before_what_is_said_of_them(tmp_path: Path, came: str, kind: str) -> None:
    """Where a picture does not show it, what the provider says counts, and then what was asked for."""
    said = answer(came, size="1024x1024", output_format="webp", background="opaque")
    result = await made(tmp_path, said, output_format=kind)
    assert result["output_format"] == kind
    assert result["size"] == ("64x48" if kind == "png" else "1024x1024")
    assert (result["background"], result["quality"]) == ("opaque", "auto")
    assert [warning for warning in result["warnings"] if "was asked for" in warning] == []
