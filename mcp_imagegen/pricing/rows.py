"""The rows of `prices.toml` as it writes them, and what each comes to in 10^-9 USD."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr

from ..catalog.tables import Row
from .amounts import NANO
from .tokens import Formula
from .values import Flat, Rates

KINDS = ("text_input", "cached_text", "image_input", "cached_image", "image_output", "text_output")
_NANO_A_TOKEN = NANO // 10**6  # of one USD per million tokens
_MOST = 10**6  # USD


def _decimal(value: Any) -> Any:
    """An amount written as text or as a number; numbers of TOML come with all their digits."""
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(value)
        except ArithmeticError:
            pass
    raise ValueError('must be an amount in USD, such as "1.25"')


def _in_range(amount: Decimal) -> Decimal:
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        raise ValueError(f"must be an amount from 0 to {_MOST:,} USD")
    return amount


def _whole_per_token(amount: Decimal) -> Decimal:
    if amount * _NANO_A_TOKEN % 1:
        raise ValueError("must be a whole number of thousandths of a USD, so that sums are exact")
    return amount


def _whole_per_image(amount: Decimal) -> Decimal:
    if amount * NANO % 1:
        raise ValueError("must have at most nine decimal places")
    return amount


Amount = Annotated[Decimal, BeforeValidator(_decimal), AfterValidator(_in_range)]
PerMillion = Annotated[Amount, AfterValidator(_whole_per_token)]
PerImage = Annotated[Amount, AfterValidator(_whole_per_image)]
Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^\S+$")]
SizeName = Annotated[str, Field(pattern=r"^([1-9]\d*x[1-9]\d*|any)$")]


class PriceRow(Row):
    """What every row has: since when it holds (from midnight in UTC), when it was last seen, and where."""

    checked: date
    source: Annotated[str, Field(min_length=1)]
    valid_from: date | None = None
    _own: bool = PrivateAttr(default=False)

    @property
    def own(self) -> bool:
        """Whether it is of the user's file and not of this package."""
        return self._own

    def as_own(self) -> Self:
        """The row as one of the user's file."""
        self._own = True
        return self


class TokenRow(PriceRow):
    """A row of models that are billed by token."""

    models: Annotated[list[Name], Field(min_length=1)]

    def rates(self, model: str) -> Rates:
        raise NotImplementedError


class ImageRow(TokenRow):
    """Image models, amounts in USD per million tokens."""

    tokens: Formula
    assumed: Name | None = None
    text_input: PerMillion
    cached_text: PerMillion
    image_input: PerMillion
    cached_image: PerMillion
    image_output: PerMillion
    text_output: PerMillion | None = None

    def rates(self, model: str) -> Rates:
        amounts = {kind: _per_token(getattr(self, kind)) for kind in KINDS if getattr(self, kind) is not None}
        return Rates(
            model=model,
            tokens=self.tokens,
            assumed=self.assumed,
            checked=self.checked,
            source=self.source,
            valid_from=self.valid_from,
            own=self.own,
            **amounts,  # type: ignore[arg-type]  # the kinds are the fields of that type
        )


class HostRow(TokenRow):
    """Models that host the image tool, amounts in USD per million tokens."""

    input: PerMillion
    cached: PerMillion
    output: PerMillion
    long_context: bool = False
    cache_writes: bool = False

    def rates(self, model: str) -> Rates:
        price, cached = _per_token(self.input), _per_token(self.cached)
        return Rates(
            model=model,
            text_input=price,
            cached_text=cached,
            image_input=price,
            cached_image=cached,
            text_output=_per_token(self.output),
            cache_write=-(-price * 5 // 4) if self.cache_writes else None,
            long_context=self.long_context,
            checked=self.checked,
            source=self.source,
            valid_from=self.valid_from,
            own=self.own,
        )


class FlatRow(PriceRow):
    """A model that is billed by image: USD for one of each size, at one quality or, without it, at every one."""

    model: Name
    quality: Name | None = None
    sizes: Annotated[Mapping[SizeName, PerImage], Field(min_length=1)]

    def price(self, size: str, quality: str | None) -> Flat | None:
        """The price of one image; None where the row says nothing of this size or quality."""
        amount = self.sizes.get(size, self.sizes.get("any"))
        if amount is None or self.quality not in (None, quality):
            return None
        return Flat(int(amount * NANO), self.checked, self.source, self.model, self.valid_from, self.own)


def _per_token(amount: Decimal) -> int:
    """USD per million tokens as 10^-9 USD a token."""
    return int(amount * _NANO_A_TOKEN)
