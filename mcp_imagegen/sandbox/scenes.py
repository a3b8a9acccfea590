"""Scenes by seed: the same seed, size and detail always give the same scene."""

import math
import random

from .scenery import KINDS, Layout
from .shapes import PALETTES, Disc, Palette, Ring, Scene, Shape


def scene(seed: str, size: tuple[int, int], detail: int, phase: float = 0.0) -> Scene:
    """The scene of a seed for a picture of `size` (width x height, pixels).

    `detail` 1 to 5 adds shapes; `phase` 0 to 1 is the moment of an animation. The same arguments give the same scene.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded composition, nothing secret
    name, palette = rng.choice(sorted(KINDS)), rng.choice(PALETTES)
    short = min(size)
    layout = Layout(rng, size[0] / short, size[1] / short, palette, detail, phase)
    return Scene(name, layout.width, layout.height, palette, tuple(KINDS[name](layout)))


def accents(seed: str, size: tuple[int, int], palette: Palette, phase: float = 0.0) -> tuple[Shape, ...]:
    """What an edit adds on top of the picture it started from: a few rings and discs in the upper part."""
    rng = random.Random(f"accents {seed}")  # noqa: S311 - as above
    width, height = size[0] / min(size), size[1] / min(size)
    x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.45) * height
    shapes: list[Shape] = [Ring(x, y, radius, 0.012, palette.accent, 0.9) for radius in (0.11, 0.16)]
    for index in range(6):
        turn = 2 * math.pi * (index / 6 + phase) + rng.uniform(0, 0.5)
        reach = rng.uniform(0.11, 0.22)
        dot = palette.accent if index % 2 else palette.near
        shapes.append(Disc(x + reach * math.cos(turn), y + reach * math.sin(turn), rng.uniform(0.012, 0.03), dot, 0.92))
    return tuple(shapes)
