"""A provider that refuses to stream is asked again without: frames then do not come, the picture does."""

from pathlib import Path
from typing import Any

import pytest
from conftest import KEY
from doors import call, client_of, text_of
from mcp import Client
from mcp.types import CallToolResult
from openai_bodies import error as refusal_body
from openai_bodies import image_call, image_event, response, sse
from stand_in import GOOD, Said, StandIn, error, picture, standing_in, streamed

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

ASK = {"prompt": "a cat", "size": "1024x1024", "quality": "low", "partial_images": 2}
WARNING = "the provider does not stream; no partial images"
VERIFY = "https://platform.openai.com/settings/organization/general"
VERIFY_TEXT = f"Your organization must be verified to stream this model. Please go to: {VERIFY} and click on Verify."
PLAIN = Said(GOOD)
FRAME = image_event("image_generation.partial_image", picture(), partial_image_index=0)
FINAL = image_event("image_generation.completed", picture())
STREAM = streamed(FRAME, FINAL)
TO_STREAM = "Your organization must be verified to stream this model."
NO_STREAM = error(400, "unsupported_parameter", "Streaming is not supported for this model.")


async def ended(stand_in: StandIn, folder: Path, told: list[str], **environment: str) -> CallToolResult:
    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    given = {"MCP_IMAGEGEN_PROVIDER": "compatible", "MCP_IMAGEGEN_HOME": str(folder), **environment}
    async with client_of(stand_in.environment(**given)) as client:
        return await client.call_tool("generate_image", dict[str, Any](ASK), progress_callback=on_progress)


def streams(stand_in: StandIn) -> list[bool]:
    """Of every request, whether it asked for a stream; both fields come and go together."""
    for _, body in stand_in.seen:
        assert ("stream" in body) == ("partial_images" in body)
    return [body.get("stream", False) for _, body in stand_in.seen]


# What a server says that does not stream; all of it comes before anything was drawn.
REFUSALS: dict[str, Said] = {
    "OpenAI's form": NO_STREAM,
    "its parameter alone": Said({"error": {"message": "Unknown parameter.", "param": "stream"}}, 400),
    "the other parameter": error(400, "unknown_parameter", "Unknown parameter: 'partial_images'."),
    "a path": Said({"detail": "no streaming here"}, 404),
    "a method": Said({"error": "stream not allowed"}, 405),
    "a media type": Said({"detail": "cannot produce an event stream"}, 415),
    "a list of details": Said({"detail": [{"loc": ["body", "stream"], "msg": "stream is not permitted"}]}, 422),
    "not implemented": Said({"error": {"message": "partial images are not implemented"}}, 501),
    "an unverified organization": error(400, "unsupported_value", TO_STREAM),
    "an unverified organization, forbidden": error(403, None, TO_STREAM),
}


@pytest.mark.parametrize("provider", ["openai", "compatible"])
@pytest.mark.parametrize("shape", REFUSALS)
async def test_a_refusal_to_stream_is_followed_by_a_plain_request(tmp_path: Path, shape: str, provider: str) -> None:
    told: list[str] = []
    async with standing_in(REFUSALS[shape], PLAIN) as stand_in:
        result = await ended(stand_in, tmp_path, told, MCP_IMAGEGEN_PROVIDER=provider)
        assert streams(stand_in) == [True, False]
    assert not result.is_error, text_of(result)
    answer = result.structured_content or {}
    assert len(answer["images"]) == 1
    warning = f"no partial images: {TO_STREAM}" if "unverified" in shape else WARNING
    warning += f" ({VERIFY})" if "unverified" in shape and provider == "openai" else ""
    assert answer["warnings"].count(warning) == 1
    assert any(warning in message for message in told)
    assert not any("frame" in message for message in told)


