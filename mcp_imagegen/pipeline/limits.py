"""Limits on what one call may cost, held before anything is sent."""

from collections.abc import Mapping

from ..errors import BudgetExceeded
from ..pricing.amounts import from_usd, shown
from ..pricing.values import Estimate


def hold_limits(limits: Mapping[str, float | None], price: Estimate) -> None:
    """Refuse a call whose highest price passes a limit, or is not known while there is one.

    `limits` are USD by the name under which the caller knows them; None is no limit. Raises BudgetExceeded.
    """
    for name, limit in limits.items():
        if limit is None:
            continue
        most = from_usd(limit)
        if price.high is None:
            raise BudgetExceeded(
                f"the price of this call is not known, and {name} limits it to {shown(most)}",
                f"choose a model and format with a published price, or leave out {name}",
            )
        if price.high > most:
            raise BudgetExceeded(
                f"this call could cost {shown(price.high)}, and {name} is {shown(most)}",
                _cheaper(price, most) or f"lower quality, size or n, or raise {name}",
            )


def _cheaper(price: Estimate, most: int) -> str | None:
    """The first alternative that stays under the limit, as a way out."""
    for other in price.alternatives:
        if other.expected <= most:
            return f"set {other.change}: that would cost about {shown(other.expected)}"
    return None
