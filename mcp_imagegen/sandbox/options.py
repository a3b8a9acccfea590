"""What a request asks for, checked against the rules of its image model, and `auto` resolved to values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .checking import Array, Check, Choice, Flag, Structure, Text, Whole, checked
from .errors import ApiError, missing_parameter, refused, wrong_value
from .models import (
    DEFAULT_IMAGE_MODEL,
    DEFAULT_TOOL_MODEL,
    FIVE,
    FIXED_SIZES,
    LEAST_PIXELS,
    MULTIPLE,
    ImageModel,
    host_model,
    image_model,
)

PROMPT_LIMIT = 32_000  # characters
AUTO_PIXELS = 1024 * 1024  # of a size that nobody asked for
KEPT_PIXELS = 1536 * 1024  # an input up to this many keeps its size in an edit with size auto

REFERENCE: dict[str, Check] = {"image_url": Text(), "file_id": Text()}
EFFORTS = Choice(("none", "minimal", "low", "medium", "high", "xhigh", "max"))
SVG = Structure({"model": Text(), "reasoning": Structure({"effort": EFFORTS})})
RENDERING: dict[str, Check] = {
    "background": Choice(("transparent", "opaque", "auto")),
    "complexity": Choice(("low", "medium", "high")),
    "frame_count": Whole(2, 16),
    "frame_duration_ms": Whole(0, 10**9),
    "model": Text(),
    "moderation": Choice(("low", "auto")),
    "output_compression": Whole(0, 100),
    "output_format": Choice(("png", "webp", "jpeg", "gif", "svg")),
    "partial_images": Whole(0, 3),
    "quality": Choice((*FIVE, "auto")),
    "size": Text(),
    "svg": SVG,
}
GENERATION: dict[str, Check] = RENDERING | {
    "n": Whole(1, 10),
    "prompt": Text(PROMPT_LIMIT, least=1),
    "safety_identifier": Text(64),
    "stream": Flag(),
    "user": Text(),
}
FIDELITY: dict[str, Check] = {"input_fidelity": Choice(("high", "low"))}
EDIT: dict[str, Check] = GENERATION | FIDELITY
JSON_EDIT: dict[str, Check] = EDIT | {"images": Array(), "mask": Structure(REFERENCE)}
TOOL: dict[str, Check] = (
    RENDERING
    | FIDELITY
    | {
        "action": Choice(("generate", "edit", "auto")),
        "input_image_mask": Structure(REFERENCE),
        "type": Choice(("image_generation",)),
    }
)


@dataclass(frozen=True)
class Options:
    """One image request. `size`, `quality` and `background` are as asked for, perhaps `auto`."""

    model: ImageModel
    prompt: str
    n: int = 1
    size: str = "auto"
    quality: str = "auto"
    background: str = "auto"
    output_format: str = "png"
    compression: int = 100
    partial_images: int = 0
    stream: bool = False
    fidelity: str | None = None
    complexity: str = "medium"
    frame_count: int = 9
    frame_duration_ms: int = 200
    svg_author: str | None = None
    safety_identifier: str | None = None
    action: str = "auto"

    def streamed(self, stream: bool) -> "Options":
        return replace(self, stream=stream)

    @property
    def resolved_quality(self) -> str:
        return "medium" if self.quality == "auto" else self.quality

    @property
    def resolved_background(self) -> str:
        return "opaque" if self.background == "auto" else self.background

    @property
    def detail(self) -> int:
        """How much is on the picture, 1 to 5: by quality, and one more or less by complexity."""
        level = FIVE.index(self.resolved_quality) + 1
        return min(5, max(1, level + {"low": -1, "medium": 0, "high": 1}[self.complexity]))

    def resolved_size(self, base: tuple[int, int] | None) -> tuple[int, int]:
        """Width x height in pixels. `auto` follows the first input image, else it is 1024x1024."""
        if self.size != "auto":
            width, _, height = self.size.partition("x")
            return int(width), int(height)
        if base is None:
            return 1024, 1024
        return _free_size(base) if self.model.free_size else _fixed_size(base)


def _fixed_size(base: tuple[int, int]) -> tuple[int, int]:
    sizes = [(int(width), int(height)) for width, _, height in (size.partition("x") for size in FIXED_SIZES)]
    return min(sizes, key=lambda size: abs(math.log(size[0] * base[1] / (size[1] * base[0]))))


def _free_size(base: tuple[int, int]) -> tuple[int, int]:
    width, height = base
    legal = width % MULTIPLE == 0 == height % MULTIPLE and max(base) <= 3 * min(base)
    if legal and LEAST_PIXELS <= width * height <= KEPT_PIXELS:
        return base
    aspect = min(3.0, max(1 / 3, width / height))
    wide = math.floor(math.sqrt(AUTO_PIXELS * aspect) / MULTIPLE) * MULTIPLE
    high = math.floor(math.sqrt(AUTO_PIXELS / aspect) / MULTIPLE) * MULTIPLE
    return min(wide, 3 * high), min(high, 3 * wide)


def image_options(fields: Mapping[str, Any], table: Mapping[str, Check], now: float, *, form: bool = False) -> Options:
    """The options of a request to an images endpoint. Raises ApiError; `now` is Unix seconds."""
    given = checked(fields, table, form=form)
    if "prompt" not in given:
        raise missing_parameter("prompt")
    model = image_model(given.get("model", DEFAULT_IMAGE_MODEL), now)
    options = _options(given, model, given["prompt"], now, "")
    if options.output_format == "gif" and options.stream:
        raise refused("stream", "GIF output does not support streaming.")
    if options.output_format == "svg" and (options.stream or options.n > 1):
        name, text = ("stream", "streaming") if options.stream else ("n", "more than one image")
        raise refused(name, f"SVG output does not support {text}.")
    return options


def tool_options(tool: Mapping[str, Any], prompt: str, now: float, index: int) -> Options:
    """The options of the image_generation tool at this index of `tools`. Raises ApiError; `now` is Unix seconds."""
    prefix = f"tools[{index}]."
    given = checked(tool, TOOL, prefix=prefix)
    model = image_model(given.get("model", DEFAULT_TOOL_MODEL), now, f"{prefix}model")
    return _options(given, model, prompt, now, prefix)


def _options(given: Mapping[str, Any], model: ImageModel, prompt: str, now: float, prefix: str) -> Options:
    svg = given.get("svg")
    options = Options(
        model=model,
        prompt=prompt,
        n=given.get("n", 1),
        size=given.get("size", "auto"),
        quality=given.get("quality", "auto"),
        background=given.get("background", "auto"),
        output_format=given.get("output_format", "png"),
        compression=given.get("output_compression", 100),
        partial_images=given.get("partial_images", 0),
        stream=given.get("stream", False),
        fidelity=given.get("input_fidelity"),
        complexity=given.get("complexity", "medium"),
        frame_count=given.get("frame_count", 9),
        frame_duration_ms=given.get("frame_duration_ms", 200),
        svg_author=None if svg is None else svg.get("model"),
        safety_identifier=given.get("safety_identifier") or given.get("user") or None,
        action=given.get("action", "auto"),
    )
    for refusal in (_model_refusal(options, prefix), _format_refusal(options, given, prefix)):
        if refusal is not None:
            raise refusal
    if options.svg_author is not None:
        host_model(options.svg_author, now)
    return options


def _model_refusal(options: Options, prefix: str) -> ApiError | None:
    """What the model does not take."""
    model = options.model
    if options.size != "auto":
        model.check_size(options.size, f"{prefix}size")
    if options.quality not in {*model.qualities, "auto"}:
        return refused(f"{prefix}quality", f"The model '{model.name}' does not support quality '{options.quality}'")
    if options.fidelity is not None and options.fidelity not in model.fidelity:
        name, code = f"{prefix}input_fidelity", "invalid_input_fidelity_model"
        if model.fidelity:
            return wrong_value(name, options.fidelity, model.fidelity)
        return ApiError(
            f"The model '{model.name}' does not support the 'input_fidelity' parameter.", code=code, param=name
        )
    if options.output_format not in model.formats:
        return wrong_value(f"{prefix}output_format", options.output_format, model.formats)
    return None


def _format_refusal(options: Options, given: Mapping[str, Any], prefix: str) -> ApiError | None:
    """What the output format does not go with."""
    kind = options.output_format
    if options.background == "transparent" and kind not in {"png", "webp"}:
        return refused(
            f"{prefix}background", f"Transparent background is not supported for {kind.upper()} output format"
        )
    if options.compression < 100 and kind not in {"jpeg", "webp"}:
        text = f"Compression less than 100 is not supported for {kind.upper()} output format"
        return refused(f"{prefix}output_compression", text)
    for name, needed in (("frame_count", "gif"), ("frame_duration_ms", "gif"), ("svg", "svg")):
        if name in given and kind != needed:
            return refused(
                f"{prefix}{name}", f"The '{name}' parameter is only supported with output_format '{needed}'."
            )
    if kind in {"gif", "svg"} and options.partial_images:
        return refused(f"{prefix}partial_images", f"{kind.upper()} output does not support partial images.")
    return None
