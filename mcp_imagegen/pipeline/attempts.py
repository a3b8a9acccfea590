"""Each request that is sent has an entry of its own in the ledger, also the refused ones."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import BudgetExceeded, ImagegenError, StorageFailed
from ..ledger import entries as ledger
from ..ledger.entries import Attempt
from ..pricing.used import rows_used
from ..pricing.values import Estimate
from .limits import Limits
from .running import Running

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempts:
    """Keeps a turn's entry that of the request under way, and holds the limits for each: midnight may have passed since
    the one before. What cannot be recorded stands under the entry before: a call is not given up for its accounts."""

    database: Database
    limits: Limits
    now: Callable[[], datetime]

    async def refused(self, running: Running, error: ImagegenError) -> None:
        """The request under way was refused, which costs nothing, and another follows. Raises BudgetExceeded where
        there is no room any more for that one, which then must not be sent."""
        try:
            async with self.database.writing() as connection:
                running.entry = await self._next(connection, running, error)
        except StorageFailed as failure:
            log.warning("a refused request was not recorded: %s", failure)

    async def as_edit(self, running: Running, price: Estimate, after: ImagegenError | None) -> None:
        """The call goes to the Image API in place of the Responses API: at once, or `after` that was refused.
        Raises BudgetExceeded as `refused` does."""
        running.price = price
        try:
            async with self.database.writing() as connection:
                entry = running.entry if after is None else await self._next(connection, running, after)
                if entry is not None:
                    amounts = {"low_nano": price.low, "expected_nano": price.expected, "high_nano": price.high}
                    rows = rows_used(price.rows)
                    await ledger.reroute(
                        connection, entry.entry_id, api="image", host_model=None, **amounts, price_rows=rows
                    )
                    entry = replace(entry, host_model=None, expected_nano=price.expected)
        except StorageFailed as failure:
            log.warning("the way that a call takes was not recorded: %s", failure)
        else:
            running.entry = entry

    async def _next(self, connection: AsyncConnection, running: Running, error: ImagegenError) -> Attempt | None:
        entry, turn = running.entry, running.turn
        if entry is None:
            return None

        async def hold(owner: str) -> None:
            if running.price is not None:
                of = {"owner": owner, "provider": turn.provider, "thread_id": turn.thread_id}
                await self.limits.hold(connection, running.price, **of)

        try:
            following = await ledger.follow(
                connection, entry.entry_id, reason=str(error), request_id=error.request_id, at=self.now(), hold=hold
            )
        except BudgetExceeded as full:
            full.sentence = f"{error.code}, and there is no room any more for sending it again: {full.sentence}"
            raise
        return None if following is None else replace(entry, entry_id=following)
