"""Failures that are told inside an answer of status 200."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from capture_server import CaptureServer, Reply, event_reply, json_reply
from openai_bodies import error, image_call, image_event, item_done, message, response, sse
from openai_calls import GENERATE, RESPOND, RESPOND_STREAMED, STREAMED, outcome, refused

from mcp_imagegen.errors import ModelNotFound, ModerationBlocked, RateLimited, UpstreamInvalid, UpstreamUnavailable
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.failures import IdForgotten
from mcp_imagegen.openai_api.values import Finished, Frame, ImageCall, Made, Named, ResponsesCall


@pytest.fixture
def client(openai_client: OpenAIClient) -> OpenAIClient:
    return openai_client


MODERATED = {
    "message": "Your request was rejected by the safety system.",
    "type": "image_generation_user_error",
    "param": None,
    "code": "moderation_blocked",
    "moderation_details": {"moderation_stage": "output", "categories": ["sexual"]},
}
RATE = {
    "type": "error",
    "code": "rate_limit_exceeded",
    "message": "Please try again in 12s.",
    "param": None,
    "sequence_number": 1,
}
FRAME = image_event("image_generation.partial_image", b"rough", partial_image_index=0)


def failed_stream(**response_fields: Any) -> Reply:
    return event_reply(sse({"type": "response.failed", "response": response(status="failed", **response_fields)}))


def incomplete(reason: str, *output: dict[str, Any]) -> dict[str, Any]:
    return response(*output, status="incomplete", incomplete_details={"reason": reason})


@dataclass(frozen=True)
class Inside:
    """A failure inside an answer of status 200, and what it must come to."""

    call: ImageCall | ResponsesCall
    reply: Reply
    kind: type[Exception]
    says: str
    billed: bool = True


FAILURES_INSIDE: dict[str, Inside] = {
    "an error event of the Image API": Inside(
        STREAMED, event_reply(sse({"type": "error", "error": MODERATED})), ModerationBlocked, "(sexual)"
    ),
    "an error event about the input": Inside(
        STREAMED,
        event_reply(
            sse({"type": "error", "error": {**MODERATED, "moderation_details": {"moderation_stage": "input"}}})
        ),
        ModerationBlocked,
        "refused the prompt",
        billed=False,
    ),
    "an error event with its name alone": Inside(
        STREAMED,
        event_reply([b'event: error\ndata: {"error": {"message": "busy", "code": "server_error"}}\n\n']),
        UpstreamUnavailable,
        "busy",
    ),
    "an error event without a name": Inside(
        STREAMED, event_reply([b'data: {"error": "out of memory"}\n\n']), UpstreamInvalid, "out of memory"
    ),
    "a failed event": Inside(
        STREAMED,
        event_reply([b'data: {"type": "image_generation.failed", "error": {"message": "no ink"}}\n\n']),
        UpstreamInvalid,
        "no ink",
    ),
    "an error event of the Responses API": Inside(
        RESPOND_STREAMED, event_reply(sse(RATE)), RateLimited, "too many requests", billed=False
    ),
    "a failed response": Inside(
        RESPOND,
        json_reply(response(status="failed", error={"code": "image_content_policy_violation", "message": "not this"})),
        ModerationBlocked,
        "not this",
    ),
    "a failed response in a stream": Inside(
        RESPOND_STREAMED, failed_stream(error={"code": "server_error", "message": "oops"}), UpstreamUnavailable, "oops"
    ),
    "a failed response without a reason": Inside(
        RESPOND, json_reply(response(status="failed")), UpstreamInvalid, "failed: no reason given"
    ),
    "a failed response without anything": Inside(
        RESPOND_STREAMED, event_reply(sse({"type": "response.failed"})), UpstreamInvalid, "no reason given"
    ),
    "a failed image call": Inside(
        RESPOND,
        json_reply(response(image_call(None, error=MODERATED), message("Sorry."))),
        ModerationBlocked,
        "(sexual)",
    ),
    "a failed image call in a stream": Inside(
        RESPOND_STREAMED,
        event_reply(sse(item_done(image_call(None, error=MODERATED)), {"type": "response.completed"})),
        ModerationBlocked,
        "(sexual)",
    ),
    "a failed image call without a reason": Inside(
        RESPOND, json_reply(response(image_call(None))), UpstreamInvalid, "no reason given"
    ),
    "an answer that ran out of tokens": Inside(
        RESPOND, json_reply(incomplete("max_output_tokens", message("I"))), UpstreamInvalid, "max_output_tokens"
    ),
    "an answer that a filter ended": Inside(
        RESPOND_STREAMED,
        event_reply(sse({"type": "response.incomplete", "response": incomplete("content_filter")})),
        ModerationBlocked,
        "stopped the answer",
    ),
    "a response without output": Inside(RESPOND, json_reply({"id": "resp_1"}), UpstreamInvalid, "has no output"),
    "a stream that ends before its response": Inside(
        RESPOND_STREAMED, event_reply(sse(item_done(message("Let me")))), UpstreamInvalid, "ended before its image"
    ),
    "an id that is forgotten, told in a stream": Inside(
        replace(RESPOND_STREAMED, previous_response_id="resp_9"),
        event_reply(sse({"type": "error", "code": "previous_response_not_found", "message": "?"})),
        IdForgotten,
        "no longer knows",
        billed=False,
    ),
    "an error body with status 200": Inside(
        GENERATE, json_reply(error("no such thing", "model_not_found")), ModelNotFound, "no such thing", billed=False
    ),
}


@pytest.mark.parametrize("name", FAILURES_INSIDE)
async def test_a_failure_inside_an_answer_is_told_like_any_other(
    capture: CaptureServer, client: OpenAIClient, name: str
) -> None:
    row = FAILURES_INSIDE[name]
    capture.answers(Reply(row.reply.body, row.reply.status, {**row.reply.headers, "x-request-id": "req_7"}))
    failed = await refused(client, row.call)
    assert type(failed) is row.kind
    assert row.says in failed.sentence
    assert failed.may_be_billed is row.billed
    assert failed.request_id == "req_7"


async def test_frames_come_before_the_failure_that_follows_them(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(event_reply(sse(FRAME, {"type": "error", "error": MODERATED, "sequence_number": 2})))
    came, failed = await outcome(client, STREAMED)
    assert came == [Frame(b"rough", 0)]
    assert isinstance(failed, ModerationBlocked)
    assert failed.sentence == "the provider's safety system refused the image it had made (sexual)"


async def test_a_failed_image_call_is_forgiven_when_the_model_tried_again(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(response(image_call(None, error=MODERATED), image_call(b"two", "ig_2"))))
    came, failed = await outcome(client, RESPOND)
    assert failed is None
    assert [(event.call_id, event.index) for event in came if isinstance(event, Made)] == [("ig_2", 0)]


async def test_an_image_of_a_response_that_failed_later_is_kept(capture: CaptureServer, client: OpenAIClient) -> None:
    end = {
        "type": "response.failed",
        "response": response(status="failed", error={"code": "server_error", "message": "x"}),
    }
    capture.answers(event_reply(sse(item_done(image_call(b"one")), end)))
    came, failed = await outcome(client, RESPOND_STREAMED)
    assert [type(event) for event in came] == [Made, Named, Finished]
    assert isinstance(failed, UpstreamUnavailable)
