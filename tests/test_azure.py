"""Azure has OpenAI's API under deployments of its own; requests are those of the official package."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from capture_server import CaptureServer, Reply, Seen, event_reply, json_reply
from doors import call, client_of, refusal
from openai_bodies import image_call, image_event, images, response, sse
from pydantic import SecretStr
from stand_in import GOOD, Said, StandIn, picture, standing_in

from mcp_imagegen.errors import InvalidArgument
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import ImageCall, Made, ResponsesCall, Upload
from mcp_imagegen.settings import from_environment

KEY = "azure-key-0123456789abcdef"
DATED = "2025-04-01-preview"
CAT = Upload(b"\x89PNGcat", "cat.png", "image/png")
DOG = Upload(b"\xff\xd8\xffdog", "dog.jpg", "image/jpeg")
HOLE = Upload(b"\x89PNGmask", "mask.png", "image/png")
PLAIN = json_reply(images(b"one"))
STREAM = event_reply(sse(image_event("image_generation.completed", b"one")))
Ask = Callable[[openai.AsyncAzureOpenAI | openai.AsyncOpenAI], Awaitable[Any]]


def drawing(prompt: str, **more: Any) -> ImageCall:
    return ImageCall("gpt-image-2", prompt, deployment="draw-1", **more)


CALLS: dict[str, tuple[Ask, ImageCall, Reply]] = {
    "generate": (lambda api: api.images.generate(model="draw-1", prompt="a cat"), drawing("a cat"), PLAIN),
    "generate with options": (
        lambda api: api.images.generate(model="draw-1", prompt="a cat", n=2, size="1536x1024", quality="high"),
        drawing("a cat", n=2, options={"size": "1536x1024", "quality": "high"}),
        PLAIN,
    ),
    "generate streamed": (
        lambda api: api.images.generate(model="draw-1", prompt="a cat", stream=True, partial_images=2),
        drawing("a cat", partial_images=2),
        STREAM,
    ),
    "edit one": (
        lambda api: api.images.edit(model="draw-1", prompt="a hat", image=("cat.png", CAT.data, "image/png")),
        drawing("a hat", images=(CAT,)),
        PLAIN,
    ),
    "edit two with a mask": (
        lambda api: api.images.edit(
            model="draw-1",
            prompt="a hat",
            image=[("cat.png", CAT.data, "image/png"), ("dog.jpg", DOG.data, "image/jpeg")],
            mask=("mask.png", HOLE.data, "image/png"),
        ),
        drawing("a hat", images=(CAT, DOG), mask=HOLE),
        PLAIN,
    ),
}


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False) as client:
        yield client


def ours(capture: CaptureServer, version: str, tail: str = "") -> OpenAIClient:
    endpoint = capture.url.removesuffix("/v1") + tail
    return OpenAIClient(
        base_url=endpoint, api_key=SecretStr(KEY), trust_env=False, dialect="azure", api_version=version
    )


def sent(seen: Seen) -> dict[str, Any]:
    kind = seen.headers.get("content-type", "").partition(";")[0]
    return {
        "line": (seen.method, seen.path, seen.query),
        "body": seen.json if kind == "application/json" else None,
        "form": sorted(seen.form),
        "files": seen.files,
        "headers": {name: seen.headers.get(name) for name in ("authorization", "api-key")},
    }


async def drained(asked: Awaitable[Any]) -> None:
    answer = await asked
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass


@pytest.mark.parametrize("name", CALLS)
async def test_dated_requests_are_those_of_the_official_package(
    capture: CaptureServer, http: httpx2.AsyncClient, name: str
) -> None:
    ask, request, reply = CALLS[name]
    capture.answers(reply)
    client = ours(capture, DATED)
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=capture.url.removesuffix("/v1"), api_key=KEY, api_version=DATED, max_retries=0, http_client=http
    ) as official:
        await drained(ask(official))
    events = [event async for event in client.send(request)]
    await client.aclose()
    theirs, mine = capture.seen
    assert sent(mine) == sent(theirs)
    assert mine.path.startswith("/openai/deployments/draw-1/images/")
    assert mine.headers["api-key"] == KEY
    assert [event.data for event in events if isinstance(event, Made)] == [b"one"]


@pytest.mark.parametrize("version", ["preview", "v1"])
@pytest.mark.parametrize("name", CALLS)
async def test_requests_without_a_date_go_to_the_v1_paths_as_the_official_package_sends_them(
    capture: CaptureServer, http: httpx2.AsyncClient, name: str, version: str
) -> None:
    ask, request, reply = CALLS[name]
    capture.answers(reply)
    client = ours(capture, version)
    async with openai.AsyncOpenAI(
        base_url=capture.url.removesuffix("/v1") + "/openai/v1/",
        api_key="unused",
        default_query={"api-version": "preview"},
        default_headers={"api-key": KEY},
        max_retries=0,
        http_client=http,
    ) as official:
        await drained(ask(official))
    _ = [event async for event in client.send(request)]
    await client.aclose()
    theirs, mine = capture.seen
    bearer = {"authorization": "Bearer unused"}  # which the package sends beside; Azure reads the other
    assert sent(mine)["headers"] | bearer == sent(theirs)["headers"]
    assert {**sent(mine), "headers": None} == {**sent(theirs), "headers": None}
    assert "authorization" not in mine.headers
    assert mine.path.startswith("/openai/v1/images/")


@pytest.mark.parametrize("tail", ["", "/", "/openai", "/openai/v1/"])
@pytest.mark.parametrize("version", ["preview", DATED])
async def test_responses_always_take_the_v1_path_and_name_both_deployments(
    capture: CaptureServer, version: str, tail: str
) -> None:
    capture.answers(json_reply(response(image_call(b"one"))))
    client = ours(capture, version, tail)
    request = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", deployment="draw-1", host_deployment="host-1")
    _ = [event async for event in client.send(request)]
    await client.aclose()
    [seen] = capture.seen
    assert (seen.path, seen.query) == ("/openai/v1/responses", "api-version=preview")
    assert (seen.json["model"], seen.json["tools"][0]["model"]) == ("host-1", "draw-1")
    assert seen.headers["x-ms-oai-image-generation-deployment"] == "draw-1"


@pytest.mark.parametrize("version", ["v1", DATED])
async def test_a_stored_response_is_asked_for_and_cancelled_below_the_v1_path(
    capture: CaptureServer, version: str
) -> None:
    capture.answers(json_reply(response(image_call(b"one"))))
    client = ours(capture, version, "/openai/v1/")
    events = [event async for event in client.response("resp_1")]
    await client.cancel("resp_1")
    await client.aclose()
    assert [event.data for event in events if isinstance(event, Made)] == [b"one"]
    assert [(seen.method, seen.path, seen.query) for seen in capture.seen] == [
        ("GET", "/openai/v1/responses/resp_1", "api-version=preview"),
        ("POST", "/openai/v1/responses/resp_1/cancel", "api-version=preview"),
    ]


async def test_a_stream_goes_on_below_the_v1_path(capture: CaptureServer) -> None:
    stopped = {"type": "response.created", "response": response(status="queued"), "sequence_number": 4}
    whole = {"type": "response.completed", "response": response(image_call(b"one")), "sequence_number": 5}
    by_path = {"/openai/v1/responses": event_reply(sse(stopped))}
    capture.answers(event_reply(sse(whole)), **by_path)
    client = ours(capture, DATED)
    request = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", background=True, partial_images=1)
    events = [event async for event in client.send(request)]
    await client.aclose()
    assert [event.data for event in events if isinstance(event, Made)] == [b"one"]
    assert (capture.seen[-1].path, capture.seen[-1].query) == (
        "/openai/v1/responses/resp_1",
        "api-version=preview&starting_after=4&stream=true",
    )


@pytest.mark.parametrize("name", ["../../keys", "a/b", "a b", "a?b", ".."])
async def test_a_name_that_would_change_the_path_is_refused_before_it_is_sent(
    capture: CaptureServer, name: str
) -> None:
    capture.answers(PLAIN)
    client = ours(capture, DATED)
    with pytest.raises(InvalidArgument):
        _ = [event async for event in client.send(ImageCall(name, "a cat", deployment=name))]
    assert capture.seen == []


def environment(stand_in: StandIn, folder: Path, **more: str) -> dict[str, str]:
    return {
        "AZURE_OPENAI_ENDPOINT": stand_in.url.removesuffix("/v1"),
        "AZURE_OPENAI_API_KEY": KEY,
        "MCP_IMAGEGEN_AZURE_DEPLOYMENTS": "eu-draw=gpt-image-2, us-draw = gpt-image-2,host=gpt-5.4,old=dall-e-3",
        "MCP_IMAGEGEN_HOME": str(folder),
        **more,
    }


SMALL = {"prompt": "a cat", "size": "1024x1024", "quality": "low"}


@pytest.mark.parametrize(
    ("asked", "deployment"), [("us-draw", "us-draw"), ("gpt-image-2", "eu-draw"), (None, "eu-draw")]
)
async def test_a_model_or_its_deployment_may_be_named_and_is_priced_as_the_model(
    tmp_path: Path, asked: str | None, deployment: str
) -> None:
    async with standing_in(Said(GOOD)) as stand_in:
        async with client_of(environment(stand_in, tmp_path, OPENAI_API_VERSION=DATED)) as client:
            made = await call(client, "generate_image", **SMALL, model=asked)
            price = await call(client, "estimate_cost", **SMALL, model=asked)
        [(line, body)] = stand_in.seen
    assert line == f"POST /openai/deployments/{deployment}/images/generations"
    assert body["model"] == deployment
    assert (made["provider"], made["model"], price["model"]) == ("azure", "gpt-image-2", "gpt-image-2")
    assert made["cost"]["estimate_usd"] == price["expected_usd"] > 0


@pytest.mark.parametrize("deployments", ["eu-draw=gpt-image-2", "eu-draw=gpt-image-2,small=gpt-image-2.5-sunburst"])
async def test_only_models_that_are_deployed_are_offered_as_cheaper(tmp_path: Path, deployments: str) -> None:
    ask = {"prompt": "a mill", "size": "1024x1024", "quality": "medium"}
    more = {"MCP_IMAGEGEN_MODEL": "eu-draw", "MCP_IMAGEGEN_AZURE_DEPLOYMENTS": deployments}
    async with (
        standing_in(Said(GOOD)) as stand_in,
        client_of(environment(stand_in, tmp_path, **more)) as client,
    ):
        changes = [one["change"] for one in (await call(client, "estimate_cost", **ask))["alternatives"]]
    assert any(change.startswith("quality=") for change in changes)
    named = [change for change in changes if change.startswith("model=")]
    assert named == (["model=gpt-image-2.5-sunburst"] if "small" in deployments else [])


async def test_a_continuation_names_the_deployments_of_both_models(tmp_path: Path) -> None:
    answer = Said(response(image_call(picture())))
    async with standing_in(Said(GOOD), answer) as stand_in:
        async with client_of(environment(stand_in, tmp_path)) as client:
            first = await call(client, "generate_image", **SMALL)
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
        (_, (line, body)) = stand_in.seen
    assert line == "POST /openai/v1/responses"
    assert (body["model"], body["tools"][0]["model"]) == ("host", "eu-draw")


@pytest.mark.parametrize(
    ("asked", "default", "deployment"),
    [("us-draw", None, "us-draw"), (None, "us-draw", "us-draw"), ("gpt-image-2", "us-draw", "eu-draw")],
)
async def test_a_thread_keeps_to_the_deployment_that_it_began_on(
    tmp_path: Path, asked: str | None, default: str | None, deployment: str
) -> None:
    answer = Said(response(image_call(picture())))
    more = {"MCP_IMAGEGEN_MODEL": default} if default else {}
    async with standing_in(Said(GOOD), answer) as stand_in:
        async with client_of(environment(stand_in, tmp_path, **more)) as client:
            first = await call(client, "generate_image", **SMALL, model=asked)
            for prompt in ("a hat", "a scarf"):
                await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt=prompt)
            price = await call(client, "estimate_cost", operation="continue", thread_id=first["thread_id"])
        models = [body["tools"][0]["model"] if "tools" in body else body["model"] for _, body in stand_in.seen]
    assert models == [deployment] * 3
    assert price["model"] == "gpt-image-2"


async def test_a_deployment_that_has_another_model_by_now_does_not_change_the_thread(tmp_path: Path) -> None:
    answer = Said(response(image_call(picture())))
    moved = {"MCP_IMAGEGEN_AZURE_DEPLOYMENTS": "us-draw=gpt-image-1.5,eu-draw=gpt-image-2,host=gpt-5.4"}
    async with standing_in(Said(GOOD), answer) as stand_in:
        async with client_of(environment(stand_in, tmp_path)) as client:
            first = await call(client, "generate_image", **SMALL, model="us-draw")
        async with client_of(environment(stand_in, tmp_path) | moved) as client:
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
        (_, (_, body)) = stand_in.seen
    assert (body["tools"][0]["model"], second["model"]) == ("eu-draw", "gpt-image-2")


@pytest.mark.parametrize("model", ["gpt-image-2", "eu-draw", "not-mapped"])
async def test_azure_makes_no_webp(tmp_path: Path, model: str) -> None:
    async with standing_in(Said(GOOD)) as stand_in:
        async with client_of(environment(stand_in, tmp_path)) as client:
            said = await refusal(client, "generate_image", **SMALL, model=model, output_format="webp")
        assert stand_in.seen == []
    assert said.startswith("unsupported_option: Azure makes no webp")


async def test_a_model_that_openai_retired_is_passed_on_with_a_warning(tmp_path: Path) -> None:
    async with standing_in(Said(GOOD)) as stand_in, client_of(environment(stand_in, tmp_path)) as client:
        made = await call(client, "generate_image", prompt="a cat", size="1024x1024", model="old")
    assert any("dall-e-3" in warning and "may still have it" in warning for warning in made["warnings"])


async def test_quality_auto_is_expected_to_come_to_azures_default(tmp_path: Path) -> None:
    ask = {"prompt": "a cat", "size": "1024x1024", "model": "gpt-image-2"}
    async with standing_in(Said(GOOD)) as stand_in, client_of(environment(stand_in, tmp_path)) as client:
        auto, high = [await call(client, "estimate_cost", **ask, quality=quality) for quality in ("auto", "high")]
    assert auto["expected_usd"] == high["expected_usd"]
    assert not auto["exact"]


async def test_azure_is_not_asked_which_models_there_are(capture: CaptureServer) -> None:
    capture.answers(json_reply({"object": "list", "data": [{"id": "gpt-4o"}]}))
    assert await ours(capture, "preview").models() == {}
    assert capture.seen == []


async def test_a_refused_key_is_named_by_its_azure_setting(tmp_path: Path) -> None:
    denied = Said({"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}, 401)
    async with standing_in(denied) as stand_in, client_of(environment(stand_in, tmp_path)) as client:
        said = await refusal(client, "generate_image", **SMALL)
    assert said.startswith("authentication_failed: ")
    assert "AZURE_OPENAI_API_KEY" in said
    assert KEY not in said
    assert "set OPENAI_API_KEY" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_IMAGEGEN_AZURE_DEPLOYMENTS", "draw"),
        ("MCP_IMAGEGEN_AZURE_DEPLOYMENTS", "draw="),
        ("MCP_IMAGEGEN_AZURE_DEPLOYMENTS", "../x=gpt-image-2"),
        ("OPENAI_API_VERSION", "latest-ish"),
        ("AZURE_OPENAI_ENDPOINT", "a.openai.azure.com"),
    ],
)
def test_a_wrong_azure_setting_is_refused_with_its_name(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_environment({name: value})
    assert name in refused.value.sentence


def test_azure_without_an_endpoint_or_key_is_refused() -> None:
    for given in ({"AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com"}, {"AZURE_OPENAI_API_KEY": KEY}):
        with pytest.raises(InvalidArgument) as refused:
            from_environment({"MCP_IMAGEGEN_PROVIDER": "azure", **given})
        assert "AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY" in refused.value.sentence


def test_deployments_mean_nothing_to_other_providers() -> None:
    settings = from_environment({"OPENAI_API_KEY": "sk-1", "MCP_IMAGEGEN_AZURE_DEPLOYMENTS": "gpt-image-2=gpt-image-1"})
    assert (settings.model_behind("gpt-image-2"), settings.deployment_of("gpt-image-2")) == ("gpt-image-2", None)


def test_a_deployment_goes_before_a_model_of_the_same_name() -> None:
    settings = from_environment(
        {
            "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com",
            "AZURE_OPENAI_API_KEY": KEY,
            "MCP_IMAGEGEN_AZURE_DEPLOYMENTS": "draw=gpt-image-2,gpt-image-2=gpt-image-1",
        }
    )
    assert settings.deployment_of("gpt-image-2") == "gpt-image-2"
    assert settings.model_behind("gpt-image-2") == "gpt-image-1"
