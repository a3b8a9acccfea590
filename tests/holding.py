"""A sandbox in a process of its own that stands still where a test wants it to: the test's end of `held_sandbox`."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from held_sandbox import Asked

SCRIPT = str(Path(__file__).with_name("held_sandbox.py"))


class HeldSandbox:
    """The script in a process, as a test drives it."""

    url: str

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._commands, self._lines = process, process.stdin, process.stdout
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self._news: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        self.url = (await self._lines.readline()).decode().strip()
        self._reading = asyncio.create_task(self._read())

    async def hold(self, place: int | Literal["drawing"]) -> None:
        """Hold the next answer after so many bytes of its body, or the next drawing before it begins."""
        await self._told(f"hold {place}")

    async def held(self) -> bool:
        """Wait until an answer stands still (True), or has ended before it would have (False)."""
        async with asyncio.timeout(60):
            return await self._news.get() == "held"

    async def release(self) -> None:
        await self._told("release")

    async def drop(self) -> None:
        await self._told("drop")

    async def forget(self, *ids: str) -> None:
        await self._told(" ".join(("forget", *ids)))

    async def later(self, seconds: float) -> None:
        await self._told(f"later {seconds}")

    async def requests(self) -> list[Asked]:
        return [Asked(**asked) for asked in json.loads(await self._told("requests"))]

    async def paid(self) -> list[Asked]:
        """Those of the requests that ask for drawings."""
        return [asked for asked in await self.requests() if asked.paid]

    async def quit(self) -> None:
        self._commands.close()
        await self._process.wait()
        await self._reading

    async def _told(self, line: str) -> str:
        self._commands.write(f"{line}\n".encode())
        async with asyncio.timeout(60):
            return await self._replies.get()

    async def _read(self) -> None:
        while line := (await self._lines.readline()).decode().strip():
            (self._news if line in {"held", "ended"} else self._replies).put_nowait(line)


@asynccontextmanager
async def held_sandbox() -> AsyncIterator[HeldSandbox]:
    """The script in a process of its own, to the end of the context. It takes any key."""
    process = await asyncio.create_subprocess_exec(sys.executable, SCRIPT, stdin=PIPE, stdout=PIPE, limit=2**24)
    held = HeldSandbox(process)
    await held.start()
    try:
        yield held
    finally:
        await held.quit()
