"""Sizes of the models that take any size: the rules, and the nearest size that keeps them.

The rules are those of OpenAI's image reference and guide for gpt-image-2 and gpt-image-2.5. They leave 29,146 sizes.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator

from ..errors import InvalidArgument

Size = tuple[int, int]  # width x height, in pixels

STEP = 16  # both edges are multiples of it
LONGEST_EDGE = 3840
LONGEST_RATIO = 3  # of the longer edge to the shorter one
FEWEST_PIXELS = 655_360
MOST_PIXELS = 8_294_400
EXPERIMENTAL_PIXELS = 2560 * 1440  # above it OpenAI calls the result experimental

_RATIO_WEIGHT = 10  # see `distance`
_WIDTH_X_HEIGHT = re.compile(r"([0-9]{1,9}) ?[xX\u00d7] ?([0-9]{1,9})")


def parse(size: str) -> Size | None:
    """Width and height of WIDTHxHEIGHT in pixels; None for auto. Raises InvalidArgument for anything else."""
    read = _read(size)
    if read is None and not _is_auto(size):
        raise InvalidArgument(
            f"size {size.strip()[:40]!r} cannot be read", "write WIDTHxHEIGHT, such as 1536x1024, or auto"
        )
    return read


def is_size(size: str) -> bool:
    """Whether `parse` can read it. Other servers' models also have sizes by name, such as 2K."""
    return _is_auto(size) or _read(size) is not None


def _is_auto(size: str) -> bool:
    return size.strip().lower() == "auto"


def _read(size: str) -> Size | None:
    match = _WIDTH_X_HEIGHT.fullmatch(size.strip())
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    return (width, height) if width and height else None


def written(size: Size) -> str:
    """The API's form: WIDTHxHEIGHT."""
    return f"{size[0]}x{size[1]}"


def plain(size: str) -> str:
    """A size as the API writes it: 512X512 is 512x512. One by a name stays as it is."""
    if not is_size(size):
        return size
    read = parse(size)
    return written(read) if read else "auto"


def problem(width: int, height: int) -> str | None:
    """The first rule that the size breaks, as a sentence; None when it is legal."""
    if width % STEP or height % STEP:
        return f"width and height must be multiples of {STEP}"
    if max(width, height) > LONGEST_EDGE:
        return f"no edge may be longer than {LONGEST_EDGE} pixels"
    if max(width, height) > LONGEST_RATIO * min(width, height):
        return f"the longer edge may be at most {LONGEST_RATIO} times the shorter one"
    if width * height < FEWEST_PIXELS:
        return f"it has {width * height:,} pixels, and {FEWEST_PIXELS:,} is the least"
    if width * height > MOST_PIXELS:
        return f"it has {width * height:,} pixels, and {MOST_PIXELS:,} is the most"
    return None


def legal_sizes() -> Iterator[Size]:
    """Every size that keeps the rules."""
    for width, height in _landscape_sizes():
        yield width, height
        if width != height:
            yield height, width


def _landscape_sizes() -> Iterator[Size]:
    """The legal sizes that are at least as wide as high."""
    for height in range(STEP, LONGEST_EDGE + 1, STEP):
        for width in range(height, min(LONGEST_EDGE, LONGEST_RATIO * height) + 1, STEP):
            if FEWEST_PIXELS <= width * height <= MOST_PIXELS:
                yield width, height


def distance(one: Size, other: Size) -> float:
    """How far apart two sizes are: 10 x |difference of ln(width/height)| + |difference of ln(width x height)|.

    So the shape counts most: one percent of aspect ratio weighs as much as ten percent of area. 0 only for equal sizes.
    """
    wider = math.log(one[0]) - math.log(other[0])
    higher = math.log(one[1]) - math.log(other[1])
    return _RATIO_WEIGHT * abs(wider - higher) + abs(wider + higher)


def closest(wanted: Size, among: Iterable[Size]) -> Size:
    """The one of these sizes with the smallest `distance` from the wanted one."""
    return min(among, key=lambda size: distance(size, wanted))


def nearest(width: int, height: int) -> Size:
    """The legal size nearest to any positive width x height; a legal size is its own nearest.

    Where a legal size has edges that are each within a step of those wanted, it is the one whose edges differ by the
    fewest pixels together, and of two the larger: 1920x1080 gives 1920x1088. Else the size has to be scaled, and the
    one closest by `distance` keeps its shape: 512x512 gives 816x816. A turned size gives the turned answer.
    """
    if width < height:
        high, wide = nearest(height, width)
        return wide, high
    near = [size for size in itertools.product(_steps(width), _steps(height)) if problem(*size) is None]
    if near:
        return min(near, key=lambda size: (abs(size[0] - width) + abs(size[1] - height), -size[0] * size[1]))
    return closest((width, height), _landscape_sizes())


def _steps(edge: int) -> range:
    """The possible edges within a step of this one."""
    lowest = max(STEP, -(-(edge - STEP) // STEP) * STEP)
    return range(lowest, edge + STEP + 1, STEP)
