"""Whether a picture that a provider sent is one, and whole. To be called in a thread: a 4K PNG takes 0.1 s of one core,
nearly all of it without the interpreter."""

import io
from collections.abc import Callable

from PIL import Image

from .decoding import HEIC_FORMAT, quiet, reads_heic
from .probe import PROVIDED, ends_as_png, measure, sniff, whole_svg

_HEIC_TYPE = "image/heic"
MOST_PIXELS = 40_000_000  # that are decoded, those of all frames together; five times the largest picture of OpenAI's
_ENDS: dict[str, Callable[[bytes], bool]] = {
    "image/png": ends_as_png,
    "image/jpeg": lambda data: data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda"),  # behind where its pixels begin
    "image/gif": lambda data: data.rstrip(b"\0").endswith(b";"),
    "image/webp": lambda data: len(data) >= int.from_bytes(data[4:8], "little") + 8,
}
NO_PICTURE = "what came is no picture that can be read"
DAMAGED = "the picture is cut off or damaged"


def fault(data: bytes) -> str | None:
    """What is wrong with the picture, in words; None for nothing, and for what cannot be found out here. Never
    raises."""
    kind = sniff(data)
    if kind is None:
        return NO_PICTURE
    if kind == "image/svg+xml":
        return None if whole_svg(data) else DAMAGED
    if kind == _HEIC_TYPE and not reads_heic():
        return None
    try:
        return None if _decodes(data, (HEIC_FORMAT,) if kind == _HEIC_TYPE else PROVIDED) else DAMAGED
    except Image.DecompressionBombError:
        return None
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        return DAMAGED


def ends_well(data: bytes) -> bool:
    """Whether a picture in which something is wrong was written to its end all the same, by its header and its end
    alone: what is damaged lies between. Never raises."""
    kind, width, _ = measure(data)
    return width > 0 and kind in _ENDS and _ENDS[kind](data)


def _decodes(data: bytes, formats: tuple[str, ...]) -> bool:
    """Whether nothing is missing at its end. Raises whatever a decoder raises for what is broken before."""
    with quiet, Image.open(io.BytesIO(data), formats=formats) as image:
        pixels = image.width * image.height
        for frame in range(min(getattr(image, "n_frames", 1), MOST_PIXELS // max(pixels, 1))):
            image.seek(frame)
            image.load()
        return image.format != "PNG" or ends_as_png(data)
