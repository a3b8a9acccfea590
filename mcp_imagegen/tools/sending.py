"""When an answer counts as given: once it was sent, where the transport can tell, else as soon as it is made."""

import asyncio
from collections.abc import Callable
from typing import Any

from mcp.server.mcpserver import Context

SCOPE = "mcp_imagegen.sending"  # where a transport over HTTP puts the `Sending` of a request
NOTING_S = 1.0  # seconds that an answer waits until it is noted that it is given: a busy database must not make it late
Note = Callable[[], "asyncio.Task[None]"]  # begins to record; whoever begins it need not wait for it


class Sending:
    """The answer to one request, and what to do once it is known whether it was sent."""

    def __init__(self) -> None:
        self._sent: bool | None = None
        self._waiting: list[tuple[Note, Callable[[], None]]] = []

    @property
    def awaited(self) -> bool:
        """Whether anybody wants to know."""
        return bool(self._waiting)

    def then(self, given: Note, lost: Callable[[], None]) -> None:
        """Do the one or the other, at once where it is known."""
        self._waiting.append((given, lost))
        if self._sent is not None:
            self._do(self._sent)

    def over(self, *, sent: bool) -> None:
        """It is known; the first word counts."""
        if self._sent is None:
            self._sent = sent
            self._do(sent)

    def _do(self, sent: bool) -> None:
        for given, lost in self._waiting:
            if sent:
                given()
            else:
                lost()
        self._waiting.clear()


async def when_sent(context: Context[Any, Any], given: Note, lost: Callable[[], None] = lambda: None) -> None:
    """Note that the caller is given the answer that is about to be returned, or that it was lost on the way."""
    request = context.request_context.request
    sending = request.scope.get(SCOPE) if request is not None else None
    if sending is None:
        await noted(given())
    else:
        sending.then(given, lost)


async def noted(noting: "asyncio.Task[None]") -> None:
    """Wait until something is recorded, but not for long."""
    await asyncio.wait({noting}, timeout=NOTING_S)
