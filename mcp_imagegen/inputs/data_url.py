"""Pictures inside data URLs."""

import base64
import binascii
import re

from ..errors import InputRejected

_HEADER = re.compile(r"data:(?P<type>[A-Za-z0-9.+/-]*)(?:;[A-Za-z0-9=._-]+)*?;base64,", re.IGNORECASE)
_HEADER_LIMIT = 1_024  # characters
_SLICE = 1_048_576  # characters, a multiple of 4: decoding one holds the interpreter for about a millisecond


def decode(url: str, *, max_bytes: int) -> bytes:
    """The bytes of a base64 data URL. To be called in a thread. Raises InputRejected, which never repeats the URL."""
    header = _HEADER.match(url, 0, _HEADER_LIMIT)
    if header is None:
        raise InputRejected("the data URL is not base64", "write it as data:image/png;base64,…")
    payload = url[header.end() :]
    if len(payload) > (max_bytes + 2) // 3 * 4:
        raise InputRejected(f"the data URL holds more than {max_bytes // 1_000_000} MB", "scale the picture down")
    payload += "=" * (-len(payload) % 4)  # some clients leave the padding out
    try:
        slices = (payload[at : at + _SLICE] for at in range(0, len(payload), _SLICE))
        data = b"".join(base64.b64decode(part, validate=True) for part in slices)
    except (binascii.Error, ValueError):
        raise InputRejected("the data URL is not base64", "encode the picture's bytes in base64") from None
    if not data:
        raise InputRejected("the data URL is empty", "put the picture's bytes after the comma, in base64")
    return data
