"""What requests of every kind carry, wherever they go: address, headers and key are those of the official package."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import openai
import pytest
import pytest_asyncio
from capture_server import Reply, json_reply
from side_by_side import ANSWERED, ANSWERED_STREAM, PLAIN, STREAM, Ask, Both, clients_of, side_by_side
from wordings import CAT, as_file

from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import ImageCall, ResponsesCall

module_loop = pytest.mark.asyncio(loop_scope="module")

MODEL = "gpt-image-2"
HOST = "gpt-5.4"
ODD_ID = "resp_a.b~c=:d+e-9"  # gateways make ids of their own
STORED = json_reply(
    {
        "id": "file-7",
        "object": "file",
        "bytes": 9,
        "created_at": 1,
        "filename": "cat.png",
        "purpose": "vision",
        "status": "processed",
    }
)
LISTED = json_reply(
    {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 1, "owned_by": "openai"} for name in (MODEL, HOST)],
    }
)
TURN: dict[str, Any] = {
    "model": HOST,
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "a cat"}]}],
    "tool_choice": {"type": "image_generation"},
    "store": True,
}
TOOL: dict[str, Any] = {"type": "image_generation", "model": MODEL}
Send = Callable[[OpenAIClient], Awaitable[Any]]


def sends(call: ImageCall | ResponsesCall) -> Send:
    async def send(client: OpenAIClient) -> None:
        assert [event async for event in client.send(call)]

    return send


def fetches(response_id: str) -> Send:
    async def fetch(client: OpenAIClient) -> None:
        assert [event async for event in client.response(response_id)]

    return fetch


async def cancels(client: OpenAIClient) -> None:
    await client.cancel("resp_1")


async def listed(api: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in api.models.list()] == [MODEL, HOST]


async def lists(client: OpenAIClient) -> None:
    assert list(await client.models()) == [MODEL, HOST]


async def uploads(client: OpenAIClient) -> None:
    assert await client.upload(CAT) == "file-7"


ENDPOINTS: dict[str, tuple[Ask, Send, Reply]] = {
    "generations": (
        lambda api: api.images.generate(model=MODEL, prompt="a cat"),
        sends(ImageCall(MODEL, "a cat")),
        PLAIN,
    ),
    "generations streamed": (
        lambda api: api.images.generate(model=MODEL, prompt="a cat", stream=True, partial_images=1),
        sends(ImageCall(MODEL, "a cat", partial_images=1)),
        STREAM,
    ),
    "edits": (
        lambda api: api.images.edit(model=MODEL, prompt="a hat", image=as_file(CAT)),
        sends(ImageCall(MODEL, "a hat", images=(CAT,))),
        PLAIN,
    ),
    "edits streamed": (
        lambda api: api.images.edit(model=MODEL, prompt="a hat", image=as_file(CAT), stream=True, partial_images=1),
        sends(ImageCall(MODEL, "a hat", images=(CAT,), partial_images=1)),
        STREAM,
    ),
    "responses": (
        lambda api: api.responses.create(**TURN, tools=[TOOL]),
        sends(ResponsesCall(HOST, MODEL, "a cat")),
        ANSWERED,
    ),
    "responses streamed": (
        lambda api: api.responses.create(**TURN, tools=[TOOL | {"partial_images": 1}], stream=True),
        sends(ResponsesCall(HOST, MODEL, "a cat", partial_images=1)),
        ANSWERED_STREAM,
    ),
    "responses asked for": (lambda api: api.responses.retrieve("resp_1"), fetches("resp_1"), ANSWERED),
    "responses by an odd id": (lambda api: api.responses.retrieve(ODD_ID), fetches(ODD_ID), ANSWERED),
    "responses cancelled": (lambda api: api.responses.cancel("resp_1"), cancels, ANSWERED),
    "files": (lambda api: api.files.create(file=as_file(CAT), purpose="vision"), uploads, STORED),
    "models": (listed, lists, LISTED),
}
PATHS = ("/v1", "/v1/", "", "/", "/openai/v1", "/a b/v1", "/a%20b/v1/", "/v1#fragment")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["", "organization", "project", "both"])
async def named(request: pytest.FixtureRequest, both: Both) -> AsyncIterator[tuple[Both, set[str]]]:
    """Clients that are told an organization, a project, both, or neither."""
    ids = {"organization": "org-1", "project": "proj-1"}
    told = {name: value for name, value in ids.items() if request.param in (name, "both")}
    async with clients_of(both.capture, **told) as clients:
        yield clients, {f"openai-{name}" for name in told}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=PATHS)
async def placed(request: pytest.FixtureRequest, both: Both) -> AsyncIterator[Both]:
    """Clients with a base URL of this path."""
    async with clients_of(both.capture, request.param) as clients:
        yield clients


@module_loop
@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_organization_project_key_and_all_other_headers_are_those_of_the_official_package(
    named: tuple[Both, set[str]], endpoint: str
) -> None:
    clients, expected = named
    theirs, mine = await clients.requests_of(*ENDPOINTS[endpoint])
    assert mine == theirs
    assert {name for name in mine["headers"] if name.startswith("openai-")} == expected


@module_loop
@pytest.mark.parametrize("endpoint", ["generations", "edits", "responses", "models"])
async def test_a_base_url_leads_to_the_same_place_as_in_the_official_package(placed: Both, endpoint: str) -> None:
    theirs, mine = await placed.requests_of(*ENDPOINTS[endpoint])
    assert mine == theirs


@module_loop
@pytest.mark.parametrize("seconds", [3600, 2_592_000])
async def test_an_upload_expires_when_the_official_package_says_so(both: Both, seconds: int) -> None:
    theirs, mine = await both.requests_of(
        lambda api: api.files.create(
            file=as_file(CAT), purpose="vision", expires_after={"anchor": "created_at", "seconds": seconds}
        ),
        lambda client: client.upload(CAT, expires_after_s=seconds),
        STORED,
    )
    assert mine == theirs


@module_loop
async def test_a_list_of_one_file_is_sent_as_that_file_and_not_as_a_list(both: Both) -> None:
    """The package says `image[]`; the API takes both, and servers that take one image know only `image`."""
    call: dict[str, Any] = {"model": MODEL, "prompt": "a hat", "image": [CAT]}
    theirs, mine = await both.same(call)
    by_itself, _ = await both.same(call | {"image": CAT})
    assert mine == by_itself
    assert [file.field for file in theirs["files"]] == ["image[]"]
