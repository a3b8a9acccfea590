"""The kinds of values that settings have, each with how it is written in an environment variable."""

import json
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

LEAST_USD = 1e-9  # amounts are whole numbers of it
_NEVER_FIXED = frozenset({"image", "image[]", "mask", "model", "n", "partial_images", "prompt", "stream"})
_NEVER_FIXED_IN_RESPONSES = frozenset({"background", "input", "previous_response_id", "tool_choice", "tools"})
_NEVER_DROPPED = frozenset({"image", "image[]", "images", "input", "mask", "prompt", "tools"})
_ENDPOINTS = ("generations", "edits", "variations", "responses")
_SENT_NAME = re.compile(r"(?:(?P<endpoint>[a-z]+)\.)?(?P<field>[A-Za-z_][A-Za-z0-9_-]*(?:\[[A-Za-z0-9_-]*\])*)")
_AZURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AZURE_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?|preview|v1")


def _on_off(value: object) -> object:
    return {"on": True, "off": False}.get(value.lower(), value) if isinstance(value, str) else value


def _paths(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _expanded(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str | Path) else value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")):
        raise ValueError("must begin with https:// or http://")
    if "@" in value.split("://", 1)[1].split("/", 1)[0]:
        raise ValueError("must not hold a user name or password; the key goes into OPENAI_API_KEY")
    try:
        usable = urlsplit(value).port != 0  # asking for the port checks it
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("must have a port of 1 to 65535, or none")
    return value


def _names(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _pairs(value: object) -> object:
    """`name=value,name=value`; the order counts."""
    if not isinstance(value, str):
        return value
    parts = [[side.strip() for side in part.partition("=")] for part in value.split(",") if part.strip()]
    if not all(all(part) for part in parts):
        raise ValueError("must be name=value pairs, separated by commas")
    return tuple((name, said) for name, _, said in parts)


def _deployments(value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    if not all(_AZURE_NAME.fullmatch(deployment) for deployment, _ in value):
        raise ValueError("a deployment's name has letters, digits, dots, dashes and underscores")
    return value


def _named(name: str) -> tuple[str | None, str]:
    """Endpoint and field of `field` or `endpoint.field`. Raises ValueError for what can be neither."""
    found = _SENT_NAME.fullmatch(name)
    if found is None or (found["endpoint"] or _ENDPOINTS[0]) not in _ENDPOINTS:
        raise ValueError(
            f"{name[:60]!r} names no field: write field, or endpoint.field with one of {', '.join(_ENDPOINTS)}"
        )
    return found["endpoint"], found["field"]


def _sendable(value: tuple[tuple[str, object], ...]) -> tuple[tuple[str, object], ...]:
    for endpoint, name in (_named(given) for given, _ in value):
        fixed = _NEVER_FIXED | (_NEVER_FIXED_IN_RESPONSES if endpoint == "responses" else frozenset())
        if name in fixed:
            raise ValueError("cannot fix what each call decides: " + ", ".join(sorted(fixed)))
    return value


def _droppable(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        _, field = _named(name)
        if field in _NEVER_DROPPED:
            raise ValueError(f"names {field}, without which a call is another one")
    return value


def _fields(value: object) -> object:
    """Pairs whose values are numbers, true or false where they read so, else text."""
    pairs = _pairs(value)
    return tuple((name, _scalar(said)) for name, said in pairs) if isinstance(pairs, tuple) else pairs


def _scalar(said: object) -> object:
    try:
        read = json.loads(said) if isinstance(said, str) else said
    except ValueError:
        return said
    return read if isinstance(read, bool | int | float) else said


def countable(value: float) -> float:
    """Raises ValueError for an amount of USD that comes to none."""
    if 0 < value < LEAST_USD:
        raise ValueError(f"must be {LEAST_USD:.9f} at least, the least amount that is counted")
    return value


def _azure_version(value: str) -> str:
    if not _AZURE_VERSION.fullmatch(value):
        raise ValueError("must be a date such as 2025-04-01-preview, or preview, or v1")
    return value


Usd = Annotated[float, AfterValidator(countable)]
Switch = Annotated[bool, BeforeValidator(_on_off)]
Folder = Annotated[Path, BeforeValidator(_expanded)]
Paths = Annotated[tuple[Folder, ...], BeforeValidator(_paths)]
Address = Annotated[str, AfterValidator(_web_address)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
SentFields = Annotated[
    tuple[tuple[str, bool | int | float | str], ...], BeforeValidator(_fields), AfterValidator(_sendable)
]
DroppedFields = Annotated[Names, AfterValidator(_droppable)]
Deployments = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs), AfterValidator(_deployments)]
AzureVersion = Annotated[str, AfterValidator(_azure_version)]
