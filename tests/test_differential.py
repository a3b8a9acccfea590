"""The official `openai` package is the oracle: for the same call, both clients must send the same request."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from capture_server import CaptureServer, Reply, Seen, capture_server, event_reply, json_reply
from openai.types import ImagesResponse
from openai.types.responses import Response
from openai_bodies import call_frame, image_call, image_event, images, item_done, message, response, sse
from pydantic import SecretStr

from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import FileId, ImageCall, Made, ResponsesCall, Upload

KEY = "sk-test-0123456789abcdef"
MODEL = "gpt-image-2"
CAT = Upload(b"\x89PNG\r\n\x1a\n\0cat\r\n--\xff", "cat.png", "image/png")
DOG = Upload(b"\xff\xd8\xffdog", 'the "dog".jpg', "image/jpeg")
HOLE = Upload(b"\x89PNGmask", "mask.png", "image/png")
OPTIONS: dict[str, Any] = {
    "size": "1536x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "webp",
    "output_compression": 80,
    "moderation": "low",
}
EDIT_OPTIONS = {name: value for name, value in OPTIONS.items() if name != "moderation"}
PLAIN = json_reply(images(b"one"))
STREAM = event_reply(sse(image_event("image_generation.completed", b"one")))
ANSWERED = json_reply(response(image_call(b"one")))
ANSWERED_STREAM = event_reply(
    sse(
        item_done(image_call(b"one")),
        {"type": "response.completed", "response": response(image_call(b"one")), "sequence_number": 5},
    )
)

Ask = Callable[[openai.AsyncOpenAI], Awaitable[Any]]


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


@pytest.fixture
async def official(capture: CaptureServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        httpx2.AsyncClient(trust_env=False) as http,
        openai.AsyncOpenAI(
            api_key=KEY, base_url=capture.url, organization="org-1", project="proj-1", max_retries=0, http_client=http
        ) as client,
    ):
        yield client


@pytest.fixture
async def ours(capture: CaptureServer) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(
        base_url=capture.url, api_key=SecretStr(KEY), organization="org-1", project="proj-1", trust_env=False
    )
    yield client
    await client.aclose()


def sent(seen: Seen) -> dict[str, Any]:
    """All of a request that the API acts on. Multipart fields may come in any order, but the order of files counts."""
    kind = seen.headers.get("content-type", "").partition(";")[0]
    named = ("authorization", "openai-organization", "openai-project")
    return {
        "line": (seen.method, seen.path, seen.query),
        "kind": kind,
        "body": seen.json if kind == "application/json" else seen.body if not kind else None,
        "form": sorted(seen.form),
        "files": seen.files,
        "headers": {name: seen.headers.get(name) for name in named},
    }


def upload(picture: Upload) -> tuple[str, bytes, str]:
    return picture.name, picture.data, picture.mime_type


def turn(text: str, *more: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}, *more]}


def tool(**options: Any) -> dict[str, Any]:
    return {"type": "image_generation", "model": MODEL, **options}


async def drained(asked: Awaitable[Any]) -> None:
    answer = await asked
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass


def variations(api: openai.AsyncOpenAI) -> Awaitable[Any]:
    with pytest.warns(DeprecationWarning, match="deprecated"):  # OpenAI no longer has them, other servers do
        return api.images.create_variation(model="dall-e-2", image=upload(CAT), n=2, size="512x512")


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
        lambda api: api.images.edit(model=MODEL, prompt="a hat", image=upload(CAT)),
        ImageCall(MODEL, "a hat", images=(CAT,)),
        PLAIN,
    ),
    "edit many": (
        lambda api: api.images.edit(model=MODEL, prompt="both", image=[upload(CAT), upload(DOG)]),
        ImageCall(MODEL, "both", images=(CAT, DOG)),
        PLAIN,
    ),
    "edit with a mask and every option": (
        lambda api: api.images.edit(
            model=MODEL,
            prompt="ein Hütchen",
            image=upload(CAT),
            mask=upload(HOLE),
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
            image=upload(CAT),
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
        lambda api: api.images.edit(model=MODEL, prompt="x", image=upload(CAT), markup=upload(HOLE)),
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
            model=MODEL, prompt="x", image=[upload(CAT), upload(DOG)], mask=upload(HOLE), stream=True, partial_images=1
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


@pytest.mark.parametrize("name", IMAGE_CALLS)
async def test_image_api_requests_are_those_of_the_official_package(
    capture: CaptureServer, official: openai.AsyncOpenAI, ours: OpenAIClient, name: str
) -> None:
    ask, call, reply = IMAGE_CALLS[name]
    capture.answers(reply)
    await drained(ask(official))
    events = [event async for event in ours.send(call)]
    theirs, mine = capture.seen
    assert sent(mine) == sent(theirs)
    assert [event.data for event in events if isinstance(event, Made)] == [b"one"]


@pytest.mark.parametrize("name", RESPONSES_CALLS)
async def test_responses_requests_are_those_of_the_official_package(
    capture: CaptureServer, official: openai.AsyncOpenAI, ours: OpenAIClient, name: str
) -> None:
    arguments, call, reply = RESPONSES_CALLS[name]
    capture.answers(reply)
    await drained(official.responses.create(model="gpt-5.4", **arguments))
    events = [event async for event in ours.send(call)]
    theirs, mine = capture.seen
    assert sent(mine) == sent(theirs)
    assert [event.data for event in events if isinstance(event, Made)] == [b"one"]


@pytest.mark.parametrize("expires_after_s", [None, 3600])
async def test_an_upload_is_that_of_the_official_package(
    capture: CaptureServer, official: openai.AsyncOpenAI, ours: OpenAIClient, expires_after_s: int | None
) -> None:
    stored = {
        "id": "file-7",
        "object": "file",
        "bytes": 9,
        "created_at": 1,
        "filename": "cat.png",
        "purpose": "vision",
        "status": "processed",
    }
    capture.answers(json_reply(stored))
    expiry: dict[str, Any] = (
        {"expires_after": {"anchor": "created_at", "seconds": expires_after_s}} if expires_after_s else {}
    )
    await official.files.create(file=upload(CAT), purpose="vision", **expiry)
    assert await ours.upload(CAT, expires_after_s=expires_after_s) == "file-7"
    theirs, mine = capture.seen
    assert sent(mine) == sent(theirs)


async def test_the_list_of_models_is_asked_for_as_the_official_package_does(
    capture: CaptureServer, official: openai.AsyncOpenAI, ours: OpenAIClient
) -> None:
    listed = [
        {"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in ("gpt-image-2", "gpt-5.4")
    ]
    capture.answers(json_reply({"object": "list", "data": listed}))
    assert [model.id async for model in official.models.list()] == await ours.models() == ["gpt-image-2", "gpt-5.4"]
    theirs, mine = capture.seen
    assert sent(mine) == sent(theirs)


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
