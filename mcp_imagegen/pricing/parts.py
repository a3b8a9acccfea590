"""The parts of a price: each kind of tokens of a call with its expected, lowest and highest amount."""

from dataclasses import dataclass
from math import isqrt

from ..catalog.sizes import FEWEST_PIXELS, LONGEST_RATIO, Size, closest, is_size, parse
from .table import for_input
from .tokens import (
    MOST_PATCHES,
    PARTIAL_IMAGE_TOKENS,
    Formula,
    Range,
    image_input_tokens,
    image_output_tokens,
    prompt_tokens,
    qualities,
    text_input_tokens,
)
from .values import HostSeen, Line, Rates, What, Work

# What OpenAI resolves the size `auto` to: a standard one, for the later models also another of at most as many pixels,
# such as the shape of an input. Among those a square has the most tokens.
EXPECTED_SIZE: Size = (1024, 1024)
STANDARD_SIZES: tuple[Size, ...] = ((1024, 1024), (1536, 1024), (1024, 1536))
AUTO_PIXELS = 1536 * 1024

# The gpt-image-1.5 line also writes text when it edits: 143 to 308 tokens an image in recorded answers.
EDIT_TEXT = (143, 230, 308)

# The host of the image tool, low, expected and high: its own instructions and what it writes (recorded answers).
HOST_INPUT = (1_700, 2_400, 3_200)
HOST_OUTPUT = (56, 500, 2_000)
LEAST_HOST_INPUT = HOST_INPUT[0]
# With the whole conversation in view: earlier turns as input of the host, earlier images as input of the image model.
HISTORY_INPUT = (0, 4_000, 30_000)
HISTORY_IMAGES = 4
ENOUGH = 3  # earlier calls that say alone what to expect; fewer say it together with the range above
SEEN_ROOM = (5, 4)  # how much more than the most that was seen a call may use

# A reseller's measurements of gpt-image-2.6 on 2026-11-05 (docs.laozhang.ai): at low and medium three to four times the
# tokens of gpt-image-2.5, from high on as many; so a count that is assumed may be as high as at this quality.
ROOM_UP_TO = "high"

# Above this share of the expected price, what the tokens of a long or dense prompt may add is told of. An ordinary one
# stays below it: its price counts as exact.
NOTABLE = 0.1

# An input of unknown size, low, expected and high: the smallest there is, 1024x1024, and the longest shape in use.
UNKNOWN_INPUT: dict[Formula, tuple[Size, Size, Size]] = {
    "gpt-image-1": ((512, 512), (1024, 1024), (4096, 512)),
    "gpt-image-2": ((1, 1), (1024, 1024), (1536, 1024)),
    "gpt-image-2.5": ((1, 1), (1024, 1024), (1536, 1024)),
}


@dataclass(frozen=True)
class Part:
    """The expected line, and how far it may lie below or above, in 10^-9 USD. `autos`: what auto decides of it."""

    line: Line
    low: int
    high: int
    autos: tuple[str, ...] = ()


def left_open(work: Work, parts: list[Part]) -> tuple[str, ...]:
    """Why the price is a range: what each part that is not fixed depends on. A prompt whose tokens make no notable
    difference is left out."""
    whole = sum(part.line.nano for part in parts)
    unsure = "how much of the images is looked at" if work.api == "responses" else "an input's size is unknown"
    counted = "how many tokens the prompt has, which the API alone counts"
    of_tokens = [name for name in ("size", "quality") if getattr(work, name) == "auto"]
    autos = next((part.autos for part in parts if part.line.what == "image"), of_tokens)
    decided = f"auto decides the {' and the '.join(autos)}" if autos else ""
    reasons: dict[What, str] = {
        "image": decided,
        "image_output": decided,
        "image_input": unsure,
        "partial_images": "how many partial images come",
        "text_output": "the model also writes text",
        "host_input": "what the model that calls the image tool reads and writes",
        "text_input": "how the prompt is worded anew" if work.api == "responses" else counted,
    }
    open_parts = {part.line.what for part in parts if part.low < part.high}
    if not any(_is_notable(part, whole) for part in parts if part.line.what == "text_input"):
        open_parts.discard("text_input")
    if work.marked_up and None not in work.inputs:
        open_parts.discard("image_input")  # the markup has a warning of its own
    return tuple(reason for what, reason in reasons.items() if what in open_parts and reason)


