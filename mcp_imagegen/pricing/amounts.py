"""Money: inside it is an integer of 10^-9 USD, so that sums are exact; outside it is USD."""

from decimal import ROUND_CEILING, Decimal

from ..errors import InvalidArgument

NANO = 10**9  # of 1 USD
PLACES = 9  # decimal places of USD that an amount can have


def usd(nano: int) -> float:
    """USD, for a JSON number."""
    return nano / NANO


def from_usd(amount: float) -> int:
    """The nearest amount in 10^-9 USD. Raises InvalidArgument for infinity and NaN."""
    exact = Decimal(str(amount))
    if not exact.is_finite():
        raise InvalidArgument("an amount of money must be a number", "give it in USD, such as 0.25")
    return round(exact * NANO)


def shown(nano: int, least: int = 2) -> str:
    """An amount as a sentence has it: `$12.50`, `$0.053`; below one cent two digits that count, `$0.0021`. `least`: how
    many decimal places it is rounded to if it would be fewer."""
    exact = Decimal(abs(nano)) / NANO
    below_a_cent = 0 < exact < Decimal("0.01")
    digits = max(least, 1 - exact.adjusted() if below_a_cent else 3 if 0 < exact < 1 else 2)
    whole, _, fraction = f"{exact:,.{digits}f}".partition(".")
    return f"{'-' if nano < 0 else ''}${whole}.{fraction.rstrip('0'):0<2}"


def shown_apart(*amounts: int) -> tuple[str, ...]:
    """The amounts as `shown`, with as many digits as it takes for those that differ to look different."""
    for least in range(2, PLACES + 1):
        texts = tuple(shown(nano, least) for nano in amounts)
        if len(set(texts)) == len(set(amounts)):
            break
    return texts


def covering(nano: int) -> str:
    """USD that cover an amount, as a number of at most three digits that count: `0.211`, `0.00328`."""
    exact = Decimal(nano) / NANO
    rounded = exact.quantize(Decimal(1).scaleb(exact.adjusted() - 2), ROUND_CEILING) if exact else exact
    return f"{rounded.normalize():f}"
