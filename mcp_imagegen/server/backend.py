"""The services of a server process, opened on first use and closed with it.

The heavy imports happen in `services.py`; here that module is imported, in a thread, so that the event loop keeps
answering meanwhile.
"""

import asyncio
import importlib
import logging
import os
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context

from ..errors import ImagegenError
from ..operations import LOCAL_OWNER, Caller
from ..settings import Settings
from ..tools.confirming import Answers

if TYPE_CHECKING:
    from ..services import Services

log = logging.getLogger(__name__)

WARM_UP_AFTER_S = 0.2  # seconds after the first listing, when its answer is on the wire


class LazyBackend:
    """What handlers reach the services through."""

    def __init__(self, settings: Settings, *, local: bool, now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.local = local
        self.answers = Answers()
        self._now = now
        self._opened: asyncio.Future[Services] | None = None
        self._living: asyncio.Task[None] | None = None
        self._warming: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def services(self) -> "Services":
        """Raises StorageFailed when the state cannot be opened; the next call tries again."""
        if self._opened is None or (self._opened.done() and self._opened.exception() is not None):
            self._opened = asyncio.get_running_loop().create_future()
            self._living = asyncio.create_task(self._live(self._opened), name="services")
        return await asyncio.shield(self._opened)

    async def _live(self, opened: "asyncio.Future[Services]") -> None:
        """Open and close in one task, as what is opened may demand."""
        try:
            module = await asyncio.to_thread(importlib.import_module, "mcp_imagegen.services")
            async with module.open_services(self.settings, local=self.local, now=self._now) as services:
                opened.set_result(services)
                await self._closing.wait()
        except Exception as error:  # whoever waits for the services is told, else the server would hang
            if opened.done():
                raise
            opened.set_exception(error)
            opened.exception()  # marks it as seen: the caller may be gone

    @property
    def busy(self) -> bool:
        """Whether paid calls run."""
        services = self._at_hand
        return services is not None and services.callers.busy

    @property
    def _at_hand(self) -> "Services | None":
        opened = self._opened
        return opened.result() if opened is not None and opened.done() and opened.exception() is None else None

    def hand_over(self) -> bool:
        """Whoever waits for a paid call is told where to collect it; False where calls end with their callers, or there
        are none."""
        services = self._at_hand
        if services is None or self.settings.on_cancel == "abort":
            return False
        services.callers.jobs.hand_over()
        return True

    def warm_up(self) -> None:
        """Open the services soon, unless somebody already did."""
        if self._opened is None and self._warming is None:
            self._warming = asyncio.create_task(self._warm(), name="warm-up")

    async def _warm(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), WARM_UP_AFTER_S)
        except TimeoutError:
            try:
                await self.services()
            except ImagegenError as error:
                log.warning("%s", error)

    async def aclose(self) -> None:
        self._closing.set()
        await asyncio.gather(*(task for task in (self._warming, self._living) if task is not None))

    def caller(self, context: Context[Any, Any]) -> Caller:
        """The one local user, labelled with the names of the client and of its editor session where they are said."""
        params = context.session.client_params
        name = params.client_info.name if params else None
        said = [part[:80] for part in (name, os.environ.get("CLAUDE_CODE_SESSION_ID")) if part]
        return Caller(LOCAL_OWNER, " ".join(said) or None)
