"""Amounts of money: exact inside, readable outside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_imagegen.errors import InvalidArgument
from mcp_imagegen.pricing.amounts import NANO, covering, from_usd, shown, shown_apart, usd


@pytest.mark.parametrize(
    ("nano", "text"),
    [
        (0, "$0.00"),
        (1, "$0.000000001"),
        (280_000, "$0.00028"),
        (2_100_000, "$0.0021"),
        (5_000_000, "$0.005"),
        (9_999_999, "$0.01"),
        (52_680_000, "$0.053"),
        (50_000_000, "$0.05"),
        (210_720_000, "$0.211"),
        (200_000_000, "$0.20"),
        (999_999_999, "$1.00"),
        (1_000_000_000, "$1.00"),
        (12_345_678_901, "$12.35"),
        (1_234_567_890_123, "$1,234.57"),
        (-5_000_000, "-$0.005"),
    ],
)
def test_an_amount_is_shown_with_the_digits_that_count(nano: int, text: str) -> None:
    assert shown(nano) == text


@given(st.integers(0, 10**15))
def test_an_amount_survives_the_way_to_usd_and_back(nano: int) -> None:
    assert from_usd(usd(nano)) == nano


def test_usd_becomes_the_nearest_whole_amount() -> None:
    assert from_usd(0.1 + 0.2) == 300_000_000
    assert from_usd(1) == NANO
    assert from_usd(0.05) == 50_000_000
    assert from_usd(0.0000000006) == 1


@pytest.mark.parametrize("amount", [float("inf"), float("-inf"), float("nan")])
def test_what_is_no_amount_is_refused(amount: float) -> None:
    with pytest.raises(InvalidArgument):
        from_usd(amount)


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=4))
def test_amounts_that_differ_look_different(amounts: list[int]) -> None:
    assert len(set(shown_apart(*amounts))) == len(set(amounts))


@given(st.integers(0, 10**13))
def test_what_is_advised_as_a_limit_covers_the_amount_and_little_more(nano: int) -> None:
    assert nano <= from_usd(float(covering(nano))) <= max(nano + 1, 1.01 * nano)


def test_amounts_that_differ_much_are_shown_as_ever() -> None:
    assert shown_apart(52_680_000, 50_000_000) == ("$0.053", "$0.05")
    assert shown_apart(40_000_001, 40_000_000) == ("$0.040000001", "$0.04")
