"""Answers of servers that do not quite speak as OpenAI does, and answers that cannot be read."""

import json
import logging
import threading

import pytest
from capture_server import CaptureServer, Reply, capture_server, event_reply, json_reply
from openai_bodies import b64, image_call, image_event, images, item_done, sse
from openai_calls import GENERATE, RESPOND_STREAMED, STREAMED, outcome, refused

from mcp_imagegen.errors import UpstreamInvalid
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Finished, Frame, ImageCall, Made, Resolved, Tokens, Usage

RESOLVED = Resolved("1024x1024", "medium", "opaque", "png")
BILLED = Tokens(text_input=17, image_input=323, text_output=44, image_output=1756)


@pytest.fixture
def client(openai_client: OpenAIClient) -> OpenAIClient:
    return openai_client


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


async def test_pictures_are_decoded_outside_the_event_loop(
    capture: CaptureServer, client: OpenAIClient, caplog: pytest.LogCaptureFixture
) -> None:
    capture.answers(ODD_ANSWERS["a frame that cannot be decoded"])
    with caplog.at_level(logging.DEBUG, "mcp_imagegen.openai_api"):
        await outcome(client, STREAMED)
    (record,) = caplog.records
    assert "cannot be decoded" in record.message
    assert record.thread != threading.get_ident()


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
    assert capture.seen[1].headers["authorization"] == "Bearer sk-test-0123456789abcdef"
    assert capture.seen[1].headers["accept"] == "*/*"


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


async def test_a_link_to_an_empty_file_gives_no_image(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"url": "/1.png"}]}))
    capture.replies["/1.png"] = Reply(b"")
    assert "it is empty" in (await refused(client, GENERATE)).sentence


async def test_a_link_that_leads_to_nothing_loses_no_other_image(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"url": "/gone.png"}, {"b64_json": b64(b"two")}]}))
    capture.replies["/gone.png"] = Reply(b"", 404)
    came, failed = await outcome(client, ImageCall("gpt-image-2", "x", n=2))
    assert [event.data for event in came if isinstance(event, Made)] == [b"two"]
    assert isinstance(failed, UpstreamInvalid)
