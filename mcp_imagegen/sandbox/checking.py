"""Checks of a request's fields against a table, with the API's sentences for what is wrong."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .errors import out_of_range, text_empty, text_too_long, unknown_parameter, wrong_type, wrong_value


class Check(Protocol):
    """Raises ApiError where the value of the parameter is wrong."""

    def __call__(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True)
class Text:
    longest: int | None = None
    least: int = 0

    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        if len(value) < self.least:
            raise text_empty(name)
        if self.longest is not None and len(value) > self.longest:
            raise text_too_long(name, self.longest, len(value))


@dataclass(frozen=True)
class Whole:
    least: int
    most: int

    def __call__(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(name, "an integer", value)
        if not self.least <= value <= self.most:
            raise out_of_range(name, value, self.least, self.most)


@dataclass(frozen=True)
class Choice:
    values: tuple[str, ...]

    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, str):
            raise wrong_type(name, "a string", value)
        if value not in self.values:
            raise wrong_value(name, value, self.values)


@dataclass(frozen=True)
class Flag:
    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise wrong_type(name, "a boolean", value)


@dataclass(frozen=True)
class Structure:
    """An object with fields of its own; none given: any."""

    fields: Mapping[str, Check] | None = None

    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise wrong_type(name, "an object", value)
        if self.fields is not None:
            checked(value, self.fields, prefix=f"{name}.")


@dataclass(frozen=True)
class Array:
    def __call__(self, name: str, value: Any) -> None:
        if not isinstance(value, list):
            raise wrong_type(name, "an array", value)


@dataclass(frozen=True)
class Anything:
    """Taken as it is: what the sandbox has no use for."""

    def __call__(self, name: str, value: Any) -> None:
        pass


def checked(
    fields: Mapping[str, Any], table: Mapping[str, Check], *, prefix: str = "", form: bool = False
) -> dict[str, Any]:
    """The fields that were given (null is not given), each as its check wants it; those of a form are texts and become
    numbers and booleans where the table says so. Raises ApiError for the first that is unknown or wrong."""
    given: dict[str, Any] = {}
    for name, value in fields.items():
        if (check := table.get(name)) is None:
            raise unknown_parameter(prefix + name)
        if value is None:
            continue
        given[name] = _from_form(check, value) if form else value
        check(prefix + name, given[name])
    return given


def _from_form(check: Check, value: Any) -> Any:
    if isinstance(check, Whole) and isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,9}", value):
        return int(value)
    if isinstance(check, Flag) and value in {"true", "false"}:
        return value == "true"
    return value
