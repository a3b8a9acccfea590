"""A user's own models.toml and prices.toml through the tools: what a row says is what is taken and paid."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal
from mcp import Client
from stand_in import PICTURE, Said, StandIn, picture, standing_in
from state_file import rows

SMALL = {"size": "1024x1024", "quality": "low"}
ROOMY = '[[model]]\nnames = ["gpt-image-2"]\nprompt_limit = 100_000\nimage_limit = 32\n'
DEAR = """
[[image]]
models = ["gpt-image-2", "acme-draw"]
checked = 2026-11-20
tokens = "gpt-image-2"
text_input = 50
cached_text = 50
image_input = 80
cached_image = 80
image_output = 300
"""
USAGE = {
    "input_tokens": 1_010,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 1_000},
    "output_tokens": 196,
    "total_tokens": 1_206,
}
MADE = Said({"created": 1, "data": [{"b64_json": PICTURE}], "usage": USAGE})


@asynccontextmanager
async def with_tables(
    home: Path, *answers: Said, provider: str = "openai", **tables: str | bytes
) -> AsyncIterator[tuple[Client, StandIn]]:
    """A client of a server whose state folder has these tables, and the API that it asks."""
    for name, text in tables.items():
        (home / f"{name}.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (home / "cat.png").write_bytes(picture())
    async with standing_in(*(answers or [MADE])) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(home), MCP_IMAGEGEN_ROOTS=str(home))
        async with client_of({**environment, "MCP_IMAGEGEN_PROVIDER": provider}) as client:
            yield client, stand_in


async def test_a_users_row_may_take_longer_prompts_than_any_packaged_one(tmp_path: Path) -> None:
    async with with_tables(tmp_path, models=ROOMY) as (client, stand_in):
        long = "x" * 100_000
        assert (await call(client, "estimate_cost", prompt=long, **SMALL))["model"] == "gpt-image-2"
        await call(client, "generate_image", prompt=long, **SMALL)
        refused = await refusal(client, "generate_image", prompt=long + "x", **SMALL)
        [(_, body)] = stand_in.seen
    assert body["prompt"] == long
    assert refused.startswith("unsupported_option: the prompt has 100,001 characters, and gpt-image-2 takes 100,000")


async def test_a_users_row_may_take_more_images_than_any_packaged_one(tmp_path: Path) -> None:
    async with with_tables(tmp_path, models=ROOMY) as (client, stand_in):
        cat = str(tmp_path / "cat.png")
        await call(client, "estimate_cost", operation="edit", prompt="a hat", images=[cat] * 32, **SMALL)
        await call(client, "edit_image", prompt="a hat", images=[cat] * 32, **SMALL)
        refused = await refusal(client, "edit_image", prompt="a hat", images=[cat] * 33, **SMALL)
        assert len(stand_in.seen) == 1
    assert refused.startswith("unsupported_option: gpt-image-2 takes 32 images a call, not 33")


async def test_the_packaged_limits_refuse_early(tmp_path: Path) -> None:
    async with with_tables(tmp_path) as (client, stand_in):
        images = [str(tmp_path / "cat.png")] * 17
        long = await refusal(client, "generate_image", prompt="x" * 32_001, **SMALL)
        many = await refusal(client, "edit_image", prompt="a hat", images=images, **SMALL)
        priced = await refusal(client, "estimate_cost", operation="edit", prompt="a hat", images=images, **SMALL)
        assert stand_in.seen == []
    assert long.startswith("unsupported_option: the prompt has 32,001 characters, and gpt-image-2 takes 32,000")
    assert many == priced
    assert many.startswith("unsupported_option: gpt-image-2 takes 16 images a call, not 17")


async def test_what_an_unknown_model_takes_is_its_providers_to_say_up_to_a_bound(tmp_path: Path) -> None:
    async with with_tables(tmp_path) as (client, stand_in):
        cat, unknown = str(tmp_path / "cat.png"), {"model": "acme-draw", **SMALL}
        made = await call(client, "edit_image", prompt="x" * 200_000, images=[cat] * 64, **unknown)
        assert "acme-draw is not a known model: nothing is checked" in made["warnings"]
        long = await refusal(client, "edit_image", prompt="x" * 200_001, images=[cat], **unknown)
        many = await refusal(client, "edit_image", prompt="a hat", images=[cat] * 65, **unknown)
        assert len(stand_in.seen) == 1
    assert long.startswith("invalid_argument: 'prompt' is over 200,000 characters")
    assert many.startswith("invalid_argument: 'images' has over 64 items")


@pytest.mark.parametrize("row", ["prompt_limit = 200_001", "image_limit = 65"])
async def test_a_row_with_more_than_any_call_may_hold_is_refused(tmp_path: Path, row: str) -> None:
    async with with_tables(tmp_path, models=f'[[model]]\nnames = ["gpt-image-2"]\n{row}\n') as (client, _):
        refused = await refusal(client, "estimate_cost", prompt="a kite")
    assert refused.startswith("invalid_argument: ")
    assert row.partition(" ")[0] in refused


@pytest.mark.parametrize("given", [{}, {"model": "acme-draw"}], ids=["known", "unknown"])
async def test_a_users_price_row_changes_the_estimate_and_what_is_billed(tmp_path: Path, given: dict[str, Any]) -> None:
    async with with_tables(tmp_path, prices=DEAR) as (client, _):
        priced = await call(client, "estimate_cost", prompt="a kite", **SMALL, **given)
        held = await refusal(client, "generate_image", prompt="a kite", **SMALL, **given, max_cost_usd=0.05)
        made = await call(client, "generate_image", prompt="a kite", **SMALL, **given)
    [drawn] = [line for line in priced["lines"] if line["what"] == "image_output"]
    assert (drawn["tokens"], drawn["usd_per_million"], drawn["usd"]) == (196, 300, 0.0588)
    assert priced["expected_usd"] > drawn["usd"]
    assert priced["basis"] == "own"
    assert held.startswith("budget_exceeded")
    assert made["cost"]["basis"] == "billed"
    assert made["cost"]["usd"] == pytest.approx((10 * 50 + 1_000 * 80 + 196 * 300) / 1e6)


BY_IMAGE = '[[flat]]\nmodel = "acme-draw"\nchecked = 2026-11-20\nsizes = { any = "0.02" }\n'


@pytest.mark.parametrize(("prices", "usd"), [("", None), (BY_IMAGE, 0.02), (DEAR, None)], ids=["none", "flat", "token"])
async def test_a_size_that_only_an_unknown_model_has_is_passed_on_with_a_price_and_without(
    tmp_path: Path, prices: str, usd: float | None
) -> None:
    async with with_tables(tmp_path, prices=prices) as (client, stand_in):
        asked = {"prompt": "a kite", "model": "acme-draw", "size": "2K"}
        priced = await call(client, "estimate_cost", **asked)
        await call(client, "generate_image", **asked)
        [(_, body)] = stand_in.seen
    assert body["size"] == "2K"
    assert priced.get("expected_usd") == usd


BY_SIZE = """
[[flat]]
model = "acme-size"
checked = 2026-11-20
sizes = { 1024x1024 = "0.02", 1536x1024 = "0.08" }
"""
ONE_SIZE = '[[flat]]\nmodel = "acme-one"\nchecked = 2026-11-20\nsizes = { 1024x1024 = "0.03" }\n'
BY_QUALITY = """
[[flat]]
model = "acme-level"
checked = 2026-11-20
quality = "draft"
sizes = { any = "0.01" }
[[flat]]
model = "acme-level"
checked = 2026-11-20
quality = "fine"
sizes = { any = "0.05" }
"""
# What auto comes to by the answer, and what the image then costs.
CAME_TO: list[tuple[str, dict[str, str], tuple[float, str]]] = [
    ("acme-size", {"size": "1536x1024"}, (0.08, "billed")),
    ("acme-size", {"size": "1024X1024"}, (0.02, "billed")),
    ("acme-size", {"size": "2048x2048"}, (0.08, "estimated")),
    ("acme-size", {}, (0.08, "estimated")),
    ("acme-one", {"size": "2048x2048"}, (0.03, "estimated")),
    ("acme-level", {"quality": "draft"}, (0.01, "billed")),
    ("acme-level", {"quality": "fine"}, (0.05, "billed")),
    ("acme-level", {"quality": "odd"}, (0.05, "estimated")),
]


def flat_answer(pixels: tuple[int, int] = (64, 48), **said: str) -> Said:
    data = base64.b64encode(picture(size=pixels)).decode()
    return Said({"created": 1, "data": [{"b64_json": data}], **said})


async def test_what_auto_comes_to_at_a_price_for_each_image_is_open_before_and_billed_after(tmp_path: Path) -> None:
    answers = [flat_answer(**said) for _, said, _ in CAME_TO]
    async with with_tables(
        tmp_path, *answers, flat_answer((1024, 1024)), prices=BY_SIZE + ONE_SIZE + BY_QUALITY
    ) as (client, _):  # fmt: skip
        for model, low, high, open_ in (("acme-size", 0.02, 0.08, "size"), ("acme-level", 0.01, 0.05, "quality")):
            priced = await call(client, "estimate_cost", model=model)
            assert (priced["low_usd"], priced["high_usd"], priced["exact"]) == (low, high, False)
            assert f"the price is a range: auto decides the {open_}" in priced["warnings"]
        held = await refusal(client, "generate_image", prompt="a kite", model="acme-size", max_cost_usd=0.025)
        for model, said, (usd, basis) in CAME_TO:
            cost = (await call(client, "generate_image", prompt="a kite", model=model))["cost"]
            assert (cost["usd"], cost["basis"]) == (usd, basis), said
        seen = (await call(client, "generate_image", prompt="a kite", model="acme-size"))["cost"]
    assert held.startswith("budget_exceeded: this call could cost $0.08")
    assert "set size=1024x1024" in held
    assert (seen["usd"], seen["basis"]) == (0.02, "billed"), "the picture shows its size"


async def test_a_price_of_ones_own_is_called_so_for_a_retired_model_and_a_host_too(tmp_path: Path) -> None:
    own = '[[flat]]\nmodel = "dall-e-3"\nchecked = 2026-11-20\nsizes = { any = "0.07" }\n'
    own += '[[flat]]\nmodel = "gpt-image-2.5-flare"\nchecked = 2026-11-20\nsizes = { any = "0.001" }\n'
    own += '[[host]]\nmodels = ["gpt-5.4"]\nchecked = 2026-11-20\ninput = 9\ncached = 9\noutput = 9\n'
    async with with_tables(tmp_path, prices=own, provider="compatible") as (client, _):
        retired = await call(client, "estimate_cost", model="dall-e-3")
        single = await call(client, "estimate_cost", **SMALL)
        hosted = await call(client, "estimate_cost", operation="continue", **SMALL)
    assert [one["basis"] for one in (retired, single, hosted)] == ["own", "published", "own"]
    assert retired["expected_usd"] == 0.07
    assert single["alternatives"][0]["change"] == "model=gpt-image-2.5-flare", "another model, at a price that is known"


async def test_a_row_may_be_checked_tomorrow_and_not_later(tmp_path: Path) -> None:
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # somewhere on Earth it has begun
    async with with_tables(tmp_path, prices=BY_SIZE.replace("2026-11-20", str(tomorrow))) as (client, _):
        assert (await call(client, "estimate_cost", model="acme-size"))["prices_as_of"] == str(tomorrow)
    async with with_tables(tmp_path, prices=BY_IMAGE + BY_SIZE.replace("2026-11-20", "2999-01-01")) as (client, _):
        refused = await refusal(client, "estimate_cost", model="acme-size")
    assert "prices.toml, flat row 2: checked is 2999-01-01, a day that is still to come" in refused


async def test_a_size_at_a_price_for_each_image_costs_the_same_however_it_is_written(tmp_path: Path) -> None:
    async with with_tables(tmp_path, flat_answer(), prices=BY_SIZE) as (client, _):
        made = await call(
            client, "generate_image", prompt="a kite", model="acme-size", size="1024X1024", max_cost_usd=1
        )
    entry = {"nano": 20_000_000, "basis": "billed", "expected_nano": 20_000_000}
    assert made["cost"]["usd"] == 0.02
    assert rows(tmp_path, "SELECT nano, basis, expected_nano FROM ledger_entries") == [entry]


async def test_auto_comes_to_the_sizes_that_a_users_row_names(tmp_path: Path) -> None:
    named = ["2048x2048", "3840x2160"]
    models = f'[[model]]\nnames = ["acme-draw"]\nlike = "gpt-image-2"\nsizes = {named}\n'
    async with with_tables(tmp_path, models=models, prices=DEAR) as (client, _):
        asked = {"prompt": "a kite", "model": "acme-draw", "quality": "high"}
        auto, *fixed = [await call(client, "estimate_cost", **asked, size=size) for size in ("auto", *named)]
    assert auto["expected_usd"] == fixed[0]["expected_usd"]
    assert auto["low_usd"] == min(one["low_usd"] for one in fixed)
    assert auto["high_usd"] == max(one["high_usd"] for one in fixed)


async def test_tables_that_a_windows_editor_saved_are_read(tmp_path: Path) -> None:
    """With a byte order mark, and lines that end in two characters."""
    tables = {
        name: b"\xef\xbb\xbf" + text.strip().replace("\n", "\r\n").encode()
        for name, text in (("models", ROOMY), ("prices", DEAR))
    }
    async with with_tables(tmp_path, **tables) as (client, _):
        priced = await call(client, "estimate_cost", prompt="x" * 50_000, **SMALL)
    assert {line["usd_per_million"] for line in priced["lines"] if line["what"] == "image_output"} == {300}


@pytest.mark.parametrize(
    "option",
    [{}, {"background": "transparent"}, {"moderation": "low"}, {"output_format": "webp", "output_compression": 50}],
)
async def test_a_users_model_is_offered_only_for_what_it_takes(tmp_path: Path, option: dict[str, Any]) -> None:
    row = '[[model]]\nnames = ["acme-draw"]\nlike = "gpt-image-2"\ntransparency = "no"\noptions = []\n'
    cheap = '[[flat]]\nmodel = "acme-draw"\nchecked = 2026-11-20\nsizes = { any = "0.001" }\n'
    async with with_tables(tmp_path, models=row, prices=cheap) as (client, _):
        found = await call(client, "estimate_cost", prompt="a mill", **SMALL, **option)
    assert ("model=acme-draw" in [other["change"] for other in found["alternatives"]]) == (not option)
