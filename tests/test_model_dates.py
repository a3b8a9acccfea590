"""A model that is near its end says so in every result; past it, OpenAI is not asked."""

from datetime import UTC, datetime

import pytest
from days import on
from doors import call, refusal

ENDING = {"model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"}
ENDS = "OpenAI shuts gpt-image-1.5 down on 2026-12-01"


async def test_a_model_near_its_end_warns_in_every_result(environment: dict[str, str]) -> None:
    async with on(datetime(2026, 11, 20, tzinfo=UTC), environment) as (client, _):
        first = await call(client, "generate_image", prompt="a kite", **ENDING)
        image = first["images"][0]["image_id"]
        answers = [
            first,
            await call(client, "edit_image", prompt="in red", images=[image], **ENDING),
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in blue", quality="low"),
            await call(client, "estimate_cost", prompt="a kite", **ENDING),
            await call(client, "estimate_cost", operation="continue", thread_id=first["thread_id"], quality="low"),
        ]
    for answer in answers:
        assert [warning for warning in answer["warnings"] if warning.startswith(f"{ENDS}, 11 days from now")]


async def test_a_model_near_its_end_warns_where_its_provider_refuses(environment: dict[str, str]) -> None:
    async with on(datetime(2026, 11, 20, tzinfo=UTC), environment) as (client, _):
        text = await refusal(client, "generate_image", prompt="a kite, sandbox:quota", **ENDING)
    assert text.startswith("quota_exhausted: ")
    assert f"\nWarning: {ENDS}, 11 days from now; then use gpt-image-2.5-sunburst" in text


async def test_more_than_60_days_before_nothing_is_said(environment: dict[str, str]) -> None:
    async with on(datetime(2026, 10, 1, tzinfo=UTC), environment) as (client, _):
        price = await call(client, "estimate_cost", prompt="a kite", **ENDING)
    assert price["warnings"] == []


@pytest.mark.parametrize("asked", [{"prompt": "in red"}, {}], ids=["edit", "variations"])
async def test_dall_e_is_refused_with_its_successor(environment: dict[str, str], asked: dict[str, str]) -> None:
    async with on(datetime(2026, 11, 20, tzinfo=UTC), environment) as (client, sandbox):
        text = await refusal(client, "edit_image", images=["file-1"], model="dall-e-2", **asked)
    assert text.startswith("model_retired: OpenAI shut dall-e-2 down on 2026-05-12")
    assert "use gpt-image-2" in text
    assert sandbox.requests == []


@pytest.mark.parametrize("tool", ["generate_image", "estimate_cost"])
async def test_past_its_end_a_model_is_refused_with_its_successor(environment: dict[str, str], tool: str) -> None:
    async with on(datetime(2026, 12, 1, tzinfo=UTC), environment) as (client, sandbox):
        text = await refusal(client, tool, prompt="a kite", **ENDING)
    assert text.startswith("model_retired: OpenAI shut gpt-image-1.5 down on 2026-12-01")
    assert "use gpt-image-2.5-sunburst" in text
    assert sandbox.requests == []
