"""The sandbox's responses in the background, driven by OpenAI's own client over a socket."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from sandbox_support import NOVEMBER_2026, SMALL, Connection, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORCED = {"type": "image_generation"}
TOOL = {"type": "image_generation", "model": "gpt-image-2", "size": SMALL, "quality": "low"}
UNDER_WAY = {"queued", "in_progress"}
LIMIT = 60  # seconds that a test waits for what must come


class Drawing:
    """Lets a drawing begin at once, unless it is held."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.began: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, prompt: str) -> None:
        if not self.go.is_set():
            self.began.put_nowait(prompt)
            await self.go.wait()


drawing = Drawing()
now = [NOVEMBER_2026]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Connection]:
    async with connected(before_drawing=drawing, clock=lambda: now[0]) as connection:
        yield connection


@pytest.fixture
def held() -> Iterator[Drawing]:
    """Drawings do not begin until the test sets `go`."""
    drawing.go.clear()
    yield drawing
    drawing.go.set()


async def asked(client: openai.AsyncOpenAI, asks: Any = "A harbour", **options: Any) -> Any:
    options = {"model": "gpt-5.4", "tools": [TOOL], "tool_choice": FORCED, "background": True} | options
    return await client.responses.create(input=asks, **options)


async def ended(client: openai.AsyncOpenAI, response: Any) -> Any:
    """The response when it is no longer under way."""
    async with asyncio.timeout(LIMIT):
        while response.status in UNDER_WAY:
            response = await client.responses.retrieve(response.id)
    return response


async def all_of(stream: Any) -> list[Any]:
    """The events that are still to come."""
    async with asyncio.timeout(LIMIT):
        return [event async for event in stream]


async def resumed(client: openai.AsyncOpenAI, response_id: str, after: int) -> list[Any]:
    return await all_of(await client.responses.retrieve(response_id, stream=True, starting_after=after))


async def test_a_response_in_the_background_is_answered_at_once_and_made_meanwhile(
    connection: Connection, held: Drawing
) -> None:
    client = connection.client
    response = await asked(client)
    assert (response.status, response.background, response.output) == ("queued", True, [])
    assert await held.began.get() == "A harbour"
    assert (await client.responses.retrieve(response.id)).status == "in_progress"
    held.go.set()
    made = await ended(client, response)
    plain = await asked(client, background=False)
    assert (made.status, made.id, made.usage) == ("completed", response.id, plain.usage)
    assert made.output[0].result == plain.output[0].result
    for asks, options in (
        ("Add a boat", {"previous_response_id": made.id}),
        ([{"role": "user", "content": "Add a boat"}, {"type": "image_generation_call", "id": made.output[0].id}], {}),
    ):
        assert (await asked(client, asks, background=False, **options)).output[0].action == "edit"


async def test_a_stream_in_the_background_begins_as_queued(connection: Connection) -> None:
    events = await all_of(await asked(connection.client, tools=[TOOL | {"partial_images": 1}], stream=True))
    assert [event.type.removeprefix("response.") for event in events[:4]] == [
        "created", "queued", "in_progress", "output_item.added",
    ]  # fmt: skip
    assert [event.response.status for event in events[:3]] == ["queued", "queued", "in_progress"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.status == "completed"
    assert await connection.client.responses.retrieve(events[0].response.id) == events[-1].response


async def test_a_stream_in_the_background_survives_its_connection_and_is_resumed_after_any_event(
    connection: Connection, held: Drawing
) -> None:
    client = connection.client
    stream = await asked(client, tools=[TOOL | {"partial_images": 1}], stream=True)
    first = await anext(stream)
    await held.began.get()
    await stream.close()
    connection.exchanges.pop()  # an answer that the client did not want to the end
    following = asyncio.create_task(resumed(client, first.response.id, 0))
    again = await client.responses.retrieve(first.response.id, stream=True)
    assert (await anext(again)).response.id == first.response.id
    held.go.set()
    rest = await following
    assert [event.sequence_number for event in rest] == list(range(1, rest[-1].sequence_number + 1))
    assert rest[-1].response.status == "completed"
    assert await all_of(again) == rest
    for after in (3, rest[-1].sequence_number - 1, rest[-1].sequence_number):
        assert await resumed(client, first.response.id, after) == rest[after:]


async def test_a_response_in_the_background_can_be_cancelled_once_and_again(
    connection: Connection, held: Drawing
) -> None:
    client = connection.client
    response = await asked(client)
    await held.began.get()
    for _ in range(2):
        cancelled = await client.responses.cancel(response.id)
        assert (cancelled.status, cancelled.output) == ("cancelled", [])
    held.go.set()
    await asked(client, background=False)  # drawn after what was cancelled would have been
    assert await client.responses.retrieve(response.id) == cancelled


async def test_a_stream_that_is_cancelled_ends_as_failed(connection: Connection, held: Drawing) -> None:
    stream = await asked(connection.client, stream=True)
    response_id = (await anext(stream)).response.id
    await held.began.get()
    await connection.client.responses.cancel(response_id)
    events = await all_of(stream)
    assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
    assert (events[-1].type, events[-1].response.status) == ("response.failed", "cancelled")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("word", "status", "why"),
    [
        ("stream-error", "failed", ("server_error", None)),
        ("incomplete", "incomplete", (None, "max_output_tokens")),
        ("text-only", "completed", (None, None)),
        ("call-failed", "completed", (None, None)),
    ],
)
async def test_a_response_in_the_background_ends_as_its_prompt_says(
    connection: Connection, word: str, status: str, why: tuple[str | None, str | None], stream: bool
) -> None:
    response = await asked(connection.client, f"A pier sandbox:{word}", stream=stream)
    if stream:
        events = await all_of(response)
        response = events[0].response
        assert events[-1].type == f"response.{status}"
    response = await ended(connection.client, response)
    assert response.status == status
    details = response.incomplete_details
    assert (response.error and response.error.code, details and details.reason) == why


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_may_be_incomplete(connection: Connection, stream: bool) -> None:
    response = await asked(connection.client, "A pier sandbox:incomplete", background=False, stream=stream)
    if stream:
        response = (await all_of(response))[-1].response
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output == []
    assert (await connection.client.responses.retrieve(response.id)).status == "incomplete"


