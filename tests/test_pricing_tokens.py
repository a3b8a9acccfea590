"""The token formulas against published tables, recorded answers and a second implementation."""

from fractions import Fraction
from math import ceil, floor, sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_imagegen.catalog.loading import packaged
from mcp_imagegen.catalog.sizes import legal_sizes
from mcp_imagegen.pricing.tokens import (
    Formula,
    image_input_tokens,
    image_output_tokens,
    prompt_tokens,
    qualities,
    round_half_even,
    text_input_tokens,
)
from mcp_imagegen.sandbox.tokens import text_tokens

CELLS = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}
PER_IMAGE: dict[Formula, int] = {"gpt-image-1": 16, "gpt-image-2": 1, "gpt-image-2.5": 1}
FORMULAS: tuple[Formula, ...] = ("gpt-image-1", "gpt-image-2", "gpt-image-2.5")


@pytest.mark.parametrize(
    ("formula", "size", "tokens"),
    [
        ("gpt-image-2", (1024, 1024), (196, 1756, 7024)),
        ("gpt-image-2", (1536, 1024), (158, 1372, 5488)),
        ("gpt-image-2", (2048, 2048), (397, 3568, 14272)),
        ("gpt-image-2", (2560, 1440), (205, 1843, 7370)),
        ("gpt-image-2", (3840, 2160), (371, 3336, 13342)),
        ("gpt-image-2.5", (1024, 1024), (196, 439, 1756, 3122, 7024)),
        ("gpt-image-1", (1024, 1024), (272, 1056, 4160)),
        ("gpt-image-1", (1024, 1536), (408, 1584, 6240)),
        ("gpt-image-1", (1536, 1024), (400, 1568, 6208)),
    ],
)
def test_made_images_have_the_published_tokens(
    formula: Formula, size: tuple[int, int], tokens: tuple[int, ...]
) -> None:
    assert tuple(image_output_tokens(formula, *size, quality) for quality in qualities(formula)) == tokens


def test_halves_are_rounded_to_the_even_number() -> None:
    """528 x 48 / 1536 is 16.5: 16 gives 540 tokens, 17 would give 574."""
    assert image_output_tokens("gpt-image-2", 528, 1536, "medium") == 540
    assert image_output_tokens("gpt-image-2.5", 1536, 528, "high") == 540
    assert [round_half_even(number, 2) for number in range(1, 10)] == [0, 1, 2, 2, 2, 3, 4, 4, 4]


def counted_twice() -> tuple[int, int, list[tuple[Formula, str, tuple[int, int]]]]:
    """How many sizes and qualities were compared with a second implementation in exact fractions with Python's own
    rounding; of how many the numbers of cells would be others with halves rounded up; and those that differ."""
    compared, halves, differ = 0, set(), []
    for formula in FORMULAS[1:]:
        for quality, cells in CELLS[formula].items():
            for width, height in legal_sizes():
                shorter = Fraction(cells * min(width, height), max(width, height))
                if round(shorter) != floor(shorter + Fraction(1, 2)):
                    halves.add((cells, width, height))
                tokens = ceil(Fraction(cells * round(shorter) * (2_000_000 + width * height), 4_000_000))
                compared += 1
                if image_output_tokens(formula, width, height, quality) != tokens:
                    differ.append((formula, quality, (width, height)))
    return compared, len(halves), differ


def test_every_legal_size_has_the_tokens_of_a_second_implementation() -> None:
    compared, halves, differ = counted_twice()
    assert compared == 29_146 * (3 + 5)
    assert differ == []
    assert halves == 362, "rounding halves up would miscount so many"


def test_what_a_formula_does_not_know_has_no_tokens() -> None:
    assert image_output_tokens("gpt-image-1", 1536, 864, "low") is None
    assert image_output_tokens("gpt-image-1", 1024, 1024, "max") is None
    assert image_output_tokens("gpt-image-2", 1024, 1024, "max") is None
    assert image_output_tokens("gpt-image-2.5", 1024, 1024, "hd") is None


