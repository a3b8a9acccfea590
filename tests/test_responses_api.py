"""Generations and edits that start in the Responses API, by MCP_IMAGEGEN_API=responses."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream, held
from doors import call, client_of, refusal, text_of
from mcp import Client
from mcp.types import BlobResourceContents, TextResourceContents
from openai_bodies import image_call, item_done, response, sse
from pictures import alpha_mask, opened, png, saved
from stand_in import standing_in, streamed
from state_file import rows

SMALL = {"size": "1024x640", "quality": "low"}
RESPONSES = {"MCP_IMAGEGEN_API": "responses"}


@pytest.fixture
async def client(environment: dict[str, str]) -> AsyncIterator[Client]:
    async with held(client_of({**environment, **RESPONSES})) as connected:
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
    assert first["images"][0]["action"] == "generate"
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


async def test_a_thread_shows_the_response_and_the_action_of_each_turn(
    client: Client, environment: dict[str, str], upstream: Upstream
) -> None:
    first = await call(client, "generate_image", prompt="a stove", **SMALL)
    await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in red", history="full", **SMALL)
    chained = upstream.asked[-1].fields["previous_response_id"]
    tree = (await call(client, "get_image_thread", thread_id=first["thread_id"]))["thread"]
    (resource,) = (await client.read_resource(f"thread://{first['thread_id']}")).contents
    assert isinstance(resource, TextResourceContents)
    assert json.loads(resource.text) == tree
    one, two = tree["turns"]
    assert one["response_id"] == chained
    assert two["response_id"].startswith("resp_")
    assert two["response_id"] != chained
    assert [turn["images"][0]["action"] for turn in (one, two)] == ["generate", "edit"]
    stored = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT response_id FROM turns ORDER BY number")
    assert [row["response_id"] for row in stored] == [one["response_id"], two["response_id"]]


async def test_the_response_of_a_running_turn_is_recorded_before_its_end(tmp_path: Path) -> None:
    """By its id an answer that is cut off can be fetched."""
    begun = {"type": "response.created", "response": response(status="in_progress", output=[]), "sequence_number": 0}
    (first,) = sse(begun)
    held = replace(streamed(begun, item_done(image_call(png()))), upto=len(first), held=asyncio.Event())
    async with standing_in(held) as stand_in:
        given = {"MCP_IMAGEGEN_HOME": str(tmp_path), "MCP_IMAGEGEN_MAX_WAIT_S": "0.01", "MCP_IMAGEGEN_DRAIN_S": "0"}
        async with client_of(stand_in.environment(**given, **RESPONSES)) as client, asyncio.timeout(60):
            running = await call(client, "generate_image", prompt="a stove", partial_images=1)
            turn: dict[str, Any] = {}
            while "response_id" not in turn:
                tree = (await call(client, "get_image_thread", thread_id=running["thread_id"]))["thread"]
                (turn,) = tree["turns"]
    assert (turn["status"], turn["response_id"]) == ("in_progress", "resp_1")


@pytest.mark.parametrize("continues", [False, True])
async def test_partial_frames_of_a_response_are_announced_and_can_be_read(client: Client, continues: bool) -> None:
    told: list[str] = []

    async def on_progress(_: float, __: float | None, message: str | None) -> None:
        told.append(message or "")

    tool, given = "generate_image", {"prompt": "a comet", "partial_images": 2, **SMALL}
    if continues:
        first = await call(client, "generate_image", prompt="a sky", **SMALL)
        tool, given = "continue_image_thread", given | {"thread_id": first["thread_id"]}
    result = await client.call_tool(tool, given, progress_callback=on_progress)
    assert not result.is_error, text_of(result)
    frames = [message for message in told if message.startswith("frame")]
    assert [frame.split(":")[0] for frame in frames] == ["frame 1 of 2", "frame 2 of 2"]
    assert told.index(frames[0]) < told.index("saving"), "the picture itself came later"
    (resource,) = (await client.read_resource(frames[0].partition(": ")[2])).contents
    assert isinstance(resource, BlobResourceContents)
    assert opened(base64.b64decode(resource.blob)).size == (1024, 640)


async def test_an_edit_counts_the_images_that_it_names_and_no_other(
    client: Client, upstream: Upstream, work: Path
) -> None:
    base = saved(work / "a.png", png((64, 64)))
    made = await call(client, "edit_image", prompt="a hat", images=[base] * 16, **SMALL)
    price = await call(client, "estimate_cost", operation="edit", images=[base] * 16, **SMALL)
    parts = upstream.asked[-1].fields["input"][0]["content"]
    assert [part["type"] for part in parts] == ["input_text", *["input_image"] * 16]
    assert made["warnings"] == []
    (said,) = price["warnings"]
    assert said.startswith("the price is a range: ")


@pytest.mark.parametrize(
    ("operation", "images", "hinted"),
    [("edit", 5, False), ("edit", 6, True), ("continue", 4, False), ("continue", 5, True)],
)
async def test_the_image_that_a_turn_starts_from_counts_only_where_there_is_one(
    environment: dict[str, str], work: Path, operation: str, images: int, hinted: bool
) -> None:
    given = {"operation": operation, "images": [saved(work / "a.png", png((64, 64)))] * images}
    async with client_of({**environment, **RESPONSES, "MCP_IMAGEGEN_PROVIDER": "compatible"}) as client:
        price = await call(client, "estimate_cost", **given, model="gpt-image-1.5", input_fidelity="high")
    assert any("first five images" in warning for warning in price["warnings"]) == hinted


async def test_one_image_alone_is_not_combined(client: Client, work: Path) -> None:
    given = {"operation": "edit", "prompt": "combine day and night"}
    base = saved(work / "a.png", png((64, 64)))
    alone, two = [await call(client, "estimate_cost", **given, images=[base] * count) for count in (1, 2)]
    assert [any("draw or edit" in warning for warning in price["warnings"]) for price in (alone, two)] == [False, True]


@pytest.mark.parametrize(
    ("model", "tool"), [("dall-e-3", "generate_image"), ("dall-e-2", "edit_image"), ("dall-e-2", "variations")]
)
async def test_a_model_of_the_image_api_alone_is_refused_with_the_setting(
    environment: dict[str, str], upstream: Upstream, work: Path, model: str, tool: str
) -> None:
    given = {} if tool == "generate_image" else {"images": [saved(work / "a.png", png((64, 64)))]}
    named = {} if tool == "variations" else {"prompt": "a stove"}
    async with client_of({**environment, **RESPONSES, "MCP_IMAGEGEN_PROVIDER": "compatible"}) as client:
        text = await refusal(client, "edit_image" if tool == "variations" else tool, model=model, **given, **named)
    assert text.startswith(f"unsupported_option: {model} is not in the Responses API")
    assert "set MCP_IMAGEGEN_API to image" in text
    assert upstream.seen == []


async def test_an_option_that_the_image_tool_lacks_is_refused_by_the_name_of_the_api(
    client: Client, upstream: Upstream, work: Path
) -> None:
    base = saved(work / "a.png", png((64, 64)))
    given = {"images": [base], "model": "gpt-image-2.5-flare", "extra": {"markup": base}}
    text = await refusal(client, "edit_image", prompt="as marked", **given)
    assert text.startswith("unsupported_option: gpt-image-2.5-flare has no option 'markup' in the Responses API")
    assert text.endswith("or set MCP_IMAGEGEN_API to image so that the Image API is asked")
    assert upstream.seen == []


async def test_only_one_image_a_call(client: Client, upstream: Upstream) -> None:
    text = await refusal(client, "generate_image", prompt="a stove", n=2, **SMALL)
    assert text.startswith("unsupported_option: ")
    assert upstream.seen == []


async def test_the_estimate_counts_the_host_model_too(client: Client) -> None:
    price = await call(client, "estimate_cost", prompt="a stove", size="1024x1024", quality="low")
    assert {"host_input", "host_output"} <= {line["what"] for line in price["lines"]}
