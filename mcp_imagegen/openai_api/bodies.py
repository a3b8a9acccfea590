"""JSON out of bodies and events. To be called in a thread."""

from typing import Any

from pydantic_core import from_json

from .redaction import cleaned


def parsed(body: bytes | str, secret: str | None, *, partial: bool = False) -> Any:
    """The value in it, without the key. `partial`: without a string that has no end. Raises ValueError."""
    return cleaned(from_json(body, allow_partial=partial), secret)
