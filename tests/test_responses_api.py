"""Generations and edits that start in the Responses API, by MCP_IMAGEGEN_API=responses."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import Upstream, held
from doors import call, client_of, refusal
from mcp import Client
from pictures import alpha_mask, png, saved

SMALL = {"size": "1024x640", "quality": "low"}


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    async with held(client_of({**environment, "MCP_IMAGEGEN_API": "responses"})) as connected:
        yield connected


async def test_a_generation_keeps_its_ids_and_revised_prompt_from_the_first_turn(
    client: Client, upstream: Upstream
) -> None:
    first = await call(client, "generate_image", prompt="a stove", **SMALL)
    sent = upstream.asked[-1]
    tool = sent.fields["tools"][0]
    assert sent.path == "/v1/responses"
    assert [tool["action"], tool["model"], sent.fields["model"]] == ["generate", "gpt-image-2", "gpt-5.4"]
    assert sent.fields["tool_choice"] == {"type": "image_generation"}
    assert first["images"][0]["call_id"].startswith("ig_")
    assert first["images"][0]["revised_prompt"]
    assert set(first["usage"]) == {"image_model", "host_model"}
    await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in red", **SMALL)
    assert upstream.asked[-1].fields["input"][0]["id"] == first["images"][0]["call_id"]


async def test_an_edit_sends_its_images_and_mask(client: Client, upstream: Upstream, work: Path) -> None:
    base = saved(work / "a.png", png((1024, 640)))
    mask = saved(work / "m.png", alpha_mask((1024, 640), (10, 10, 200, 200)))
    edited = await call(client, "edit_image", prompt="a hat", images=[base], mask=mask, **SMALL)
    fields = upstream.asked[-1].fields
    parts = fields["input"][0]["content"]
    assert edited["status"] == "completed"
    assert [part["type"] for part in parts] == ["input_text", "input_image"]
    assert fields["tools"][0]["action"] == "edit"
    assert "input_image_mask" in fields["tools"][0]


async def test_only_one_image_a_call(client: Client, upstream: Upstream) -> None:
    text = await refusal(client, "generate_image", prompt="a stove", n=2, **SMALL)
    assert text.startswith("unsupported_option: ")
    assert upstream.seen == []


async def test_the_estimate_counts_the_host_model_too(client: Client) -> None:
    price = await call(client, "estimate_cost", prompt="a stove", size="1024x1024", quality="low")
    assert {"host_input", "host_output"} <= {line["what"] for line in price["lines"]}
