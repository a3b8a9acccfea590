"""Pictures inside data URLs."""

import re

from ..errors import InputRejected
from ..openai_api.pictures import decoded, encoded_length

_HEADER = re.compile(r"data:(?P<type>[A-Za-z0-9.+/-]*)(?:;[A-Za-z0-9=._-]+)*?;base64,", re.IGNORECASE)
_HEADER_LIMIT = 1_024  # characters
_BLANKS = " \t\r\n"


def decode(url: str, *, max_bytes: int) -> bytes:
    """The bytes of a base64 data URL, read as leniently as an answer's. To be called in a thread. Raises InputRejected,
    which never repeats the URL."""
    header = _HEADER.match(url, 0, _HEADER_LIMIT)
    if header is None:
        raise InputRejected("the data URL is not base64", "write it as data:image/png;base64,…")
    payload = url[header.end() :]
    for blank in _BLANKS:  # base64 that was broken into lines, as `base64 file` prints it
        if blank in payload:
            payload = payload.replace(blank, "")
    if not payload:
        raise InputRejected("the data URL is empty", "put the picture's bytes after the comma, in base64")
    if len(payload) > encoded_length(max_bytes):
        raise InputRejected(f"the data URL holds more than {max_bytes // 1_000_000} MB", "scale the picture down")
    try:
        return decoded(payload)
    except ValueError:
        raise InputRejected("the data URL is not base64", "encode the picture's bytes in base64") from None
