"""Threads against a plain model of them: whatever is called, cut, killed and forgotten, in whatever order.

Each run of the tests draws the same few histories; `make histories N=500` draws so many others, each time anew.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from thread_checks import check_end
from thread_model import Ask, Picture, Place, Setting, Thread
from thread_play import Play
from thread_world import HASTY, world

WANTED = os.environ.get("THREAD_HISTORIES")
HISTORIES, STEPS = int(WANTED or "8"), 40
# A failing history is told as it was drawn; to look for a shorter one takes minutes, in which the test seems to hang.
PHASES = list(Phase) if os.environ.get("THREAD_SHRINK") else [Phase.explicit, Phase.reuse, Phase.generate]
STEP_S = 20  # only a bound: a step that hangs fails, and is named
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a disk is waited for at each commit

picks = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 5])  # one of the newest, the newest first
slots = st.sampled_from([0, 0, 0, 1, HASTY])
places: st.SearchStrategy[Place | None] = st.sampled_from([None, None, None, "drawing", "answer", "middle", "saved"])
frames = st.sampled_from([0, 0, 0, 1, 2])
troubles = st.sampled_from(
    ["", "", "", "", "", "moderation", "server-error-once", "server-error", "disconnect", "text-only"]
)


class Threads(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="threads-", dir=MEMORY))
        self.loop = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.whole = True  # nothing has failed so far
        self.world = self.run(self.stack.enter_async_context(world(self.home)))
        self.play = Play(self.world)
        self.model = self.play.model

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return self.loop.run(_in_time(work))
        except BaseException:
            self.whole = False
            raise

    @initialize(responses=st.booleans(), abort=st.booleans())
    def begin(self, responses: bool, abort: bool) -> None:
        """There is a thread, so that no history is without one."""
        for slot in (0, 1):
            self.play.settings[slot] = Setting(api="responses" if responses else "image", abort=abort)
        self.make(slot=0, pick=None, n=1 if responses else 2, trouble="", place=None)

    @rule(
        slot=slots, pick=st.none() | picks, n=st.integers(1, 2), mask=st.booleans(), frames=frames, trouble=troubles,
        place=places,
    )  # fmt: skip
    def make(
        self, *, slot: int, pick: int | None, n: int, trouble: str, place: Place | None, mask: bool = False,
        frames: int = 0,
    ) -> None:  # fmt: skip
        """Generate, or edit an earlier picture."""
        pictures = [picture for thread in self.model.threads for picture in thread.pictures]
        shown = () if pick is None or not pictures else (newest(pictures, pick),)
        ask = Ask(
            "edit" if shown else "generate",
            len(self.play.asks),
            trouble,
            n,
            references=shown,
            mask=mask and bool(shown),
            frames=frames if n == 1 and trouble != "disconnect" else 0,
        )
        self.run(self.play.call(slot, ask, place))

    @precondition(lambda self: self.model.threads)
    @rule(
        slot=slots, pick=picks, full=st.booleans(), mask=st.booleans(), frames=frames, trouble=troubles, place=places
    )  # fmt: skip
    def go_on(
        self, *, slot: int, pick: int, full: bool, mask: bool, frames: int, trouble: str, place: Place | None
    ) -> None:
        """Continue a thread from its tip."""
        thread = newest(self.model.threads, pick)
        self._continue(slot, thread, None, full=full, mask=mask, frames=frames, trouble=trouble, place=place)

    @precondition(lambda self: any(thread.pictures for thread in self.model.threads))
    @rule(
        slot=slots, pick=picks, start=st.integers(0, 5), shown=st.none() | picks, full=st.booleans(),
        trouble=troubles, place=places, on=st.booleans(),
    )  # fmt: skip
    def branch(
        self, *, slot: int, pick: int, start: int, shown: int | None, full: bool, trouble: str, place: Place | None,
        on: bool,
    ) -> None:  # fmt: skip
        """Continue a thread from any of its pictures, perhaps with another picture beside it; then perhaps go on."""
        thread = newest([one for one in self.model.threads if one.pictures], pick)
        every = [picture for each in self.model.threads for picture in each.pictures]
        self._continue(
            slot, thread, newest(thread.pictures, start), full=full, trouble=trouble, place=place,
            references=() if shown is None else (newest(every, shown),),
        )  # fmt: skip
        if on:
            self._continue(slot, thread, None, full=full, trouble="", place=None)

    def _continue(
        self, slot: int, thread: Thread, start: Picture | None, *, full: bool, trouble: str, place: Place | None,
        references: tuple[Picture, ...] = (), mask: bool = False, frames: int = 0,
    ) -> None:  # fmt: skip
        ask = Ask(
            "continue",
            len(self.play.asks),
            trouble,
            thread=thread,
            start=start,
            history="full" if full else "image",
            references=references,
            mask=mask,
            frames=frames if trouble != "disconnect" else 0,
        )
        self.run(self.play.call(slot, ask, place))

    @precondition(lambda self: self.play.asks)
    @rule(slot=slots, pick=picks, place=places)
    def ask_again(self, slot: int, pick: int, place: Place | None) -> None:
        """The same call as before, whatever became of that."""
        self.run(self.play.call(slot, newest(self.play.asks, pick), place))

    @precondition(lambda self: self.model.running)
    @rule(pick=picks, cancelled=st.booleans(), collected=st.booleans())
    def release(self, pick: int, cancelled: bool, collected: bool) -> None:
        """An answer that was held goes on, perhaps after its caller has left; perhaps it is collected by its thread."""
        turn = newest(self.model.running, pick)
        if cancelled and turn in self.play.flights:
            self.run(self.play.cancel(turn))
        self.run(self.play.release(turn))
        if collected:
            self.run(self.play.look(0, turn.thread, wait=True))

    @precondition(lambda self: self.play.flights)
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.run(self.play.cancel(newest(list(self.play.flights), pick)))

    @precondition(lambda self: self.model.threads)
    @rule(slot=slots, pick=picks, wait=st.booleans())
    def look(self, slot: int, pick: int, wait: bool) -> None:
        self.run(self.play.look(slot, newest(self.model.threads, pick), wait))

    @precondition(lambda self: self.model.turns)
    @rule(
        pick=st.none() | picks, response=st.booleans(), calls=st.booleans(), full=st.booleans(),
        branches=st.integers(0, 2),
    )  # fmt: skip
    def forget(self, pick: int | None, *, response: bool, calls: bool, full: bool, branches: int) -> None:
        """The API forgets everything, or the ids of one turn; then the thread perhaps goes on from there."""
        drawn = [turn for turn in self.model.turns if turn.pictures and turn.response and not turn.thread.deleted]
        if pick is None:
            self.world.upstream.sandbox.forget()
            self.model.forget(self.model.turns)
        elif drawn:
            turn = newest(drawn, pick)
            self.world.forget(turn, response=response, calls=calls)
            self.model.forget([turn], response=response, calls=calls)
        for _ in range(branches if drawn else 0):
            turn = newest(drawn, pick or 0)
            self._continue(0, turn.thread, turn.pictures[0], full=full, trouble="", place=None)

    @precondition(lambda self: self.model.living)
    @rule(pick=picks, whole=st.booleans(), again=st.booleans())
    def delete(self, pick: int, whole: bool, again: bool) -> None:
        """Somebody deletes a thread, or the file of a picture, whose call is then perhaps made again."""
        pictures = [one for thread in self.model.living for one in thread.pictures if not one.gone]
        if whole:
            thread = newest(self.model.living, pick)
            assert self.run(self.world.delete(thread)) == self.model.delete(thread)
        elif pictures:
            picture = newest(pictures, pick)
            self.world.lose(picture)
            picture.gone = True
            if again:
                self.run(self.play.call(0, picture.turn.ask, None))

    @rule()
    def later(self) -> None:
        """So much later that nothing is kept any more for the same call made again."""
        self.world.wait(minutes=11)
        self.model.minutes += 11

    @rule(slot=slots, killed=st.booleans(), store=st.booleans(), responses=st.booleans(), abort=st.booleans())
    def restart(self, *, slot: int, killed: bool, store: bool, responses: bool, abort: bool) -> None:
        """A server ends or is killed, and starts with other settings."""
        self.play.settings[slot] = Setting(store, "responses" if responses else "image", abort)
        if slot in self.world.servers:
            self.run(self.play.end(slot, crashed=killed))

    @invariant()
    def everything_agrees(self) -> None:
        if self.world.used and self.whole:
            self.run(self.play.agree())

    def teardown(self) -> None:
        try:
            if self.whole:
                self.run(self.play.end_all())
        finally:
            self.loop.run(_in_time(self.stack.aclose()))
            if self.whole and self.world.used:
                check_end(self.world)
            self.loop.close()
            shutil.rmtree(self.home)


async def _in_time(work: Coroutine[Any, Any, Any]) -> Any:
    """Raises AssertionError that names the step, when it hangs."""
    bound = asyncio.timeout(STEP_S)
    try:
        async with bound:
            return await work
    except TimeoutError as error:
        if not bound.expired():
            raise
        waiting = [f"{task.get_name()}: {task.get_stack(limit=1)}" for task in asyncio.all_tasks()]
        raise AssertionError(f"{work.__qualname__} hangs; there wait\n" + "\n".join(waiting)) from error


def newest(among: list[Any], pick: int) -> Any:
    return among[-1 - pick % len(among)]


def test_threads_are_as_the_model_says_whatever_happens() -> None:
    run_state_machine_as_test(
        Threads,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=STEPS,
            derandomize=WANTED is None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=PHASES,
        ),
    )
