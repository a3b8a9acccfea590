"""Close a turn: how it ended, and what it cost, in one transaction."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from ..catalog.sizes import plain
from ..database.engine import Database
from ..errors import ImagegenError, StorageFailed, UpstreamTimeout
from ..ledger import entries as ledger
from ..ledger.accuracy import LATELY, SHORT, drift
from ..ledger.entries import Outcome
from ..openai_api.values import Finished, Resolved
from ..pricing.cost import Cost, cost
from ..pricing.judging import judged
from ..pricing.table import Prices
from ..pricing.used import rows_used
from ..threads import leases
from ..threads import store as threads
from .recording import counts, recorded, resolved
from .running import Running

log = logging.getLogger(__name__)

Ending = Literal["failed", "cancelled", "lost"]
LOST = UpstreamTimeout(
    "the server ended while the call ran; the image may have been made and billed",
    "ask again if the image is still wanted",
    may_be_billed=True,
)


@dataclass(frozen=True)
class Closing:
    """Records how turns ended."""

    database: Database
    prices: Prices
    now: Callable[[], datetime]

    async def close(self, running: Running, error: ImagegenError | None, ending: Ending | None) -> bool:
        """Close the turn and settle its price; False, and nothing is changed, when somebody else closed it before.

        Pictures that came before an error make the call a completed one, with a warning. Raises StorageFailed, also
        while a picture is unsaved: of a closed turn nobody would look for it again.
        """
        said = len(running.warnings)
        try:
            closed = await self._closed(running, error, ending)
        except StorageFailed:
            del running.warnings[said:]  # it is tried again, and they would be said twice
            raise
        if not closed:
            log.warning("turn %d of %s was closed by somebody else", running.turn.number, running.turn.thread_id)
        return closed

    async def _closed(self, running: Running, error: ImagegenError | None, ending: Ending | None) -> bool:
        finished, at, failure = running.finished or Finished(), self.now(), error
        if error is not None and running.images:
            running.warnings.append(f"the call ended early: {error.sentence}")
            error, ending = None, None
        status, price = ending or ("completed" if running.images else "text_only"), self._price(running, error, failure)
        async with self.database.writing() as connection:
            if running.unsaved and await leases.lease_of(connection, *running.key) is not None:
                raise StorageFailed("its pictures cannot all be saved yet", "free some space")
            await self._account(connection, running, price, status, failure)
            return await threads.close_turn(
                connection,
                *running.key,
                status=status,
                text=finished.text,
                error=recorded(error),
                resolved=resolved(running.images[0][0] if running.images else None, finished.resolved),
                response_id=finished.response_id or running.response_id,
                request_id=finished.request_id or (error.request_id if error else None),
                cost_nano=price.nano if price else None,
                cost_basis=price.basis if price else None,
                usage=counts(finished.usage) if price else None,
                warnings=tuple(running.warnings),
                at=at,
                prices_as_of=price.prices_as_of if price else None,
            )

    async def _account(
        self,
        connection: AsyncConnection,
        running: Running,
        price: Cost | None,
        ending: Outcome,
        failure: ImagegenError | None,
    ) -> None:
        """Settle the turn's entry at the price, or release it where nothing was billed. Warns of estimates that are
        wrong again and again."""
        entry, finished, at = running.entry, running.finished or Finished(), self.now()
        if entry is None:
            return
        request_id = finished.request_id or (failure.request_id if failure else None)
        if price is None:
            await ledger.release(
                connection, entry.entry_id, reason=str(failure), request_id=request_id, ending=ending, at=at
            )
            return
        await ledger.settle(
            connection,
            entry.entry_id,
            nano=price.nano,
            basis=price.basis,
            prices_as_of=price.prices_as_of,
            price_rows=rows_used(price.rows),
            judged=self._judged(running) if price.basis == "billed" else None,
            tokens=counts(finished.usage),
            request_id=request_id,
            ending=ending,
            images=len(running.images),
            reason=str(failure) if failure else None,
            at=at,
        )
        off = await drift(connection, entry.entry_id) if price.basis == "billed" else None
        if off is not None:
            running.warnings.append(_drifting(running.turn.model, off))

    def _judged(self, running: Running) -> dict[str, int] | None:
        """By what the estimate is judged, where not by the whole amount; a call that was taken up again is not known
        so well. An estimate for more pictures than were made is judged by nothing."""
        entry, finished, work = running.entry, running.finished, running.asked_for
        had = len(running.images) + len(running.unsaved)
        if max(had, finished.pictures if finished else 0) < (running.option("n") or 1):
            return {SHORT: 1}
        if entry is None or finished is None or work is None or not running.images:
            return None
        found = judged(work, finished.usage, _resolved(running), on=running.priced_on, prices=self.prices)
        return None if found is None or (running.price and running.price.high is None) else asdict(found)

    def _price(self, running: Running, error: ImagegenError | None, failure: ImagegenError | None) -> Cost | None:
        """What the call cost by the API's own figures, else by the estimate; None when nothing was billed. The prices
        are those of the day on which the request was sent. After a failure, pictures that were asked for and did not
        come may have been made all the same."""
        if error is not None and not error.may_be_billed:
            return None
        made, asked = len(running.images) + len(running.unsaved), running.option("n") or 1
        turn, entry = running.turn, running.entry
        expected = entry.expected_nano if entry else turn.estimate_nano
        billed = cost(
            (running.finished or Finished()).usage,
            model=turn.model,
            host_model=entry.host_model if entry else turn.host_model,
            on=running.priced_on,
            images=made,
            unread=max(0, asked - made) if failure else 0,
            size=plain(running.option("size") or "auto"),
            quality=running.option("quality"),
            resolved=_came_to(running),
            output_format=running.option("output_format"),
            expected=expected,
            prices=self.prices,
        )
        if billed.nano is not None:
            return billed
        return Cost(expected, "estimated", turn.prices_as_of, ())


def _resolved(running: Running) -> Resolved:
    """The options as the API resolved them, as far as its answer says."""
    whole = (running.finished or Finished()).resolved
    return replace(whole, **resolved(running.images[0][0] if running.images else None, whole))


def _came_to(running: Running) -> Resolved:
    """The same, with the size of the first picture itself where the answer does not name one."""
    told, first = _resolved(running), running.images[0][1] if running.images else None
    drawn = f"{first.width}x{first.height}" if first and first.width else None
    return replace(told, size=told.size or drawn)


def _drifting(model: str, off: float) -> str:
    than = "more than the highest" if off > 0 else "less than the lowest"
    return (
        f"the last {LATELY} calls of {model} were billed {abs(off):.0%} {than} price estimated for them (median): "
        f"compare with mcp-imagegen spend, and check the row of {model} in prices.toml"
    )
