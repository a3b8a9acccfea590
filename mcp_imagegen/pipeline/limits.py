"""Limits on what calls may cost, held before anything is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import prod

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import BudgetExceeded, ConfirmationDeclined
from ..ledger.budgets import Budget, Payer, Scope, Standing, standings
from ..pricing.amounts import from_usd, shown, shown_apart
from ..pricing.table import day_of
from ..pricing.values import Estimate
from ..pricing.ways import cheaper, to_a_known_price
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

    async def hold_alone(
        self,
        price: Estimate,
        payer: Payer,
        *,
        max_cost_usd: float | None,
        n: int,
        connection: AsyncConnection | None = None,
    ) -> None:
        """Refuse a call for `n` images whose highest price passes a limit for one call, or is not known while there is
        one. What was spent is as the transaction of `connection` has it, if one is given. Raises BudgetExceeded."""
        limits = {"max_cost_usd": max_cost_usd, "MCP_IMAGEGEN_BUDGET_CALL_USD": self.settings.budget_call_usd}
        for name, limit in limits.items():
            if limit is None:
                continue
            most = from_usd(limit)
            if price.high is None or price.high > most:
                before = await self._before(payer, connection)
                if price.high is None:
                    raise self._unbounded(price, name, most, most, before)
                cost, limited = shown_apart(price.high, most)
                raise BudgetExceeded(
                    f"this call could cost {cost}{_about_the_host(price, most)}, and {name} is {limited}; {before}",
                    self._way_out(price, most, [*_together(price, n, most), f"raise {name}"]),
                )

    async def hold_anew(
        self,
        price: Estimate,
        agreed: Estimate | None,
        payer: Payer,
        *,
        max_cost_usd: float | None,
        n: int,
        connection: AsyncConnection | None = None,
    ) -> None:
        """As `hold_alone`, once more, where the price may be another since it was `agreed` to. Raises
        BudgetExceeded, and ConfirmationDeclined for a higher one that the user would have to be asked about."""
        if agreed is None or agreed.high == price.high:
            return
        await self.hold_alone(price, payer, max_cost_usd=max_cost_usd, n=n, connection=connection)
        above = self.settings.confirm_above_usd
        if above is None or self.settings.confirm == "when_possible":
            return
        allowed = max(from_usd(above), from_usd(max_cost_usd or 0), agreed.high or 0)
        if price.high is None or price.high > allowed:
            most, before = ("unbounded" if high is None else shown(high) for high in (price.high, agreed.high))
            raise ConfirmationDeclined(
                f"since midnight (UTC) the call could cost {most}, and it was agreed to at {before}",
                "make the call again, so that the user is asked about its new price",
            )

    async def hold(self, connection: AsyncConnection, price: Estimate, payer: Payer) -> None:
        """Refuse a call for whose highest price a budget has no room, or whose price is not known while there is one.

        It holds for good only in the transaction that reserves the price. Raises BudgetExceeded.
        """
        for standing in await standings(connection, self.budgets, payer, self.now()):
            budget, left = standing.budget, standing.left_nano
            if price.high is None:
                raise self._unbounded(price, budget.name, budget.nano, left, _taken(standing))
            if price.high > left:
                alone = price.high > budget.nano  # then neither waiting nor another thread helps
                cost, limit, room = shown_apart(price.high, budget.nano, left)
                host, name = _about_the_host(price, left), budget.name
                said = f"this call could cost {cost}{host}, and of {name} ({limit}) {room}"
                if alone:
                    said = f"this call alone could cost {cost}{host}, which is above {name} ({limit}), of which {room}"
                ways = [f"raise {name}"] if alone else [_UNTIL[budget.scope], f"raise {name}"]
                raise BudgetExceeded(f"{said} is left: {_taken(standing)}", self._way_out(price, left, ways))

    async def left(self, *, owner: str, provider: str, thread_id: str | None) -> int | None:
        """What the tightest budget leaves, in 10^-9 USD; None without a budget. Raises StorageFailed."""
        if not self.budgets:
            return None
        if not await self.database.exists():
            return min(budget.nano for budget in self.budgets)
        async with self.database.reading() as connection:
            found = await standings(connection, self.budgets, Payer(owner, provider, thread_id), self.now())
        return min(standing.left_nano for standing in found)

    def _way_out(self, price: Estimate, most: int, ways: list[str]) -> str:
        """The cheapest alternative that fits, else the other ways, with an edit, which needs no host, where it fits."""
        return cheaper(price.alternatives, most) or ", or ".join([*self._as_edit(price, most), *ways])

    def _as_edit(self, price: Estimate, most: int) -> list[str]:
        fits = price.as_edit is not None and price.as_edit <= most and self.settings.api == "image"
        return ["use edit_image with the image, which needs no such model"] if fits else []

    def _unbounded(self, price: Estimate, name: str, limit: int, left: int, before: str) -> BudgetExceeded:
        ways = to_a_known_price(price, left, self.settings.home, day_of(self.now()))
        if price.no_row is not None and price.no_row.hosts:
            ways += self._as_edit(price, left)
        return BudgetExceeded(
            f"nothing bounds the price of this call ({price.unbounded}), and {name} is {shown(limit)}; {before}",
            ", or ".join(ways) or f"choose a model, format and options with a published price, or leave out {name}",
        )

    async def _before(self, payer: Payer, connection: AsyncConnection | None) -> str:
        """What was spent today before this call, and in its thread, where it has one. Raises StorageFailed."""
        budgets = (*((Budget("", "thread", 0),) if payer.thread_id else ()), Budget("", "day", 0))
        found = tuple(Standing(budget, 0, 0) for budget in budgets)
        if connection is not None:
            found = await standings(connection, budgets, payer, self.now())
        elif await self.database.exists():
            async with self.database.reading() as looking:
                found = await standings(looking, budgets, payer, self.now())
        return ", ".join(_taken(standing) for standing in found)

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


def _together(price: Estimate, n: int, most: int) -> list[str]:
    """What may help where no single change does: several at once, where what each saves is enough together. None of
    them makes the host cost less."""
    host = price.host.high if price.host is not None else 0
    if price.high is None or host > most:
        return []
    drawing, shares = price.high - host, {"": 1 / n}
    for other in price.alternatives:
        name = other.change.partition("=")[0]
        if name in OTHERWISE and other.high is not None:
            shares[name] = min(max(0, other.high - host) / drawing, shares.get(name, 1.0))
    if host + drawing * prod(shares.values()) > most:
        return []
    ways = [words for name, words in OTHERWISE.items() if name in shares]
    if n > 1:
        ways.append("a smaller n")
    return [f"combine {', '.join(ways[:-1])} and {ways[-1]}"] if len(ways) > 1 else [f"choose {way}" for way in ways]


def _taken(standing: Standing) -> str:
    scope = standing.budget.scope
    when = "in this thread" if scope == "thread" else "today" if scope == "day" else "this month"
    reserved = f" and {shown(standing.reserved_nano)} is reserved by running calls" if standing.reserved_nano else ""
    return f"{shown(standing.spent_nano)} is spent{reserved} {when}"
