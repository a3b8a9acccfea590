"""Estimates: the guide's tables, what each part costs, what is left open, and that the highest price is one."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_imagegen.catalog.check import check
from mcp_imagegen.catalog.loading import packaged as packaged_catalog
from mcp_imagegen.openai_api.values import Tokens, Usage
from mcp_imagegen.operations import EstimateCost
from mcp_imagegen.pricing.alternatives import alternatives
from mcp_imagegen.pricing.cost import cost
from mcp_imagegen.pricing.estimate import Estimate, Work, estimate
from mcp_imagegen.pricing.table import packaged
from mcp_imagegen.pricing.tokens import image_input_tokens, image_output_tokens, qualities

TODAY = date(2026, 11, 20)
SIZES = ((1024, 1024), (1024, 1536), (1536, 1024))
PLAIN = Work(
    operation="generate",
    model="gpt-image-2",
    prompt="a red kite over a field",
    n=1,
    size="1024x1024",
    quality="medium",
    partial_images=0,
    inputs=(),
    input_fidelity=None,
    output_format="png",
    extra={},
    api="image",
    host_model=None,
    history="image",
)
CONTINUED = replace(
    PLAIN, operation="continue", api="responses", host_model="gpt-5.4", inputs=((1024, 1024),), size="auto"
)


def priced(work: Work = PLAIN, on: date = TODAY, **changed: Any) -> Estimate:
    return estimate(replace(work, **changed), on)


TEXT = (7, 12, 29)
"""Tokens of the text of `PLAIN`: 6 beside those of a prompt of 23 bytes, at the least, expected, and at the most."""
OF_TEXT = (TEXT[2] - TEXT[0]) * 5_000
PER_IMAGE = 15 * 5_000
"""By how much the text of an edit is open for each image."""


def tokens_of(found: Estimate) -> dict[str, int | None]:
    return {line.what: line.tokens for line in found.lines}


GUIDE = {
    "gpt-image-2": {"low": (6, 5, 5), "medium": (53, 41, 41), "high": (211, 165, 165)},
    "gpt-image-1.5": {"low": (9, 13, 13), "medium": (34, 50, 50), "high": (133, 200, 200)},
    "gpt-image-1": {"low": (11, 16, 16), "medium": (42, 63, 63), "high": (167, 250, 250)},
    "gpt-image-1-mini": {"low": (5, 6, 6), "medium": (11, 15, 15), "high": (36, 52, 52)},
}
"""OpenAI's image guide of 2026-04: USD 0.001 per image of 1024x1024, 1024x1536 and 1536x1024."""

ROUNDED_COARSER = {
    ("gpt-image-1.5", "medium", (1024, 1536)): 688_000,
    ("gpt-image-1.5", "high", (1536, 1024)): -1_344_000,
    ("gpt-image-1", "high", (1024, 1024)): -600_000,
    ("gpt-image-1", "high", (1536, 1024)): -1_680_000,
}
"""Cells of the guide that are not their tokens' price to three decimals, and by how much (10^-9 USD)."""


def price_of_one(model: str, size: tuple[int, int], quality: str) -> int:
    found = priced(model=model, size=f"{size[0]}x{size[1]}", quality=quality, on=date(2026, 4, 30))
    return next(line.nano for line in found.lines if line.what == "image_output")


def guide_cells(model: str) -> list[tuple[str, tuple[int, int], int]]:
    cells = GUIDE[model].items()
    return [(quality, size, mills) for quality, row in cells for size, mills in zip(SIZES, row, strict=True)]


def residuals(model: str) -> dict[tuple[str, str, tuple[int, int]], int]:
    """By how much (10^-9 USD) the price of each cell's tokens lies from the guide, where it is another to three
    decimals."""
    prices = {
        (quality, size): (price_of_one(model, size, quality), mills) for quality, size, mills in guide_cells(model)
    }
    return {
        (model, *cell): nano - mills * 10**6
        for cell, (nano, mills) in prices.items()
        if round(nano, -6) != mills * 10**6
    }


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-1.5", "gpt-image-1"])
def test_the_price_is_that_of_the_guide_but_where_the_guide_rounds_coarser(model: str) -> None:
    assert len(guide_cells(model)) == 9
    assert residuals(model) == {cell: off for cell, off in ROUNDED_COARSER.items() if cell[0] == model}


