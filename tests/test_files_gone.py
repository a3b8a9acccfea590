"""Somebody deletes pictures from the disk: threads are shown with what is there, and go on where that is possible."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal, text_of
from mcp import Client
from mcp.types import ImageContent, ResourceLink
from test_continuing import START, asked, by_id, go_on, thread_of_two


async def tree(client: Client, thread_id: str) -> dict[str, Any]:
    return dict((await call(client, "get_image_thread", thread_id=thread_id))["thread"])


def remove(image: dict[str, Any]) -> str:
    Path(image["path"]).unlink()
    return str(image["image_id"])


@pytest.mark.parametrize("wait", [False, True])
async def test_a_thread_is_shown_without_the_picture_that_is_gone(client: Client, wait: bool) -> None:
    first = await call(client, "generate_image", n=2, **START)
    gone = remove(first["images"][0])
    result = await client.call_tool("get_image_thread", {"thread_id": first["thread_id"], "wait": wait})
    facts = result.structured_content or {}
    [warning] = facts["warnings"]
    assert not result.is_error
    assert gone in warning
    assert first["images"][1]["image_id"] not in warning
    assert warning in text_of(result)
    assert [image["image_id"] for image in facts["thread"]["turns"][0]["images"]] == [
        image["image_id"] for image in first["images"]
    ]
    assert len([block for block in result.content if isinstance(block, ImageContent)]) == (1 if wait else 0)
    assert len([block for block in result.content if isinstance(block, ResourceLink)]) == (2 if wait else 0)


async def test_a_thread_is_shown_when_the_whole_folder_is_gone(client: Client, environment: dict[str, str]) -> None:
    first = await call(client, "generate_image", **START)
    images = Path(environment["MCP_IMAGEGEN_HOME"]) / "images"
    images.rename(images.with_name("elsewhere"))
    answer = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
    assert answer["result"]["images"] == first["images"]
    assert first["images"][0]["image_id"] in answer["warnings"][0]


async def test_a_call_whose_picture_went_is_a_new_one_when_it_is_made_again(
    environment: dict[str, str], upstream: Upstream
) -> None:
    upstream.open.clear()
    async with client_of({**environment, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
        handed = await call(client, "generate_image", **START)
        upstream.open.set()
    images = Path(environment["MCP_IMAGEGEN_HOME"]) / "images" / handed["thread_id"]
    [path] = images.iterdir()
    path.unlink()
    async with client_of(environment) as client:
        again = await call(client, "generate_image", **START)
    assert [again["status"], again["reused"]] == ["completed", False]
    assert again["thread_id"] != handed["thread_id"]
    assert Path(again["images"][0]["path"]).is_file()
    assert len(upstream.seen) == 2


@pytest.mark.parametrize("history", ["image", "full"])
async def test_a_thread_goes_on_by_its_id_without_the_file(client: Client, upstream: Upstream, history: str) -> None:
    thread_id = await thread_of_two(client)
    remove((await tree(client, thread_id))["turns"][1]["images"][0])
    third = await go_on(client, thread_id, "in green", history=history)
    assert third["status"] == "completed"
    assert by_id(asked(upstream)[-1])
    assert any("gone from the image folder" in warning for warning in third["warnings"])


async def test_what_can_be_had_nowhere_is_refused_before_spending_with_a_way_out(
    client: Client, upstream: Upstream
) -> None:
    first = await call(client, "generate_image", **START)
    second = await go_on(client, first["thread_id"], "in blue")
    gone = remove(first["images"][0])
    before = list(upstream.seen)
    said = await refusal(
        client, "continue_image_thread", thread_id=first["thread_id"], prompt="in green", from_image=gone
    )
    assert said.startswith("image_not_found: ")
    assert gone in said
    assert "from_image" in said.partition("To fix: ")[2]
    assert "billed" not in said
    assert upstream.seen == before
    other = await go_on(client, first["thread_id"], "in red", from_image=second["images"][0]["image_id"])
    assert other["status"] == "completed"


async def test_a_forgotten_id_of_a_file_that_is_gone_is_refused_with_a_way_out(
    client: Client, upstream: Upstream
) -> None:
    thread_id = await thread_of_two(client)
    gone = remove((await tree(client, thread_id))["turns"][1]["images"][0])
    upstream.forget()
    ask = {"thread_id": thread_id, "prompt": "in green", "quality": "low"}
    said = [await refusal(client, "continue_image_thread", **ask) for _ in range(2)]
    for text in said:
        assert text.startswith("image_not_found: ")
        assert gone in text
        assert "billed" not in text
        assert "was sent" not in text
    assert [by_id(body) for body in asked(upstream)] == [False, True], "the dead id is not asked by again"
    first = (await tree(client, thread_id))["turns"][0]["images"][0]["image_id"]
    assert (await go_on(client, thread_id, "in red", from_image=first))["status"] == "completed"
