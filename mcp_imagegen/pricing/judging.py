"""By what an estimate is judged once the call is made, where the whole amount says little of it."""

from dataclasses import dataclass, replace
from datetime import date

from ..errors import InvalidArgument
from ..openai_api.values import Resolved, Usage
from .cost import cost
from .parts import image_parts
from .table import Prices
from .values import What, Work

_MADE: tuple[What, ...] = ("image_output", "partial_images", "text_output")


@dataclass(frozen=True)
class Judged:
    """A part of what was billed, and the range in which the estimate had it, in 10^-9 USD."""

    nano: int
    low_nano: int
    high_nano: int


def judged(work: Work, usage: Usage, resolved: Resolved, *, on: date, prices: Prices) -> Judged | None:
    """What the image model was billed against the estimate of the size and quality that auto came to.

    Input that the API had in its cache counts as what it costs otherwise: that it cost less makes no estimate wrong.
    Through the Responses API only what it wrote and drew: how much of the words and images it is shown is the host's
    decision. None where the whole amount says as much (the estimate was by a size and quality for the image model
    alone, or the answer does not say what auto came to), and where nothing more is known of its tokens.
    """
    made = replace(
        work,
        size=(resolved.size or "auto") if work.size == "auto" else work.size,
        quality=(resolved.quality or "auto") if work.quality == "auto" else work.quality,
    )
    row = prices.rates(work.model, on)
    if row is None or row.tokens is None or usage.image is None:
        return None
    uncached = replace(usage.image, cached_text=0, cached_image=0)
    if work.api == "image" and made == work and uncached == usage.image:
        return None
    try:
        parts = image_parts(made, row, row.tokens)
    except InvalidArgument:  # no size as the API writes them
        return None
    billed = cost(replace(usage, image=uncached), model=work.model, host_model=None, on=on, prices=prices)
    if parts is None or billed.nano is None:
        return None
    chosen = [part for part in parts if work.api == "image" or part.line.what in _MADE]
    nano = sum(line.nano for line in billed.lines if work.api == "image" or line.what in _MADE)
    return Judged(nano, sum(part.low for part in chosen), sum(part.high for part in chosen))
