"""The rules of a known model, one function each: it raises for what cannot work and gives back warnings."""

from collections.abc import Callable, Iterable, Iterator

from ..errors import InvalidArgument, UnsupportedOption
from ..operations import EstimateCost
from . import extra
from .ending import until
from .hints import relevant
from .request import IMAGE_API, Request, counted, listed
from .sizes import closest, nearest, parse, problem, written


def in_service(request: Request) -> Iterator[str]:
    """A model that OpenAI shut down is refused, except where another server may still run it."""
    model = request.model
    fix = f"use {model.successor}" if model.successor else "name another model"
    return until(model, fix, provider=request.provider, today=request.today)


def endpoint(request: Request) -> Iterable[str]:
    model = request.model
    needed = "responses" if request.api == "responses" else "edits" if request.edits else "generations"
    if needed in model.endpoints:
        return ()
    fix = f"use {model.successor}" if model.successor else "name another model"
    if needed == "responses" and not request.continues:
        said = f"{model.name} is not in the Responses API, where MCP_IMAGEGEN_API sends this call"
        raise UnsupportedOption(said, f"set {IMAGE_API}, or {fix}")
    # A compatible server without the Responses API continues a thread through edits.
    if needed == "responses" and request.provider == "compatible" and "edits" in model.endpoints:
        return ()
    able = {"responses": "continue a thread", "edits": "change images", "generations": "make images from text"}
    raise UnsupportedOption(f"{model.name} cannot {able[needed]}", fix)


def prompt_length(request: Request) -> Iterable[str]:
    length, limit = len(request.prompt), request.model.prompt_limit
    if length > limit:
        said = f"the prompt has {length:,} characters, and {request.model.name} takes {limit:,}"
        raise UnsupportedOption(said, f"shorten it by {length - limit:,} characters, or name another model")
    return ()


def image_counts(request: Request) -> Iterator[str]:
    model = request.model
    if request.n > model.n_limit:
        raise UnsupportedOption(
            f"{model.name} makes {counted('image', model.n_limit)} a call, not {request.n}",
            f"set n to {model.n_limit}" if model.n_limit == 1 else f"set n to {model.n_limit} or less",
        )
    if request.images > model.image_limit:
        raise UnsupportedOption(
            f"{model.name} takes {counted('image', model.image_limit)} a call, not {request.images}",
            f"leave out {counted('image', request.images - model.image_limit)}",
        )
    if isinstance(request.wanted, EstimateCost) and not request.edits and request.wanted.images:
        yield "generate takes no images, so they are not counted; for an edit set operation to edit"


def size(request: Request) -> Iterator[str]:
    model, wanted = request.model, parse(request.wanted.size)
    if wanted is None:
        return
    if model.sizes is not None:
        if written(wanted) not in model.sizes:
            pairs = [pair for text in model.sizes if (pair := parse(text))]
            fix = f"use {written(closest(wanted, pairs))}, the nearest of {listed(model.sizes)}"
            raise UnsupportedOption(f"{model.name} has no size {written(wanted)}", fix)
        return
    broken = problem(*wanted)
    if broken and "sizes" in model.assumed:
        yield f"the sizes of {model.name} are not documented; for gpt-image-2.5, {broken}"
    elif broken:
        fix = f"use {written(nearest(*wanted))}, the nearest that fits"
        raise InvalidArgument(f"the size {written(wanted)} cannot be drawn: {broken}", fix)


def quality(request: Request) -> Iterator[str]:
    model, wanted = request.model, request.wanted.quality
    if wanted == "auto" or wanted in model.qualities:
        return
    said = f"{model.name} has no quality {wanted[:40]!r}"
    if "qualities" not in model.assumed:
        raise UnsupportedOption(said, f"use {listed(('auto', *model.qualities))}")
    yield f"{said} that is documented; it is sent as it is"


def output_format(request: Request) -> Iterator[str]:
    model, wanted = request.model, request.wanted
    if wanted.output_format in model.preview_formats:
        yield f"{wanted.output_format} output is a preview that OpenAI gives to some organizations and models"
    elif wanted.output_format not in model.formats:
        said = f"{model.name} cannot make {wanted.output_format}"
        raise UnsupportedOption(said, f"set output_format to {listed(model.formats)}")
    if request.compression is not None and wanted.output_format not in ("jpeg", "webp"):
        raise InvalidArgument(
            f"output_compression is only for jpeg and webp, and output_format is {wanted.output_format}",
            "leave out output_compression, or set output_format to webp or jpeg",
        )
    if wanted.output_format in ("gif", "svg") and wanted.partial_images:
        raise InvalidArgument(f"{wanted.output_format} output has no partial images", "set partial_images to 0")
    if wanted.output_format == "gif" and request.mask:
        raise InvalidArgument("gif output takes no mask", "leave out the mask, or set output_format to png")
    if wanted.output_format == "svg" and request.n > 1:
        raise InvalidArgument("svg output makes one image a call", "set n to 1")


def background(request: Request) -> Iterator[str]:
    model, wanted = request.model, request.wanted
    if wanted.background != "transparent":
        return
    if model.transparency == "no":
        raise UnsupportedOption(f"{model.name} has no transparent background", "leave out background")
    if wanted.output_format not in ("png", "webp"):
        said = f"a transparent background needs png or webp, and output_format is {wanted.output_format}"
        raise InvalidArgument(said, "set output_format to png or webp, or leave out background")
    if model.transparency == "preview":
        yield f"transparent backgrounds are a preview on {model.name}"
    elif model.transparency == "unknown":
        yield f"it is not documented whether {model.name} has transparent backgrounds"


def input_fidelity(request: Request) -> Iterator[str]:
    model, wanted = request.model, request.input_fidelity
    if wanted is None:
        return
    if model.input_fidelity is None:
        yield f"it is not documented whether {model.name} takes input_fidelity"
    elif not model.input_fidelity:
        raise UnsupportedOption(f"{model.name} does not take input_fidelity", "leave out input_fidelity")
    elif wanted not in model.input_fidelity:
        fix = f"set input_fidelity to {listed(model.input_fidelity)}, or leave it out"
        raise UnsupportedOption(f"{model.name} has no input_fidelity {wanted!r}", fix)


def further_options(request: Request) -> Iterable[str]:
    """Options that a whole family lacks, then `extra`."""
    model, wanted = request.model, request.wanted
    given = {
        "background": wanted.background != "auto",
        "moderation": wanted.moderation != "auto",
        "output_compression": request.compression is not None,
        "partial_images": wanted.partial_images > 0,
    }
    for name, is_given in given.items():
        if is_given and name not in model.options:
            raise UnsupportedOption(f"{model.name} does not take {name}", f"leave out {name}")
    extra.check_values(request)
    return ()


RULES: tuple[Callable[[Request], Iterable[str]], ...] = (
    in_service,
    endpoint,
    prompt_length,
    image_counts,
    size,
    quality,
    background,
    output_format,
    input_fidelity,
    further_options,
    relevant,
)