# What comes in answer to a request for a stream, and whether it is one.
ANSWERS: dict[str, tuple[Said, bool]] = {
    "plain": (PLAIN, False),
    "plain, called a stream": (Said(GOOD, headers={"content-type": "text/event-stream; charset=utf-8"}), False),
    "a stream": (STREAM, True),
    "a stream without frames": (streamed(FINAL), True),
    "a stream, called JSON": (Said(STREAM.body, headers={"content-type": "application/json"}), True),
}


@pytest.mark.parametrize("shape", ANSWERS)
async def test_an_answer_that_is_no_stream_says_that_there_are_no_frames(tmp_path: Path, shape: str) -> None:
    said, streams_it = ANSWERS[shape]
    async with standing_in(said) as stand_in:
        result = await ended(stand_in, tmp_path, [])
        assert streams(stand_in) == [True]
    assert not result.is_error, text_of(result)
    answer = result.structured_content or {}
    assert len(answer["images"]) == 1
    assert (WARNING in answer["warnings"]) == (not streams_it)


async def test_responses_are_asked_again_without_a_stream_too(tmp_path: Path) -> None:
    async with standing_in(NO_STREAM, Said(response(image_call(picture())))) as stand_in:
        result = await ended(stand_in, tmp_path, [], MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_API="responses")
        assert [body.get("stream", False) for _, body in stand_in.seen] == [True, False]
        assert ["partial_images" in body["tools"][0] for _, body in stand_in.seen] == [True, False]
    assert not result.is_error, text_of(result)
    assert WARNING in (result.structured_content or {})["warnings"]


def events(*told: dict[str, Any]) -> Said:
    return Said(b"".join(sse(*told)), headers={"content-type": "text/event-stream"})


def told_inside(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"type": "error", **refusal_body(message, code, param=param)}


UNSUPPORTED = told_inside("Streaming is not supported for this model.", "unsupported_parameter")
CREATED = {"type": "response.created", "response": response(status="in_progress", usage=None, tool_usage=None)}
# What refuses a stream in the first event of it, so that nothing can have been drawn.
REFUSALS_INSIDE: dict[str, Said] = {
    "OpenAI's form": events(UNSUPPORTED),
    "its parameter alone": events(told_inside("Unknown parameter.", param="partial_images")),
    "an error without its name": Said(
        b'data: {"error": {"message": "stream=true is not supported"}}\n\ndata: [DONE]\n\n',
        headers={"content-type": "text/event-stream"},
    ),
    "an error as text": Said(
        b'event: error\ndata: {"error": "this backend cannot stream"}\n\n',
        headers={"content-type": "text/event-stream"},
    ),
    "an unverified organization": events(told_inside(TO_STREAM)),
    "a plain body": Said({"error": {"message": "Partial images are not supported."}}),
}


@pytest.mark.parametrize("shape", REFUSALS_INSIDE)
async def test_a_refusal_to_stream_inside_the_stream_is_followed_by_a_plain_request(tmp_path: Path, shape: str) -> None:
    told: list[str] = []
    async with standing_in(REFUSALS_INSIDE[shape], PLAIN) as stand_in:
        result = await ended(stand_in, tmp_path, told)
        assert streams(stand_in) == [True, False]
    assert not result.is_error, text_of(result)
    answer = result.structured_content or {}
    assert len(answer["images"]) == 1
    warning = f"no partial images: {TO_STREAM}" if "unverified" in shape else WARNING
    assert answer["warnings"].count(warning) == 1
    assert any(warning in message for message in told)


async def test_the_page_that_the_provider_names_is_not_named_twice(tmp_path: Path) -> None:
    async with standing_in(error(400, "unsupported_value", VERIFY_TEXT), PLAIN) as stand_in:
        result = await ended(stand_in, tmp_path, [], MCP_IMAGEGEN_PROVIDER="openai")
    assert f"no partial images: {VERIFY_TEXT}" in (result.structured_content or {})["warnings"]


