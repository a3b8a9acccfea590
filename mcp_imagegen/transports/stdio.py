"""MCP over stdin and stdout.

stdout carries protocol lines only. SIGINT, SIGTERM and a client that no longer reads become an end of input, because
the SDK reads stdin in a thread that cannot be interrupted: without this, SIGINT would wait for the client to write or
close, and SIGTERM would end the process without recording what still runs.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from typing import Any

import anyio
from mcp.server.stdio import stdio_server

from ..server.imagegen import ImagegenServer
from ..settings import Settings
from .stdin import copy
from .stdout import lines_to_the_client
from .unreadable import answered

LAST_RESORT_S = 3.0  # seconds from the end of input; without running calls a clean end takes a fraction of it


def serve(settings: Settings) -> None:
    """Serve until the end of input or a signal; returns when everything is closed."""
    server = ImagegenServer(settings, local=True)
    end = _signals_end_the_input(LastResort(server, settings.drain_s))
    anyio.run(_serve, server, end)
    logging.shutdown()
    os._exit(0)  # all is closed and recorded; a picture that the sandbox still draws in a thread is nobody's


async def _serve(server: ImagegenServer, end: Callable[[], None]) -> None:
    stdout = lines_to_the_client(gone=end)
    async with stdio_server(stdout=stdout) as (read, write), anyio.create_task_group() as group:
        sink, source = anyio.create_memory_object_stream[Any](0)
        group.start_soon(answered, read, write, sink)
        await server.run_over(source, write)
        group.cancel_scope.cancel()


@dataclass(frozen=True)
class LastResort:
    """Ends the process if it does not end by itself: a client that has stopped reading would hold it for ever, in the
    middle of a write. Running calls get the time to finish that they are promised."""

    server: ImagegenServer
    drain_s: float

    def begin(self) -> None:
        threading.Thread(target=self._wait, daemon=True, name="last resort").start()

    def _wait(self) -> None:
        time.sleep(LAST_RESORT_S)
        if self.server.busy:
            time.sleep(self.drain_s)
        os._exit(1)


def _signals_end_the_input(last_resort: LastResort) -> Callable[[], None]:
    """Put a pipe in front of stdin whose writing end a signal can close, and what is returned too."""
    source = FileIO(os.dup(0), "rb")
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)
    sink = FileIO(writer, "wb")  # a file object: closing it cannot hit a reused descriptor

    def pump() -> None:
        with contextlib.suppress(OSError, ValueError), sink:
            copy(source, sink)
        last_resort.begin()

    def end() -> None:
        sink.close()
        last_resort.begin()

    asked: list[int] = []

    def asked_to_end(name: int, _: object) -> None:
        asked.append(name)
        if len(asked) > 1:
            os._exit(1)  # asked twice, so it cannot wait; the next server settles what runs
        end()

    threading.Thread(target=pump, daemon=True, name="stdin").start()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, asked_to_end)
    return end
