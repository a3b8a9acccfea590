"""Markup: a drawing on a transparent layer that goes along with the first image, checked and priced before the call."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer, Seen, capture_server, json_reply
from conftest import held
from doors import call, client_of, refusal
from mcp import Client
from pictures import encoded, png, saved
from PIL import Image, ImageDraw
from stand_in import GOOD

SIZE = (1024, 640)
NANO_A_TOKEN = 8_000  # of image input, gpt-image-2.5
PATCHES = 32 * 20  # of an input of SIZE


def drawing(size: tuple[int, int] = SIZE, ink: int = 255, ground: int = 0) -> Image.Image:
    """A ring; `ink` and `ground` are the alpha of what is drawn and of the rest."""
    picture = Image.new("RGBA", size, (0, 0, 0, ground))
    ImageDraw.Draw(picture).ellipse((40, 40, size[0] // 2, size[1] // 2), outline=(255, 0, 0, ink), width=9)
    return picture


@dataclass
class Bench:
    client: Client
    server: CaptureServer
    work: Path

    @property
    def sent(self) -> list[Seen]:
        return [seen for seen in self.server.seen if seen.method == "POST"]

    def ask(self, markup: object, **more: Any) -> dict[str, Any]:
        image = saved(self.work / "a.png", png(SIZE))
        model = {"model": "gpt-image-2.5-flare", "size": "1024x640", "quality": "low"}
        return {"prompt": "as marked", "images": [image], **model, "extra": {"markup": markup}, **more}

    def markup(self, data: bytes) -> str:
        return saved(self.work / "markup.file", data)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    work = tmp_path / "work"
    work.mkdir()
    with capture_server() as server:
        server.answers(json_reply(GOOD), **{"/v1/models": json_reply({"data": []})})
        environment = {
            "OPENAI_API_KEY": "sk-1",
            "OPENAI_BASE_URL": server.url,
            "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
            "MCP_IMAGEGEN_ROOTS": str(work),
        }
        async with held(client_of(environment)) as client:
            yield Bench(client, server, work)


@pytest.mark.parametrize("picture", [drawing(), drawing(ink=90), drawing(ink=200, ground=20)])
async def test_markup_names_a_picture_that_goes_along_as_a_file(bench: Bench, picture: Image.Image) -> None:
    """Thin ink and a tinted ground are both drawn and clear."""
    data = encoded(picture)
    result = await call(bench.client, "edit_image", **bench.ask(bench.markup(data)))
    [seen] = bench.sent
    assert seen.path == "/v1/images/edits"
    assert [(file.field, file.name) for file in seen.files] == [("image", "image-1.png"), ("markup", "markup.png")]
    assert seen.files[1].data == data
    assert "markup" not in dict(seen.form)
    assert "how OpenAI bills a markup is not published" in " ".join(result["warnings"])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(SIZE), "it is transparent nowhere"),
        (encoded(drawing(ground=255)), "it is transparent nowhere"),
        (encoded(drawing(ink=0)), "it is transparent everywhere"),
        (encoded(drawing((640, 1024))), "it is 640x1024 and the first image 1024x640"),
        (encoded(drawing(), "WEBP", lossless=True), "the API takes a PNG, and this is webp"),
        (encoded(drawing().convert("RGB"), "JPEG"), "the API takes a PNG, and this is jpeg"),
    ],
    ids=["no alpha", "opaque", "clear", "turned", "webp", "jpeg"],
)
@pytest.mark.parametrize("tool", ["edit_image", "estimate_cost"])
async def test_a_picture_that_is_no_markup_is_refused_before_anything_is_sent(
    bench: Bench, tool: str, data: bytes, said: str
) -> None:
    more = {"operation": "edit"} if tool == "estimate_cost" else {}
    refused = await refusal(bench.client, tool, **bench.ask(bench.markup(data), **more))
    assert refused.startswith(f"input_rejected: markup: {said}")
    assert "To fix: " in refused
    assert bench.sent == []


async def test_a_markup_that_is_not_there_is_called_so(bench: Bench) -> None:
    refused = await refusal(bench.client, "edit_image", **bench.ask(str(bench.work / "no.png")))
    assert refused.startswith("input_not_found: markup: ")
    assert (await refusal(bench.client, "edit_image", **bench.ask(7))).startswith("invalid_argument: markup names one")
    assert bench.sent == []


async def test_what_a_markup_is_converted_from_is_told(bench: Bench) -> None:
    drawn = Image.new("P", SIZE, 0)
    drawn.putpalette([0, 0, 0, 255, 0, 0])
    ImageDraw.Draw(drawn).rectangle((10, 10, 60, 60), fill=1)
    gif = encoded(drawn, "GIF", transparency=0)
    result = await call(bench.client, "edit_image", **bench.ask(bench.markup(gif)))
    assert "markup: a GIF; its first frame is sent as PNG" in result["warnings"]


@pytest.mark.parametrize("markup", ["a file", "https://pictures.example/markup.png", "file-0123456789"])
async def test_an_estimate_counts_a_markup_as_one_more_input_without_network(bench: Bench, markup: str) -> None:
    """At the lowest it costs nothing, as a mask does. Its size is the first image's, known or not."""
    named = bench.markup(encoded(drawing())) if markup == "a file" else markup
    plain = await call(bench.client, "estimate_cost", **bench.ask(None, operation="edit"))
    marked = await call(bench.client, "estimate_cost", **bench.ask(named, operation="edit"))
    added = PATCHES * NANO_A_TOKEN
    assert plain["exact"]
    assert not marked["exact"]
    assert marked["low_usd"] == plain["low_usd"]
    assert round((marked["expected_usd"] - plain["expected_usd"]) * 10**9) == added
    assert round((marked["high_usd"] - plain["high_usd"]) * 10**9) == added
    assert "how OpenAI bills a markup is not published; it is counted as one more input image" in marked["warnings"]
    assert bench.sent == []


async def test_a_limit_counts_the_markup(bench: Bench) -> None:
    plain = await call(bench.client, "estimate_cost", **bench.ask(None, operation="edit"))
    limit = plain["high_usd"] + 0.001
    refused = await refusal(
        bench.client, "edit_image", **bench.ask(bench.markup(encoded(drawing())), max_cost_usd=limit)
    )
    assert refused.startswith("budget_exceeded: ")
    assert bench.sent == []


@pytest.mark.parametrize(("size", "fits"), [((640, 1024), True), ((1024, 640), False)])
async def test_an_estimate_measures_a_photo_as_it_is_seen(bench: Bench, size: tuple[int, int], fits: bool) -> None:
    lying = Image.Exif()
    lying[0x0112] = 6  # a quarter turn
    photo = saved(bench.work / "photo.jpg", encoded(Image.new("RGB", SIZE), "JPEG", exif=lying))
    asked = bench.ask(bench.markup(encoded(drawing(size))), images=[photo], operation="edit")
    answer = await bench.client.call_tool("estimate_cost", asked)
    assert (not answer.is_error) == fits