def test_the_guide_adds_a_quarter_cent_to_each_cell_of_the_smallest_model() -> None:
    """Why is not published; tokens are what is billed, so the estimate goes by them."""
    found = residuals("gpt-image-1-mini").values()
    assert (len(found), min(found), max(found)) == (9, -2_824_000, -2_080_000)
    for quality, size, mills in guide_cells("gpt-image-1-mini"):
        assert round(price_of_one("gpt-image-1-mini", size, quality) + 2_500_000, -6) == mills * 10**6


def test_a_generation_with_size_and_quality_is_exact_and_its_lines_say_why() -> None:
    found = priced(size="3840x2160", quality="high", n=2)
    assert [(line.what, line.tokens, line.nano_per_token) for line in found.lines] == [
        ("text_input", 12, 5_000),
        ("image_output", 2 * 13_342, 30_000),
    ]
    image = 2 * 13_342 * 30_000
    assert [found.low, found.expected, found.high] == [image + tokens * 5_000 for tokens in TEXT]
    assert (found.exact, found.basis, found.prices_as_of) == (True, "published", date(2026, 10, 14))


@pytest.mark.parametrize(
    ("prompt", "exact"), [("a" * 160, True), ("a" * 170, False), ("凧" * 60, True), ("凧" * 65, False)]
)
def test_a_prompt_whose_tokens_may_make_a_notable_difference_is_told_of(prompt: str, exact: bool) -> None:
    """Low quality costs 5,880,000: the tokens of a long or dense prompt may be more than a tenth of that."""
    found = priced(prompt=prompt, quality="low")
    assert found.high is not None
    assert found.expected is not None
    assert (found.high <= 1.1 * found.expected) == exact == found.exact
    said = "how many tokens the prompt has, which the API alone counts"
    assert found.left_open == (() if exact else (said,))
    assert priced(prompt=prompt, quality="high").exact
    assert said not in priced(CONTINUED, prompt=prompt).left_open, "there its wording is open too"


def test_partial_frames_cost_a_hundred_tokens_each_of_every_image() -> None:
    found = priced(n=2, partial_images=3)
    assert tokens_of(found)["partial_images"] == 600
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == OF_TEXT + 600 * 30_000, "the last image may come before its frames"


def test_inputs_of_an_edit_are_counted_each() -> None:
    found = priced(operation="edit", inputs=((1024, 1024), (1536, 1024), (256, 256)))
    assert tokens_of(found) == {"text_input": 6 + 6 + 3, "image_input": 1024 + 1536 + 256, "image_output": 1756}
    assert found.exact


def test_high_fidelity_adds_its_tokens() -> None:
    work = replace(PLAIN, operation="edit", model="gpt-image-1.5", inputs=((1024, 1024), (1536, 1024)))
    assert tokens_of(priced(work))["image_input"] == 194 + 323
    assert tokens_of(priced(work, input_fidelity="high"))["image_input"] == 194 + 4160 + 323 + 6240


def test_an_input_of_unknown_size_leaves_the_price_open() -> None:
    found = priced(operation="edit", inputs=(None,))
    assert tokens_of(found)["image_input"] == 1024
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == OF_TEXT + PER_IMAGE + (1536 - 1) * 8_000
    assert found.left_open == ("an input's size is unknown",)
    assert not found.exact


def test_edits_of_the_line_that_writes_text_are_priced_with_it() -> None:
    found = priced(operation="edit", model="gpt-image-1.5", inputs=((1024, 1024),), n=2)
    assert tokens_of(found)["text_output"] == 460
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == OF_TEXT + PER_IMAGE + (2 * 308 - 143) * 10_000
    assert found.left_open == ("the model also writes text",)
    assert "text_output" not in tokens_of(priced(model="gpt-image-1.5"))


