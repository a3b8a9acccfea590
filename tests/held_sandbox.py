"""The sandbox as a process of its own that holds an answer's body at a chosen byte; `holding` is the test's end of it.

It prints its base URL, then takes one command a line on stdin:

* `hold N`: the next answer that has as many bytes stands still after N bytes of its body, with its headers sent. Then
  it prints `held`; or `ended` where an answer with a picture ends before, and nothing is held any more.
* `hold drawing`: the next drawing stands still before it begins, with nothing of a plain answer sent; prints `held`.
* `release`: what stands still goes on, and nothing is held any more.
* `drop`: the connection of what stands still is closed, as if the network had failed.
* `forget`, `forget ID …`: everything that is stored, or what has these ids, is unknown from now on.
* `later S`: the sandbox's clock is S seconds further.
* `requests`: what it was asked so far, as one line of JSON: a list of `Asked`.
* `quit`, or the end of the input: it ends.

Answers that are held are those to POSTs that draw, and to a GET of a response. Each command but the last is answered by
one line: `ok`, or the JSON.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field

from starlette.types import Message, Receive, Scope, Send

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

PIECE = 4096  # bytes of a body that go out at once
PICTURE = 16 * 1024  # bytes; a longer answer carries a picture
ID = re.compile(rb"\b(?:resp|ig)_[0-9a-f]{50}\b")
PAID = {"/v1/images/generations", "/v1/images/edits", "/v1/responses"}
DRAWING = -1


@dataclass
class Asked:
    """A request. `drew` are the prompts of its drawings that began, `sent` and `told` the ids of responses and image
    calls in the request and in what was sent of its answer, `status` is 0 until the answer's headers are sent."""

    method: str
    path: str
    status: int = 0
    drew: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def paid(self) -> bool:
        """Whether it asks for drawings."""
        return self.method == "POST" and self.path in PAID

    @property
    def holdable(self) -> bool:
        return self.paid or (self.method == "GET" and self.path.startswith("/v1/responses/"))


asking: ContextVar[tuple[Asked, asyncio.Task[None] | None]] = ContextVar("asking")


class Gate:
    """Where answers and drawings stand still."""

    def __init__(self) -> None:
        self.place: int | None = None  # bytes of a body, or DRAWING; None: nothing is to be held
        self._standing: dict[asyncio.Event, asyncio.Task[None] | None] = {}

    async def stand(self) -> None:
        """Returns at the release."""
        self.place, go = None, asyncio.Event()
        _, self._standing[go] = asking.get()
        say("held")
        try:
            await go.wait()
        finally:
            del self._standing[go]

    def release(self) -> None:
        self.place = None
        for go in self._standing:
            go.set()

    def drop(self) -> None:
        assert self._standing, "nothing stands still"
        for task in filter(None, self._standing.values()):
            task.cancel()


class Held:
    """The sandbox behind the gate, as an ASGI application."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.asked: list[Asked] = []
        self.later = 0.0
        self.sandbox = Sandbox(before_drawing=self._before_drawing, clock=lambda: time.time() + self.later)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Asked(scope["method"], scope["path"])
        self.asked.append(asked)
        answer = Answer(self.gate, asked, receive, send)
        task = asyncio.create_task(self._answered(asked, answer, scope))
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            await answer.break_off()
        answer.end()

    async def _answered(self, asked: Asked, answer: "Answer", scope: Scope) -> None:
        asking.set((asked, asyncio.current_task()))
        await self.sandbox.app(scope, answer.receive, answer.send)

    async def _before_drawing(self, prompt: str) -> None:
        """Runs in a task that the request has started, and so finds the request in its context."""
        asking.get()[0].drew.append(prompt)
        if self.gate.place == DRAWING:
            await self.gate.stand()

    def obey(self, command: str, *words: str) -> str:
        """What is printed in answer."""
        match command:
            case "hold":
                self.gate.place = DRAWING if words[0] == "drawing" else int(words[0])
            case "release":
                self.gate.release()
            case "drop":
                self.gate.drop()
            case "forget":
                self.sandbox.forget(*words)
            case "later":
                self.later += float(words[0])
            case "requests":
                return json.dumps([asdict(asked) for asked in self.asked])
            case _:
                raise ValueError(command)
        return "ok"


class Answer:
    """An answer on its way, in small pieces, up to where it is held."""

    def __init__(self, gate: Gate, asked: Asked, receive: Receive, send: Send) -> None:
        self._gate, self._asked, self._receive, self._send = gate, asked, receive, send
        self._length = 0
        self._sent, self._told = Ids(asked.sent), Ids(asked.told)

    async def receive(self) -> Message:
        message = await self._receive()
        self._sent.find(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._asked.status = message["status"]
            await self._send(message)
            return
        for piece in self._pieces(message["body"]):
            await self._stand_here()
            self._length += len(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            self._told.find(piece)
        if not message.get("more_body"):
            await self._stand_here()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def break_off(self) -> None:
        """The server hangs up where an answer stays unfinished, but would answer 500 where none has begun."""
        if not self._asked.status:
            self._send.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn's own; ASGI has no such thing
            await asyncio.sleep(0)  # in which the server learns of it

    def end(self) -> None:
        """Says that an answer was too short to be held."""
        place = self._gate.place
        if self._asked.holdable and place is not None and PICTURE < self._length < place:
            self._gate.place = None
            say("ended")

    async def _stand_here(self) -> None:
        if self._asked.holdable and self._gate.place == self._length:
            await self._gate.stand()

    def _pieces(self, body: bytes) -> Iterator[bytes]:
        """At most PIECE bytes each, the next one up to where the answer is to be held."""
        start = 0
        while start < len(body):
            left = (self._gate.place or 0) - self._length
            size = min(PIECE, left) if left > 0 else PIECE
            yield body[start : start + size]
            start += size


class Ids:
    """Finds the ids in a body that comes in pieces."""

    def __init__(self, found: list[str]) -> None:
        self._found, self._rest = found, b""

    def find(self, piece: bytes) -> None:
        if b"_" in piece or b"_" in self._rest:  # base64 has none
            ids = (one.decode() for one in ID.findall(self._rest + piece))
            self._found += [one for one in dict.fromkeys(ids) if one not in self._found]
        self._rest = (self._rest + piece[-64:])[-64:]  # longer than any id


def say(line: str) -> None:
    print(line, flush=True)


async def commands() -> AsyncIterator[list[str]]:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    while (words := (await reader.readline()).decode().split()) not in ([], ["quit"]):
        yield words


async def main() -> None:
    held = Held()
    async with running(held) as url:
        say(url)
        async for words in commands():
            say(held.obey(*words))


if __name__ == "__main__":
    asyncio.run(main())
