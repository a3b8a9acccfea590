"""How many tokens an image or a prompt is, before the API says so; whole numbers all through.

`Formula` names the three ways in which OpenAI counts: a table for the gpt-image-1 line (1, 1.5, mini, latest), a grid
for gpt-image-2 and another for gpt-image-2.5.
"""

from functools import lru_cache
from math import isqrt
from typing import Literal

Formula = Literal["gpt-image-1", "gpt-image-2", "gpt-image-2.5"]
Range = tuple[int, int, int]  # low, expected, high

PARTIAL_IMAGE_TOKENS = 100  # image output tokens of one partial frame (OpenAI's image guide)
TEXT_OVERHEAD = 6  # text tokens of a request beside its prompt (recorded answers)
_TEXT_PER_IMAGE = {"gpt-image-1": 16, "gpt-image-2": 1, "gpt-image-2.5": 1}  # fitted to recorded edits

PATCH = 32  # pixels
MOST_PATCHES = 1536
SMALL_EDGE = 1024  # an input whose longer edge is below is enlarged, at most twice

TILE = 512  # pixels
_TILES_BASE, _TOKENS_A_TILE = 65, 129
_FIDELITY_SQUARE, _FIDELITY_OTHER = 4160, 6240

# OpenAI's image guide, and recorded answers. Width x height in pixels.
_TABLE = {
    "low": {(1024, 1024): 272, (1024, 1536): 408, (1536, 1024): 400},
    "medium": {(1024, 1024): 1056, (1024, 1536): 1584, (1536, 1024): 1568},
    "high": {(1024, 1024): 4160, (1024, 1536): 6240, (1536, 1024): 6208},
}
# Cells along the longer edge. OpenAI's own price calculator, read by several projects and confirmed by recorded usage.
_GRIDS = {
    "gpt-image-2": {"low": 16, "medium": 48, "high": 96},
    "gpt-image-2.5": {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96},
}


def qualities(formula: Formula) -> tuple[str, ...]:
    """The qualities that the formula knows, lowest first."""
    return tuple(_TABLE if formula == "gpt-image-1" else _GRIDS[formula])


@lru_cache(maxsize=4096)  # the search for alternatives asks for the same ones again and again
def image_output_tokens(formula: Formula, width: int, height: int, quality: str) -> int | None:
    """Tokens of one made image, without partial frames; None for a size or quality that the formula does not know.

    The grid has G cells along the longer edge and S = round(G x short / long) along the shorter one, halves to even;
    the tokens are ceil(G x S x (2,000,000 + width x height) / 4,000,000).
    """
    if formula == "gpt-image-1":
        return _TABLE.get(quality, {}).get((width, height))
    cells = _GRIDS[formula].get(quality)
    if cells is None:
        return None
    shorter = round_half_even(cells * min(width, height), max(width, height))
    return _ceil(cells * shorter * (2_000_000 + width * height), 4_000_000)


@lru_cache(maxsize=4096)
def image_input_tokens(formula: Formula, width: int, height: int, fidelity: str | None = None) -> int:
    """Tokens of one input image; a mask is not counted.

    gpt-image-1 line: the shorter side is scaled to 512, then 65 + 129 for each 512-pixel tile; with high fidelity 4,160
    more when square, else 6,240 (OpenAI's image guide). Later models: patches of 32 pixels, see `_patches`.
    """
    if formula != "gpt-image-1":
        return _patches(width, height)
    tokens = _TILES_BASE + _TOKENS_A_TILE * _ceil(max(width, height), min(width, height))
    if fidelity == "high":
        tokens += _FIDELITY_SQUARE if width == height else _FIDELITY_OTHER
    return tokens


def text_input_tokens(formula: Formula, prompt: str, images: int = 0) -> Range:
    """Text tokens of a request: at the least, expected, and at the most.

    On top of the prompt's come 6, and for edits 16 an image (gpt-image-1 line) or 1. What an image adds is known of few
    recorded edits, so that the range leaves room for either.
    """
    low, expected, high = prompt_tokens(prompt)
    least, most = min(_TEXT_PER_IMAGE.values()), max(_TEXT_PER_IMAGE.values())
    return (
        low + TEXT_OVERHEAD + least * images,
        expected + TEXT_OVERHEAD + _TEXT_PER_IMAGE[formula] * images,
        high + TEXT_OVERHEAD + most * images,
    )


def prompt_tokens(prompt: str) -> Range:
    """Tokens of a text alone, which only the API's own tokenizer counts: at the least, expected, and at the most.

    Expected: four ASCII characters make a token, and any other character counts as one, since ideographs, kana and
    emoji often are. At the most each byte of UTF-8 is one: OpenAI's encodings are of bytes, and no token is empty.
    """
    ascii_characters = len(prompt.encode("ascii", "ignore"))
    expected = _ceil(ascii_characters, 4) + len(prompt) - ascii_characters
    return min(1, expected), expected, len(prompt.encode("utf-8", "surrogatepass"))


def round_half_even(numerator: int, denominator: int) -> int:
    """The whole number nearest to a fraction of positive numbers; of two equally near, the even one."""
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        return whole + 1
    return whole


def _patches(width: int, height: int) -> int:
    """Patches of 32 pixels, at most 1,536, as OpenAI's vision guide counts them.

    An image whose longer edge is below 1024 is first enlarged to it, at most twice. One with too many patches is shrunk
    until their area is 1,536 patches, and then a little more, until along one edge a whole number of them fits.
    """
    longer = max(width, height)
    if longer < SMALL_EDGE:
        grown, unit = (2, PATCH) if 2 * longer <= SMALL_EDGE else (SMALL_EDGE, PATCH * longer)
        return _ceil(width * grown, unit) * _ceil(height * grown, unit)
    across, down = _ceil(width, PATCH), _ceil(height, PATCH)
    if across * down <= MOST_PATCHES:
        return across * down
    across, down = isqrt(MOST_PATCHES * width // height), isqrt(MOST_PATCHES * height // width)
    if across * height <= down * width:
        return min(MOST_PATCHES, max(1, across) * _ceil(max(1, across) * height, width))
    return min(MOST_PATCHES, max(1, down) * _ceil(max(1, down) * width, height))


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)
