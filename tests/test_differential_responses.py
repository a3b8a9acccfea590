"""The Responses API: every parameter of its image_generation tool, alone and with every other, and the request around
it, are sent as the official package sends them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from combinations import Row, alone, named, pairwise, parameters, uncompared, unmet
from image_options import DECIDING, EDIT_OPTIONS, EDITS_APART, FREE, STREAMED, UNTYPED, streamed
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from openai.types.responses.response_input_image_param import ResponseInputImageParam
from openai.types.responses.tool_param import ImageGeneration
from side_by_side import Both, side_by_side
from wordings import CAT, DOG, HOLE, response_arguments

from mcp_imagegen.openai_api.values import FileId, Upload

module_loop = pytest.mark.asyncio(loop_scope="module")

LEAST: Row = {"host": "gpt-5.4", "model": "gpt-image-2", "prompt": "a cat"}
TOOL = parameters(ImageGeneration)
# Ours sends one `stream` for the request and the tool's `partial_images` with it; `action: auto` is the API's default.
ALONE = [
    *alone(TOOL, FREE, but={"type", "action", "input_image_mask.file_id", "input_image_mask.image_url"}),
    *alone({"prompt": (), "safety_identifier": ()}, FREE),
    *STREAMED,
]
AROUND: tuple[Row, ...] = (
    {},
    *({"host": name} for name in ("gpt-4o", "gpt-4.1-mini", "o3", "gpt-5.6-terra", "gpt-6.1-sol", "local/llama:8b")),
    {"action": "generate"},
    {"action": "edit"},
    {"store": False},
    {"in_background": True},
    {"call_id": "ig_9"},
    {"previous_response_id": "resp_9"},
    {"pictures": [CAT]},
    {"pictures": [FileId("file-7")]},
    {"pictures": [DOG, FileId("file-7"), CAT]},
    {"pictures": [DOG] * 16},
    {"pictures": [Upload(b"RIFF\0\0\0\0WEBP", "cat.webp", "image/webp")]},
    {"pictures": [Upload(bytes(range(256)) * 700, "large.png", "image/png")]},
    {"pictures": [Upload(b"", "empty.png", "image/png")]},
    *({"pictures": [CAT], "mask": mask} for mask in (HOLE, FileId("file-8"))),
    {"pictures": [FileId("file-7")], "mask": HOLE},
    {"call_id": "ig_9", "pictures": [DOG], "action": "edit"},
    {"previous_response_id": "resp_9", "pictures": [DOG], "mask": HOLE, "action": "edit"},
)
LEFT_OUT: tuple[Row, ...] = (
    {"action": "auto"},
    {"partial_images": 0},
    {"stream": False},
    {"stream": True, "partial_images": 0},
)
FACTORS: dict[str, tuple[Any, ...]] = {
    **{name: values for name, values in EDIT_OPTIONS.items() if name != "n"},
    "host": ("gpt-5.4", "gpt-6-sol"),
    "action": (None, "generate", "edit"),
    "pictures": (None, [CAT], [FileId("file-7")], [DOG, FileId("file-7")]),
    "mask": (None, HOLE, FileId("file-8")),
    "call_id": (None, "ig_9"),
    "previous_response_id": (None, "resp_9"),
    "store": (None, False),
    "in_background": (None, True),
}
APART = (
    *(rule for rule in EDITS_APART if "n" not in rule),
    {"mask": FACTORS["mask"][1:], "output_format": ("gif",)},
    {"mask": FACTORS["mask"][1:], "action": ("generate",)},
    {"call_id": ("ig_9",), "previous_response_id": ("resp_9",)},
    {"call_id": ("ig_9",), "store": (False,)},
    {"previous_response_id": ("resp_9",), "store": (False,)},
    {"in_background": (True,), "store": (False,)},
)
TOGETHER = [streamed(row) for row in pairwise(FACTORS, APART)]
NOT_SENT = {
    "how the host model reads, thinks and writes": {
        *("include", "instructions", "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "prompt"),
        *("reasoning", "temperature", "text", "top_logprobs", "top_p", "truncation", "image", "context_management"),
    },
    "how and where it runs, and what of it is kept": {
        *("access_programs", "conversation", "metadata", "moderation", "service_tier"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "stream_options"),
    },
    "replaced by safety_identifier": {"user"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


@module_loop
@pytest.mark.parametrize("given", [*AROUND, *ALONE], ids=named)
async def test_a_parameter_alone_is_sent_as_the_official_package_sends_it(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", TOGETHER, ids=named)
async def test_parameters_together_are_sent_as_the_official_package_sends_them(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", UNTYPED, ids=named)
async def test_options_of_other_servers_are_sent_as_the_official_package_sends_them(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("given", LEFT_OUT, ids=named)
async def test_a_default_that_the_official_package_would_send_is_left_out(both: Both, given: Row) -> None:
    theirs, mine = await both.same(LEAST | given)
    [tool] = theirs["body"].pop("tools")
    theirs["body"]["tools"] = [{name: value for name, value in tool.items() if name not in given}]
    theirs["body"].pop("stream", None)
    assert mine == theirs


def test_no_field_or_value_of_the_tool_is_left_uncompared() -> None:
    rows = [response_arguments(LEAST | given)["tools"][0] for given in (*AROUND, *ALONE, *LEFT_OUT)]
    assert uncompared(TOOL, rows) == set()


def test_of_a_picture_only_its_place_is_sent() -> None:
    sent = [part for given in AROUND for part in response_arguments(LEAST | given)["input"][-1]["content"]]
    details = {f"detail={detail}" for detail in ("auto", "low", "high", "original")}
    cache = {"prompt_cache_breakpoint.mode", "prompt_cache_breakpoint.mode=explicit"}
    cache |= {"prompt_cache_breakpoint.ttl", "prompt_cache_breakpoint.ttl=30m", "prompt_cache_breakpoint.ttl=12h"}
    assert uncompared(parameters(ResponseInputImageParam), sent) == {"detail", *details, *cache}


def test_every_other_field_of_the_request_is_compared_or_named_as_not_sent() -> None:
    typed = parameters(ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming)
    sent = {name for given in (*AROUND, *ALONE) for name in response_arguments(LEAST | given)}
    assert {path.split(".")[0] for path in typed} - sent == set().union(*NOT_SENT.values())


def test_every_two_options_that_go_together_meet_in_a_row() -> None:
    assert unmet(FACTORS, APART, TOGETHER, DECIDING) == []
