"""Running calls that outlive their caller.

Paid work runs in a task of the server, not of the request: a caller that is cancelled, times out or goes away stops
waiting, and the work goes on. Whoever waits is told what happens.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

Tell = Callable[[str], None]
Report = Callable[[str], Awaitable[None]]  # of what is happening
T = TypeVar("T")
TurnKey = tuple[str, int]  # thread_id, number of the turn


async def to_the_end(work: Coroutine[Any, Any, T], hasten: Callable[[], None] | None = None) -> T:
    """The result of work that must not be left half done: a cancellation counts when it has ended, and until then may
    `hasten` it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
            if hasten is not None:
                hasten()
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result


@dataclass
class Job:
    """One running call and what it has said so far."""

    key: TurnKey
    said: list[str] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    aborted: bool = False
    failure: Exception | None = None  # what could be recorded nowhere
    let_go: bool = False  # nobody may wait for it any longer, though it goes on
    _waiters: set[asyncio.Event] = field(default_factory=set)

    def tell(self, message: str) -> None:
        """Say what is happening; every follower passes it on."""
        self.said.append(message)
        for waiter in self._waiters:
            waiter.set()

    def hand_over(self) -> None:
        """Send away who follows, now and later, as if their time were over."""
        self.let_go = True
        for waiter in self._waiters:
            waiter.set()

    @property
    def done(self) -> bool:
        return self.task is not None and self.task.done()

    def abort(self) -> None:
        """Stop the work, because its caller wants it stopped. Once: what it does about that is not stopped."""
        if self.task is not None and not self.task.done() and not self.aborted:
            self.aborted = True
            self.task.cancel()

    async def follow(self, report: Report, *, give_up_s: float) -> bool:
        """Wait for the end, reporting on the way; True when it ended, False after `give_up_s` seconds or
        where it is handed over.

        Being cancelled here never cancels the work. Raises its `failure`.
        """
        assert self.task is not None
        clock = asyncio.get_running_loop().time
        told, news, deadline = 0, asyncio.Event(), clock() + give_up_s
        self._waiters.add(news)
        try:
            while True:
                messages, told = self.said[told:], len(self.said)
                for message in messages:
                    await report(message)
                left = deadline - clock()
                if self.task.done() and self.failure is not None:
                    raise self.failure
                if self.task.done() or left <= 0 or self.let_go:
                    return self.task.done()
                if told == len(self.said):
                    await self._next(news, left)
        finally:
            self._waiters.discard(news)

    async def _next(self, news: asyncio.Event, timeout_s: float) -> None:
        """Until the job ends, says something, or the time is over."""
        assert self.task is not None
        listening = asyncio.create_task(news.wait())
        try:
            await asyncio.wait({self.task, listening}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            news.clear()


class Jobs:
    """The running jobs of this process, by turn, and small tasks that nobody waits for but that must be done."""

    def __init__(self) -> None:
        self._running: dict[TurnKey, Job] = {}
        self._let_go = False
        self._apart: set[asyncio.Task[Any]] = set()

    def start(self, key: TurnKey, work: Callable[[Job], Coroutine[Any, Any, None]]) -> Job:
        """Start `work(job)` in a task of its own. The work handles its failures itself."""
        job = Job(key, let_go=self._let_go)
        job.tell("queued")
        self._running[key] = job
        job.task = asyncio.create_task(work(job), name=f"turn {key[1]} of {key[0]}")
        job.task.add_done_callback(lambda _: self._running.pop(key, None))
        return job

    def apart(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start work that goes on when whoever began it is cancelled."""
        task = asyncio.create_task(work, name=name)
        self._apart.add(task)
        task.add_done_callback(self._apart.discard)
        return task

    def hand_over(self) -> None:
        """Nobody may wait for what runs any longer, nor for what is started from now on."""
        self._let_go = True
        for job in self._running.values():
            job.hand_over()

    async def quiet(self, within_s: float | None = None) -> None:
        """Until the tasks apart that run now have ended, or the seconds are over."""
        if self._apart:
            await asyncio.wait(set(self._apart), timeout=within_s)

    def running(self, key: TurnKey) -> Job | None:
        return self._running.get(key)

    @property
    def keys(self) -> list[TurnKey]:
        """The turns that run in this process."""
        return list(self._running)

    async def aclose(self, drain_s: float = 0) -> None:
        """Give what runs `drain_s` seconds to finish, then cancel it and wait until each has recorded how it ended."""
        await self.quiet()
        tasks = {job.task for job in self._running.values() if job.task is not None}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=drain_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        await self.quiet()
