"""What callers get out of a provider's answers, plain and streamed."""

from typing import Any

import pytest
from capture_server import CaptureServer, event_reply, json_reply
from openai_bodies import IMAGE_USAGE, call_frame, image_call, image_event, images, item_done, message, response, sse
from openai_calls import GENERATE, RESPOND, RESPOND_STREAMED, STREAMED, outcome

from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Finished, Frame, ImageCall, Made, Named, Resolved, Tokens, Usage

RESOLVED = Resolved("1024x1024", "medium", "opaque", "png")
BILLED = Tokens(text_input=17, image_input=323, text_output=44, image_output=1756)
BILLED_BY_TOOL = Tokens(17, 323, cached_text=10, cached_image=290, text_output=44, image_output=1756)
BILLED_BY_HOST = Tokens(text_input=2100, cached_text=1024, text_output=80, cache_write=512)


@pytest.fixture
def client(openai_client: OpenAIClient) -> OpenAIClient:
    return openai_client


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
        Named("resp_1"),
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
        Named("resp_1"),
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
    assert [event.data for event in came if isinstance(event, Frame | Made)] == [b"rough", b"one"]


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
        Named("resp_1"),
        Finished(Usage(Tokens(), BILLED_BY_HOST), response_id="resp_1", text="Which cat?\n\nI would rather not."),
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
    made = next(event for event in came if isinstance(event, Made))
    assert made.resolved == Resolved(size="1024x1024", output_format="png")
