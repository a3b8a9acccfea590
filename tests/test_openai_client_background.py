"""Responses that outlive their connection: in the background, cut off, and asked for by their id."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import stamina
from openai.types.responses import Response
from openai_bodies import call_frame, image_call, images, item_done, message, response, sse
from pydantic import SecretStr
from sandbox_support import check_event, strictly
from stand_in import KEY, Said, StandIn, error, standing_in, streamed

from mcp_imagegen.errors import (
    AuthenticationFailed,
    ImagegenError,
    ModerationBlocked,
    UnsupportedOption,
    UpstreamError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.failures import EndpointMissing, IdForgotten
from mcp_imagegen.openai_api.retries import Tries
from mcp_imagegen.openai_api.values import Event, Finished, Frame, ImageCall, Made, Named, ResponsesCall

CALL = ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", background=True)
STREAMED = replace(CALL, partial_images=2)
FOREGROUND = replace(CALL, background=False)
FOREGROUND_STREAMED = replace(STREAMED, background=False)
POST, GET = "POST /v1/responses", "GET /v1/responses/resp_1"


def standing(status: str, *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response as it stands before it is complete."""
    return response(*output, status=status, background=True, usage=None, tool_usage=None, **more)


QUEUED = Said(standing("queued"))
WORKED_ON = Said(standing("in_progress"))
DONE = Said(response(image_call(b"one"), background=True))
CREATED = {"type": "response.created", "response": standing("queued"), "sequence_number": 0}
BEGUN = {"type": "response.in_progress", "response": standing("in_progress"), "sequence_number": 1}
ROUGH = {**call_frame(b"rough", 0), "sequence_number": 2}
FINER = {**call_frame(b"finer", 1), "sequence_number": 3}
ITEM = {**item_done(image_call(b"one")), "sequence_number": 4}
COMPLETED = {"type": "response.completed", "response": DONE.body, "sequence_number": 5}
EVENTS = (CREATED, BEGUN, ROUGH, FINER, ITEM, COMPLETED)
GONE = error(404, None, "Response with id 'resp_1' not found.")


def cut_after(*events: dict[str, Any]) -> Said:
    """A stream whose connection is lost a few bytes after these events."""
    return streamed(*EVENTS, upto=sum(map(len, sse(*events))) + 40)


@asynccontextmanager
async def asking(*answers: Said) -> AsyncIterator[tuple[OpenAIClient, StandIn]]:
    async with standing_in(*answers) as stand_in:
        client = OpenAIClient(base_url=stand_in.url, api_key=SecretStr(KEY), trust_env=False)
        yield client, stand_in
        await client.aclose()


async def outcome(
    client: OpenAIClient, call: ResponsesCall | ImageCall | str, tell: Callable[[str], None] = lambda _: None
) -> tuple[list[Event], ImagegenError | None]:
    """What came of a call, or of asking for a response by its id, and the error that ended it."""
    came: list[Event] = []
    events = client.response(call, tell=tell) if isinstance(call, str) else client.send(call, Tries(tell))
    try:
        async with aclosing(events):
            async for event in events:
                came.append(event)
    except ImagegenError as failed:
        return came, failed
    return came, None


def kinds(came: list[Event]) -> list[type[Event]]:
    return [type(event) for event in came]


def made(came: list[Event]) -> list[bytes]:
    return [event.data for event in came if isinstance(event, Made)]


def paths(stand_in: StandIn) -> list[str]:
    lines = zip(stand_in.seen, stand_in.queries, strict=True)
    return [f"{path}?{query}" if query else path for (path, _), query in lines]


async def test_a_response_in_the_background_is_asked_for_until_it_has_ended() -> None:
    async with asking(QUEUED, QUEUED, WORKED_ON, WORKED_ON, DONE) as (client, stand_in):
        told: list[str] = []
        came, failed = await outcome(client, CALL, told.append)
    assert failed is None
    assert kinds(came) == [Named, Made, Finished]
    assert came[0] == Named("resp_1")
    assert isinstance(came[-1], Finished)
    assert (came[-1].response_id, came[-1].usage.image is None) == ("resp_1", False)
    assert paths(stand_in) == [POST, GET, GET, GET, GET]
    assert (stand_in.seen[0][1]["background"], stand_in.seen[0][1]["store"]) == (True, True)
    assert told == ["queued", "rendering"]


async def test_an_answer_that_is_complete_at_once_is_not_asked_for_again() -> None:
    async with asking(DONE) as (client, stand_in):
        came, failed = await outcome(client, CALL)
    assert (kinds(came), failed, paths(stand_in)) == ([Named, Made, Finished], None, [POST])


