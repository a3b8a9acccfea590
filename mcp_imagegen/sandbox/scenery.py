"""The kinds of scenes and how each is laid out from a seed."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from .shapes import Area, Colour, Disc, Palette, Point, Ring, Shape, mixed


@dataclass(frozen=True)
class Layout:
    """What a kind of scene is laid out by: `detail` is 1 (few shapes) to 5, `phase` 0 to 1 moves what moves."""

    rng: random.Random
    width: float
    height: float
    palette: Palette
    detail: int
    phase: float


def _bounded(points: list[Point], foot: float) -> tuple[Point, ...]:
    """A line of points closed along the foot of the picture."""
    return (*points, (points[-1][0], foot), (points[0][0], foot))


def _glow(x: float, y: float, radius: float, colour: Colour) -> list[Shape]:
    halos = [
        Disc(x, y, radius * spread, colour, opacity) for spread, opacity in ((3.0, 0.07), (2.1, 0.10), (1.45, 0.16))
    ]
    return [*halos, Disc(x, y, radius, colour)]


def _sun(layout: Layout) -> tuple[list[Shape], float]:
    """Sun or moon with its halo, and its x."""
    x = layout.rng.uniform(0.22, 0.78) * layout.width
    y = layout.rng.uniform(0.2, 0.34) * layout.height + 0.02 * math.sin(2 * math.pi * layout.phase)
    return _glow(x, y, layout.rng.uniform(0.08, 0.13), layout.palette.accent), x


def _stars(layout: Layout) -> list[Shape]:
    """Small lights in the upper sky, on dark palettes only."""
    if sum(layout.palette.sky[0]) > 300:
        return []
    rng, stars = layout.rng, []
    for _ in range(14 * layout.detail):
        place = rng.uniform(0, layout.width), rng.uniform(0, 0.42) * layout.height
        stars.append(Disc(*place, rng.uniform(0.0012, 0.0034), layout.palette.accent, rng.uniform(0.35, 0.95)))
    return list(stars)


def _birds(layout: Layout) -> list[Shape]:
    birds: list[Shape] = []
    for _ in range(max(0, 2 * layout.detail - 3)):
        x, y = layout.rng.uniform(0.1, 0.9) * layout.width, layout.rng.uniform(0.12, 0.42) * layout.height
        span = layout.rng.uniform(0.012, 0.022)
        lift = span * (0.5 + 0.2 * math.sin(2 * math.pi * layout.phase))
        wings = ((x - span, y - lift), (x, y), (x + span, y - lift), (x, y - span * 0.22))
        birds.append(Area(wings, layout.palette.near, 0.75))
    return birds


def _hills(layout: Layout) -> list[Shape]:
    rng, width, height = layout.rng, layout.width, layout.height
    shapes = [*_stars(layout), *_sun(layout)[0], *_birds(layout)]
    count = 3 + layout.detail
    for index in range(count):
        depth = index / (count - 1)
        base = height * (0.46 + 0.40 * depth)
        swell = height * rng.uniform(0.035, 0.07)
        waves = [(rng.uniform(1.2, 2.2), 0.6), (rng.uniform(3.0, 5.0), 0.3), (rng.uniform(8, 13), 0.1)]
        starts = [rng.uniform(0, 2 * math.pi) for _ in waves]
        shift = 0.15 * math.sin(2 * math.pi * layout.phase) * depth

        def top(x: float, parts: list[tuple[float, float, float]], base: float = base, swell: float = swell) -> float:
            return base - swell * sum(share * math.sin(pitch * x + start) for pitch, share, start in parts)

        parts = [(pitch, share, start + shift) for (pitch, share), start in zip(waves, starts, strict=True)]
        steps = math.ceil(width * 60)
        line = [(width * step / steps, top(width * step / steps, parts)) for step in range(steps + 1)]
        shapes.append(Area(_bounded(line, height), layout.palette.layer(depth)))
        if 0 < index < count - 1:
            for _ in range(layout.detail * 2):
                x, size = rng.uniform(0, width), 0.02 + 0.03 * depth
                shapes += _tree(x, top(x, parts) + 0.006, size, layout.palette.layer(min(1, depth + 0.12)))
    return shapes


def _tree(x: float, foot: float, size: float, colour: Colour) -> list[Shape]:
    return [
        Area(
            (
                (x - size * part, foot - size * rise),
                (x, foot - size * (rise + 1.1)),
                (x + size * part, foot - size * rise),
            ),
            colour,
        )
        for part, rise in ((0.42, 0.0), (0.34, 0.5), (0.24, 1.0))
    ]


def _sea(layout: Layout) -> list[Shape]:
    rng, width, height, palette = layout.rng, layout.width, layout.height, layout.palette
    sun, x = _sun(layout)
    horizon = height * rng.uniform(0.46, 0.54)
    shapes = [*_stars(layout), *sun, *_birds(layout)]
    rows = 4 + layout.detail
    for row in range(rows):
        depth = row / (rows - 1)
        top, pitch, start = horizon + (height - horizon) * depth * 0.8, 9 - 5 * depth, rng.uniform(0, 6.3)
        swell = 0.002 + 0.014 * depth
        steps = math.ceil(width * 60)
        moved = start + 2 * math.pi * layout.phase
        line = [
            (width * s / steps, top + swell * math.sin(pitch * width * s / steps + moved)) for s in range(steps + 1)
        ]
        shapes.append(Area(_bounded(line, height), palette.layer(0.15 + 0.85 * depth)))
        if row < rows - 1:
            for _ in range(2):
                half, y = rng.uniform(0.03, 0.10) * (0.6 + depth), top + 0.02 + rng.uniform(0, 0.03)
                middle = x + rng.uniform(-0.03, 0.03)
                lens = ((middle - half, y), (middle, y - 0.004), (middle + half, y), (middle, y + 0.004))
                shapes.append(Area(lens, palette.accent, 0.55 * (1 - 0.6 * depth)))
        if row in {1, 2, 3} and row <= layout.detail:
            shapes += _boat(rng.uniform(0.12, 0.88) * width, top + 0.004, 0.025 + 0.05 * depth, palette)
    return shapes


def _boat(x: float, y: float, size: float, palette: Palette) -> list[Shape]:
    hull = (
        (x - size * 0.6, y - size * 0.18),
        (x + size * 0.65, y - size * 0.18),
        (x + size * 0.4, y + size * 0.1),
        (x - size * 0.4, y + size * 0.1),
    )
    main = ((x, y - size * 1.5), (x, y - size * 0.25), (x + size * 0.55, y - size * 0.25))
    jib = ((x - size * 0.05, y - size * 1.3), (x - size * 0.05, y - size * 0.25), (x - size * 0.45, y - size * 0.25))
    return [Area(hull, palette.near), Area(main, palette.accent), Area(jib, mixed(palette.accent, palette.far, 0.25))]


def _city(layout: Layout) -> list[Shape]:
    rng, width, height, palette = layout.rng, layout.width, layout.height, layout.palette
    shapes = [*_stars(layout), *_sun(layout)[0]]
    for depth, tallest in ((0.1, 0.42), (0.45, 0.34), (0.9, 0.24)):
        left = -rng.uniform(0, 0.08)
        while left < width:
            wide, tall = rng.uniform(0.06, 0.14), height * (0.14 + rng.uniform(0.25, 1) * tallest)
            top, foot = height * 0.86 - tall, height
            block = ((left, top), (left + wide, top), (left + wide, foot), (left, foot))
            shapes.append(Area(block, palette.layer(depth)))
            if depth > 0.4:
                shapes += _windows(layout, left, wide, top, depth)
            left += wide * rng.uniform(0.92, 1.15)
    return shapes


def _windows(layout: Layout, left: float, wide: float, top: float, depth: float) -> list[Shape]:
    lit: list[Shape] = []
    columns, size = max(2, round(wide / 0.026)), 0.009
    for row in range(2 + 2 * layout.detail):
        for column in range(columns):
            if layout.rng.random() < 0.45:
                continue
            x, y = left + wide * (column + 0.5) / columns, top + 0.025 + row * 0.028
            pane = (
                (x - size / 2, y),
                (x + size / 2, y),
                (x + size / 2, y + size * 1.4),
                (x - size / 2, y + size * 1.4),
            )
            twinkle = 0.75 + 0.25 * math.sin(2 * math.pi * (layout.phase + row * 0.17 + column * 0.29))
            lit.append(Area(pane, layout.palette.accent, 0.7 * depth * twinkle))
    return lit


def _orbs(layout: Layout) -> list[Shape]:
    rng, width, height, palette = layout.rng, layout.width, layout.height, layout.palette
    colours = (palette.accent, palette.far, palette.sky[0], mixed(palette.accent, palette.far, 0.5), palette.sky[2])
    shapes: list[Shape] = []
    for index in range(4 + 2 * layout.detail):
        turn = 2 * math.pi * (layout.phase + index / 7)
        x = rng.uniform(0.08, 0.92) * width + 0.02 * math.cos(turn)
        y = rng.uniform(0.08, 0.66) * height + 0.02 * math.sin(turn)
        radius, colour = rng.uniform(0.06, 0.30), colours[index % len(colours)]
        shapes.append(Disc(x, y, radius, colour, rng.uniform(0.28, 0.62)))
        if index % 2:
            shapes.append(Ring(x, y, radius * 1.22, 0.006, palette.accent, 0.7))
        if index % 3 == 0:
            shapes.append(Disc(x + radius * 0.5, y - radius * 0.4, radius * 0.22, palette.near, 0.85))
    return shapes


def _peaks(layout: Layout) -> list[Shape]:
    rng, width, height, palette = layout.rng, layout.width, layout.height, layout.palette
    shapes = [*_stars(layout), *_sun(layout)[0], *_birds(layout)]
    rows = 1 + layout.detail
    for row in range(rows):
        depth = (row + 1) / (rows + 1)
        left = -0.25
        while left < width + 0.1:
            half, rise = rng.uniform(0.22, 0.42), height * rng.uniform(0.2, 0.42) * (1 - 0.25 * depth)
            x, foot = left + half, height * (0.66 + 0.18 * depth)
            shapes += _mountain((x, foot), half, rise, palette, depth)
            left += half * rng.uniform(0.7, 1.2)
        floor = height * (0.66 + 0.18 * depth)
        shapes.append(Area(((0, floor), (width, floor), (width, height), (0, height)), palette.layer(depth)))
    return shapes


def _mountain(at: Point, half: float, rise: float, palette: Palette, depth: float) -> list[Shape]:
    """A mountain with its snow; `at` is the middle of its foot."""
    x, foot = at
    top, snow = foot - rise, 0.3
    cap = [
        (x, top),
        (x + half * snow, top + rise * snow),
        (x + half * 0.12, top + rise * snow * 0.78),
        (x + half * 0.02, top + rise * snow * 1.15),
        (x - half * 0.1, top + rise * snow * 0.72),
        (x - half * snow, top + rise * snow),
    ]
    flank = ((x, top), (x + half, foot), (x + half * 0.15, foot))
    return [
        Area(((x - half, foot), (x, top), (x + half, foot)), palette.layer(depth)),
        Area(flank, palette.near, 0.18),
        Area(tuple(cap), mixed(palette.accent, palette.layer(depth), 0.15)),
    ]


KINDS: dict[str, Callable[[Layout], list[Shape]]] = {
    "hills": _hills, "sea": _sea, "city": _city, "orbs": _orbs, "peaks": _peaks,
}  # fmt: skip
