"""What a picture is, by its content: type, width x height, and whether it is whole. To be called in a thread."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ..errors import InputRejected
from .decoding import FORMATS as READABLE
from .decoding import quiet

FORMATS = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
_MIME_TYPES = {**FORMATS, "MPO": "image/jpeg"}  # what cameras write: a JPEG with further ones behind it
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_PNG_END = b"IEND\xaeB`\x82"  # with its checksum; Pillow does without it
UNKNOWN = "application/octet-stream"
_SVG_HEAD = 4_096  # bytes in which the root element of an SVG is looked for
_SVG_STARTS = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")
_SVG_ROOT = re.compile(rb"<svg\b[^>]*", re.IGNORECASE)
_SVG_EDGE = re.compile(
    rb"[\s\"'](width|height)\s*=\s*[\"']\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(?:px)?\s*[\"']", re.IGNORECASE
)
_SVG_BOX = re.compile(
    rb"\sviewBox\s*=\s*[\"'][^\"']*?[\s,]([0-9]{1,6}(?:\.[0-9]{1,6})?)[\s,]+([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*[\"']",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Probe:
    """A picture that was decoded to its end; width x height in pixels."""

    mime_type: str
    width: int
    height: int
    has_alpha: bool
    animated: bool


def sniff(data: bytes) -> str | None:
    """The type by the first bytes: png, jpeg, webp, gif, avif or svg; None for anything else."""
    for magic, mime_type in _MAGIC.items():
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    head = data[:_SVG_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    return "image/svg+xml" if head.lower().startswith(_SVG_STARTS) and _SVG_ROOT.search(head) else None


def measure(data: bytes) -> tuple[str, int, int]:
    """Type and width x height from the header alone, of whatever a provider sent. Never raises, since the picture is
    paid for: 0 x 0 where it cannot be read, and UNKNOWN for a type that is not known here."""
    mime_type = sniff(data) or UNKNOWN
    if mime_type == "image/svg+xml":
        width, height = _svg_size(data)
        return mime_type, width, height
    try:
        with quiet, Image.open(io.BytesIO(data), formats=READABLE) as image:
            return mime_type, image.width, image.height
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        return mime_type, 0, 0


def _svg_size(data: bytes) -> tuple[int, int]:
    """Width x height that the root element names in pixels, else its viewBox's, else 0 x 0."""
    root = _SVG_ROOT.search(data[:_SVG_HEAD])
    if root is None:
        return 0, 0
    named = {name.lower(): round(float(edge)) for name, edge in _SVG_EDGE.findall(root[0])}
    if len(named) == 2:
        return named[b"width"], named[b"height"]
    box = _SVG_BOX.search(root[0])
    return (round(float(box[1])), round(float(box[2]))) if box else (0, 0)


def probe(data: bytes, *, max_pixels: int) -> Probe:
    """Check an input by content and decode it to its end; its size is checked before anything is decoded.

    Raises InputRejected for what is no PNG, JPEG, WebP or GIF, has more than `max_pixels`, or is cut off or damaged.
    """
    with decoded(data, max_pixels=max_pixels) as image:
        return Probe(
            mime_type=_MIME_TYPES[image.format or ""],
            width=image.width,
            height=image.height,
            has_alpha=image.has_transparency_data,
            animated=_is_animated(image),
        )


@contextmanager
def decoded(data: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
    """The first frame of a checked input, decoded. Raises InputRejected as `probe` does."""
    with quiet, _opened(data) as image:
        if image.width * image.height > max_pixels:
            raise InputRejected(
                f"the picture has {image.width}x{image.height} pixels, more than {max_pixels / 1e6:g} million",
                "scale it down, or raise MCP_IMAGEGEN_MAX_PIXELS",
            )
        try:
            image.load()
        except Exception:  # noqa: BLE001 - decoders of broken data raise anything
            raise _damaged() from None
        if image.format == "PNG" and data.rfind(_PNG_END) < 0:
            raise _damaged()
        yield image


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=tuple(FORMATS))
    except Image.DecompressionBombError:
        raise InputRejected("the picture has far too many pixels", "scale it down") from None
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        kind = sniff(data)
        if kind in FORMATS.values():
            raise _damaged() from None
        said = "no picture" if kind is None else f"a {kind.removeprefix('image/')} file, none"
        raise InputRejected(f"this is {said} that can be used", "give a PNG, JPEG or WebP picture") from None


def _is_animated(image: Image.Image) -> bool:
    if image.format == "MPO":
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - it looks for a second frame, in data that may be broken
        raise _damaged() from None


def _damaged() -> InputRejected:
    return InputRejected(
        "the picture is damaged or cut off: it cannot be decoded to its end", "save or download it again"
    )


def as_png(image: Image.Image) -> bytes:
    """The picture as a PNG, in a mode that PNG has."""
    data = io.BytesIO()
    options: dict[str, Any] = {"compress_level": 1}  # a third of the time of the default for a tenth more bytes
    keeps = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    (image if keeps else image.convert("RGBA" if image.has_transparency_data else "RGB")).save(data, "PNG", **options)
    return data.getvalue()
