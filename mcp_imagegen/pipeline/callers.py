"""Who waits for which call: a call goes on when its caller is gone, and the same call made again gets what it makes."""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ..database.engine import Database
from ..errors import StorageFailed
from ..jobs import Job, Jobs, Report, TurnKey
from ..operations import Caller, PaidOperation
from ..threads import store as threads
from ..threads import waiting
from ..threads.values import Thread
from .recovery import Recovery
from .spending import Spending
from .values import Quote

log = logging.getLogger(__name__)

ELSEWHERE_S = 1.0  # seconds between two looks at a turn that another process works on


@dataclass(frozen=True)
class Callers:
    """Begins calls, waits for them, and notes who has stopped waiting."""

    database: Database
    jobs: Jobs
    spending: Spending
    recovery: Recovery
    on_cancel: Literal["finish", "abort"]
    now: Callable[[], datetime]

    @property
    def busy(self) -> bool:
        """Whether calls run in this process."""
        return bool(self.jobs.keys)

    async def join(self, operation: PaidOperation, caller: Caller) -> TurnKey | None:
        """The turn of the same call that its own caller left alone, to be waited for instead of paying again.

        Two callers that wait for two identical calls want two pictures, so that only a call that nobody waits for is
        joined, and by one. Raises StorageFailed.
        """
        await self.recovery.settle()
        await self.jobs.quiet()
        claiming = self.jobs.apart(self._claim(operation, caller), "joining a call")
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._left_again)
            raise

    async def _claim(self, operation: PaidOperation, caller: Caller) -> TurnKey | None:
        async with self.database.writing() as connection:
            return await waiting.join(
                connection,
                owner=caller.owner,
                provider=self.spending.quoting.provider,
                fingerprint=fingerprint(operation),
                at=self.now(),
            )

    def _left_again(self, claiming: asyncio.Task[TurnKey | None]) -> None:
        if not claiming.cancelled() and claiming.exception() is None and (key := claiming.result()) is not None:
            self.left(key)

    async def begin(self, quote: Quote) -> TurnKey:
        """Reserve and send in tasks of the server's own; a caller that goes away meanwhile is noted. Raises
        ImagegenError."""
        starting = self.jobs.apart(self.spending.start(quote, fingerprint(quote.operation)), "start of a call")
        try:
            return (await asyncio.shield(starting)).key
        except asyncio.CancelledError:
            starting.add_done_callback(self._left_at_once)
            raise

    def _left_at_once(self, starting: asyncio.Task[Job]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self.left(starting.result().key)

    async def wait(self, key: TurnKey, report: Report, *, give_up_s: float) -> bool:
        """Wait for a turn, here or elsewhere, reporting on the way; False when it runs on after `give_up_s` seconds."""
        job = self.jobs.running(key)
        if job is not None:
            return await job.follow(report, give_up_s=give_up_s)
        began = time.monotonic()
        while await self._runs(key):
            waited = time.monotonic() - began
            if waited >= give_up_s:
                return False
            await report(waited, "rendering in another process")
            await asyncio.sleep(min(ELSEWHERE_S, give_up_s - waited))
        return True

    async def _runs(self, key: TurnKey) -> bool:
        async with self.database.reading() as connection:
            return (await threads.turn(connection, *key)).status == "in_progress"

    def left(self, key: TurnKey) -> None:
        """The caller of a turn has cancelled or is cut off. Returns at once."""
        job = self.jobs.running(key)
        if self.on_cancel == "abort" and job is not None:
            job.abort()
        else:
            self.jobs.apart(self.abandon(key), f"nobody waits for turn {key[1]} of {key[0]}")

    async def abandon(self, key: TurnKey) -> None:
        """Note that nobody waits for the turn. What it makes stays to be had by its thread, even if this fails."""
        try:
            async with self.database.writing() as connection:
                await waiting.abandon(connection, *key, self.now())
        except StorageFailed as error:
            log.warning("it was not noted that nobody waits for turn %d of %s: %s", *reversed(key), error)

    async def collected(self, thread: Thread) -> None:
        """Somebody is given what became of the thread's turns, which the same calls made again would not mean."""
        ended = [turn.number for turn in thread.turns if turn.status != "in_progress"]
        async with self.database.writing() as connection:
            await waiting.collect(connection, thread.thread_id, ended)

    async def aclose(self, drain_s: float) -> None:
        """Record running turns as they stand, then let them finish for `drain_s` seconds."""
        for key in self.jobs.keys:
            await self.abandon(key)
        await self.jobs.aclose(drain_s)


def fingerprint(operation: PaidOperation) -> str:
    """The same for the same tool and arguments, however they were written."""
    named = json.dumps([type(operation).__name__, operation.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(named.encode()).hexdigest()
