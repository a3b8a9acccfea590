"""JSON out of bodies and events, in whatever encoding it comes. To be called in a thread."""

from json import detect_encoding
from typing import Any

from pydantic_core import from_json

from .redaction import cleaned


def parsed(body: bytes | str, secret: str | None, *, partial: bool = False) -> Any:
    """The value in it, without the key. `partial`: without a string that has no end. Raises ValueError.

    The API's own are UTF-8, and read without being copied. Others have a mark before it, are UTF-16 or UTF-32, or have
    signs of another encoding in them, in whose place a question mark is read.
    """
    if isinstance(body, str) or encoding_of(body) == "utf-8":
        try:
            return cleaned(from_json(body, allow_partial=partial), secret)
        except ValueError:
            if isinstance(body, str) or _is_utf8(body):
                raise
    return cleaned(from_json(text_of(body), allow_partial=partial), secret)


def text_of(body: bytes) -> str:
    """The text, with marks in the place of what no sign of its encoding is."""
    return body.decode(encoding_of(body), "replace")


def encoding_of(body: bytes) -> str:
    """By its first bytes, as the standard library tells it for JSON."""
    return detect_encoding(body[:4])


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
