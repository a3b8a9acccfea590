"""The sandbox as a process of its own that holds an answer's body at a chosen byte, and what a test drives it by.

As a script it prints its base URL, then takes one command a line on stdin:

* `hold N`: the next answer that has as many bytes stands still after N bytes of its body, with its headers sent. Then
  it prints `held`; or `ended` where an answer with a picture ends before, and nothing is held any more.
* `hold drawing`: the next drawing stands still before it begins, with nothing of a plain answer sent; prints `held`.
* `release`: what stands still goes on, and nothing is held any more.
* `drop`: the connection of the answer that stands still is closed, as if the network had failed.
* `forget`, `forget ID …`: everything that is stored, or what has these ids, is unknown from now on.
* `later S`: the sandbox's clock is S seconds further.
* `requests`: what it was asked so far, as one line of JSON: a list of `Asked`.
* `quit`, or the end of the input: it ends.

Answers that are held are those to POSTs that draw, and to a GET of a response. Each command but the last is answered by
one line: `ok`, or the JSON.
"""

import asyncio
import contextlib
import json
import re
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from starlette.types import Message, Receive, Scope, Send

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

PIECE = 4096  # bytes of a body that go out at once
PICTURE = 16 * 1024  # bytes; a longer answer carries a picture
ID = re.compile(rb"\b(?:resp|ig)_[0-9a-f]{50}\b")
LONGEST_ID = 64  # bytes
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
        paid = {"/v1/images/generations", "/v1/images/edits", "/v1/responses"}
        return self.method == "POST" and self.path in paid

    @property
    def holdable(self) -> bool:
        return self.paid or (self.method == "GET" and self.path.startswith("/v1/responses/"))


asking: ContextVar[tuple[Asked, asyncio.Task[None]]] = ContextVar("asking")


class Gate:
    """Where one answer, or one drawing, stands still."""

    def __init__(self) -> None:
        self.place: int | None = None  # bytes of a body, or DRAWING; None: nothing is to be held
        self._open = asyncio.Event()
        self._standing: asyncio.Task[None] | None = None

    async def stand(self) -> None:
        """Returns at the release."""
        self.place, self._open = None, asyncio.Event()
        _, self._standing = asking.get()
        say("held")
        await self._open.wait()

    def release(self) -> None:
        self.place = self._standing = None
        self._open.set()

    def drop(self) -> None:
        assert self._standing is not None, "nothing stands still"
        self._standing.cancel()


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
            await asyncio.wait({task})  # one that was dropped leaves its answer unfinished: the server hangs up
        finally:
            task.cancel()
        answer.end()

    async def _answered(self, asked: Asked, answer: "Answer", scope: Scope) -> None:
        task = asyncio.current_task()
        assert task is not None
        asking.set((asked, task))
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
        self._told.find(message["body"])
        for piece in self._pieces(message["body"]):
            await self._stand_here()
            self._length += len(piece)
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if not message.get("more_body"):
            await self._stand_here()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

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
        self._found = found
        self._rest = b""

    def find(self, piece: bytes) -> None:
        if b"_" in piece or b"_" in self._rest:  # base64 has none
            ids = (one.decode() for one in ID.findall(self._rest + piece))
            self._found += [one for one in dict.fromkeys(ids) if one not in self._found]
        self._rest = (self._rest + piece[-LONGEST_ID:])[-LONGEST_ID:]


def say(line: str) -> None:
    print(line, flush=True)


async def commands() -> AsyncIterator[list[str]]:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with contextlib.closing(transport):
        while (words := (await reader.readline()).decode().split()) not in ([], ["quit"]):
            yield words


async def main() -> None:
    held = Held()
    async with running(held) as url:
        say(url)
        async for words in commands():
            say(held.obey(*words))


class HeldSandbox:
    """The other end of the pipes: the script in a process, as a test drives it."""

    def __init__(self, process: Process, url: str) -> None:
        self.url = url
        self._process = process
        self._replies: asyncio.Queue[str] = asyncio.Queue()
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def hold(self, place: int | Literal["drawing"]) -> None:
        """Hold the next answer after so many bytes of its body, or the next drawing before it begins."""
        await self._told(f"hold {place}")

    async def held(self) -> bool:
        """Wait until an answer stands still (True), or has ended before it would have (False)."""
        async with asyncio.timeout(60):
            return await self._news.get() == "held"

    async def release(self) -> None:
        await self._told("release")

    async def drop(self) -> None:
        await self._told("drop")

    async def forget(self, *ids: str) -> None:
        await self._told(" ".join(("forget", *ids)))

    async def later(self, seconds: float) -> None:
        await self._told(f"later {seconds}")

    async def requests(self) -> list[Asked]:
        return [Asked(**asked) for asked in json.loads(await self._told("requests"))]

    async def paid(self) -> list[Asked]:
        """Those of the requests that ask for drawings."""
        return [asked for asked in await self.requests() if asked.paid]

    async def quit(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reading

    async def _told(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        async with asyncio.timeout(60):
            return await self._replies.get()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := (await self._process.stdout.readline()).decode().strip():
            (self._news if line in {"held", "ended"} else self._replies).put_nowait(line)


@asynccontextmanager
async def held_sandbox() -> AsyncIterator[HeldSandbox]:
    """The script in a process of its own, to the end of the context. It takes any key."""
    script = str(Path(__file__).resolve())
    process = await asyncio.create_subprocess_exec(sys.executable, script, stdin=PIPE, stdout=PIPE, limit=2**24)
    assert process.stdout is not None
    held = HeldSandbox(process, (await process.stdout.readline()).decode().strip())
    try:
        yield held
    finally:
        await held.quit()


if __name__ == "__main__":
    asyncio.run(main())
