"""Base64 of pictures, cut into slices so that a thread that works on one never holds the interpreter for long."""

import binascii
from collections.abc import Iterator

_SLICE = 1 << 20  # base64 characters; a multiple of 4, so that each slice decodes by itself
_SLICE_BYTES = _SLICE // 4 * 3


def encoded(data: bytes) -> Iterator[bytes]:
    """The base64 of `data`, in slices of up to 1 MiB."""
    view = memoryview(data)
    for start in range(0, len(data), _SLICE_BYTES):
        yield binascii.b2a_base64(view[start : start + _SLICE_BYTES], newline=False)


def encoded_length(size: int) -> int:
    """Base64 characters of `size` bytes."""
    return (size + 2) // 3 * 4


def decoded(text: str) -> bytes:
    """The bytes of base64, also of a base64 data URL and of base64 broken into lines. Raises ValueError."""
    if text.startswith("data:"):
        text = text[text.index(",") + 1 :]
    if "\n" in text or "\r" in text:
        text = text.replace("\r", "").replace("\n", "")
    slices = (text[start : start + _SLICE] for start in range(0, len(text), _SLICE))
    data = b"".join([binascii.a2b_base64(part, strict_mode=True) for part in slices])
    if not data:
        raise ValueError("no data")
    return data
