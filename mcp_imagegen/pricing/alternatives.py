"""Cheaper ways to the same picture: one argument changed at a time, and only to what the model takes."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import date
from typing import Any

from ..catalog.check import check
from ..catalog.ending import WARN_DAYS
from ..catalog.extra import OF_ONE_FORMAT
from ..catalog.models import Catalog, Model
from ..catalog.sizes import is_size, parse, written
from ..errors import ImagegenError
from ..operations import EstimateCost
from .values import UNBILLED_FORMATS, UNPRICED_EXTRA, Alternative, Estimate, Work

MOST = 5
PRICED_FORMAT = "png"  # takes what any format takes, transparency too; jpeg and webp cost the same

# Sizes that people ask for; of the later models many a larger one costs less than 1024x1024.
COMMON_SIZES = (
    "1024x1024",
    "1536x1024",
    "1024x1536",
    "1536x864",
    "864x1536",
    "2048x1152",
    "1152x2048",
    "2048x2048",
    "2560x1440",
    "1440x2560",
)

Price = Callable[[Work], Estimate]
CostsLess = Callable[[Work], Estimate | None]  # the price of a changed call, where it is lower
Change = tuple[str, Work]


def alternatives(
    work: Work, on: date, price: Price, catalog: Catalog, offered: Collection[str] | None = None
) -> tuple[Alternative, ...]:
    """Up to five ways that cost less, the cheapest first: quality, size, model (of those `offered`, None: any), partial
    frames, history. Where the price is not known, those of which it is; in place of a format and of options that
    nothing bounds, the same without them, by itself and in those ways."""
    now = price(work)
    change, plain = _without_unpriced(work, catalog)
    if now.high is None and change:
        further = alternatives(plain, on, price, catalog, offered)
        return _led_by(change, price(plain), further) if _accepted(plain, on, catalog) else ()
    before = now.expected

    def costs_less(changed: Work) -> Estimate | None:
        found = price(changed)
        known = found.basis in ("published", "own")
        named = changed.model == work.model or known  # another model only at a known price
        less = found.expected is not None and (before is None or found.expected < before)
        return found if named and less else None

    def accepted(changed: Work) -> bool:
        return _accepted(changed, on, catalog)

    kinds = (_qualities(work, catalog), _sizes(work), _models(work, on, catalog, offered), _rest(work))
    chosen = {change: found for kind in kinds for change, found in _of_one_kind(kind, costs_less, accepted)}
    others = [
        Alternative(change, found.expected, found.expected / before if before else None, found.high)
        for change, found in chosen.items()
        if found.expected is not None
    ]
    return tuple(sorted(others, key=lambda other: other.expected)[:MOST])


def unpriced_options(work: Work, catalog: Catalog) -> list[str]:
    """The names in `extra` of what may cost anything."""
    names = [name for name, value in work.extra.items() if value is not None]
    return sorted(name for name in names if name in UNPRICED_EXTRA or name in catalog.further_extra)


def _without_unpriced(work: Work, catalog: Catalog) -> Change:
    """The call as it would be billed by published prices, and how it comes to that; empty where it need not."""
    unbilled = work.output_format in UNBILLED_FORMATS
    unpriced = unpriced_options(work, catalog)
    left_out = [name for name in work.extra if name in unpriced or (unbilled and name in OF_ONE_FORMAT)]
    extra = {name: value for name, value in work.extra.items() if name not in left_out}
    said = [f"output_format={PRICED_FORMAT}"] if unbilled else []
    said += [f"without {' and '.join(left_out)}"] if left_out else []
    return " ".join(said), replace(work, output_format=PRICED_FORMAT if unbilled else work.output_format, extra=extra)


def _led_by(change: str, found: Estimate, others: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
    """The change by itself, which is the dearest of the ways that are answered and so the last, and with the others."""
    ways = tuple(replace(other, change=f"{change}, {other.change}", ratio=None) for other in others)
    if found.expected is None:
        return ways
    return (*ways[: MOST - 1], Alternative(change, found.expected, None, found.high))


def _of_one_kind(
    changes: Iterator[Change], costs_less: CostsLess, accepted: Callable[[Work], bool]
) -> Iterator[tuple[str, Estimate]]:
    """Of the changes that cost less and that the catalog accepts, the first, which changes least, and the cheapest.
    What is accepted is asked of as few as that takes, since it takes longer than a price."""
    priced = [(change, work, found) for change, work in changes if (found := costs_less(work)) is not None]
    for ways in (priced, sorted(priced, key=lambda one: one[2].expected or 0)):
        chosen = next((one for one in ways if accepted(one[1])), None)
        if chosen is not None:
            yield chosen[0], chosen[2]


def _qualities(work: Work, catalog: Catalog) -> Iterator[Change]:
    """The highest first."""
    model = catalog.find(work.model)
    for quality in reversed(model.qualities if model else ()):
        yield f"quality={quality}", replace(work, quality=quality)


def _sizes(work: Work) -> Iterator[Change]:
    """Those that lie or stand as the wanted one first, and of them the largest."""
    width, height = (parse(work.size) if is_size(work.size) else None) or (0, 0)
    sizes = [size for text in COMMON_SIZES if (size := parse(text))]
    sizes.sort(key=lambda size: ((size[0] < size[1]) == (width < height), size[0] * size[1]), reverse=True)
    for size in sizes:
        yield f"size={written(size)}", replace(work, size=written(size))


def _models(work: Work, on: date, catalog: Catalog, offered: Collection[str] | None) -> Iterator[Change]:
    """In the order of the catalog, without those that OpenAI ends soon unless they are what is offered."""
    for model in catalog.models:
        named = _lasts(model, on) and not model.snapshot if offered is None else model.name in offered
        if named and model.name != work.model:
            yield f"model={model.name}", replace(work, model=model.name, sizes=model.sizes)


def _lasts(model: Model, on: date) -> bool:
    return model.ends is None or (model.ends - on).days > WARN_DAYS


def _rest(work: Work) -> Iterator[Change]:
    if work.partial_images:
        yield "partial_images=0", replace(work, partial_images=0)
    if work.history == "full":
        yield "history=image", replace(work, history="image")


def _accepted(work: Work, on: date, catalog: Catalog) -> bool:
    """Whether OpenAI takes the call, as far as the catalog knows."""
    sent = len(work.inputs) - (work.api == "responses")
    fields: dict[str, Any] = {
        "operation": work.operation,
        "prompt": work.prompt,
        "images": ["image"] * sent if work.operation != "generate" else [],
        "n": work.n,
        "size": work.size,
        "quality": work.quality,
        "background": work.background,
        "moderation": work.moderation,
        "output_compression": work.output_compression,
        "output_format": work.output_format,
        "partial_images": work.partial_images,
        "input_fidelity": work.input_fidelity,
        "extra": dict(work.extra),
    }
    # Not validated again: the values are those of an operation that was, and of the catalog.
    wanted = EstimateCost.model_construct(**fields)
    edits = work.operation != "generate"
    try:
        check(wanted, model=work.model, provider="openai", today=on, api=work.api, edits=edits, catalog=catalog)
    except ImagegenError:
        return False
    return True
