"""What a call uses, in tokens, by the formulas that OpenAI publishes or that its recorded answers fit.

Output image tokens: the token grid of OpenAI's price calculator for gpt-image-2 and newer, the guide's table for the
models before. Input image tokens: patches of 32 pixels, or tiles of 512. Text counts as a quarter of its characters.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .models import ImageModel
from .options import Options

Size = tuple[int, int]

TABLE: dict[str, tuple[int, int, int]] = {
    "low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208),
}  # fmt: skip  # square, portrait, landscape
PARTIAL = 100  # output image tokens of each partial image
PATCH = 32  # pixels
MOST_PATCHES = 1536
TILE = 512  # pixels


@dataclass(frozen=True)
class Spent:
    """Tokens of the image model in one call."""

    text_input: int
    image_input: int
    image_output: int
    text_output: int = 0

    def without_input(self) -> "Spent":
        return replace(self, text_input=0, image_input=0)

    def usage(self, *, details: bool = True) -> dict[str, object]:
        """The `usage` object; stream events have no details of the output."""
        given, made = self.text_input + self.image_input, self.image_output + self.text_output
        usage: dict[str, object] = {
            "input_tokens": given,
            "input_tokens_details": {"image_tokens": self.image_input, "text_tokens": self.text_input},
            "output_tokens": made,
            "total_tokens": given + made,
        }
        if details:
            usage["output_tokens_details"] = {"image_tokens": self.image_output, "text_tokens": self.text_output}
        return usage


def output_tokens(model: ImageModel, size: Size, quality: str) -> int:
    """Image tokens of one picture of this size (width x height) in a concrete quality."""
    width, height = size
    if not model.grid:
        return TABLE[quality][0 if width == height else 1 if width < height else 2]
    long_side = model.grid[model.qualities.index(quality)]
    short_side = _half_even(long_side * min(size), max(size))
    return -(-long_side * short_side * (2_000_000 + width * height) // 4_000_000)


def _half_even(numerator: int, denominator: int) -> int:
    """The quotient rounded to the nearest integer, halves to the even one; exact for integers of any size."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def input_tokens(model: ImageModel, size: Size, fidelity: str | None = None) -> int:
    """Image tokens of one input image of this size."""
    if model.grid:
        return _patches(size)
    scale = TILE / min(size)
    tiles = math.ceil(round(size[0] * scale, 6) / TILE) * math.ceil(round(size[1] * scale, 6) / TILE)
    extra = (4160 if size[0] == size[1] else 6240) if fidelity == "high" else 0
    return 65 + 129 * tiles + extra


def _patches(size: Size) -> int:
    enlarged = min(2.0, max(1.0, 1024 / max(size)))
    width, height = size[0] * enlarged, size[1] * enlarged
    count = math.ceil(round(width / PATCH, 6)) * math.ceil(round(height / PATCH, 6))
    if count <= MOST_PATCHES:
        return count
    shrunk = math.sqrt(PATCH**2 * MOST_PATCHES / (width * height))
    across, down = width * shrunk / PATCH, height * shrunk / PATCH
    shrunk *= min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
    return math.ceil(round(width * shrunk / PATCH, 6)) * math.ceil(round(height * shrunk / PATCH, 6))


def text_tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


def spent(options: Options, size: Size, inputs: Sequence[Size], pictures: int, partials: int) -> Spent:
    """What a call uses that makes `pictures` of this size, and so many partial images, from inputs of these sizes."""
    each = 1 if options.model.free_size else 16  # text tokens that the prompt grows by with each input image
    said = 0
    if inputs and options.model.text_output:
        said = sum(143 + share(f"{options.prompt} {index}", 166) for index in range(pictures))
    return Spent(
        text_input=text_tokens(options.prompt) + 6 + each * len(inputs),
        image_input=sum(input_tokens(options.model, one, options.fidelity) for one in inputs),
        image_output=pictures * output_tokens(options.model, size, options.resolved_quality) + PARTIAL * partials,
        text_output=said,
    )


def share(text: str, below: int) -> int:
    """A number from 0 to `below` - 1 that always is the same for the text."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8]) % below
