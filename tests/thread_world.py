"""Servers on one home folder, an upstream, and the calls that run: what a test of threads moves, step by step."""

import asyncio
import base64
import io
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from conftest import KEY, held
from doors import text_of
from mcp import Client
from mcp.types import CallToolResult
from PIL import Image
from state_file import rows
from thread_model import Ask, Picture, Place, Setting, Thread, Turn
from thread_upstream import SIZE, Hold, Post, Upstream, upstream

from mcp_imagegen.errors import StorageFailed
from mcp_imagegen.images.store import ImageStore
from mcp_imagegen.jobs import Job, Jobs
from mcp_imagegen.pipeline import callers, leasing
from mcp_imagegen.pipeline.shelf import open_shelf
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
from mcp_imagegen.tools.progress import PREPARING

BEGAN = datetime(2026, 11, 20, 12, tzinfo=UTC)
TOOLS = {"generate": "generate_image", "edit": "edit_image", "continue": "continue_image_thread"}
HASTY = 2  # the server that hands every call over at once
BEAT_S = 0.1  # after which a server learns that a call that it works on is to stop
PATIENCE_S = 30  # only a bound for a test that hangs


def _mask() -> str:
    """The left half of a picture is to be drawn anew."""
    data, mask = io.BytesIO(), Image.new("RGBA", SIZE, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1]))
    mask.save(data, "PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


MASK = _mask()


@dataclass(eq=False)
class Flight:
    """A call that runs; `told` is set when it says what becomes of its turn, which it then waits for."""

    task: "asyncio.Task[CallToolResult]"
    slot: int
    told: asyncio.Event
    reused: bool = False


@dataclass(eq=False)
class Running:
    """A server and its one client."""

    server: ImagegenServer
    client: Client
    stack: AsyncExitStack
    setting: Setting


@dataclass(eq=False)
class World:
    home: Path
    upstream: Upstream
    servers: dict[int, Running] = field(default_factory=dict)
    later: timedelta = timedelta()
    keys: dict[Turn, str] = field(default_factory=dict)  # thread_id of a turn
    holds: dict[Turn, Hold] = field(default_factory=dict)
    posts: dict[Turn, Post] = field(default_factory=dict)  # the request of a turn that is answered
    killed: set[str] = field(default_factory=set)  # tokens of processes
    _started: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=time.monotonic() - self._started) + self.later

    def environment(self, slot: int, setting: Setting) -> dict[str, str]:
        return {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": self.upstream.url,
            "MCP_IMAGEGEN_PROVIDER": "openai",
            "MCP_IMAGEGEN_HOME": str(self.home),
            "MCP_IMAGEGEN_STORE": "on" if setting.store else "off",
            "MCP_IMAGEGEN_API": setting.api,
            "MCP_IMAGEGEN_ON_CANCEL": "abort" if setting.abort else "finish",
            "MCP_IMAGEGEN_DRAIN_S": "0",
            "MCP_IMAGEGEN_MAX_WAIT_S": "0.02" if slot == HASTY else "60",
        }

    async def open(self, slot: int, setting: Setting) -> None:
        server = ImagegenServer(from_environment(self.environment(slot, setting)), local=True, now=self.now)
        stack = AsyncExitStack()
        mode: Any = {"mode": "legacy"} if slot % 2 else {}
        client = await stack.enter_async_context(held(Client(server, **mode)))
        self.servers[slot] = Running(server, client, stack, setting)

    async def close(self, slot: int, own: Sequence[Turn] = ()) -> None:
        """End a server as its client's end does. Nobody's call may run in it: in memory it would outlive the server.

        A picture of its `own` turns that it is saving is saved to the end, so that one which stands still there goes
        on once the server has cut its turn short.
        """
        saving = [turn for turn in own if self.holds[turn].place == "saved"]
        jobs = [await self.job(turn, slot) for turn in saving]
        closing = asyncio.create_task(self.servers.pop(slot).stack.aclose())
        for turn, job in zip(saving, jobs, strict=True):
            await self.cut(job)
            self.holds[turn].go.set()
        await bounded(closing)

    async def job(self, turn: Turn, slot: int) -> Job | None:
        """What works on a turn in a server."""
        jobs: Jobs = (await self._services(slot)).callers.jobs
        return jobs.running((self.keys[turn], turn.number))

    async def cut(self, job: Job | None) -> None:
        """Until the server has ended the work, or is about to."""
        if job is not None:
            await until(lambda: job.done or job.task is None or job.task.cancelling() > 0)

    async def kill(self, slot: int) -> None:
        """A server writes nothing and asks nobody any more, and the system lets go of its lock, as at the end of its
        process."""
        services = await self._services(slot)
        database, process = services.quoting.database, services.callers.spending.process
        if process._lock is not None:
            os.close(process._lock)
            process._lock = None
            self.killed.add(process._token)
        database.reading = database.writing = _dead
        object.__setattr__(services.callers, "on_cancel", "finish")  # else it would end calls at the provider

    async def _services(self, slot: int) -> Any:
        backend = self.servers[slot].server._backend
        assert backend is not None
        return await backend.services()

    def begin(self, slot: int, tool: str, arguments: dict[str, Any]) -> Flight:
        """Call a tool. What is told of its progress must go on and on."""
        told, seen = asyncio.Event(), [-1.0]

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            assert progress > seen[-1], "progress goes on"
            assert not task.done(), "no progress after the answer"
            seen.append(progress)
            if message != PREPARING:
                told.set()

        calling = self.servers[slot].client.call_tool(tool, arguments, progress_callback=on_progress)
        task = asyncio.create_task(calling)
        return Flight(task, slot, told)

    async def answer(self, slot: int, tool: str, **arguments: Any) -> CallToolResult:
        result: CallToolResult = await bounded(self.begin(slot, tool, arguments).task)
        return result

    def arguments(self, ask: Ask) -> dict[str, Any]:
        given: dict[str, Any] = {"prompt": ask.prompt, "quality": "low", "size": "1024x640"}
        if ask.references:
            given["images"] = [self.image_id(one.turn, one.index) for one in ask.references]
        if ask.mask:
            given["mask"] = MASK
        if ask.frames:
            given["partial_images"] = ask.frames
        if ask.thread is None:
            return {**given, "n": ask.n}
        given |= {"thread_id": self.id_of(ask.thread), "history": ask.history}
        return given if ask.start is None else {**given, "from_image": self.image_id(ask.start.turn, ask.start.index)}

    def id_of(self, thread: Thread) -> str:
        return self.keys[thread.turns[0]]

    def find(self, turn: Turn) -> None:
        """Learn the thread_id of a turn that was opened, and its request."""
        self.posts[turn] = self.upstream.of(turn.ask.prompt)[-1]
        if turn.number > 1:
            self.keys[turn] = self.id_of(turn.thread)
            return
        found = rows(self.home, f"SELECT thread_id FROM turns WHERE prompt = '{turn.ask.prompt}' AND number = 1")
        (thread_id,) = {row["thread_id"] for row in found} - set(self.keys.values())
        self.keys[turn] = thread_id

    def image_id(self, turn: Turn, index: int) -> str:
        return str(self._image(turn, index)["image_id"])

    def learn(self, pictures: list[Picture]) -> None:
        """Their ids are wanted also when they are gone."""
        for picture in pictures:
            self._image(picture.turn, picture.index)

    def key(self, picture: Picture) -> str:
        """Its file in the folder of images."""
        return str(self._image(picture.turn, picture.index)["key"])

    def lose(self, picture: Picture) -> None:
        (self.home / "images" / self.key(picture)).unlink()

    def forget(self, turn: Turn, *, response: bool, calls: bool) -> None:
        """The API forgets the response of a turn, or its calls."""
        ids = [self.posts[turn].response_id] if response and turn in self.posts else []
        made = [self._image(turn, picture.index)["call_id"] for picture in turn.pictures] if calls else []
        if found := [one for one in [*ids, *made] if one]:
            self.upstream.sandbox.forget(*found)

    def wait(self, minutes: int) -> None:
        self.later += timedelta(minutes=minutes)

    def hold(self, turn: Turn, place: Place) -> Hold:
        """Hold the next answer to the turn's prompt."""
        hold = self.holds[turn] = self.upstream.holds[turn.ask.prompt] = Hold(place)
        return hold

    def abandoned(self, turn: Turn) -> bool:
        found = "SELECT abandoned_at FROM turns WHERE thread_id = '{}' AND number = {}"
        return rows(self.home, found.format(self.keys[turn], turn.number))[0]["abandoned_at"] is not None

    @property
    def used(self) -> bool:
        return (self.home / "imagegen.sqlite3").exists()

    _known: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)

    def _image(self, turn: Turn, index: int) -> dict[str, Any]:
        key = (self.keys[turn], turn.number, index)
        if key not in self._known:
            query = (
                "SELECT image_id, key, call_id FROM images "
                "WHERE role = 'final' AND thread_id = '{}' AND turn = {} AND \"index\" = {}"
            )
            (self._known[key],) = rows(self.home, query.format(*key))
        return self._known[key]

    async def delete(self, thread: Thread) -> bool:
        """As the command does: whether the thread is gone."""
        thread_id = self.id_of(thread)
        settings = from_environment(self.environment(0, Setting()))
        async with open_shelf(settings, now=self.now) as shelf:
            await shelf.deleting.sweep()
            if thread_id in await shelf.deleting.busy():
                return False
            await shelf.deleting.give_up(thread_id)
            return await shelf.deleting.delete(thread_id)

    async def quiet(self, running: int, worked_on: int) -> None:
        """Until no more turns than so many are in progress and worked on, and what the servers do beside is done."""
        query = "SELECT count(*) AS turns FROM turns WHERE status = 'in_progress'"
        if self.used:
            await until(lambda: rows(self.home, query)[0]["turns"] <= running)
        services = [await self._services(slot) for slot in self.servers]
        jobs = [one.callers.jobs for one in services]
        await until(lambda: sum(len(one.keys) for one in jobs) <= worked_on)
        for one in services:
            await one.callers.jobs.quiet()
            if one.looking.retention._round is not None:
                await asyncio.wait({one.looking.retention._round})

    async def arrived(self, turn: Turn) -> None:
        """Until what was sent of a held answer has been copied to the disk."""
        post, name = self.posts[turn], f"{self.keys[turn]}-{turn.number:03d}."
        asked_for = post.background and not post.streamed  # so that the first copy is of what was said before

        def copied() -> int:
            copies = sorted((self.home / "answers").glob(f"{name}*"), key=lambda path: int(path.suffix[1:]))
            return len(copies[-1].read_bytes().partition(b"\n")[2]) if len(copies) > asked_for else -1

        await until(lambda: copied() >= post.sent)
        await until(lambda: self.frames(turn) == self.posts[turn].frames)

    def frames(self, turn: Turn) -> list[str]:
        """The SHA-256 of the partial images that are recorded of a turn."""
        found = "SELECT sha256 FROM images WHERE role = 'frame' AND thread_id = '{}' AND turn = {} ORDER BY frame"
        return [row["sha256"] for row in rows(self.home, found.format(self.keys[turn], turn.number))]

    def facts(self, result: CallToolResult) -> dict[str, Any]:
        assert not result.is_error, text_of(result)
        return dict(result.structured_content or {})


@asynccontextmanager
async def _dead() -> AsyncIterator[Any]:
    raise StorageFailed("the server is dead", "start another one")
    yield


async def bounded(task: "asyncio.Future[Any]") -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return await task


async def until(true: Callable[[], bool]) -> None:
    """For what tells nobody when it has come."""
    async with asyncio.timeout(PATIENCE_S):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def ended(task: "asyncio.Task[Any]") -> None:
    """End a call whose server is gone, or whose caller leaves."""
    task.cancel()
    with suppress(BaseException):
        await bounded(task)


@asynccontextmanager
async def world(home: Path) -> AsyncIterator[World]:
    async with upstream() as served:
        made, save = World(home, served), ImageStore.save

        async def held_save(store: ImageStore, key: str, data: bytes) -> None:
            await save(store, key, data)
            await served.saved(data)

        with (
            mock.patch.object(callers, "ELSEWHERE_S", 0.01),
            mock.patch.object(leasing, "BEAT_S", BEAT_S),
            mock.patch.object(ImageStore, "save", held_save),
        ):
            try:
                yield made
            finally:
                for hold in made.holds.values():
                    hold.go.set()
                for slot in list(made.servers):
                    await made.close(slot)
