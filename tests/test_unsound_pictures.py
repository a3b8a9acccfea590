"""What is no picture, or none that is whole, is kept, since it is paid for, and never passes for a good one."""

import base64
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal
from mcp import Client
from openai_bodies import image_call, response
from pictures import encoded
from PIL import Image, ImageFile
from stand_in import Said, picture, standing_in

NO_PICTURE = "what came is no picture that can be read"
DAMAGED = "the picture is cut off or damaged"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><path d="M0 0"/></svg>'


def animation() -> bytes:
    frames = [Image.effect_noise((64, 48), 90).convert("P") for _ in range(4)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def flipped(data: bytes) -> bytes:
    """With a few bytes in its middle that are others."""
    middle = len(data) // 2
    return data[:middle] + bytes(255 - byte for byte in data[middle : middle + 9]) + data[middle + 9 :]


NOISE = encoded(Image.effect_noise((96, 96), 90))
# what comes, its type, width x height, and what is said of it
CASES: dict[str, tuple[bytes, str, tuple[int, int], str | None]] = {
    "text": (b"hello world, not an image", "application/octet-stream", (0, 0), NO_PICTURE),
    "text that begins like a BMP": (b"BMW makes cars.", "application/octet-stream", (0, 0), NO_PICTURE),
    "HTML": (b"<html><body>no</body></html>", "application/octet-stream", (0, 0), NO_PICTURE),
    "PDF": (b"%PDF-1.4 x", "application/octet-stream", (0, 0), NO_PICTURE),
    "a PNG that is cut": (picture()[:60], "image/png", (64, 48), DAMAGED),
    "a PNG without its end": (picture()[:-12], "image/png", (64, 48), DAMAGED),
    "a PNG that is damaged": (flipped(NOISE), "image/png", (96, 96), DAMAGED),
    "a JPEG that is cut": (picture("JPEG")[:-40], "image/jpeg", (64, 48), DAMAGED),
    "a WebP that is cut": (picture("WEBP")[:-10], "image/webp", (0, 0), DAMAGED),
    "an animation cut in its last frame": (animation()[:-900], "image/gif", (64, 48), DAMAGED),
    "an SVG that is cut": (SVG[:-6], "image/svg+xml", (64, 48), DAMAGED),
    "a PNG": (picture(), "image/png", (64, 48), None),
    "a JPEG": (picture("JPEG"), "image/jpeg", (64, 48), None),
    "a WebP": (picture("WEBP"), "image/webp", (64, 48), None),
    "an animation": (animation(), "image/gif", (64, 48), None),
    "an SVG": (SVG, "image/svg+xml", (64, 48), None),
    "an SVG of one element": (b"<svg width='64' height='48'/>", "image/svg+xml", (64, 48), None),
    "a BMP": (picture("BMP"), "image/bmp", (64, 48), None),
    "a TIFF": (picture("TIFF"), "image/tiff", (64, 48), None),
    "a TIFF that is cut": (picture("TIFF")[:-20], "image/tiff", (64, 48), DAMAGED),
}
ENDINGS = {"application/octet-stream": ".bin", "image/jpeg": ".jpg", "image/svg+xml": ".svg"}


@asynccontextmanager
async def answering(folder: Path, body: Any, **settings: str) -> AsyncIterator[Client]:
    """A client of a server whose provider answers so."""
    async with (
        standing_in(Said(body)) as stand_in,
        client_of(stand_in.environment(MCP_IMAGEGEN_HOME=str(folder), **settings)) as client,
    ):
        yield client


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("case", CASES)
async def test_what_came_is_kept_as_what_it_is_and_warned_of_where_it_is_no_whole_picture(
    tmp_path: Path, case: str
) -> None:
    came, mime_type, size, warning = CASES[case]
    async with answering(tmp_path, {"data": [{"b64_json": b64(came)}]}) as client:
        result = await call(client, "generate_image", prompt="a cat", model="local", size="1024x1024")
        again = await call(client, "get_image_thread", thread_id=result["thread_id"], wait=True)
    (image,) = result["images"]
    path = Path(image["path"])
    assert path.read_bytes() == came
    assert path.suffix == ENDINGS.get(mime_type, "." + mime_type.removeprefix("image/"))
    assert (image["mime_type"], image["width"], image["height"]) == (mime_type, *size)
    about = [said for said in result["warnings"] if said in (NO_PICTURE, DAMAGED)]
    assert about == ([warning] if warning else [])
    assert again["result"]["warnings"] == result["warnings"]


async def test_of_several_it_says_which(tmp_path: Path) -> None:
    items = [{"b64_json": b64(picture())}, {"b64_json": b64(b"hello")}, {"b64_json": b64(picture()[:60])}]
    async with answering(tmp_path, {"data": items}) as client:
        result = await call(client, "generate_image", prompt="a cat", model="gpt-image-1", n=3)
    assert {f"image 2: {NO_PICTURE}", f"image 3: {DAMAGED}"} <= set(result["warnings"])
    assert len(result["images"]) == 3


async def test_a_called_image_is_looked_at_too(tmp_path: Path) -> None:
    async with answering(tmp_path, response(image_call(picture()[:60])), MCP_IMAGEGEN_API="responses") as client:
        result = await call(client, "generate_image", prompt="a cat", model="gpt-image-1")
    assert DAMAGED in result["warnings"]


async def test_what_no_model_takes_is_named_when_it_is_to_be_edited(tmp_path: Path) -> None:
    async with answering(tmp_path, {"data": [{"b64_json": b64(picture("TIFF"))}]}) as client:
        made = await call(client, "generate_image", prompt="a cat", model="local")
        image_id = made["images"][0]["image_id"]
        text = await refusal(client, "edit_image", prompt="a hat", model="local", images=[image_id])
    assert text.startswith("input_rejected: ")
    assert "a tiff file" in text


# what a data URL holds, and the bytes of the picture
LINKS: dict[str, tuple[str, bytes]] = {
    "no base64": ("data:image/png,abc", b"abc"),
    "as it is": ("data:image/svg+xml,%3Csvg%20width='64'%20height='48'/%3E", b"<svg width='64' height='48'/>"),
    "base64 that does not say so": ("data:image/png," + b64(picture()), picture()),
}


@pytest.mark.parametrize("case", LINKS)
async def test_a_data_url_is_read_as_it_says_it_is_written(tmp_path: Path, case: str) -> None:
    url, came = LINKS[case]
    async with answering(tmp_path, {"data": [{"url": url}]}) as client:
        result = await call(client, "generate_image", prompt="a cat", model="local")
    assert Path(result["images"][0]["path"]).read_bytes() == came
    assert (NO_PICTURE in result["warnings"]) == (case == "no base64")


async def test_pictures_are_looked_at_outside_the_event_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []
    load = ImageFile.ImageFile.load

    def noted(self: ImageFile.ImageFile) -> Any:
        loaded.append(threading.get_ident())
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", noted)
    new = encoded(Image.effect_noise((64, 48), 90))  # what another test has had looked at is not looked at again
    async with answering(tmp_path, {"data": [{"b64_json": b64(new)}]}, MCP_IMAGEGEN_PREVIEW="off") as client:
        await call(client, "generate_image", prompt="a cat", model="local")
    assert loaded
    assert threading.get_ident() not in loaded
