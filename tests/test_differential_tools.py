"""From an MCP client to the wire: a call of a tool sends what the official package sends when it is told the same."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from capture_server import event_reply, json_reply
from combinations import Row, named
from conftest import held
from doors import call, client_of
from mcp import Client
from openai_bodies import image_call, image_event, images, item_done, response, sse
from pictures import alpha_mask, png, saved
from side_by_side import KEY, Both, Sent, drained, sent, side_by_side
from wordings import asked

from mcp_imagegen.openai_api.values import Upload

module_loop = pytest.mark.asyncio(loop_scope="module")

DRAWN = png((64, 48))
CAT = Upload(png((1024, 640)), "cat.png", "image/png")
DOG = Upload(png((640, 1024), "brown"), "dog.png", "image/png")
HOLE = Upload(alpha_mask((1024, 640), (10, 10, 200, 200)), "hole.png", "image/png")
PLAIN, STREAM = json_reply(images(DRAWN)), event_reply(sse(image_event("image_generation.completed", DRAWN)))
FILES = {picture.name: picture for picture in (CAT, DOG, HOLE)}
NO_MODELS = json_reply({"object": "list", "data": []})
ANSWERED = json_reply(response(image_call(DRAWN)))
ANSWERED_STREAM = event_reply(
    sse(
        item_done(image_call(DRAWN)),
        {"type": "response.completed", "response": response(image_call(DRAWN)), "sequence_number": 5},
    )
)
NEWER = {"model": "gpt-image-2.5-flare"}
UNKNOWN = {"model": "gpt-image-99"}
OPTIONS: tuple[Row, ...] = (
    {},
    {"model": "gpt-image-2.6-sunburst"},
    {"size": "1536x864"},
    {"quality": "low"},
    NEWER | {"quality": "max"},
    {"background": "opaque"},
    {"background": "transparent", "output_format": "webp"},
    {"output_format": "jpeg", "output_compression": 80},
    {"moderation": "low"},
    {"partial_images": 2},
    NEWER | {"extra": {"complexity": "high"}},
    {"extra": {"safety_identifier": "b1946ac9"}},
    NEWER | {"output_format": "gif", "extra": {"frame_count": 4, "frame_duration_ms": 120}},
    NEWER | {"output_format": "svg", "extra": {"svg": {"model": "gpt-6-sol", "reasoning": {"effort": "low"}}}},
)
MANY: Row = {
    "size": "1536x864",
    "quality": "high",
    "background": "opaque",
    "output_format": "webp",
    "output_compression": 70,
    "moderation": "low",
    "partial_images": 3,
    "extra": {"safety_identifier": "b1946ac9"},
}
INPUTS: tuple[Row, ...] = (
    {},
    MANY,
    {"images": ["cat.png", "dog.png"]},
    {"mask": "hole.png"},
    {"images": ["dog.png", "cat.png"], "partial_images": 1},
    UNKNOWN | {"input_fidelity": "high"},
)
IMAGE_API: tuple[Row, ...] = ({"n": 3}, {"n": 2, "size": "1024x1536", "quality": "low"})
MARKUP: Row = NEWER | {"extra": {"markup": "hole.png"}}
# What a tool is told in words that mean nothing else than silence.
DEFAULTS: tuple[Row, ...] = (
    {**dict.fromkeys(("size", "quality", "background", "moderation"), "auto"), "partial_images": 0, "n": 1},
    {"output_format": "png"},
    {"output_format": "jpeg", "output_compression": 100},
)


@dataclass(frozen=True)
class Desk:
    """A client of our server, whose provider is the one of the official package."""

    client: Client
    both: Both
    folder: Path

    async def requests(self, given: Row, told: Row) -> tuple[Sent, Sent]:
        """The package's request when it is `told` this, and the server's when its tool is given these arguments."""
        plain, streamed = (ANSWERED, ANSWERED_STREAM) if "host" in told else (PLAIN, STREAM)
        self.both.capture.answers(streamed if "stream" in told else plain, **{"/v1/models": NO_MODELS})
        await drained(asked(self.both.official, told))
        await call(self.client, "edit_image" if "images" in given else "generate_image", **self.named(given))
        theirs, mine = [seen for seen in self.both.capture.seen if seen.method == "POST"]
        return sent(theirs), sent(mine)

    def named(self, given: Row) -> Row:
        """The arguments with the paths of their pictures."""
        paths: Row = {name: str(self.folder / given[name]) for name in ("mask",) if name in given}
        if "images" in given:
            paths["images"] = [str(self.folder / name) for name in given["images"]]
        if "markup" in given.get("extra", {}):
            paths["extra"] = {"markup": str(self.folder / given["extra"]["markup"])}
        return given | paths


@asynccontextmanager
async def desk(folder: Path, api: str) -> AsyncIterator[Desk]:
    for picture in FILES.values():
        saved(folder / picture.name, picture.data)
    async with side_by_side() as both:
        environment = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": both.capture.url,
            "MCP_IMAGEGEN_PROVIDER": "openai",
            "MCP_IMAGEGEN_API": api,
            "MCP_IMAGEGEN_HOME": str(folder / "state"),
            "MCP_IMAGEGEN_ROOTS": str(folder),
        }
        async with held(client_of(environment)) as client:
            yield Desk(client, both, folder)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def image_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk(tmp_path_factory.mktemp("image"), "image") as ready:
        yield ready


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def responses_desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with desk(tmp_path_factory.mktemp("responses"), "responses") as ready:
        yield ready


def in_the_image_api(given: Row) -> Row:
    """What the package is told for it."""
    told: Row = {"model": "gpt-image-2", **given, **given.get("extra", {})}
    told.pop("extra", None)
    if "images" in told:  # no name of a user's file is sent
        files = [FILES[name] for name in told.pop("images")]
        pictures = [replace(file, name=f"image-{place}.png") for place, file in enumerate(files, 1)]
        told["image"] = pictures if len(pictures) > 1 else pictures[0]
    told |= {name: replace(FILES[told[name]], name=f"{name}.png") for name in ("mask", "markup") if name in told}
    return told | ({"stream": True} if "partial_images" in told else {})


def in_the_responses_api(given: Row) -> Row:
    told = in_the_image_api(given)
    told |= {"host": "gpt-5.4", "in_background": True, "action": "edit" if "image" in told else "generate"}
    if "image" in told:
        pictures = told.pop("image")
        told["pictures"] = pictures if isinstance(pictures, list) else [pictures]
    return told


@module_loop
@pytest.mark.parametrize("given", [*OPTIONS, *IMAGE_API], ids=named)
async def test_a_generation_is_the_request_of_the_official_package(image_desk: Desk, given: Row) -> None:
    call: Row = {"prompt": "a cat"} | given
    theirs, mine = await image_desk.requests(call, in_the_image_api(call))
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", [*INPUTS, *IMAGE_API, MARKUP], ids=named)
async def test_an_edit_is_the_request_of_the_official_package(image_desk: Desk, given: Row) -> None:
    call: Row = {"prompt": "a hat", "images": ["cat.png"]} | given
    theirs, mine = await image_desk.requests(call, in_the_image_api(call))
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", [{}, MANY, *OPTIONS[-4:]], ids=named)
async def test_a_generation_in_the_responses_api_is_the_request_of_the_official_package(
    responses_desk: Desk, given: Row
) -> None:
    call: Row = {"prompt": "a cat"} | given
    theirs, mine = await responses_desk.requests(call, in_the_responses_api(call))
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", INPUTS, ids=named)
async def test_an_edit_in_the_responses_api_is_the_request_of_the_official_package(
    responses_desk: Desk, given: Row
) -> None:
    call: Row = {"prompt": "a hat", "images": ["cat.png"]} | given
    theirs, mine = await responses_desk.requests(call, in_the_responses_api(call))
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", DEFAULTS, ids=named)
async def test_a_default_that_is_said_is_sent_like_one_that_is_not(image_desk: Desk, given: Row) -> None:
    silent: Row = {name: value for name, value in given.items() if value == "jpeg"}
    call: Row = {"prompt": "a cat"}
    theirs, mine = await image_desk.requests(call | given, in_the_image_api(call | silent))
    assert mine == theirs
