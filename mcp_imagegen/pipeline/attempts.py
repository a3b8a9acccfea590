"""Each request that is sent has an entry of its own in the ledger, also the refused ones."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import ImagegenError, NotSpent, StorageFailed
from ..ledger import entries as ledger
from ..ledger.budgets import Payer
from ..ledger.entries import Attempt
from ..pricing.estimate import as_edit
from ..pricing.values import Estimate
from .quoting import Quoting
from .recording import amounts
from .running import Running

Entered = tuple[Attempt, Estimate]  # an entry of the ledger, and the price that is held for it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempts:
    """Keeps a turn's entry that of the request under way, and holds the limits for each at its own price: midnight may
    have passed since the one before. What cannot be recorded stands under the entry before: a call is not given up for
    its accounts."""

    database: Database
    quoting: Quoting
    now: Callable[[], datetime]

    async def refused(self, running: Running, error: ImagegenError) -> None:
        """The request under way was refused, which costs nothing, and another follows. Raises NotSpent where there is
        no room any more for that one, or nobody agreed to its price, and then it must not be sent."""
        await self._recorded(running, lambda connection: self._next(connection, running, error))

    async def as_edit(self, running: Running, after: ImagegenError | None) -> None:
        """The call goes to the Image API in place of the Responses API: at once, or `after` that was refused.
        Raises NotSpent as `refused` does."""
        assert running.work is not None
        running.work, way = as_edit(running.work), {"api": "image", "host_model": None}
        if after is None:
            await self._recorded(running, lambda connection: self._rerouted(connection, running, way))
        else:
            await self._recorded(running, lambda connection: self._next(connection, running, after, way))

    async def _recorded(self, running: Running, enter: Callable[[AsyncConnection], Awaitable[Entered | None]]) -> None:
        if running.entry is None:
            return
        try:
            async with self.database.writing() as connection:
                entered = await enter(connection)
        except StorageFailed as failure:
            log.warning("a request was not recorded: %s", failure)
        else:
            running.entry, running.price = entered or (None, running.price)

    async def _rerouted(self, connection: AsyncConnection, running: Running, way: Mapping[str, Any]) -> Entered:
        assert running.entry is not None
        assert running.asked_for is not None
        entry, price = running.entry, self.quoting.priced_today(running.asked_for)
        await ledger.reroute(connection, entry.entry_id, {**way, **amounts(price)})
        return Attempt(entry.entry_id, way["host_model"], price.expected, entry.created_at), price

    async def _next(
        self,
        connection: AsyncConnection,
        running: Running,
        error: ImagegenError,
        way: Mapping[str, Any] | None = None,
    ) -> Entered | None:
        """Reserve for the request that follows at the price of its own day, which may be another."""
        entry, work, turn = running.entry, running.asked_for, running.turn
        assert entry is not None
        assert work is not None
        at, price, limits = self.now(), self.quoting.priced_today(work), self.quoting.limits

        async def hold(owner: str) -> None:
            payer, most = Payer(owner, turn.provider, turn.thread_id), running.option("max_cost_usd")
            await limits.hold_anew(price, running.price, payer, max_cost_usd=most, n=work.n, connection=connection)
            await limits.hold(connection, price, payer)

        changed = {"host_model": entry.host_model, **(way or {}), **amounts(price)}
        why, asked = str(error), error.request_id
        try:
            following = await ledger.follow(
                connection, entry.entry_id, reason=why, request_id=asked, at=at, hold=hold, changed=changed
            )
        except NotSpent as refusal:
            refusal.sentence = f"{error.code}, and it is not sent again: {refusal.sentence}"
            raise
        if following is None:
            return None
        return Attempt(following, changed["host_model"], price.expected, at), price
