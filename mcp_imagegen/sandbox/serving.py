"""Serves the sandbox, or any ASGI application, on this machine only."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp

HOST = "127.0.0.1"


class QuietServer(uvicorn.Server):
    """Leaves signals to the program it runs in, wakes up once a second, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    async def stop(self, serving: asyncio.Task[None]) -> None:
        """Ends at once: requests that still run are cancelled, since nobody waits for their answers any more."""
        self.should_exit = self.force_exit = True
        self._told.set()
        await serving
        running = list(self.server_state.tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # 0: the tick that renews the date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 1)


class NoCancellations(logging.Filter):
    """uvicorn reports a request that was cancelled at the end as a failure of the application."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or not issubclass(kind, asyncio.CancelledError)


logging.getLogger("uvicorn.error").addFilter(NoCancellations())


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        http="h11",
        loop="none",
        timeout_graceful_shutdown=1,
    )


def _listening(port: int) -> socket.socket:
    """Raises OSError where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.asynccontextmanager
async def running(app: ASGIApp, port: int = 0) -> AsyncIterator[str]:
    """Serves the application in this event loop and gives its base URL, `http://127.0.0.1:PORT/v1`.

    Port 0 lets the system choose. It takes requests as soon as the URL is there, and is closed at the end. A client
    must not use the system's proxy for it (`trust_env=False`). Raises OSError where the port is taken.
    """
    listener = _listening(port)
    server = QuietServer(_config(app))
    task = asyncio.create_task(server.serve(sockets=[listener]), name="sandbox")
    try:
        yield f"http://{HOST}:{listener.getsockname()[1]}/v1"
    finally:
        await server.stop(task)
        listener.close()
