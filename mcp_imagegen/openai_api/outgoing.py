"""An outgoing request in the form that httpx2 sends without copying its pictures."""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import httpx2

from .connection import Progress, Watched
from .requests import Outgoing


class _Pieces(httpx2.AsyncByteStream):
    """A body that was written in pieces, sent as such."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def built(
    http: httpx2.AsyncClient, outgoing: Outgoing, url: httpx2.URL, timeout: httpx2.Timeout, progress: Progress
) -> httpx2.Request:
    """The request, which tells `progress` how far it has been sent."""
    url = url.copy_merge_params(outgoing.query)
    accepted = "text/event-stream, application/json" if outgoing.streamed else "application/json"
    headers = {"Accept": accepted, **outgoing.headers}
    body: dict[str, Any]
    if outgoing.json is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(sum(map(len, outgoing.json)))}
        body = {"content": _Pieces(outgoing.json)}
    else:
        # Files are read in chunks of 64 KiB; bytes would be handed to the socket as one.
        files = [(field, (_sendable(file.name), BytesIO(file.data), file.mime_type)) for field, file in outgoing.files]
        body = {"data": outgoing.fields, "files": files or None}
    extensions = {"trace": progress.trace}
    request = http.build_request(outgoing.method, url, headers=headers, timeout=timeout, extensions=extensions, **body)
    assert isinstance(request.stream, httpx2.AsyncByteStream), "a body that can be sent from an event loop"
    request.stream = Watched(request.stream, progress)
    return request


def _sendable(name: str) -> str:
    """A file name of this system need not be Unicode."""
    return name.encode("utf-8", "replace").decode()
