"""The official `openai` package and our client, each sending the same call to a server that keeps what arrives."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from capture_server import CaptureServer, Reply, Seen, capture_server, event_reply, json_reply
from openai_bodies import image_call, image_event, images, item_done, response, sse
from pydantic import SecretStr
from wordings import asked, words

from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Event, ImageCall, Made, ResponsesCall

KEY = "sk-test-0123456789abcdef"
PLAIN = json_reply(images(b"one"))
STREAM = event_reply(sse(image_event("image_generation.completed", b"one")))
ANSWERED = json_reply(response(image_call(b"one")))
ANSWERED_STREAM = event_reply(
    sse(
        item_done(image_call(b"one")),
        {"type": "response.completed", "response": response(image_call(b"one")), "sequence_number": 5},
    )
)
# Headers that are not compared: what each client says of itself, and the length, since a number has several spellings.
OWN_HEADERS = ("user-agent", "content-length")
EVENTS_TOO = "text/event-stream, "  # ours says so where it asks for a stream; the package accepts JSON always

Ask = Callable[[openai.AsyncOpenAI], Awaitable[Any]]
Sent = dict[str, Any]


@dataclass(frozen=True)
class Both:
    """The two clients of one server. Each of the two requests that a method returns is as `sent` describes it: first
    the official package's, then ours."""

    capture: CaptureServer
    official: openai.AsyncOpenAI
    ours: OpenAIClient

    async def requests(
        self, ask: Ask, call: ImageCall | ResponsesCall, reply: Reply, ours: OpenAIClient | None = None
    ) -> tuple[Sent, Sent]:
        """Both requests of one call, whose answer is the picture `one`."""

        async def send(client: OpenAIClient) -> None:
            events: list[Event] = [event async for event in (ours or client).send(call)]
            assert [event.data for event in events if isinstance(event, Made)] == [b"one"]

        return await self.requests_of(ask, send, reply)

    async def requests_of(
        self, ask: Ask, send: Callable[[OpenAIClient], Awaitable[Any]], reply: Reply
    ) -> tuple[Sent, Sent]:
        """The request that each of the two sends."""
        self.capture.answers(reply)
        await drained(ask(self.official))
        await send(self.ours)
        theirs, mine = self.capture.seen
        return sent(theirs), sent(mine)

    async def same(
        self, given: Mapping[str, Any], call: ImageCall | None = None, ours: OpenAIClient | None = None
    ) -> tuple[Sent, Sent]:
        """Both requests of a call that is `given` as in `wordings.asked`. Our client makes the `call`, which is the
        same one if none is named."""
        plain, streamed = (ANSWERED, ANSWERED_STREAM) if "host" in given else (PLAIN, STREAM)
        reply = streamed if given.get("stream") else plain
        return await self.requests(lambda api: asked(api, given), call or words(given), reply, ours)


@asynccontextmanager
async def side_by_side(**named: Any) -> AsyncIterator[Both]:
    """A server and its two clients. `named`: the organization and project of both."""
    with capture_server() as capture:
        async with clients_of(capture, **named) as both:
            yield both


@asynccontextmanager
async def clients_of(capture: CaptureServer, path: str = "/v1", **named: Any) -> AsyncIterator[Both]:
    """Both clients, with a base URL of this path."""
    base_url = capture.url.removesuffix("/v1") + path
    async with (
        httpx2.AsyncClient(trust_env=False, verify=False) as http,  # of a server without TLS
        our_client(capture, base_url=base_url, **named) as ours,
    ):
        official = openai.AsyncOpenAI(api_key=KEY, base_url=base_url, max_retries=0, http_client=http, **named)
        yield Both(capture, official, ours)


@asynccontextmanager
async def our_client(capture: CaptureServer, **more: Any) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(**{"base_url": capture.url, "api_key": SecretStr(KEY), "trust_env": False, **more})
    try:
        yield client
    finally:
        await client.aclose()


def sent(seen: Seen) -> Sent:
    """All of a request that the API acts on. The fields of a multipart body may come in any order, but the order of
    files counts; `parts` are those of the body as they arrived, with their headers."""
    kind, _, boundary = seen.headers.get("content-type", "").partition("; boundary=") if seen.body else ("", "", "")
    headers = {name: value for name, value in seen.headers.items() if not name.startswith("x-stainless-")}
    headers |= {name: "" for name in OWN_HEADERS if name in headers}
    if not seen.body:
        headers.pop("content-type", None)  # the package names a kind of nothing
    headers["accept"] = headers["accept"].removeprefix(EVENTS_TOO)
    if boundary:
        headers["content-type"] = kind  # the boundary is drawn by lot
    return {
        "line": (seen.method, seen.path, seen.query),
        "headers": headers,
        "body": seen.json if kind == "application/json" else None if boundary else seen.body,
        "files": seen.files,
        "parts": sorted(seen.body.split(f"--{boundary}".encode())) if boundary else [],
    }


def without(request: Sent, *names: str) -> Sent:
    """The request without these fields of its body, JSON or multipart."""
    body = request["body"]
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in names}
    headings = [f'form-data; name="{name}"\r\n'.encode() for name in names]
    parts = [part for part in request["parts"] if not any(heading in part for heading in headings)]
    return {**request, "body": body, "parts": parts}


async def drained(asked: Awaitable[Any]) -> None:
    answer = await asked
    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass
