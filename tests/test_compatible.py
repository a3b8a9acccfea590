"""What servers that are not OpenAI's need: fields of their own, links at other origins, models that OpenAI retired."""

from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer, capture_server, json_reply
from doors import call, client_of, refusal
from openai_bodies import image_call, response
from openai_calls import GENERATE, outcome
from pydantic import SecretStr
from stand_in import GOOD, PICTURE, Said, picture, standing_in

from mcp_imagegen.errors import FetchBlocked, InvalidArgument, UpstreamInvalid
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Made
from mcp_imagegen.settings import from_environment

ASK = {"prompt": "a cat", "size": "1024x1024", "quality": "low"}
SEND = "response_format=b64_json, steps=20,tiled=true,size=512x512"
ELSEWHERE = "https://pictures.example.com/one.png?sig=1"
LINKED = json_reply({"created": 1, "data": [{"url": ELSEWHERE}]})


async def bodies(folder: Path, tool: str = "generate_image", *answers: Said, **given: str) -> list[Any]:
    """What the server is sent for one call."""
    async with standing_in(*answers or (Said(GOOD),)) as stand_in:
        environment = stand_in.environment(
            **{"MCP_IMAGEGEN_HOME": str(folder), "MCP_IMAGEGEN_PROVIDER": "compatible", **given}
        )
        async with client_of(environment) as client:
            await call(client, tool, **ASK)
        return [body for _, body in stand_in.seen]


async def test_fields_of_the_settings_are_sent_unless_the_call_has_them(tmp_path: Path) -> None:
    [body] = await bodies(tmp_path, MCP_IMAGEGEN_COMPATIBLE_SEND=SEND)
    assert body == {
        "model": "gpt-image-2",
        "prompt": "a cat",
        "size": "1024x1024",
        "quality": "low",
        "response_format": "b64_json",
        "steps": 20,
        "tiled": True,
    }


async def test_dropped_fields_are_never_sent(tmp_path: Path) -> None:
    [body] = await bodies(tmp_path, MCP_IMAGEGEN_COMPATIBLE_DROP="quality,model", MCP_IMAGEGEN_COMPATIBLE_SEND=SEND)
    assert "quality" not in body
    assert "model" not in body
    assert body["response_format"] == "b64_json"


async def test_openai_is_never_sent_what_compatible_servers_need(tmp_path: Path) -> None:
    switches = {"MCP_IMAGEGEN_COMPATIBLE_SEND": SEND, "MCP_IMAGEGEN_COMPATIBLE_DROP": "quality"}
    [body] = await bodies(tmp_path, MCP_IMAGEGEN_PROVIDER="openai", **switches)
    assert body == {"model": "gpt-image-2", "prompt": "a cat", "size": "1024x1024", "quality": "low"}


async def test_responses_are_sent_as_they_are(tmp_path: Path) -> None:
    answer = Said(response(image_call(picture())))
    [body] = await bodies(
        tmp_path, "generate_image", answer,
        MCP_IMAGEGEN_API="responses", MCP_IMAGEGEN_COMPATIBLE_SEND=SEND, MCP_IMAGEGEN_COMPATIBLE_DROP="quality",
    )  # fmt: skip
    assert "response_format" not in body
    assert body["tools"][0]["quality"] == "low"


async def test_a_field_of_one_endpoint_goes_to_that_one_alone(tmp_path: Path) -> None:
    """And counts for more than the field of all."""
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    given = {
        "MCP_IMAGEGEN_COMPATIBLE_SEND": "edits.steps=30,steps=20,generations.tiled=true,variations.strength=0.5",
        "MCP_IMAGEGEN_COMPATIBLE_DROP": "generations.quality,variations.steps",
    }
    with capture_server() as server:
        server.answers(json_reply({"data": [{"b64_json": PICTURE}]}))
        environment = {"OPENAI_BASE_URL": server.url, "MCP_IMAGEGEN_HOME": str(tmp_path / "state"), **given}
        async with client_of(environment | {"MCP_IMAGEGEN_ROOTS": str(tmp_path)}) as client:
            await call(client, "generate_image", prompt="a cat", model="my-own", quality="fine")
            await call(client, "edit_image", prompt="a hat", model="my-own", quality="fine", images=[str(square)])
            await call(client, "edit_image", model="my-own", images=[str(square)])
        made, edited, varied = [seen for seen in server.seen if seen.method == "POST"]
    assert made.json == {"model": "my-own", "prompt": "a cat", "steps": 20, "tiled": True}
    assert dict(edited.form) == {"model": "my-own", "prompt": "a hat", "steps": "30", "quality": "fine"}
    assert dict(varied.form) == {"model": "my-own", "strength": "0.5"}


async def test_fields_of_responses_are_named_as_such(tmp_path: Path) -> None:
    [body] = await bodies(
        tmp_path, "generate_image", Said(response(image_call(picture()))), MCP_IMAGEGEN_API="responses",
        MCP_IMAGEGEN_COMPATIBLE_SEND="responses.service_tier=flex",
        MCP_IMAGEGEN_COMPATIBLE_DROP="responses.tool_choice,responses.store",
    )  # fmt: skip
    assert body["service_tier"] == "flex"
    assert {"tool_choice", "store"}.isdisjoint(body)


