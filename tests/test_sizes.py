"""Sizes of the models that take any size: which are legal, and which legal one is nearest."""

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_imagegen.catalog.sizes import closest, distance, legal_sizes, nearest, parse, problem, written
from mcp_imagegen.errors import InvalidArgument

LEGAL = frozenset(legal_sizes())
EDGES = st.integers(1, 6000) | st.integers(1, 10**40)


def by_the_rules(width: int, height: int) -> bool:
    """OpenAI's rules, written once more."""
    pixels = width * height
    return (
        width % 16 == height % 16 == 0
        and max(width, height) <= 3840
        and 1 / 3 <= width / height <= 3
        and 655_360 <= pixels <= 8_294_400
    )


def test_there_are_29146_legal_sizes_and_each_once() -> None:
    assert len(list(legal_sizes())) == len(LEGAL) == 29_146


def test_every_legal_size_is_accepted_and_no_other() -> None:
    grid = [(width, height) for width in range(16, 4000, 16) for height in range(16, 4000, 16)]
    accepted = {size for size in grid if problem(*size) is None}
    assert accepted == LEGAL
    assert accepted == {size for size in grid if by_the_rules(*size)}


@pytest.mark.parametrize("size", [(3840, 2160), (2160, 3840), (2880, 2880), (640, 1024), (3840, 1280), (1536, 512)])
def test_the_limits_themselves_are_legal(size: tuple[int, int]) -> None:
    assert problem(*size) is None


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        ((1920, 1080), "multiples of 16"),
        ((1025, 1024), "multiples of 16"),
        ((3856, 1600), "no edge may be longer than 3840"),
        ((1600, 3856), "no edge may be longer than 3840"),
        ((2064, 672), "at most 3 times"),
        ((512, 512), "262,144 pixels, and 655,360 is the least"),
        ((3840, 2176), "8,355,840 pixels, and 8,294,400 is the most"),
    ],
)
def test_the_broken_rule_is_named(size: tuple[int, int], rule: str) -> None:
    assert rule in (problem(*size) or "")


@given(EDGES, EDGES)
@example(1, 10**40)
@example(3840, 2176)
@example(1023, 641)
@settings(deadline=None, max_examples=60)
def test_the_nearest_size_is_legal_for_any_wanted_size(width: int, height: int) -> None:
    assert nearest(width, height) in LEGAL


@given(st.sampled_from(sorted(LEGAL)))
@settings(deadline=None, max_examples=60)
def test_a_legal_size_is_its_own_nearest(size: tuple[int, int]) -> None:
    assert nearest(*size) == size


@given(EDGES, EDGES)
@settings(deadline=None, max_examples=40)
def test_a_turned_size_gives_the_turned_answer(width: int, height: int) -> None:
    assert nearest(height, width) == nearest(width, height)[::-1]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((1920, 1080), (1920, 1088)),
        ((1080, 1920), (1088, 1920)),
        ((1000, 1000), (1008, 1008)),
        ((1366, 768), (1360, 768)),
        ((3856, 2160), (3840, 2160)),
        ((3840, 2176), (3840, 2160)),
        ((2064, 672), (2064, 688)),
        ((640, 1008), (656, 1008)),
        ((1449, 470), (1440, 480)),
    ],
)
def test_a_legal_size_within_a_step_is_the_nearest_in_pixels(wanted: tuple[int, int], found: tuple[int, int]) -> None:
    assert nearest(*wanted) == found


@given(st.sampled_from(sorted(LEGAL)), st.integers(-8, 7), st.integers(-8, 7))
@settings(deadline=None, max_examples=60)
def test_no_legal_size_is_nearer_in_pixels_than_one_within_half_a_step(
    size: tuple[int, int], wider: int, higher: int
) -> None:
    wanted = size[0] + wider, size[1] + higher
    found = nearest(*wanted)
    assert abs(found[0] - wanted[0]) + abs(found[1] - wanted[1]) <= abs(wider) + abs(higher)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ((512, 512), (816, 816)),
        ((600, 800), (720, 960)),
        ((7680, 4320), (3840, 2160)),
        ((9000, 9000), (2880, 2880)),
        ((1024, 256), (1440, 480)),
        ((10000, 100), (1728, 576)),
    ],
)
def test_a_size_that_has_to_be_scaled_keeps_its_shape_before_its_area(
    wanted: tuple[int, int], found: tuple[int, int]
) -> None:
    assert nearest(*wanted) == found


@given(st.integers(300, 5000), st.integers(300, 5000))
@settings(deadline=None, max_examples=30)
def test_the_nearest_is_never_far_in_shape_when_the_shape_is_allowed(width: int, height: int) -> None:
    if max(width, height) > 3 * min(width, height):
        return
    across, down = nearest(width, height)
    assert abs(math.log(across / down) - math.log(width / height)) < 0.05


def test_the_distance_weighs_shape_ten_times_as_much_as_area() -> None:
    assert distance((2000, 1000), (1000, 1000)) == pytest.approx(11 * math.log(2))
    assert distance((2000, 2000), (1000, 1000)) == pytest.approx(2 * math.log(2))
    assert distance((1000, 1000), (1000, 1000)) == 0


def test_the_closest_of_a_closed_list_has_the_wanted_shape() -> None:
    assert closest((1920, 1080), [(1024, 1024), (1536, 1024), (1024, 1536)]) == (1536, 1024)


@pytest.mark.parametrize("text", ["1536x864", " 1536X864 ", "1536 x 864", "1536\u00d7864", "01536x0864"])
def test_a_size_is_read_however_it_is_typed(text: str) -> None:
    size = parse(text)
    assert size == (1536, 864)
    assert written(size) == "1536x864"


@pytest.mark.parametrize("text", ["auto", "AUTO", " auto "])
def test_auto_is_no_size(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1024",
        "1024x",
        "0x1024",
        "1024x0",
        "-16x16",
        "1024x1024x1",
        "2K",
        "٣x٣",
        "1e3x1e3",
        "9" * 5000,
        f"{10**9}x16",
    ],
)
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(text)
    assert "WIDTHxHEIGHT" in refused.value.fix
    assert len(refused.value.sentence) < 80