# What is said before the request without a stream, which has no frames to pay.
UNPAID_FRAMES: dict[str, tuple[Said, ...]] = {
    "refused": (NO_STREAM,),
    "failed": (error(500), error(500)),
    "refused inside": (streamed({"type": "error", **refusal_body("Streaming is not supported.", "unsupported")}),),
}


@pytest.mark.parametrize("name", UNPAID_FRAMES)
async def test_frames_that_were_not_asked_for_are_not_paid(tmp_path: Path, name: str) -> None:
    costs = []
    for answers, asked in ((UNPAID_FRAMES[name], ASK), ((), {**ASK, "partial_images": 0})):
        async with standing_in(*answers, PLAIN) as stand_in:
            given = {"MCP_IMAGEGEN_PROVIDER": "compatible", "MCP_IMAGEGEN_HOME": str(tmp_path)}
            async with client_of(stand_in.environment(**given)) as client:
                costs.append((await call(client, "generate_image", **asked))["cost"])
    assert [cost["basis"] for cost in costs] == ["estimated"] * 2
    assert costs[0]["usd"] == costs[1]["usd"]


async def test_frames_that_are_asked_for_again_elsewhere_are_paid(tmp_path: Path) -> None:
    costs = []
    for answers in ((NO_STREAM, error(404)), (error(404),)):
        async with standing_in(PLAIN, *answers, PLAIN) as stand_in:
            given = {"MCP_IMAGEGEN_PROVIDER": "compatible", "MCP_IMAGEGEN_HOME": str(tmp_path)}
            async with client_of(stand_in.environment(**given)) as client:
                thread_id = (await call(client, "generate_image", prompt="a cat", quality="low"))["thread_id"]
                made = await call(client, "continue_image_thread", thread_id=thread_id, **ASK)
            costs.append(made["cost"]["usd"])
    assert costs[0] == costs[1]


async def test_a_refusal_to_stream_after_a_response_began_is_followed_by_a_plain_request(tmp_path: Path) -> None:
    plain = Said(response(image_call(picture())))
    async with standing_in(events(CREATED, UNSUPPORTED), plain) as stand_in:
        result = await ended(stand_in, tmp_path, [], MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_API="responses")
        assert [body.get("stream", False) for _, body in stand_in.seen] == [True, False]
    assert not result.is_error, text_of(result)
    assert len((result.structured_content or {})["images"]) == 1


# Failures inside a stream that may have cost something: they are told, and nothing is asked for a second time.
NO_REFUSALS: dict[str, Said] = {
    "a refusal after a frame": events(FRAME, UNSUPPORTED),
    "a server error of the stream": events(told_inside("Streaming is not supported by this replica.", "server_error")),
    "words about a stream": events(told_inside("The stream ended early.")),
    "a refusal with a bill": events(
        CREATED, {"type": "response.failed", "response": response(status="failed", error=UNSUPPORTED["error"])}
    ),
    "another failure": events(told_inside("The picture is not supported.")),
}


@pytest.mark.parametrize("shape", NO_REFUSALS)
async def test_another_failure_inside_the_stream_is_not_asked_again_and_may_be_billed(
    tmp_path: Path, shape: str
) -> None:
    async with standing_in(NO_REFUSALS[shape], PLAIN) as stand_in:
        api = "responses" if shape == "a refusal with a bill" else "image"
        text = text_of(await ended(stand_in, tmp_path, [], MCP_IMAGEGEN_API=api))
        assert len(stand_in.seen) == 1
    assert "This call may have been billed." in text