async def test_a_server_whose_responses_do_not_stream_is_not_asked_to(tmp_path: Path) -> None:
    async with standing_in(Said(response(image_call(picture())))) as stand_in:
        environment = stand_in.environment(
            MCP_IMAGEGEN_HOME=str(tmp_path),
            MCP_IMAGEGEN_API="responses",
            MCP_IMAGEGEN_COMPATIBLE_DROP="responses.stream",
        )
        async with client_of(environment) as client:
            made = await call(client, "generate_image", **ASK, partial_images=2)
        [(_, body)] = stand_in.seen
    assert "stream" not in body
    assert "partial_images" not in body["tools"][0]
    assert any("does not stream" in warning for warning in made["warnings"])


@pytest.mark.parametrize("variable", ["SEND", "DROP"])
@pytest.mark.parametrize(
    "name", ["edits:size", "generations.response…format", "images.size", "edits.", "a b", "edits.a.b"]
)
def test_a_name_that_no_field_has_ends_the_start(variable: str, name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_environment({f"MCP_IMAGEGEN_COMPATIBLE_{variable}": f"{name}=x" if variable == "SEND" else name})
    assert f"MCP_IMAGEGEN_COMPATIBLE_{variable}: {name!r} names no field" in refused.value.sentence


@pytest.mark.parametrize("dropped", ["stream", "partial_images"])
async def test_a_server_that_must_not_be_asked_for_a_stream_is_not(tmp_path: Path, dropped: str) -> None:
    async with standing_in(Said(GOOD)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_COMPATIBLE_DROP=dropped)
        async with client_of(environment) as client:
            made = await call(client, "generate_image", **ASK, partial_images=2)
        [(_, body)] = stand_in.seen
    assert {"stream", "partial_images"}.isdisjoint(body)
    assert any("does not stream" in warning for warning in made["warnings"])


@pytest.mark.parametrize(
    "value", ["response_format", "=x", "model=other", "stream=true", "edits.n=4", "responses.input=x"]
)
def test_a_field_that_each_call_decides_cannot_be_fixed(value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_environment({"MCP_IMAGEGEN_COMPATIBLE_SEND": value})
    assert "MCP_IMAGEGEN_COMPATIBLE_SEND" in refused.value.sentence


async def test_a_link_elsewhere_is_fetched_by_the_guard_and_not_with_the_key(capture: CaptureServer) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return b"one"

    capture.answers(LINKED)
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-secret-0123"), trust_env=False, fetch=fetch)
    came, failed = await outcome(client, GENERATE)
    await client.aclose()
    assert failed is None
    assert [event.data for event in came if isinstance(event, Made)] == [b"one"]
    assert asked == [ELSEWHERE]
    assert len(capture.seen) == 1


async def test_a_link_to_the_providers_own_origin_is_not_handed_to_the_guard(capture: CaptureServer) -> None:
    async def fetch(url: str) -> bytes:
        raise AssertionError(url)

    own = json_reply({"data": [{"url": "/pictures/one.png"}]})
    capture.answers(own, **{"/pictures/one.png": json_reply("one")})
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-secret-0123"), trust_env=False, fetch=fetch)
    came, failed = await outcome(client, GENERATE)
    await client.aclose()
    assert failed is None
    assert [event.data for event in came if isinstance(event, Made)] == [b'"one"']


async def test_a_link_that_the_guard_refuses_says_that_the_picture_may_be_billed(capture: CaptureServer) -> None:
    async def fetch(url: str) -> bytes:
        raise FetchBlocked("the URL leads to a private address", "use another")

    capture.answers(LINKED)
    client = OpenAIClient(base_url=capture.url, api_key=None, trust_env=False, fetch=fetch)
    _, failed = await outcome(client, GENERATE)
    await client.aclose()
    assert isinstance(failed, UpstreamInvalid)
    assert failed.may_be_billed
    assert "private address" in failed.sentence


@pytest.mark.parametrize("link", ["https://127.0.0.1:9/secret.png", "https://169.254.169.254/", "http://localhost:9/"])
async def test_an_answer_cannot_make_the_server_fetch_from_its_own_network(tmp_path: Path, link: str) -> None:
    async with standing_in(Said({"data": [{"url": link}]})) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            said = await refusal(client, "generate_image", **ASK)
        assert len(stand_in.seen) == 1
    assert said.startswith("upstream_invalid: an image was made but could not be fetched")
    assert "not at the provider's own address" not in said, "the guard was asked"


async def test_an_end_user_is_named_beside_the_tool_of_a_response(tmp_path: Path) -> None:
    answer = Said(response(image_call(picture())))
    async with standing_in(answer) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses")
        async with client_of(environment) as client:
            first = await call(client, "generate_image", **ASK, extra={"safety_identifier": "b1946ac9"})
            await call(
                client,
                "continue_image_thread",
                thread_id=first["thread_id"],
                prompt="a hat",
                extra={"safety_identifier": "b1946ac9"},
            )
        sent = [body for _, body in stand_in.seen]
    assert [body["safety_identifier"] for body in sent] == ["b1946ac9", "b1946ac9"]
    assert not any("safety_identifier" in body["tools"][0] for body in sent)
