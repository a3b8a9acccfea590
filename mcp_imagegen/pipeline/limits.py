"""Limits on what calls may cost, held before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import BudgetExceeded
from ..ledger.budgets import Budget, Scope, Standing, standings
from ..operations import PaidOperation
from ..pricing.amounts import from_usd, shown, shown_apart
from ..pricing.values import Estimate
from ..settings import Settings

_UNTIL = {"thread": "start a new thread", "day": "wait until tomorrow", "month": "wait until next month"}
SMALL = 2  # a limit below so many times what the price of the host may vary by is small against it
OTHERWISE = {
    "quality": "a lower quality",
    "size": "another size",
    "model": "another model",
    "partial_images": "no partial images",
    "history": "history=image",
}


@dataclass(frozen=True)
class Limits:
    """What the settings and the caller allow a call to cost, alone and with what came before."""

    settings: Settings
    database: Database
    now: Callable[[], datetime]

    def hold_alone(self, operation: PaidOperation, price: Estimate) -> None:
        """Refuse a call whose highest price passes a limit for one call, or is not known while there is one. Raises
        BudgetExceeded."""
        limits = {"max_cost_usd": operation.max_cost_usd, "MCP_IMAGEGEN_BUDGET_CALL_USD": self.settings.budget_call_usd}
        for name, limit in limits.items():
            if limit is None:
                continue
            most, high = from_usd(limit), _known(price, name)
            if high > most:
                cost, limited = shown_apart(high, most)
                raise BudgetExceeded(
                    f"this call could cost {cost}{_about_the_host(price, most)}, and {name} is {limited}",
                    self._way_out(price, most, [*_together(operation, price, most), f"raise {name}"]),
                )

    async def hold(
        self, connection: AsyncConnection, price: Estimate, *, owner: str, provider: str, thread_id: str | None
    ) -> None:
        """Refuse a call for whose highest price a budget has no room, or whose price is not known while there is one.

        It holds for good only in the transaction that reserves the price. Raises BudgetExceeded.
        """
        for standing in await self._standings(connection, owner=owner, provider=provider, thread_id=thread_id):
            budget, left = standing.budget, standing.left_nano
            high = _known(price, budget.name)
            if high > left:
                cost, limit, room = shown_apart(high, budget.nano, left)
                raise BudgetExceeded(
                    f"this call could cost {cost}{_about_the_host(price, left)}, and of {budget.name} ({limit}) "
                    f"{room} is left: {_taken(standing)}",
                    self._way_out(price, left, [_UNTIL[budget.scope], f"raise {budget.name}"]),
                )

    async def left(self, *, owner: str, provider: str, thread_id: str | None) -> int | None:
        """What the tightest budget leaves, in 10^-9 USD; None without a budget. Raises StorageFailed."""
        if not self.budgets:
            return None
        if not await self.database.exists():
            return min(budget.nano for budget in self.budgets)
        async with self.database.reading() as connection:
            found = await self._standings(connection, owner=owner, provider=provider, thread_id=thread_id)
        return min(standing.left_nano for standing in found)

    def _way_out(self, price: Estimate, most: int, ways: list[str]) -> str:
        """The cheapest alternative that fits, else the other ways, with an edit, which needs no host, where it fits."""
        edit = price.host.as_edit if price.host else None
        if edit is not None and edit <= most and self.settings.api == "image":
            ways = ["use edit_image with the image, which needs no such model", *ways]
        return _cheaper(price, most) or ", or ".join(ways)

    async def _standings(
        self, connection: AsyncConnection, *, owner: str, provider: str, thread_id: str | None
    ) -> tuple[Standing, ...]:
        budgets = self.budgets
        return await standings(connection, budgets, owner=owner, provider=provider, thread_id=thread_id, at=self.now())

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The limits on what calls cost together, by the settings that set them."""
        settings = self.settings
        limits: list[tuple[Scope, float | None]] = [
            ("thread", settings.budget_thread_usd),
            ("day", settings.budget_day_usd),
            ("month", settings.budget_month_usd),
        ]
        return tuple(
            Budget(f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD", scope, from_usd(usd))
            for scope, usd in limits
            if usd is not None
        )


def _known(price: Estimate, name: str) -> int:
    if price.high is None:
        why = price.warnings[0] if price.warnings else "it is not published"
        raise BudgetExceeded(
            f"{name} is set, and nothing bounds the price of this call: {why}",
            f"choose a model, format and options with a published price, or leave out {name}",
        )
    return price.high


def _about_the_host(price: Estimate, most: int) -> str:
    """Behind the price of a call: that a limit is small against what the host's tokens, which nobody knows beforehand,
    may come to."""
    host = price.host
    if host is None or price.expected is None or most >= SMALL * (host.high - host.low):
        return ""
    return (
        f" (about {shown(price.expected)} is expected; the tokens of {host.model}, which calls the image tool, "
        f"are not known beforehand and could cost up to {shown(host.high)} of it)"
    )


def _together(operation: PaidOperation, price: Estimate, most: int) -> list[str]:
    """What may help where no single change does: several at once, none of which makes the host cost less."""
    if price.host is not None and price.host.high > most:
        return []
    cheaper = {other.change.partition("=")[0] for other in price.alternatives}
    ways = [words for name, words in OTHERWISE.items() if name in cheaper]
    if getattr(operation, "n", 1) > 1:
        ways.append("a smaller n")
    return [f"combine {', '.join(ways[:-1])} and {ways[-1]}"] if len(ways) > 1 else [f"choose {way}" for way in ways]


def _taken(standing: Standing) -> str:
    scope = standing.budget.scope
    when = "in this thread" if scope == "thread" else "today" if scope == "day" else "this month"
    reserved = f" and {shown(standing.reserved_nano)} is reserved by running calls" if standing.reserved_nano else ""
    return f"{shown(standing.spent_nano)} is spent{reserved} {when}"


def _cheaper(price: Estimate, most: int) -> str | None:
    """The cheapest alternative that stays under the limit, as a way out."""
    for other in price.alternatives:
        if other.high is not None and other.high <= most:
            return f"set {other.change}: that would cost about {shown(other.expected)}"
    return None
