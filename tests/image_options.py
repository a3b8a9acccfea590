"""Values of the options of an image that the comparisons with the official package send, alone and together."""

from typing import Any

from combinations import Row

MODEL = "gpt-image-2"
# Values of parameters whose types list none, or not all that count.
FREE: dict[str, tuple[Any, ...]] = {
    "prompt": (
        "a “cat” ☃ 🐈",
        "one\ntwo\r\nthree\ttab",
        '"quoted" \\ back\\slash </script>',
        " \N{NO-BREAK SPACE}spaces \N{LINE SEPARATOR}",
        "\0 \x7f \N{RIGHT-TO-LEFT OVERRIDE}",
        "x" * 32_000,
    ),
    "model": ("flux-2", "a/b:c"),
    "n": tuple(range(2, 11)),
    "size": ("1536x864", "3840x2160", "816x2448"),
    "output_compression": (0, 1, 50, 100),
    "frame_count": (2, 9, 16),
    "frame_duration_ms": (20, 200, 655_350),
    "safety_identifier": ("b1946ac92492d234", "é" * 64),
    "svg.model": ("gpt-6-sol",),
}
STREAMED = tuple[Row, ...]({"stream": True, "partial_images": frames} for frames in (1, 2, 3))
# What the package sends when told to and ours leaves out, because the API does the same without.
LEFT_OUT: tuple[Row, ...] = (
    {"n": 1},
    {"stream": False},
    {"partial_images": 0},
    {"stream": True, "partial_images": 0},  # frames are all that a stream is good for
)
# Ours sends these only where MCP_IMAGEGEN_COMPATIBLE_SEND says so.
BY_SETTING: tuple[Row, ...] = ({"response_format": "url"}, {"response_format": "b64_json"}, {"user": "user-1234"})
# Further options of other servers. A number may be written in several ways, which are the same number.
UNTYPED: tuple[Row, ...] = (
    {"seed": 7, "steps": -1, "large": 2**70},
    {"guidance": 0.1, "small": 1e-7, "large": 1e22, "whole": 7.0},
    {"upscale": True, "tiled": False, "nothing": None},
    {"loras": ["a", "b"], "weights": [1, 0.5], "one": ["a"], "none": []},
    {"control": {"kind": "depth", "at": {"x": 1, "y": [2, 3]}}, "empty": {}},
    {"layers": [{"name": "a"}, {"name": "b", "on": True}]},
    {"text": "", "blank": " ", "naïve key": "ü", "a[b]": "c"},
)
OPTIONS: dict[str, tuple[Any, ...]] = {
    "output_format": (None, "png", "webp", "jpeg", "gif", "svg"),
    "model": (MODEL, "gpt-image-2.5-flare", "gpt-image-1.5"),
    "n": (None, 2, 10),
    "size": (None, "auto", "1024x1024", "1536x864"),
    "quality": (None, "auto", "low", "medium", "high", "xhigh", "max"),
    "background": (None, "auto", "opaque", "transparent"),
    "output_compression": (None, 0, 80),
    "moderation": (None, "auto", "low"),
    "partial_images": (None, 1, 2, 3),
    "complexity": (None, "low", "medium", "high"),
    "frame_count": (None, 2, 16),
    "frame_duration_ms": (None, 20, 200),
    "svg": (None, {"model": "gpt-6-sol"}, {"model": "gpt-5.5", "reasoning": {"effort": "low"}}),
    "safety_identifier": (None, "b1946ac9"),
}
DECIDING = ("output_format", "model")  # options that all of these rules are about
# What OpenAI's reference says does not go together.
APART: tuple[dict[str, tuple[Any, ...]], ...] = (
    {"output_format": ("gif", "svg"), "partial_images": (1, 2, 3)},
    {"output_format": (None, "png", "gif", "svg"), "output_compression": (0, 80)},
    {"output_format": ("jpeg", "gif", "svg"), "background": ("transparent",)},
    {"output_format": (None, "png", "webp", "jpeg", "svg"), "frame_count": (2, 16)},
    {"output_format": (None, "png", "webp", "jpeg", "svg"), "frame_duration_ms": (20, 200)},
    {"output_format": (None, "png", "webp", "jpeg", "gif"), "svg": OPTIONS["svg"][1:]},
    {"output_format": ("svg",), "n": (2, 10)},
    {"model": (MODEL, "gpt-image-1.5"), "quality": ("xhigh", "max")},
    {"model": ("gpt-image-1.5",), "size": ("1536x864",)},
    {"model": ("gpt-image-1.5",), "output_format": ("gif", "svg")},
)
EDIT_OPTIONS = OPTIONS | {"input_fidelity": (None, "low", "high")}
EDITS_APART = (*APART, {"model": (MODEL, "gpt-image-2.5-flare"), "input_fidelity": ("low", "high")})


def streamed(row: Row) -> Row:
    """The row as a call of the package, which is told by itself to stream."""
    return {**row, "stream": True} if "partial_images" in row else row
