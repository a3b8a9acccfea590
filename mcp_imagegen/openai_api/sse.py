"""Server-sent events out of a streamed answer, a whole event at a time.

An event with an image has megabytes on one line, and taking it apart would hold the event loop. So the loop only looks
for the empty line that ends an event, and httpx2's reader gets the chunks up to there in a thread. That keeps a thread
busy for milliseconds, not for as long as a provider draws.
"""

from collections.abc import Iterator, Sequence

import httpx2

MAX_EVENT = 96 << 20  # bytes; base64 of a 4K PNG is about 44 MB, and a finished response repeats it
DONE = "[DONE]"
_CONTENT_TYPE = {"content-type": "text/event-stream; charset=utf-8-sig"}  # UTF-8, without the mark before it
BEFORE = b" \t\r\n\xef\xbb\xbf"  # what may come before the first event: blanks, and the mark of UTF-8
_STARTS = (b"event:", b"data:", b":")
_ENDS = (b"\n\n", b"\n\r\n", b"\r\r")


class TooLarge(ValueError):
    """An event, or an answer, has more bytes than any that is meant well."""


def begins_events(body: bytes) -> bool:
    """Whether a body is events by its beginning, whatever its content type says."""
    return body[:1024].lstrip(BEFORE).startswith(_STARTS)


class Events:
    """Collects the chunks of a stream until they end at least one event."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._last = b""

    def add(self, chunk: bytes) -> list[bytes] | None:
        """The chunks of whole events, once there are some. Raises TooLarge."""
        seam = self._last + chunk
        end = max(seam.rfind(mark) + len(mark) if mark in seam else 0 for mark in _ENDS) - len(self._last)
        self._last = seam[-2:]
        if end <= 0:
            self._keep(chunk)
            return None
        whole = [*self._chunks, chunk[:end]]
        self._chunks, self._size = [], 0
        if rest := chunk[end:]:
            self._keep(rest)
        return whole

    def rest(self) -> list[bytes]:
        """What came after the last empty line: servers that leave out the last one still meant that event."""
        return [*self._chunks, b"\n\n"] if self._chunks else []

    def _keep(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size > MAX_EVENT:
            raise TooLarge(f"an event of more than {MAX_EVENT >> 20} MiB")


def events(chunks: Sequence[bytes]) -> Iterator[httpx2.ServerSentEvent]:
    """The events in these chunks. To be called in a thread. Raises httpx2.SSEError for an event that is too large."""
    stream = _Chunks(chunks)
    response = httpx2.Response(200, headers=_CONTENT_TYPE, stream=stream, request=httpx2.Request("POST", ""))
    yield from httpx2.EventSource(response, max_event_size=MAX_EVENT)


class _Chunks(httpx2.SyncByteStream):
    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
