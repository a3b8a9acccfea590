"""How long a provider asks to wait."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TRY_AGAIN = re.compile(
    r"(?:try again|retry) (?:in|after) ((?:\d{1,9}(?:\.\d{1,9})?\s?(?:ms|h|m|s)[a-z]{0,10},?\s?){1,4})", re.IGNORECASE
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_s(headers: Mapping[str, str], text: str) -> float | None:
    """Seconds until the next try is welcome; None where the answer does not say.

    `retry-after-ms` comes first, then `retry-after` (seconds, or a date, which is compared with the answer's own
    `date`, or with the clock where it has none), then "try again in 1m30s" (OpenAI) or "retry after 9 seconds" (Azure)
    in the text.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if 0 <= seconds < 10**7:
            return seconds
    try:
        until, said = parsedate_to_datetime(headers.get("retry-after", "")), headers.get("date")
        now = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return max(0.0, (until - now).total_seconds())
    except (TypeError, ValueError, OverflowError):
        pass  # no two dates that can be compared
    if found := _TRY_AGAIN.search(text):
        return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _SPAN.findall(found[1]))
    return None


def spoken(seconds: float | None) -> str:
    """`12 s`, `5 minutes`; `a minute` where nobody said."""
    if seconds is None:
        return "a minute"
    return f"{max(seconds, 0.1):.3g} s" if seconds < 100 else f"{seconds / 60:.0f} minutes"
