"""The price rows: complete, dated, sourced, exact, and the same as an independent table says."""

import re
import tomllib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from genai_prices import Usage as OracleUsage
from genai_prices import calc_price

from mcp_imagegen.catalog.loading import packaged as packaged_catalog
from mcp_imagegen.pricing.table import load, packaged

PRICES = packaged()
TODAY = date(2026, 11, 20)
TEXT = files("mcp_imagegen.pricing").joinpath("prices.toml").read_text(encoding="utf-8")
TABLE: dict[str, Any] = tomllib.loads(TEXT)
TOKEN_ROWS = [*TABLE["image"], *TABLE["host"]]
MODELS = sorted({model for row in TOKEN_ROWS for model in row["models"]})


def test_every_row_names_its_source_and_the_day_it_was_checked() -> None:
    explained = re.findall(r"^#   (\S.*?)  ", TEXT, re.MULTILINE)
    assert len(explained) == 4
    for row in [*TOKEN_ROWS, *TABLE["flat"]]:
        assert any(name in row["source"] for name in explained), row
        assert date(2026, 10, 14) <= row["checked"] <= date(2026, 11, 20)


def test_every_model_of_the_catalog_has_a_price() -> None:
    for model in packaged_catalog().models:
        assert PRICES.is_flat(model.name, TODAY) != (PRICES.rates(model.name, TODAY) is not None), model.name


def test_two_rows_of_a_model_start_on_different_days() -> None:
    starts = [(model, row.get("valid_from")) for row in TOKEN_ROWS for model in row["models"]]
    assert len(starts) == len(set(starts))


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-image-2", ("5", "1.25", "8", "2", "30", None)),
        ("gpt-image-2.5-sunburst", ("5", "1.25", "8", "2", "30", None)),
        ("gpt-image-2.5-flare", ("5", "1.25", "8", "2", "30", None)),
        ("gpt-image-2.6-flare", ("5", "1.25", "8", "2", "30", None)),
        ("gpt-image-1.5", ("5", "1.25", "8", "2", "32", "10")),
        ("chatgpt-image-latest", ("5", "1.25", "8", "2", "32", "10")),
        ("gpt-image-1", ("5", "1.25", "10", "2.5", "40", None)),
        ("gpt-image-1-mini", ("2", "0.20", "2.5", "0.25", "8", None)),
    ],
)
def test_image_models_cost_what_openai_publishes(model: str, dollars: tuple[str | None, ...]) -> None:
    row = PRICES.rates(model, TODAY)
    assert row is not None
    kinds = (row.text_input, row.cached_text, row.image_input, row.cached_image, row.image_output, row.text_output)
    assert kinds == tuple(None if usd is None else int(Decimal(usd) * 1000) for usd in dollars)


def test_only_the_newest_line_has_an_assumed_count_of_tokens() -> None:
    assumed = {model: row.assumed for model in MODELS if (row := PRICES.rates(model, TODAY)) and row.assumed}
    assert assumed == {"gpt-image-2.6-sunburst": "gpt-image-2.5", "gpt-image-2.6-flare": "gpt-image-2.5"}


def test_a_dated_snapshot_costs_what_its_model_costs() -> None:
    for snapshot in ("gpt-image-2-2026-04-21", "gpt-image-2.5-flare-2026-09-08", "gpt-5.4-2026-03-05"):
        assert PRICES.rates(snapshot, TODAY) == PRICES.rates(snapshot[:-11], TODAY) is not None
    dated, newest = PRICES.rates("gpt-4o-2024-05-13", TODAY), PRICES.rates("gpt-4o", TODAY)
    assert dated is not None
    assert newest is not None
    assert (dated.text_input, newest.text_input) == (5000, 2500)


def test_a_snapshot_has_the_price_of_its_model_until_its_own_row_holds(tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        '[[host]]\nmodels = ["gpt-5.4-2026-03-05"]\ninput = 9999\ncached = 999\noutput = 9999\n'
        'checked = 2026-11-20\nvalid_from = 2026-11-21\nsource = "a test"\n'
    )
    prices, snapshot = load(tmp_path), "gpt-5.4-2026-03-05"
    assert prices.rates(snapshot, TODAY) == PRICES.rates("gpt-5.4", TODAY) is not None
    later = prices.rates(snapshot, date(2026, 11, 21))
    assert later is not None
    assert later.valid_from == date(2026, 11, 21)


