"""Edits and variations with files: every parameter that the official package types is sent as it sends it."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from typing import Any

import openai
import pytest
import pytest_asyncio
from combinations import Row, alone, named, pairwise, parameters, uncompared, unmet
from image_options import (
    BY_SETTING,
    DECIDING,
    EDIT_OPTIONS,
    EDITS_APART,
    FREE,
    LEFT_OUT,
    STREAMED,
    UNTYPED,
    streamed,
)
from openai.types.image_create_variation_params import ImageCreateVariationParams
from openai.types.image_edit_params import ImageEditParamsNonStreaming, ImageEditParamsStreaming
from side_by_side import PLAIN, Both, our_client, side_by_side, without
from wordings import CAT, DOG, HOLE, as_file, words

from mcp_imagegen.openai_api.values import Upload

module_loop = pytest.mark.asyncio(loop_scope="module")

LEAST: Row = {"model": "gpt-image-2", "prompt": "a hat", "image": CAT}
SIXTEEN = [replace(DOG, name=f"{number}.jpg", data=bytes([number])) for number in range(16)]
TYPED = parameters(ImageEditParamsNonStreaming, ImageEditParamsStreaming)
PICTURES = {"image", "mask", "markup"}
OPTIONS_ALONE = [
    *alone(TYPED, FREE, but={"stream", "response_format", "user", *PICTURES}),
    *alone({"moderation": ("low", "auto")}, {}),
    *STREAMED,
]
FILES: tuple[Row, ...] = (
    {"image": CAT},
    {"image": [CAT, DOG]},
    {"image": [DOG, CAT]},
    {"image": [CAT, CAT]},
    {"image": SIXTEEN},
    {"image": Upload(b"RIFF\0\0\0\0WEBP", "cat.webp", "image/webp")},
    {"image": Upload(bytes(range(256)) * 700, "large.png", "image/png")},
    {"image": Upload(b"", "empty.png", "image/png")},
    {"image": Upload(b"\r\n--boundary--\r\n", "lines.png", "image/png")},
    {"mask": HOLE},
    {"markup": HOLE},
    {"image": [CAT, DOG], "mask": HOLE},
    {"image": [CAT, DOG], "markup": HOLE},
)
NAMES = ("ü ☃ 🐈.png", "a;b=c.png", "back\\slash.png", "100%22.png", "two\nlines.png", "a/b.png", "no-ending", "'.png")
EDITS = {
    **EDIT_OPTIONS,
    "image": (CAT, [CAT, DOG], SIXTEEN),
    "mask": (None, HOLE),
    "markup": (None, HOLE),
}
TOGETHER_APART = (
    *EDITS_APART,
    {"mask": (HOLE,), "markup": (HOLE,)},
    {"mask": (HOLE,), "output_format": ("gif",)},
    {"markup": (HOLE,), "model": ("gpt-image-2", "gpt-image-1.5")},
)
TOGETHER = [streamed(row) for row in pairwise(EDITS, TOGETHER_APART)]
TYPED_OF_VARIATIONS = parameters(ImageCreateVariationParams)
VARIATIONS: tuple[Row, ...] = (
    {},
    *alone(TYPED_OF_VARIATIONS, {"n": (2, 10)}, but={"image", "response_format", "user"}),
    {"n": 3, "size": "256x256"},
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


@module_loop
@pytest.mark.parametrize("given", [*FILES, *OPTIONS_ALONE], ids=named)
async def test_a_parameter_alone_is_sent_as_the_official_package_sends_it(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_a_file_name_is_sent_as_the_official_package_sends_it(both: Both, name: str) -> None:
    theirs, mine = await both.same(LEAST | {"image": replace(CAT, name=name), "mask": replace(HOLE, name=name)})
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", TOGETHER, ids=named)
async def test_parameters_together_are_sent_as_the_official_package_sends_them(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", UNTYPED, ids=named)
async def test_options_of_other_servers_are_sent_as_the_official_package_sends_them(both: Both, given: Row) -> None:
    theirs, mine = await both.same({**LEAST, "extra_body": given}, words(LEAST | given))
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", LEFT_OUT, ids=named)
async def test_a_default_that_the_official_package_would_send_is_left_out(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == without(theirs, *given)


@module_loop
@pytest.mark.parametrize("given", BY_SETTING, ids=named)
async def test_a_field_of_the_settings_is_sent_as_the_official_package_sends_it(both: Both, given: Row) -> None:
    async with our_client(both.capture, extra_fields=given) as ours:
        theirs, mine = await both.same(LEAST | given, words(LEAST), ours)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", VARIATIONS, ids=named)
async def test_variations_are_asked_for_as_the_official_package_does(both: Both, given: Row) -> None:
    call: Row = {"model": "dall-e-2", "image": CAT} | given
    theirs, mine = await both.requests(lambda api: varied(api, call), words(call), PLAIN)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", BY_SETTING, ids=named)
async def test_a_field_of_the_settings_goes_with_variations_too(both: Both, given: Row) -> None:
    call: Row = {"model": "dall-e-2", "image": CAT}
    async with our_client(both.capture, extra_fields=given) as ours:
        theirs, mine = await both.requests(lambda api: varied(api, call | given), words(call), PLAIN, ours)
    assert mine == theirs


def varied(api: openai.AsyncOpenAI, call: Row) -> Awaitable[Any]:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # OpenAI no longer has them, other servers do
        return api.images.create_variation(**{name: as_file(value) for name, value in call.items()})


def test_no_field_or_value_that_the_official_package_types_is_left_uncompared() -> None:
    assert uncompared(TYPED, [LEAST, *FILES, *OPTIONS_ALONE, *LEFT_OUT, *BY_SETTING]) == set()
    compared = [{"model": "dall-e-2", "image": CAT}, *VARIATIONS, *BY_SETTING]
    assert uncompared(TYPED_OF_VARIATIONS, compared) == set()


def test_every_two_options_that_go_together_meet_in_a_row() -> None:
    assert unmet(EDITS, TOGETHER_APART, TOGETHER, DECIDING) == []
