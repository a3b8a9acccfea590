"""How long a provider asks to wait."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_TRY_AGAIN = re.compile(
    r"(?:try again|retry) (?:in|after) ((?:\d{1,9}(?:\.\d{1,9})?\s?(?:ms|h|m|s)[a-z]{0,10},?\s?){1,4})", re.IGNORECASE
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|h|m|s)", re.IGNORECASE)
_DAY_S = 86_400.0
_LONGEST_S = 366 * _DAY_S  # more is taken as this
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
        if seconds >= 0:
            return min(seconds, _LONGEST_S)
    try:
        until, said = parsedate_to_datetime(headers.get("retry-after", "")), headers.get("date")
        now = parsedate_to_datetime(said) if said else datetime.now(UTC)
        return min(max(0.0, (until - now).total_seconds()), _LONGEST_S)
    except (TypeError, ValueError, OverflowError):
        pass  # no two dates that can be compared
    if found := _TRY_AGAIN.search(text):
        said_s = sum(float(number) * _SECONDS[unit.lower()] for number, unit in _SPAN.findall(found[1]))
        return min(said_s, _LONGEST_S)
    return None


def spoken(seconds: float | None) -> str:
    """`12 s`, `5 minutes`, `4 hours`, `30 days`; `a minute` where nobody said."""
    if seconds is None:
        return "a minute"
    if seconds >= _LONGEST_S:
        return "more than a year"
    if seconds < 100:
        return f"{max(seconds, 0.1):.3g} s"
    named = ((6_000.0, 60.0, "minutes"), (2 * _DAY_S, 3_600.0, "hours"), (_LONGEST_S, _DAY_S, "days"))
    return next(f"{seconds / unit:.0f} {name}" for below, unit, name in named if seconds < below)
