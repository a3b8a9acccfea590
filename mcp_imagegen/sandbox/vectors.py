"""The same scenes as SVG. An edit carries the picture it started from as an embedded JPEG."""

import base64
import io
from collections.abc import Iterator
from xml.sax.saxutils import escape

from PIL import Image

from .lettering import BUILT_IN, fitted
from .painting import INK, PAPER, Brief, label_of, scaled
from .scenes import scene
from .shapes import Area, Colour, Disc, Ring, Scene, Shape, mixed

EMBEDDED = 1024  # pixels; the longest edge of the embedded picture


def written(brief: Brief) -> bytes:
    """A picture as an SVG document, UTF-8. A mask is ignored, and so are further input images."""
    wide, high = brief.size
    on = scene(brief.seed, brief.size, brief.detail)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    parts = [head, f"<title>{escape(_printable(brief.prompt))}</title>", *_ground(brief, on)]
    if brief.base is None:
        parts += [_shape(shape, min(brief.size)) for shape in on.shapes]
    return "\n".join([*parts, *_label(brief), "</svg>"]).encode()


def _ground(brief: Brief, on: Scene) -> Iterator[str]:
    """The sky, or the base of an edit; nothing where the picture is to be transparent."""
    wide, high = brief.size
    if brief.base is not None:
        picture = scaled(brief.base, brief.size).convert("RGB")
        picture.thumbnail((EMBEDDED, EMBEDDED))
        yield f'<image width="{wide}" height="{high}" href="data:image/jpeg;base64,{_jpeg(picture)}"/>'
    elif not brief.transparent:
        stops = zip(("0", "0.5", "1"), on.palette.sky, strict=True)
        inner = "".join(f'<stop offset="{at}" stop-color="{_css(colour)}"/>' for at, colour in stops)
        yield f'<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1">{inner}</linearGradient></defs>'
        yield f'<rect width="{wide}" height="{high}" fill="url(#sky)"/>'


def _label(brief: Brief) -> Iterator[str]:
    left, top, right, bottom = label_of(brief.size)
    tall, pad = bottom - top, round((bottom - top) * 0.11)
    small = max(10, round(tall * 0.085))
    box = round((right - left - 2 * pad) * 0.9), tall - 2 * pad - round(small * 1.5)
    lines = fitted(brief.prompt, box, largest=round(tall * 0.4), smallest=max(11, round(tall * 0.06)))
    yield f'<rect x="{left}" y="{top}" width="{right - left}" height="{tall}" rx="{pad}" fill="{_css(PAPER)}"/>'
    family = "sans-serif" if lines.family == BUILT_IN else "DejaVu Sans, Noto Sans, sans-serif"
    y = top + pad + (box[1] - lines.height) // 2 + lines.size
    for line in lines.lines:
        yield _text((left + pad, y), lines.size, _css(INK), family, line)
        y += lines.leading
    yield _text((left + pad, bottom - pad), small, _css(mixed(INK, PAPER, 0.42)), "sans-serif", brief.caption)


def _text(at: tuple[int, int], size: int, colour: str, family: str, words: str) -> str:
    inner = escape(_printable(words))
    return f'<text x="{at[0]}" y="{at[1]}" font-family="{family}" font-size="{size}" fill="{colour}">{inner}</text>'


def _shape(shape: Shape, unit: int) -> str:
    paint = f'fill="{_css(shape.colour)}" fill-opacity="{shape.opacity:.2f}"'
    match shape:
        case Disc():
            return (
                f'<circle cx="{shape.x * unit:.1f}" cy="{shape.y * unit:.1f}" r="{shape.radius * unit:.2f}" {paint}/>'
            )
        case Ring():
            line = f'fill="none" stroke="{_css(shape.colour)}" stroke-opacity="{shape.opacity:.2f}"'
            place = f'cx="{shape.x * unit:.1f}" cy="{shape.y * unit:.1f}" r="{shape.radius * unit:.1f}"'
            return f'<circle {place} {line} stroke-width="{shape.stroke * unit:.1f}"/>'
        case Area():
            points = " ".join(f"{x * unit:.1f},{y * unit:.1f}" for x, y in shape.points)
            return f'<polygon points="{points}" {paint}/>'


def _jpeg(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return base64.b64encode(out.getvalue()).decode()


def _css(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _printable(text: str) -> str:
    """Without what XML 1.0 forbids."""
    return "".join(letter for letter in text if letter.isprintable() or letter == " ")
