"""What a call did cost, from the token counts that the API reports."""

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from ..catalog.sizes import plain
from ..openai_api.values import Resolved, Tokens, Usage
from .parts import HOST_INPUT, HOST_OUTPUT
from .table import Prices, auto_is_documented, for_input, packaged
from .values import UNBILLED_FORMATS, Flat, Line, Rates, What


@dataclass(frozen=True)
class Cost:
    """What a call cost by these rows, in 10^-9 USD; None when the API does not say enough, or a price is not known.

    `billed` is by the API's own figures at published prices, `estimated` where one of the two is missing.
    """

    nano: int | None
    basis: Literal["billed", "estimated"]
    prices_as_of: date | None
    lines: tuple[Line, ...]
    rows: tuple[Rates | Flat, ...] = field(default=(), compare=False)


_NOT_KNOWN = Cost(None, "estimated", None, ())


def cost(
    usage: Usage,
    *,
    model: str,
    host_model: str | None,
    on: date,
    images: int = 1,
    unread: int = 0,
    size: str = "auto",
    quality: str = "auto",
    resolved: Resolved | None = None,
    output_format: str = "png",
    expected: int | None = None,
    prices: Prices | None = None,
) -> Cost:
    """The price of a finished call on a day, by default at the packaged prices.

    `images` is how many were made; a call that came to text only has none, and then the image model is paid for nothing
    that it does not report. `unread` is how many more may have been made; it, `size`, `quality` and `resolved`, what
    the answer says that auto came to, matter only for models that are billed by image. Where the answer does not say,
    and the price depends on it, the cost is estimated by the highest. Where the usage of a model that was at work is
    not told, or only half of it, the cost is estimated: by `expected`, what the call was expected to cost in 10^-9 USD,
    and never below what was told; without that it is not known. Where nothing is told, it is `expected` itself. What
    the API reports for gif and svg may not be all; the text model that wrote an svg counts where its price is known.
    """
    prices = prices or packaged()
    flat = prices.is_flat(model, on)
    one, sure = _flat(model, (size, quality), resolved or Resolved(), on, prices) if flat else (None, True)
    if flat and (one is None or (not images and host_model is None)):
        return _NOT_KNOWN  # without an image nothing says what was billed
    drew = not flat and (usage.image is not None or images > 0 or host_model is None)
    at_work = _at_work(usage, model if drew else None, host_model, on, prices)
    silent = all(tokens is None for _, tokens in at_work)
    bills = [bill for row, tokens in at_work if (bill := _bill(row, tokens, images, expected, silent)) is not None]
    if len(bills) < len(at_work):
        return _NOT_KNOWN
    lines = [*_flat_lines(one, images + unread), *(line for bill in bills for line in bill.lines)]
    rows: tuple[Rates | Flat, ...] = (*([one] if one else []), *(bill.row for bill in bills))
    whole = all(bill.whole for bill in bills) and not (flat and unread) and not usage.partial
    nano = sum(line.nano for line in lines)
    if not whole and expected is not None:
        nano = max(nano, expected + sum(bill.beyond for bill in bills))
    doubtful = not sure if flat else output_format in UNBILLED_FORMATS or usage.svg is not None
    return Cost(
        nano,
        "billed" if whole and not doubtful else "estimated",
        min(row.checked for row in rows),
        tuple(line for line in lines if line.nano),
        rows,
    )


def _flat(model: str, asked: tuple[str, str], told: Resolved, on: date, prices: Prices) -> tuple[Flat | None, bool]:
    """The price of one image of the size and quality `asked` for, where that is auto of what it came to as far as it is
    told and has a price, else the highest that it may have; and whether it is that one for sure."""
    size = plain(told.size) if asked[0] == "auto" and told.size else asked[0]
    quality = told.quality if asked[1] == "auto" and told.quality else asked[1]
    for way in dict.fromkeys([(size, quality), (size, asked[1]), (asked[0], quality), asked]):
        if (found := prices.flat_range(model, *way, on)) is not None:
            as_told = way == (size, quality) or auto_is_documented(model)
            return found.dearest, as_told and found.low == found.dearest.nano
    return None, False


