"""A sandbox on a loopback port, OpenAI's own client for it, and a check of every answer against that client's types."""

import base64
import contextlib
import functools
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

import httpx2
from openai import AsyncOpenAI
from openai.types import FileDeleted, FileObject, ImagesResponse, Model
from openai.types.image_edit_stream_event import ImageEditStreamEvent
from openai.types.image_gen_stream_event import ImageGenStreamEvent
from openai.types.responses import Response, ResponseStreamEvent
from PIL import Image, ImageChops, ImageDraw
from pydantic import BaseModel, TypeAdapter

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

NOVEMBER_2026 = 1_795_132_800.0  # 2026-11-20, Unix seconds
SMALL = "1024x640"  # the fewest pixels that gpt-image-2 draws
UNDOCUMENTED = {"sequence_number", "n", "store"}  # in recorded answers, not in the types


@dataclass
class Exchange:
    """One request of the client and what came back, as bytes."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(data) for _, data in server_sent(bytes(self.body))]


@dataclass
class Connection:
    sandbox: Sandbox
    client: AsyncOpenAI
    base_url: str
    exchanges: list[Exchange]

    @property
    def last(self) -> Exchange:
        return self.exchanges[-1]

    def check(self) -> None:
        """Checks every answer since the last check."""
        for exchange in self.exchanges:
            check(exchange)
        self.exchanges.clear()


class _Tee(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, into: bytearray) -> None:
        self._stream = stream
        self._into = into

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._into += part
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class Recorder(httpx2.AsyncHTTPTransport):
    """Keeps a copy of every answer."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        super().__init__(trust_env=False, verify=False)
        self._exchanges = exchanges

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        exchange = Exchange(request.method, request.url.path, response.status_code, response.headers)
        self._exchanges.append(exchange)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Tee(response.stream, exchange.body)
        return response


@contextlib.asynccontextmanager
async def connected(
    *, key: str = "sk-sandbox", whole: bool = True, clock: Any = lambda: NOVEMBER_2026, **options: Any
) -> AsyncIterator[Connection]:
    """A sandbox and a client of it without retries. At the end every answer is checked, unless they are not `whole`."""
    sandbox, exchanges = Sandbox(clock=clock, **options), list[Exchange]()
    async with (
        running(sandbox.app) as base_url,
        httpx2.AsyncClient(transport=Recorder(exchanges), trust_env=False) as http,
    ):
        client = AsyncOpenAI(api_key=key, base_url=base_url, max_retries=0, http_client=http)
        connection = Connection(sandbox, client, base_url, exchanges)
        yield connection
        if whole:
            connection.check()


def check(exchange: Exchange) -> None:
    """The answer has the headers of the API, and a body of exactly the documented shape."""
    assert exchange.headers["x-request-id"].startswith("req_")
    assert exchange.headers["openai-version"] == "2020-10-01"
    assert exchange.headers["openai-organization"]
    assert int(exchange.headers["openai-processing-ms"]) >= 0
    if exchange.status >= 400:
        check_error(exchange.json)
    elif exchange.headers["content-type"].startswith("text/event-stream"):
        for name, data in server_sent(bytes(exchange.body)):
            check_event(name, json.loads(data), data)
    elif exchange.headers["content-type"] == "application/json":
        check_body(exchange)


def check_error(body: dict[str, Any]) -> None:
    assert body.keys() == {"error"}
    error = body["error"]
    assert error.keys() - {"moderation_details"} == {"message", "type", "param", "code"}
    assert isinstance(error["message"], str)
    assert "{" not in error["message"]
    if "moderation_details" in error:
        assert error["moderation_details"].keys() == {"moderation_stage", "categories"}


def check_body(exchange: Exchange) -> None:
    path, text = exchange.path.removeprefix("/v1"), bytes(exchange.body)
    if exchange.method == "DELETE" and path.startswith("/responses"):
        assert exchange.json == {"id": path.rpartition("/")[2], "object": "response", "deleted": True}
    elif exchange.method == "DELETE":
        strictly(FileDeleted, text)
    elif path in {"/models", "/files"} and exchange.method == "GET":
        listed = exchange.json
        ends = {"first_id", "last_id", "has_more"} if path == "/files" else set()
        assert listed.keys() == {"object", "data", *ends}
        assert listed["object"] == "list"
        for item in listed["data"]:
            strictly(FileObject if path == "/files" else Model, json.dumps(item))
    else:
        kinds = {"images": ImagesResponse, "responses": Response, "files": FileObject, "models": Model}
        strictly(kinds[path.split("/")[1]], text)


def check_event(name: str, body: dict[str, Any], text: str) -> None:
    assert name == body["type"]
    if name == "error" and "error" in body:
        assert body.keys() == {"type", "error", "sequence_number"}
        check_error({"error": body["error"]})
        return
    strictly(event_types()[name], text)


def strictly(kind: Any, text: str | bytes) -> None:
    """Valid for the type without any conversion, and without a field that the type does not have."""
    value = adapter(kind).validate_json(text, strict=True)
    assert not set(unknown(value)) - UNDOCUMENTED, sorted(set(unknown(value)))


def unknown(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from value.model_extra or ()
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, list):
        for inner in value:
            yield from unknown(inner)


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@functools.cache
def event_types() -> dict[str, Any]:
    """The type of each streamed event by its name."""
    unions = (ResponseStreamEvent, ImageGenStreamEvent, ImageEditStreamEvent)
    kinds = [kind for union in unions for kind in get_args(get_args(union)[0])]
    return {name: kind for kind in kinds for name in literals(kind.model_fields["type"].annotation)}


def literals(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def server_sent(body: bytes) -> list[tuple[str, str]]:
    """Name and data of each event."""
    events = []
    for block in body.decode().removesuffix("\n\n").split("\n\n") if body else ():
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), data.removeprefix("data: ")))
    return events


def picture(text: str | None) -> Image.Image:
    assert text is not None
    image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


def changed(before: Image.Image, after: Image.Image) -> Image.Image:
    """255 where any channel of the two differs, else 0."""
    bands = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).split()
    return functools.reduce(ImageChops.lighter, bands).point(lambda value: 255 if value else 0)


def painted(size: tuple[int, int] = (1024, 640), colour: str = "#3366aa", kind: str = "PNG") -> bytes:
    """A test picture with a white cross."""
    image = Image.new("RGB", size, colour)
    pen = ImageDraw.Draw(image)
    pen.line((0, 0, *size), "white", 12)
    pen.line((0, size[1], size[0], 0), "white", 12)
    return saved(image, kind)


def mask(size: tuple[int, int] = (1024, 640), hole: tuple[int, int, int, int] = (300, 100, 700, 500)) -> bytes:
    """Opaque with an oval transparent hole in this box."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    ImageDraw.Draw(image).ellipse(hole, (0, 0, 0, 0))
    return saved(image)


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def data_url(data: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def png(data: bytes, name: str = "picture.png") -> tuple[str, bytes, str]:
    """A file for the client's upload."""
    return name, data, "image/png"