def _is_notable(part: Part, whole: int) -> bool:
    """Whether it may cost notably more than expected, measured by the whole expected price."""
    return part.high - part.line.nano > NOTABLE * whole


def image_parts(work: Work, rates: Rates, formula: Formula) -> list[Part] | None:
    """What the image model is paid for; None when its tokens for this size or quality are not known."""
    output = _output_range(work, formula, counted=rates.assumed is None)
    if output is None or rates.image_output is None:
        return None
    frames = work.n * work.partial_images * PARTIAL_IMAGE_TOKENS
    parts = [
        _part("text_input", _text_range(work, formula), rates.text_input),
        _part("image_input", _input_range(work, formula), rates.image_input),
        _part("image_output", _times(work.n, output), rates.image_output),
        # The last image may come before all its partial frames have.
        _part("partial_images", (0, frames, frames), rates.image_output),
    ]
    if rates.text_output is not None and work.operation != "generate":
        parts.append(_part("text_output", _written_range(work), rates.text_output))
    return parts


def host_parts(work: Work, host: Rates) -> list[Part]:
    """What the model that calls the image tool is paid for.

    At the lowest all its input is cached, at the highest all of it is written to the cache and it looks at every image;
    each end at the rates for that much input.
    """
    assert host.text_output is not None, f"{host.model} is no host model"
    low, expected, high = HOST_INPUT
    history = _history(work)
    least, prompt, longest = prompt_tokens(work.prompt)
    seen = MOST_PATCHES * len(work.inputs)
    count = (low + history[0] + least, expected + history[1] + prompt, high + history[2] + longest + seen)
    written = HOST_OUTPUT
    if (of := work.host_seen) is not None:
        least, median, most = of.text_input
        words = prompt + (work.conversation if work.shows_whole else work.answered)[1]
        prompted = (least, max(median, LEAST_HOST_INPUT + words), most)  # long ones are read by the host too
        count, written = _calibrated(count, prompted, of), _calibrated(written, of.text_output, of)
    cheap, usual, dear = (for_input(host, tokens) for tokens in count)
    return [
        _part("host_input", count, usual.text_input, cheap.cached_text, dear.cache_write or dear.text_input),
        _part("host_output", written, usual.text_output or 0, cheap.text_output, dear.text_output),
    ]


def _history(work: Work) -> Range:
    """Tokens of earlier turns as input of the host, which may look at their images. The whole conversation is never
    taken to be shorter than one usually is."""
    low, expected, high = work.conversation if work.shows_whole else work.answered
    high += _images_in_view(work) * MOST_PATCHES
    if not work.shows_whole:
        return low, expected, high
    usual = HISTORY_INPUT
    return max(usual[0], low), max(usual[1], expected), max(usual[2], high)


def _images_in_view(work: Work) -> int:
    """How many earlier images, beside the one it starts from, the models may be shown."""
    return max(HISTORY_IMAGES, work.images_in_view) if work.shows_whole else work.images_in_view


