"""Small copies of pictures that fit into a result. To be called in a thread."""

import io
from dataclasses import dataclass, field

from PIL import Image

from .decoding import FORMATS, eight_bit, quiet

_QUALITIES = (80, 60, 40)
_LEAST_EDGE = 64  # pixels; below this a preview shows nothing
_MOST_PIXELS = 40_000_000  # five times the largest picture of OpenAI's


@dataclass(frozen=True)
class Preview:
    """A downscaled copy: WebP where the original has transparency, else JPEG. Width x height in pixels."""

    data: bytes = field(repr=False)
    mime_type: str
    width: int
    height: int


def preview(data: bytes, *, edge: int, max_bytes: int) -> Preview | None:
    """A copy whose longer edge is at most `edge` pixels, of at most `max_bytes`.

    Quality goes down first, then the size. None for what cannot be drawn (SVG, or a damaged or enormous answer of a
    provider) or does not fit at all.
    """
    try:
        with quiet, Image.open(io.BytesIO(data), formats=FORMATS) as original:
            if original.width * original.height > _MOST_PIXELS:
                return None
            original.draft("RGB", (edge, edge))  # lets JPEG decode at a fraction of its size
            small = _reduced(original, edge)
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        return None
    while True:
        for quality in _QUALITIES:
            encoded = _encoded(small, quality)
            if len(encoded) <= max_bytes:
                mime_type = "image/webp" if small.mode == "RGBA" else "image/jpeg"
                return Preview(encoded, mime_type, *small.size)
        if max(small.size) <= _LEAST_EDGE:
            return None
        small = _fit(small, max(_LEAST_EDGE, max(small.size) // 2))


def _reduced(original: Image.Image, edge: int) -> Image.Image:
    shown = eight_bit(original)
    return _fit(shown.convert("RGBA" if shown.has_transparency_data else "RGB"), edge)


def _fit(image: Image.Image, edge: int) -> Image.Image:
    copy = image.copy()
    copy.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return copy


def _encoded(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    if image.mode == "RGBA":
        image.save(data, "WEBP", quality=quality, method=2)
    else:
        image.save(data, "JPEG", quality=quality)
    return data.getvalue()
