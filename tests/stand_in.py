"""A provider that answers what a test tells it to, in order; shares nothing with the sandbox or the client."""

import asyncio
import base64
import io
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from openai_bodies import sse
from PIL import Image
from starlette.types import Receive, Scope, Send

KEY = "sk-stand-in-0123456789"


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, "teal").save(data, kind)
    return data.getvalue()


PICTURE = base64.b64encode(picture()).decode()
GOOD = {"created": 1, "data": [{"b64_json": PICTURE}]}


@dataclass(frozen=True)
class Said:
    """One answer: a JSON value, or text or bytes as they are. With `upto`, no more bytes than that are sent; then the
    connection is held while `held` is not set, and closed."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    upto: int | None = None
    held: asyncio.Event | None = None

    def encoded(self) -> tuple[bytes, str]:
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode(), "text/html"
        return json.dumps(self.body).encode(), "application/json"


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> Said:
    """An error in OpenAI's form."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said({"error": {"message": message, "type": "error", "param": None, "code": code}}, status, named)


def streamed(*events: dict[str, Any], upto: int | None = None) -> Said:
    """Events as the API sends them."""
    return Said(b"".join(sse(*events)), headers={"content-type": "text/event-stream"}, upto=upto)


@dataclass
class StandIn:
    """Answers in order, the last one again and again. `seen` holds method, path and JSON body of every request, and
    `queries` what each URL ended with."""

    answers: list[Said]
    url: str = ""
    seen: list[tuple[str, Any]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None  # what happens elsewhere while it works

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        path = f"{scope['method']} {scope['path']}"
        if path == "GET /v1/models":
            await reply(send, Said({"object": "list", "data": []}))
            return
        read = json.loads(body) if body.startswith(b"{") else None
        self.seen.append((path, read))
        self.queries.append(scope["query_string"].decode())
        if self.meanwhile is not None:
            self.meanwhile()
        await reply(send, self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    def environment(self, **more: str) -> dict[str, str]:
        return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.url, **more}


async def reply(send: Send, said: Said) -> None:
    """Answer a request so."""
    body, content_type = said.encoded()
    headers = {"content-type": content_type, "content-length": str(len(body)), **said.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": said.status, "headers": raw})
    if said.upto is None:
        await send({"type": "http.response.body", "body": body})
        return
    await send({"type": "http.response.body", "body": body[: said.upto], "more_body": True})
    if said.held is not None:
        await said.held.wait()  # the server closes the connection of an answer that stays unfinished


class _Server(uvicorn.Server):
    """Serves in the test's own loop, leaves signals alone, and ends as soon as it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    def capture_signals(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def main_loop(self) -> None:
        await self.told.wait()
        self.force_exit = True  # what it still answers is cut off


@asynccontextmanager
async def standing_in(*answers: Said) -> AsyncIterator[StandIn]:
    """A stand-in on a loopback port of the system's choice."""
    # With the protocol named, asyncio turns off Nagle's algorithm, which would cost 40 ms a request.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        stand_in = StandIn(list(answers), url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1")
        config = uvicorn.Config(stand_in, log_config=None, lifespan="off", ws="none", http="h11", date_header=False)
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield stand_in
        finally:
            server.told.set()
            await serving
