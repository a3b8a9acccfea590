"""What the sandbox keeps of responses, for whom and how long, and how a test makes it forget."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from sandbox_support import NOVEMBER_2026, SMALL, Connection, connected

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORCED = {"type": "image_generation"}
TOOL = {"type": "image_generation", "model": "gpt-image-2", "size": SMALL, "quality": "low"}
DAY = 24 * 3600.0
now = [NOVEMBER_2026]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connection() -> AsyncIterator[Connection]:
    """One sandbox for all tests here, because to end a server takes a tenth of a second."""
    async with connected(clock=lambda: now[0]) as one:
        yield one


def with_key(connection: Connection, key: str) -> openai.AsyncOpenAI:
    return connection.client.with_options(api_key=key)


async def asked(client: openai.AsyncOpenAI, asks: Any = "A harbour", **options: Any) -> Any:
    options = {"model": "gpt-5.4", "tools": [TOOL], "tool_choice": FORCED} | options
    return await client.responses.create(input=asks, **options)


def naming(response: Any, text: str = "Add a boat") -> list[dict[str, Any]]:
    """An input that names the response's image call by its id alone."""
    return [{"role": "user", "content": text}, {"type": "image_generation_call", "id": response.output[0].id}]


async def is_known(client: openai.AsyncOpenAI, response: Any) -> tuple[bool, bool]:
    """Whether the response, and its image call, can be continued."""
    found = []
    for continued in ({"previous_response_id": response.id}, {"asks": naming(response)}):
        try:
            found.append((await asked(client, **{"asks": "Add a boat", **continued})).status == "completed")
        except openai.APIStatusError as error:
            assert (error.status_code, error.code, error.body["param"]) in {  # type: ignore[index]
                (400, "previous_response_not_found", "previous_response_id"),
                (404, None, "input"),
            }
            found.append(False)
    return found[0], found[1]


async def test_ids_are_forgotten_one_by_one_or_all(connection: Connection) -> None:
    first, second = await asked(connection.client), await asked(connection.client)
    connection.sandbox.forget(first.id, second.output[0].id)
    assert await is_known(connection.client, first) == (False, True)
    assert await is_known(connection.client, second) == (True, False)
    connection.sandbox.forget()
    assert await is_known(connection.client, first) == await is_known(connection.client, second) == (False, False)


async def test_ids_of_responses_and_calls_are_known_for_thirty_days(connection: Connection) -> None:
    made = await asked(connection.client)
    now[0] += 30 * DAY - 1
    assert await is_known(connection.client, made) == (True, True)
    now[0] += 1
    assert await is_known(connection.client, made) == (False, False)


async def test_a_key_knows_nothing_of_what_another_has_stored(connection: Connection) -> None:
    made = await asked(connection.client)
    file = await connection.client.files.create(file=("a.png", b"x", "image/png"), purpose="vision")
    other = with_key(connection, "sk-other")
    assert await is_known(other, made) == (False, False)
    with pytest.raises(openai.NotFoundError):
        await other.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        await other.files.retrieve(file.id)
    assert await is_known(connection.client, made) == (True, True)


async def test_without_retention_nothing_is_stored_whatever_is_asked_for(connection: Connection) -> None:
    client = with_key(connection, "sk-zdr-1")
    made = await asked(client, store=True)
    assert connection.last.json["store"] is False
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await asked(client, naming(made))
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="due to Zero Data Retention") as refused:
        await asked(client, "Add a boat", previous_response_id=made.id)
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "previous_response_id")


async def test_without_retention_a_response_in_the_background_can_be_fetched_for_ten_minutes(
    connection: Connection,
) -> None:
    client = with_key(connection, "sk-zdr-2")
    made = [event async for event in await asked(client, background=True, stream=True)][-1].response
    assert (made.status, connection.last.events[-1]["response"]["store"]) == ("completed", False)
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await asked(client, naming(made))
    now[0] += 599
    assert await client.responses.retrieve(made.id) == made
    now[0] += 1
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(made.id)


async def test_a_word_in_the_prompt_makes_ids_unknown(connection: Connection) -> None:
    made = await asked(connection.client)
    with pytest.raises(openai.NotFoundError, match="Items are not persisted"):
        await asked(connection.client, naming(made, "Add a boat sandbox:forgotten"))
    with pytest.raises(openai.BadRequestError) as refused:
        await asked(connection.client, "Add a boat sandbox:forgotten", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    assert (await asked(connection.client, "A boat sandbox:forgotten")).status == "completed"


async def test_a_drawing_begins_when_the_one_who_runs_the_sandbox_lets_it() -> None:
    began: asyncio.Queue[str] = asyncio.Queue()
    go = asyncio.Event()

    async def held(prompt: str) -> None:
        began.put_nowait(prompt)
        await go.wait()

    async with connected(before_drawing=held) as connection:
        drawing = [
            asyncio.create_task(asked(connection.client, "One")),
            asyncio.create_task(connection.client.images.generate(prompt="Two", model="gpt-image-2", size=SMALL)),
        ]
        assert {await began.get(), await began.get()} == {"One", "Two"}
        assert not any(task.done() for task in drawing)
        go.set()
        await asyncio.gather(*drawing)
