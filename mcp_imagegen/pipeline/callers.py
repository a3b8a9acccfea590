"""Who waits for which call: a call goes on when its caller is gone, and the same call made again gets what it makes."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import StorageFailed, UpstreamUnavailable
from ..jobs import Job, Jobs, Report, TurnKey
from ..operations import Caller, ContinueImageThread, PaidOperation
from ..threads import leases, waiting
from ..threads import store as threads
from ..threads.values import Thread
from .processes import Process
from .recovery import Recovery
from .sameness import fingerprint
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
    process: Process
    on_cancel: Literal["finish", "abort"]
    now: Callable[[], datetime]
    _unnoted: dict[TurnKey, bool] = field(default_factory=dict)  # turns that it could not be noted for; see `_abandon`

    @property
    def busy(self) -> bool:
        """Whether calls run in this process."""
        return bool(self.jobs.keys)

    async def named(self, operation: PaidOperation) -> str:
        """The name of the call, which only the same call has too. To be taken before its inputs are read."""
        return await fingerprint(operation, self.spending.quoting)

    async def join(self, operation: PaidOperation, named: str, caller: Caller, *, patience_s: float) -> TurnKey | None:
        """The turn of the same call that its own caller left alone, to be waited for instead of paying again.

        Two callers that wait for two identical calls want two pictures, so that only a call that nobody waits for is
        joined, and by one. What a dead server has left of the caller's own thread is settled first: raises
        UpstreamUnavailable where that takes longer than `patience_s` seconds, ThreadNotFound for somebody else's
        thread, StorageFailed.
        """
        clock = asyncio.get_running_loop().time
        until = clock() + patience_s
        await self._settled(getattr(operation, "thread_id", None), caller, patience_s)
        await self.jobs.quiet(until - clock())
        claiming = self.jobs.apart(self._claim(operation, named, caller), "joining a call")
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._left_again)
            raise

    async def _settled(self, thread_id: str | None, caller: Caller, patience_s: float) -> None:
        if await self.recovery.settle(thread_id, patience_s=patience_s) or thread_id is None:
            return
        async with self.database.reading() as connection:
            await threads.thread(connection, thread_id, caller.owner)
        raise UpstreamUnavailable(
            "the server ended during an earlier turn of the thread, which is still being settled: what its answer "
            "links to is slow to come, or another program holds the database. Nothing was sent for this call",
            f"call again, or wait for it with get_image_thread(thread_id={thread_id!r}, wait=true)",
        )

    async def _claim(self, operation: PaidOperation, named: str, caller: Caller) -> TurnKey | None:
        """One whose pictures are gone from their folder is no answer to a call, and is left at that."""
        while True:
            await asyncio.to_thread(self.process.begin)  # others can tell by it that this process waits
            await self._note_again()
            async with self.database.writing() as connection:
                key = await waiting.join(
                    connection,
                    owner=caller.owner,
                    fingerprint=named,
                    waiter=self.process.name,
                    at=self.now(),
                    but={*self.recovery.settling.others, *await _moved_on(connection, operation, named, caller)},
                )
            if key is None or await self._is_whole(key):
                return key
            await self._deliver(key)

    async def _is_whole(self, key: TurnKey) -> bool:
        async with self.database.reading() as connection:
            turn = await threads.turn(connection, *key)
        paths = [self.spending.store.path(image.key) for image in turn.finals]
        return await asyncio.to_thread(lambda: all(path.is_file() for path in paths))

    def _left_again(self, claiming: asyncio.Task[TurnKey | None]) -> None:
        if not claiming.cancelled() and claiming.exception() is None and (key := claiming.result()) is not None:
            self.left(key)

    async def begin(self, quote: Quote, named: str) -> TurnKey:
        """Reserve and send in tasks of the server's own; a caller that goes away meanwhile is noted. Raises
        ImagegenError."""
        starting = self.jobs.apart(self.spending.start(quote, named), "start of a call")
        starting.add_done_callback(self._watch)
        try:
            return (await asyncio.shield(starting)).key
        except asyncio.CancelledError:
            starting.add_done_callback(self._left_at_once)
            raise

    def _watch(self, starting: asyncio.Task[Job]) -> None:
        if starting.cancelled() or starting.exception() is not None or (task := starting.result().task) is None:
            return
        task.add_done_callback(lambda _: self.recovery.try_again() if starting.result().failure else None)

    def _left_at_once(self, starting: asyncio.Task[Job]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self.left(starting.result().key)

    async def wait(self, key: TurnKey, report: Report, *, give_up_s: float) -> bool:
        """Wait for a turn, here or elsewhere, reporting on the way; False when it runs on after `give_up_s` seconds.

        A turn whose process dies meanwhile is settled here, and waited for until that is done. Raises what the caller
        of a turn was told whose end still cannot be recorded.
        """
        clock = asyncio.get_running_loop().time
        deadline, told = clock() + give_up_s, False
        while (job := self.jobs.running(key)) is None:
            async with self.database.reading() as connection:
                lease = await leases.lease_of(connection, *key)
            if lease is None:
                return True
            if await self.recovery.is_left(lease):
                await self.recovery.take_up(deadline - clock())
                if self.jobs.running(key) is None and (failure := self.recovery.unclosed.told(key)) is not None:
                    raise failure
            left = deadline - clock()
            if left <= 0:
                return False
            if self.jobs.running(key) is None:
                if not told:
                    await report("rendering in another process")
                told = True
                await asyncio.sleep(min(ELSEWHERE_S, left))
        return await job.follow(report, give_up_s=deadline - clock())

    def left(self, key: TurnKey) -> None:
        """The caller of a turn has cancelled or is cut off. Returns at once.

        A call that is ended here is nobody's to join until it has ended, and then what had come of it is collected."""
        job, stop = self.jobs.running(key), self.on_cancel == "abort"
        if stop and job is not None and job.task is not None:
            job.task.add_done_callback(lambda _: self._note_left(key, stop=False))
            job.abort()
        else:
            self._note_left(key, stop=stop)

    def _note_left(self, key: TurnKey, *, stop: bool) -> None:
        self.jobs.apart(self._abandon(key, stop=stop), f"nobody waits for turn {key[1]} of {key[0]}")

    def handed_over(self, key: TurnKey) -> asyncio.Task[None]:
        """The caller of a turn is told to collect it later. What it makes stays to be had by its thread."""
        return self.jobs.apart(self._abandon(key, stop=False), f"handing over turn {key[1]} of {key[0]}")

    def delivered(self, key: TurnKey) -> asyncio.Task[None]:
        """The caller of a turn is given what became of it, so that the same call made again is a new one."""
        return self.jobs.apart(self._deliver(key), f"delivering turn {key[1]} of {key[0]}")

    async def _abandon(self, key: TurnKey, *, stop: bool, waiter: str | None = None) -> None:
        """Note that the caller is gone; where that fails, it is tried again before the same call could be paid anew."""
        try:
            async with self.database.writing() as connection:
                await waiting.abandon(connection, *key, self.now(), stop=stop, waiter=waiter)
        except StorageFailed as error:
            self._unnoted[key] = stop
            log.warning("it was not noted that nobody waits for turn %d of %s: %s", *reversed(key), error)
        else:
            self._unnoted.pop(key, None)

    async def _note_again(self) -> None:
        for key, stop in list(self._unnoted.items()):
            await self._abandon(key, stop=stop, waiter=self.process.name)

    async def _deliver(self, key: TurnKey) -> None:
        try:
            async with self.database.writing() as connection:
                await waiting.deliver(connection, *key)
        except StorageFailed as error:
            log.warning("it was not noted that turn %d of %s was delivered: %s", *reversed(key), error)

    def collected(self, thread: Thread) -> asyncio.Task[None]:
        """Somebody is given what became of the thread's turns, which the same calls made again would not mean."""
        numbers = [turn.number for turn in thread.turns if turn.status != "in_progress" and not turn.is_given]
        return self.jobs.apart(self._collect(thread.thread_id, numbers), f"collecting {thread.thread_id}")

    async def _collect(self, thread_id: str, numbers: list[int]) -> None:
        if not numbers:
            return
        try:
            async with self.database.writing() as connection:
                await waiting.collect(connection, thread_id, numbers)
        except StorageFailed as error:
            log.warning("it was not noted that turns of %s were collected: %s", thread_id, error)

    async def aclose(self, drain_s: float) -> None:
        """Record running turns as they stand, then let them finish for `drain_s` seconds."""
        if self.process.begun:
            await self._leave()
        await self.jobs.aclose(drain_s)
        await self.recovery.aclose()
        if self.process.begun:
            self.process.owes = await self._owes()

    async def _owes(self) -> bool:
        """Whether turns are left in this process's name, worked on or waited for: by its lock the next server sees at
        once that nobody does."""
        try:
            async with self.database.reading() as connection:
                names = {lease.owner for lease in await leases.in_progress(connection)}
                return self.process.name in names | await waiting.waiters(connection)
        except StorageFailed as error:
            log.warning("it is not known whether turns are left: %s", error)
            return True

    async def _leave(self) -> None:
        """Nobody waits in this process any more."""
        try:
            async with self.database.writing() as connection:
                await waiting.leave(connection, [self.process.name], self.now())
        except StorageFailed as error:
            log.warning("it was not noted that nobody waits any more: %s", error)


async def _moved_on(connection: AsyncConnection, operation: PaidOperation, named: str, caller: Caller) -> list[TurnKey]:
    """The turns of the same call that began elsewhere than the call made now would. Raises ThreadNotFound."""
    if not isinstance(operation, ContinueImageThread) or operation.from_image is not None:
        return []
    thread = await threads.thread(connection, operation.thread_id, caller.owner)
    same = [turn for turn in thread.turns if turn.fingerprint == named and turn.abandoned_at is not None]
    return [(turn.thread_id, turn.number) for turn in same if not threads.is_still_meant(thread, turn)]
