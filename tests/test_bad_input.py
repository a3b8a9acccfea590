"""Bad input is refused before the network, with a code and a way out, and nothing is written."""

import base64
import struct
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream, held
from doors import call, refusal
from mcp import Client
from pictures import alpha_mask, encoded, png, saved
from PIL import Image

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

GENERATE: dict[str, Any] = {"prompt": "a cat"}
EXAMPLE = """'extra' must be a JSON object of options by their names
To fix: write it like extra={"complexity": "high"}"""

TODAY = datetime(2026, 11, 20, tzinfo=UTC)  # on which there still are models of fixed sizes


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    server = ImagegenServer(from_environment(environment), local=True, now=lambda: TODAY)
    async with held(Client(server)) as connected:
        yield connected


@dataclass(frozen=True)
class Bad:
    """One bad call: what is wrong, the arguments (made in the work folder), the code, and words of the way out."""

    why: str
    tool: str
    arguments: Callable[[Path], dict[str, Any]]
    code: str
    says: str


def huge_png() -> bytes:
    """A PNG whose header says 10,000 x 10,000 pixels; its few bytes of data would never fill them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def generate(**arguments: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda _: {**GENERATE, **arguments}


def edit(image: bytes, **arguments: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda work: {"prompt": "a hat", "images": [saved(work / "in.png", image)], **arguments}


def masked(mask: bytes) -> Callable[[Path], dict[str, Any]]:
    return lambda work: {**edit(png((1024, 640)))(work), "mask": saved(work / "mask.png", mask)}


BAD = [
    Bad("empty prompt", "generate_image", lambda _: {"prompt": ""}, "invalid_argument", "prompt"),
    Bad("prompt over the limit", "generate_image", lambda _: {"prompt": "x" * 32_001}, "unsupported_option", "32,000"),
    Bad(
        "prompt over every limit", "generate_image", lambda _: {"prompt": "x" * 200_001}, "invalid_argument", "200,000"
    ),
    Bad("unknown argument", "generate_image", generate(qualty="low"), "invalid_argument", "did you mean 'quality'"),
    Bad(
        "unknown thread",
        "continue_image_thread",
        lambda _: {"thread_id": "thr_" + "0" * 32, "prompt": "go on"},
        "thread_not_found",
        "get_image_thread",
    ),
    Bad("no thread id", "continue_image_thread", lambda _: {"thread_id": "x", "prompt": "y"}, "thread_not_found", ""),
    Bad(
        "unknown image",
        "edit_image",
        lambda _: {"prompt": "a hat", "images": ["img_" + "0" * 32]},
        "image_not_found",
        "images[0]",
    ),
    Bad(
        "missing file",
        "edit_image",
        lambda work: {"prompt": "a hat", "images": [str(work / "no.png")]},
        "input_not_found",
        "images[0]",
    ),
    Bad(
        "outside the roots",
        "edit_image",
        lambda _: {"prompt": "a hat", "images": ["/etc/passwd"]},
        "path_not_allowed",
        "MCP_IMAGEGEN_ROOTS",
    ),
    Bad(
        "climbing out of the roots",
        "edit_image",
        lambda work: {"prompt": "a hat", "images": [f"{work}/../../../etc/passwd"]},
        "path_not_allowed",
        "",
    ),
    Bad("no image", "edit_image", edit(b"hello, I am a text\n" * 20), "input_rejected", "images[0]"),
    Bad("cut off in the middle", "edit_image", edit(png(color="red")[:-400]), "input_rejected", "images[0]"),
    Bad(
        "mask of another size", "edit_image", masked(alpha_mask((512, 512), (0, 0, 9, 9))), "mask_rejected", "1024x640"
    ),
    Bad("mask that marks nothing", "edit_image", masked(png((1024, 640), (0, 0, 0, 255), "RGBA")), "mask_rejected", ""),
    Bad("size not in steps of 16", "generate_image", generate(size="1000x1000"), "invalid_argument", "1008x1008"),
    Bad("size too long", "generate_image", generate(size="4096x2048"), "invalid_argument", "3840x"),
    Bad("size too thin", "generate_image", generate(size="3840x640"), "invalid_argument", "x"),
    Bad("size no size", "generate_image", generate(size="huge"), "invalid_argument", "1536x1024"),
    Bad(
        "size that the model has not",
        "generate_image",
        generate(model="gpt-image-1.5", size="2048x2048"),
        "unsupported_option",
        "1024x1024",
    ),
    Bad(
        "transparent with jpeg",
        "generate_image",
        generate(background="transparent", output_format="jpeg"),
        "invalid_argument",
        "png",
    ),
    Bad("n of 0", "generate_image", generate(n=0), "invalid_argument", "n"),
    Bad("n of 11", "generate_image", generate(n=11), "invalid_argument", "n"),
    Bad("100 million pixels", "edit_image", edit(huge_png()), "input_rejected", "40"),
    Bad(
        "data URL that is not base64",
        "edit_image",
        lambda _: {"prompt": "a hat", "images": ["data:image/png;base64,@@@@"]},
        "input_rejected",
        "images[0]",
    ),
    Bad(
        "plain http", "edit_image", lambda _: {"prompt": "a", "images": ["http://a.example/a.png"]}, "fetch_blocked", ""
    ),
    Bad(
        "private address",
        "edit_image",
        lambda _: {"prompt": "a hat", "images": ["https://127.0.0.1/a.png"]},
        "fetch_blocked",
        "",
    ),
    Bad("quality of another model", "generate_image", generate(quality="xhigh"), "unsupported_option", "high"),
    Bad("retired model", "generate_image", generate(model="dall-e-3"), "model_retired", "gpt-image-2"),
    Bad(
        "a limit below the price", "generate_image", generate(quality="high", max_cost_usd=0.01), "budget_exceeded", ""
    ),
    *(
        Bad(f"a limit of {value!r}", tool, generate(max_cost_usd=value), "invalid_argument", "max_cost_usd=0.25")
        for tool in ("generate_image", "estimate_cost")
        for value in (True, False, "0.5", "1 USD", 0, 1e-10, -1, -0.01, [1])
    ),
    Bad("extra that has an argument", "generate_image", generate(extra={"size": "1024x1024"}), "invalid_argument", ""),
    Bad("extra that is no JSON", "generate_image", generate(extra="complexity: high"), "invalid_argument", EXAMPLE),
    Bad("extra that is text", "estimate_cost", generate(extra='"high"'), "invalid_argument", EXAMPLE),
    Bad("extra that is a list", "generate_image", generate(extra=["complexity"]), "invalid_argument", EXAMPLE),
    Bad("extra that is nested without end", "generate_image", generate(extra="[" * 9_999), "invalid_argument", EXAMPLE),
    Bad("save outside", "generate_image", generate(save_to="/etc/cat.png"), "path_not_allowed", ""),
    Bad("save with a wrong ending", "generate_image", generate(save_to="cat.jpg"), "invalid_argument", "png"),
    Bad("edit without prompt", "edit_image", lambda w: {"images": [saved(w / "a.png", png())]}, "invalid_argument", ""),
    Bad(
        "estimate of an unknown thread",
        "estimate_cost",
        lambda _: {"operation": "continue", "thread_id": "thr_" + "1" * 32},
        "thread_not_found",
        "",
    ),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.why.replace(" ", "-"))
async def test_bad_input_costs_nothing_and_says_what_to_do(
    client: Client, upstream: Upstream, environment: dict[str, str], work: Path, bad: Bad
) -> None:
    text = await refusal(client, bad.tool, **bad.arguments(work))
    lines = text.splitlines()
    assert lines[0].startswith(f"{bad.code}: ")
    assert lines[1].startswith("To fix: ")
    assert bad.says in text
    assert upstream.seen == []
    assert await call(client, "get_image_thread") == {"threads": [], "warnings": []}
    assert not list(Path(environment["MCP_IMAGEGEN_HOME"]).rglob("*.png"))


async def test_a_picture_of_100_million_pixels_is_refused_without_decoding_it(client: Client, work: Path) -> None:
    """Its data would fail to decode, so the answer about its size shows that it was measured first."""
    text = await refusal(client, "edit_image", prompt="a hat", images=[saved(work / "huge.png", huge_png())])
    assert "10000x10000" in text


async def test_a_damaged_picture_names_the_one_of_several(client: Client, work: Path) -> None:
    good, bad = saved(work / "a.png", png()), saved(work / "b.png", encoded(Image.new("RGB", (640, 640)))[:50])
    text = await refusal(client, "edit_image", prompt="join", images=[good, bad])
    assert "images[1]" in text


async def test_a_data_url_is_never_repeated_in_an_error(client: Client) -> None:
    secret = base64.b64encode(b"no image at all, " * 20).decode()
    text = await refusal(client, "edit_image", prompt="a", images=[f"data:image/png;base64,{secret}"])
    assert secret[:40] not in text