def test_auto_is_priced_as_medium_and_square_between_the_lowest_and_the_highest() -> None:
    found = priced(size="auto", quality="auto")
    assert tokens_of(found)["image_output"] == 1756
    assert found.low == TEXT[0] * 5_000 + 158 * 30_000
    assert found.high is not None
    assert found.high == TEXT[2] * 5_000 + 8_232 * 30_000, "a square of 1536 x 1024 pixels has the most tokens"
    assert not found.exact
    assert found.left_open == ("auto decides the size and the quality",)
    assert priced(size="auto").left_open == ("auto decides the size",)
    assert priced(quality="auto").left_open == ("auto decides the quality",)
    assert priced().left_open == ()
    assert priced(quality="auto").high == TEXT[2] * 5_000 + 7024 * 30_000
    assert priced(quality="auto", model="gpt-image-2.5-flare").high == TEXT[2] * 5_000 + 7024 * 30_000
    fixed = priced(size="auto", quality="auto", model="gpt-image-1-mini")
    assert (fixed.low, fixed.high) == (TEXT[0] * 2_000 + 272 * 8_000, TEXT[2] * 2_000 + 6240 * 8_000)


def test_a_continuation_pays_the_model_that_calls_the_tool_too() -> None:
    found = priced(CONTINUED, quality="low")
    counted = tokens_of(found)
    assert counted["image_input"] == 1024
    assert counted["image_output"] == 196
    assert 1_700 <= (counted["host_input"] or 0) <= 3_200
    assert 56 <= (counted["host_output"] or 0) <= 2_000
    rate = {line.what: line.nano_per_token for line in found.lines}
    assert (rate["host_input"], rate["host_output"]) == (2_500, 15_000)
    assert not found.exact


def test_a_continuation_costs_between_all_cached_and_all_looked_at() -> None:
    """Low: input of the host from its cache, and an image drawn anew. High: a prompt worded anew at length, each image
    shown to both models, all input written to the cache where that costs more."""
    work = replace(CONTINUED, size="1024x1024", quality="low")
    drawn = 196 * 30_000
    found = priced(work)
    assert found.low == (TEXT[0] + 1) * 5_000 + drawn + (1_700 + 1) * 250 + 56 * 15_000
    shown = (TEXT[2] + 16 + 2_000) * 5_000 + 1024 * 8_000
    assert found.high == shown + drawn + (3_200 + 23 + 1536) * 2_500 + 2_000 * 15_000
    written = priced(work, host_model="gpt-5.6-sol")
    assert written.high == shown + drawn + (3_200 + 23 + 1536) * 5_000 + 2_000 * 20_000
    full = priced(work, history="full")
    assert found.high is not None
    assert full.high == found.high + 30_000 * 2_500 + 4 * 1536 * 8_000


def test_prices_are_as_old_as_the_older_of_two_rows() -> None:
    found = priced(CONTINUED, model="gpt-image-2.6-flare", host_model="gpt-6.1-terra")
    assert found.prices_as_of == date(2026, 10, 26)


def test_a_whole_history_costs_more() -> None:
    image, full = priced(CONTINUED, quality="low"), priced(CONTINUED, quality="low", history="full")
    assert image.expected is not None
    assert full.expected is not None
    assert image.high is not None
    assert full.high is not None
    assert full.expected > image.expected
    assert full.high > image.high
    assert "history=image" in [other.change for other in full.alternatives]


def test_without_a_price_nothing_is_estimated() -> None:
    for work in (
        replace(PLAIN, model="nobody-knows-me", size="2K"),
        replace(PLAIN, model="gpt-image-1.5", size="1536x864"),
        replace(PLAIN, model="gpt-5.4"),
        replace(PLAIN, model="dall-e-3", size="512x512"),
        replace(CONTINUED, host_model="nobody-knows-me"),
        replace(CONTINUED, host_model="gpt-image-2"),
        replace(CONTINUED, host_model=None),
    ):
        found = priced(work)
        assert (found.low, found.expected, found.high, found.lines) == (None, None, None, ())
        assert (found.exact, found.basis, found.prices_as_of) == (False, "unknown", None)
        assert found.warnings == (found.unbounded,)
        assert all(other.ratio is None and other.high is not None for other in found.alternatives)
        offered = work.size == "1536x864" or work.model == "gpt-5.4"
        assert bool(found.alternatives) == offered, "what the catalog accepts and has a price"


