"""MCP over stdin and stdout.

stdout carries protocol lines only: the SDK moves descriptor 1 out of the way of stray prints. SIGINT and SIGTERM become
an end of input, because the SDK reads stdin in a thread that cannot be interrupted: without this, SIGINT would wait
for the client to write or close, and SIGTERM would end the process without recording what still runs.
"""

import contextlib
import logging
import os
import signal
import threading

import anyio

from ..server.imagegen import ImagegenServer
from ..settings import Settings

CHUNK = 65_536  # bytes
LAST_RESORT_S = 3.0  # seconds from the end of input; a clean end takes a fraction of it


def serve(settings: Settings) -> None:
    """Serve until the end of input or a signal; returns when everything is closed."""
    server = ImagegenServer(settings, local=True)
    _signals_end_the_input()
    anyio.run(server.run_stdio_async)
    logging.shutdown()
    os._exit(0)  # all is closed and recorded; a picture that the sandbox still draws in a thread is nobody's


def _signals_end_the_input() -> None:
    """Put a pipe in front of stdin whose writing end a signal can close."""
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)
    sink = os.fdopen(writer, "wb", buffering=0)  # a file object: closing it cannot hit a reused descriptor

    def pump() -> None:
        with contextlib.suppress(OSError, ValueError), sink:
            while data := source.read(CHUNK):
                while data:
                    data = data[sink.write(data) :]
        _end_by_force_later()

    def end(*_: object) -> None:
        sink.close()
        _end_by_force_later()

    threading.Thread(target=pump, daemon=True, name="stdin").start()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)


def _end_by_force_later() -> None:
    """A client that has stopped reading would hold the server for ever, in the middle of a write."""
    last_resort = threading.Timer(LAST_RESORT_S, os._exit, [1])
    last_resort.daemon = True
    last_resort.start()
