"""A thread drawn as text, for people and models: one line for each turn.

    1 generate, img_8f…: a lighthouse at dusk
    2 continue, img_03…: add a sailing boat
      4 continue from 2, img_c1…: in winter instead
    3 continue, failed: at night

A turn goes on from the one above it with the same indentation; a branch is indented under the turn it starts from. The
prompt comes last, so that nothing in it can pass for something else.
"""

from collections.abc import Iterator, Mapping, Sequence

from .values import Thread, Turn, one_line

LINES = 40  # of turns
PICTURES = 100  # of the turns that are shown
_PROMPT = 60  # characters
_INDENT = "  "


def shown(thread: Thread, last: int | None = None) -> tuple[Turn, ...]:
    """The newest turns up to that of the number `last`, oldest first: as many as are read with ease, and that one in
    any case."""
    chosen: list[Turn] = []
    pictures = 0
    for turn in reversed(thread.turns):
        if last is not None and turn.number > last:
            continue
        pictures += len(turn.finals)
        if chosen and (len(chosen) == LINES or pictures > PICTURES):
            break
        chosen.insert(0, turn)
    return tuple(chosen)


def drawing(thread: Thread, turns: Sequence[Turn] | None = None) -> list[str]:
    """The lines of these turns (None: of the newest), after one that says how many are left out before them, and before
    one for those after them."""
    turns = shown(thread) if turns is None else turns
    numbers, parents = {turn.number for turn in turns}, thread.parents
    children: dict[int | None, list[Turn]] = {}
    for turn in turns:
        parent = parents.get(turn.number)
        children.setdefault(parent if parent in numbers else None, []).append(turn)
    lines: list[str] = []
    for root in children.get(None, []):
        lines += _line_of(root, children, parents, "")
    earlier, later = left_out(thread, turns)
    before = [f"({earlier} earlier turns are left out)"] if earlier else []
    return [*before, *lines, *([f"({later} later turns are left out)"] if later else [])]


def left_out(thread: Thread, turns: Sequence[Turn]) -> tuple[int, int]:
    """How many turns of the thread come before these, and after them."""
    if not turns:
        return 0, 0
    earlier = sum(turn.number < turns[0].number for turn in thread.turns)
    return earlier, len(thread.turns) - earlier - len(turns)


def _line_of(
    begin: Turn, children: Mapping[int | None, list[Turn]], parents: Mapping[int, int], indent: str
) -> Iterator[str]:
    """A turn and the first ones that went on from each; above those the branches that start there."""
    turn: Turn | None = begin
    while turn is not None:
        yield indent + _shown(turn, parents.get(turn.number) if turn is begin else None)
        following = children.get(turn.number, [])
        for branch in following[1:]:
            yield from _line_of(branch, children, parents, indent + _INDENT)
        turn = following[0] if following else None


def _shown(turn: Turn, parent: int | None) -> str:
    said = [f"{turn.number} {turn.kind}" + (f" from {parent}" if parent is not None else "")]
    if turn.status != "completed":
        said.append(turn.status)
    said += [image.image_id for image in turn.finals[:1]]
    prompt = one_line(turn.prompt, _PROMPT)
    return ", ".join(said) + (f": {prompt}" if prompt else "")
