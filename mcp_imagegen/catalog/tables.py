"""Tables of rows in TOML: those of this package, and a user's own beside the state, read and checked in one way."""

from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import InvalidArgument, StorageFailed

R = TypeVar("R", bound="Row")

_FIX = "correct the file, or move it away"


class Row(BaseModel):
    """One row; a name that it does not know is an error, so that a misspelt one does not go unnoticed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def packaged_table(package: str, name: str) -> dict[str, Any]:
    """A table of this package; decimal numbers keep their digits."""
    # Late, so that a start that needs no table does not pay for reading it.
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files(package).joinpath(name).read_text(encoding="utf-8"), parse_float=Decimal)


def own_table(path: Path, kinds: tuple[str, ...]) -> dict[str, list[Any]]:
    """The rows of a user's file by kind; none where there is no such file.

    Raises StorageFailed when it cannot be read, InvalidArgument when it is no TOML or has anything but these kinds.
    """
    import tomllib

    try:
        text = path.read_text(encoding="utf-8-sig")  # Notepad begins a file with a byte order mark
    except FileNotFoundError:
        return {kind: [] for kind in kinds}
    except OSError as error:
        raise StorageFailed(f"{path} cannot be read: {error.strerror}", "make it readable, or move it away") from None
    except UnicodeDecodeError:
        raise InvalidArgument(f"{path} is no text in UTF-8", _FIX) from None
    try:
        table = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{path} is no TOML: {error}", _FIX) from None
    for kind, rows in table.items():
        if kind not in kinds:
            raise InvalidArgument(f"{path} has {kind[:40]!r}, which means nothing there", _only(kinds))
        if not isinstance(rows, list):
            raise InvalidArgument(f"{path}: {kind} is no list of rows", _only(kinds))
    return {kind: table.get(kind, []) for kind in kinds}


def checked(kind: type[R], row: Any, place: str) -> R:
    """The row as a value. Raises InvalidArgument with its place and the field that is wrong."""
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        raise wrong_row(place, _said(error)) from None


def wrong_row(place: str, said: str) -> InvalidArgument:
    return InvalidArgument(f"{place}: {said}", _FIX)


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:80]
    words = {"missing": f"{field} is missing", "extra_forbidden": f"there is no field {field!r}"}
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return words.get(first["type"]) or f"{field}: {message[:1].lower()}{message[1:]}" if field else message


def _only(kinds: tuple[str, ...]) -> str:
    return f"write rows only, each under {' or '.join(f'[[{kind}]]' for kind in kinds)}"