def test_the_formulas_know_the_qualities_that_the_catalog_names() -> None:
    named = {model.qualities for model in packaged().models if not model.name.startswith("dall-e")}
    assert named == {qualities(formula) for formula in FORMULAS}


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 1024), 1024),
        ((1536, 1024), 1536),
        ((256, 256), 256),
        ((512, 512), 1024),
        ((1023, 1023), 1024),
        ((2048, 2048), 1521),
        ((1, 1), 1),
    ],
)
@pytest.mark.parametrize("formula", ["gpt-image-2", "gpt-image-2.5"])
def test_later_models_see_inputs_in_patches(formula: Formula, size: tuple[int, int], tokens: int) -> None:
    assert image_input_tokens(formula, *size) == tokens
    assert image_input_tokens(formula, *size, fidelity="high") == tokens


@given(st.integers(100, 6000), st.integers(100, 6000))
@settings(deadline=None)
def test_patches_are_those_of_the_vision_guide(width: int, height: int) -> None:
    """The guide's words in floating point, rounded where it would miss a whole number by a hair."""
    enlarged = min(2.0, max(1.0, 1024 / max(width, height)))
    wide, high = width * enlarged, height * enlarged
    patches = ceil(round(wide / 32, 6)) * ceil(round(high / 32, 6))
    if patches > 1536:
        shrunk = sqrt(32 * 32 * 1536 / (wide * high))
        across, down = wide * shrunk / 32, high * shrunk / 32
        shrunk *= min(floor(across) / across, floor(down) / down)
        patches = ceil(round(wide * shrunk / 32, 6)) * ceil(round(high * shrunk / 32, 6))
    assert image_input_tokens("gpt-image-2", width, height) == patches


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_no_input_has_more_than_1536_patches_or_none(width: int, height: int) -> None:
    assert 1 <= image_input_tokens("gpt-image-2.5", width, height) <= 1536


@pytest.mark.parametrize(
    ("size", "fidelity", "tokens"),
    [
        ((128, 128), None, 194),
        ((1024, 1024), None, 194),
        ((1024, 1024), "low", 194),
        ((1536, 1024), None, 323),
        ((1024, 3072), None, 452),
        ((1024, 1024), "high", 194 + 4160),
        ((1536, 1024), "high", 323 + 6240),
    ],
)
def test_earlier_models_see_inputs_in_tiles(size: tuple[int, int], fidelity: str | None, tokens: int) -> None:
    assert image_input_tokens("gpt-image-1", *size, fidelity=fidelity) == tokens


@pytest.mark.parametrize(
    ("formula", "characters", "images", "tokens"),
    [
        ("gpt-image-1", 16, 0, 10),
        ("gpt-image-2", 0, 0, 6),
        ("gpt-image-2", 17, 0, 11),
        ("gpt-image-1", 20, 1, 27),
        ("gpt-image-1", 20, 2, 43),
        ("gpt-image-2", 20, 1, 12),
        ("gpt-image-2.5", 20, 3, 14),
    ],
)
def test_text_is_a_quarter_of_its_characters_and_a_little(
    formula: Formula, characters: int, images: int, tokens: int
) -> None:
    assert text_input_tokens(formula, "x" * characters, images)[1] == tokens


def test_text_beyond_ascii_counts_each_character() -> None:
    assert text_input_tokens("gpt-image-2", "赤い凧")[1] == 3 + 6
    assert text_input_tokens("gpt-image-2", "a kite 🪁")[1] == 2 + 1 + 6


@given(st.text(max_size=2_000))
def test_the_tokens_of_a_text_lie_between_one_and_its_bytes(text: str) -> None:
    low, expected, high = prompt_tokens(text)
    assert low == min(1, len(text))
    assert low <= expected <= high == len(text.encode())
    assert low <= text_tokens(text) <= high, "also as the sandbox counts"
    for formula in FORMULAS:
        for images in (0, 1, 16):
            least, _, most = text_input_tokens(formula, text, images)
            assert least <= low + 6 + images
            assert most >= high + 6 + 16 * images