async def refusal(answer: Any) -> tuple[int, str | None, str | None, str]:
    with pytest.raises(openai.APIStatusError) as raised:
        await answer
    error = raised.value
    assert error.type == "invalid_request_error"
    return error.status_code, error.code, error.param, error.body["message"]  # type: ignore[index]


async def test_a_word_of_a_server_without_background_concerns_nothing_else(connection: Connection) -> None:
    response = await asked(connection.client, "A pier sandbox:no-background", background=False)
    assert response.status == "completed"


async def test_what_cannot_be_followed_is_refused(connection: Connection) -> None:
    client = connection.client
    plain, unstreamed = await asked(client, background=False), await ended(client, await asked(client))
    streamed = (await all_of(await asked(client, stream=True)))[-1].response
    code, param = "invalid_request_error", "stream"
    for response, late, why in (
        (plain, 0, "cannot be streamed because it was not created with background=true."),
        (unstreamed, 0, "cannot be streamed because it was not created with stream=true."),
        (streamed, 300, "can no longer be streamed because it is more than 5 minutes old."),
    ):
        now[0] += late
        said = await refusal(client.responses.retrieve(response.id, stream=True, starting_after=1))
        assert said == (400, code, param, f"This response {why}")
    assert (await client.responses.retrieve(streamed.id)).status == "completed"
    wrong = await refusal(client.get(f"/responses/{streamed.id}?stream=true&starting_after=x", cast_to=object))
    assert wrong[:3] == (400, "invalid_type", "starting_after")


async def test_what_cannot_be_cancelled_is_refused(connection: Connection) -> None:
    client = connection.client
    plain, made = await asked(client, background=False), await ended(client, await asked(client))
    failed = await ended(client, await asked(client, "A pier sandbox:stream-error"))
    for response, why in (
        (plain, "Cannot cancel a synchronous response."),
        (made, "Cannot cancel a completed response."),
        (failed, "Cannot cancel a failed response."),
    ):
        said = await refusal(client.responses.cancel(response.id))
        assert said == (400, "invalid_request_error", "response_id", why)
    assert (await refusal(client.responses.cancel("resp_1")))[0] == 404


async def test_a_response_under_way_is_neither_deleted_nor_continued(connection: Connection, held: Drawing) -> None:
    client = connection.client
    response = await asked(client)
    await held.began.get()
    assert (await refusal(client.responses.delete(response.id)))[3] == "Cannot delete an in-flight response."
    assert (await refusal(asked(client, previous_response_id=response.id)))[1] == "previous_response_not_found"
    held.go.set()
    await client.responses.delete((await ended(client, response)).id)
    assert (await refusal(client.responses.retrieve(response.id)))[0] == 404


async def test_a_response_that_is_forgotten_while_it_is_made_stays_so(connection: Connection, held: Drawing) -> None:
    client = connection.client
    stream = await asked(client, stream=True)
    response_id = (await anext(stream)).response.id
    await held.began.get()
    connection.sandbox.forget(response_id)
    held.go.set()
    assert (await all_of(stream))[-1].response.status == "completed"
    assert (await refusal(client.responses.retrieve(response_id)))[0] == 404


async def test_a_stream_that_is_not_in_the_background_ends_with_its_connection(
    connection: Connection, held: Drawing
) -> None:
    client = connection.client
    stream = await asked(client, background=False, stream=True)
    response_id = (await anext(stream)).response.id
    await held.began.get()
    await stream.close()
    connection.exchanges.pop()  # an answer that the client did not want to the end
    held.go.set()
    await asked(client, background=False)  # drawn after what was given up would have been
    assert (await refusal(client.responses.retrieve(response_id)))[0] == 404


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_that_is_lost_costs_no_response_in_the_background(stream: bool) -> None:
    async with connected(whole=False) as connection:
        with pytest.raises(openai.APIError):
            answer = await asked(connection.client, "A pier sandbox:disconnect", stream=stream)
            async for _ in answer:
                pass
        known = re.findall(rb"resp_[0-9a-f]{50}", connection.last.body)[0].decode()
        response = await connection.client.responses.retrieve(known)
        assert (await ended(connection.client, response)).status == "completed"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_fault_of_the_sandbox_fails_the_response(stream: bool) -> None:
    async def faulty(_: str) -> None:
        raise ZeroDivisionError

    async with connected(before_drawing=faulty) as connection:
        response = await asked(connection.client, stream=stream)
        if stream:
            events = await all_of(response)
            assert [event.sequence_number for event in events] == list(range(len(events)))
            assert events[-1].type == "response.failed"
            response = events[0].response
        response = await ended(connection.client, response)
        assert (response.status, response.error.code) == ("failed", "server_error")
