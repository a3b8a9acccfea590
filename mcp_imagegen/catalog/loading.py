"""The catalog of this package, with the rows of a user's own `models.toml` added or put in their place."""

from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..errors import InvalidArgument
from . import extra
from .models import Catalog, Model, Transparency
from .sizes import parse, written
from .tables import Row, checked, own_table, packaged_table, wrong_row

FILE = "models.toml"
OWN_SOURCE = f"your {FILE}"

# Words for what is said by leaving a field out, so that a row can take a value of the row that it is like away.
_ABSENT = {"sizes": "any", "input_fidelity": "unknown", "ends": "never", "successor": "none", "added": "unknown"}


def _size(text: str) -> str:
    try:
        size = parse(text)
    except InvalidArgument as error:
        raise ValueError(error.sentence) from None
    if size is None:
        raise ValueError("auto needs no mention; write WIDTHxHEIGHT")
    return written(size)


def _day_or_month(value: str | date) -> str:
    return value if isinstance(value, str) else value.isoformat()


Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^\S+$")]
Limit = Annotated[int, Field(ge=0)]
Format = Literal["png", "jpeg", "webp", "gif", "svg"]


class ModelRow(Row):
    """A row of `models.toml`, which explains the fields; what a row is like fills in what it leaves out."""

    names: Annotated[list[Name], Field(min_length=1)]
    qualities: list[Name]
    formats: list[Format]
    transparency: Transparency
    prompt_limit: Limit
    n_limit: Annotated[int, Field(ge=1, le=10)]
    image_limit: Limit
    image_bytes: Limit
    mask_bytes: Limit
    image_types: Annotated[list[Literal["png", "jpeg", "webp"]], Field(min_length=1)]
    endpoints: Annotated[list[Literal["generations", "edits", "variations", "responses"]], Field(min_length=1)]
    options: list[Literal["background", "moderation", "output_compression", "partial_images"]]
    extra: list[Name]
    source: Annotated[str, Field(min_length=1)]
    sizes: Annotated[list[Annotated[str, AfterValidator(_size)]], Field(min_length=1)] | None = None
    preview_formats: list[Format] = Field(default=[])
    input_fidelity: list[Literal["low", "high"]] | None = None
    square_images: bool = False
    assumed: list[Name] = Field(default=[])
    added: Annotated[str | date, AfterValidator(_day_or_month)] | None = None
    ends: date | None = None
    successor: Name | None = None

    def models(self) -> list[Model]:
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "names"}
        frozen: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return [Model(name=name, **frozen) for name in self.names]


@cache
def packaged() -> Catalog:
    """The catalog of this package."""
    return Catalog(tuple(model for row in _packaged_rows() for model in row.models()))


def load(home: Path | None = None, further_extra: Iterable[str] = ()) -> Catalog:
    """The packaged catalog with the rows of `models.toml` in the folder `home`, and names that `extra` takes as well.

    A row of a known name changes the fields that it has; another must say which model it is `like`, or all that a model
    takes. Reads a file. Raises InvalidArgument with the file and row that cannot be used, or the name that `extra`
    never takes; StorageFailed for a file that cannot be read.
    """
    names = frozenset(further_extra)
    for name in sorted(names):
        extra.check_further(name)
    models = {model.name: model for model in packaged().models}
    if home is not None:
        models |= _own_models(home / FILE)
    return Catalog(tuple(models.values()), names)


def _own_models(path: Path) -> dict[str, Model]:
    known = {name: row for row in _packaged_rows() for name in row.names}
    found: dict[str, Model] = {}
    for number, given in enumerate(own_table(path, ("model",))["model"], 1):
        place = f"{path}, row {number}"
        for name in _names(given, place):
            if name in found:
                raise wrong_row(place, f"a second row for {name}")
            row = checked(ModelRow, {**_below(given, name, known, place), "names": [name]}, f"{place} ({name})")
            (found[name],) = row.models()
            known[name] = row  # a later row may be like it
    return found


class _Names(Row):
    names: Annotated[list[Name], Field(min_length=1)]


def _names(given: Any, place: str) -> list[str]:
    names = {"names": given["names"]} if isinstance(given, dict) and "names" in given else {}
    return checked(_Names, names, place).names


def _below(given: dict[str, Any], name: str, known: dict[str, ModelRow], place: str) -> dict[str, Any]:
    """The fields given over those of the model that the row is like, or whose row it changes."""
    like = given.get("like", name)
    base = known.get(like) if isinstance(like, str) else None
    if base is None and "like" in given:
        raise wrong_row(f"{place} ({name})", "like names no model that is known")
    inherited = base.model_dump(exclude_unset=True) if base else {}
    own = {field: value for field, value in given.items() if field != "like"}
    inherited["assumed"] = [field for field in inherited.get("assumed", []) if field not in own]
    whole = {**inherited, "source": OWN_SOURCE, **own}
    return {field: value for field, value in whole.items() if _ABSENT.get(field) != value}


@cache
def _packaged_rows() -> tuple[ModelRow, ...]:
    table = packaged_table(__package__ or "", FILE)
    return tuple(
        checked(ModelRow, _inherited(row, table["family"]), f"{FILE}, row {number}")
        for number, row in enumerate(table["model"], 1)
    )


def _inherited(row: dict[str, Any], families: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row's own fields over those of the family it is like."""
    own = {field: value for field, value in row.items() if field != "like"}
    return {**_inherited(families[row["like"]], families), **own} if "like" in row else own
