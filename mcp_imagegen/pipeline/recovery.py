"""Turns whose process ended without recording how: taken up when the state is next used, and settled.

Who looks waits for that no longer than it usually takes; what each came to is found in `settling`.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from ..database.engine import Database
from ..errors import ImagegenError, StorageFailed
from ..jobs import Job, Jobs, TurnKey
from ..openai_api.spool import Spool
from ..threads import deleting, leases, waiting
from .leasing import LEASE, Leasing, is_left
from .processes import Process, token_of
from .running import Running, name_of
from .settling import Settling
from .unclosed import Unclosed

log = logging.getLogger(__name__)

SETTLING_S = 2.0  # that a caller waits for turns of other threads to be settled
TAKING_S = 2.0  # that everybody waits for what is left to be looked at, which takes some hundredths
OWN_S = 20.0  # that who looks at a thread waits for its own
AGAIN_S = 20.0  # between two attempts to record what is held in memory, while nobody uses this server


@dataclass(frozen=True)
class Recovery:
    """Takes up what dead processes have left."""

    database: Database
    spool: Spool
    jobs: Jobs
    settling: Settling
    leasing: Leasing
    unclosed: Unclosed
    process: Process
    now: Callable[[], datetime]
    _settling: asyncio.Lock = field(default_factory=asyncio.Lock)
    _reading: dict[TurnKey, asyncio.Event] = field(default_factory=dict)  # turns whose files are being read
    _put_off: set[TurnKey] = field(default_factory=set)  # turns whose settling failed here
    _trying: set[asyncio.Task[None]] = field(default_factory=set)  # see `try_again`
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

    async def take_up(self, within_s: float) -> bool:
        """Begin to settle what dead processes have left, which goes on whoever waits for it; False where that takes
        longer than so many seconds, or TAKING_S: another program holds the database. Raises StorageFailed."""
        taking = self.jobs.apart(self._take_up_all(), "settling")
        taking.add_done_callback(_seen)
        await asyncio.wait({taking}, timeout=max(within_s, TAKING_S))
        if taking.done():
            taking.result()
        return taking.done()

    def try_again(self) -> None:
        """Record what is held in memory as soon as that can be, though nobody may use this server any more: others on
        the same folder can neither see nor collect it."""
        if not self._trying:
            trying = asyncio.create_task(self._try_again(), name="recording what is held")
            self._trying.add(trying)
            trying.add_done_callback(self._trying.discard)

    async def _try_again(self) -> None:
        while self.unclosed.any:
            await asyncio.sleep(AGAIN_S)
            with suppress(StorageFailed):
                await self.take_up(TAKING_S)

    async def aclose(self) -> None:
        """Try no more but this once."""
        for trying in self._trying:
            trying.cancel()
        await self.unclosed.close_all()

    async def _take_up_all(self) -> None:
        async with self._settling:
            dead = await asyncio.to_thread(self.process.dead)  # first: what they have is known only when they are dead
            async with self.database.reading() as connection:
                found = await leases.in_progress(connection)
                gone = [name for name in await waiting.waiters(connection) if token_of(name) in dead]
            for one in found:
                if one.key in self.settling.others or not await self.is_left(one):
                    continue
                if not await self._take_up(one):
                    return  # nor can the others: who only looks need not wait for each
            if gone and not await self._leave(gone):
                return  # what shows that they are dead must stay until then
            for token in dead - await self._owners():
                await asyncio.to_thread(self.process.bury, token)
            await self._sweep({name_of(one.thread_id, one.number) for one in found})

    async def _leave(self, gone: list[str]) -> bool:
        try:
            async with self.database.writing() as connection:
                await waiting.leave(connection, gone, self.now())
        except StorageFailed as error:
            log.warning("it was not noted whose callers are gone: %s", error)
            return False
        return True

    async def is_left(self, lease: leases.Lease) -> bool:
        """Whether nobody works on the turn, this process included."""
        if lease.key in self.jobs.keys:
            return False
        lost_sight = lease.owner == self.process.name
        if lost_sight and (lease.key in self._put_off or self.unclosed.told(lease.key) is not None):
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
        """Settle a turn with what is on disk of it, and then with what the API has. Where that fails, the next look
        tries again."""
        job.tell("reading what had arrived before the server ended")
        more: Running | None = None
        try:
            if self.unclosed.told(lease.key) is not None:
                await self._close_again(lease.key, job)
                return
            running = await self.settling.found(lease.key)
            async with self.leasing.held(running, job):
                if await self.settling.settle(running):
                    more = running
        except (ImagegenError, OSError) as error:
            await self._put_off_until_next(lease.key, error)
        finally:
            self._reading.pop(lease.key).set()
        if more is not None:
            await self._fetch(more, job)

    async def _fetch(self, running: Running, job: Job) -> None:
        try:
            async with self.leasing.held(running, job):
                await self.settling.fetch(running, job.tell)
            if job.aborted:
                await self.settling.stop(running)
        except ImagegenError as error:
            await self._put_off_until_next(running.key, error)

    async def _put_off_until_next(self, key: TurnKey, error: Exception) -> None:
        """Let whoever looks next settle a turn, which failed for want of room, say, without waiting for the lease. This
        process remembers it where that cannot be written either."""
        log.warning("turn %d of %s is not settled yet: %s", *reversed(key), error)
        self._put_off.add(key)
        await self.leasing.let_go(key)

    async def _close_again(self, key: TurnKey, job: Job) -> None:
        """Close a turn of this very process, which could not record its end before."""
        try:
            await self.unclosed.close(key)
        except ImagegenError as error:
            log.warning("turn %d of %s is not closed yet: %s", *reversed(key), error)
            job.failure = error

    async def _owners(self) -> set[str]:
        """The tokens of the processes that turns in progress belong to."""
        async with self.database.reading() as connection:
            return {token_of(one.owner) for one in await leases.in_progress(connection)}

    async def _sweep(self, in_progress: set[str]) -> None:
        """Remove copied answers of turns that have ended: their process died before it could. Once for each. Those of
        turns that are not known here may be another database's, which somebody puts back."""
        for name in set(await asyncio.to_thread(self.spool.names)) - in_progress - self._swept:
            self._swept.add(name)
            thread_id, _, number = name.rpartition("-")
            if not number.isdecimal():
                continue  # no turn's; whose it is, is not known
            async with self.database.reading() as connection:
                ended = await deleting.has_ended(connection, thread_id, int(number))
            if ended:
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