def _calibrated(count: Range, seen: Range, of: HostSeen) -> Range:
    """What was seen says what to expect, the first calls together with what is expected without them. The highest is
    only ever raised by it: limits are held by that, and few calls do not bound the next one."""
    least, median, most = seen
    weight = min(of.turns, ENOUGH)
    expected = (weight * median + (ENOUGH - weight) * count[1]) // ENOUGH
    lowest = least if weight == ENOUGH else min(least, count[0])
    return min(lowest, expected), expected, max(count[2], most * SEEN_ROOM[0] // SEEN_ROOM[1])


def _part(what: What, tokens: Range, rate: int, lowest: int | None = None, highest: int | None = None) -> Part:
    low, expected, high = tokens
    return Part(
        Line(what, expected, rate, expected * rate),
        low * (rate if lowest is None else lowest),
        high * (rate if highest is None else highest),
    )


def _times(count: int, tokens: Range) -> Range:
    low, expected, high = tokens
    return count * low, count * expected, count * high


def _text_range(work: Work, formula: Formula) -> Range:
    low, expected, high = text_input_tokens(formula, work.prompt, len(work.inputs))
    if work.api == "image":
        return low, expected, high
    return low, expected, high + HOST_OUTPUT[2]  # the host words it anew, at most as long as all that it writes


def _input_range(work: Work, formula: Formula) -> Range:
    counts = [_of_input(size, work, formula) for size in work.inputs]
    low, expected, high = (sum(count[at] for count in counts) for at in range(3))
    if work.marked_up and counts:  # it has the size of the first image; at the lowest it costs as little as a mask
        expected, high = expected + counts[0][1], high + counts[0][2]
    if work.api == "responses":
        low = 0  # the host may draw anew without showing the image
        largest = image_input_tokens(formula, *UNKNOWN_INPUT[formula][2], fidelity=work.input_fidelity)
        high += _images_in_view(work) * largest
    return low, expected, high


def _written_range(work: Work) -> Range:
    """Text that an edit writes. With action auto a continuation may come to none; even what should be none has room."""
    low, expected, high = EDIT_TEXT
    if work.operation == "continue" and work.action != "edit":
        low, expected = 0, 0 if work.action == "generate" else expected
    return low, expected * work.n, high * work.n


def _of_input(size: Size | None, work: Work, formula: Formula) -> Range:
    low, expected, high = (
        image_input_tokens(formula, *of, fidelity=work.input_fidelity)
        for of in ((size, size, size) if size else UNKNOWN_INPUT[formula])
    )
    return low, expected, high


def _output_range(work: Work, formula: Formula, *, counted: bool) -> Range | None:
    """Tokens of one image, without partial frames. `counted`: the formula is known to be the model's own."""
    if not is_size(work.size):
        return None
    fixed = parse(work.size)
    sizes = [fixed] if fixed else _auto_sizes(work, formula)
    levels = qualities(formula) if work.quality == "auto" else (work.quality,)
    counts = [image_output_tokens(formula, *size, level) for size in sizes for level in levels]
    known = [count for count in counts if count is not None]
    level = work.usual_quality if work.quality == "auto" else work.quality
    expected = image_output_tokens(formula, *(fixed or closest(EXPECTED_SIZE, sizes)), level)
    if expected is None or len(known) < len(counts):
        return None
    room = [] if counted else [image_output_tokens(formula, *size, ROOM_UP_TO) or 0 for size in sizes]
    return min(known), expected, max(known + room)


def _auto_sizes(work: Work, formula: Formula) -> list[Size]:
    """Sizes that auto may come to: those with the fewest and the most tokens are among them."""
    if work.sizes:
        return [size for text in work.sizes if (size := parse(text))]
    if formula == "gpt-image-1":
        return list(STANDARD_SIZES)
    shapes = dict.fromkeys(size for size in work.inputs if size)
    small = [_of_shape(*shape, FEWEST_PIXELS) for shape in shapes]
    large = [_of_shape(*shape, AUTO_PIXELS) for shape in ((1, 1), *shapes)]
    return [*STANDARD_SIZES, *small, *large]


def _of_shape(width: int, height: int, pixels: int) -> Size:
    """The size of a shape with so many pixels; shapes end at 3:1."""
    width, height = min(width, LONGEST_RATIO * height), min(height, LONGEST_RATIO * width)
    return isqrt(pixels * width // height), isqrt(pixels * height // width)
