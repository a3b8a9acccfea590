"""What a call will cost, before it is made."""

from dataclasses import replace
from datetime import date

from ..catalog.models import find
from .alternatives import alternatives
from .parts import Part, host_parts, image_parts
from .table import Rates, flat_price, is_flat, rates
from .values import UNBILLED_FORMATS, Alternative, Basis, Estimate, Line, Work

__all__ = ["Alternative", "Estimate", "Line", "Work", "estimate"]

UNPRICED_EXTRA = ("complexity",)  # what it adds to the tokens is not published


def estimate(work: Work, on: date) -> Estimate:
    """The price of a call on a day, with cheaper ways. Raises InvalidArgument for a size that cannot be read."""
    found = price(work, on)
    return replace(found, alternatives=alternatives(work, on, price))


def price(work: Work, on: date) -> Estimate:
    """The price of a call without the cheaper ways."""
    if work.output_format in UNBILLED_FORMATS:
        return _unknown(f"how OpenAI bills {work.output_format} output is not published")
    if is_flat(work.model):
        return _flat(work, on)
    row = rates(work.model, on)
    if row is None or row.tokens is None:
        return _unknown(f"no price of {work.model} is known")
    parts = image_parts(work, row, row.tokens)
    if parts is None:
        return _unknown(f"no price of {work.model} is known for {work.size} at quality {work.quality}")
    rows = [row]
    if work.api == "responses":
        host = rates(work.host_model, on) if work.host_model else None
        if host is None or host.tokens is not None:
            return _unknown(f"no price of {work.host_model}, which calls the image tool, is known")
        parts += host_parts(work, host)
        rows.append(host)
    return _summed(work, on, rows, parts)


def _summed(work: Work, on: date, rows: list[Rates], parts: list[Part]) -> Estimate:
    low, high = sum(part.low for part in parts), sum(part.high for part in parts)
    lines = tuple(part.line for part in parts if part.line.nano)
    warnings = _about_the_price(work, on, rows[0])
    unbounded = [name for name in UNPRICED_EXTRA if work.extra.get(name) is not None]
    warnings += [f"what {name} adds to the price is not published, so nothing bounds it" for name in unbounded]
    return Estimate(
        lines=lines,
        low=low,
        expected=sum(line.nano for line in lines),
        high=None if unbounded else high,
        exact=low == high and not unbounded and not rows[0].assumed,
        basis=_basis(work, on, rows[0]),
        prices_as_of=min(row.checked for row in rows),
        warnings=tuple(warnings),
    )


def _flat(work: Work, on: date) -> Estimate:
    one = flat_price(work.model, work.size, work.quality, on)
    if one is None:
        return _unknown(f"no price of {work.model} is known for {work.size} at quality {work.quality}")
    nano = work.n * one.nano
    basis = _basis(work, on, None)
    line, warnings = Line("image", None, None, nano), tuple(_about_the_price(work, on, None))
    return Estimate((line,), nano, nano, nano, True, basis, one.checked, warnings=warnings)


def _unknown(why: str) -> Estimate:
    return Estimate((), None, None, None, False, "unknown", None, warnings=(why,))


def _basis(work: Work, on: date, row: Rates | None) -> Basis:
    if row is not None and row.assumed:
        return "assumed"
    model = find(work.model)
    return "retired" if model is not None and model.retired(on) else "published"


def _about_the_price(work: Work, on: date, row: Rates | None) -> list[str]:
    match _basis(work, on, row):
        case "assumed":
            return [f"no price of {work.model} is published; {row.assumed if row else ''}'s is assumed"]
        case "retired":
            return [f"the price of {work.model} is the last one before OpenAI shut it down"]
    return []