async def test_without_store_nothing_is_done_in_the_background() -> None:
    async with asking(DONE) as (client, stand_in):
        await outcome(client, replace(CALL, store=False))
    assert "background" not in stand_in.seen[0][1]


async def test_the_waits_between_two_questions_grow_to_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def passed(delay: float, *rest: Any) -> None:
        waits.append(delay)
        await sleep(0)

    async with asking(*[WORKED_ON] * 7, error(500), error(500), error(429, retry_after="7"), DONE) as (client, _):
        with stamina.set_testing(False):
            monkeypatch.setattr(asyncio, "sleep", passed)
            _, failed = await outcome(client, CALL)
            monkeypatch.undo()
    assert failed is None
    assert [wait for wait in waits if wait] == [1, 1.5, 2.25, 3.375, 5, 5, 5, 1, 2, 7]


async def test_a_response_is_not_given_up_because_asking_fails() -> None:
    cut = replace(DONE, upto=300)
    failing = [error(500), cut, error(429, "rate_limit_exceeded", retry_after="3"), error(409), Said("<html>", 502)]
    failing += [error(501)]
    async with asking(QUEUED, *failing, WORKED_ON, DONE) as (client, stand_in):
        told: list[str] = []
        came, failed = await outcome(client, CALL, told.append)
    assert (failed, made(came)) == (None, [b"one"])
    assert len([words for words in told if "asking again for the response in" in words]) == len(failing)
    assert "rate limited: asking again for the response in 3 s" in told
    assert paths(stand_in).count(POST) == 1


async def test_a_question_that_is_not_answered_is_asked_again() -> None:
    silent = replace(DONE, upto=0, held=asyncio.Event())
    async with standing_in(QUEUED, silent, DONE) as stand_in:
        client = OpenAIClient(base_url=stand_in.url, api_key=SecretStr(KEY), trust_env=False, read_timeout_s=0.2)
        came, failed = await outcome(client, CALL)
        await client.aclose()
    assert (made(came), failed) == ([b"one"], None)


async def test_asking_ends_when_nothing_but_failures_come_for_minutes() -> None:
    async with asking(QUEUED, error(503)) as (client, stand_in):
        _, failed = await outcome(client, CALL)
    assert isinstance(failed, UpstreamUnavailable)
    assert failed.may_be_billed
    assert len(stand_in.seen) == 1 + 13


@pytest.mark.parametrize("lost", [GONE, error(404), error(405), error(404, "not_found", "Not Found")])
async def test_a_response_that_the_provider_lost_is_no_reason_to_send_the_call_again(lost: Said) -> None:
    async with asking(QUEUED, lost) as (client, stand_in):
        _, failed = await outcome(client, CALL)
    assert isinstance(failed, UpstreamInvalid)
    assert not isinstance(failed, IdForgotten | EndpointMissing), "these are answered by one more paid call"
    assert failed.may_be_billed
    assert paths(stand_in) == [POST, *[GET] * 4]


async def test_a_response_may_be_known_a_little_later_than_it_is_named() -> None:
    async with asking(QUEUED, GONE, GONE, DONE) as (client, _):
        came, failed = await outcome(client, CALL)
    assert (made(came), failed) == ([b"one"], None)


