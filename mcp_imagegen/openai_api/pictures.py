"""Base64 of pictures, cut into slices so that a thread that works on one never holds the interpreter for long."""

import binascii
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_SLICE = 1 << 20  # base64 characters; a multiple of 4, so that each slice decodes by itself
_SLICE_BYTES = _SLICE // 4 * 3
_ODD = {"\r": "", "\n": "", "-": "+", "_": "/"}


def encoded(data: bytes) -> Iterator[bytes]:
    """The base64 of `data`, in slices of up to 1 MiB."""
    view = memoryview(data)
    for start in range(0, len(data), _SLICE_BYTES):
        yield binascii.b2a_base64(view[start : start + _SLICE_BYTES], newline=False)


def encoded_length(size: int) -> int:
    """Base64 characters of `size` bytes."""
    return (size + 2) // 3 * 4


def decoded(text: str) -> bytes:
    """The bytes of base64, also of a data URL, between blanks, broken into lines, in the alphabet for URLs, or without
    the padding at its end. A data URL that does not say it is base64 may hold the picture as it is. Raises ValueError.
    """
    text = text.strip()
    if text[:5].lower() == "data:":
        end = text.index(",")
        named, text = text[:end].lower(), text[end + 1 :]
        if text and not named.endswith(";base64") and not _strict(text):
            return unquote_to_bytes(text)
    for odd, usual in _ODD.items():
        if odd in text:
            text = text.replace(odd, usual)
    slices = [text[start : start + _SLICE] for start in range(0, len(text), _SLICE)]
    if len(text) % 4:
        slices[-1] = _padded(slices[-1])
    data = b"".join([binascii.a2b_base64(part, strict_mode=True) for part in slices])
    if not data:
        raise ValueError("no data")
    return data


def _strict(text: str) -> bool:
    """Whether it is base64 as it should be, to judge by its beginning and its length."""
    try:
        binascii.a2b_base64(text[:_SLICE], strict_mode=True)
    except ValueError:
        return False
    return len(text) % 4 == 0


def _padded(text: str) -> str:
    """With the padding that is missing. Raises ValueError for what was cut: its last sign says more than it should."""
    whole = text + "=" * (-len(text) % 4)
    end = whole[-4:]
    if binascii.b2a_base64(binascii.a2b_base64(end, strict_mode=True), newline=False) != end.encode():
        raise ValueError("cut")
    return whole
