"""What a step does: to the servers and to the model alike, and each call is answered as the model says."""

import asyncio

from doors import text_of
from mcp.types import CallToolResult
from thread_checks import check, check_shown
from thread_model import Ask, Model, Place, Setting, Thread, Turn
from thread_upstream import Hold
from thread_world import HASTY, TOOLS, Flight, World, bounded, ended, until

AIRBORNE = 3  # calls that run at once


class Play:
    """`asks` are the calls so far, `flights` those that wait, by the turn they wait for."""

    def __init__(self, world: World) -> None:
        self.world, self.model = world, Model()
        self.asks: list[Ask] = []
        self.flights: dict[Turn, Flight] = {}
        self.settings: dict[int, Setting] = {}

    async def agree(self) -> None:
        await self._quiet()
        check(self.world, self.model)
        for thread in self.model.living:
            self.world.learn(thread.pictures)

    async def _quiet(self, *, ended: int = 0) -> None:
        """Until so many of the turns that the model has running have ended."""
        running, orphans = len(self.model.running), len(self.model.orphans)
        await self.world.quiet(running - ended, running - orphans - ended)

    async def _open(self, slot: int) -> None:
        if slot not in self.world.servers:
            await self.world.open(slot, self.settings.get(slot, Setting()))

    def _settle(self) -> None:
        """Any call makes its server look at what dead ones have left."""
        self.model.settle({turn: len(self.world.posts[turn].arrived) for turn in self.model.orphans})

    async def _settled(self, slot: int) -> None:
        if self.model.orphans:
            self.world.facts(await self.world.answer(slot, "get_image_thread"))
            self._settle()
            await self._quiet()

    async def call(self, slot: int, ask: Ask, place: Place | None) -> None:
        if slot == HASTY:  # what it does not hand over would depend on the clock
            place = place or "answer"
        if (place and ask.trouble) or (place and len(self.flights) >= AIRBORNE):
            slot, place = (0 if slot == HASTY else slot), None
        await self._open(slot)
        if slot == HASTY or ask.tool == "continue":
            await self._settled(slot)
        self._settle()
        if ask not in self.asks:
            self.asks.append(ask)
        arguments, joined = self.world.arguments(ask), self.model.join(ask, self.world.servers[slot].setting)
        turn = None if joined else self.model.open(ask, self.world.servers[slot].setting, slot)
        hold = self.world.hold(turn, place) if turn and place and turn.status == "in_progress" else None
        flight = self.world.begin(slot, TOOLS[ask.tool], arguments)
        if joined is not None:
            await self._join(joined, flight)
        elif turn is None:
            assert (await bounded(flight.task)).is_error
        elif hold is not None:
            await self._held(turn, flight, hold)
        else:
            result = await bounded(flight.task)
            if slot == HASTY:  # it may have been handed over before it failed
                await self._quiet()
            self.world.find(turn)
            self._finish(turn)
            if slot != HASTY:
                self._given(turn, result)

    async def _held(self, turn: Turn, flight: Flight, hold: Hold) -> None:
        await bounded(asyncio.create_task(hold.reached.wait()))
        self.world.find(turn)
        turn.named = turn.background and hold.place != "answer" and not (turn.ask.frames and hold.place == "drawing")
        turn.whole = hold.place == "saved"
        if hold.place in ("middle", "saved"):
            await self.world.arrived(turn)
        await self._waits(turn, flight)

    async def _join(self, turn: Turn, flight: Flight) -> None:
        flight.reused = True
        if turn.status == "in_progress":
            if flight.slot != HASTY:  # which may hand it over before anything is told
                await bounded(asyncio.create_task(flight.told.wait()))
            await self._waits(turn, flight)
        else:
            self._given(turn, await bounded(flight.task), reused=True)

    async def _waits(self, turn: Turn, flight: Flight) -> None:
        """The caller waits from now on, or is handed over."""
        if flight.slot == HASTY:
            self._given(turn, await bounded(flight.task), reused=flight.reused)
            turn.left = True
        else:
            self.flights[turn] = flight

    def _finish(self, turn: Turn) -> None:
        if turn.status == "in_progress":
            self.model.finish(turn, len(self.world.posts[turn].arrived))

    async def release(self, turn: Turn) -> None:
        if turn.owner is None or turn.status != "in_progress":
            return
        self.world.holds[turn].go.set()
        flight = self.flights.pop(turn, None)
        result = await bounded(flight.task) if flight else None
        await self._quiet(ended=1)
        self._finish(turn)
        if flight is not None and result is not None:
            self._given(turn, result, reused=flight.reused)

    async def cancel(self, turn: Turn) -> None:
        """A caller leaves; where its server is set so, that ends the call, also in another server that works on it."""
        flight = self.flights.pop(turn)
        if self.world.servers[flight.slot].setting.abort and turn.owner is not None:
            await self._abort(turn, flight)
        else:
            await ended(flight.task)
            turn.left = True
        await until(lambda: self.world.abandoned(turn))

    async def _abort(self, turn: Turn, flight: Flight) -> None:
        """A picture that is being saved is saved to the end; what comes later is not heard, but may be fetched. One
        that is being drawn may end at the provider before it is cancelled there, or after it."""
        assert turn.owner is not None
        hold, job = self.world.holds[turn], await self.world.job(turn, turn.owner)
        await ended(flight.task)
        await self.world.cut(job)
        hold.deaf = True
        hold.go.set()
        await self._quiet(ended=1)
        drawn = hold.place in ("middle", "saved") or self.world.upstream.has_ended(self.world.posts[turn])
        self.model.abort(turn, len(self.world.posts[turn].arrived), drawn=drawn)

    async def end(self, slot: int, *, crashed: bool) -> None:
        """End a server. Who waits for it in another one gets what that one finds."""
        callers = [turn for turn, flight in self.flights.items() if flight.slot == slot]
        if crashed:
            await self.world.kill(slot)
        for turn in callers:
            if crashed:
                await ended(self.flights.pop(turn).task)
                turn.deserted = True
            else:
                await self.cancel(turn)
        own = [turn for turn in self.model.running if turn.owner == slot]
        for turn in own:
            self.world.holds[turn].deaf = True
        await self.world.close(slot, own)
        for turn in own:
            self.world.holds[turn].go.set()
        self.model.orphan(slot, crashed=crashed)
        for turn in own:
            if (flight := self.flights.pop(turn, None)) is not None:
                await self._settled(flight.slot)
                self._given(turn, await bounded(flight.task), reused=True)
                turn.left = False

    async def look(self, slot: int, thread: Thread, wait: bool) -> None:
        await self._open(slot)
        if any(turn.owner is not None for turn in thread.turns if turn.status == "in_progress"):
            wait = wait and slot == HASTY  # nobody would let go on what is held
        if slot == HASTY or not wait:  # else what the dead have left is fetched meanwhile
            await self._settled(slot)
        self._settle()
        result = await self.world.answer(slot, "get_image_thread", thread_id=self.world.id_of(thread), wait=wait)
        if thread.deleted:
            assert text_of(result).startswith("thread_not_found")
            return
        check_shown(self.world, thread, self.world.facts(result))
        self.model.collect(thread)

    async def end_all(self) -> None:
        for turn in self.model.running:
            await self.release(turn)
        for slot in list(self.world.servers):
            await self.end(slot, crashed=False)
        if self.world.used:
            await self._open(0)
            await self._settled(0)
            await self.agree()
            await self.world.close(0)

    def _given(self, turn: Turn, result: CallToolResult, *, reused: bool = False) -> None:
        """What the call answered is what became of its turn."""
        if turn.status in ("failed", "lost", "cancelled"):
            assert result.is_error, turn
            return
        facts = self.world.facts(result)
        assert (facts["status"], facts["turn"], facts["reused"]) == (turn.status, turn.number, reused), turn
        assert facts["thread_id"] == self.world.keys[turn]
        made = [image["sha256"] for image in facts["images"]]
        assert made == (self.world.posts[turn].arrived if turn.status == "completed" else []), turn
