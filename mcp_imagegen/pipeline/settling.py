"""What came of one turn that a dead process has left.

It is found in this order: the answer that was copied to disk while it arrived, read again; files that were written and
not recorded; and a response that the API keeps, fetched in the background. What became of any other cannot be known, so
it is `lost`, counted at its expected price.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..database.engine import Database
from ..errors import (
    AuthenticationFailed,
    ImagegenError,
    PermissionDenied,
    RateLimited,
    StorageFailed,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from ..images.store import ImageStore
from ..jobs import Tell, TurnKey
from ..ledger import entries as ledger
from ..openai_api.failures import IdForgotten
from ..openai_api.spool import Spool
from ..threads import store as threads
from . import elsewhere
from .closing import LOST, Closing, Ending
from .keeping import Keeping
from .leasing import Leasing
from .naming import part_in
from .receiving import Receiving, check_whole
from .running import Found, Running
from .stopping import stopped

log = logging.getLogger(__name__)

REACHABLE_WITHIN = timedelta(days=1)  # of asking for an answer that the API keeps, while it cannot be reached
_UNREACHABLE = (UpstreamUnavailable, UpstreamTimeout, RateLimited, AuthenticationFailed, PermissionDenied)
NOT_ASKED = UpstreamTimeout(
    "the server ended while the call ran, and what the provider may have kept of it could not be asked for with these "
    "settings: it was sent with another address, key, organization or project. The image may have been made and billed",
    "ask again if the image is still wanted",
    may_be_billed=True,
)
CUT_OFF = "the server ended before this call did; other images of it may be lost"


@dataclass(frozen=True)
class Settling:
    """Finds what a turn got, and closes it with that."""

    database: Database
    store: ImageStore
    spool: Spool
    keeping: Keeping
    receiving: Receiving
    closing: Closing
    leasing: Leasing
    now: Callable[[], datetime]
    _others: dict[TurnKey, datetime] = field(default_factory=dict)  # see `others`

    @property
    def others(self) -> frozenset[TurnKey]:
        """Turns whose answer the provider may keep for servers with other settings, for as long as one may come."""
        return frozenset(key for key, until in self._others.items() if self.now() < until)

    async def found(self, key: TurnKey) -> Running:
        """The turn with what is on disk of it. Raises StorageFailed."""
        async with self.database.reading() as connection:
            turn = await threads.turn(connection, *key)
            entry = await ledger.open_entry(connection, *key)
        known = {image.key for image in turn.images}
        files = {}
        for name in await self.store.names(turn.thread_id):
            part, place = part_in(name, turn.number), f"{turn.thread_id}/{name}"
            if part is not None and place not in known:
                files[part] = place
        await self.store.sweep(turn.thread_id, f"{turn.number:03d}-")
        kept = await asyncio.to_thread(elsewhere.found, key)
        found = Found({(image.index, image.frame): image for image in turn.images}, files, kept)
        return Running(turn, entry, response_id=turn.response_id, warnings=list(turn.warnings), found=found)

    async def settle(self, running: Running) -> bool:
        """Read the copied answer again; then close the turn, unless the API may have more of it: whether to fetch that.
        Raises StorageFailed."""
        failure: ImagegenError | None = None
        try:
            await self.receiving.take_again(running)
        except StorageFailed:
            raise
        except ImagegenError as error:
            failure = error
        if running.finished is None and failure is None and running.response_id is not None:
            if self.receiving.keeps_answer(running):
                return True
            if self._is_young(running):
                self._others[running.key] = running.turn.created_at + REACHABLE_WITHIN
                await self.leasing.let_go(running.key)
                return False
            failure = NOT_ASKED
        await self._close(running, failure)
        return False

    async def fetch(self, running: Running, tell: Tell) -> None:
        """Get the response from the API, which goes on with it whether or not anybody listens, and close the turn. One
        that cannot be had yet is left to the next look. Raises StorageFailed."""
        failure: ImagegenError | None = None
        try:
            await self.receiving.take_kept(running, tell)
        except IdForgotten:
            pass
        except _UNREACHABLE as error:
            if self._is_young(running):
                log.warning("a response will be asked for again: %s", error)
                await self.leasing.let_go(running.key)
                return
        except StorageFailed:
            raise
        except ImagegenError as error:
            failure = error
        await self._close(running, failure)

    async def stop(self, running: Running) -> None:
        """Close the turn because its caller wants it stopped. Raises StorageFailed."""
        await self._close(running, await stopped(running, self.receiving), "cancelled")

    def _is_young(self, running: Running) -> bool:
        return self.now() - running.turn.created_at < REACHABLE_WITHIN

    async def _close(self, running: Running, failure: ImagegenError | None, ending: Ending = "failed") -> None:
        """Record what the turn came to, with every picture that is on disk; `ending` is that of a failure."""
        await self.keeping.adopt(running)
        running.count_recorded()
        if failure is None:
            try:
                check_whole(running)
            except UpstreamInvalid:  # it says that the answer ended too early, and here is why
                failure = LOST
        if running.finished is None and running.images:
            running.warnings += [CUT_OFF] if len(running.images) < (running.option("n") or 1) else []
            failure = None
        if failure is None:
            running.warn_of_copies()
        await self.closing.close(
            running, failure, "lost" if failure in (LOST, NOT_ASKED) else ending if failure else None
        )
        await self.spool.copy(running.name).discard()
