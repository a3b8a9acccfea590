"""Turns whose process ended without recording how: settled when the state is next used.

What such a turn got is found in this order: the answer that was copied to disk while it arrived, read again; files that
were written and not recorded; and a response that the API keeps, fetched in the background. What became of any other
cannot be known, so it is `lost`, counted at its expected price.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import aclosing, suppress
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
from ..jobs import Job, Jobs, TurnKey
from ..ledger import entries as ledger
from ..openai_api.failures import IdForgotten
from ..openai_api.spool import Spool
from ..threads import leases, waiting
from ..threads import store as threads
from . import elsewhere
from .closing import LOST, Closing, Ending
from .keeping import Keeping
from .leasing import LEASE, Leasing, is_left
from .naming import part_in
from .processes import Process, token_of
from .receiving import Receiving, check_whole
from .running import Found, Running, name_of
from .stopping import stopped
from .unclosed import Unclosed

log = logging.getLogger(__name__)

REACHABLE_WITHIN = timedelta(
    days=1
)  # for how long an answer that the API keeps is asked for while it cannot be reached
SETTLING_S = 2.0  # that a caller waits for turns of other threads to be settled
TAKING_S = 2.0  # that everybody waits for what is left to be looked at, which takes some hundredths
OWN_S = 20.0  # that who looks at a thread waits for its own
_UNREACHABLE = (UpstreamUnavailable, UpstreamTimeout, RateLimited, AuthenticationFailed, PermissionDenied)
NOT_ASKED = UpstreamTimeout(
    "the server ended while the call ran, and what the provider may have kept of it could not be asked for with these "
    "settings: it was sent with another address, key, organization or project. The image may have been made and billed",
    "ask again if the image is still wanted",
    may_be_billed=True,
)
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
    unclosed: Unclosed
    process: Process
    now: Callable[[], datetime]
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reading: dict[TurnKey, asyncio.Event] = field(default_factory=dict)  # turns whose files are being read
    _others: dict[TurnKey, datetime] = field(default_factory=dict)  # see `others`
    _swept: set[str] = field(default_factory=set)  # names of answers on disk that were looked at before

    async def settle(self, thread_id: str | None = None, *, patience_s: float = OWN_S) -> bool:
        """Take up every turn that a dead process has left, and wait until what is on disk of it is recorded.

        That may need the network, for pictures that an answer links to; so the turns of other threads than the
        caller's own are waited for a moment only, and all of them for no more than `patience_s` seconds together:
        whether those of its own are settled. They are also when the caller goes away meanwhile. Raises StorageFailed.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + patience_s
        if not await self.take_up(patience_s):
            return False
        own = [done for key, done in self._reading.items() if key[0] == thread_id]
        await _until(list(self._reading.values()), min(SETTLING_S, until - clock()))
        await _until(own, until - clock())
        return all(done.is_set() for done in own)

    @property
    def others(self) -> frozenset[TurnKey]:
        """Turns whose answer the provider may keep for servers with other settings, for as long as one may come."""
        return frozenset(key for key, until in self._others.items() if self.now() < until)

    async def take_up(self, within_s: float) -> bool:
        """Begin to settle what dead processes have left, which goes on whoever waits for it; False where that takes
        longer than so many seconds, or TAKING_S: another program holds the database. Raises StorageFailed."""
        taking = self.jobs.apart(self._take_up_all(), "settling")
        taking.add_done_callback(_seen)
        await asyncio.wait({taking}, timeout=max(within_s, TAKING_S))
        if taking.done():
            taking.result()
        return taking.done()

    async def _take_up_all(self) -> None:
        async with self._settling:
            dead = await asyncio.to_thread(self.process.dead)  # first: what they have is known only when they are dead
            async with self.database.reading() as connection:
                found = await leases.in_progress(connection)
                gone = [name for name in await waiting.waiters(connection) if token_of(name) in dead]
            for one in found:
                if one.key in self.others or not await self.is_left(one):
                    continue
                if not await self._take_up(one):
                    return  # nor can the others: who only looks need not wait for each
            if gone:
                await self._leave(gone)
            for token in dead - await self._owners():
                await asyncio.to_thread(self.process.bury, token)
            await self._sweep({name_of(one.thread_id, one.number) for one in found})

    async def _leave(self, gone: list[str]) -> None:
        try:
            async with self.database.writing() as connection:
                await waiting.leave(connection, gone, self.now())
        except StorageFailed as error:
            log.warning("it was not noted whose callers are gone: %s", error)

    async def is_left(self, lease: leases.Lease) -> bool:
        """Whether nobody works on the turn, this process included."""
        lost_sight = lease.owner == self.process.name and lease.key not in self.jobs.keys
        if lost_sight and self.unclosed.told(lease.key) is not None:
            return True
        standing = "unknown" if lost_sight else await asyncio.to_thread(self.process.standing, lease.owner)
        return is_left(lease, standing, self.now())

    async def _take_up(self, lease: leases.Lease) -> bool:
        """Make a dead process's turn this one's, and settle it in a task of the server; False where that cannot be
        written."""
        try:
            await asyncio.to_thread(self.process.begin)  # first: others see by it that the new owner lives
            async with self.database.writing() as connection:
                taken = await leases.take_over(connection, lease, self.process.name, self.now() + LEASE)
                if taken:
                    await waiting.leave_with(connection, *lease.key, lease.owner, self.now())
        except StorageFailed as error:  # who only looks can do so
            log.warning("turn %d of %s is not settled yet: %s", lease.number, lease.thread_id, error)
            return False
        if taken:
            self._reading[lease.key] = asyncio.Event()
            self.jobs.start(lease.key, lambda job: self._work(lease, job))
        return True

    async def _work(self, lease: leases.Lease, job: Job) -> None:
        """Settle a turn with what is on disk of it, and then with what the API has. The next look tries again, once the
        lease is over, where that fails."""
        job.tell("reading what had arrived before the server ended")
        more: Running | None = None
        try:
            if self.unclosed.told(lease.key) is not None:
                await self._close_again(lease, job)
                return
            running = await self._found(lease)
            async with self.leasing.held(running, job):
                if await self._settle(running):
                    more = running
        except (ImagegenError, OSError) as error:
            log.warning("turn %d of %s is not settled yet: %s", lease.number, lease.thread_id, error)
        finally:
            self._reading.pop(lease.key).set()
        if more is not None:
            await self._fetch(more, job)
            if job.aborted:
                await self._stop(more)

    async def _close_again(self, lease: leases.Lease, job: Job) -> None:
        """Close a turn of this very process, which could not record its end before."""
        try:
            await self.unclosed.close(lease.key)
        except ImagegenError as error:
            job.failure = error
            raise

    async def _stop(self, running: Running) -> None:
        try:
            await self._close(running, await stopped(running, self.receiving.client), "cancelled")
        except StorageFailed as error:
            log.error("turn %d of %s could not be settled: %s", *reversed(running.key), error)

    async def _owners(self) -> set[str]:
        """The tokens of the processes that turns in progress belong to."""
        async with self.database.reading() as connection:
            return {token_of(one.owner) for one in await leases.in_progress(connection)}

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
        kept = await asyncio.to_thread(elsewhere.found, lease.key)
        found = Found({(image.index, image.frame): image for image in turn.images}, files, kept)
        return Running(turn, entry, response_id=turn.response_id, warnings=list(turn.warnings), found=found)

    async def _settle(self, running: Running) -> bool:
        """Read the copied answer again; then close the turn, unless the API may have more of it: whether to ask."""
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
                await self.leasing.let_go(running)
                return False
            failure = NOT_ASKED
        await self._close(running, failure)
        return False

    async def _fetch(self, running: Running, job: Job) -> None:
        """Get the response from the API, which goes on with it whether or not anybody listens."""
        assert running.response_id is not None
        copy = self.spool.copy(running.name)
        async with self.leasing.held(running, job):
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
            running.warnings.append(CUT_OFF)
            failure = None
        if failure is None:
            running.warn_of_copies()
        await self.closing.close(
            running, failure, "lost" if failure in (LOST, NOT_ASKED) else ending if failure else None
        )
        await self.spool.copy(running.name).discard()

    async def _sweep(self, in_progress: set[str]) -> None:
        """Remove copied answers of turns that have ended: their process died before it could. Once for each."""
        for name in set(await asyncio.to_thread(self.spool.names)) - in_progress - self._swept:
            self._swept.add(name)
            thread_id, _, number = name.rpartition("-")
            if not number.isdecimal():
                continue  # no turn's; whose it is, is not known
            async with self.database.reading() as connection:
                lease = await leases.lease_of(connection, thread_id, int(number))
            if lease is None:
                await self.spool.copy(name).discard()


def _seen(task: asyncio.Task[None]) -> None:
    """Nobody may be left who waits for it."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("what dead servers have left was not looked at: %s", error)


async def _until(done: list[asyncio.Event], within_s: float) -> None:
    """Until all of these have happened, or the seconds are over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            for one in done:
                await one.wait()
