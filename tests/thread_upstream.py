"""A sandbox that draws plain squares, holds answers where it is told to, and knows what of them has been sent."""

import asyncio
import base64
import hashlib
import io
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from conftest import KEY
from PIL import Image
from starlette.types import Message, Receive, Scope, Send
from thread_model import Place

from mcp_imagegen.sandbox import renderings
from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.options import Options
from mcp_imagegen.sandbox.serving import running

SIZE = (48, 32)
PAID = {"/v1/images/generations", "/v1/images/edits", "/v1/responses"}
PROMPT = re.compile(r"(?<!It was asked: )scene \d+\.(?: sandbox:[a-z-]+)?")
PICTURE = re.compile(rb'"(?:b64_json|result|partial_image_b64)":"([A-Za-z0-9+/=]+)"')
EVENT = re.compile(rb"data: (.*)\n\n")  # only such as are whole
RESPONSE = re.compile(rb'"id":"(resp_\w+)"')


@dataclass(eq=False)
class Hold:
    """A place where an answer stands still; `deaf`: whoever asked has died when it goes on."""

    place: Place
    deaf: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def stand(self) -> None:
        self.reached.set()
        await self.go.wait()


@dataclass(eq=False)
class Post:
    """A request that may be paid. `prompts` are those in its body, its own last; `arrived` the SHA-256 of the pictures
    that were sent whole to a caller that heard them, `frames` of the partial ones; `sent` the bytes of the answer that
    is on its way."""

    prompts: tuple[str, ...]
    background: bool
    streamed: bool
    hold: Hold | None = None
    status: int = 0
    response_id: str = ""
    sent: int = 0
    arrived: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        return self.prompts[-1]


asking: ContextVar[Post] = ContextVar("asking")


class Upstream:
    """The API as an ASGI application."""

    url: str

    def __init__(self) -> None:
        self.sandbox = Sandbox(keys=[KEY], before_drawing=self._before_drawing)
        self.posts: list[Post] = []
        self.holds: dict[str, Hold] = {}  # by prompt, for the next request with it that is not refused

    def of(self, prompt: str) -> list[Post]:
        return [post for post in self.posts if post.prompt == prompt]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        post = self._post(scope, body)
        early = post is None or post.hold is None or not post.hold.go.is_set()
        if post is not None:
            asking.set(post)
            if scope["method"] == "GET" and post.hold is not None and post.hold.place == "drawing":
                await post.hold.stand()
        answer = Answer()
        await self.sandbox.app(scope, replayed(body, receive), answer.take)
        if post is None:
            await answer.pass_on(send)
        else:
            self._note(post, answer, first=scope["method"] == "POST")
            await self._send(post, answer, send, early=early)

    def _post(self, scope: Scope, body: bytes) -> Post | None:
        """What the request is about."""
        if scope["method"] == "POST" and scope["path"] in PAID:
            prompts = tuple(PROMPT.findall(body.decode("utf-8", "replace")))
            streamed = b'"stream":true' in body or b'name="stream"\r\n\r\ntrue' in body
            post = Post(prompts, b'"background":true' in body, streamed)
            self.posts.append(post)
            return post
        asked = scope["path"].rpartition("/")[2]
        return next((one for one in self.posts if scope["method"] == "GET" and one.response_id == asked), None)

    def _note(self, post: Post, answer: "Answer", *, first: bool) -> None:
        if not first:
            return
        post.status = answer.status
        if answer.status == 200:
            post.hold = post.hold or self.holds.pop(post.prompt, None)
        if (found := RESPONSE.search(answer.body)) is not None:
            post.response_id = found[1].decode()

    async def _send(self, post: Post, answer: "Answer", send: Send, *, early: bool) -> None:
        """`early`: the request came before what is held went on."""
        hold, half = post.hold, 0
        stands = hold is not None and not hold.go.is_set()
        if hold is not None and stands and hold.place == "answer":
            await hold.stand()
        await send(answer.start)
        if hold is not None and stands and hold.place == "middle" and PICTURE.search(answer.body):
            half = post.sent = len(answer.body) // 2
            await send({"type": "http.response.body", "body": answer.body[:half], "more_body": True})
            self._hear(post, answer.body[:half])
            await hold.stand()
        if hold is not None and stands and hold.place == "saved":
            post.sent = len(answer.body)
            self._hear(post, answer.body)
        await send({"type": "http.response.body", "body": answer.body[half:], "more_body": not answer.whole})
        if hold is None or not (early and hold.deaf):
            self._hear(post, answer.body)

    def has_ended(self, post: Post) -> bool:
        """Whether the response of a request was made to its end before anybody cancelled it."""
        stored = [state.responses.get(post.response_id) for state in self.sandbox._states.values()]
        return any(one is not None and one.body["status"] == "completed" for one in stored)

    def _hear(self, post: Post, body: bytes) -> None:
        """What of an answer has come to whoever asked."""
        for piece in EVENT.findall(body) if body.startswith(b"event: ") else [body]:
            heard = post.frames if b"partial_image" in piece[:60] else post.arrived
            for found in PICTURE.findall(piece):
                digest = hashlib.sha256(base64.b64decode(found)).hexdigest()
                if digest not in heard:
                    heard.append(digest)
            with suppress(ValueError):
                told = json.loads(piece)
                told = told.get("response", told)
                if told.get("usage"):
                    post.usage = {"usage": told["usage"], "tool_usage": told.get("tool_usage")}

    async def saved(self, data: bytes) -> None:
        """A server has saved a picture; it stands still there where the first of an answer is held."""
        digest = hashlib.sha256(data).hexdigest()
        for hold in [post.hold for post in self.posts if post.hold and digest in post.arrived]:
            if hold.place == "saved" and not hold.reached.is_set():
                await hold.stand()

    async def _before_drawing(self, prompt: str) -> None:
        post = asking.get()
        post.hold = post.hold or self.holds.pop(post.prompt, None)
        if post.hold is not None and post.hold.place == "drawing":
            if not post.background or post.streamed:  # else it is answered, and stands still when it is asked for
                post.hold.reached.set()
            await post.hold.go.wait()


class Answer:
    """What the sandbox answers, whole before any of it is sent."""

    start: Message

    def __init__(self) -> None:
        self.body, self.whole, self.status = b"", False, 0

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start, self.status = message, message["status"]
        else:
            self.body += message.get("body", b"")
            self.whole = not message.get("more_body", False)

    async def pass_on(self, send: Send) -> None:
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body, "more_body": not self.whole})


def replayed(body: bytes, rest: Receive) -> Receive:
    """The request that was read, to be read again."""
    left: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(left, None) or await rest()

    return receive


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    served, drawn = Upstream(), 0

    def square() -> bytes:
        nonlocal drawn
        drawn += 1
        data = io.BytesIO()
        Image.new("RGB", SIZE, (drawn % 256, drawn // 256, 7)).save(data, "PNG")
        return data.getvalue()

    def rendered(options: Options, *_: Any) -> renderings.Rendering:
        frames = options.partial_images if options.stream else 0
        return renderings.Rendering(square(), tuple(square() for _ in range(frames)))

    with mock.patch.object(renderings, "rendered", rendered):
        async with running(served) as served.url:
            yield served
            for hold in [post.hold for post in served.posts if post.hold]:
                hold.go.set()
