"""The API key, taken out of what a provider repeats of it.

In prose it is replaced. An id or an option that holds it is no id and no option: it is left out.
"""

import re
from functools import lru_cache
from typing import Any

TAKEN_OUT = "[redacted]"
_LEAST = 8  # characters; shorter ones stand in for a key where none is needed, and are words like `none` or `test`
_LONGEST_SEARCHED = 64 << 10  # characters that are searched for a key in disguise; in more only for the key as it is
_PICTURES = frozenset({"b64_json", "partial_image_b64", "result", "url"})
_NAMES = frozenset({"id", "item_id", "size", "quality", "background", "output_format", "action", "status"})


def without(text: str, secret: str | None) -> str:
    """The text without the key, also where it is broken by blanks or percent-encoded."""
    if not secret or len(secret) < _LEAST:
        return text
    text = text.replace(secret, TAKEN_OUT)
    return _disguised(secret).sub(TAKEN_OUT, text) if len(text) <= _LONGEST_SEARCHED else text


def cleaned(value: Any, secret: str | None, name: str = "") -> Any:
    """A parsed answer without the key. `name` is the field that holds the value; pictures and links stay as they
    are."""
    match value:
        case str() if name not in _PICTURES:
            left = without(value, secret)
            return None if name in _NAMES and left != value else left
        case dict():
            return {field: cleaned(one, secret, field) for field, one in value.items()}
        case list():
            return [cleaned(one, secret, name) for one in value]
    return value


@lru_cache(maxsize=8)
def _disguised(secret: str) -> re.Pattern[str]:
    signs = (f"(?:{re.escape(sign)}|%(?i:{sign.encode('utf-8').hex('%')}))" for sign in secret)
    return re.compile(r"\s{0,4}".join(signs))
