"""The prompt as lines of text that fit a box, whatever its length and script."""

import functools
import unicodedata
from dataclasses import dataclass

from PIL import ImageFont

LONGEST = 900  # characters; more would be too small to read on any picture
BUILT_IN = ""  # the font that comes with Pillow: ASCII and some punctuation
SYSTEM_FONTS = (
    "DejaVuSans.ttf", "NotoSans-Regular.ttf", "NotoSansCJK-Regular.ttc", "LiberationSans-Regular.ttf",
    "Arial Unicode.ttf", "Arial.ttf", "arial.ttf", "PingFang.ttc", "Hiragino Sans GB.ttc",
    "msyh.ttc", "YuGothM.ttc", "malgun.ttf", "segoeui.ttf",
)  # fmt: skip


@dataclass(frozen=True)
class Lettering:
    """Lines set in one size of one font; `size` and `leading` (from line to line) in pixels."""

    lines: tuple[str, ...]
    size: int
    family: str = BUILT_IN

    @property
    def leading(self) -> int:
        return _leading(self.size)

    @property
    def height(self) -> int:
        return self.leading * len(self.lines)


@functools.lru_cache(maxsize=64)
def font(size: int, family: str = BUILT_IN) -> ImageFont.FreeTypeFont:
    """A font in a size of pixels. Raises OSError where a system font is not installed."""
    if family != BUILT_IN:
        return ImageFont.truetype(family, size)
    face = ImageFont.load_default(size)
    if not isinstance(face, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType, which the sandbox needs for its lettering")
    return face


@functools.lru_cache(maxsize=4096)
def _has(family: str, letter: str) -> bool:
    """Whether the font draws the letter as anything but its box for the unknown."""
    try:
        drawn, unknown = (font(16, family).getmask(sample) for sample in (letter, "\uffff"))
    except OSError:
        return False
    return letter.isspace() or (drawn.size, bytes(drawn)) != (unknown.size, bytes(unknown))


def _plain(letter: str) -> str:
    """The letter without its accents where only these are missing from the built-in font."""
    if _has(BUILT_IN, letter):
        return letter
    base = "".join(part for part in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(part))
    return base if base and all(_has(BUILT_IN, part) for part in base) else letter


def _readable(text: str) -> tuple[str, str]:
    """The text and the font that has most of its letters.

    The built-in font wherever it has all of them, so that a picture looks alike on every machine; else a font of the
    system; where that lacks them too, accents are dropped and what remains is drawn as boxes.
    """
    letters = set(text)
    if all(_has(BUILT_IN, letter) for letter in letters):
        return text, BUILT_IN
    plain = "".join(_plain(letter) for letter in text)
    counts = {family: sum(_has(family, letter) for letter in letters) for family in SYSTEM_FONTS}
    best = max(counts, key=lambda family: counts[family])
    if counts[best] > sum(_has(BUILT_IN, letter) for letter in letters):
        return text, best
    return plain, BUILT_IN


def _clean(text: str) -> str:
    """One line without what no font can set: controls, lone surrogates, private and unassigned code points."""
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C")


def _pieces(word: str, face: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """A word broken into what fits the width: scripts without spaces, long addresses."""
    if face.getlength(word) <= width:
        return [word]
    pieces, start = [], 0
    while start < len(word):
        end = start + 1
        while end < len(word) and face.getlength(word[start : end + 1]) <= width:
            end += 1
        pieces.append(word[start:end])
        start = end
    return pieces


def _wrapped(text: str, face: ImageFont.FreeTypeFont, width: float, most: int) -> list[str]:
    """Lines no wider than `width` pixels; stops one line after `most`, which says that it does not fit."""
    lines, line = [], ""
    for piece in (piece for word in text.split(" ") for piece in _pieces(word, face, width)):
        longer = f"{line} {piece}" if line else piece
        if face.getlength(longer) <= width:
            line = longer
            continue
        lines.append(line)
        line = piece
        if len(lines) > most:
            return lines
    return [*lines, line]


def _leading(size: int) -> int:
    return round(size * 1.28)


def _set(text: str, size: int, family: str, box: tuple[int, int]) -> Lettering | None:
    most = box[1] // _leading(size)
    lines = _wrapped(text, font(size, family), box[0], most) if most else []
    return Lettering(tuple(lines), size, family) if 0 < len(lines) <= most else None


def fitted(text: str, box: tuple[int, int], largest: int, smallest: int) -> Lettering:
    """The text in the largest size that fits the box (width x height, pixels), between the two sizes in pixels.

    What does not fit at the smallest size is cut, with an ellipsis.
    """
    text, family = _readable(_clean(text)[:LONGEST] or "(no words)")
    best, low, high = None, smallest, max(largest, smallest)
    while low <= high:
        middle = (low + high) // 2
        if (tried := _set(text, middle, family, box)) is not None:
            best, low = tried, middle + 1
        else:
            high = middle - 1
    if best is not None:
        return best
    face, most = font(smallest, family), max(1, box[1] // _leading(smallest))
    lines = _wrapped(text, face, box[0], most)[:most]
    while lines[-1] and face.getlength(lines[-1] + "…") > box[0]:
        lines[-1] = lines[-1][:-1]
    return Lettering((*lines[:-1], lines[-1].rstrip() + "…"), smallest, family)
