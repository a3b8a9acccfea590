"""Whatever a provider answers, callers get events or an ImagegenError."""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import httpx2
import pytest
from capture_server import CaptureServer, Reply
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_bodies import call_frame, image_call, image_event, images, item_done, message, response, sse

from mcp_imagegen.errors import ImagegenError, UpstreamInvalid
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.pictures import decoded, encoded, encoded_length
from mcp_imagegen.openai_api.problem import problem_of, read_problem
from mcp_imagegen.openai_api.retry_after import spoken, wait_s
from mcp_imagegen.openai_api.sse import MAX_EVENT, Events, TooLarge, events
from mcp_imagegen.openai_api.values import Event, Finished, Frame, ImageCall, Made, ResponsesCall

CALLS = [
    ImageCall("gpt-image-2", "a cat", n=2, partial_images=1),
    ResponsesCall("gpt-5.4", "gpt-image-2", "a cat", partial_images=1),
]
WORDS = [
    "",
    "auto",
    "b25l",
    "data:,",
    "http://[",
    "error",
    "message",
    "image_generation_call",
    "failed",
    "completed",
    "é\0",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(WORDS)
NAMES = st.sampled_from(
    "data b64_json url usage input_tokens input_tokens_details image_tokens error message code type param detail "
    "moderation_details categories output item result status id content text response tool_usage image_gen size "
    "partial_image_index partial_image_b64 output_index item_id incomplete_details reason cached_tokens".split()
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)
ANSWERS = [images(b"one", b"two"), response(image_call(b"one"), message("hello"))]
EVENTS = [
    image_event("image_generation.partial_image", b"rough", partial_image_index=0),
    image_event("image_generation.completed", b"one"),
    call_frame(b"rough", 0),
    item_done(image_call(b"one")),
    {"type": "response.completed", "response": response(image_call(b"one"))},
    {"type": "response.failed", "response": response(status="failed", error={"code": "x", "message": "y"})},
    {"type": "error", "error": {"message": "no", "code": "server_error"}},
]


def paths(value: Any) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(key, *rest) for key, below in inner for rest in [(), *paths(below)]]


@st.composite
def nearly(draw: st.DrawFn, valid: list[dict[str, Any]]) -> Any:
    """A valid body with one part replaced by anything."""
    body = json.loads(json.dumps(draw(st.sampled_from(valid))))
    *way, last = draw(st.sampled_from(paths(body)))
    place = body
    for step in way:
        place = place[step]
    place[last] = draw(ANY_JSON)
    return body


PLAIN = st.binary(max_size=60) | (ANY_JSON | nearly(ANSWERS)).map(lambda body: json.dumps(body).encode())
ANY_EVENT = (nearly(EVENTS) | st.sampled_from(EVENTS) | ANY_JSON).map(lambda event: f"data: {json.dumps(event)}\n\n")
STREAMS = st.lists(
    st.binary(max_size=30)
    | st.sampled_from([b"data: [DONE]\n\n", b": ping\n\n", b"\r\n", b"data"])
    | ANY_EVENT.map(str.encode),
    max_size=5,
)


STATUSES = st.sampled_from([200, 200, 200, 201, 302, 400, 401, 403, 404, 429, 500, 599])


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def client(capture: CaptureServer, loop: asyncio.Runner) -> Iterator[OpenAIClient]:
    client = OpenAIClient(base_url=capture.url, api_key=None, trust_env=False)
    yield client
    loop.run(client.aclose())


async def outcome(client: OpenAIClient, call: ImageCall | ResponsesCall) -> tuple[list[Event], bool]:
    """What came, and whether an ImagegenError ended it; anything else fails the test."""
    came: list[Event] = []
    try:
        async for event in client.send(call):
            came.append(event)
    except ImagegenError as failed:
        return came, bool(failed.sentence and failed.fix)
    return came, False


def checked(came: list[Event], failed: bool) -> None:
    """The order of events holds: frames and images, then one end, which only a failure may take away."""
    assert failed or isinstance(came[-1], Finished)
    assert not any(isinstance(event, Finished) for event in came[:-1])
    assert all(event.data for event in came if isinstance(event, Frame | Made))


@settings(max_examples=300, deadline=None)
@given(reply=st.builds(Reply, PLAIN, STATUSES) | st.just(Reply(b"", 204)), call=st.sampled_from(CALLS))
def test_any_plain_answer_gives_events_or_our_error(
    capture: CaptureServer, client: OpenAIClient, loop: asyncio.Runner, reply: Reply, call: Any
) -> None:
    capture.answers(reply)
    checked(*loop.run(outcome(client, call)))