@pytest.mark.parametrize(
    ("kind", "extra", "without"),
    [
        ("svg", {}, ""),
        ("svg", {"svg": {"model": "gpt-6-sol"}, "complexity": "high"}, " without svg and complexity"),
        ("gif", {"frame_count": 4, "safety_identifier": "a"}, " without frame_count"),
    ],
)
def test_in_place_of_a_format_without_a_price_one_with_a_price_is_offered(
    kind: str, extra: dict[str, Any], without: str
) -> None:
    work = replace(PLAIN, model="gpt-image-2.5-flare", quality="high")
    found, like = priced(work, output_format=kind, extra=extra), priced(work)
    assert (found.low, found.expected, found.high, found.basis) == (None, None, None, "unknown")
    *cheaper, same = found.alternatives
    change = f"output_format=png{without}"
    assert (same.change, same.expected, same.high, same.ratio) == (change, like.expected, like.high, None)
    assert [other.change for other in cheaper] == [f"{change}, {other.change}" for other in like.alternatives[:4]]
    assert [other.high for other in cheaper] == [other.high for other in like.alternatives[:4]]


def test_what_nothing_bounds_has_no_highest_price() -> None:
    found = priced(extra={"complexity": "high"})
    assert found.expected == priced().expected
    assert found.high is None
    assert not found.exact
    assert "complexity" in found.warnings[0]
    assert priced(extra={"complexity": None}).high is not None
    *cheaper, same = found.alternatives
    assert (same.change, same.expected, same.high) == ("without complexity", priced().expected, priced().high)
    assert cheaper[0].change == f"without complexity, {priced().alternatives[0].change}"


@pytest.mark.parametrize("quality", ["auto", "low", "medium", "high", "xhigh", "max"])
def test_an_assumed_count_of_tokens_says_so_and_leaves_room_below_high_quality(quality: str) -> None:
    found, like = (priced(model=f"gpt-image-{line}-flare", quality=quality) for line in ("2.6", "2.5"))
    assert (found.expected, found.low) == (like.expected, like.low)
    roomy = priced(model="gpt-image-2.5-flare", quality="high") if quality in ("low", "medium") else like
    assert found.high == roomy.high
    assert (found.basis, found.exact) == ("assumed", False)
    assert found.warnings == (
        "how many tokens gpt-image-2.6-flare takes for an image is not published; gpt-image-2.5's count is assumed, "
        "with room for more at low and medium quality",
    )


@pytest.mark.parametrize(("model", "ends"), [("gpt-image-1", date(2026, 10, 23)), ("gpt-image-1.5", date(2026, 12, 1))])
def test_the_price_of_a_retired_model_is_its_last_one(model: str, ends: date) -> None:
    before = priced(model=model, on=date.fromordinal(ends.toordinal() - 1))
    after = priced(model=model, on=ends)
    assert (before.basis, after.basis) == ("published", "retired")
    assert (before.expected, before.lines) == (after.expected, after.lines)
    assert (len(before.warnings), len(after.warnings)) == (0, 1)


def test_models_billed_by_image_have_one_line_without_tokens() -> None:
    found = priced(model="dall-e-3", quality="hd", size="1792x1024", n=1, on=date(2026, 5, 11))
    assert [(line.what, line.tokens, line.nano_per_token, line.nano) for line in found.lines] == [
        ("image", None, None, 120_000_000)
    ]
    assert (found.exact, found.basis) == (True, "published")
    later = priced(model="dall-e-2", quality="auto", size="auto", n=3)
    assert (later.expected, later.basis) == (60_000_000, "retired")


def test_alternatives_name_each_kind_of_change() -> None:
    found = priced(quality="high", n=2, partial_images=2)
    changes = [other.change for other in found.alternatives]
    assert "quality=low" in changes
    assert any(change.startswith("model=") for change in changes)
    low = {other.change: other for other in found.alternatives}["quality=low"]
    assert found.expected is not None
    assert low.expected == priced(quality="low", n=2, partial_images=2).expected
    assert low.ratio == pytest.approx(low.expected / found.expected)
    assert "partial_images=0" in [other.change for other in priced(quality="low", partial_images=3).alternatives]


def test_a_continuation_with_as_many_images_as_a_model_takes_has_alternatives() -> None:
    """The image that it goes on from is counted once."""
    most = replace(CONTINUED, quality="high", inputs=((64, 64),) * 16)
    assert priced(most).alternatives
    assert not priced(replace(most, inputs=((64, 64),) * 17)).alternatives