# the provider, its answers, which of the requests asked for a stream, and how the call ends
SEQUENCES: dict[str, tuple[str, list[Said], list[bool], str]] = {
    "two server errors": ("compatible", [error(500), error(500), PLAIN], [True, True, False], "completed"),
    "two of OpenAI's": ("openai", [error(500), error(500), STREAM], [True, True, True], "completed"),
    "one server error": ("compatible", [error(500), STREAM], [True, True], "completed"),
    "server errors for ever": ("compatible", [error(500)], [True, True, False], "upstream_unavailable"),
    "refused, then errors": ("compatible", [NO_STREAM, error(500)], [True, False, False], "upstream_unavailable"),
    "an error, then refused": ("openai", [error(500), NO_STREAM, PLAIN], [True, True, False], "completed"),
    "refused at the last": (
        "openai", [error(500), error(500), NO_STREAM, PLAIN], [True, True, True, False], "completed",
    ),
    "refused at the last, then errors": (
        "openai", [error(500), error(500), NO_STREAM, error(500)], [True, True, True, False], "upstream_unavailable",
    ),
    "refused after rate limits": (
        "compatible", [error(429), error(429), NO_STREAM, PLAIN], [True, True, True, False], "completed",
    ),
    "an error, then refused inside": (
        "openai", [error(500), events(UNSUPPORTED), PLAIN], [True, True, False], "completed",
    ),
    "refused inside at the last": (
        "openai", [error(500), error(500), events(UNSUPPORTED), PLAIN], [True, True, True, False], "completed",
    ),
    "refused inside, then errors": (
        "openai", [events(UNSUPPORTED), error(500)], [True, False, False], "upstream_unavailable",
    ),
    "refused both ways": ("compatible", [NO_STREAM], [True, False], "unsupported_option"),
    "an error that should not": ("compatible", [error(500, x_should_retry="false")], [True], "upstream_unavailable"),
    "a rate limit": (
        "compatible", [error(429, "rate_limit_exceeded"), error(429), STREAM], [True, True, True], "completed",
    ),
    "a prompt about a stream": (
        "compatible", [error(400, "moderation_blocked", "'a stream' was rejected by our safety system")], [True],
        "moderation_blocked",
    ),
    "another refusal": ("compatible", [error(400, "invalid_value", "no such size")], [True], "upstream_invalid"),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
async def test_requests_seen_by_a_provider_that_may_not_stream(tmp_path: Path, name: str) -> None:
    provider, answers, streamed, end = SEQUENCES[name]
    async with standing_in(*answers) as stand_in:
        told: list[str] = []
        result = await ended(stand_in, tmp_path, told, MCP_IMAGEGEN_PROVIDER=provider)
        assert streams(stand_in) == streamed
        assert any(WARNING in message for message in told) == (not streamed[-1])
    if end == "completed":
        warnings = (result.structured_content or {})["warnings"]
        assert (WARNING in warnings) == (not streamed[-1])
    else:
        assert text_of(result).startswith(f"{end}: ")


async def test_the_sandbox_refuses_streams_when_a_prompt_asks_for_it(client: Client) -> None:
    arguments = {"size": "1024x640", "quality": "low", "partial_images": 2}
    first = await call(client, "generate_image", prompt="sandbox:no-streaming a gate", **arguments)
    thread_id = first["thread_id"]
    second = await call(
        client, "continue_image_thread", thread_id=thread_id, prompt="sandbox:no-streaming in red", **arguments
    )
    for answer in (first, second):
        assert answer["status"] == "completed"
        assert any("stream" in warning for warning in answer["warnings"])


async def test_the_first_frame_is_told_of_while_the_picture_is_not_there_yet(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Against an API that takes its time: at the first frame's message only frames are on disk."""
    kept: list[list[str]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if message and message.startswith("frame 1"):
            kept.append(sorted(path.name for path in (tmp_path / "state").rglob("*.png")))

    async with (
        running(Sandbox(keys=[KEY], seconds_per_image=0.5).app) as url,
        client_of({**environment, "OPENAI_BASE_URL": url}) as slow,
    ):
        arguments = {"prompt": "a gate", "size": "1024x640", "quality": "low", "partial_images": 2}
        result = await slow.call_tool("generate_image", arguments, progress_callback=on_progress)
    assert not result.is_error, text_of(result)
    assert len(kept) == 1
    assert ["-frame1-" in name for name in kept[0]] == [True]