MODERATED = {"code": "image_content_policy_violation", "message": "rejected by our safety system"}
ENDS: dict[str, tuple[dict[str, Any], type[UpstreamError], str]] = {
    "failed": (standing("failed", error=MODERATED), ModerationBlocked, "safety system"),
    "cancelled": (standing("cancelled"), UpstreamInvalid, "cancelled"),
    "incomplete": (
        standing("incomplete", incomplete_details={"reason": "max_output_tokens"}),
        UpstreamInvalid,
        "max_output_tokens",
    ),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_response_that_ends_otherwise_fails_as_it_says(end: str) -> None:
    body, kind, says = ENDS[end]
    async with asking(QUEUED, Said(body)) as (client, stand_in):
        _, failed = await outcome(client, CALL)
    assert isinstance(failed, kind)
    assert says in failed.sentence
    assert failed.may_be_billed
    assert paths(stand_in) == [POST, GET]


async def test_words_in_the_background_are_an_outcome_too() -> None:
    async with asking(QUEUED, Said(response(message("Which cat?")))) as (client, _):
        came, failed = await outcome(client, CALL)
    assert failed is None
    assert isinstance(came[-1], Finished)
    assert came[-1].text == "Which cat?"


async def test_a_stream_in_the_background_is_named_by_its_first_event() -> None:
    async with asking(streamed(*EVENTS)) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert (kinds(came), failed) == ([Named, Frame, Frame, Made, Finished], None)
    assert (stand_in.seen[0][1]["background"], stand_in.seen[0][1]["stream"]) == (True, True)


async def test_the_id_is_told_while_the_stream_still_runs() -> None:
    going_on = asyncio.Event()
    async with asking(replace(cut_after(CREATED), held=going_on), DONE) as (client, _):
        events = client.send(STREAMED)
        assert await anext(events) == Named("resp_1")
        going_on.set()
        await events.aclose()


async def test_a_stream_that_is_cut_goes_on_where_it_stopped() -> None:
    again, rest = streamed(FINER, ITEM, COMPLETED, upto=len(sse(FINER)[0]) + 9), streamed(ITEM, COMPLETED)
    async with asking(cut_after(CREATED, BEGUN, ROUGH), again, rest) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert failed is None
    assert [event.data for event in came if isinstance(event, Frame | Made)] == [b"rough", b"finer", b"one"]
    assert kinds(came) == [Named, Frame, Frame, Made, Finished]
    assert paths(stand_in) == [
        POST,
        f"{GET}?starting_after=2&stream=true",
        f"{GET}?starting_after=3&stream=true",
    ]


async def test_a_stream_that_ends_without_its_end_goes_on_too() -> None:
    async with asking(streamed(CREATED, BEGUN), streamed(*EVENTS[2:])) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert (made(came), failed) == ([b"one"], None)
    assert paths(stand_in)[1:] == [f"{GET}?starting_after=1&stream=true"]


@pytest.mark.parametrize(
    "refusal",
    [
        error(400, "invalid_value", "Cannot stream a response that was not created with stream=true."),
        error(500),
        Said("<html>"),
        streamed(BEGUN),
    ],
    ids=["refused", "server error", "no JSON", "nothing new"],
)
async def test_a_stream_that_cannot_be_resumed_is_asked_for_plainly(refusal: Said) -> None:
    async with asking(cut_after(CREATED, BEGUN, ROUGH), refusal, WORKED_ON, DONE) as (client, stand_in):
        told: list[str] = []
        came, failed = await outcome(client, STREAMED, told.append)
    assert (made(came), failed) == ([b"one"], None)
    assert paths(stand_in) == [POST, f"{GET}?starting_after=2&stream=true", GET, GET]
    assert told == ["rendering"]


async def test_a_resumed_stream_that_is_answered_plainly_is_read() -> None:
    async with asking(cut_after(CREATED, BEGUN), DONE) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert (made(came), failed, len(stand_in.seen)) == ([b"one"], None, 2)


async def test_an_image_that_came_before_the_cut_does_not_come_twice() -> None:
    cut = streamed(*EVENTS, upto=len(b"".join(sse(*EVENTS[:5]))) + 100)
    async with asking(cut, error(400), DONE) as (client, _):
        came, failed = await outcome(client, STREAMED)
    assert (made(came), failed) == ([b"one"], None)
    assert kinds(came)[-1] is Finished


REFUSALS = {
    "by its name": Said({"error": {"message": "no", "code": "unknown_parameter", "param": "background"}}, 400),
    "by its name in the words": error(400, "unknown_parameter", "Unknown parameter: 'background'."),
    "in words": error(400, None, "background mode is not supported by this gateway"),
    "for want of a store": error(400, None, "Background sampling requires store=true."),
    "as not implemented": error(501, None, "`background` can only be used when the response store is enabled."),
}


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_a_provider_without_background_is_asked_without_it_and_not_asked_again(refusal: str) -> None:
    async with asking(REFUSALS[refusal], DONE) as (client, stand_in):
        for _ in range(2):
            came, failed = await outcome(client, CALL)
            assert (made(came), failed) == ([b"one"], None)
    assert [body.get("background") for _, body in stand_in.seen] == [True, None, None]


async def test_background_and_streaming_may_both_be_refused() -> None:
    refusals = REFUSALS["by its name"], error(400, None, "streaming is not supported")
    async with asking(*refusals, DONE) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert (made(came), failed) == ([b"one"], None)
    assert [(body.get("background"), body.get("stream")) for _, body in stand_in.seen] == [
        (True, True),
        (None, True),
        (None, None),
    ]


async def test_a_refused_transparent_background_is_no_refusal_of_the_mode() -> None:
    words = "Transparent background is not supported for this model."
    async with asking(Said({"error": {"message": words, "code": "invalid_value"}}, 400)) as (client, stand_in):
        _, failed = await outcome(client, CALL)
    assert isinstance(failed, UnsupportedOption)
    assert words in failed.sentence
    assert paths(stand_in) == [POST]


async def test_a_mode_that_may_not_be_to_blame_is_tried_again_in_the_next_call() -> None:
    about_the_tool = error(400, "unknown_parameter", "Unknown parameter: 'background'.")
    async with asking(about_the_tool, about_the_tool, DONE) as (client, stand_in):
        _, failed = await outcome(client, CALL)
        assert isinstance(failed, UnsupportedOption)
        await outcome(client, CALL)
    assert [body.get("background") for _, body in stand_in.seen] == [True, None, True]


CUT_STREAM = cut_after(CREATED, BEGUN, ROUGH)
CUT_PLAIN = replace(DONE, upto=len(json.dumps(DONE.body)) // 2)


@pytest.mark.parametrize(("call", "cut"), [(FOREGROUND_STREAMED, CUT_STREAM), (FOREGROUND, CUT_PLAIN)])
async def test_a_response_whose_answer_was_cut_is_used_when_the_provider_has_it(call: ResponsesCall, cut: Said) -> None:
    async with asking(cut, error(500), WORKED_ON, DONE) as (client, stand_in):
        came, failed = await outcome(client, call)
    assert (made(came), failed) == ([b"one"], None)
    assert kinds(came)[-1] is Finished
    assert paths(stand_in) == [POST, GET, GET, GET]


NOT_THERE: dict[str, tuple[list[Said], int]] = {
    "gone": ([GONE], 3),
    "no such path": ([error(405)], 3),
    "forbidden": ([error(403)], 1),
    "still worked on": ([WORKED_ON], 6),
    "ended by the cut": ([Said(standing("incomplete", incomplete_details={"reason": "interrupted"}))], 1),
    "failed by the cut": ([Said(standing("failed", error={"code": "server_error", "message": "x"}))], 1),
    "unreachable": ([error(500)], 3),
}


@pytest.mark.parametrize("case", NOT_THERE)
async def test_a_response_that_was_cut_and_is_not_there_fails_as_cut(case: str) -> None:
    answers, looks = NOT_THERE[case]
    async with asking(CUT_STREAM, *answers) as (client, stand_in):
        came, failed = await outcome(client, FOREGROUND_STREAMED)
    assert isinstance(failed, UpstreamTimeout)
    assert failed.may_be_billed
    assert kinds(came) == [Named, Frame]
    assert paths(stand_in) == [POST] + [GET] * looks


async def test_what_was_not_stored_is_not_looked_for() -> None:
    async with asking(CUT_STREAM) as (client, stand_in):
        _, failed = await outcome(client, replace(FOREGROUND_STREAMED, store=False))
    assert isinstance(failed, UpstreamTimeout)
    assert paths(stand_in) == [POST]


@pytest.mark.parametrize("odd", ["../models", "..", "resp/1", "resp_1?x=1", "", "resp 1", 7])
async def test_an_id_that_could_lead_elsewhere_is_not_asked_for(odd: Any) -> None:
    begun = {**CREATED, "response": {**CREATED["response"], "id": odd}}
    async with asking(streamed(begun, ROUGH, upto=len(b"".join(sse(begun))) + 9)) as (client, stand_in):
        came, failed = await outcome(client, STREAMED)
    assert came == []
    assert isinstance(failed, UpstreamTimeout)
    assert paths(stand_in) == [POST]


async def test_a_plain_answer_that_is_queued_by_itself_is_asked_for() -> None:
    async with asking(QUEUED, *[WORKED_ON] * 9, DONE) as (client, stand_in):
        came, failed = await outcome(client, FOREGROUND)
    assert (made(came), failed, paths(stand_in)) == ([b"one"], None, [POST] + [GET] * 10)


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (FOREGROUND, Said({**DONE.body, "status": "in_progress"})),
        (FOREGROUND_STREAMED, streamed(*EVENTS[:5])),
    ],
    ids=["plain", "streamed"],
)
async def test_an_answer_with_its_image_needs_no_more_though_it_does_not_say_that_it_is_complete(
    call: ResponsesCall, answer: Said
) -> None:
    async with asking(answer) as (client, stand_in):
        came, failed = await outcome(client, call)
    assert (made(came), kinds(came)[-1], failed, paths(stand_in)) == ([b"one"], Finished, None, [POST])


