"""Edits with ids of files go as JSON, for which the official package has no method: what is sent fits OpenAI's own
description, and is what the package sends when it is handed the same body."""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import openai
import pytest
import pytest_asyncio
from combinations import Row, alone, named, pairwise, parameters, unmet
from image_options import DECIDING, EDIT_OPTIONS, EDITS_APART, FREE, STREAMED, streamed
from jsonschema import Draft202012Validator
from openai.types import ImagesResponse
from openai.types.image_edit_params import ImageEditParamsNonStreaming
from side_by_side import PLAIN, STREAM, Both, side_by_side
from wordings import CAT, DOG, HOLE, reference, words

from mcp_imagegen.openai_api.values import FileId

module_loop = pytest.mark.asyncio(loop_scope="module")

LEAST: Row = {"model": "gpt-image-2", "prompt": "a hat", "image": [FileId("file-7")]}
TYPED = parameters(ImageEditParamsNonStreaming)
ALONE = [
    *alone(TYPED, FREE, but={"stream", "response_format", "user", "image", "mask", "markup"}),
    *STREAMED,
    {"moderation": "low"},
    {"moderation": "auto"},
]
REFERENCES: tuple[Row, ...] = (
    {"image": [FileId("file-7"), FileId("file-8")]},
    {"image": [CAT, FileId("file-7")]},
    {"image": [FileId("file-7"), DOG, CAT]},
    {"image": [FileId(f"file-{number}") for number in range(16)]},
    {"image": [FileId("file-7")], "mask": HOLE},
    {"image": [FileId("file-7")], "mask": FileId("file-8")},
    {"image": [CAT], "mask": FileId("file-8")},
    {"image": [FileId("file-7")], "markup": HOLE},
    {"image": [CAT, DOG], "markup": FileId("file-8")},
)
# The options are written by what writes generations; here they meet what only an edit has.
FACTORS = {
    **{name: EDIT_OPTIONS[name] for name in ("output_format", "model", "n", "partial_images", "input_fidelity", "svg")},
    "image": ([FileId("file-7")], [FileId("file-7"), CAT]),
    "mask": (None, HOLE, FileId("file-8")),
    "markup": (None, HOLE, FileId("file-9")),
}
APART = (
    *EDITS_APART,
    {"mask": FACTORS["mask"][1:], "markup": FACTORS["markup"][1:]},
    {"mask": FACTORS["mask"][1:], "output_format": ("gif",)},
    {"markup": FACTORS["markup"][1:], "model": ("gpt-image-2", "gpt-image-1.5")},
)
TOGETHER = [streamed(row) for row in pairwise(FACTORS, APART)]


def one_of(*values: str) -> Row:
    return {"enum": list(values)}


def whole(least: int, most: int) -> Row:
    return {"type": "integer", "minimum": least, "maximum": most}


TEXT = {"type": "string"}
REFERENCE = {
    "type": "object",
    "properties": {"image_url": {"type": "string", "maxLength": 20_971_520}, "file_id": TEXT},
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
}
# EditImageBodyJsonParam of OpenAI's published description of its API (2026-08-21, MIT).
DESCRIBED: Row = {
    "model": TEXT,
    "images": {"type": "array", "minItems": 1, "maxItems": 16, "items": REFERENCE},
    "mask": REFERENCE,
    "prompt": {"type": "string", "minLength": 1, "maxLength": 32_000},
    "n": whole(1, 10),
    "quality": one_of("low", "medium", "high", "auto"),
    "input_fidelity": one_of("high", "low"),
    "size": TEXT,
    "output_format": one_of("png", "jpeg", "webp"),
    "output_compression": whole(0, 100),
    "moderation": one_of("low", "auto"),
    "background": one_of("transparent", "opaque", "auto"),
    "stream": {"type": "boolean"},
    "partial_images": whole(0, 3),
}
# What OpenAI's package has typed for edits with files since then, and legacy values that other servers take.
SINCE: Row = {
    "quality": one_of("low", "medium", "high", "xhigh", "max", "auto", "standard"),
    "output_format": one_of("png", "webp", "jpeg", "gif", "svg"),
    "complexity": one_of("low", "medium", "high"),
    "frame_count": whole(2, 16),
    "frame_duration_ms": {"type": "integer", "minimum": 0},
    "markup": REFERENCE,
    "safety_identifier": {"type": "string", "maxLength": 64},
    "svg": {
        "type": "object",
        "properties": {"model": TEXT, "reasoning": {"type": "object", "properties": {"effort": TEXT}}},
        "additionalProperties": False,
    },
}
BODY = Draft202012Validator(
    {
        "type": "object",
        "properties": DESCRIBED | SINCE,
        "required": ["images", "prompt"],
        "additionalProperties": False,
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


@module_loop
@pytest.mark.parametrize("given", [{}, *REFERENCES, *ALONE, *TOGETHER], ids=named)
async def test_an_edit_as_json_fits_the_description_and_is_sent_as_the_official_package_would(
    both: Both, given: Row
) -> None:
    call = LEAST | given
    reply = STREAM if call.get("stream") else PLAIN
    theirs, mine = await both.requests(lambda api: posted(api, body(call)), words(call), reply)
    assert mine == theirs
    assert [error.message for error in BODY.iter_errors(mine["body"])] == []


def body(call: Row) -> Row:
    written: Row = {name: value for name, value in call.items() if name != "image"}
    written["images"] = [reference(picture) for picture in call["image"]]
    return written | {name: reference(call[name]) for name in ("mask", "markup") if name in call}


def posted(api: openai.AsyncOpenAI, sent: Row) -> Awaitable[Any]:
    return api.post(
        "/images/edits",
        cast_to=ImagesResponse,
        body=sent,
        stream=sent.get("stream", False),
        stream_cls=openai.AsyncStream[Any],
    )


def test_every_field_that_is_described_is_compared() -> None:
    assert {name for given in (*REFERENCES, *ALONE) for name in body(LEAST | given)} == {*DESCRIBED, *SINCE}


def test_every_two_options_that_go_together_meet_in_a_row() -> None:
    assert unmet(FACTORS, APART, TOGETHER, DECIDING) == []
