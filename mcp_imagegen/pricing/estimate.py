"""What a call will cost, before it is made."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date

from ..catalog.loading import packaged as packaged_catalog
from ..catalog.models import Catalog
from .alternatives import alternatives
from .parts import Part, host_parts, image_parts, left_open
from .table import Prices
from .table import packaged as packaged_prices
from .values import UNBILLED_FORMATS, Alternative, Basis, Estimate, Flat, HostShare, Line, Rates, Work

__all__ = ["Alternative", "Estimate", "Line", "Work", "estimate"]

UNPRICED_EXTRA = ("complexity",)  # what it adds to the tokens is not published


def estimate(
    work: Work,
    on: date,
    *,
    prices: Prices | None = None,
    catalog: Catalog | None = None,
    offered: Collection[str] | None = None,
) -> Estimate:
    """The price of a call on a day, with cheaper ways, by default at the packaged prices for the packaged models.

    `offered` are the models that may be named in place of the call's; None: all of the catalog.
    Raises InvalidArgument for a size that cannot be read.
    """
    prices, catalog = prices or packaged_prices(), catalog or packaged_catalog()

    def priced(work: Work) -> Estimate:
        return price(work, on, prices, catalog)

    found = priced(work)
    host = found.host
    if host is not None and work.operation == "continue":
        host = replace(host, as_edit=priced(as_edit(work)).high)
    return replace(found, host=host, alternatives=alternatives(work, on, priced, catalog, offered))


def as_edit(work: Work) -> Work:
    """A continuation that goes through the Image API, which has no host to be paid."""
    return replace(work, operation="edit", api="image", host_model=None, history="image")


def price(work: Work, on: date, prices: Prices, catalog: Catalog) -> Estimate:
    """The price of a call without the cheaper ways."""
    if work.output_format in UNBILLED_FORMATS:
        return _unknown(f"how OpenAI bills {work.output_format} output is not published")
    model = catalog.find(work.model)
    retired = model is not None and model.retired(on)
    if prices.is_flat(work.model, on):
        return _flat(work, on, prices, retired)
    row = prices.rates(work.model, on)
    if row is None or row.tokens is None:
        return _unknown(f"no price of {work.model} is known")
    parts = image_parts(work, row, row.tokens)
    if parts is None:
        return _unknown(f"no price of {work.model} is known for {work.size} at quality {work.quality}")
    rows = [row]
    if work.api == "responses":
        host = prices.rates(work.host_model, on) if work.host_model else None
        if host is None or host.tokens is not None:
            return _unknown(f"no price of {work.host_model}, which calls the image tool, is known")
        parts += host_parts(work, host)
        rows.append(host)
    unbounded = sorted(
        name
        for name, value in work.extra.items()
        if value is not None and (name in UNPRICED_EXTRA or name in catalog.further_extra)
    )
    return _summed(work, rows, parts, retired, unbounded)


def _summed(work: Work, rows: list[Rates], parts: list[Part], retired: bool, unbounded: list[str]) -> Estimate:
    low, high = sum(part.low for part in parts), sum(part.high for part in parts)
    lines = tuple(part.line for part in parts if part.line.nano)
    basis = _basis(rows[0], retired)
    warnings = _about_the_price(work, basis, rows[0].assumed)
    if work.marked_up:
        warnings.append("how OpenAI bills a markup is not published; it is counted as one more input image")
    warnings += [f"what {name} adds to the price is not published, so nothing bounds it" for name in unbounded]
    return Estimate(
        lines=lines,
        low=low,
        expected=sum(line.nano for line in lines),
        high=None if unbounded else high,
        exact=not unbounded and not rows[0].assumed and all(_is_fixed(part) for part in parts),
        left_open=left_open(work, parts),
        basis=basis,
        prices_as_of=min(row.checked for row in rows),
        rows=tuple(rows),
        warnings=tuple(warnings),
        host=_host_share(work, parts),
    )


def _flat(work: Work, on: date, prices: Prices, retired: bool) -> Estimate:
    one = prices.flat_price(work.model, work.size, work.quality, on)
    if one is None:
        return _unknown(f"no price of {work.model} is known for {work.size} at quality {work.quality}")
    nano = work.n * one.nano
    parts = [Part(Line("image", None, None, nano), nano, nano)]
    rows: list[Rates | Flat] = [one]
    if work.api == "responses":
        host = prices.rates(work.host_model, on) if work.host_model else None
        if host is None or host.tokens is not None:
            return _unknown(f"no price of {work.host_model}, which calls the image tool, is known")
        parts += host_parts(work, host)
        rows.append(host)
    low, high = sum(part.low for part in parts), sum(part.high for part in parts)
    lines, basis = tuple(part.line for part in parts if part.line.nano), _basis(one, retired)
    expected, warnings = sum(line.nano for line in lines), tuple(_about_the_price(work, basis, None))
    undecided = left_open(work, parts)
    checked = min(row.checked for row in rows)
    found = Estimate(
        lines, low, expected, high, low == high, basis, checked,
        warnings=warnings, left_open=undecided, rows=tuple(rows),
    )  # fmt: skip
    return replace(found, host=_host_share(work, parts))


def _host_share(work: Work, parts: list[Part]) -> HostShare | None:
    paid = [part for part in parts if part.line.what in ("host_input", "host_output")]
    if work.host_model is None or not paid:
        return None
    return HostShare(work.host_model, sum(part.low for part in paid), sum(part.high for part in paid))


def _is_fixed(part: Part) -> bool:
    """Whether its tokens are known beforehand, but for those of a prompt, which only the API's tokenizer counts."""
    return part.low == part.high or (part.line.what == "text_input")


def _unknown(why: str) -> Estimate:
    return Estimate((), None, None, None, False, "unknown", None, warnings=(why,))


def _basis(row: Rates | Flat, retired: bool) -> Basis:
    if isinstance(row, Rates) and row.assumed:
        return "assumed"
    return "retired" if retired else "published"


def _about_the_price(work: Work, basis: Basis, assumed: str | None) -> list[str]:
    match basis:
        case "assumed":
            said = f"how many tokens {work.model} takes for an image is not published; {assumed}'s count is assumed"
            return [f"{said}, with room for more at low and medium quality"]
        case "retired":
            return [f"the price of {work.model} is the last one before OpenAI shut it down"]
    return []
