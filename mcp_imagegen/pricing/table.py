"""The rows of `prices.toml` as frozen values, by model and day."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

from .amounts import NANO
from .tokens import Formula

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_KINDS = ("text_input", "cached_text", "image_input", "cached_image", "image_output", "text_output")
_NANO_A_TOKEN = NANO // 10**6  # of one USD per million tokens

LONG_CONTEXT = 272_000  # input tokens; above it the models that have a long context cost more (OpenAI's pricing page)


@dataclass(frozen=True)
class Rates:
    """What a model costs on a day, in 10^-9 USD a token.

    A host model has one price for text and image input and no image output. `tokens` names the formula for the image
    tokens, `assumed` the model whose prices stand in for unpublished ones.
    """

    model: str
    text_input: int
    cached_text: int
    image_input: int
    cached_image: int
    checked: date
    source: str
    image_output: int | None = None
    text_output: int | None = None
    cache_write: int | None = None
    long_context: bool = False
    tokens: Formula | None = None
    assumed: str | None = None
    valid_from: date | None = None


@dataclass(frozen=True)
class Flat:
    """The price of one image of a model that is billed by image, in 10^-9 USD."""

    nano: int
    checked: date
    source: str


def rates(model: str, on: date) -> Rates | None:
    """The row that holds for a model on that day; a dated snapshot has the price of its model unless it has its own."""
    rows = _rows().get(model) or _rows().get(_SNAPSHOT.sub("", model), ())
    holding = [row for row in rows if row.valid_from is None or row.valid_from <= on]
    return max(holding, key=lambda row: row.valid_from or date.min, default=None)


def flat_price(model: str, size: str, quality: str, on: date) -> Flat | None:
    """The price of one image of a DALL·E model; auto stands for 1024x1024 and standard, the API's defaults."""
    size = "1024x1024" if size == "auto" else size
    quality = "standard" if quality == "auto" else quality
    for row in _table()["flat"]:
        held = row.get("valid_from", date.min) <= on
        if held and (row["model"], row["quality"]) == (model, quality) and size in row["sizes"]:
            return Flat(int(Decimal(row["sizes"][size]) * NANO), row["checked"], row["source"])
    return None


def is_flat(model: str) -> bool:
    """Whether a model is billed by image instead of by token."""
    return any(row["model"] == model for row in _table()["flat"])


def price_rows() -> list[dict[str, Any]]:
    """Every row with its dates and source, one for each model, amounts in USD per million tokens or per image."""
    rows = []
    for kind in ("image", "host"):
        for row in _table()[kind]:
            amounts = {name: float(row[name]) for name in (*_KINDS, "input", "cached", "output") if name in row}
            rest = {name: value for name, value in row.items() if name not in ("models", "tokens")}
            rows += [
                {"model": model, "kind": kind, "unit": "million tokens", **rest, **amounts} for model in row["models"]
            ]
    for row in _table()["flat"]:
        sizes = {size: float(amount) for size, amount in row["sizes"].items()}
        rows.append({**row, "kind": "image", "unit": "image", "sizes": sizes})
    return rows


@cache
def _table() -> dict[str, Any]:
    # Late, so that a start that prices nothing does not pay for reading it.
    import tomllib
    from importlib.resources import files

    return tomllib.loads(files(__package__).joinpath("prices.toml").read_text(encoding="utf-8"))


@cache
def _rows() -> dict[str, tuple[Rates, ...]]:
    rows: dict[str, tuple[Rates, ...]] = {}
    for read, kind in ((_image_rates, "image"), (_host_rates, "host")):
        for row in _table()[kind]:
            for model in row["models"]:
                rows[model] = (*rows.get(model, ()), read(model, row))
    return rows


def _image_rates(model: str, row: dict[str, Any]) -> Rates:
    amounts: dict[str, Any] = {kind: _per_token(row[kind]) for kind in _KINDS if kind in row}
    return Rates(model=model, tokens=row["tokens"], assumed=row.get("assumed"), **amounts, **_origin(row))


def _host_rates(model: str, row: dict[str, Any]) -> Rates:
    price, cached = _per_token(row["input"]), _per_token(row["cached"])
    return Rates(
        model=model,
        text_input=price,
        cached_text=cached,
        image_input=price,
        cached_image=cached,
        text_output=_per_token(row["output"]),
        cache_write=_whole(price * Decimal("1.25")) if row.get("cache_writes") else None,
        long_context=row.get("long_context", False),
        **_origin(row),
    )


def _origin(row: dict[str, Any]) -> dict[str, Any]:
    return {"checked": row["checked"], "source": row["source"], "valid_from": row.get("valid_from")}


def _per_token(amount: str) -> int:
    """USD per million tokens as 10^-9 USD a token."""
    return _whole(Decimal(amount) * _NANO_A_TOKEN)


def _whole(nano: Decimal) -> int:
    if nano != int(nano):
        raise ValueError(f"{nano} is no whole number of 10^-9 USD a token")
    return int(nano)
