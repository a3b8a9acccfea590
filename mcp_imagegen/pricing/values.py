"""What is priced, and what pricing answers. Amounts are 10^-9 USD for the whole call, all its images together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from .tokens import Formula, Range

What = Literal[
    "text_input",
    "image_input",
    "cached_input",
    "image_output",
    "text_output",
    "partial_images",
    "host_input",
    "host_output",
    "image",
]
Basis = Literal["published", "assumed", "retired", "own", "unknown"]  # own: a row of the user's

UNBILLED_FORMATS = ("gif", "svg")  # how OpenAI bills them is not published
UNPRICED_EXTRA = ("complexity",)  # what it adds to the tokens is not published


@dataclass(frozen=True)
class HostSeen:
    """What so many earlier calls of the same kind used of the host model, in tokens: least, median and most."""

    turns: int
    text_input: tuple[int, int, int]
    text_output: tuple[int, int, int]


@dataclass(frozen=True)
class Work:
    """A call as far as its price depends on it.

    `inputs` has width x height in pixels of each image that the model is shown, in a continuation the one it starts
    from too; None where the size is not known. `size` is WIDTHxHEIGHT or auto, and `sizes` are those of the model where
    it has no others. `usual_quality` is what
    quality auto is expected to come to: at OpenAI one of the middle; Azure documents high as its default. With `api`
    responses a `host_model` calls the image tool and is paid as well; `host_seen` is what it used before, where that is
    known. `answered` and `conversation` are the tokens of earlier turns' words that this host reads again, with history
    image and full; `answers_whole`: a turn that this one answers was shown the whole conversation, and brings it along;
    `images_in_view`: how many images those turns were given or made, as far as that is recorded.
    `action` is what a continuation asks for. `background`, `output_compression` and `moderation` cost nothing, and not
    every model takes them.
    """

    operation: Literal["generate", "edit", "continue"]
    model: str
    prompt: str
    n: int
    size: str
    quality: str
    partial_images: int
    inputs: tuple[tuple[int, int] | None, ...]
    input_fidelity: str | None
    output_format: str
    extra: Mapping[str, Any]
    api: Literal["image", "responses"]
    host_model: str | None
    history: Literal["image", "full"]
    action: Literal["auto", "generate", "edit"] = "auto"
    host_seen: HostSeen | None = None
    usual_quality: str = "medium"
    background: str = "auto"
    output_compression: int | None = None
    moderation: str = "auto"
    answered: Range = (0, 0, 0)
    conversation: Range = (0, 0, 0)
    answers_whole: bool = False
    images_in_view: int = 0
    sizes: tuple[str, ...] | None = None

    @property
    def shows_whole(self) -> bool:
        """Whether the host model is shown the whole conversation."""
        return self.history == "full" or self.answers_whole

    @property
    def marked_up(self) -> bool:
        """Whether a markup lies on the first image. How OpenAI bills one is not published: it is taken to be one more
        input image of that size."""
        return self.operation == "edit" and self.extra.get("markup") is not None


@dataclass(frozen=True)
class Rates:
    """What a model costs on a day, in 10^-9 USD a token.

    A host model has one price for text and image input and no image output. `tokens` names the formula for the image
    tokens, `assumed` the model whose count of them stands in for an unpublished one.
    """

    model: str
    text_input: int
    cached_text: int
    image_input: int
    cached_image: int
    checked: date
    source: str
    image_output: int | None = None
    text_output: int | None = None
    cache_write: int | None = None
    long_context: bool = False
    tokens: Formula | None = None
    assumed: str | None = None
    valid_from: date | None = None
    own: bool = False


@dataclass(frozen=True)
class Flat:
    """The price of one image of a model that is billed by image, in 10^-9 USD."""

    nano: int
    checked: date
    source: str
    model: str
    valid_from: date | None = None
    own: bool = False


@dataclass(frozen=True)
class FlatRange:
    """What one image may cost where auto decides the size or the quality, from the cheapest, in 10^-9 USD, to the
    dearest; where nothing is left open both are the same. `autos`: what auto decides."""

    dearest: Flat
    low: int
    autos: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One kind of tokens, or images at a flat price (then without tokens)."""

    what: What
    tokens: int | None
    nano_per_token: int | None
    nano: int


@dataclass(frozen=True)
class Alternative:
    """A cheaper way: the one argument to change, what the call then costs and could cost at most, and its share of the
    price before (None: that is not known)."""

    change: str
    expected: int
    ratio: float | None
    high: int | None = None


@dataclass(frozen=True)
class HostShare:
    """What of a call's price is for the model that calls the image tool, at the lowest and at most. Its tokens are not
    known beforehand."""

    model: str
    low: int
    high: int


@dataclass(frozen=True)
class NoRow:
    """A model without a price row: one that draws, or one that hosts the image tool."""

    model: str
    hosts: bool


@dataclass(frozen=True)
class Estimate:
    """What a call will cost.

    `lines` add up to `expected`. `high` bounds what the call can plausibly cost; None means that nothing bounds it,
    because a price or a count is not published. `exact`: all is fixed at a published price but for the tokens of a
    prompt that can make no more than a tenth of it. `left_open`: what makes it a range. `unbounded`: why there is no
    `high`; `no_row`: where that is because a model has none. `rows`: those it is by, the image model's first.
    `as_edit`: what a continuation costs at most as an edit of the image, which has no host.
    """

    lines: tuple[Line, ...]
    low: int | None
    expected: int | None
    high: int | None
    exact: bool
    basis: Basis
    prices_as_of: date | None
    alternatives: tuple[Alternative, ...] = ()
    warnings: tuple[str, ...] = ()
    left_open: tuple[str, ...] = ()
    unbounded: str | None = None
    no_row: NoRow | None = None
    rows: tuple[Rates | Flat, ...] = field(default=(), compare=False)
    host: HostShare | None = None
    as_edit: int | None = None