def test_a_larger_size_is_offered_where_it_costs_less() -> None:
    changes = [other.change for other in priced().alternatives]
    assert "size=2048x1152" in changes


def test_alternatives_keep_to_the_shape_that_was_asked_for() -> None:
    changes = [other.change for other in priced(size="1024x1536", quality="high").alternatives]
    assert [change for change in changes if change.startswith("size=")] == ["size=864x1536"]


def test_a_model_is_offered_only_while_it_does_not_end_soon_and_its_price_is_published() -> None:
    def models(on: date) -> list[str]:
        return [other.change for other in priced(on=on).alternatives if other.change.startswith("model=")]

    assert "model=gpt-image-1-mini" in models(date(2026, 10, 1))  # which ends 61 days later
    assert models(date(2026, 10, 2)) == ["model=gpt-image-2.5-sunburst"]

    def cheap_when_assumed_or_dated(work: Work) -> Estimate:
        dated, assumed = work.model.endswith("-21"), "2.6" in work.model
        nano = 1 if dated or assumed else 2 if work == PLAIN else 3
        return Estimate((), nano, nano, nano, True, "assumed" if assumed else "published", None)

    assert alternatives(PLAIN, TODAY, cheap_when_assumed_or_dated, packaged_catalog()) == ()


NAMES = [model.name for model in packaged_catalog().models]


@st.composite
def works(draw: st.DrawFn) -> Work:
    """Any call that OpenAI or a compatible server may be sent."""
    name = draw(st.sampled_from([*NAMES, "nobody-knows-me"]))
    model = packaged_catalog().find(name)
    operation: Any = draw(st.sampled_from(["generate", "edit", "continue"]))
    edge = st.integers(64, 4096)
    inputs = draw(st.lists(st.none() | st.tuples(edge, edge), min_size=1, max_size=4))
    sizes = ["auto", *(model.sizes or ["1024x1024", "2048x1152", "528x1536", "3840x2160"])] if model else ["auto"]
    return replace(
        PLAIN,
        operation=operation,
        model=name,
        prompt=draw(st.text(max_size=200)),
        n=1 if operation == "continue" else draw(st.integers(1, 9)),
        size=draw(st.sampled_from(sizes)),
        quality=draw(st.sampled_from(["auto", *(model.qualities if model else ())])),
        partial_images=draw(st.integers(0, 3)),
        inputs=tuple(inputs) if operation != "generate" else (),
        input_fidelity=draw(st.sampled_from([None, "low", "high"])),
        api="responses" if operation == "continue" else "image",
        host_model=draw(st.sampled_from(["gpt-5.4", "gpt-5.6-luna", "o3"])) if operation == "continue" else None,
        history=draw(st.sampled_from(["image", "full"])),
    )


@given(works())
@settings(deadline=None)
def test_lines_add_up_and_nothing_is_negative(work: Work) -> None:
    found = estimate(work, TODAY)
    if found.expected is None:
        assert work.model == "nobody-knows-me"
        return
    assert found.low is not None
    assert found.high is not None
    assert sum(line.nano for line in found.lines) == found.expected
    assert all(line.nano == (line.tokens or 0) * (line.nano_per_token or 0) for line in found.lines if line.tokens)
    assert all(line.nano > 0 for line in found.lines)
    assert 0 < found.low <= found.expected <= found.high
    assert not (found.exact and found.left_open)
    assert not found.exact or found.high <= 1.1 * found.expected, "what is exact but for the text"


@given(works())
@settings(deadline=None)
def test_one_more_image_costs_more(work: Work) -> None:
    one, more = estimate(work, TODAY), estimate(replace(work, n=work.n + 1), TODAY)
    for before, after in ((one.low, more.low), (one.expected, more.expected), (one.high, more.high)):
        assert (before is None) == (after is None)
        assert before is None or after is None or before < after


@given(works())
@settings(deadline=None)
def test_a_continuation_that_goes_through_edits_costs_no_more_than_was_reserved(work: Work) -> None:
    through_host = estimate(replace(work, operation="continue", api="responses", host_model="gpt-5.4"), TODAY)
    edited = estimate(replace(work, operation="edit", api="image", host_model=None, history="image"), TODAY)
    assert (edited.high is None) == (through_host.high is None)
    assert edited.high is None or through_host.high is None or edited.high <= through_host.high


