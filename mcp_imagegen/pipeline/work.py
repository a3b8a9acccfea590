"""A call as far as its price depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median_low
from typing import Any, Literal

from ..catalog.sizes import plain
from ..operations import ContinueImageThread, EstimateCost, GenerateImage, PaidOperation
from ..pricing.tokens import Range, prompt_tokens
from ..pricing.values import HostSeen, Work
from ..settings import Settings
from ..threads.values import Turn
from .continuing import Parent
from .values import kind_of

GIVEN = "images_given"  # beside the options of a turn: how many images, with those of an edit
MOST_TOKENS = 1_100_000  # a little more than any host model reads at once: what reports more is a wrong count


def work_of(
    operation: PaidOperation | EstimateCost,
    model: str,
    dimensions: tuple[tuple[int, int] | None, ...],
    api: Literal["image", "responses"],
    settings: Settings,
    *,
    sizes: tuple[str, ...] | None = None,
) -> Work:
    """What the operation asks for. `dimensions`: width x height in pixels of the images that the model is shown;
    `sizes`: those of the model, where it has no others."""
    return Work(
        operation=kind_of(operation),
        model=model,
        prompt=operation.prompt or "",
        n=1 if isinstance(operation, ContinueImageThread) else operation.n,
        size=plain(operation.size),
        quality=operation.quality,
        partial_images=operation.partial_images,
        inputs=dimensions,
        input_fidelity=None if isinstance(operation, GenerateImage) else operation.input_fidelity,
        output_format=operation.output_format,
        extra=operation.extra or {},
        api=api,
        host_model=host_of(api, settings),
        history=history_of(operation),
        action=operation.action if isinstance(operation, ContinueImageThread | EstimateCost) else "auto",
        usual_quality="high" if settings.resolved_provider == "azure" and api == "image" else "medium",
        sizes=sizes,
        background=operation.background,
        output_compression=operation.output_compression,
        moderation=operation.moderation,
    )


def host_of(api: Literal["image", "responses"], settings: Settings) -> str | None:
    """The model that calls the image tool, where a call goes through the Responses API."""
    return settings.host_model if api == "responses" else None


def history_of(operation: PaidOperation | EstimateCost) -> Literal["image", "full"]:
    """How much of the conversation the host model is shown."""
    return operation.history if isinstance(operation, ContinueImageThread | EstimateCost) else "image"


def recorded_options(operation: PaidOperation) -> dict[str, Any]:
    """The options of a call, and how many images it was given, which later turns may have in view."""
    options = operation.model_dump(mode="json", exclude={"prompt", "images", "mask", "thread_id"})
    given = 0 if isinstance(operation, GenerateImage) else len(operation.images)
    return {**options, GIVEN: given} if given else options


def in_conversation(work: Work, parent: Parent) -> Work:
    """The same work with the words of earlier turns that the host model reads again, and their images in its view."""
    told = replace(
        work,
        answered=_read_again(parent.answered),
        conversation=_read_again(parent.conversation),
        answers_whole=len(parent.answered) > len(parent.texts),
    )
    turns = parent.conversation if told.shows_whole else parent.answered
    return replace(told, images_in_view=sum(turn.options.get(GIVEN, 0) + len(turn.finals) for turn in turns))


def _read_again(turns: Sequence[Turn]) -> Range:
    """Tokens of what was asked and said, and of the prompts that the host wrote for its pictures."""
    words = [text for turn in turns for text in (turn.prompt, turn.text, *(one.revised_prompt for one in turn.finals))]
    low, expected, high = zip((0, 0, 0), *(prompt_tokens(text) for text in words if text), strict=True)
    return sum(low), sum(expected), sum(high)


def calibrated(work: Work, used: Sequence[Mapping[str, int]]) -> Work:
    """The same work with what the host model used in the owner's own earlier calls, where there are some. Counts that
    cannot be true are left out: one of them would keep every later call above its limit."""
    counts = [(one.get("text_input", 0) + one.get("image_input", 0), one.get("text_output", 0)) for one in used]
    read_and_written = [count for count in counts if max(count) <= MOST_TOKENS]
    if not read_and_written:
        return work
    read, written = zip(*read_and_written, strict=True)
    seen = HostSeen(turns=len(read_and_written), text_input=_spread(read), text_output=_spread(written))
    return replace(work, host_seen=seen)


def _spread(counts: Sequence[int]) -> tuple[int, int, int]:
    return min(counts), median_low(counts), max(counts)
