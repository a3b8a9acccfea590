"""Threads and images of somebody else are as unknown as those that never were, wherever they are named."""

from pathlib import Path

import pytest
from conftest import Upstream
from doors import call, refusal
from mcp import Client, MCPError
from state_file import execute

SMALL = {"size": "1024x640", "quality": "low"}


@pytest.fixture
async def theirs(client: Client, environment: dict[str, str], upstream: Upstream) -> tuple[str, str]:
    """Thread and image of somebody else, on whom the key is not out."""
    made = await call(client, "generate_image", prompt="a mill", **SMALL)
    execute(Path(environment["MCP_IMAGEGEN_HOME"]), "UPDATE threads SET owner = 'somebody else'")
    upstream.sandbox.requests.clear()
    return made["thread_id"], made["images"][0]["image_id"]


async def told(client: Client, tool: str, thread_id: str, image_id: str, own: dict[str, str]) -> list[str]:
    """What is said wherever this thread and this image are named."""
    prompt = {"prompt": "at night"}
    asks = {
        "continue_image_thread": [
            {**prompt, "thread_id": thread_id},
            {**prompt, "thread_id": own["thread_id"], "from_image": image_id},
            {**prompt, "thread_id": own["thread_id"], "images": [image_id]},
            {**prompt, "thread_id": own["thread_id"], "mask": image_id},
        ],
        "edit_image": [
            {**prompt, "images": [image_id]},
            {**prompt, "images": [own["image_id"], image_id]},
            {**prompt, "images": [own["image_id"]], "mask": image_id},
        ],
        "estimate_cost": [
            {"operation": "continue", "thread_id": thread_id},
            {"operation": "continue", "thread_id": own["thread_id"], "from_image": image_id},
            {"operation": "edit", "images": [image_id]},
        ],
        "get_image_thread": [{"thread_id": thread_id}, {"thread_id": thread_id, "wait": True}],
    }
    return [await refusal(client, tool, **ask) for ask in asks[tool]]


@pytest.mark.parametrize("tool", ["continue_image_thread", "edit_image", "estimate_cost", "get_image_thread"])
async def test_an_id_of_somebody_else_is_refused_as_one_that_never_was(
    client: Client, upstream: Upstream, theirs: tuple[str, str], tool: str
) -> None:
    mine = await call(client, "generate_image", prompt="a well", **SMALL)
    own = {"thread_id": mine["thread_id"], "image_id": mine["images"][0]["image_id"]}
    before = list(upstream.seen)
    never = ("thr_" + "0" * 32, "img_" + "0" * 32)
    said, unknown = await told(client, tool, *theirs, own), await told(client, tool, *never, own)
    for id_, nobodys in zip(theirs, never, strict=True):
        said = [text.replace(id_, nobodys) for text in said]
    assert said == unknown
    assert {text.partition(":")[0] for text in said} <= {"thread_not_found", "image_not_found"}
    assert upstream.seen == before


async def test_resources_of_somebody_else_are_not_found_and_not_listed(client: Client, theirs: tuple[str, str]) -> None:
    thread_id, image_id = theirs
    for uri in (f"thread://{thread_id}", f"image://{image_id}"):
        with pytest.raises(MCPError):
            await client.read_resource(uri)
    assert (await call(client, "get_image_thread"))["threads"] == []
