"""Standard input, read ahead, so that its end is seen however much lies before it.

A client that stops reading its answers stops the server, which then takes no more input, and the end of input would
stay behind what is not taken. So input is read into memory, up to `HELD` bytes; beyond that, the hang-up of the pipe
tells a client that has closed its end from one that waits. Once no more can come, whoever takes nothing for
`PATIENCE_S` is not waited for.
"""

import os
import select
import time
from io import FileIO

HELD = 32 << 20  # bytes read ahead
PATIENCE_S = 3.0
_CHUNK = 65_536  # bytes
_LOOK_MS = 1_000  # between two looks at a server that takes nothing
_HANG_UP = getattr(select, "POLLRDHUP", 0)  # of a socket, on Linux; the hang-up of a pipe is always told


def copy(source: FileIO, sink: FileIO) -> None:
    """Write what can be read from `source` to `sink`, a pipe, until its end; returns when all is taken or will not be.

    Raises OSError when either fails, ValueError when another thread has closed `sink`.
    """
    if not hasattr(select, "poll"):  # Windows
        while data := source.read(_CHUNK):
            while data:
                data = data[sink.write(data) :]
        return
    os.set_blocking(sink.fileno(), False)
    ahead = _Ahead(source, sink)
    while not ahead.done:
        ahead.step()


class _Ahead:
    """What was read and is not yet taken. `_closed`: nobody writes any more, though what was written may lie there."""

    def __init__(self, source: FileIO, sink: FileIO) -> None:
        self._source, self._sink = source, sink
        self._held = bytearray()
        self._closed = self._read_all = self._given_up = False
        self._taken_at = time.monotonic()

    @property
    def done(self) -> bool:
        return self._given_up or (self._read_all and not self._held)

    def step(self) -> None:
        """Wait until something can be done, and do it."""
        ready = self._wait()
        if ready.get(self._source.fileno(), 0) & ~select.POLLIN:
            self._closed = True
        if self._source.fileno() in ready and self._has_room:
            self._read()
        if self._sink.fileno() in ready:
            self._write()
        elif self._closed and self._held and time.monotonic() - self._taken_at >= PATIENCE_S:
            self._given_up = True

    @property
    def _has_room(self) -> bool:
        return not self._read_all and len(self._held) < HELD

    def _wait(self) -> dict[int, int]:
        """What can be done at each end, by its descriptor. The sink is watched only while something waits for it, since
        whoever watches it keeps it open when a signal closes it."""
        polled = select.poll()
        if self._has_room:
            polled.register(self._source, select.POLLIN | _HANG_UP)
        elif not self._closed:
            polled.register(self._source, _HANG_UP)
        if self._held:
            polled.register(self._sink, select.POLLOUT)
        else:
            self._taken_at = time.monotonic()
        return dict(polled.poll(_LOOK_MS if self._held else None))

    def _read(self) -> None:
        data = os.read(self._source.fileno(), _CHUNK)
        self._held += data
        if not data:
            self._closed = self._read_all = True

    def _write(self) -> None:
        taken = self._sink.write(bytes(self._held[:_CHUNK])) or 0
        del self._held[:taken]
        self._taken_at = time.monotonic()
