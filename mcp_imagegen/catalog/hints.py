"""What OpenAI's guide says about using the models well: data in `hints.toml`, and when a result says it.

A hint is a warning only where the request makes it matter; what is true of every call stands in the tables of models.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import Annotated

from pydantic import Field

from .models import Model
from .request import Request
from .sizes import EXPERIMENTAL_PIXELS, parse
from .tables import Row, checked, packaged_table

MASK_FORMAT = "mask_on_another_format"  # the condition that `inputs` decides, which knows the images
ROUGH_QUALITIES = ("low",)
AS_IS = "i need to test how the tool works"  # how the prefix begins that limits the rewriting of dall-e-3

_COMBINES = re.compile(r"\b(combin(e|es|ed|ing)|merg(e|es|ed|ing))\b", re.IGNORECASE)
_DRAWS = re.compile(r"\b(draw|edit)", re.IGNORECASE)
_LITERAL = re.compile(r"\b(exactly|verbatim|literally|as[ -]is|word for word|nothing else|no other)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Hint:
    """One piece of advice, its source, and the models it is about, as patterns of names."""

    name: str
    text: str
    models: tuple[str, ...]
    source: str
    when: str | None = None
    inputs: int | None = None

    def about(self, model: Model) -> bool:
        return any(fnmatchcase(model.name, pattern) for pattern in self.models)


class _HintRow(Row):
    name: str
    text: Annotated[str, Field(min_length=1)]
    models: Annotated[list[str], Field(min_length=1)] = Field(default=["*"])
    source: Annotated[str, Field(min_length=1)]
    when: str | None = None
    inputs: int | None = None


@cache
def hints() -> tuple[Hint, ...]:
    """All hints, in the order of `hints.toml`."""
    rows = [checked(_HintRow, row, "hints.toml") for row in packaged_table(__package__ or "", "hints.toml")["hint"]]
    return tuple(Hint(row.name, row.text, tuple(row.models), row.source, row.when, row.inputs) for row in rows)


@lru_cache(maxsize=64)
def hints_of(model: Model) -> tuple[Hint, ...]:
    """The hints about one model."""
    return tuple(hint for hint in hints() if hint.about(model))


def relevant(request: Request) -> Iterator[str]:
    """A rule: the hints that this request makes matter."""
    for hint in hints_of(request.model):
        holds = CONDITIONS.get(hint.when or "")
        if holds is not None and holds(request, hint):
            yield hint.text


def _further_faithful_inputs(request: Request, hint: Hint) -> bool:
    return request.input_fidelity == "high" and hint.inputs is not None and request.images > hint.inputs


def _mask(request: Request, _: Hint) -> bool:
    return request.mask


def _transparent_and_rough(request: Request, _: Hint) -> bool:
    return request.wanted.background == "transparent" and request.wanted.quality in ROUGH_QUALITIES


def _very_large(request: Request, _: Hint) -> bool:
    size = parse(request.wanted.size)
    return size is not None and size[0] * size[1] > EXPERIMENTAL_PIXELS


def _combines_without_edit(request: Request, _: Hint) -> bool:
    return request.api == "responses" and request.images > 1 and _combines(request.prompt)


def _to_be_taken_literally(request: Request, _: Hint) -> bool:
    return _is_literal(request.prompt)


@lru_cache(maxsize=4)  # the search for cheaper ways asks this of one prompt again and again
def _combines(prompt: str) -> bool:
    return _COMBINES.search(prompt) is not None and _DRAWS.search(prompt) is None


@lru_cache(maxsize=4)
def _is_literal(prompt: str) -> bool:
    begun = prompt.lstrip().lower().startswith(AS_IS)
    return not begun and _LITERAL.search(prompt) is not None


CONDITIONS: dict[str, Callable[[Request, Hint], bool]] = {
    "further_faithful_inputs": _further_faithful_inputs,
    "mask": _mask,
    "transparent_and_rough": _transparent_and_rough,
    "very_large": _very_large,
    "combines_without_edit": _combines_without_edit,
    "to_be_taken_literally": _to_be_taken_literally,
}
