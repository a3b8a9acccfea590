"""The price rows that an amount is by, as plain JSON values to keep with it."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from .amounts import NANO
from .rows import KINDS
from .values import Flat, Rates

_MILLION = 10**6  # tokens that a rate is told for


def rows_used(rows: Iterable[Rates | Flat]) -> list[dict[str, Any]] | None:
    """Of each row its model, since when it holds (absent: every day), when and where it was seen, and its amounts in
    USD; None where there are no rows."""
    return [_told(row) for row in rows] or None


def _told(row: Rates | Flat) -> dict[str, Any]:
    since: dict[str, Any] = {"valid_from": row.valid_from.isoformat()} if row.valid_from else {}
    told: dict[str, Any] = {"model": row.model, **since, "checked": row.checked.isoformat(), "source": row.source}
    if isinstance(row, Flat):
        return {**told, "usd_per_image": row.nano / NANO}
    rates = {kind: rate for kind, rate in asdict(row).items() if kind in (*KINDS, "cache_write") and rate is not None}
    told["usd_per_million"] = {kind: rate * _MILLION / NANO for kind, rate in rates.items()}
    return {**told, "long_context": True} if row.long_context else told
