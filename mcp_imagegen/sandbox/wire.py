"""JSON with pictures in it, as bytes in pieces; never one big string, which would hold up the event loop.

Everything that builds pieces is meant for the studio's thread; the responses only send them.
"""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

EVENT_STREAM = "text/event-stream"
SLICE = 3 * 64 * 1024  # bytes of a picture at a time; a multiple of 3, so that the base64 of slices can be joined


@dataclass(frozen=True)
class Base64:
    """Bytes that stand in a body as base64 text."""

    data: bytes = field(repr=False)


def pieces(body: Any) -> list[bytes]:
    """The body as JSON, in pieces of at most 256 KiB around each picture."""
    pictures: list[Base64] = []
    mark = secrets.token_hex(16)  # drawn anew each time, so that no prompt can contain it

    def standing_in(value: Any) -> str:
        if not isinstance(value, Base64):
            raise TypeError(f"{type(value).__name__} is no JSON")
        pictures.append(value)
        return f"{mark}{len(pictures) - 1}"

    text = json.dumps(body, separators=(",", ":"), default=standing_in)
    parts: list[bytes] = []
    for index, part in enumerate(re.split(f"{mark}(\\d+)", text)):
        parts += _encoded(pictures[int(part)].data) if index % 2 else [part.encode()]
    return parts


def _encoded(data: bytes) -> list[bytes]:
    return [base64.b64encode(data[start : start + SLICE]) for start in range(0, len(data), SLICE)]


def event(body: Mapping[str, Any]) -> list[bytes]:
    """A server-sent event named after the body's `type`."""
    return [f"event: {body['type']}\ndata: ".encode(), *pieces(body), b"\n\n"]


async def _one_by_one(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
        await asyncio.sleep(0)  # a socket that takes everything at once would leave the loop no turn in between


def json_response(
    parts: list[bytes], status: int = 200, headers: Mapping[str, str] | None = None, *, broken: bool = False
) -> Response:
    """A JSON answer; `broken`: one that ends in the middle."""
    if broken:
        return _BrokenResponse(parts, "application/json")
    length = str(sum(len(part) for part in parts))
    return StreamingResponse(
        _one_by_one(parts), status, {**(headers or {}), "content-length": length}, media_type="application/json"
    )


async def event_stream(events: AsyncIterator[list[bytes]], broken: bool = False) -> Response:
    """Events as they come, each as its pieces; `broken`: all at once, and only the first half of them."""
    if broken:
        return _BrokenResponse([part async for parts in events for part in parts], EVENT_STREAM)

    async def body() -> AsyncIterator[bytes]:
        async for parts in events:
            async for part in _one_by_one(parts):
                yield part

    return StreamingResponse(body(), media_type=EVENT_STREAM)


class _BrokenResponse(Response):
    """Half of the pieces, or of the only one; then the connection is closed, which the server does when an answer
    stays unfinished."""

    def __init__(self, parts: list[bytes], media_type: str) -> None:
        super().__init__(media_type=media_type)
        self._parts = parts[: len(parts) // 2] or [parts[0][: len(parts[0]) // 2]]
        self.headers["content-length"] = str(sum(len(part) for part in parts))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self._parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
