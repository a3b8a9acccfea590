"""A size that cannot be drawn is refused with the nearest that can, and that one is then accepted."""

import re

import pytest
from conftest import Upstream
from doors import call, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client

from mcp_imagegen.catalog.sizes import legal_sizes, nearest, problem

LEGAL = frozenset(legal_sizes())
BROKEN = [
    ("1000x1000", "multiples of 16", "1008x1008"),
    ("1920x1080", "multiples of 16", "1920x1088"),
    ("3856x2160", "no edge may be longer than 3840", "3840x2160"),
    ("12345600x6944400", "no edge may be longer than 3840", "3840x2160"),
    ("2048x512", "at most 3 times the shorter", "1776x592"),
    ("512x512", "655,360 is the least", "816x816"),
    ("3840x3840", "8,294,400 is the most", "2880x2880"),
]


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2.5-flare"])
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken[0])
async def test_each_broken_rule_is_named_with_the_nearest_size_which_is_taken(
    client: Client, upstream: Upstream, model: str, broken: tuple[str, str, str]
) -> None:
    size, rule, suggested = broken
    for tool in ("generate_image", "estimate_cost"):
        text = await refusal(client, tool, prompt="a kite", size=size, model=model)
        assert text.startswith(f"invalid_argument: the size {size} cannot be drawn: ")
        assert rule in text
        assert f"To fix: use {suggested}, the nearest that fits" in text
    price = await call(client, "estimate_cost", prompt="a kite", size=suggested, model=model)
    assert price["size"] == suggested
    assert upstream.seen == []


async def test_a_size_outside_a_closed_list_is_answered_with_one_of_it(client: Client) -> None:
    text = await refusal(client, "estimate_cost", prompt="a kite", size="1920x1080", model="gpt-image-2.5-flare")
    found = re.search(r"use (\d+)x(\d+)", text)
    assert found is not None
    assert (int(found[1]), int(found[2])) in LEGAL


@given(st.integers(1, 8000), st.integers(1, 8000))
@settings(deadline=None, max_examples=200)
def test_a_size_is_either_legal_or_has_a_legal_one_nearest(width: int, height: int) -> None:
    assert ((width, height) in LEGAL) == (problem(width, height) is None)
    assert nearest(width, height) in LEGAL
