"""The sandbox that stands still on demand does so at the byte, and tells what it was asked."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from holding import HeldSandbox, held_sandbox
from sandbox_support import SMALL, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")
DRAW = {"model": "gpt-image-2", "prompt": "A pier", "size": SMALL, "quality": "low"}
TOOL = {"type": "image_generation", "model": "gpt-image-2", "size": SMALL, "quality": "low"}
ASK = {"model": "gpt-5.4", "input": "A pier", "tools": [TOOL], "tool_choice": {"type": "image_generation"}}
PLACE = 20_001  # bytes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def held() -> AsyncIterator[HeldSandbox]:
    """One process for all tests here."""
    async with held_sandbox() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def http(held: HeldSandbox) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"authorization": "Bearer any"}
    async with httpx2.AsyncClient(base_url=held.url, headers=headers, trust_env=False, timeout=60) as client:
        yield client


async def test_an_answer_stands_still_at_the_byte_and_goes_on(held: HeldSandbox, http: httpx2.AsyncClient) -> None:
    await held.hold(PLACE)
    read = 0
    body = bytearray()
    async with http.stream("POST", "/images/generations", json=DRAW) as answer:
        async for part in answer.aiter_raw():
            body += part
            if len(body) >= PLACE > read:
                assert len(body) == PLACE
                assert await held.held()
                await held.release()
            read = len(body)
    assert picture(httpx2.Response(200, content=bytes(body)).json()["data"][0]["b64_json"]).size == (1024, 640)
    asked = (await held.requests())[-1]
    assert (asked.paid, asked.status, asked.drew) == (True, 200, ["A pier"])


async def test_a_drawing_stands_still_before_anything_is_answered(held: HeldSandbox, http: httpx2.AsyncClient) -> None:
    await held.hold("drawing")
    answering = asyncio.create_task(http.post("/images/generations", json=DRAW))
    assert await held.held()
    asked = (await held.paid())[-1]
    assert (asked.status, asked.drew) == (0, ["A pier"])
    await held.release()
    assert base64.b64decode((await answering).json()["data"][0]["b64_json"]).startswith(b"\x89PNG")


async def test_a_connection_is_lost_before_anything_is_answered(held: HeldSandbox, http: httpx2.AsyncClient) -> None:
    await held.hold("drawing")
    answering = asyncio.create_task(http.post("/images/generations", json=DRAW))
    assert await held.held()
    await held.drop()
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending a response"):
        await answering
    asked = (await held.paid())[-1]
    assert (asked.status, asked.drew) == (0, ["A pier"])


async def test_an_answer_is_cut_off_where_it_stands_and_its_response_is_gone(
    held: HeldSandbox, http: httpx2.AsyncClient
) -> None:
    await held.hold(PLACE)
    body = b""
    with pytest.raises(httpx2.RemoteProtocolError):
        async with http.stream("POST", "/responses", json=ASK | {"stream": True}) as answer:
            async for part in answer.aiter_raw():
                body += part
                if len(body) >= PLACE and await held.held():
                    await held.drop()
    asked = (await held.paid())[-1]
    assert len(body) == PLACE
    assert all(one.encode() in body for one in asked.told)
    assert asked.status == 200
    assert (await http.get(f"/responses/{asked.told[0]}")).status_code == 404


async def test_a_response_in_the_background_stands_still_while_it_is_drawn(
    held: HeldSandbox, http: httpx2.AsyncClient
) -> None:
    await held.hold("drawing")
    response = (await http.post("/responses", json=ASK | {"background": True})).json()
    assert await held.held()
    assert (await http.get(f"/responses/{response['id']}")).json()["status"] == "in_progress"
    await held.release()
    await held.hold(PLACE)
    body = await fetched(http, response["id"], held)
    assert body["output"][0]["type"] == "image_generation_call"
    asked = (await held.paid())[-1]
    assert (asked.drew, asked.told) == (["A pier"], [response["id"]])


async def fetched(http: httpx2.AsyncClient, response_id: str, held: HeldSandbox) -> Any:
    """The response when it is made, let go where its answer is held."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(let_go(held))
        while (body := (await http.get(f"/responses/{response_id}")).json())["status"] == "in_progress":
            pass
    return body


async def let_go(held: HeldSandbox) -> None:
    assert await held.held()
    await held.release()


async def test_what_is_too_short_to_be_held_is_told(held: HeldSandbox, http: httpx2.AsyncClient) -> None:
    await held.hold(10**9)
    made = (await http.post("/responses", json=ASK)).json()
    assert not await held.held()
    await held.forget(made["output"][0]["id"])
    assert (await http.post("/responses", json=ASK | {"previous_response_id": made["id"]})).status_code == 200
    await held.later(31 * 24 * 3600)
    gone = await http.post("/responses", json=ASK | {"previous_response_id": made["id"]})
    assert gone.json()["error"]["code"] == "previous_response_not_found"
    chained, refused = (await held.paid())[-2:]
    assert chained.sent == refused.sent == [made["id"]]
    assert (refused.status, refused.drew) == (400, [])
