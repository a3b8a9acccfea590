"""What a picture is made of: plain shapes, colours and scenes, drawn by Pillow or written as SVG.

Lengths are in units of the picture's shorter edge, so one scene fits every size; x grows to the right, y downwards.
"""

from dataclasses import dataclass

Colour = tuple[int, int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Disc:
    x: float
    y: float
    radius: float
    colour: Colour
    opacity: float = 1.0


@dataclass(frozen=True)
class Ring:
    x: float
    y: float
    radius: float
    stroke: float
    colour: Colour
    opacity: float = 1.0


@dataclass(frozen=True)
class Area:
    points: tuple[Point, ...]
    colour: Colour
    opacity: float = 1.0


Shape = Disc | Ring | Area


@dataclass(frozen=True)
class Palette:
    """Sky from top to bottom, layers from far to near, and the one bright colour."""

    name: str
    sky: tuple[Colour, Colour, Colour]
    far: Colour
    near: Colour
    accent: Colour

    def layer(self, depth: float) -> Colour:
        """The colour of a layer: 0 is the farthest, 1 the nearest."""
        return mixed(self.far, self.near, depth)


@dataclass(frozen=True)
class Scene:
    """Shapes from back to front on a sky; `width` and `height` in units of the shorter edge."""

    name: str
    width: float
    height: float
    palette: Palette
    shapes: tuple[Shape, ...]


def _hex(text: str) -> Colour:
    return int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16)


def _palette(name: str, colours: str) -> Palette:
    top, middle, bottom, far, near, accent = (_hex(part) for part in colours.split())
    return Palette(name, (top, middle, bottom), far, near, accent)


PALETTES = (
    _palette("dusk", "1b2a49 7a4e7e f2a07b 7d5580 1a1f3a ffd9a0"),
    _palette("coral dawn", "f9dcb4 f7b08f e8808a cf7083 4a2545 fff6df"),
    _palette("mint lake", "e3f5ea a9dcd2 6bb8b2 57a39f 123a47 fff3bf"),
    _palette("desert noon", "fdeccd f6c494 e08a63 cf7250 57282c fffaf0"),
    _palette("clear night", "0a1430 1c2f60 46689c 2f4b7c 080e22 f6efd2"),
    _palette("young forest", "f0f5df c6dcab 8dba8c 6fa27a 17352f fff2b8"),
    _palette("lavender", "f3e9fa d3bde8 a894d2 8f79bd 2f2558 fff4d9"),
    _palette("copper sea", "f4d9c0 d9a58f 6f8fa0 5c8192 1b3346 fff0d2"),
)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour in the first, 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
