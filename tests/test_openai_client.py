"""What callers get out of a provider's answers, plain and streamed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
from capture_server import CaptureServer, Reply, capture_server, event_reply, json_reply
from openai_bodies import (
    HOST_USAGE,
    IMAGE_USAGE,
    TOOL_USAGE,
    b64,
    call_frame,
    error,
    image_call,
    image_event,
    images,
    item_done,
    message,
    response,
    sse,
)
from pydantic import SecretStr

from mcp_imagegen.errors import (
    InputNotFound,
    InputRejected,
    InvalidArgument,
    ModelNotFound,
    ModerationBlocked,
    RateLimited,
    UpstreamError,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.failures import IdForgotten
from mcp_imagegen.openai_api.values import (
    Event,
    FileId,
    Finished,
    Frame,
    ImageCall,
    Made,
    Resolved,
    ResponsesCall,
    Tokens,
    Upload,
    Usage,
)

GENERATE = ImageCall("gpt-image-2", "a cat")
STREAMED = ImageCall("gpt-image-2", "a cat", partial_images=2)
RESPOND = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat")
RESPOND_STREAMED = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", partial_images=2)
RESOLVED = Resolved("1024x1024", "medium", "opaque", "png")
BILLED = Tokens(text_input=17, image_input=323, text_output=44, image_output=1756)
BILLED_BY_TOOL = Tokens(17, 323, cached_text=10, cached_image=290, text_output=44, image_output=1756)
BILLED_BY_HOST = Tokens(text_input=2100, cached_text=1024, text_output=80, cache_write=512)


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


@pytest.fixture
async def client(capture: CaptureServer) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-test-0123456789"), trust_env=False)
    yield client
    await client.aclose()


async def outcome(client: OpenAIClient, call: ImageCall | ResponsesCall) -> tuple[list[Event], UpstreamError | None]:
    """What came, and the error that ended it."""
    came: list[Event] = []
    try:
        async with aclosing(client.send(call)) as events:
            async for event in events:
                came.append(event)
    except UpstreamError as failed:
        return came, failed
    return came, None


async def refused(client: OpenAIClient, call: ImageCall | ResponsesCall) -> UpstreamError:
    came, failed = await outcome(client, call)
    assert came == []
    assert failed is not None
    return failed


async def test_a_plain_answer_gives_each_image_and_then_the_end(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one", b"two"), x_request_id="req_7"))
    came, _ = await outcome(client, ImageCall("gpt-image-2", "a cat", n=2))
    assert came == [
        Made(b"one", 0, resolved=RESOLVED),
        Made(b"two", 1, resolved=RESOLVED),
        Finished(Usage(image=BILLED), RESOLVED, "req_7"),
    ]


async def test_a_streamed_answer_gives_frames_first_and_the_same_otherwise(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    events = sse(
        image_event("image_generation.partial_image", b"rough", partial_image_index=0),
        image_event("image_generation.partial_image", b"finer", partial_image_index=1),
        image_event("image_generation.completed", b"one"),
    )
    capture.answers(event_reply(events, x_request_id="req_7"))
    came, _ = await outcome(client, STREAMED)
    assert came == [
        Frame(b"rough", 0),
        Frame(b"finer", 1),
        Made(b"one", 0, resolved=RESOLVED),
        Finished(Usage(image=BILLED), RESOLVED, "req_7"),
    ]


async def test_the_images_of_a_stream_of_several_are_counted_and_their_tokens_added(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    events = sse(
        image_event("image_edit.partial_image", b"rough", partial_image_index=0),
        image_event("image_edit.completed", b"one"),
        image_event("image_edit.partial_image", b"rough", partial_image_index=0),
        image_event("image_edit.completed", b"two"),
    )
    capture.answers(event_reply(events))
    came, _ = await outcome(client, ImageCall("gpt-image-2", "x", n=2, partial_images=1))
    assert [event.image for event in came if isinstance(event, Frame)] == [0, 1]
    assert [(event.data, event.index) for event in came if isinstance(event, Made)] == [(b"one", 0), (b"two", 1)]
    assert isinstance(came[-1], Finished)
    assert came[-1].usage.image == Tokens(34, 646, text_output=88, image_output=3512)


async def test_a_response_gives_its_image_with_call_id_and_both_usages(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(response(image_call(b"one"), message(" \n")), x_request_id="req_7"))
    came, _ = await outcome(client, RESPOND)
    assert came == [
        Made(b"one", 0, "ig_1", "a red cat, photographed", "generate", RESOLVED),
        Finished(Usage(BILLED_BY_TOOL, BILLED_BY_HOST), Resolved(), "req_7", "resp_1"),
    ]


async def test_a_streamed_response_gives_the_same_and_its_frames(capture: CaptureServer, client: OpenAIClient) -> None:
    whole = response(image_call(b"one"), message("Here it is."))
    events = sse(
        {"type": "response.created", "response": response(status="in_progress", usage=None), "sequence_number": 0},
        {
            "type": "response.image_generation_call.in_progress",
            "item_id": "ig_1",
            "output_index": 0,
            "sequence_number": 1,
        },
        call_frame(b"rough", 0),
        call_frame(b"finer", 1),
        {
            "type": "response.image_generation_call.completed",
            "item_id": "ig_1",
            "output_index": 0,
            "sequence_number": 3,
        },
        item_done(image_call(b"one")),
        item_done(message("Here it is."), 1),
        {"type": "response.completed", "response": whole, "sequence_number": 6},
    )
    capture.answers(event_reply(events, x_request_id="req_7"))
    came, _ = await outcome(client, RESPOND_STREAMED)
    assert came == [
        Frame(b"rough", 0),
        Frame(b"finer", 1),
        Made(b"one", 0, "ig_1", "a red cat, photographed", "generate", RESOLVED),
        Finished(Usage(BILLED_BY_TOOL, BILLED_BY_HOST), Resolved(), "req_7", "resp_1", "Here it is."),
    ]


async def test_an_image_that_only_the_end_of_a_stream_holds_is_read_from_there(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    end = {"type": "response.completed", "response": response(image_call(b"one")), "sequence_number": 6}
    capture.answers(event_reply(sse(call_frame(b"rough", 0), end)))
    came, _ = await outcome(client, RESPOND_STREAMED)
    assert [event.data for event in came if not isinstance(event, Finished)] == [b"rough", b"one"]


async def test_the_frames_of_two_calls_in_one_response_are_told_apart(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    whole = response(image_call(b"one"), image_call(b"two", "ig_2"))
    end = {"type": "response.completed", "response": whole, "sequence_number": 9}
    capture.answers(event_reply(sse(call_frame(b"a", 0), call_frame(b"b", 0, "ig_2", 1), call_frame(b"c", 1), end)))
    came, _ = await outcome(client, RESPOND_STREAMED)
    frames = [(event.data, event.frame, event.image) for event in came if isinstance(event, Frame)]
    assert frames == [(b"a", 0, 0), (b"b", 0, 1), (b"c", 1, 0)]
    assert [(event.call_id, event.index) for event in came if isinstance(event, Made)] == [("ig_1", 0), ("ig_2", 1)]


async def test_a_response_without_an_image_ends_with_what_the_model_said(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    refusal = {"type": "message", "id": "msg_2", "content": [{"type": "refusal", "refusal": "I would rather not."}]}
    unused = {"image_gen": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}}
    capture.answers(
        json_reply(response({"type": "reasoning", "id": "rs_1"}, message("Which cat?"), refusal, tool_usage=unused))
    )
    came, _ = await outcome(client, RESPOND)
    assert came == [
        Finished(Usage(Tokens(), BILLED_BY_HOST), response_id="resp_1", text="Which cat?\n\nI would rather not.")
    ]


@pytest.mark.parametrize(
    ("told", "tokens"),
    [
        ({}, None),
        ({"usage": None}, None),
        ({"usage": "many"}, None),
        ({"usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}}, None),
        ({"usage": {"input_tokens": 12, "output_tokens": 400}}, Tokens(text_input=12, image_output=400)),
        ({"usage": {"input_tokens": -5, "output_tokens": 400}}, Tokens(image_output=400)),
        ({"usage": {"output_tokens": 400, "output_tokens_details": {"image_tokens": -5}}}, Tokens(image_output=400)),
        (
            {"usage": {**IMAGE_USAGE, "output_tokens_details": None}},
            Tokens(text_input=17, image_input=323, image_output=1800),
        ),
        (
            {"usage": {**IMAGE_USAGE, "cached_tokens": 100}},
            Tokens(17, 323, cached_text=17, cached_image=83, text_output=44, image_output=1756),
        ),
        (
            {
                "usage": {
                    **IMAGE_USAGE,
                    "input_tokens_details": {
                        "text_tokens": 17,
                        "image_tokens": 323,
                        "cached_tokens_details": {"text_tokens": 0, "image_tokens": 320},
                    },
                }
            },
            Tokens(17, 323, cached_image=320, text_output=44, image_output=1756),
        ),
    ],
)
async def test_usage_is_what_the_answer_says_and_none_where_it_says_nothing(
    capture: CaptureServer, client: OpenAIClient, told: dict[str, Any], tokens: Tokens | None
) -> None:
    body = images(b"one")
    del body["usage"]
    capture.answers(json_reply({**body, **told}))
    came, _ = await outcome(client, GENERATE)
    assert isinstance(came[-1], Finished)
    assert came[-1].usage == Usage(image=tokens)


async def test_auto_is_no_resolved_value(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(response(image_call(b"one", quality="auto", background="auto"))))
    came, _ = await outcome(client, RESPOND)
    assert isinstance(came[0], Made)
    assert came[0].resolved == Resolved(size="1024x1024", output_format="png")


COMPLETED = sse(image_event("image_generation.completed", b"one"))
ODD_ANSWERS: dict[str, Reply] = {
    "fields of wrong types beside the image": json_reply(
        {"data": [{"b64_json": b64(b"one"), "revised_prompt": 7}], "size": 1024, "quality": ["high"], "usage": [1]}
    ),
    "an entry that is no object": json_reply({"data": [None, "x", {"b64_json": b64(b"one")}]}),
    "base64 in lines": json_reply({"data": [{"b64_json": "b25\nl\r\n"}]}),
    "a data URL": json_reply({"data": [{"url": "data:image/png;base64,b25l"}]}),
    "a data URL in b64_json": json_reply({"data": [{"b64_json": "data:image/png;base64,b25l"}]}),
    "another content type": Reply(json.dumps(images(b"one")).encode(), headers={"content-type": "text/plain"}),
    "events under another content type": Reply(COMPLETED[0], headers={"content-type": "text/plain"}),
    "events after a [DONE]": event_reply([*COMPLETED, b"data: [DONE]\n\n", b"data: {}\n\n"]),
    "events that carry the body of a plain answer": event_reply(
        [b"data: " + json.dumps(images(b"one")).encode() + b"\n\n"]
    ),
    "events without a type": event_reply([b'data: {"b64_json": "b25l"}\n\n']),
    "a type only in the event's name": event_reply(
        [b'event: image_generation.completed\ndata: {"b64_json": "b25l"}\n\n']
    ),
    "comments, pings and unknown events": event_reply(
        [
            b": keep-alive\n\n",
            b"data: ping\n\n",
            b"data: [1]\n\n",
            b'event: ping\ndata: {"type": "ping"}\n\n',
            b'data: {"type": "image_generation.thinking"}\n\n',
            *COMPLETED,
        ]
    ),
    "a frame that cannot be decoded": event_reply(
        [
            b'data: {"type": "image_generation.partial_image", "b64_json": "???", "partial_image_index": 0}\n\n',
            *COMPLETED,
        ]
    ),
    "a frame after the image": event_reply(
        [COMPLETED[0] + sse(image_event("image_generation.partial_image", b"late", partial_image_index=1))[0]]
    ),
    "lines that end in CR LF, cut anywhere": event_reply(
        [bytes([byte]) for byte in COMPLETED[0].replace(b"\n", b"\r\n")]
    ),
    "lines that end in CR": event_reply([COMPLETED[0].replace(b"\n", b"\r")]),
    "an end without the last empty line": event_reply([COMPLETED[0].rstrip()]),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_an_odd_answer_still_gives_its_image(capture: CaptureServer, client: OpenAIClient, name: str) -> None:
    capture.answers(ODD_ANSWERS[name])
    came, failed = await outcome(client, STREAMED)
    assert failed is None
    assert [event.data for event in came if not isinstance(event, Finished)] == [b"one"]
    assert isinstance(came[-1], Finished)


UNREADABLE: dict[str, Reply] = {
    "nothing": Reply(b""),
    "no JSON": Reply(b"<html>hello</html>"),
    "cut JSON": Reply(b'{"data": [{"b64_json": "b25'),
    "a list": Reply(b"[]"),
    "a number": Reply(b"7"),
    "no images": json_reply({"created": 1, "data": []}),
    "another object": json_reply({"hello": "world"}),
    "no base64": json_reply({"data": [{"b64_json": "@@@@"}]}),
    "empty base64": json_reply({"data": [{"b64_json": ""}]}),
    "base64 that is cut": json_reply({"data": [{"b64_json": "b25"}]}),
    "base64 that is no ASCII": json_reply({"data": [{"b64_json": "böse"}]}),
    "a data URL without data": json_reply({"data": [{"url": "data:image/png;base64"}]}),
    "a stream without an image": event_reply(
        sse(image_event("image_generation.partial_image", b"x", partial_image_index=0))
    ),
    "a stream of nothing": event_reply([b""]),
    "a stream cut in an event": event_reply([b'data: {"type": "image_generation.completed", "b64_json": "b2']),
    "a body that is no gzip": Reply(b"plain", headers={"content-encoding": "gzip"}),
}


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_answer_without_a_readable_image_is_invalid_and_may_be_billed(
    capture: CaptureServer, client: OpenAIClient, name: str
) -> None:
    reply = UNREADABLE[name]
    capture.answers(Reply(reply.body, reply.status, {**reply.headers, "x-request-id": "req_7"}))
    came, failed = await outcome(client, STREAMED)
    assert not [event for event in came if not isinstance(event, Frame)]
    assert isinstance(failed, UpstreamInvalid)
    assert failed.may_be_billed
    assert failed.request_id == "req_7"


async def test_readable_images_and_the_usage_come_before_the_error_about_another(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply({**images(b"one"), "data": [{"b64_json": "@@"}, {"b64_json": b64(b"two")}]}))
    came, failed = await outcome(client, ImageCall("gpt-image-2", "a cat", n=2))
    assert came == [Made(b"two", 1, resolved=RESOLVED), Finished(Usage(image=BILLED), RESOLVED)]
    assert isinstance(failed, UpstreamInvalid)
    assert failed.may_be_billed
    assert "number 1" in failed.sentence


async def test_the_first_of_several_failures_is_told(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"b64_json": "@@"}, {"b64_json": "@@"}]}))
    assert "number 1" in (await refused(client, ImageCall("gpt-image-2", "a cat", n=2))).sentence


async def test_nothing_after_done_is_read(capture: CaptureServer, client: OpenAIClient) -> None:
    late = sse(image_event("image_generation.completed", b"late"))
    capture.answers(event_reply([*COMPLETED, b"data: [DONE]\n\n", *late]))
    came, _ = await outcome(client, ImageCall("gpt-image-2", "x", n=2, partial_images=1))
    assert [event.data for event in came if isinstance(event, Made)] == [b"one"]


async def test_the_id_of_a_response_is_kept_when_only_its_beginning_says_it(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    begun = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}}
    capture.answers(event_reply(sse(begun, item_done(image_call(b"one")), {"type": "response.completed"})))
    came, failed = await outcome(client, RESPOND_STREAMED)
    assert failed is None
    assert isinstance(came[-1], Finished)
    assert came[-1].response_id == "resp_1"


async def test_a_linked_image_is_fetched_from_the_provider_itself_with_the_key(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply({"data": [{"url": "/files/1.png"}]}))
    capture.replies["/files/1.png"] = Reply(b"one", headers={"content-type": "image/png"})
    came, _ = await outcome(client, GENERATE)
    assert came[0] == Made(b"one", 0)
    assert (capture.seen[1].method, capture.seen[1].path) == ("GET", "/files/1.png")
    assert capture.seen[1].headers["authorization"] == "Bearer sk-test-0123456789"


async def test_a_link_to_another_port_is_not_followed(capture: CaptureServer, client: OpenAIClient) -> None:
    with capture_server() as other:
        capture.answers(json_reply({"data": [{"url": other.url + "/1.png"}]}))
        failed = await refused(client, GENERATE)
        assert other.seen == []
    assert isinstance(failed, UpstreamInvalid)


@pytest.mark.parametrize(
    "link",
    [
        "https://images.example/1.png",
        "http://127.0.0.1:9/1.png",
        "http://localhost/1.png",
        "file:///etc/passwd",
        "//images.example/1.png",
        "ftp://127.0.0.1/1.png",
        "http://[",
    ],
)
async def test_a_link_to_anywhere_else_is_not_followed(capture: CaptureServer, client: OpenAIClient, link: str) -> None:
    capture.answers(json_reply({"data": [{"url": link}]}))
    failed = await refused(client, GENERATE)
    assert isinstance(failed, UpstreamInvalid)
    assert failed.may_be_billed
    assert len(capture.seen) == 1


async def test_a_link_that_leads_to_nothing_loses_no_other_image(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"url": "/gone.png"}, {"b64_json": b64(b"two")}]}))
    capture.replies["/gone.png"] = Reply(b"", 404)
    came, failed = await outcome(client, ImageCall("gpt-image-2", "x", n=2))
    assert [event.data for event in came if isinstance(event, Made)] == [b"two"]
    assert isinstance(failed, UpstreamInvalid)


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
        RESPOND, json_reply(response(status="failed")), UpstreamInvalid, "no reason given"
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
    "an answer that is still queued": Inside(RESPOND, json_reply(response(status="queued")), UpstreamInvalid, "queued"),
    "a response without output": Inside(RESPOND, json_reply({"id": "resp_1"}), UpstreamInvalid, "has no output"),
    "a stream that ends before its response": Inside(
        RESPOND_STREAMED, event_reply(sse(item_done(message("Let me")))), UpstreamInvalid, "ended before its image"
    ),
    "an id that is forgotten, told in a stream": Inside(
        RESPOND_STREAMED,
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
    assert [type(event) for event in came] == [Made, Finished]
    assert isinstance(failed, UpstreamUnavailable)


async def test_only_a_call_with_partial_images_asks_for_a_stream(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, GENERATE)
    await outcome(client, STREAMED)
    assert "stream" not in capture.seen[0].json
    assert capture.seen[1].json["stream"] is True
    assert "text/event-stream" in capture.seen[1].headers["accept"]


async def test_only_what_was_asked_for_is_sent(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, GENERATE)
    await outcome(client, ImageCall("gpt-image-2", None, images=(Upload(b"x", "x.png", "image/png"),)))
    assert capture.seen[0].json == {"model": "gpt-image-2", "prompt": "a cat"}
    assert capture.seen[1].form == (("model", "gpt-image-2"),)


async def test_an_edit_with_a_file_id_sends_json_with_every_picture_in_order(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"one")))
    cat, hole = Upload(b"cat", "cat.png", "image/png"), Upload(b"hole", "hole.png", "image/png")
    await outcome(client, ImageCall("m", "x", 2, (cat, FileId("file-7")), hole, options={"size": "auto"}))
    assert capture.seen[0].path == "/v1/images/edits"
    assert capture.seen[0].json == {
        "model": "m",
        "prompt": "x",
        "n": 2,
        "size": "auto",
        "images": [{"image_url": "data:image/png;base64,Y2F0"}, {"file_id": "file-7"}],
        "mask": {"image_url": "data:image/png;base64,aG9sZQ=="},
    }


async def test_an_edit_whose_mask_alone_is_a_file_id_sends_json(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, ImageCall("m", "x", images=(Upload(b"cat", "c.png", "image/png"),), mask=FileId("file-8")))
    assert capture.seen[0].json["mask"] == {"file_id": "file-8"}


async def test_large_pictures_arrive_whole_in_json_and_multipart(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    large = Upload(bytes(range(256)) * 12_289, "large.png", "image/png")
    await outcome(client, ImageCall("m", "x", images=(large, FileId("file-7"))))
    await outcome(client, ImageCall("m", "x", images=(large, large)))
    assert capture.seen[0].json["images"][0]["image_url"] == "data:image/png;base64," + b64(large.data)
    assert [file.data for file in capture.seen[1].files] == [large.data, large.data]


async def test_a_picture_too_long_for_a_data_url_is_refused_before_the_network(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(response(image_call(b"one"))))
    fits, does_not = (Upload(bytes(size), "huge.png", "image/png") for size in (15_728_622, 15_728_623))
    await outcome(client, ResponsesCall("gpt-5.4", "gpt-image-2", "x", images=(fits,)))
    with pytest.raises(InputRejected) as refusal:
        await outcome(client, ResponsesCall("gpt-5.4", "gpt-image-2", "x", images=(does_not,)))
    assert "huge.png" in refusal.value.sentence
    assert len(capture.seen) == 1
    assert 20_971_520 - 4 < len(capture.seen[0].json["input"][0]["content"][1]["image_url"]) <= 20_971_520


@pytest.mark.parametrize("images_sent", [(), (Upload(b"x", "x.png", "image/png"),)])
async def test_text_that_is_no_unicode_is_refused_before_the_network(
    capture: CaptureServer, client: OpenAIClient, images_sent: tuple[Upload, ...]
) -> None:
    capture.answers(json_reply(images(b"one")))
    with pytest.raises(InvalidArgument):
        await outcome(client, ImageCall("m", "half a \ud83d smile", images=images_sent))
    assert capture.seen == []


async def test_a_file_name_that_is_no_unicode_is_sent_as_well_as_can_be(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, ImageCall("m", "x", images=(Upload(b"x", "caf\udce9.png", "image/png"),)))
    assert capture.seen[0].files[0].name == "caf?.png"


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("/v1", ("/v1/images/generations", "")),
        ("/v1/", ("/v1/images/generations", "")),
        ("", ("/images/generations", "")),
        ("/openai/v1?api-version=preview", ("/openai/v1/images/generations", "api-version=preview")),
        ("/a%20b/v1/?x=1&y=2#z", ("/a b/v1/images/generations", "x=1&y=2")),
    ],
)
async def test_a_base_url_may_end_in_a_slash_and_keeps_its_query(
    capture: CaptureServer, base: str, line: tuple[str, str]
) -> None:
    capture.answers(json_reply(images(b"one")))
    client = OpenAIClient(base_url=capture.url.removesuffix("/v1") + base, api_key=None, trust_env=False)
    await outcome(client, GENERATE)
    await client.aclose()
    assert (capture.seen[0].path, capture.seen[0].query) == line


async def test_without_a_key_no_authorization_is_sent(capture: CaptureServer) -> None:
    capture.answers(json_reply({"data": [{"id": "m"}]}))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("  "), trust_env=False)
    assert await client.models() == ["m"]
    await client.aclose()
    assert "authorization" not in capture.seen[0].headers
    assert capture.seen[0].headers["user-agent"].startswith("mcp-imagegen/")


async def test_white_space_around_a_key_is_not_sent(capture: CaptureServer) -> None:
    capture.answers(json_reply({"data": []}))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-test-0123456789\n"), trust_env=False)
    await client.models()
    await client.aclose()
    assert capture.seen[0].headers["authorization"] == "Bearer sk-test-0123456789"


async def test_calls_at_the_same_time_share_one_client_and_mix_nothing_up(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"plain")))
    capture.replies["/v1/responses"] = json_reply(response(image_call(b"answer")))
    calls = [GENERATE, RESPOND] * 6
    came = await asyncio.gather(*(outcome(client, call) for call in calls))
    assert [events[0].data for events, _ in came if isinstance(events[0], Made)] == [b"plain", b"answer"] * 6


async def test_a_call_that_is_given_up_leaves_no_task_and_the_next_one_works(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    before = asyncio.all_tasks()
    capture.answers(event_reply(sse(FRAME, *[image_event("image_generation.completed", b"one")])))
    async with aclosing(client.send(STREAMED)) as events:
        assert await anext(events) == Frame(b"rough", 0)
    await asyncio.sleep(0)  # the HTTP library's own generators end one turn of the loop later
    assert asyncio.all_tasks() == before
    capture.answers(json_reply(images(b"one")))
    came, _ = await outcome(client, GENERATE)
    assert len(came) == 2


@pytest.mark.parametrize("stored", [{}, {"id": None}, {"id": 7}, {"id": ""}, {"data": [{"id": "file-1"}]}])
async def test_an_upload_without_an_id_is_invalid(
    capture: CaptureServer, client: OpenAIClient, stored: dict[str, Any]
) -> None:
    capture.answers(json_reply(stored))
    with pytest.raises(UpstreamInvalid):
        await client.upload(Upload(b"x", "x.png", "image/png"))


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'"x"'])
async def test_a_list_of_models_that_is_none_is_invalid(
    capture: CaptureServer, client: OpenAIClient, body: bytes
) -> None:
    capture.answers(Reply(body))
    with pytest.raises(UpstreamInvalid) as failed:
        await client.models()
    assert not failed.value.may_be_billed


async def test_models_without_an_id_are_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"id": "a"}, {"name": "b"}, 7, {"id": "c"}]}))
    assert await client.models() == ["a", "c"]


async def test_an_unknown_file_of_the_provider_is_an_input_that_is_not_found(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(error("No such File object: file-7"), status=404))
    with pytest.raises(InputNotFound):
        await outcome(client, ImageCall("m", "x", images=(FileId("file-7"),)))


def test_the_usage_of_the_bodies_above_is_told_apart_by_model() -> None:
    assert TOOL_USAGE["image_gen"]["input_tokens"] == BILLED_BY_TOOL.text_input + BILLED_BY_TOOL.image_input
    assert HOST_USAGE["input_tokens"] == BILLED_BY_HOST.text_input
