"""Turns whose process ended without recording how: settled when the state is next used.

What such a turn got is found in this order: the answer that was copied to disk while it arrived, read again; files that
were written and not recorded; and a response that the API keeps, fetched in the background. What became of any other
cannot be known, so it is `lost`, counted at its expected price.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing
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
from ..jobs import Job, Jobs
from ..ledger import entries as ledger
from ..openai_api.failures import IdForgotten
from ..openai_api.spool import Spool
from ..threads import leases, waiting
from ..threads import store as threads
from .closing import LOST, Closing
from .keeping import Keeping
from .leasing import LEASE, Leasing, is_left
from .naming import part_in
from .processes import Process, Standing
from .receiving import Receiving, check_whole
from .running import Found, Running, name_of

log = logging.getLogger(__name__)

REACHABLE_WITHIN = timedelta(
    days=1
)  # for how long an answer that the API keeps is asked for while it cannot be reached
_UNREACHABLE = (UpstreamUnavailable, UpstreamTimeout, RateLimited, AuthenticationFailed, PermissionDenied)
CUT_OFF = "the server ended before this call did; other images of it may be lost"


@dataclass(frozen=True)
class Recovery:
    """Settles what dead processes have left."""

    database: Database
    store: ImageStore
    spool: Spool
    jobs: Jobs
    keeping: Keeping
    receiving: Receiving
    closing: Closing
    leasing: Leasing
    process: Process
    now: Callable[[], datetime]
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _swept: set[str] = field(default_factory=set)  # names of answers on disk that were looked at before

    async def settle(self) -> None:
        """Take up every turn that a dead process has left, also when the caller goes away meanwhile. Raises
        StorageFailed."""
        await asyncio.shield(self.jobs.apart(self._settle_all(), "settling"))

    async def _settle_all(self) -> None:
        async with self._settling:
            async with self.database.reading() as connection:
                found = await leases.in_progress(connection)
            standings = {one.owner: await asyncio.to_thread(self.process.standing, one.owner) for one in found}
            for one in found:
                if self._is_left(one, standings[one.owner]):
                    await self._take_up(one)
            for owner, standing in standings.items():
                if standing == "dead":
                    await asyncio.to_thread(self.process.bury, owner)
            await self._sweep({name_of(one.thread_id, one.number) for one in found})

    def _is_left(self, lease: leases.Lease, standing: Standing) -> bool:
        """Whether nobody works on the turn, this process included."""
        lost_sight = lease.owner == self.process.name and lease.key not in self.jobs.keys
        return is_left(lease, "unknown" if lost_sight else standing, self.now())

    async def _take_up(self, lease: leases.Lease) -> None:
        async with self.database.writing() as connection:
            taken = await leases.take_over(connection, lease, self.process.name, self.now() + LEASE)
            if not taken:
                return
            await waiting.abandon(connection, *lease.key, self.now())
        try:
            await asyncio.to_thread(self.process.begin)
            await self._settle(await self._found(lease))
        except (ImagegenError, OSError) as error:  # the next look tries again, once this lease is over
            log.warning("turn %d of %s is not settled yet: %s", lease.number, lease.thread_id, error)

    async def _found(self, lease: leases.Lease) -> Running:
        """The turn with what is on disk of it."""
        async with self.database.reading() as connection:
            turn = await threads.turn(connection, *lease.key)
            entry = await ledger.open_entry(connection, *lease.key)
        known = {image.key for image in turn.images}
        files = {}
        for name in await self.store.names(turn.thread_id):
            part, key = part_in(name, turn.number), f"{turn.thread_id}/{name}"
            if part is not None and key not in known:
                files[part] = key
        await self.store.sweep(turn.thread_id, f"{turn.number:03d}-")
        found = Found({(image.index, image.frame): image for image in turn.images}, files)
        return Running(turn, entry, response_id=turn.response_id, warnings=list(turn.warnings), found=found)

    async def _settle(self, running: Running) -> None:
        """Read the copied answer again; then close the turn, or fetch its response if there may be more of it."""
        failure: ImagegenError | None = None
        try:
            await self.receiving.take_again(running)
        except StorageFailed:
            raise
        except ImagegenError as error:
            failure = error
        if running.finished is None and failure is None and running.response_id is not None:
            if self.receiving.keeps_answer(running):
                self.jobs.start(running.key, lambda job: self._fetch(running, job))
                return
            if self._is_young(running):  # a server with the provider that keeps it may come
                return
        await self._close(running, failure)

    async def _fetch(self, running: Running, job: Job) -> None:
        """Get the response from the API, which goes on with it whether or not anybody listens."""
        assert running.response_id is not None
        copy = self.spool.copy(running.name)
        async with self.leasing.held(running):
            try:
                job.tell("fetching the answer that the provider keeps")
                answer = self.receiving.client.response(running.response_id, tell=job.tell, copy=copy)
                async with aclosing(answer) as events:
                    await self.receiving.take(running, events, job.tell)
                await self._close(running, None)
            except IdForgotten:
                await self._close(running, None)
            except _UNREACHABLE as error:
                if self._is_young(running):
                    log.warning("a response will be asked for again: %s", error)
                    await self.leasing.let_go(running)
                else:
                    await self._close(running, None)
            except StorageFailed as error:
                log.error("turn %d of %s could not be settled: %s", *reversed(running.key), error)
            except ImagegenError as error:
                await self._close(running, error)

    def _is_young(self, running: Running) -> bool:
        return self.now() - running.turn.created_at < REACHABLE_WITHIN

    async def _close(self, running: Running, failure: ImagegenError | None) -> None:
        """Record what the turn came to, with every picture that is on disk."""
        await self.keeping.adopt(running)
        running.count_recorded()
        if failure is None:
            try:
                check_whole(running)
            except UpstreamInvalid:  # it says that the answer ended too early, and here is why
                failure = LOST
        if running.finished is None and running.images:
            running.warnings.append(CUT_OFF)
            failure = None
        await self.closing.close(running, failure, "lost" if failure is LOST else "failed" if failure else None)
        await self.spool.copy(running.name).discard()

    async def _sweep(self, in_progress: set[str]) -> None:
        """Remove copied answers of turns that have ended: their process died before it could. Once for each."""
        for name in set(await asyncio.to_thread(self.spool.names)) - in_progress - self._swept:
            self._swept.add(name)
            thread_id, _, number = name.rpartition("-")
            if not number.isdecimal():
                continue  # no turn's; whose it is, is not known
            async with self.database.reading() as connection:
                ended = await leases.has_ended(connection, thread_id, int(number))
            if ended:
                await self.spool.copy(name).discard()
