"""`extra`: further options of the API by their own names. Only names on the list of a model pass."""

from functools import cache
from typing import Any

from ..errors import InvalidArgument, UnsupportedOption
from ..operations import ContinueImageThread, EditImage, EstimateCost
from .models import Catalog
from .request import Api, Request, Wanted, continues, listed, or_by_the_image_api

# Names without an argument of their own that decide what is sent, or what comes back.
SHAPES_THE_REQUEST = frozenset(
    {
        "conversation",
        "image",
        "image[]",
        "input",
        "input_image_mask",
        "instructions",
        "metadata",
        "previous_response_id",
        "prompt_rewriter",
        "response_format",
        "store",
        "stream",
        "tool_choice",
        "tools",
        "type",
    }
)
HAS_NO_PLACE_IN_THE_TOOL = frozenset({"markup", "style"})  # OpenAI's image_generation tool

OF_ONE_FORMAT = {"frame_count": "gif", "frame_duration_ms": "gif", "svg": "svg"}
CLOSED = {"complexity": ("low", "medium", "high"), "style": ("vivid", "natural")}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
FRAMES = range(2, 17)
LONGEST_IDENTIFIER = 64  # characters


@cache
def _arguments() -> frozenset[str]:
    return frozenset({*EditImage.model_fields, *ContinueImageThread.model_fields, *EstimateCost.model_fields})


def check_names(extra: dict[str, Any], model: str, catalog: Catalog, wanted: Wanted, api: Api) -> None:
    """Raises InvalidArgument for a name that `extra` never takes, UnsupportedOption for one this call does not take."""
    by_image_api = catalog.extra_of(catalog.find(model))
    taken = by_image_api - HAS_NO_PLACE_IN_THE_TOOL if api == "responses" else by_image_api
    for name in extra:
        _check_place(name)
        if name not in taken:
            where = "" if api == "image" else " in a continuation" if continues(wanted) else " in the Responses API"
            fix = f"in extra use only {listed(sorted(taken))}" if taken else "leave out extra"
            if name in by_image_api:
                fix = or_by_the_image_api(fix, wanted, api)
            raise UnsupportedOption(f"{model} has no option {name[:40]!r}{where}", fix)


def check_further(name: str) -> None:
    """Raises InvalidArgument for a name that a setting cannot let through, because `extra` never takes it."""
    try:
        _check_place(name)
    except InvalidArgument as error:
        raise InvalidArgument(f"MCP_IMAGEGEN_EXTRA: {error.sentence}", f"take {name} out of it") from None


def _check_place(name: str) -> None:
    if name == "user":
        raise InvalidArgument("extra cannot hold 'user'", "use safety_identifier, which replaced it")
    if name in _arguments():
        raise InvalidArgument(f"extra cannot hold {name!r}", f"give {name} as an argument of its own")
    if name in SHAPES_THE_REQUEST:
        raise InvalidArgument(f"extra cannot hold {name!r}, which shapes the request", f"leave {name} out of extra")


def check_values(request: Request) -> None:
    """Raises InvalidArgument for a value that OpenAI's reference rules out."""
    extra, wanted = request.extra, request.wanted
    for name, values in CLOSED.items():
        if name in extra and extra[name] not in values:
            raise InvalidArgument(f"{name} in extra has a value that it does not take", f"use {listed(values)}")
    _check_format(extra, wanted.output_format)
    _check_frames(extra)
    if "safety_identifier" in extra:
        given = extra["safety_identifier"]
        if not isinstance(given, str) or not 0 < len(given) <= LONGEST_IDENTIFIER:
            raise InvalidArgument(
                f"safety_identifier must be a text of 1 to {LONGEST_IDENTIFIER} characters",
                "give a hash of the user's name",
            )
    if "svg" in extra:
        _check_svg(extra["svg"])
    if "markup" in extra:
        _check_markup(request)


def _check_format(extra: dict[str, Any], output_format: str) -> None:
    for name, only in OF_ONE_FORMAT.items():
        if name in extra and output_format != only:
            fix = f"set output_format to {only}, or leave out {name}"
            raise InvalidArgument(f"the option {name} is only for {only} output", fix)


def _check_frames(extra: dict[str, Any]) -> None:
    if "frame_count" in extra and not (_whole(extra["frame_count"]) and extra["frame_count"] in FRAMES):
        said = f"frame_count must be a whole number from {FRAMES.start} to {FRAMES.stop - 1}"
        raise InvalidArgument(said, "correct frame_count in extra")
    # OpenAI rounds it to 10 ms and caps it at 655,350, and names no bounds that it would refuse.
    if "frame_duration_ms" in extra and not (_whole(extra["frame_duration_ms"]) and extra["frame_duration_ms"] >= 0):
        raise InvalidArgument("frame_duration_ms must be a whole number from 0", "correct frame_duration_ms in extra")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_svg(svg: Any) -> None:
    fix = 'write svg as {"model": "…", "reasoning": {"effort": "low"}}, or one part of it'
    if not isinstance(svg, dict) or not set(svg) <= {"model", "reasoning"} or not any(svg.values()):
        raise InvalidArgument("the option svg must name a model, a reasoning effort, or both", fix)
    reasoning = svg.get("reasoning") or {}
    if not isinstance(svg.get("model", ""), str) or not isinstance(reasoning, dict) or not set(reasoning) <= {"effort"}:
        raise InvalidArgument("the option svg cannot be read", fix)
    if reasoning.get("effort") is not None and reasoning["effort"] not in EFFORTS:
        raise InvalidArgument("svg has no such reasoning effort", f"use {listed(EFFORTS)}")


def _check_markup(request: Request) -> None:
    if not request.edits:
        raise InvalidArgument("markup lies on an image, and this call has none", "use edit_image, or leave out markup")
    if request.mask:
        raise InvalidArgument("mask and markup exclude each other", "leave out one of them")