async def test_giving_up_a_call_ends_the_asking() -> None:
    async with asking(QUEUED, WORKED_ON) as (client, stand_in):
        asked_twice = asyncio.Event()
        stand_in.meanwhile = lambda: asked_twice.set() if len(stand_in.seen) > 2 else None
        running = asyncio.create_task(outcome(client, CALL))
        await asked_twice.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        given_up = len(stand_in.seen)
        await client.cancel("resp_1")
    assert paths(stand_in)[given_up:] == ["POST /v1/responses/resp_1/cancel"]


async def test_the_whole_pictures_of_a_plain_answer_that_is_cut_are_not_lost() -> None:
    body = images(b"one" * 99, b"two" * 99, b"three" * 99)
    upto = json.dumps(body).index('"}, {"b64_json": "', 500) + 30
    async with asking(Said(body, upto=upto)) as (client, stand_in):
        came, failed = await outcome(client, ImageCall("gpt-image-2", "a cat", n=3))
    assert made(came) == [b"one" * 99, b"two" * 99]
    assert kinds(came) == [Made, Made]
    assert isinstance(failed, UpstreamTimeout)
    assert failed.may_be_billed
    assert len(stand_in.seen) == 1


async def test_a_body_that_is_whole_when_the_connection_ends_is_no_failure() -> None:
    body = json.dumps(images(b"one")).encode()
    async with asking(Said(body + b"\n", headers={"content-type": "application/json"}, upto=len(body))) as (client, _):
        came, failed = await outcome(client, ImageCall("gpt-image-2", "a cat"))
    assert (kinds(came), failed) == ([Made, Finished], None)


