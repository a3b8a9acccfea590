"""Connections that are lost in the middle of an answer: a sandbox that stands still at a byte, and then hangs up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from holding import HeldSandbox, held_sandbox
from pydantic import SecretStr
from sandbox_support import SMALL

from mcp_imagegen.errors import UpstreamTimeout
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.spool import Copy, Spool
from mcp_imagegen.openai_api.values import Event, Finished, Frame, Made, Named, ResponsesCall

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def held() -> AsyncIterator[HeldSandbox]:
    """One process for all tests here."""
    async with held_sandbox() as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(held: HeldSandbox) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(base_url=held.url, api_key=SecretStr("sk-test-0123456789"), trust_env=False)
    yield client
    await client.aclose()


def call(**how: Any) -> ResponsesCall:
    return ResponsesCall("gpt-5.4", "gpt-image-2", "A pier", options={"size": SMALL, "quality": "low"}, **how)


async def cut(held: HeldSandbox, client: OpenAIClient, call: ResponsesCall, place: int, copy: Copy) -> list[Event]:
    """What comes of a call where the first answer that is longer than `place` bytes is lost there."""
    came: list[Event] = []

    async def send() -> None:
        with suppress(UpstreamTimeout):
            came.extend([event async for event in client.send(call, copy=copy)])

    await held.hold(place)
    sending = asyncio.create_task(send())
    assert await held.held()
    await held.drop()
    await sending
    return came


@pytest.mark.parametrize("place", [2_000, 50_000, 95_000, 185_000, 300_000])
async def test_a_stream_in_the_background_loses_nothing_wherever_it_is_cut(
    held: HeldSandbox, client: OpenAIClient, tmp_path: Path, place: int
) -> None:
    before, copy = len(await held.paid()), Spool(tmp_path).copy("thr_7-001")
    came = await cut(held, client, call(background=True, partial_images=2), place, copy)
    assert [type(event) for event in came] == [Named, Frame, Frame, Made, Finished]
    [paid] = (await held.paid())[before:]
    assert paid.drew == ["A pier"]
    assert [event async for event in client.spooled(copy)] == came


@pytest.mark.parametrize("place", [2_000, 20_000, 35_000])
async def test_a_response_in_the_background_is_had_although_its_answer_is_cut(
    held: HeldSandbox, client: OpenAIClient, tmp_path: Path, place: int
) -> None:
    before, copy = len(await held.paid()), Spool(tmp_path).copy("thr_7-001")
    came = await cut(held, client, call(background=True), place, copy)
    assert [type(event) for event in came] == [Named, Made, Finished]
    [paid] = (await held.paid())[before:]
    assert paid.drew == ["A pier"]
    assert [event async for event in client.spooled(copy)] == came
