"""Prices by model and day: those of this package, with the rows of a user's own `prices.toml` in their place or beside
them."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ..catalog.tables import checked, own_table, packaged_table, wrong_row
from .rows import KINDS, FlatRow, HostRow, ImageRow, PriceRow, TokenRow
from .values import Flat, FlatRange, Rates

FILE = "prices.toml"
OWN_SOURCE = f"your {FILE}"
LONG_CONTEXT = 272_000  # input tokens; above it the models that have a long context cost more (OpenAI's pricing page)

# What auto comes to where the API documents it: the size and the quality.
_DOCUMENTED_AUTO = {"dall-e-2": ("1024x1024", "standard"), "dall-e-3": ("1024x1024", "standard")}

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
        """The row that holds for a model on that day. None where the model is billed by image by then."""
        name = self._name_of(model, on)
        return None if self._by_image(name, on) else self._holding(name, on)

    def flat_price(self, model: str, size: str, quality: str, on: date) -> Flat | None:
        """The price of one image of a model that is billed by image; where auto leaves it open, the highest."""
        found = self.flat_range(model, size, quality, on)
        return found.dearest if found else None

    def flat_range(self, model: str, size: str, quality: str, on: date) -> FlatRange | None:
        """What one image of a model that is billed by image may cost. auto stands for what the API documents for
        DALL·E, and for anything that the rows of another model have."""
        usual = _DOCUMENTED_AUTO.get(_SNAPSHOT.sub("", model), ("auto", "auto"))
        size, quality = (at if asked == "auto" else asked for asked, at in zip((size, quality), usual, strict=True))
        rows = [row for row in self._flats_of(self._name_of(model, on)) if _begins(row) <= on]
        sizes = dict.fromkeys(name for row in rows for name in row.sizes) if size == "auto" else (size,)
        qualities = dict.fromkeys(row.quality for row in rows) if quality == "auto" else (quality,)
        found = {(one, level): _newest(rows, one, level) for one in sizes for level in qualities}
        known = {key: price for key, price in found.items() if price}
        if not known:
            return None
        ways = {name: {key[at] for key in known} for at, name in enumerate(("size", "quality"))}
        dearest = max(known.values(), key=lambda price: price.nano)
        autos = tuple(name for name, values in ways.items() if len(values) > 1)
        return FlatRange(dearest, min(price.nano for price in known.values()), autos)

    def is_flat(self, model: str, on: date) -> bool:
        """Whether a model is billed by image on that day instead of by token: its newest row says so. A model with rows
        of one kind alone is billed so on every day."""
        return self._by_image(self._name_of(model, on), on)

    def _name_of(self, model: str, on: date) -> str:
        """Under which name the rows of a model are: a dated snapshot has the price of its model, by token or by image,
        until a row of its own holds."""
        rows: list[Rates | FlatRow] = [*self._by_model.get(model, ()), *self._flats_of(model)]
        return model if any(_begins(row) <= on for row in rows) else _SNAPSHOT.sub("", model)

    def _flats_of(self, name: str) -> list[FlatRow]:
        return [row for row in self.flats if row.model == name]

    def _by_image(self, name: str, on: date) -> bool:
        flats, by_token = self._flats_of(name), self._by_model.get(name, ())
        if not flats or not by_token:
            return bool(flats)
        since = max((_begins(row) for row in flats if _begins(row) <= on), default=None)
        return since is not None and all(_begins(row) <= since or _begins(row) > on for row in by_token)

    def _holding(self, name: str, on: date) -> Rates | None:
        """The newest of the rows under this name that hold on a day."""
        rows = (row for row in self._by_model.get(name, ()) if _begins(row) <= on)
        return max(rows, key=_begins, default=None)

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


def auto_is_documented(model: str) -> bool:
    """Whether the API says what the size and quality auto of a model come to."""
    return _SNAPSHOT.sub("", model) in _DOCUMENTED_AUTO


def day_of(at: datetime) -> date:
    """The day whose prices a request has that is sent then: that of UTC, wherever the server is; budgets go by the
    server's own days."""
    return at.astimezone(UTC).date()


def for_input(row: Rates, tokens: int) -> Rates:
    """The rates of a host model for a call of so many input tokens: above 272,000 all input costs twice as much and
    output half as much again, where the row says so."""
    if not row.long_context or tokens <= LONG_CONTEXT:
        return row
    assert row.text_output is not None
    return replace(
        row,
        text_input=2 * row.text_input,
        cached_text=2 * row.cached_text,
        image_input=2 * row.image_input,
        cached_image=2 * row.cached_image,
        cache_write=None if row.cache_write is None else 2 * row.cache_write,
        text_output=row.text_output + row.text_output // 2,
    )