@given(works())
@settings(deadline=None)
def test_alternatives_cost_less_and_are_accepted(work: Work) -> None:
    found = estimate(work, TODAY)
    assert len(found.alternatives) <= 5
    assert [other.expected for other in found.alternatives] == sorted(other.expected for other in found.alternatives)
    assert len({other.change for other in found.alternatives}) == len(found.alternatives)
    for other in found.alternatives:
        name, _, value = other.change.partition("=")
        new: dict[str, Any] = {name: int(value) if name == "partial_images" else value}
        changed = replace(work, **new)
        assert other.expected == estimate(changed, TODAY).expected
        assert found.expected is None or other.expected < found.expected
        sent = changed.inputs[1:] if changed.api == "responses" else changed.inputs
        fields = {name: getattr(changed, name) for name in ("operation", "n", "size", "quality", "partial_images")}
        wanted = EstimateCost(**fields, images=["a.png"] * len(sent), input_fidelity=changed.input_fidelity)
        edits = changed.operation != "generate"
        check(wanted, model=changed.model, provider="openai", today=TODAY, api=changed.api, edits=edits)


@given(works(), st.data())
@settings(deadline=None, max_examples=300)
def test_what_the_api_may_bill_stays_between_low_and_high(work: Work, data: st.DataObject) -> None:
    """The API resolves auto, draws some of the partial frames, and the host writes as much as recorded."""
    found, row = estimate(work, TODAY), packaged().rates(work.model, TODAY)
    if row is None or row.tokens is None:
        return
    size = data.draw(st.sampled_from(sizes_of(work)), "size")
    level = data.draw(st.sampled_from(qualities(row.tokens)), "quality") if work.quality == "auto" else work.quality
    each = image_output_tokens(row.tokens, *size, level)
    assert each is not None
    edge = st.integers(64, 4096)
    seen = [known or data.draw(st.tuples(edge, edge).filter(in_shape), "input") for known in work.inputs]
    frames = data.draw(st.integers(0, work.partial_images), "frames") * work.n
    host, rewording = None, 0
    if work.api == "responses":
        rewording = data.draw(st.integers(0, 2_000), "rewording")
        prompt = data.draw(st.integers(min(1, len(work.prompt)), len(work.prompt.encode())), "tokens of the prompt")
        added = data.draw(st.integers(1_700, 3_200), "host input")
        host = Tokens(text_input=added + prompt, text_output=data.draw(st.integers(56, 2_000), "host output"))
    words = data.draw(st.integers(min(1, len(work.prompt)), len(work.prompt.encode())), "tokens of the words")
    said = 0
    if row.text_output and work.operation != "generate":
        said = sum(data.draw(st.integers(143, 308), "said") for _ in range(work.n))
    drawn = Tokens(
        text_input=6 + len(seen) * data.draw(st.sampled_from([1, 16]), "text for an image") + words + rewording,
        image_input=sum(image_input_tokens(row.tokens, *of, fidelity=work.input_fidelity) for of in seen),
        image_output=work.n * each + 100 * frames,
        text_output=said,
    )
    billed = cost(Usage(drawn, host), model=work.model, host_model=work.host_model, on=TODAY)
    assert billed.nano is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= billed.nano <= found.high


def in_shape(size: tuple[int, int]) -> bool:
    return max(size) <= 3 * min(size)


def sizes_of(work: Work) -> list[tuple[int, int]]:
    """What a size comes to: itself, or for auto a standard size, or a known input's shape at about as many pixels."""
    if work.size != "auto":
        width, height = work.size.split("x")
        return [(int(width), int(height))]
    row = packaged().rates(work.model, TODAY)
    if row is None or row.tokens == "gpt-image-1":
        return list(SIZES)
    follows = [size for size in work.inputs if size and in_shape(size)]
    scaled = [
        (round(width * (pixels / (width * height)) ** 0.5), round(height * (pixels / (width * height)) ** 0.5))
        for width, height in follows
        for pixels in (660_000, 1_048_576, 1_570_000)
    ]
    return [*SIZES, (1254, 1254), *scaled]
