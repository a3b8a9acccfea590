"""Prices by model and day: those of this package, with the rows of a user's own `prices.toml` in their place or beside
them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from ..catalog.tables import checked, own_table, packaged_table, wrong_row
from .rows import KINDS, FlatRow, HostRow, ImageRow, PriceRow, TokenRow
from .values import Flat, Rates

FILE = "prices.toml"
OWN_SOURCE = f"your {FILE}"
LONG_CONTEXT = 272_000  # input tokens; above it the models that have a long context cost more (OpenAI's pricing page)

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_KINDS: dict[str, type[ImageRow | HostRow | FlatRow]] = {"image": ImageRow, "host": HostRow, "flat": FlatRow}


@dataclass(frozen=True)
class Prices:
    """The rows in use, as their files have them. Every amount they give is in 10^-9 USD."""

    tokens: tuple[TokenRow, ...]
    flats: tuple[FlatRow, ...]
    _by_model: dict[str, tuple[Rates, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found: dict[str, tuple[Rates, ...]] = {}
        for row in self.tokens:
            for model in row.models:
                found[model] = (*found.get(model, ()), row.rates(model))
        object.__setattr__(self, "_by_model", found)

    def rates(self, model: str, on: date) -> Rates | None:
        """The row that holds for a model on that day; a dated snapshot has the price of its model unless it has its
        own."""
        rows = self._by_model.get(model) or self._by_model.get(_SNAPSHOT.sub("", model), ())
        holding = [row for row in rows if row.valid_from is None or row.valid_from <= on]
        return max(holding, key=lambda row: row.valid_from or date.min, default=None)

    def flat_price(self, model: str, size: str, quality: str, on: date) -> Flat | None:
        """The price of one image of a model that is billed by image; auto stands for 1024x1024 and standard, the API's
        defaults for DALL·E."""
        size = "1024x1024" if size == "auto" else size
        quality = "standard" if quality == "auto" else quality
        holding = [
            row
            for row in self.flats
            if row.model == model and (row.valid_from is None or row.valid_from <= on) and row.price(size, quality)
        ]
        newest = max(holding, key=lambda row: (row.valid_from or date.min, row.quality is not None), default=None)
        return newest.price(size, quality) if newest else None

    def is_flat(self, model: str) -> bool:
        """Whether a model is billed by image instead of by token."""
        return any(row.model == model for row in self.flats)

    def shown(self) -> list[dict[str, Any]]:
        """Every row with its dates and source, one for each model, amounts in USD per million tokens or per image."""
        rows = []
        for row in self.tokens:
            kind = "image" if isinstance(row, ImageRow) else "host"
            fields = _plain(row, leaving_out=("models", "tokens"))
            rows += [{"model": model, "kind": kind, "unit": "million tokens", **fields} for model in row.models]
        for flat in self.flats:
            rows.append({"kind": "image", "unit": "image", **_plain(flat)})
        return rows


@cache
def packaged() -> Prices:
    """The prices of this package."""
    table = packaged_table(__package__ or "", FILE)
    rows = {kind: [checked(_KINDS[kind], row, FILE) for row in table[kind]] for kind in _KINDS}
    return _prices(rows)


def load(home: Path | None = None) -> Prices:
    """The packaged prices with the rows of `prices.toml` in the folder `home`.

    A row with `valid_from` takes the place of the row of that model and day, or stands beside those of other days. One
    without holds on every day, so it takes the place of all rows of its model (of its model and quality, where that is
    billed by image). Reads a file. Raises InvalidArgument with the file and row that cannot be used, StorageFailed for
    a file that cannot be read.
    """
    own = _own(home / FILE) if home is not None else _prices({})
    if not own.tokens and not own.flats:
        return packaged()
    by_token = {model for row in own.tokens for model in row.models}
    by_image = {row.model for row in own.flats}
    tokens = [row for old in packaged().tokens for row in _left_of(old, own, by_image)]
    flats = [row for row in packaged().flats if row.model not in by_token and not _replaced(row, own.flats)]
    return Prices((*tokens, *own.tokens), (*flats, *own.flats))


def _own(path: Path) -> Prices:
    """The user's rows, each for one model. Raises InvalidArgument where two of them say the same or disagree."""
    rows: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    said: dict[tuple[str, str | None, date | None], str] = {}
    kinds: dict[str, str] = {}
    for kind, given in own_table(path, tuple(_KINDS)).items():
        for number, fields in enumerate(given, 1):
            place = f"{path}, {kind} row {number}"
            whole = {"source": OWN_SOURCE, **fields} if isinstance(fields, dict) else fields
            row = checked(_KINDS[kind], whole, place)
            for model in [row.model] if isinstance(row, FlatRow) else row.models:
                key = (model, row.quality if isinstance(row, FlatRow) else None, row.valid_from)
                if kinds.setdefault(model, kind) != kind:
                    raise wrong_row(f"{place} ({model})", f"the model is among the {kinds[model]} rows already")
                if key in said:
                    raise wrong_row(f"{place} ({model})", f"says the same as {said[key]}")
                said[key] = f"{kind} row {number}"
            rows[kind].append(row)
    return _prices(rows)


def _prices(rows: dict[str, list[Any]]) -> Prices:
    return Prices((*rows.get("image", ()), *rows.get("host", ())), tuple(rows.get("flat", ())))


def _left_of(old: TokenRow, own: Prices, by_image: set[str]) -> list[TokenRow]:
    """A packaged row with the models that no row of the user's takes away from it."""
    taken = by_image | {
        model
        for row in own.tokens
        for model in row.models
        if row.valid_from in (None, old.valid_from) or type(row) is not type(old)
    }
    models = [model for model in old.models if model not in taken]
    return [old.model_copy(update={"models": models})] if models else []


def _replaced(old: FlatRow, own: Iterable[FlatRow]) -> bool:
    return any(
        row.model == old.model and row.quality in (None, old.quality) and row.valid_from in (None, old.valid_from)
        for row in own
    )


def _plain(row: PriceRow, leaving_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields that the row has; amounts as JSON numbers."""
    amounts = (*KINDS, "input", "cached", "output")
    fields = row.model_dump(exclude_unset=True, exclude=set(leaving_out))
    if "sizes" in fields:
        fields["sizes"] = {size: float(amount) for size, amount in fields["sizes"].items()}
    return {name: float(value) if name in amounts else value for name, value in fields.items()}
