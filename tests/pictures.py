"""Small pictures for tests, made when they are needed."""

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw


def png(size: tuple[int, int] = (1024, 1024), color: Any = (200, 120, 40), mode: str = "RGB") -> bytes:
    """A plain PNG of size width x height."""
    return encoded(Image.new(mode, size, color))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, kind, **options)
    return data.getvalue()


def alpha_mask(size: tuple[int, int], hole: tuple[int, int, int, int]) -> bytes:
    """A mask that is transparent, and so to be edited, inside `hole` (left, top, right, bottom)."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    ImageDraw.Draw(mask).rectangle(hole, fill=(0, 0, 0, 0))
    return encoded(mask)


def saved(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
