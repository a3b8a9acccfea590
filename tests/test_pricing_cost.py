"""What a call did cost: the API's counts at the day's prices, with genai-prices as an independent oracle."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import extract_usage
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_imagegen.openai_api.values import Tokens, Usage
from mcp_imagegen.pricing.cost import Cost, cost
from mcp_imagegen.pricing.estimate import Work, estimate
from mcp_imagegen.pricing.table import packaged

TODAY = date(2026, 11, 20)
PRICES = packaged()
ROWS = [row for row in PRICES.shown() if row["unit"] == "million tokens" and not row.get("assumed")]
IMAGE_MODELS = sorted({row["model"] for row in ROWS if row["kind"] == "image"})
HOST_MODELS = sorted({row["model"] for row in ROWS if row["kind"] == "host"})
COUNT = st.integers(0, 500_000)


def image(tokens: Tokens | None, model: str = "gpt-image-2", **options: Any) -> Cost:
    return cost(Usage(image=tokens), model=model, host_model=None, on=TODAY, **options)


def oracle(body: dict[str, Any], flavor: str) -> Decimal:
    """10^-9 USD of a usage body by genai-prices."""
    at = datetime.combine(TODAY, time(12), UTC)
    found = extract_usage(body, provider_id="openai", api_flavor=flavor)
    return found.calc_price(genai_request_timestamp=at).total_price * 10**9


@pytest.mark.parametrize("model", IMAGE_MODELS)
@given(text=COUNT, images=COUNT, made=COUNT, said=COUNT)
@settings(deadline=None, max_examples=20)
def test_image_usage_costs_what_an_independent_program_says(
    model: str, text: int, images: int, made: int, said: int
) -> None:
    body = {
        "model": model,
        "usage": {
            "input_tokens": text + images,
            "input_tokens_details": {"text_tokens": text, "image_tokens": images},
            "output_tokens": made + said,
            "output_tokens_details": {"image_tokens": made, "text_tokens": said},
            "total_tokens": text + images + made + said,
        },
    }
    tokens = Tokens(text_input=text, image_input=images, image_output=made, text_output=said)
    assert image(tokens, model).nano == oracle(body, "images")


@pytest.mark.parametrize("model", HOST_MODELS)
@given(whole=COUNT, shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), output=COUNT)
@settings(deadline=None, max_examples=20)
def test_host_usage_costs_what_an_independent_program_says(
    model: str, whole: int, shares: tuple[float, float], output: int
) -> None:
    row = PRICES.rates(model, TODAY)
    assert row is not None
    cached, written = int(whole * shares[0]), int(whole * shares[1])
    details = {"cached_tokens": cached}
    if row.cache_write:
        details["cache_write_tokens"] = written
    body = {
        "model": model,
        "usage": {"input_tokens": whole, "input_tokens_details": details, "output_tokens": output},
    }
    host = Tokens(
        text_input=whole, cached_text=cached, text_output=output, cache_write=details.get("cache_write_tokens", 0)
    )
    found = cost(Usage(host=host), model="gpt-image-2", host_model=model, on=TODAY, images=0)
    assert found.nano == oracle(body, "responses")


def test_the_usage_of_an_edit_is_billed_kind_by_kind() -> None:
    found = image(Tokens(text_input=44, image_input=323, text_output=150, image_output=1568), "gpt-image-1.5")
    assert [(line.what, line.tokens, line.nano_per_token) for line in found.lines] == [
        ("text_input", 44, 5_000),
        ("image_input", 323, 8_000),
        ("image_output", 1568, 32_000),
        ("text_output", 150, 10_000),
    ]
    assert found.nano == sum(line.nano for line in found.lines) == 44 * 5_000 + 323 * 8_000 + 1568 * 32_000 + 1_500_000
    assert (found.basis, found.prices_as_of) == ("billed", date(2026, 10, 14))


def test_cached_input_costs_less_text_and_images_apart() -> None:
    found = image(Tokens(text_input=100, cached_text=60, image_input=1000, cached_image=1000, image_output=1))
    assert [(line.what, line.tokens, line.nano_per_token) for line in found.lines] == [
        ("text_input", 40, 5_000),
        ("cached_input", 60, 1_250),
        ("cached_input", 1000, 2_000),
        ("image_output", 1, 30_000),
    ]


def test_counts_that_contradict_each_other_are_billed_once() -> None:
    found = image(Tokens(text_input=20, cached_text=50, image_input=30, cached_image=40))
    assert [(line.what, line.tokens) for line in found.lines] == [("cached_input", 20), ("cached_input", 30)]
    host = Tokens(text_input=100, cached_text=70, cache_write=70)
    found = cost(Usage(host=host), model="gpt-image-2", host_model="gpt-6-sol", on=TODAY, images=0)
    assert [(line.what, line.tokens) for line in found.lines] == [("host_input", 30), ("cached_input", 70)]


@given(st.builds(Tokens, *[st.integers(0, 5_000)] * 7), st.sampled_from(HOST_MODELS))
@settings(deadline=None)
def test_no_count_makes_a_negative_price_and_lines_add_up(tokens: Tokens, host_model: str) -> None:
    found = cost(Usage(tokens, tokens), model="gpt-image-2", host_model=host_model, on=TODAY)
    assert found.nano == sum(line.nano for line in found.lines)
    assert all(line.nano > 0 for line in found.lines)


def test_a_continuation_costs_both_models() -> None:
    usage = Usage(
        image=Tokens(text_input=20, image_input=1024, image_output=196), host=Tokens(text_input=2_000, text_output=300)
    )
    found = cost(usage, model="gpt-image-2", host_model="gpt-5.4", on=TODAY)
    assert found.nano == 20 * 5_000 + 1024 * 8_000 + 196 * 30_000 + 2_000 * 2_500 + 300 * 15_000
    assert [line.what for line in found.lines] == [
        "text_input",
        "image_input",
        "image_output",
        "host_input",
        "host_output",
    ]


def test_prices_are_as_old_as_the_older_of_two_rows() -> None:
    tokens = Tokens(text_input=1)
    found = cost(Usage(tokens, tokens), model="gpt-image-2.6-flare", host_model="gpt-6.1-terra", on=TODAY)
    assert found.prices_as_of == date(2026, 10, 26)


def test_the_cache_of_a_host_model_has_prices_of_its_own() -> None:
    host = Tokens(text_input=3_000, cached_text=1_024, cache_write=1_500, text_output=100)
    found = cost(Usage(host=host), model="gpt-image-2", host_model="gpt-5.6-sol", on=TODAY, images=0)
    assert [(line.what, line.tokens, line.nano_per_token) for line in found.lines] == [
        ("host_input", 476, 4_000),
        ("host_input", 1_500, 5_000),
        ("cached_input", 1_024, 400),
        ("host_output", 100, 20_000),
    ]
    without = cost(Usage(host=host), model="gpt-image-2", host_model="gpt-5.4", on=TODAY, images=0)
    assert without.nano == (476 + 1_500) * 2_500 + 1_024 * 250 + 100 * 15_000


@pytest.mark.parametrize(("whole", "rate_in", "rate_out"), [(272_000, 2_500, 15_000), (272_001, 5_000, 22_500)])
def test_a_long_context_costs_more_as_a_whole(whole: int, rate_in: int, rate_out: int) -> None:
    host = Tokens(text_input=whole, text_output=10)
    found = cost(Usage(host=host), model="gpt-image-2", host_model="gpt-5.4", on=TODAY, images=0)
    assert found.nano == whole * rate_in + 10 * rate_out


def test_without_the_usage_of_a_model_at_work_the_cost_is_not_known() -> None:
    tokens = Tokens(text_input=5, image_output=5)
    for found in (
        image(None),
        image(tokens, "nobody-knows-me"),
        cost(Usage(image=tokens), model="gpt-image-2", host_model="gpt-5.4", on=TODAY),
        cost(Usage(host=tokens), model="gpt-image-2", host_model="gpt-5.4", on=TODAY),
        cost(Usage(tokens, tokens), model="gpt-image-2", host_model="nobody-knows-me", on=TODAY),
    ):
        assert found == Cost(None, "estimated", None, ())


def test_a_turn_that_came_to_text_only_costs_the_host_alone() -> None:
    host = Tokens(text_input=2_000, text_output=100)
    found = cost(Usage(host=host), model="gpt-image-2", host_model="gpt-5.4", on=TODAY, images=0)
    assert found.nano == 2_000 * 2_500 + 100 * 15_000
    assert found.basis == "billed"


def test_the_prices_of_the_day_are_taken() -> None:
    host = Usage(host=Tokens(text_input=1_000))
    before = cost(host, model="gpt-image-2", host_model="gpt-5.6-sol", on=date(2026, 8, 20), images=0)
    after = cost(host, model="gpt-image-2", host_model="gpt-5.6-sol", on=date(2026, 8, 21), images=0)
    assert (before.nano, after.nano) == (5_000_000, 4_000_000)


def test_models_billed_by_image_need_no_usage() -> None:
    found = image(None, "dall-e-3", images=2, size="1792x1024", quality="hd")
    assert (found.nano, found.basis) == (240_000_000, "billed")
    assert image(None, "dall-e-2", images=3).nano == 60_000_000
    assert image(None, "dall-e-3", images=1, size="512x512").nano is None


def test_what_is_not_published_makes_a_cost_an_estimate() -> None:
    tokens = Tokens(text_input=10, image_output=439)
    counted = image(tokens, "gpt-image-2.6-flare")
    assert (counted.nano, counted.basis) == (10 * 5_000 + 439 * 30_000, "billed")  # only its estimates are assumed
    assert image(tokens, output_format="svg").basis == "estimated"
    assert image(tokens, output_format="gif").basis == "estimated"
    assert image(tokens, output_format="webp").basis == "billed"


def test_a_call_that_uses_what_was_estimated_costs_what_was_estimated() -> None:
    work = Work(
        operation="edit",
        model="gpt-image-2.5-sunburst",
        prompt="a red kite",
        n=2,
        size="1536x1024",
        quality="xhigh",
        partial_images=0,
        inputs=((1024, 1024),),
        input_fidelity=None,
        output_format="png",
        extra={},
        api="image",
        host_model=None,
        history="image",
    )
    tokens = Tokens(text_input=3 + 6 + 1, image_input=1024, image_output=2 * 2459)
    assert image(tokens, work.model, images=2).nano == estimate(work, TODAY).expected
