"""Generations: every parameter that the official package types, alone and with every other, is sent as it sends it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from combinations import Row, alone, named, pairwise, parameters, uncompared, unmet
from image_options import APART, BY_SETTING, DECIDING, FREE, LEFT_OUT, OPTIONS, STREAMED, UNTYPED, streamed
from openai.types.image_generate_params import ImageGenerateParamsNonStreaming, ImageGenerateParamsStreaming
from side_by_side import Both, our_client, side_by_side, without
from wordings import words

module_loop = pytest.mark.asyncio(loop_scope="module")

LEAST: Row = {"model": "gpt-image-2", "prompt": "a cat"}
TYPED = parameters(ImageGenerateParamsNonStreaming, ImageGenerateParamsStreaming)
ALONE = [*alone(TYPED, FREE, but={"stream", "response_format", "user"}), *STREAMED]
TOGETHER = [streamed(row) for row in pairwise(OPTIONS, APART)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


@module_loop
@pytest.mark.parametrize("given", [{}, *ALONE], ids=named)
async def test_a_parameter_alone_is_sent_as_the_official_package_sends_it(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
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


def test_no_field_or_value_that_the_official_package_types_is_left_uncompared() -> None:
    assert uncompared(TYPED, [*ALONE, *LEFT_OUT, *BY_SETTING]) == set()


def test_every_two_options_that_go_together_meet_in_a_row() -> None:
    assert unmet(OPTIONS, APART, TOGETHER, DECIDING) == []
