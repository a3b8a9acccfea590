"""JSON out of bodies and events, in whatever encoding it comes. To be called in a thread."""

import re
from json import detect_encoding
from typing import Any

from pydantic_core import from_json

from .redaction import cleaned

_CONTROLS = bytes(range(32))
_SLICE = 1 << 20  # bytes that are looked at in one go: the interpreter is held meanwhile
_ODD = re.compile(  # the first two groups: a control character as it is, and half of a pair of surrogates
    rb"([\x00-\x1f])|\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def parsed(body: bytes | str, secret: str | None, *, partial: bool = False) -> Any:
    """The value in it, without the key. `partial`: without a string that has no end. Raises ValueError.

    The API's own are UTF-8, and read without being copied. Others have a mark before it, are UTF-16 or UTF-32, or have
    signs of another encoding in them, in whose place a question mark is read. So is half of a character that takes a
    pair of escapes, which is no text; and control characters that are not escaped are read as they are.
    """
    if isinstance(body, bytes) and encoding_of(body) != "utf-8":
        body = text_of(body)
    try:
        return cleaned(from_json(body, allow_partial=partial), secret)
    except ValueError:
        text = body if isinstance(body, str) else text_of(body)
        return cleaned(from_json(_mended(text.encode()), allow_partial=partial), secret)


def _mended(data: bytes) -> bytes:
    """JSON in whose strings nothing is left that a strict reader refuses."""
    pieces, at = [], 0
    while at < len(data):
        begin = data.find(b'"', at)
        if begin < 0:
            break
        end = _end_of_string(data, begin)
        pieces += [data[at:begin], _mended_string(data[begin:end])]
        at = end
    return b"".join([*pieces, data[at:]])


def _end_of_string(data: bytes, begin: int) -> int:
    """Behind the quotation mark that ends it, or at the end of the data."""
    end = begin
    while (end := data.find(b'"', end + 1)) >= 0:
        before = end
        while data[before - 1] == ord("\\"):
            before -= 1
        if (end - before) % 2 == 0:
            return end + 1
    return len(data)


def _mended_string(string: bytes) -> bytes:
    """Most are pictures and have nothing that is to be mended."""
    slices = (string[start : start + _SLICE] for start in range(0, len(string), _SLICE))
    if b"\\u" in string or any(len(one.translate(None, _CONTROLS)) < len(one) for one in slices):
        return _ODD.sub(_usual, string)
    return string


def _usual(odd: re.Match[bytes]) -> bytes:
    if odd[1]:
        return b"\\u%04x" % odd[1][0]
    return b"\\ufffd" if odd[2] else odd[0]


def text_of(body: bytes) -> str:
    """The text, with marks in the place of what no sign of its encoding is."""
    return body.decode(encoding_of(body), "replace")


def encoding_of(body: bytes) -> str:
    """By its first bytes, as the standard library tells it for JSON."""
    return detect_encoding(body[:4])
