"""estimate_cost through a client: what it measures of the inputs, and that it neither sends, writes nor decodes."""

import io
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from conftest import Upstream
from days import on
from doors import call, client_of, refusal
from mcp import Client
from pictures import alpha_mask, encoded, png, saved
from PIL import Image
from state_file import rows

from mcp_imagegen.pricing.table import packaged

EDIT = {"operation": "edit", "prompt": "in blue", "size": "1024x1024", "quality": "low"}


def image_tokens(estimate: dict[str, object]) -> int:
    lines = estimate["lines"]
    assert isinstance(lines, list)
    return sum(line["tokens"] for line in lines if line["what"] == "image_input")


def cut_off(kind: str) -> bytes:
    """A picture of 640x480 whose header is whole and whose pixels are not."""
    noise = Image.frombytes("RGB", (640, 480), random.Random(3).randbytes(640 * 480 * 3))
    data = encoded(noise, kind)
    with pytest.raises(OSError, match=r"truncated|broken"), Image.open(io.BytesIO(data[: len(data) // 2])) as image:
        image.load()
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
async def test_inputs_are_measured_by_their_headers_and_not_decoded(client: Client, work: Path, kind: str) -> None:
    """A picture that breaks off is refused by the call itself, which decodes it."""
    whole = await call(client, "estimate_cost", **EDIT, images=[saved(work / "whole", png((640, 480)))])
    broken = saved(work / "broken", cut_off(kind))
    cut = await call(client, "estimate_cost", **EDIT, images=[broken])
    assert cut["lines"] == whole["lines"]
    assert image_tokens(cut) == 32 * 24  # 1024x768 once it is enlarged, in patches of 32 pixels
    assert (await refusal(client, "edit_image", prompt="in blue", images=[broken])).startswith("input_rejected: ")


async def test_an_input_that_cannot_be_measured_is_named(client: Client, work: Path) -> None:
    good = saved(work / "good.png", png((64, 64)))
    bad = {str(work / "no.png"): "input_not_found", saved(work / "text", b"words"): "input_rejected"}
    for reference, code in bad.items():
        said = await refusal(client, "estimate_cost", **EDIT, images=[good, reference, good])
        assert said.startswith(f"{code}: images[1]: ")


async def test_an_input_named_twice_is_counted_twice(client: Client, work: Path) -> None:
    image = saved(work / "a.png", png((1024, 1024)))
    estimate = await call(client, "estimate_cost", **EDIT, images=[image, image])
    assert image_tokens(estimate) == 2 * 32 * 32


async def test_an_edit_whose_image_is_not_named_has_no_exact_price(client: Client, work: Path) -> None:
    square = await call(client, "estimate_cost", **EDIT, images=[saved(work / "a.png", png((1024, 1024)))])
    for unnamed in ({}, {"images": ["file-abc123"]}):
        estimate = await call(client, "estimate_cost", **EDIT, **unnamed)
        assert (square["exact"], estimate["exact"]) == (True, False)
        assert estimate["low_usd"] < square["low_usd"]
        assert estimate["expected_usd"] == square["expected_usd"]
        assert estimate["high_usd"] > square["high_usd"]
        assert "the price is a range: an input's size is unknown" in estimate["warnings"]


@pytest.mark.parametrize("notable", [False, True])
async def test_a_price_is_exact_beside_no_more_of_a_range_than_a_short_prompt_makes(
    client: Client, notable: bool
) -> None:
    ask = {"prompt": "a mill on a hill " * (50 if notable else 3), "size": "1024x1024", "quality": "low"}
    estimate = await call(client, "estimate_cost", **ask)
    assert estimate["exact"] != notable
    assert (estimate["high_usd"] > 1.1 * estimate["expected_usd"]) == notable
    assert any("how many tokens the prompt has" in said for said in estimate["warnings"]) == notable


BASES: dict[str, tuple[dict[str, str], str | None]] = {
    "published": ({"model": "gpt-image-2"}, "gpt-image-2"),
    "retired": ({"model": "gpt-image-1"}, "gpt-image-1"),
    "assumed": ({"model": "gpt-image-2.6-flare"}, "gpt-image-2.6-flare"),
    "unknown": ({"model": "gpt-image-2.5-flare", "output_format": "svg"}, None),
}


@pytest.mark.parametrize("basis", BASES)
async def test_an_estimate_says_what_its_price_is_based_on_and_when_that_was_seen(
    environment: dict[str, str], basis: str
) -> None:
    more, model = BASES[basis]
    ask = {"prompt": "a mill", "size": "1024x1024", "quality": "high", **more}
    day = datetime(2026, 11, 20, tzinfo=UTC)
    compatible = {"MCP_IMAGEGEN_PROVIDER": "compatible"}  # the one that takes a retired model
    async with on(day, {**environment, **compatible}) as (client, _):
        estimate = await call(client, "estimate_cost", **ask)
    row = packaged().rates(model, day.date()) if model else None
    since = row.valid_from.isoformat() if row and row.valid_from else None
    assert [estimate["basis"], estimate.get("prices_as_of")] == [basis, row and row.checked.isoformat()]
    assert estimate.get("valid_from") == since
    ways = estimate["alternatives"]
    assert [way["expected_usd"] for way in ways] == sorted(way["expected_usd"] for way in ways)
    for way in ways:
        share = way["expected_usd"] / estimate["expected_usd"] if row else None
        assert way.get("ratio") == (None if share is None else pytest.approx(share, abs=0.0005))


async def test_nothing_is_sent_or_written_for_an_estimate(
    environment: dict[str, str], upstream: Upstream, work: Path
) -> None:
    image = saved(work / "a.png", png((64, 64)))
    async with client_of(environment) as client:
        for ask in ({"operation": "generate"}, {**EDIT, "images": [image]}, {"operation": "continue"}):
            await call(client, "estimate_cost", **ask)
    assert upstream.seen == []
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    assert not (home / "imagegen.sqlite3").exists()
    assert not list(home.rglob("*.png"))


@pytest.mark.parametrize("also", [{}, {"from_image": True}, {"mask": True}, {"history": "full"}, {"store": "off"}])
async def test_the_price_shown_is_the_one_reserved_where_the_image_to_go_on_from_is_named_among_the_inputs(
    environment: dict[str, str], upstream: Upstream, work: Path, also: dict[str, object]
) -> None:
    """The request has it by its id and once more by its bytes."""
    more = {"MCP_IMAGEGEN_STORE": str(also["store"])} if "store" in also else {}
    ask: dict[str, object] = {"prompt": "in blue", "size": "1024x1024", "quality": "low"}
    async with client_of({**environment, **more}) as client:
        first = await call(client, "generate_image", **ask)
        second = await call(client, "continue_image_thread", thread_id=first["thread_id"], **ask)
        parent = second["images"][0]["image_id"]
        again = {**ask, "thread_id": first["thread_id"], "images": [parent]}
        if "from_image" in also:
            again["from_image"] = parent
        if "history" in also:
            again["history"] = "full"
        shown = await call(client, "estimate_cost", operation="continue", **again)
        if "mask" in also:
            again["mask"] = saved(work / "mask.png", alpha_mask((1024, 1024), (10, 10, 300, 300)))
        await call(client, "continue_image_thread", **again)
    names = ("low_nano", "expected_nano", "high_nano")
    reserved = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT * FROM ledger_entries ORDER BY entry_id")[-1]
    assert [round(shown[name] * 10**9) for name in ("low_usd", "expected_usd", "high_usd")] == [
        reserved[name] for name in names
    ]
