"""Which image a continuation starts from."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_imagegen.errors import ImageNotFound
from mcp_imagegen.threads.parents import parent_for
from mcp_imagegen.threads.values import StoredImage, Thread, Turn, TurnStatus

AT = datetime(2026, 11, 20, tzinfo=UTC)
THREAD_ID = "thr_" + "1" * 32


def image_id(turn: int, index: int, frame: int | None = None) -> str:
    return f"img_{turn:08x}{index:08x}{0 if frame is None else frame + 1:016x}"


def stored(turn: int, index: int, frame: int | None) -> StoredImage:
    return StoredImage(
        image_id=image_id(turn, index, frame),
        thread_id=THREAD_ID,
        turn=turn,
        index=index,
        role="final" if frame is None else "frame",
        frame=frame,
        key="key",
        mime_type="image/png",
        width=1024,
        height=1024,
        bytes=1,
        sha256="",
        call_id=None,
        revised_prompt=None,
        action=None,
        created_at=AT,
    )


def turn_of(
    number: int, finals: int = 1, *, start: str | None = None, frames: int = 0, status: TurnStatus = "completed"
) -> Turn:
    pictures = [stored(number, index, None) for index in range(finals)]
    partial = [stored(number, 0, frame) for frame in range(frames)]
    return Turn(
        thread_id=THREAD_ID,
        number=number,
        kind="generate" if number == 1 else "continue",
        prompt="",
        status=status,
        from_image=start,
        provider="openai",
        api="image",
        model="gpt-image-2",
        host_model=None,
        options={},
        estimate_nano=None,
        owner_process="p",
        lease_until=AT,
        created_at=AT,
        images=(*pictures, *partial),
    )


def thread_of(*turns: Turn) -> Thread:
    return Thread(THREAD_ID, "local", None, "a fox", AT, AT, "openai", turns)


def chosen(thread: Thread, from_image: str | None = None) -> str:
    image, turn, _ = parent_for(thread, from_image)
    assert image in turn.images
    return image.image_id


FIRST, SECOND = image_id(1, 0), image_id(1, 1)


@pytest.mark.parametrize("status", ["text_only", "failed", "in_progress", "cancelled", "lost"])
@pytest.mark.parametrize(
    ("before", "start", "expected"),
    [
        pytest.param([turn_of(1)], FIRST, FIRST, id="the image that the tip was drawn from"),
        pytest.param([turn_of(1, 2)], SECOND, SECOND, id="also when that was not the first of its turn"),
        pytest.param([turn_of(1), turn_of(2, start=FIRST)], FIRST, FIRST, id="on its own branch"),
        pytest.param([turn_of(1, 0, frames=2), turn_of(2)], image_id(1, 0, 1), image_id(1, 0, 1), id="also a frame"),
        pytest.param([turn_of(1), turn_of(2, 2)], None, image_id(2, 0), id="without a link, the newest turn's first"),
        pytest.param([turn_of(1)], "img_" + "f" * 32, FIRST, id="the same when the link leads out of the thread"),
    ],
)
def test_tip_without_an_image_is_passed_over(
    before: list[Turn], start: str | None, expected: str, status: TurnStatus
) -> None:
    tip = turn_of(len(before) + 1, 0, start=start, frames=1, status=status)
    image, _, (warning,) = parent_for(thread_of(*before, tip), None)

    assert image.image_id == expected
    assert f"turn {tip.number} " in warning
    assert expected in warning
    assert ("still in progress" in warning) == (status == "in_progress")


def test_thread_goes_on_from_its_newest_turn() -> None:
    thread = thread_of(turn_of(1), turn_of(2, start=FIRST), turn_of(3, start=FIRST))
    image, turn, warnings = parent_for(thread, None)

    assert (image.image_id, turn.number, warnings) == (image_id(3, 0), 3, ())


def test_tip_with_several_images_gives_its_first_and_says_so() -> None:
    image, _, (warning,) = parent_for(thread_of(turn_of(1, 3)), None)

    assert image.image_id == FIRST
    assert "turn 1 has 3 images" in warning
    assert FIRST in warning


@pytest.mark.parametrize("status", ["failed", "lost", "cancelled", "in_progress"])
def test_image_that_was_saved_counts_however_the_turn_ended(status: TurnStatus) -> None:
    assert chosen(thread_of(turn_of(1), turn_of(2, start=FIRST, status=status))) == image_id(2, 0)


def test_any_image_of_the_thread_can_be_named_without_a_warning() -> None:
    thread = thread_of(turn_of(1, 2, frames=1), turn_of(2, 2, start=FIRST))
    for turn in thread.turns:
        for image in turn.images:
            assert parent_for(thread, image.image_id) == (image, turn, ())


@pytest.mark.parametrize("wrong", ["", "img_" + "f" * 32, THREAD_ID, "ignore\nall", FIRST.upper()])
def test_image_of_elsewhere_is_refused_with_the_newest_of_the_thread(wrong: str) -> None:
    with pytest.raises(ImageNotFound) as failure:
        parent_for(thread_of(turn_of(1, 2), turn_of(2, 2, start=FIRST)), wrong)

    assert THREAD_ID in failure.value.sentence
    assert "\n" not in str(failure.value)
    assert failure.value.fix.endswith(f"{image_id(2, 0)}, {image_id(2, 1)}, {FIRST}")


@pytest.mark.parametrize(
    ("turns", "fix"),
    [
        ([], "start a new thread with generate_image or edit_image"),
        ([turn_of(1, 0, status="failed")], "start a new thread with generate_image or edit_image"),
        (
            [turn_of(1, 0, frames=2, status="failed")],
            "start a new thread with generate_image or edit_image, "
            f"or continue from a partial frame: from_image='{image_id(1, 0, 1)}'",
        ),
        (
            [turn_of(1, 0, status="in_progress")],
            f"wait for it with get_image_thread(thread_id='{THREAD_ID}', wait=true)",
        ),
    ],
)
def test_thread_without_an_image_says_what_to_do(turns: list[Turn], fix: str) -> None:
    with pytest.raises(ImageNotFound) as failure:
        parent_for(thread_of(*turns), None)
    assert failure.value.fix == fix

    with pytest.raises(ImageNotFound):
        parent_for(thread_of(*turns), FIRST)


@dataclass
class Node:
    """One call of the model: the images it made, and the one it was drawn from."""

    images: list[str]
    start: str | None


@st.composite
def trees(draw: st.DrawFn) -> list[Node]:
    nodes: list[Node] = []
    for number in range(1, draw(st.integers(1, 8)) + 1):
        made = [image for node in nodes for image in node.images]
        start = draw(st.sampled_from(made)) if made else None
        nodes.append(Node([image_id(number, index) for index in range(draw(st.integers(0, 3)))], start))
    return nodes


def expected_of(nodes: list[Node]) -> str | None:
    """Upwards from the newest: the first image that a call made, else the one it was drawn from."""
    tip = nodes[-1]
    return tip.images[0] if tip.images else tip.start


@settings(deadline=None)
@given(trees())
def test_default_is_the_nearest_image_on_the_branch_of_the_newest_turn(nodes: list[Node]) -> None:
    turns = [turn_of(number, len(node.images), start=node.start) for number, node in enumerate(nodes, 1)]
    thread, expected = thread_of(*turns), expected_of(nodes)

    if expected is None:
        with pytest.raises(ImageNotFound):
            parent_for(thread, None)
        return
    image, turn, warnings = parent_for(thread, None)
    assert image.image_id == expected
    assert expected in nodes[turn.number - 1].images
    assert bool(warnings) == (len(nodes[-1].images) != 1)
    assert all(parent_for(thread, name)[0].image_id == name for node in nodes for name in node.images)
