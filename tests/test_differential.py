"""The official `openai` package is the oracle: for the same call, both clients must send the same request.

Here whole calls are written out twice, by hand. The files beside this one take every parameter alone and every two
together, out of tables, and compare what is read in answers. `pytest --collect-only -q tests/test_differential*` counts
the comparisons.
"""

from collections.abc import AsyncIterator, Awaitable
from typing import Any

import openai
import pytest
import pytest_asyncio
from capture_server import Reply
from openai.types import ImagesResponse
from openai.types.responses import Response
from openai_bodies import call_frame, image_call, image_event, images, message, response
from side_by_side import ANSWERED, ANSWERED_STREAM, PLAIN, STREAM, Ask, Both, side_by_side
from wordings import CAT, DOG, HOLE, as_file

from mcp_imagegen.openai_api.values import FileId, ImageCall, ResponsesCall

module_loop = pytest.mark.asyncio(loop_scope="module")

MODEL = "gpt-image-2"
OPTIONS: dict[str, Any] = {
    "size": "1536x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "webp",
    "output_compression": 80,
    "moderation": "low",
}
EDIT_OPTIONS = {name: value for name, value in OPTIONS.items() if name != "moderation"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side(organization="org-1", project="proj-1") as clients:
        yield clients


def turn(text: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}, *more]}


def tool(**options: Any) -> dict[str, Any]:
    return {"type": "image_generation", "model": MODEL, **options}


def variations(api: openai.AsyncOpenAI) -> Awaitable[Any]:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # OpenAI no longer has them, other servers do
        return api.images.create_variation(model="dall-e-2", image=as_file(CAT), n=2, size="512x512")


FORCED = {"type": "image_generation"}
# DOG's bytes as base64, written out so that the expectation does not come from code like ours.
DOG_URL = "data:image/jpeg;base64,/9j/ZG9n"
HOLE_URL = "data:image/png;base64,iVBOR21hc2s="

IMAGE_CALLS: dict[str, tuple[Ask, ImageCall, Reply]] = {
    "generate": (
        lambda api: api.images.generate(model=MODEL, prompt="a cat"),
        ImageCall(MODEL, "a cat"),
        PLAIN,
    ),
    "generate with every option": (
        lambda api: api.images.generate(model=MODEL, prompt="a “cat” ☃", n=3, **OPTIONS),
        ImageCall(MODEL, "a “cat” ☃", n=3, options=OPTIONS),
        PLAIN,
    ),
    "generate with an extra object": (
        lambda api: api.images.generate(model=MODEL, prompt="a cat", extra_body={"svg": {"model": "gpt-6-sol"}}),
        ImageCall(MODEL, "a cat", options={"svg": {"model": "gpt-6-sol"}}),
        PLAIN,
    ),
    "generate streamed": (
        lambda api: api.images.generate(model=MODEL, prompt="a cat", stream=True, partial_images=2),
        ImageCall(MODEL, "a cat", partial_images=2),
        STREAM,
    ),
    "edit one": (
        lambda api: api.images.edit(model=MODEL, prompt="a hat", image=as_file(CAT)),
        ImageCall(MODEL, "a hat", images=(CAT,)),
        PLAIN,
    ),
    "edit many": (
        lambda api: api.images.edit(model=MODEL, prompt="both", image=[as_file(CAT), as_file(DOG)]),
        ImageCall(MODEL, "both", images=(CAT, DOG)),
        PLAIN,
    ),
    "edit with a mask and every option": (
        lambda api: api.images.edit(
            model=MODEL,
            prompt="ein Hütchen",
            image=as_file(CAT),
            mask=as_file(HOLE),
            n=2,
            input_fidelity="high",
            **EDIT_OPTIONS,
        ),
        ImageCall(
            MODEL, "ein Hütchen", n=2, images=(CAT,), mask=HOLE, options={**EDIT_OPTIONS, "input_fidelity": "high"}
        ),
        PLAIN,
    ),
    "edit with extra lists, objects and booleans": (
        lambda api: api.images.edit(
            model=MODEL,
            prompt="x",
            image=as_file(CAT),
            extra_body={"svg": {"reasoning": {"effort": "low"}}, "tags": ["a", "b"], "upscale": True, "seed": 7},
        ),
        ImageCall(
            MODEL,
            "x",
            images=(CAT,),
            options={"svg": {"reasoning": {"effort": "low"}}, "tags": ["a", "b"], "upscale": True, "seed": 7},
        ),
        PLAIN,
    ),
    "edit with markup": (
        lambda api: api.images.edit(model=MODEL, prompt="x", image=as_file(CAT), markup=as_file(HOLE)),
        ImageCall(MODEL, "x", images=(CAT,), markup=HOLE),
        PLAIN,
    ),
    "variations": (
        variations,
        ImageCall("dall-e-2", None, n=2, images=(CAT,), options={"size": "512x512"}),
        PLAIN,
    ),
    "edit streamed": (
        lambda api: api.images.edit(
            model=MODEL,
            prompt="x",
            image=[as_file(CAT), as_file(DOG)],
            mask=as_file(HOLE),
            stream=True,
            partial_images=1,
        ),
        ImageCall(MODEL, "x", images=(CAT, DOG), mask=HOLE, partial_images=1),
        STREAM,
    ),
}

