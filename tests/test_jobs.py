"""Work that outlives its caller: followed with progress, handed over, never cancelled by a waiter."""

import asyncio

import pytest

from mcp_imagegen.jobs import Job, Jobs

KEY = ("thr_0", 1)


class Work:
    """Work that goes on when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = "not yet"

    async def __call__(self, job: Job) -> None:
        job.tell("rendering")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.ended = "stopped"
        else:
            self.ended = "done"


async def ignore(_: str) -> None:
    """A caller that does not listen."""


async def test_every_follower_hears_all_messages_from_the_start() -> None:
    jobs, work = Jobs(), Work()
    heard: list[str] = []

    async def report(message: str) -> None:
        heard.append(message)
        if message == "rendering":
            work.go_on.set()

    job = jobs.start(KEY, work)
    assert await job.follow(report, give_up_s=30)
    assert heard[:2] == ["queued", "rendering"]
    assert work.ended == "done"


async def test_a_follower_that_gives_up_leaves_the_work_running() -> None:
    jobs, work = Jobs(), Work()
    job = jobs.start(KEY, work)
    assert not await job.follow(ignore, give_up_s=0.01)
    assert jobs.running(KEY) is job
    work.go_on.set()
    assert await job.follow(ignore, give_up_s=30)
    assert [work.ended, jobs.running(KEY)] == ["done", None]


async def test_a_cancelled_follower_leaves_the_work_running() -> None:
    jobs, work = Jobs(), Work()
    job = jobs.start(KEY, work)
    began = asyncio.Event()

    async def report(_: str) -> None:
        began.set()

    waiting = asyncio.create_task(job.follow(report, give_up_s=30))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    work.go_on.set()
    assert await job.follow(ignore, give_up_s=30)
    assert work.ended == "done"


async def test_closing_stops_what_runs_and_waits_for_its_end() -> None:
    jobs, work = Jobs(), Work()
    jobs.start(KEY, work)
    await asyncio.sleep(0)  # lets the work begin
    await jobs.aclose()
    assert work.ended == "stopped"


async def test_closing_gives_what_runs_its_time() -> None:
    jobs, work = Jobs(), Work()
    jobs.start(KEY, work)
    closing = asyncio.create_task(jobs.aclose(drain_s=30))
    await asyncio.sleep(0)  # lets the work begin, and the closing wait for it
    work.go_on.set()
    await closing
    assert work.ended == "done"


async def test_who_follows_work_that_is_handed_over_is_sent_away_and_the_work_goes_on() -> None:
    jobs, work = Jobs(), Work()
    following = asyncio.create_task(jobs.start(KEY, work).follow(ignore, give_up_s=30))
    await asyncio.sleep(0)  # lets the follower begin
    jobs.hand_over()
    assert not await following
    assert not await jobs.start(("thr_0", 2), work).follow(ignore, give_up_s=30)
    work.go_on.set()
    await jobs.aclose(30)
    assert work.ended == "done"


async def test_work_that_is_aborted_says_so() -> None:
    jobs, work = Jobs(), Work()
    job = jobs.start(KEY, work)
    await asyncio.sleep(0)  # lets the work begin
    job.abort()
    assert await job.follow(ignore, give_up_s=30)
    assert [job.aborted, work.ended] == [True, "stopped"]


async def test_what_is_started_apart_outlives_its_caller() -> None:
    jobs, go_on, ended = Jobs(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        ended.set()

    async def caller() -> None:
        await asyncio.shield(jobs.apart(work(), "work"))

    calling = asyncio.create_task(caller())
    await asyncio.sleep(0)  # lets the caller begin
    calling.cancel()
    go_on.set()
    await jobs.quiet()
    assert ended.is_set()
