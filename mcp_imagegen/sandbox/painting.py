"""Draws a picture with Pillow: a seeded scene, the input image of an edit, its mask, and a label with the prompt.

Runs in a worker thread and uses only operations that hold the interpreter's lock for a few milliseconds at 4
megapixels, which `Image.effect_noise` and `ImageChops.add` do not.
"""

import math
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageOps

from .lettering import fitted, font
from .scenes import accents, scene
from .shapes import Area, Colour, Disc, Ring, Scene, Shape, mixed

CANVAS = 4_300_000  # pixels; shapes are drawn up to twice as large and reduced, which smooths their edges
INK: Colour = (38, 34, 44)
PAPER: Colour = (252, 249, 243)
LEAST_LABEL = 40  # pixels; a masked area lower than this gets no label
Rect = tuple[int, int, int, int]


@dataclass(frozen=True)
class Brief:
    """What to draw. `mask` is 255 where the base may change (its size is the base's); `tint` 0 to 1 is how strongly an
    edit recolours its base; `caption` is the small print under the prompt; `detail` is 1 to 5."""

    prompt: str
    caption: str
    seed: str
    size: tuple[int, int]
    detail: int = 3
    transparent: bool = False
    tint: float = 0.3
    base: Image.Image | None = None
    mask: Image.Image | None = None
    insets: tuple[Image.Image, ...] = ()


def painted(brief: Brief, phase: float = 0.0) -> Image.Image:
    """The picture of a brief at its size: RGBA where it is transparent, else RGB. `phase` 0 to 1 moves what moves."""
    if brief.base is None:
        return _composition(brief, scene(brief.seed, brief.size, brief.detail, phase))
    if brief.mask is None:
        return _overlaid(brief, brief.base, phase)
    return _repainted(brief, brief.base, brief.mask, phase)


def label_of(size: tuple[int, int]) -> Rect:
    """Where the label lies on a picture of this size; the same for all, so that an edit covers the old label."""
    margin, height = round(min(size) * 0.055), round(math.sqrt(min(size) * size[1]) * 0.27)
    return margin, size[1] - margin - height, size[0] - margin, size[1] - margin


def scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The image at this size; where the aspects differ its sides or its foot, with an old label, are cut off."""
    if image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.BICUBIC, centering=(0.5, 0.0))


def _composition(brief: Brief, on: Scene) -> Image.Image:
    canvas, scale = _canvas(on, brief.size)
    _draw_shapes(canvas, on.shapes, scale)
    label = label_of(brief.size)
    _draw_card(canvas, label, canvas.width / brief.size[0])
    picture = _smoothed(canvas, brief.size)
    _letter(picture, brief, label)
    if brief.transparent:
        picture.putalpha(_die_cut(brief.size, label, brief.seed))
    return picture


def _overlaid(brief: Brief, base: Image.Image, phase: float) -> Image.Image:
    """The whole base recoloured, with new shapes, the other inputs as insets, and the new label."""
    on = scene(brief.seed, brief.size, 1)
    under = scaled(base, brief.size)
    picture = _flat(under)
    if brief.tint:
        sky, _ = _canvas(on, brief.size)
        picture = Image.blend(picture, sky.resize(brief.size), brief.tint)
    short = min(brief.size)
    _draw_smoothly(picture, accents(brief.seed, brief.size, on.palette, phase), short)
    _place_insets(picture, brief.insets)
    label = label_of(brief.size)
    _draw_smoothly(picture, (), short, label)
    _letter(picture, brief, label)
    if brief.transparent:
        cut = _die_cut(brief.size, label, brief.seed)
        if "A" in under.getbands() and under.getextrema()[-1] != (255, 255):
            cut = under.getchannel("A").copy()
            ImageDraw.Draw(cut).rounded_rectangle(label, _radius(label), 255)
        picture.putalpha(cut)
    return picture


def _repainted(brief: Brief, base: Image.Image, mask: Image.Image, phase: float) -> Image.Image:
    """The base with a new scene inside the mask; every other pixel is the base's own."""
    under = scaled(base, brief.size)
    result = under.convert("RGBA") if brief.transparent else _flat(under).copy()
    free = mask if mask.size == brief.size else scaled(mask, brief.size).point(lambda value: 255 if value > 127 else 0)
    if (region := free.getbbox()) is None:
        return result
    size = region[2] - region[0], region[3] - region[1]
    on = scene(brief.seed, size, brief.detail, phase)
    canvas, scale = _canvas(on, size)
    _draw_shapes(canvas, on.shapes, scale)
    high = max(LEAST_LABEL, round(size[1] * 0.34))
    label = (round(size[0] * 0.1), (size[1] - high) // 2, round(size[0] * 0.9), (size[1] + high) // 2)
    legible = min(size) >= 2 * LEAST_LABEL
    if legible:
        _draw_card(canvas, label, canvas.width / size[0])
    patch = _smoothed(canvas, size)
    if legible:
        _letter(patch, brief, label)
    _place_insets(patch, brief.insets)
    result.paste(patch, region[:2], free.crop(region))
    return result


def _flat(image: Image.Image) -> Image.Image:
    """RGB, transparent parts on white."""
    if "A" not in image.getbands():
        return image.convert("RGB")
    ground = Image.new("RGB", image.size, (255, 255, 255))
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _canvas(on: Scene, size: tuple[int, int]) -> tuple[Image.Image, float]:
    """The sky on a larger sheet, and the sheet's pixels per unit of the scene."""
    larger = min(2.0, math.sqrt(CANVAS / (size[0] * size[1])))
    wide, high = max(1, round(size[0] * larger)), max(1, round(size[1] * larger))
    column = Image.new("RGB", (1, 3))
    for row, colour in enumerate(on.palette.sky):
        column.putpixel((0, row), colour)
    sky = column.resize((1, high), Image.Resampling.BICUBIC).resize((wide, high), Image.Resampling.NEAREST)
    return sky, min(wide, high)


def _smoothed(sheet: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A larger sheet at this size. Of exactly twice the size each 2x2 pixels become one, ten times as fast."""
    if sheet.size == (2 * size[0], 2 * size[1]):
        return sheet.reduce(2)
    return sheet.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


def _draw_shapes(canvas: Image.Image, shapes: tuple[Shape, ...], scale: float) -> None:
    pen = ImageDraw.Draw(canvas, "RGBA")
    for shape in shapes:
        fill = (*shape.colour, round(255 * shape.opacity))
        match shape:
            case Area():
                pen.polygon([(x * scale, y * scale) for x, y in shape.points], fill)
            case Disc():
                pen.ellipse(_square(shape.x, shape.y, shape.radius, scale), fill)
            case Ring():
                stroke = max(1, round(shape.stroke * scale))
                pen.ellipse(_square(shape.x, shape.y, shape.radius, scale), outline=fill, width=stroke)


def _square(x: float, y: float, radius: float, scale: float) -> tuple[float, float, float, float]:
    return (x - radius) * scale, (y - radius) * scale, (x + radius) * scale, (y + radius) * scale


def _radius(label: Rect) -> int:
    return round((label[3] - label[1]) * 0.14)


def _draw_card(canvas: Image.Image, label: Rect, larger: float) -> None:
    left, top, right, bottom = (value * larger for value in label)
    pen, lift = ImageDraw.Draw(canvas, "RGBA"), (bottom - top) * 0.03
    for spread in (2.4, 1.6, 0.8):
        shadow = (left - lift * spread / 2, top + lift, right + lift * spread / 2, bottom + lift * (1 + spread / 2))
        pen.rounded_rectangle(shadow, _radius(label) * larger, (*INK, 26))
    pen.rounded_rectangle((left, top, right, bottom), _radius(label) * larger, (*PAPER, 255))


def _draw_smoothly(picture: Image.Image, shapes: tuple[Shape, ...], short: int, label: Rect | None = None) -> None:
    """Shapes and card on a finished picture, smoothed by drawing their surroundings twice as large."""
    boxes = [_square(s.x, s.y, s.radius, short) for s in shapes if isinstance(s, (Disc, Ring))]
    if label is not None:
        boxes.append((label[0] - 12, label[1] - 4, label[2] + 12, label[3] + (label[3] - label[1]) * 0.1))
    if not boxes:
        return
    left, top = max(0, math.floor(min(b[0] for b in boxes)) - 2), max(0, math.floor(min(b[1] for b in boxes)) - 2)
    right = min(picture.width, math.ceil(max(b[2] for b in boxes)) + 2)
    bottom = min(picture.height, math.ceil(max(b[3] for b in boxes)) + 2)
    part = picture.crop((left, top, right, bottom))
    larger = min(2.0, math.sqrt(CANVAS / (part.width * part.height)))
    sheet = part.resize((round(part.width * larger), round(part.height * larger)), Image.Resampling.BICUBIC)
    _draw_shapes(sheet, tuple(_moved(shape, -left / short, -top / short) for shape in shapes), short * larger)
    if label is not None:
        _draw_card(sheet, (label[0] - left, label[1] - top, label[2] - left, label[3] - top), larger)
    picture.paste(_smoothed(sheet, part.size), (left, top))


def _moved(shape: Shape, x: float, y: float) -> Shape:
    match shape:
        case Disc():
            return Disc(shape.x + x, shape.y + y, shape.radius, shape.colour, shape.opacity)
        case Ring():
            return Ring(shape.x + x, shape.y + y, shape.radius, shape.stroke, shape.colour, shape.opacity)
        case Area():
            return Area(tuple((px + x, py + y) for px, py in shape.points), shape.colour, shape.opacity)


def _letter(picture: Image.Image, brief: Brief, label: Rect) -> None:
    """The prompt and the caption on the label, in ink on paper."""
    left, top, right, bottom = label
    high, pad = bottom - top, round((bottom - top) * 0.11)
    small = max(10, round(high * 0.085))
    box = right - left - 2 * pad - round(high * 0.1), high - 2 * pad - round(small * 1.5)
    lines = fitted(brief.prompt, box, largest=round(high * 0.40), smallest=max(11, round(high * 0.06)))
    pen = ImageDraw.Draw(picture)
    start = left + pad + round(high * 0.05)
    y = top + pad + (box[1] - lines.height) // 2
    for line in lines.lines:
        pen.text((start, y), line, INK, font(lines.size, lines.family))
        y += lines.leading
    caption = fitted(brief.caption, (box[0], round(small * 1.4)), small, small).lines[0]
    pen.text((start, bottom - pad), caption, mixed(INK, PAPER, 0.42), font(small), anchor="ls")


def _place_insets(picture: Image.Image, insets: tuple[Image.Image, ...]) -> None:
    """The other input images, small and framed, in rows from the upper right corner."""
    if not insets:
        return
    short = min(picture.size)
    edge = round(short * (0.22 if len(insets) <= 4 else 0.14))
    gap, frame = max(2, round(short * 0.03)), max(1, round(short * 0.008))
    columns = max(1, (picture.width - gap) // (edge + gap))
    for index, inset in enumerate(insets):
        row, column = divmod(index, columns)
        small = ImageOps.fit(_flat(inset), (edge, edge), Image.Resampling.BICUBIC)
        place = picture.width - (column + 1) * (edge + gap), gap + row * (edge + gap)
        picture.paste(ImageOps.expand(small, frame, PAPER), (place[0] - frame, place[1] - frame))


def _die_cut(size: tuple[int, int], label: Rect, seed: str) -> Image.Image:
    """The alpha of a picture on transparent ground: an oval and the label, as if cut out."""
    larger = min(2.0, math.sqrt(CANVAS / (size[0] * size[1])))
    sheet = Image.new("L", (round(size[0] * larger), round(size[1] * larger)), 0)
    pen, inset = ImageDraw.Draw(sheet), min(sheet.size) * 0.03
    pen.ellipse((inset, inset, sheet.width - inset, sheet.height - inset), 255)
    pen.rounded_rectangle(tuple(value * larger for value in label), _radius(label) * larger, 255)
    return _smoothed(sheet, size)