RESPONSES_CALLS: dict[str, tuple[dict[str, Any], ResponsesCall, Reply]] = {
    "first turn": (
        {"input": [turn("a cat")], "tools": [tool()], "tool_choice": FORCED, "store": True},
        ResponsesCall("gpt-5.4", MODEL, "a cat"),
        ANSWERED,
    ),
    "for an end user": (
        {
            "input": [turn("a cat")],
            "tools": [tool(size="1024x1024")],
            "tool_choice": FORCED,
            "store": True,
            "safety_identifier": "b1946ac9",
        },
        ResponsesCall("gpt-5.4", MODEL, "a cat", options={"safety_identifier": "b1946ac9", "size": "1024x1024"}),
        ANSWERED,
    ),
    "by the id of a call": (
        # The package's types want the whole call; the API takes its id alone.
        {
            "input": [{"type": "image_generation_call", "id": "ig_9"}, turn("now blue")],
            "tools": [tool(action="edit")],
            "tool_choice": FORCED,
            "store": True,
        },
        ResponsesCall("gpt-5.4", MODEL, "now blue", call_id="ig_9", action="edit"),
        ANSWERED,
    ),
    "by the previous response": (
        {
            "previous_response_id": "resp_9",
            "input": [turn("now blue")],
            "tools": [tool(size="1024x1536", quality="low")],
            "tool_choice": FORCED,
            "store": True,
        },
        ResponsesCall(
            "gpt-5.4", MODEL, "now blue", previous_response_id="resp_9", options={"size": "1024x1536", "quality": "low"}
        ),
        ANSWERED,
    ),
    "with references and a mask, kept nowhere": (
        {
            "input": [
                turn(
                    "as in these",
                    {"type": "input_image", "image_url": DOG_URL},
                    {"type": "input_image", "file_id": "file-7"},
                )
            ],
            "tools": [tool(action="edit", input_image_mask={"image_url": HOLE_URL})],
            "tool_choice": FORCED,
            "store": False,
        },
        ResponsesCall(
            "gpt-5.4", MODEL, "as in these", images=(DOG, FileId("file-7")), mask=HOLE, action="edit", store=False
        ),
        ANSWERED,
    ),
    "with a mask by file id": (
        {
            "input": [turn("x", {"type": "input_image", "file_id": "file-7"})],
            "tools": [tool(input_image_mask={"file_id": "file-8"})],
            "tool_choice": FORCED,
            "store": True,
        },
        ResponsesCall("gpt-5.4", MODEL, "x", images=(FileId("file-7"),), mask=FileId("file-8")),
        ANSWERED,
    ),
    "streamed with partial images": (
        {
            "input": [turn("a cat")],
            "tools": [tool(partial_images=3)],
            "tool_choice": FORCED,
            "store": True,
            "stream": True,
        },
        ResponsesCall("gpt-5.4", MODEL, "a cat", partial_images=3),
        ANSWERED_STREAM,
    ),
}


@module_loop
@pytest.mark.parametrize("name", IMAGE_CALLS)
async def test_image_api_requests_are_those_of_the_official_package(both: Both, name: str) -> None:
    theirs, mine = await both.requests(*IMAGE_CALLS[name])
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("name", RESPONSES_CALLS)
async def test_responses_requests_are_those_of_the_official_package(both: Both, name: str) -> None:
    arguments, call, reply = RESPONSES_CALLS[name]
    theirs, mine = await both.requests(lambda api: api.responses.create(model="gpt-5.4", **arguments), call, reply)
    assert mine == theirs


def test_the_answers_of_these_tests_are_ones_the_official_package_takes() -> None:
    events = openai.types.ImageGenCompletedEvent.model_validate(image_event("image_generation.completed", b"one"))
    assert events.usage.output_tokens == 1800
    assert len(ImagesResponse.model_validate(images(b"one", b"two")).data or []) == 2
    whole = Response.model_validate(response(image_call(b"one"), message("done")))
    assert whole.output_text == "done"
    assert whole.tool_usage is not None
    assert whole.tool_usage.image_gen.cached_tokens == 300
    frame = openai.types.responses.ResponseImageGenCallPartialImageEvent.model_validate(call_frame(b"one", 0))
    assert frame.partial_image_index == 0