def _at_work(
    usage: Usage, model: str | None, host_model: str | None, on: date, prices: Prices
) -> list[tuple[Rates | None, Tokens | None]]:
    """The models that are paid by token, with what each is said to have used."""
    found = [] if model is None else [(prices.rates(model, on), usage.image)]
    if host_model is not None:
        found.append((prices.rates(host_model, on), usage.host))
    if usage.svg is not None and (author := prices.rates(usage.svg.model or "", on)) is not None:
        found.append((author, usage.svg.tokens))
    return found


@dataclass(frozen=True)
class _Bill:
    """What one model is paid. `whole`: by all that it used. `beyond`: by how much more, in 10^-9 USD, than a host is
    for its usual tokens, which are in what a call is expected to cost."""

    row: Rates
    lines: list[Line]
    whole: bool = True
    beyond: int = 0


def _bill(row: Rates | None, tokens: Tokens | None, images: int, expected: int | None, silent: bool) -> _Bill | None:
    """None where the price is not known, or nothing says what the model used. `silent`: nothing is told of any model,
    and what was expected stands for all of them."""
    if row is None or (tokens is None and expected is None):
        return None
    whole, told = _is_whole(row, tokens, images), tokens or Tokens()
    if row.tokens:
        return _Bill(row, _image_lines(row, told), whole)
    lines = _host_lines(row, told if whole or expected is None or silent else _completed(told))
    usual = _host_lines(row, _completed(Tokens()))
    return _Bill(row, lines, whole, max(0, sum(line.nano for line in lines) - sum(line.nano for line in usual)))


def _flat_lines(one: Flat | None, images: int) -> list[Line]:
    return [] if one is None else [Line("image", None, None, images * one.nano)]


def _is_whole(row: Rates, tokens: Tokens | None, images: int) -> bool:
    """Whether a model's usage can be all that it used: something was read, and for a picture something written."""
    if tokens is None:
        return False
    if tokens.other_input or tokens.other_output:
        return False  # its parts and its totals contradict each other
    read = tokens.text_input + tokens.image_input
    written = tokens.image_output if row.tokens else tokens.text_output + tokens.image_output
    return not images or (read > 0 and written > 0)


def _completed(host: Tokens) -> Tokens:
    """A host model's tokens, with the usual count of those that were not told."""
    return replace(host, text_input=host.text_input or HOST_INPUT[1], text_output=host.text_output or HOST_OUTPUT[1])


def _image_lines(row: Rates, tokens: Tokens) -> list[Line]:
    """An image model: cached input is part of the input and costs less; text output without a price costs what image
    output does. Tokens of no kind cost what the dearest kind does."""
    assert row.image_output is not None
    text_output = row.image_output if row.text_output is None else row.text_output
    return [
        _line("text_input", tokens.text_input - tokens.cached_text, row.text_input),
        _line("image_input", tokens.image_input - tokens.cached_image, row.image_input),
        _line("cached_input", min(tokens.cached_text, tokens.text_input), row.cached_text),
        _line("cached_input", min(tokens.cached_image, tokens.image_input), row.cached_image),
        _line("image_output", tokens.image_output, row.image_output),
        _line("text_output", tokens.text_output, text_output),
        _line("image_input", tokens.other_input, max(row.text_input, row.image_input)),
        _line("image_output", tokens.other_output, max(row.image_output, text_output)),
    ]


def _host_lines(row: Rates, tokens: Tokens) -> list[Line]:
    """A host model: tokens read from the cache and written to it are part of the input, at prices of their own."""
    whole = tokens.text_input + tokens.image_input
    cached = min(tokens.cached_text + tokens.cached_image, whole)
    written = min(tokens.cache_write, whole - cached)
    output = tokens.text_output + tokens.image_output
    row = for_input(row, whole)
    assert row.text_output is not None
    return [
        _line("host_input", whole - cached - written, row.text_input),
        _line("host_input", written, row.cache_write or row.text_input),
        _line("cached_input", cached, row.cached_text),
        _line("host_output", output, row.text_output),
    ]


def _line(what: What, tokens: int, rate: int) -> Line:
    tokens = max(0, tokens)
    return Line(what, tokens, rate, tokens * rate)