async def test_a_stored_response_is_had_by_its_id() -> None:
    async with asking(WORKED_ON, error(500), DONE) as (client, stand_in):
        told: list[str] = []
        came, failed = await outcome(client, "resp_1", told.append)
    assert (kinds(came), failed) == ([Named, Made, Finished], None)
    assert paths(stand_in) == [GET, GET, GET]
    assert told[0] == "rendering"


@pytest.mark.parametrize("lost", [GONE, error(404), error(404, "not_found", "Not Found"), error(405)])
async def test_a_response_that_is_not_known_is_forgotten(lost: Said) -> None:
    async with asking(lost) as (client, stand_in):
        came, failed = await outcome(client, "resp_1")
    assert (came, type(failed), len(stand_in.seen)) == ([], IdForgotten, 1)


@pytest.mark.parametrize("odd", ["../models", "resp_1/cancel", "", "resp_1?stream=true"])
async def test_what_is_no_id_of_a_response_is_forgotten_without_being_asked_for(odd: str) -> None:
    async with asking(DONE) as (client, stand_in):
        came, failed = await outcome(client, odd)
        await client.cancel(odd)
    assert (came, type(failed), stand_in.seen) == ([], IdForgotten, [])


async def test_other_failures_of_asking_for_a_stored_response_come_as_they_are() -> None:
    async with asking(error(401, "invalid_api_key")) as (client, _):
        _, failed = await outcome(client, "resp_1")
    assert isinstance(failed, AuthenticationFailed)


async def test_a_stored_response_that_failed_says_so_and_may_be_billed() -> None:
    async with asking(Said(standing("failed", error=MODERATED))) as (client, _):
        _, failed = await outcome(client, "resp_1")
    assert isinstance(failed, ModerationBlocked)
    assert failed.may_be_billed


@pytest.mark.parametrize(
    "answer",
    [
        Said(standing("cancelled")),
        GONE,
        error(400, None, "Only responses created with background=true can be cancelled."),
        error(409, None, "Cannot cancel a completed response.", x_should_retry="false"),
    ],
    ids=["cancelled", "gone", "no background", "ended"],
)
async def test_a_response_is_cancelled_once_and_one_that_has_ended_is_left_at_that(answer: Said) -> None:
    async with asking(answer) as (client, stand_in):
        await client.cancel("resp_1")
    assert paths(stand_in) == ["POST /v1/responses/resp_1/cancel"]


async def test_a_cancelling_that_is_refused_for_another_reason_is_told() -> None:
    async with asking(error(401, "invalid_api_key")) as (client, _):
        with pytest.raises(AuthenticationFailed):
            await client.cancel("resp_1")


def test_what_these_tests_answer_is_what_the_official_package_takes() -> None:
    for said in (QUEUED, WORKED_ON, DONE, *(Said(body) for body, _, _ in ENDS.values())):
        strictly(Response, json.dumps(said.body))
    for told in EVENTS:
        check_event(told["type"], told, json.dumps(told))