@settings(max_examples=300, deadline=None)
@given(chunks=STREAMS, call=st.sampled_from(CALLS))
def test_any_stream_gives_events_or_our_error(
    capture: CaptureServer, client: OpenAIClient, loop: asyncio.Runner, chunks: list[bytes], call: Any
) -> None:
    capture.answers(Reply(chunks, headers={"content-type": "text/event-stream"}))
    checked(*loop.run(outcome(client, call)))


@settings(max_examples=150, deadline=None)
@given(body=PLAIN)
def test_any_answer_to_a_small_request_gives_a_value_or_our_error(
    capture: CaptureServer, client: OpenAIClient, loop: asyncio.Runner, body: bytes
) -> None:
    capture.answers(Reply(body))

    async def listed() -> None:
        with suppress(UpstreamInvalid):
            for name, ends in (await client.models()).items():
                assert isinstance(name, str)
                assert ends is None or isinstance(ends, date)

    loop.run(listed())


@given(body=st.binary(max_size=200) | ANY_JSON.map(lambda body: json.dumps(body).encode()))
def test_any_error_body_can_be_read(body: bytes) -> None:
    assert len(read_problem(body).text) <= 4_000


def test_an_error_nested_without_end_can_be_read() -> None:
    nested: Any = "deep"
    for _ in range(150):
        nested = {"error": [nested]}
    assert problem_of(nested).text == "deep"
    assert read_problem(b'{"error":' * 100_000).text


@given(
    retry=st.text(max_size=30),
    date=st.text(max_size=30),
    text=st.text(max_size=60) | st.from_regex(r"try again in \d+(ms|s|m|h)"),
)
def test_any_wait_that_is_asked_for_is_a_length_of_time_or_unknown(retry: str, date: str, text: str) -> None:
    wait = wait_s({"retry-after": retry, "retry-after-ms": date, "date": date}, text)
    assert wait is None or wait >= 0
    assert spoken(wait)


@given(st.data())
def test_however_a_stream_is_cut_its_events_are_the_same(data: st.DataObject) -> None:
    told = data.draw(
        st.lists(st.sampled_from([*sse(*EVENTS), b": ping\n\n", b"\n", b"data: x\ndata: y\n\n"]), min_size=1)
    )
    ending = data.draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    stream = b"".join(told).replace(b"\n", ending)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    arriving, found = Events(), list[httpx2.ServerSentEvent]()
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        if whole := arriving.add(stream[start:end]):
            found += events(whole)
    assert found + list(events(arriving.rest())) == list(events([stream]))


def test_an_event_is_found_as_soon_as_it_ends_however_it_is_cut() -> None:
    for ending in (b"\n", b"\r\n", b"\r"):
        arriving = Events()
        stream = b"data: x" + ending + ending
        came = [arriving.add(bytes([byte])) for byte in stream]
        assert [whole is not None for whole in came] == [False] * (len(stream) - 1) + [True]


def test_an_event_without_end_is_refused() -> None:
    arriving = Events()
    with pytest.raises(TooLarge):
        for _ in range(MAX_EVENT // (1 << 20) + 1):
            arriving.add(b"x" * (1 << 20))


@given(st.binary(max_size=50), st.integers(0, 7), st.sampled_from([0, 786_430, 786_432, 1_572_863]))
def test_base64_in_slices_is_base64(some: bytes, shift: int, length: int) -> None:
    data = bytes(length) + some + bytes(shift)
    text = base64.b64encode(data)
    assert b"".join(encoded(data)) == text
    assert encoded_length(len(data)) == len(text)
    if data:
        assert decoded(text.decode()) == decoded(base64.urlsafe_b64encode(data).decode().rstrip("=")) == data


@given(st.text(alphabet="AZaz09+/=\n\r -_é", max_size=40))
def test_what_is_no_base64_is_refused_and_nothing_is_guessed(text: str) -> None:
    try:
        data = decoded(text)
    except ValueError:
        return
    usual = text.strip().translate({ord("\r"): "", ord("\n"): "", ord("-"): "+", ord("_"): "/"})
    written = base64.b64encode(data).decode()
    assert written.rstrip("=")[:-1] == usual.rstrip("=")[:-1]
    assert len(usual) % 4 == 0 or written.rstrip("=") == usual, "only what is whole may lack its padding"