@cache
def packaged() -> Prices:
    """The prices of this package."""
    table = packaged_table(__package__ or "", FILE)
    rows = {kind: [checked(_KINDS[kind], row, FILE) for row in table[kind]] for kind in _KINDS}
    return _prices(rows)


def load(home: Path | None = None) -> Prices:
    """The packaged prices with the rows of `prices.toml` in the folder `home`.

    On a day on which a row of the user's holds for a model (for its size and quality, where that is billed by image),
    the newest of the user's is used, however new a packaged one is; before, and where there is none, the packaged ones
    are. One without `valid_from` holds on every day, so that those of its model (and quality) are used on none. A model
    may so come to be billed by image instead of by token, or the other way, from a day on.
    Reads a file. Raises InvalidArgument with the file and row that cannot be used, StorageFailed for a file that cannot
    be read.
    """
    own = _own(home / FILE) if home is not None else _prices({})
    if not own.tokens and not own.flats:
        return packaged()
    tokens = [row for old in packaged().tokens for row in _left_of(old, own)]
    flats = [row for row in packaged().flats if not _replaced(row, own)]
    return Prices((*tokens, *own.tokens), (*flats, *own.flats))


def _own(path: Path) -> Prices:
    """The user's rows, each for one model. Raises InvalidArgument where two of them say the same or disagree,
    and for one that was last seen on a day to come."""
    rows: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    said: dict[tuple[str, str | None, date | None], str] = {}
    kinds: dict[str, str] = {}
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)  # where the user is, it may be today
    for kind, given in own_table(path, tuple(_KINDS)).items():
        for number, fields in enumerate(given, 1):
            place = f"{path}, {kind} row {number}"
            whole = {"source": OWN_SOURCE, **fields} if isinstance(fields, dict) else fields
            row = checked(_KINDS[kind], whole, place).as_own()
            if row.checked > tomorrow:
                raise wrong_row(place, f"checked is {row.checked}, a day that is still to come")
            for model in [row.model] if isinstance(row, FlatRow) else row.models:
                key = (model, row.quality if isinstance(row, FlatRow) else None, row.valid_from)
                if kinds.setdefault(model, kind) != kind:
                    raise wrong_row(f"{place} ({model})", f"the model is among the {kinds[model]} rows already")
                if key in said:
                    raise wrong_row(f"{place} ({model})", f"says the same as {said[key]}")
                said[key] = f"{kind} row {number}"
            rows[kind].append(row)
    return _prices(rows)


def _begins(row: Rates | PriceRow) -> date:
    """Since when a row holds."""
    return row.valid_from or date.min


def _newest(rows: list[FlatRow], size: str, quality: str | None) -> Flat | None:
    """The price of a size and quality (None: one that no row names) by the newest of the rows that has it."""
    having = [row for row in rows if row.price(size, quality)]
    newest = max(having, key=lambda row: (_begins(row), row.quality is not None), default=None)
    return newest.price(size, quality) if newest else None


def _prices(rows: dict[str, list[Any]]) -> Prices:
    return Prices((*rows.get("image", ()), *rows.get("host", ())), tuple(rows.get("flat", ())))


def _left_of(old: TokenRow, own: Prices) -> list[TokenRow]:
    """A packaged row with the models that no row of the user's takes away from it, so that it is used on some day."""
    taken = {model for row in own.tokens if _instead(row, old) for model in row.models}
    taken |= {row.model for row in own.flats if _instead(row, old)}
    models = [model for model in old.models if model not in taken]
    return [old.model_copy(update={"models": models})] if models else []


def _replaced(old: FlatRow, own: Prices) -> bool:
    """Whether a row of the user's takes the place of a packaged one."""
    by_token = any(old.model in row.models and _instead(row, old) for row in own.tokens)
    alike = [row for row in own.flats if row.model == old.model and row.quality in (None, old.quality)]
    return by_token or any(_instead(row, old) for row in alike)


def _instead(row: PriceRow, old: PriceRow) -> bool:
    """Whether a row of the user's holds on every day on which a packaged one of the same model does."""
    return _begins(row) <= _begins(old)


def _plain(row: PriceRow, leaving_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields that the row has; amounts as JSON numbers."""
    amounts = (*KINDS, "input", "cached", "output")
    fields = row.model_dump(exclude_unset=True, exclude=set(leaving_out))
    if "sizes" in fields:
        fields["sizes"] = {size: float(amount) for size, amount in fields["sizes"].items()}
    return {name: float(value) if name in amounts else value for name, value in fields.items()}
