"""A thread drawn as text, for people and models: one line for each turn.

    1 generate, img_8f…: a lighthouse at dusk
    2 continue, img_03…: add a sailing boat
      4 continue from 2, img_c1…: in winter instead
    3 continue, failed: at night

A turn goes on from the one above it with the same indentation; a branch is indented under the turn it starts from. The
prompt comes last, so that nothing in it can pass for something else.
"""

from collections.abc import Iterator, Mapping

from .values import Thread, Turn, one_line

LINES = 40  # of turns; the newest are shown
_PROMPT = 60  # characters
_INDENT = "  "


def drawing(thread: Thread) -> list[str]:
    """The lines of the newest turns, after one that says how many are left out."""
    turns = thread.turns[-LINES:]
    shown, parents = {turn.number for turn in turns}, thread.parents
    children: dict[int | None, list[Turn]] = {}
    for turn in turns:
        parent = parents.get(turn.number)
        children.setdefault(parent if parent in shown else None, []).append(turn)
    left_out = len(thread.turns) - len(turns)
    lines = [f"({left_out} earlier turns are left out)"] if left_out else []
    for root in children.get(None, []):
        lines += _line_of(root, children, parents, "")
    return lines


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
