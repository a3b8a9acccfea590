"""From checked options and opened inputs to the files that are sent back."""

from dataclasses import dataclass, field

from PIL import Image

from .encoding import animated, encoded, unfinished
from .inputs import Materials
from .options import Options
from .painting import Brief, painted
from .stored import State
from .studio import in_studio
from .vectors import written

TINT = {"high": 0.12}
USUAL_TINT = 0.26


@dataclass(frozen=True)
class Rendering:
    """A finished picture as a file, the frames that came before it (same format and size), and of an SVG the raster
    picture that a later turn edits."""

    data: bytes = field(repr=False)
    partials: tuple[bytes, ...] = field(default=(), repr=False)
    raster: bytes | None = field(default=None, repr=False)


async def drawn(state: State, options: Options, materials: Materials, index: int = 0) -> Rendering:
    """Draws the picture `index` of a request, as soon as the sandbox's `before_drawing` lets it."""
    await state.before_drawing(options.prompt)
    return await in_studio(rendered, options, materials, index)


def rendered(options: Options, materials: Materials, index: int = 0) -> Rendering:
    """Draws the picture `index` of a request; the same arguments give the same picture. For the studio's thread."""
    brief = _brief(options, materials, index)
    match options.output_format:
        case "svg":
            return Rendering(written(brief), raster=encoded(painted(brief), "png", 100))
        case "gif":
            return Rendering(animated(_frames(brief, options.frame_count), options.frame_duration_ms))
    picture = painted(brief)
    partials = unfinished(picture, options.partial_images if options.stream else 0)
    file, *before = (encoded(image, options.output_format, options.compression) for image in (picture, *partials))
    return Rendering(file, tuple(before))


def _frames(brief: Brief, count: int) -> list[Image.Image]:
    """The moments of an animation; not at equal distances from a turning point, where two in a row would look alike
    and become one frame."""
    return [painted(brief, (frame + 0.3) / count) for frame in range(count)]


def size_of(options: Options, materials: Materials) -> tuple[int, int]:
    """Width x height in pixels of what the options make of these inputs."""
    return options.resolved_size(materials.base.size if materials.base else None)


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _brief(options: Options, materials: Materials, index: int) -> Brief:
    size = size_of(options, materials)
    what = "edit" if materials.base else "generation"
    said = (options.model.name, options.resolved_quality, size_text(size), what)
    return Brief(
        prompt=options.prompt,
        caption=" · ".join(("mcp-imagegen sandbox", *said)),
        seed=f"{options.prompt}\n{index}",
        size=size,
        detail=options.detail,
        transparent=options.resolved_background == "transparent",
        tint=TINT.get(options.fidelity or "", USUAL_TINT),
        base=materials.base,
        mask=materials.mask,
        insets=materials.others,
    )
