"""The main job through every door: generate, edit with a mask, continue twice, estimate, look back, read resources."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import DOORS, Era, Transport, call, client_of, text_of
from mcp import Client
from mcp.types import BlobResourceContents, ImageContent, ResourceLink, TextResourceContents
from pictures import alpha_mask, opened
from PIL import ImageChops

SMALL = "1024x640"  # near the smallest the newest models take, so that the tests are quick
PROCESSES: list[tuple[Transport, Era]] = [("serve" if door == "http" else door, era) for door, era in DOORS]


@pytest.mark.parametrize(("transport", "era"), PROCESSES)
async def test_the_main_job_holds_through_every_door(
    environment: dict[str, str], upstream: Upstream, transport: Transport, era: Era
) -> None:
    async with client_of(environment, transport, era) as client:
        first = await call(client, "generate_image", prompt="a red kite", size=SMALL, quality="low")
        mask = "data:image/png;base64," + base64.b64encode(alpha_mask((1024, 640), (100, 100, 400, 400))).decode()
        edited = await call(
            client,
            "edit_image",
            prompt="a moon",
            images=[first["images"][0]["image_id"]],
            mask=mask,
            size=SMALL,
            quality="low",
        )
        thread, origin = edited["thread_id"], edited["images"][0]["image_id"]
        second = await call(client, "continue_image_thread", thread_id=thread, prompt="stormier", quality="low")
        branch = await call(
            client, "continue_image_thread", thread_id=thread, prompt="snow", from_image=origin, quality="low"
        )
        price = await call(client, "estimate_cost", prompt="a kite", size="3840x2160", quality="high")
        tree = (await call(client, "get_image_thread", thread_id=thread))["thread"]
        original = await image_bytes(client, origin)
        listed = await call(client, "get_image_thread")
        resource = (await client.read_resource(f"thread://{thread}")).contents[0]

    assert [first["turn"], edited["turn"], second["turn"], branch["turn"]] == [1, 1, 2, 3]
    assert upstream.seen == [
        "POST /v1/images/generations",
        "POST /v1/images/edits",
        "POST /v1/responses",
        "POST /v1/responses",
    ]
    assert [turn.get("from_image") for turn in tree["turns"]] == [None, origin, origin]
    assert [turn.get("parent_turn") for turn in tree["turns"]] == [None, 1, 1]
    assert [tree["title"], tree["owner"]] == ["a moon", "local"]
    if (transport, era) != ("serve", "legacy"):  # whose requests, each standing alone, do not name their client
        assert tree["label"].split()[0] == "mcp"
    assert tree["cost_usd"] == pytest.approx(sum(a["cost"]["usd"] for a in (edited, second, branch)))
    assert all(answer["cost"]["basis"] == "billed" for answer in (first, edited, second, branch))
    assert second["images"][0]["call_id"].startswith("ig_")
    assert price["exact"]
    assert price["lines"][-1]["tokens"] == 13342
    assert opened(original).size == (1024, 640)
    assert {row["thread_id"] for row in listed["threads"]} == {first["thread_id"], thread}
    assert isinstance(resource, TextResourceContents)
    assert json.loads(resource.text) == tree
    assert ("path" in edited["images"][0]) == (transport != "serve"), "a path means nothing to a client elsewhere"


async def image_bytes(client: Client, image_id: str) -> bytes:
    content = (await client.read_resource(f"image://{image_id}")).contents[0]
    assert isinstance(content, BlobResourceContents)
    return base64.b64decode(content.blob)


async def test_an_edit_changes_nothing_outside_the_mask(client: Client, work: Path) -> None:
    first = await call(client, "generate_image", prompt="a barn", size=SMALL, quality="low")
    mask_path = work / "mask.png"
    mask_path.write_bytes(alpha_mask((1024, 640), (200, 200, 500, 400)))
    edited = await call(
        client,
        "edit_image",
        prompt="a window",
        images=[first["images"][0]["image_id"]],
        mask=str(mask_path),
        size=SMALL,
        quality="low",
    )
    before, after = (opened(Path(a["images"][0]["path"]).read_bytes()).convert("RGB") for a in (first, edited))
    changed = ImageChops.difference(before, after).getbbox()
    assert changed is not None
    assert changed[0] >= 200
    assert changed[1] >= 200
    assert changed[2] <= 501
    assert changed[3] <= 401


async def test_a_continuation_is_sent_by_call_id_and_each_user_turn_once(client: Client, upstream: Upstream) -> None:
    first = await call(client, "generate_image", prompt="a kettle", size=SMALL, quality="low")
    thread = first["thread_id"]
    second = await call(client, "continue_image_thread", thread_id=thread, prompt="in blue", quality="low")
    await call(client, "continue_image_thread", thread_id=thread, prompt="in green", quality="low")
    by_image, by_id = (request.fields for request in upstream.asked[-2:])
    assert [item.get("type", "message") for item in by_image["input"]] == ["message"]
    assert by_id["input"][0] == {"type": "image_generation_call", "id": second["images"][0]["call_id"]}
    assert json.dumps(by_id).count("in green") == 1
    assert "in blue" not in json.dumps(by_id)
    assert [by_id["tools"][0]["model"], by_id["model"]] == ["gpt-image-2", "gpt-5.4"]


async def test_history_full_chains_with_the_previous_response(client: Client, upstream: Upstream) -> None:
    first = await call(client, "generate_image", prompt="a kettle", size=SMALL, quality="low")
    thread = first["thread_id"]
    await call(client, "continue_image_thread", thread_id=thread, prompt="in blue", quality="low")
    await call(
        client, "continue_image_thread", thread_id=thread, prompt="in green", quality="low", history="full"
    )  # fmt: skip
    sent = upstream.asked[-1].fields
    assert sent["previous_response_id"].startswith("resp_")
    assert [item.get("type", "message") for item in sent["input"]] == ["message"]


async def test_a_thread_goes_on_from_its_saved_image_when_the_api_forgot_it(
    client: Client, environment: dict[str, str], upstream: Upstream
) -> None:
    first = await call(client, "generate_image", prompt="a kettle", size=SMALL, quality="low")
    thread = first["thread_id"]
    await call(client, "continue_image_thread", thread_id=thread, prompt="in blue", quality="low")
    upstream.forget()
    third = await call(client, "continue_image_thread", thread_id=thread, prompt="in green", quality="low")
    assert third["status"] == "completed"
    assert any("saved image" in warning for warning in third["warnings"])
    assert upstream.seen[-2:] == ["POST /v1/responses", "POST /v1/responses"]


async def test_a_thread_is_continued_after_a_restart(environment: dict[str, str]) -> None:
    async with client_of(environment, "stdio") as client:
        first = await call(client, "generate_image", prompt="a harbour", size=SMALL, quality="low")
    async with client_of(environment, "stdio") as client:
        second = await call(
            client, "continue_image_thread", thread_id=first["thread_id"], prompt="at night", quality="low"
        )
    assert [second["status"], second["turn"]] == ["completed", 2]


async def test_partial_frames_are_announced_before_the_end_and_can_be_read(client: Client) -> None:
    told: list[tuple[float, str]] = []

    async def on_progress(progress: float, _: float | None, message: str | None) -> None:
        told.append((progress, message or ""))

    result = await client.call_tool(
        "generate_image",
        {"prompt": "a comet", "size": SMALL, "quality": "low", "partial_images": 2},
        progress_callback=on_progress,
    )
    assert not result.is_error, text_of(result)
    frames = [message for _, message in told if message.startswith("frame")]
    assert [frame.split(":")[0] for frame in frames] == ["frame 1 of 2", "frame 2 of 2"]
    assert [progress for progress, _ in told] == sorted({progress for progress, _ in told})
    assert [message for _, message in told][:2] == ["preparing", "queued"]
    frame_id = frames[0].rsplit("/", 1)[-1]
    assert opened(await image_bytes(client, frame_id)).size == (1024, 640)


async def test_several_images_come_with_previews_and_links_and_the_tip_is_the_first(client: Client) -> None:
    result = await client.call_tool("generate_image", {"prompt": "owls", "n": 3, "size": SMALL, "quality": "low"})
    answer = result.structured_content or {}
    links = [block for block in result.content if isinstance(block, ResourceLink)]
    previews = [block for block in result.content if isinstance(block, ImageContent)]
    ids = [image["image_id"] for image in answer["images"]]
    assert [link.uri for link in links] == [f"image://{image_id}" for image_id in ids]
    assert [link.annotations.audience for link in links if link.annotations] == [["user"]] * 3
    assert len(previews) == 3
    assert all(max(opened(base64.b64decode(block.data)).size) == 512 for block in previews)
    assert len(result.model_dump_json()) < 1_000_000
    nexts = await call(client, "continue_image_thread", thread_id=answer["thread_id"], prompt="at dawn", quality="low")
    tree = (await call(client, "get_image_thread", thread_id=answer["thread_id"]))["thread"]
    assert tree["turns"][1]["from_image"] == ids[0]
    assert any("3 images" in warning or "several" in warning for warning in nexts["warnings"])


async def test_originals_are_kept_byte_for_byte(client: Client, upstream: Upstream) -> None:
    answer = await call(client, "generate_image", prompt="a clock", size=SMALL, quality="low", output_format="webp")
    picture = answer["images"][0]
    on_disk = Path(picture["path"]).read_bytes()
    assert on_disk == await image_bytes(client, picture["image_id"])
    assert [len(on_disk), picture["mime_type"]] == [picture["bytes"], "image/webp"]


def facts_of(values: Any) -> list[str]:
    """Every leaf of the structured content as the text shows it."""
    if isinstance(values, dict):
        return [fact for value in values.values() for fact in facts_of(value)]
    if isinstance(values, list):
        return [fact for value in values for fact in facts_of(value)]
    if isinstance(values, bool):
        return ["yes" if values else "no"]
    return [f"{values:.9f}".rstrip("0").rstrip(".") if isinstance(values, float) else str(values)]


async def test_the_text_says_the_same_facts_as_the_structured_content(client: Client) -> None:
    for tool, arguments in {
        "generate_image": {"prompt": "a gate", "size": SMALL, "quality": "low"},
        "estimate_cost": {"prompt": "a gate", "size": SMALL},
        "get_image_thread": {},
    }.items():
        result = await client.call_tool(tool, arguments)
        text = text_of(result)
        assert result.structured_content is not None
        assert [fact for fact in facts_of(result.structured_content) if fact not in text] == []


async def test_the_default_provider_is_a_sandbox_and_says_so(tmp_path: Path) -> None:
    async with client_of({"MCP_IMAGEGEN_HOME": str(tmp_path)}, "stdio") as client:
        result = await client.call_tool("generate_image", {"prompt": "a gate", "size": SMALL, "quality": "low"})
    answer = result.structured_content or {}
    assert text_of(result).startswith("Sandbox")
    assert answer["warnings"][0].startswith("Sandbox")
    assert answer["provider"] == "sandbox"
