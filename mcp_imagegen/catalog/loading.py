"""The catalog of this package, with the rows of a user's own `models.toml` added or put in their place."""

from collections.abc import Iterable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ..errors import InvalidArgument
from ..operations import IMAGE_LIMIT, PROMPT_LIMIT
from . import extra
from .models import Catalog, Host, Model, Transparency
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
    prompt_limit: Annotated[int, Field(ge=0, le=PROMPT_LIMIT)]
    n_limit: Annotated[int, Field(ge=1, le=10)]
    image_limit: Annotated[int, Field(ge=0, le=IMAGE_LIMIT)]
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


class HostRow(Row):
    """A row about models that host the image tool."""

    names: Annotated[list[Name], Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    ends: date | None = None

    def hosts(self) -> list[Host]:
        return [Host(name, self.source, self.ends) for name in self.names]


@cache
def packaged() -> Catalog:
    """The catalog of this package."""
    hosts = [
        checked(HostRow, row, f"{FILE}, host row {number}") for number, row in enumerate(_packaged_table()["host"], 1)
    ]
    return Catalog(
        tuple(model for row in _packaged_rows() for model in row.models()),
        hosts=tuple(host for row in hosts for host in row.hosts()),
    )


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
    hosts = {host.name: host for host in packaged().hosts}
    if home is not None:
        path = home / FILE
        table = own_table(path, ("model", "host"))
        models |= _own_models(table["model"], path)
        hosts |= _own_hosts(table["host"], path)
    return Catalog(tuple(models.values()), names, tuple(hosts.values()))


def _own_hosts(rows: list[Any], path: Path) -> dict[str, Host]:
    found: dict[str, Host] = {}
    for number, given in enumerate(rows, 1):
        place = f"{path}, host row {number}"
        row = _set_back({"source": OWN_SOURCE, **given}) if isinstance(given, dict) else given
        for host in checked(HostRow, row, place).hosts():
            if host.name in found:
                raise wrong_row(place, f"a second row for {host.name}")
            found[host.name] = host
    return found


def _own_models(rows: list[Any], path: Path) -> dict[str, Model]:
    known = {name: row for row in _packaged_rows() for name in row.names}
    found: dict[str, Model] = {}
    for number, given in enumerate(rows, 1):
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
    return _set_back({**inherited, "source": OWN_SOURCE, **own})


def _set_back(row: dict[str, Any]) -> dict[str, Any]:
    """The row without the fields that have a word for being absent."""
    return {field: value for field, value in row.items() if _ABSENT.get(field) != value}


@cache
def _packaged_table() -> dict[str, Any]:
    return packaged_table(__package__ or "", FILE)


@cache
def _packaged_rows() -> tuple[ModelRow, ...]:
    table = _packaged_table()
    return tuple(
        checked(ModelRow, _inherited(row, table["family"]), f"{FILE}, row {number}")
        for number, row in enumerate(table["model"], 1)
    )


def _inherited(row: dict[str, Any], families: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The row's own fields over those of the family it is like."""
    own = {field: value for field, value in row.items() if field != "like"}
    return {**_inherited(families[row["like"]], families), **own} if "like" in row else own
