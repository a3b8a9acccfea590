"""Threads are kept for as long as the user wants: once a day the older ones go, in the background."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from ..errors import StorageFailed
from .deleting import Deleting

log = logging.getLogger(__name__)

EVERY = timedelta(days=1)


class Retention:
    """Deletes threads whose last change is `keep_days` ago (None: none), and what earlier deletions have left."""

    def __init__(self, deleting: Deleting, keep_days: float | None, now: Callable[[], datetime]) -> None:
        self._deleting = deleting
        self._keep_days = keep_days
        self._now = now
        self._began: datetime | None = None
        self._round: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Go round, unless this process did within a day; returns at once and never fails."""
        at = self._now()
        going = self._round is not None and not self._round.done()
        if not going and (self._began is None or at - self._began >= EVERY):
            self._began = at
            self._round = asyncio.create_task(self._go_round(at), name="retention")

    async def _go_round(self, at: datetime) -> None:
        try:
            if self._keep_days is not None:
                gone = await self._deleting.expire(at - timedelta(days=self._keep_days))
                log.info("%d threads went that were unchanged for %g days", gone, self._keep_days)
            await self._deleting.sweep()
        except StorageFailed as error:
            log.warning("old threads will be deleted another time: %s", error)

    async def aclose(self) -> None:
        """Stop; what is left undone is done by the next round."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.wait({self._round})
