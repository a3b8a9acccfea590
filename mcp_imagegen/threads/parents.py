"""Which image the next turn of a thread starts from."""

from dataclasses import replace

from ..errors import ImageNotFound
from .ids import is_image_id
from .values import StoredImage, Thread, Turn

_NAMED = 3  # images that an error names as examples


def parent_for(thread: Thread, from_image: str | None) -> tuple[StoredImage | None, Turn, tuple[str, ...]]:
    """The image to continue from, the turn that made it, and what the caller should be told.

    A thread that began with an answer in words alone has no image yet; its newest such turn can be answered all the
    same.

    `from_image` may be any image of the thread, a partial frame too. Without it the thread goes on from its newest
    turn: from that turn's first picture or, when it has none (only text, failed, still running), from the image that
    it was drawn from itself. Raises ImageNotFound for an image of elsewhere, and when the thread has no picture.
    """
    makers = {image.image_id: (image, turn) for turn in thread.turns for image in turn.images}
    if from_image is not None:
        if from_image not in makers:
            raise _not_in(thread, from_image)
        image, turn = makers[from_image]
        return image, turn, tuple(_answered(text) for text in texts_after(thread, image)[-1:])
    drawn = [turn for turn in reversed(thread.turns) if turn.finals]
    tip = thread.turns[-1] if thread.turns else None
    if not drawn and (texts := texts_after(thread, None)):
        return None, texts[-1], (_answered(texts[-1]),)
    if not drawn or tip is None:
        raise _nothing_in(thread)
    newest = drawn[0]
    if newest is tip:
        return tip.finals[0], tip, _chosen(tip)
    image, turn = makers.get(tip.from_image or "", (newest.finals[0], newest))
    return image, turn, (_skipped(tip, image, turn),)


def is_still_meant(thread: Thread, turn: Turn) -> bool:
    """Whether the same call without from_image, made again, means to go on from where this turn did, which was given to
    nobody. Others of the kind are unknown to the caller as well, unless they had ended before this one began."""
    before = {one.number for one in thread.turns if one.finished_at is not None and one.finished_at <= turn.created_at}
    known = (one for one in thread.turns if one.number != turn.number and (one.is_given or one.number in before))
    rest = replace(thread, turns=tuple(known))
    try:
        image, _, _ = parent_for(rest, None)
    except ImageNotFound:
        return False
    same = (image.image_id if image else None) == turn.from_image
    return same and all(text.number in before for text in texts_after(rest, image))


def texts_after(thread: Thread, image: StoredImage | None) -> tuple[Turn, ...]:
    """The newest turns, oldest first, that went on from this image and that the model answered with text alone: a
    question, say, that the next turn answers. A turn that came to nothing since (refused, say) answered nothing, and
    neither did one of another branch."""
    texts: list[Turn] = []
    for turn in reversed(thread.turns):
        if turn.from_image != (image.image_id if image else None):
            continue
        if turn.status == "text_only":
            texts.insert(0, turn)
        elif turn.finals:
            break
    return tuple(texts)


def in_view(thread: Thread, image: StoredImage | None, *, whole: bool) -> tuple[Turn, ...]:
    """The turns whose words the next turn from this image has in view, the newest first: those that it answers, and
    with the `whole` conversation that the image came of. Each brings what it had in view itself: a chain of responses
    goes back as far as the oldest of them was shown it."""
    makers = {one.image_id: turn for turn in thread.turns for one in turn.images}
    found: list[Turn] = []
    start, answers = image.image_id if image else None, True
    for turn in reversed(thread.turns):
        is_maker = start in makers and turn is makers[start]
        if is_maker and (not whole or turn.response_id is None):
            break
        if is_maker:
            start, answers = turn.from_image, True
        elif turn.from_image != start or not answers:
            continue
        elif turn.status != "text_only":
            answers = not turn.finals
            continue
        found.append(turn)
        whole = turn.options.get("history") == "full"
    return tuple(found)


def _answered(text: Turn) -> str:
    return f"turn {text.number} came back as text; this answers it"


def _chosen(tip: Turn) -> tuple[str, ...]:
    count = len(tip.finals)
    if count == 1:
        return ()
    return (f"turn {tip.number} has {count} images; this continues from the first, {tip.finals[0].image_id}",)


def _skipped(tip: Turn, image: StoredImage, turn: Turn) -> str:
    if tip.status == "text_only":
        return f"{_answered(tip)}, and continues from {image.image_id}"
    state = "is still in progress" if tip.status == "in_progress" else "made no image"
    return f"turn {tip.number} {state}; this continues from {image.image_id} of turn {turn.number}"


def _not_in(thread: Thread, from_image: str) -> ImageNotFound:
    named = from_image if is_image_id(from_image) else "of this name"
    newest = [image.image_id for turn in reversed(thread.turns) for image in turn.finals][:_NAMED]
    others = f", or use one of its images: {', '.join(newest)}" if newest else ""
    return ImageNotFound(f"the thread {thread.thread_id} has no image {named}", f"leave out from_image{others}")


def _nothing_in(thread: Thread) -> ImageNotFound:
    if thread.turns and thread.turns[-1].status == "in_progress":
        fix = f"wait for it with get_image_thread(thread_id={thread.thread_id!r}, wait=true)"
        return ImageNotFound(f"the thread {thread.thread_id} has no image yet", fix)
    frames = [image.image_id for turn in thread.turns for image in turn.images]
    partial = f", or continue from a partial frame: from_image={frames[-1]!r}" if frames else ""
    return ImageNotFound(
        f"the thread {thread.thread_id} has no image to continue from",
        f"start a new thread with generate_image or edit_image{partial}",
    )
