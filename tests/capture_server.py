"""A server on a real loopback socket that records what it is sent and answers what it is told to."""

import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import Request

Message = dict[str, Any]
Send = Callable[[Message], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class File:
    """A file of a multipart body, with the name of its field."""

    field: str
    name: str | None
    mime_type: str | None
    data: bytes


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. `form` are the multipart fields without files, in order, a repeated name repeated."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    form: tuple[tuple[str, str], ...] = ()
    files: tuple[File, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is answered. A body in several pieces is sent in as many chunks."""

    body: bytes | Sequence[bytes] = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


def json_reply(body: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(json.dumps(body).encode(), status, {"content-type": "application/json", **named})


def event_reply(chunks: Sequence[bytes], **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(chunks, 200, {"content-type": "text/event-stream; charset=utf-8", **named})


class CaptureServer:
    """`reply` answers every request, unless `replies` has one for its path."""

    def __init__(self) -> None:
        self.url = ""
        self.seen: list[Seen] = []
        self.reply = Reply()
        self.replies: dict[str, Reply] = {}

    def answers(self, reply: Reply, **by_path: Reply) -> "CaptureServer":
        """Forget what was, and answer so from now on."""
        self.seen, self.reply, self.replies = [], reply, dict(by_path)
        return self

    async def __call__(self, scope: Message, receive: Any, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        form, files = [], []
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form() as parts:
                for name, part in parts.multi_items():
                    if isinstance(part, str):
                        form.append((name, part))
                    else:
                        files.append(File(name, part.filename, part.content_type, await part.read()))
        headers = dict(request.headers)
        self.seen.append(
            Seen(request.method, scope["path"], request.url.query, headers, body, tuple(form), tuple(files))
        )
        await self._send(self.replies.get(scope["path"], self.reply), send)

    async def _send(self, reply: Reply, send: Send) -> None:
        headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for piece in [reply.body] if isinstance(reply.body, bytes) else reply.body:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@contextmanager
def capture_server() -> Iterator[CaptureServer]:
    """The server in a thread of its own, so that it serves whatever loop a test has."""
    app = CaptureServer()
    # With the protocol named, asyncio turns off Nagle's algorithm, which would cost 40 ms a request.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        app.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", ws="none", loop="asyncio", http="h11", date_header=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="capture server")
        thread.start()
        try:
            yield app
        finally:
            server.should_exit = True
            thread.join()
