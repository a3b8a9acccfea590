"""The image models as frozen values."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal, TypeVar

Transparency = Literal["yes", "preview", "no", "unknown"]
EndsBy = Literal["catalog", "provider"]  # who named the day of an end

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class Model:
    """One image model: what it takes, since when and until when. `models.toml` explains each field."""

    name: str
    qualities: tuple[str, ...]  # without auto, lowest first
    formats: tuple[str, ...]
    transparency: Transparency
    prompt_limit: int  # characters
    n_limit: int
    image_limit: int
    image_bytes: int
    mask_bytes: int
    image_types: tuple[str, ...]
    endpoints: tuple[str, ...]
    options: tuple[str, ...]
    extra: tuple[str, ...]
    source: str
    sizes: tuple[str, ...] | None = None  # WIDTHxHEIGHT in pixels; None: any size of the rules in `sizes`
    preview_formats: tuple[str, ...] = ()
    input_fidelity: tuple[str, ...] | None = None  # (): refused by the API; None: not known
    square_images: bool = False
    assumed: tuple[str, ...] = ()
    added: str | None = None  # day or month
    ends: date | None = None  # first day without it
    ends_by: EndsBy = "catalog"
    successor: str | None = None

    @property
    def snapshot(self) -> bool:
        """Whether this is the dated name of another model."""
        return _SNAPSHOT.search(self.name) is not None

    def retired(self, on: date) -> bool:
        """Whether OpenAI no longer serves the model on that day."""
        return self.ends is not None and on >= self.ends


@dataclass(frozen=True)
class Host:
    """A model that hosts the image tool of the Responses API. `ends` is the first day without it."""

    name: str
    source: str | None = None  # None: nothing is known of it
    ends: date | None = None
    ends_by: EndsBy = "catalog"


_Ending = TypeVar("_Ending", Model, Host)


def with_end(model: _Ending, named: date | None, today: date) -> _Ending:
    """The model with the end that its provider names, which counts for more than the catalog's own; a day that has
    passed adds nothing to an end that the catalog knows."""
    past = model.ends is not None and model.ends <= today
    if named is None or (past and named <= today):
        return model
    return replace(model, ends=named, ends_by="provider")


@dataclass(frozen=True)
class Catalog:
    """All known models, newest lines first and the retired last, then those that a user added.

    `further_extra` are names that `extra` takes for every model, beside the model's own. `hosts` are the host models of
    which an end is known.
    """

    models: tuple[Model, ...]
    further_extra: frozenset[str] = field(default=frozenset())
    hosts: tuple[Host, ...] = ()

    def find(self, name: str) -> Model | None:
        """The model of this exact name; None when it is not known."""
        return next((model for model in self.models if model.name == name), None)

    def refined(self, named: Callable[[str], date | None], today: date) -> "Catalog":
        """The catalog with the ends that a provider names for its models, host models too, by their names."""
        return replace(
            self,
            models=tuple(with_end(model, named(model.name), today) for model in self.models),
            hosts=tuple(with_end(host, named(host.name), today) for host in self.hosts),
        )

    def host(self, name: str) -> Host | None:
        """The host model of this exact name; None when nothing is known of it."""
        return next((host for host in self.hosts if host.name == name), None)

    def extra_of(self, model: Model | None) -> frozenset[str]:
        """The names that `extra` takes for a model; an unknown one may be given any name that some model takes."""
        own = model.extra if model else (name for each in self.models for name in each.extra)
        return self.further_extra | frozenset(own)
