"""Which calls are the same: a picture that was left alone answers only the call that would make it again."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of
from mcp import Client
from pictures import alpha_mask, png, saved
from state_file import turns, until

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}


async def left(client: Client, environment: dict[str, str], upstream: Upstream, tool: str, ask: dict[str, Any]) -> None:
    """A call whose caller leaves while its picture is drawn, which is then made."""
    upstream.drew.clear()
    upstream.open.clear()
    calling = asyncio.create_task(client.call_tool(tool, ask))
    await upstream.drew.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await until(lambda: turns(environment)[-1]["abandoned_at"] is not None)
    upstream.open.set()
    await until(lambda: turns(environment)[-1]["status"] == "completed")


@pytest.mark.parametrize("moved_on", [False, True])
async def test_a_continuation_is_the_same_as_long_as_it_would_go_on_from_the_same_image(
    client: Client, environment: dict[str, str], upstream: Upstream, *, moved_on: bool
) -> None:
    first = await call(client, "generate_image", **ASK)
    brighter = {"thread_id": first["thread_id"], "prompt": "brighter", "quality": "low"}
    await left(client, environment, upstream, "continue_image_thread", brighter)
    newest = first
    if moved_on:
        older = first["images"][0]["image_id"]
        newest = await call(client, "continue_image_thread", **{**brighter, "prompt": "a hat"}, from_image=older)
    again = await call(client, "continue_image_thread", **brighter)
    thread = (await call(client, "get_image_thread", thread_id=first["thread_id"]))["thread"]
    turn = thread["turns"][again["turn"] - 1]
    assert again["reused"] is not moved_on
    assert turn["from_image"] == newest["images"][0]["image_id"]


async def test_two_continuations_that_were_left_alone_together_are_both_collected(
    client: Client, environment: dict[str, str], upstream: Upstream
) -> None:
    """Neither caller knew of the other's image."""
    first = await call(client, "generate_image", **ASK)
    asks = [{"thread_id": first["thread_id"], "prompt": prompt, "quality": "low"} for prompt in ("brighter", "darker")]
    upstream.open.clear()
    calling = [asyncio.create_task(client.call_tool("continue_image_thread", ask)) for ask in asks]
    await until(lambda: len(upstream.seen) == 3)
    for one in calling:
        one.cancel()
    await asyncio.wait(calling)
    upstream.open.set()
    await until(lambda: [turn["status"] for turn in turns(environment)] == ["completed"] * 3)
    again = await asyncio.gather(*(call(client, "continue_image_thread", **ask) for ask in asks))
    assert [one["reused"] for one in again] == [True, True]
    assert len(upstream.seen) == 3


@pytest.mark.parametrize("argument", ["images", "mask"])
async def test_a_file_that_has_changed_makes_another_call(
    client: Client, environment: dict[str, str], upstream: Upstream, work: Path, argument: str
) -> None:
    picture = saved(work / "cat.png", png((64, 64)))
    over = saved(work / "over.png", alpha_mask((64, 64), (0, 0, 32, 32)))
    ask: dict[str, Any] = {**ASK, "images": [picture]}
    changed = Path(picture if argument == "images" else over)
    if argument == "mask":
        ask["mask"] = over
    await left(client, environment, upstream, "edit_image", ask)
    same = await call(client, "edit_image", **ask)
    await left(client, environment, upstream, "edit_image", ask)
    status = changed.stat()
    os.utime(changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    other = await call(client, "edit_image", **ask)
    assert [same["reused"], other["reused"]] == [True, False]


@pytest.mark.parametrize(
    "others",
    [
        {"MCP_IMAGEGEN_MODEL": "gpt-image-2.5-flare"},
        {"MCP_IMAGEGEN_API": "responses"},
        {"MCP_IMAGEGEN_PROVIDER": "compatible"},
        {"OPENAI_ORG_ID": "org-2"},
    ],
    ids=lambda others: str(*others),
)
async def test_the_same_call_with_other_defaults_or_another_account_is_another(
    client: Client, environment: dict[str, str], upstream: Upstream, others: dict[str, str]
) -> None:
    await left(client, environment, upstream, "generate_image", ASK)
    async with client_of({**environment, **others}) as another:
        other = await call(another, "generate_image", **ASK)
    same = await call(client, "generate_image", **ASK)
    assert [other["reused"], same["reused"]] == [False, True]


@pytest.mark.parametrize("others", [{"MCP_IMAGEGEN_MODEL": "gpt-image-2.5-flare"}, {"MCP_IMAGEGEN_MAX_WAIT_S": "30"}])
async def test_settings_that_change_nothing_in_a_call_leave_it_the_same(
    client: Client, environment: dict[str, str], upstream: Upstream, others: dict[str, str]
) -> None:
    ask = {**ASK, "model": "gpt-image-2"}
    await left(client, environment, upstream, "generate_image", ask)
    async with client_of({**environment, **others}) as another:
        assert (await call(another, "generate_image", **ask))["reused"]
