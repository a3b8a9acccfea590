"""A report as JSON values: amounts in USD, not rounded. No field is null; absent means not known."""

from datetime import datetime, tzinfo
from typing import Any

from ..pricing.amounts import usd
from .accuracy import Accuracy
from .reports import By, Group, Report, Section, Sums


def statement(
    report: Report,
    *,
    now: datetime,
    since: datetime | None = None,
    zone: tzinfo | None = None,
    longest: int | None = None,
) -> dict[str, Any]:
    """`money` and `sandbox` apart, each as `total`, by each grouping, as `estimates` against bills, and
    with the `prices` that were used, in USD.

    Of each grouping there are at most the `longest` latest days or dearest others, and how many more there were.
    """
    told: dict[str, Any] = {"time_zone": zone_of(now, zone)}
    if since is not None:
        told["since"] = since.astimezone(zone).isoformat()
    return {**told, "money": _section(report.money, longest), "sandbox": _section(report.sandbox, longest)}


def zone_of(now: datetime, zone: tzinfo | None = None) -> str:
    """The time zone of the days, with its present offset."""
    at = now.astimezone(zone)
    offset = at.strftime("%z")
    return f"{at.tzname()} (UTC{offset[:3]}:{offset[3:5]})"


def _section(section: Section, longest: int | None) -> dict[str, Any]:
    told: dict[str, Any] = {"total": _sums(section.total)}
    for by, groups in section.groups.items():
        kept = groups if longest is None else groups[-longest:] if by == "day" else groups[:longest]
        told[f"by_{by}"] = [_group(by, group) for group in kept]
        if len(kept) < len(groups):
            told[f"by_{by}_left_out"] = len(groups) - len(kept)
    prices = [{**used.row, "calls": used.calls} for used in section.prices]
    return {**told, "estimates": [_estimates(one) for one in section.estimates], "prices": prices}


def _group(by: By, group: Group) -> dict[str, Any]:
    told: dict[str, Any] = {} if group.key is None else {by: str(group.key)}
    if group.title is not None:
        told["title"] = group.title
    return {**told, **_sums(group.sums)}


def _sums(sums: Sums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "refused": sums.refused,
        "images": sums.images,
        "spent_usd": usd(sums.spent_nano),
        "billed_usd": usd(sums.billed_nano),
        "estimated_usd": usd(sums.estimated_nano),
        "reserved_usd": usd(sums.reserved_nano),
        "unpriced": sums.unpriced,
        "tokens": sums.tokens,
    }


def _estimates(one: Accuracy) -> dict[str, Any]:
    """Errors are shares of the price: 0.1 is 10% more than estimated."""
    told = {
        "provider": one.provider,
        "model": one.model,
        "calls": one.calls,
        "median_error": one.median,
        "worst_error": one.worst,
        "outside": one.outside,
    }
    return told if one.lately is None else {**told, "lately_off": one.lately}
