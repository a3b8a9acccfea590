"""What the caller of one call is told while it waits, and how long it waits at most: both count from the call's
beginning, whatever it waits for."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from mcp.server.mcpserver import Context

HEARTBEAT_S = 4.0  # seconds; clients are promised progress every 5, and reset their timeouts by it
PREPARING = "preparing"
USER = "waiting for the user's answer"


class Patience:
    """The progress of one call: seconds since it began, which the protocol wants to increase strictly, and what
    happens."""

    def __init__(self, context: Context[Any, Any], limit_s: float) -> None:
        self._context = context
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()
        self._until = self._began + limit_s
        self._last = -1  # milliseconds that were told
        self._message = PREPARING
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()  # two at once could overtake each other

    @property
    def left_s(self) -> float:
        """Seconds until the call has to be answered."""
        return max(0.0, self._until - self._clock())

    async def tell(self, message: str) -> None:
        """Pass on what happens."""
        self._message = message
        await self._send()

    @contextmanager
    def of_the_user(self) -> Iterator[None]:
        """While the user may be asked, whose time is not the call's."""
        before, asked, self._message = self._message, self._clock(), USER
        try:
            yield
        finally:
            self._message = before
            self._until += self._clock() - asked

    async def beat(self) -> None:
        """Say again what happens whenever nothing was said for a while."""
        while True:
            self._news.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                await self._send()

    async def _send(self) -> None:
        async with self._sending:
            self._last = max(int((self._clock() - self._began) * 1000), self._last + 1)
            self._news.set()
            await self._context.report_progress(self._last / 1000, None, self._message)


@asynccontextmanager
async def patience(context: Context[Any, Any], limit_s: float) -> AsyncIterator[Patience]:
    """Progress at once and at least every 5 seconds, to the end of the context."""
    one = Patience(context, limit_s)
    await one.tell(PREPARING)
    beating = asyncio.create_task(one.beat(), name="progress")
    try:
        yield one
    finally:
        beating.cancel()
        await asyncio.wait({beating})
