"""The models of `models.toml` as frozen values."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal

Transparency = Literal["yes", "preview", "no", "unknown"]

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
    endpoints: tuple[str, ...]
    options: tuple[str, ...]
    extra: tuple[str, ...]
    source: str
    sizes: tuple[str, ...] | None = None  # WIDTHxHEIGHT in pixels; None: any size of the rules in `sizes`
    preview_formats: tuple[str, ...] = ()
    input_fidelity: tuple[str, ...] | None = None  # (): refused by the API; None: not known
    assumed: tuple[str, ...] = ()
    added: str | None = None  # day or month
    ends: date | None = None  # first day without it
    successor: str | None = None

    @property
    def snapshot(self) -> bool:
        """Whether this is the dated name of another model."""
        return _SNAPSHOT.search(self.name) is not None

    def retired(self, on: date) -> bool:
        """Whether OpenAI no longer serves the model on that day."""
        return self.ends is not None and on >= self.ends


@cache
def every_model() -> tuple[Model, ...]:
    """All known models, newest lines first as `models.toml` has them, the retired last."""
    # Late, so that a start that needs no catalog does not pay for reading it.
    import tomllib
    from importlib.resources import files

    table = tomllib.loads(files(__package__).joinpath("models.toml").read_text(encoding="utf-8"))
    return tuple(model for row in table["model"] for model in _models(row, table["family"]))


def find(name: str) -> Model | None:
    """The model of this exact name; None when it is not known."""
    return _by_name().get(name)


@cache
def _by_name() -> dict[str, Model]:
    return {model.name: model for model in every_model()}


def _models(row: dict[str, Any], families: dict[str, dict[str, Any]]) -> list[Model]:
    fields = _inherited(row, families)
    names = fields.pop("names")
    values: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
    }
    return [Model(name=name, **values) for name in names]


def _inherited(row: dict[str, Any], families: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row's own fields over those of the family it is like."""
    own = {field: value for field, value in row.items() if field != "like"}
    return {**_inherited(families[row["like"]], families), **own} if "like" in row else own
