"""What a call will cost, before it is made."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date

from ..catalog.loading import packaged as packaged_catalog
from ..catalog.models import Catalog
from .alternatives import alternatives, unpriced_options
from .parts import Part, host_parts, image_parts, left_open
from .table import Prices
from .table import packaged as packaged_prices
from .values import UNBILLED_FORMATS, Alternative, Basis, Estimate, Flat, FlatRange, HostShare, Line, NoRow, Rates, Work

__all__ = ["Alternative", "Estimate", "Line", "Work", "estimate"]

Row = Rates | Flat


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
    edit = priced(as_edit(work)).high if work.operation == "continue" else None
    return replace(found, as_edit=edit, alternatives=alternatives(work, on, priced, catalog, offered))


def as_edit(work: Work) -> Work:
    """A continuation that goes through the Image API, which has no host to be paid."""
    return replace(work, operation="edit", api="image", host_model=None, history="image")


def price(work: Work, on: date, prices: Prices, catalog: Catalog) -> Estimate:
    """The price of a call without the cheaper ways."""
    if work.output_format in UNBILLED_FORMATS:
        return _unknown(f"how OpenAI bills {work.output_format} output is not published")
    flat = prices.is_flat(work.model, on)
    found = prices.flat_range(work.model, work.size, work.quality, on) if flat else prices.rates(work.model, on)
    row = found.dearest if isinstance(found, FlatRange) else found
    parts = None if found is None else _of_the_image(work, found)
    if row is None or parts is None:
        has_others = flat or (isinstance(row, Rates) and row.tokens)
        which = f" for {work.size} at quality {work.quality}" if has_others else ""
        no_row = NoRow(work.model, hosts=False) if row is None else None
        return _unknown(f"no price of {work.model} is known{which}", no_row)
    rows = [row]
    if work.api == "responses":
        host = prices.rates(work.host_model, on) if work.host_model else None
        if host is None or host.tokens is not None:
            no_row = NoRow(work.host_model, hosts=True) if work.host_model and host is None else None
            return _unknown(f"no price of {work.host_model}, which calls the image tool, is known", no_row)
        parts += host_parts(work, host)
        rows.append(host)
    model = catalog.find(work.model)
    basis = _basis(rows, retired=model is not None and model.retired(on))
    return _summed(work, rows, parts, basis, [] if flat else unpriced_options(work, catalog))


def _of_the_image(work: Work, found: Rates | FlatRange) -> list[Part] | None:
    """What the image model is paid for, by token or by image; None where its tokens are not known. Nothing says what
    auto usually comes to at a price for each image: the dearest is expected."""
    if isinstance(found, FlatRange):
        nano = work.n * found.dearest.nano
        return [Part(Line("image", None, None, nano), work.n * found.low, nano, found.autos)]
    return image_parts(work, found, found.tokens) if found.tokens else None


def _summed(work: Work, rows: list[Row], parts: list[Part], basis: Basis, unbounded: list[str]) -> Estimate:
    undecided = left_open(work, parts)
    return Estimate(
        lines=tuple(part.line for part in parts if part.line.nano),
        low=sum(part.low for part in parts),
        expected=sum(part.line.nano for part in parts),
        high=None if unbounded else sum(part.high for part in parts),
        exact=not undecided and not unbounded and basis != "assumed" and all(_is_fixed(part) for part in parts),
        left_open=undecided,
        unbounded=_unpublished(unbounded) if unbounded else None,
        basis=basis,
        prices_as_of=min(row.checked for row in rows),
        rows=tuple(rows),
        warnings=(*_about_the_price(work, rows[0], basis), *_about_options(work, unbounded)),
        host=_host_share(work, parts),
    )


def _host_share(work: Work, parts: list[Part]) -> HostShare | None:
    paid = [part for part in parts if part.line.what in ("host_input", "host_output")]
    if work.host_model is None or not paid:
        return None
    return HostShare(work.host_model, sum(part.low for part in paid), sum(part.high for part in paid))


def _is_fixed(part: Part) -> bool:
    """Whether its tokens are known beforehand, but for those of a prompt, which only the API's tokenizer counts."""
    return part.low == part.high or (part.line.what == "text_input")


def _unknown(why: str, no_row: NoRow | None = None) -> Estimate:
    return Estimate((), None, None, None, False, "unknown", None, warnings=(why,), unbounded=why, no_row=no_row)


def _basis(rows: list[Row], *, retired: bool) -> Basis:
    """By the image model's row, which is the first; a price that a host's own row is a part of is not published."""
    row = rows[0]
    if isinstance(row, Rates) and row.assumed:
        return "assumed"
    if retired and not row.own:
        return "retired"
    return "own" if any(row.own for row in rows) else "published"


def _about_the_price(work: Work, row: Row, basis: Basis) -> Iterator[str]:
    if isinstance(row, Rates) and row.assumed:
        said = f"how many tokens {work.model} takes for an image is not published; {row.assumed}'s count is assumed"
        yield f"{said}, with room for more at low and medium quality"
    elif basis == "retired":
        yield f"the price of {work.model} is the last one before OpenAI shut it down"


def _about_options(work: Work, unbounded: list[str]) -> Iterator[str]:
    if work.marked_up:
        yield "how OpenAI bills a markup is not published; it is counted as one more input image"
    for name in unbounded:
        yield f"{_unpublished([name])}, so nothing bounds it"


def _unpublished(names: list[str]) -> str:
    return f"what {' and '.join(names)} {'adds' if len(names) == 1 else 'add'} to the price is not published"