@pytest.mark.parametrize(
    ("model", "day", "before", "after"),
    [
        ("gpt-5.6-sol", date(2026, 8, 21), 5000, 4000),
        ("gpt-5.6-terra", date(2026, 7, 30), 2500, 2000),
        ("gpt-5.6-luna", date(2026, 7, 30), 1000, 200),
    ],
)
def test_a_price_holds_from_the_day_it_changed(model: str, day: date, before: int, after: int) -> None:
    earlier, later = PRICES.rates(model, date.fromordinal(day.toordinal() - 1)), PRICES.rates(model, day)
    assert earlier is not None
    assert later is not None
    assert (earlier.text_input, later.text_input) == (before, after)


def test_before_its_first_day_a_model_has_no_price() -> None:
    assert PRICES.rates("gpt-image-2", date(2026, 4, 20)) is None
    assert PRICES.rates("gpt-image-2", date(2026, 4, 21)) is not None
    assert PRICES.rates("nobody-knows-me", TODAY) is None


@pytest.mark.parametrize("day", [date(2026, 7, 1), date(2026, 8, 10), date(2026, 11, 20)])
@pytest.mark.parametrize("model", [row for row in MODELS if not row.startswith("gpt-image-2.6")])
def test_an_independent_table_has_the_same_price(model: str, day: date) -> None:
    row = PRICES.rates(model, day)
    if row is None:
        assert day < date(2026, 11, 20)
        return
    ours = {
        "input_text_tokens": row.text_input,
        "cache_text_read_tokens": row.cached_text,
        "output_image_tokens" if row.tokens else "output_text_tokens": row.image_output or row.text_output or 0,
    }
    if row.tokens:
        ours |= {"input_image_tokens": row.image_input, "cache_image_read_tokens": row.cached_image}
    for kind, nano in ours.items():
        assert oracle(model, kind, day) == nano, kind
    if row.cache_write:
        assert oracle(model, "cache_write_tokens", day) == row.cache_write


def oracle(model: str, kind: str, day: date) -> Decimal:
    """10^-9 USD for one token of a kind by genai-prices."""
    total = {
        "input_text_tokens": "input_tokens",
        "input_image_tokens": "input_tokens",
        "cache_text_read_tokens": "cache_read_tokens",
        "cache_image_read_tokens": "cache_read_tokens",
    }.get(kind)
    counts = {kind: 1000, **({total: 1000} if total else {})}
    if "cache" in kind:
        counts["input_tokens"] = 1000
    if "cache_image" in kind:
        counts["input_image_tokens"] = 1000
    if "output" in kind:
        counts["output_tokens"] = 1000
    at = datetime.combine(day, time(12), UTC)
    price = calc_price(OracleUsage(**counts), model, provider_id="openai", genai_request_timestamp=at).total_price
    return price * 10**9 / 1000


@pytest.mark.parametrize(
    ("model", "quality", "size", "nano"),
    [
        ("dall-e-3", "standard", "1024x1024", 40_000_000),
        ("dall-e-3", "standard", "1792x1024", 80_000_000),
        ("dall-e-3", "standard", "1024x1792", 80_000_000),
        ("dall-e-3", "hd", "1024x1024", 80_000_000),
        ("dall-e-3", "hd", "1792x1024", 120_000_000),
        ("dall-e-3", "hd", "1024x1792", 120_000_000),
        ("dall-e-3", "auto", "auto", 40_000_000),
        ("dall-e-2", "standard", "256x256", 16_000_000),
        ("dall-e-2", "standard", "512x512", 18_000_000),
        ("dall-e-2", "auto", "1024x1024", 20_000_000),
    ],
)
def test_dall_e_is_billed_by_image(model: str, quality: str, size: str, nano: int) -> None:
    flat = PRICES.flat_price(model, size, quality, TODAY)
    assert flat is not None
    assert flat.nano == nano


def test_what_is_not_billed_by_image_has_no_flat_price() -> None:
    assert PRICES.flat_price("dall-e-3", "512x512", "standard", TODAY) is None
    assert PRICES.flat_price("gpt-image-2", "1024x1024", "low", TODAY) is None


def test_the_rows_are_shown_in_usd_one_for_each_model() -> None:
    rows = PRICES.shown()
    (shown,) = (row for row in rows if row["model"] == "gpt-image-2")
    assert (shown["text_input"], shown["image_output"], shown["unit"]) == (5.0, 30.0, "million tokens")
    assert {row["model"] for row in rows} == {*MODELS, "dall-e-2", "dall-e-3"}
    assert all({"kind", "unit", "checked", "source"} <= row.keys() for row in rows)
