"""Connections that fail, on real sockets: what was certainly not billed, and what may have been."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx2
import pytest
from openai_bodies import image_event, sse
from pydantic import SecretStr

from mcp_imagegen.errors import (
    AuthenticationFailed,
    ImagegenError,
    UpstreamInvalid,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from mcp_imagegen.openai_api.answer import Answer
from mcp_imagegen.openai_api.asked import Asked
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.connection import Progress, Watched, connection_failure
from mcp_imagegen.openai_api.values import Event, Frame, ImageCall, Upload

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
CALL = ImageCall("gpt-image-2", "a cat", partial_images=1)
FRAME = sse(image_event("image_generation.partial_image", b"rough", partial_image_index=0))[0]
EVENTS_BEGIN = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_7\r\ntransfer-encoding: chunked\r\n\r\n"
)
JSON_BEGIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_7\r\ncontent-length: 1000\r\n\r\n"


@dataclass
class Place:
    """A base URL, and how many connections it has had: one a request, since none is kept open."""

    url: str = ""
    connections: int = 0


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Place]:
    """A server that treats each connection as `handler` says, and then closes it."""
    place = Place()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place.connections += 1
        try:
            await handler(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(treat, "127.0.0.1", 0)
    async with server:
        place.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        yield place


async def whole_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    await reader.readexactly(int(length.partition(b":")[2]))


async def outcome(client: OpenAIClient, call: ImageCall = CALL) -> tuple[list[Event], ImagegenError]:
    came = []
    with pytest.raises(ImagegenError) as raised:
        async for event in client.send(call):
            came.append(event)
    await client.aclose()
    return came, raised.value


def client_of(url: str, read_timeout_s: float = 5, connect_timeout_s: float = 5) -> OpenAIClient:
    return OpenAIClient(
        base_url=url,
        api_key=SecretStr("sk-test-0123456789"),
        trust_env=False,
        read_timeout_s=read_timeout_s,
        connect_timeout_s=connect_timeout_s,
    )


async def test_a_refused_connection_costs_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, failed = await outcome(client_of(f"http://user:pass-word@127.0.0.1:{port}/v1"))
    assert isinstance(failed, UpstreamUnavailable)
    assert failed.sentence == f"http://127.0.0.1:{port} refuses the connection"
    assert not failed.may_be_billed


async def test_a_name_that_does_not_resolve_costs_nothing() -> None:
    _, failed = await outcome(client_of("http://no-such-host.invalid/v1"))
    assert isinstance(failed, UpstreamUnavailable)
    assert "cannot be resolved" in failed.sentence
    assert not failed.may_be_billed


async def test_a_server_without_tls_costs_nothing() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with serving(hang_up) as place:
        _, failed = await outcome(client_of(place.url.replace("http:", "https:")))
    assert isinstance(failed, UpstreamUnavailable)
    assert "no secure connection" in failed.sentence
    assert not failed.may_be_billed


async def test_a_refusal_while_the_request_is_sent_is_still_read() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.write_eof()
        while await reader.read(1 << 20):
            pass

    large = Upload(bytes(8_000_000), "large.png", "image/png")
    async with serving(refuse) as place:
        _, failed = await outcome(client_of(place.url), ImageCall("gpt-image-2", "x", images=(large,)))
    assert isinstance(failed, UpstreamInvalid)
    assert "too large" in failed.sentence
    assert not failed.may_be_billed


async def test_a_connection_that_ends_before_the_answer_may_be_billed() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)

    async with serving(hang_up) as place:
        _, failed = await outcome(client_of(place.url))
    assert place.connections == 1
    assert isinstance(failed, UpstreamTimeout)
    assert failed.may_be_billed


async def test_a_connection_cut_in_a_plain_body_may_be_billed() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(JSON_BEGIN + b'{"data": [{"b64_json": "b25')
        await writer.drain()

    async with serving(cut) as place:
        _, failed = await outcome(client_of(place.url))
    assert place.connections == 1
    assert isinstance(failed, UpstreamTimeout)
    assert failed.may_be_billed
    assert failed.request_id == "req_7"


async def test_a_connection_cut_in_a_stream_keeps_the_frames_and_may_be_billed() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(EVENTS_BEGIN + b"%x\r\n" % len(FRAME) + FRAME + b"\r\n500\r\ndata: {")
        await writer.drain()

    async with serving(cut) as place:
        came, failed = await outcome(client_of(place.url))
    assert place.connections == 1
    assert came == [Frame(b"rough", 0)]
    assert isinstance(failed, UpstreamTimeout)
    assert failed.may_be_billed
    assert failed.request_id == "req_7"


async def test_a_cut_error_body_is_told_by_its_status() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(JSON_BEGIN.replace(b"200 OK", b"401 Unauthorized") + b'{"error"')
        await writer.drain()

    async with serving(cut) as place:
        _, failed = await outcome(client_of(place.url))
    assert isinstance(failed, AuthenticationFailed)
    assert failed.request_id == "req_7"


async def test_an_error_body_without_end_is_not_read_to_its_end() -> None:
    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n")
        while not reader.at_eof() and not writer.is_closing():
            writer.write(bytes(65_536))
            await writer.drain()

    async with serving(go_on) as place:
        _, failed = await outcome(client_of(place.url))
    assert isinstance(failed, AuthenticationFailed)


async def test_an_answer_larger_than_any_is_refused() -> None:
    asked = Asked("https://api.openai.com", "POST /images/edits", None, paid=True)
    answer = Answer(httpx2.Response(200, content=b"x" * 11), asked, most=10)
    with pytest.raises(UpstreamInvalid) as failed:
        await answer.body()
    assert failed.value.may_be_billed
    assert "more than 10 bytes" in failed.value.sentence


async def test_a_server_that_never_answers_times_out_and_may_be_billed() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        await reader.read()

    async with serving(wait) as place:
        _, failed = await outcome(client_of(place.url, read_timeout_s=0.1))
    assert place.connections == 1
    assert isinstance(failed, UpstreamTimeout)
    assert "0.1 s" in failed.sentence
    assert failed.may_be_billed


async def test_a_stream_that_falls_silent_times_out_after_its_frames() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(EVENTS_BEGIN + b"%x\r\n" % len(FRAME) + FRAME + b"\r\n")
        await reader.read()

    async with serving(wait) as place:
        came, failed = await outcome(client_of(place.url, read_timeout_s=0.1))
    assert place.connections == 1
    assert came == [Frame(b"rough", 0)]
    assert isinstance(failed, UpstreamTimeout)


async def test_an_upload_that_is_cut_is_never_billed() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)

    async with serving(hang_up) as place:
        client = client_of(place.url)
        with pytest.raises(UpstreamTimeout) as failed:
            await client.upload(Upload(b"x", "x.png", "image/png"))
        await client.aclose()
    assert not failed.value.may_be_billed


async def test_a_stream_that_ends_with_its_image_is_not_waited_for() -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        done = sse(image_event("image_generation.completed", b"one"))[0]
        writer.write(EVENTS_BEGIN + b"%x\r\n" % len(done) + done + b"\r\n")
        await reader.read()

    async with serving(stay) as place:
        client = client_of(place.url, read_timeout_s=30)
        came = [event async for event in client.send(CALL)]
        await client.aclose()
    assert len(came) == 2


async def test_a_cancelled_call_closes_its_connection() -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        asked.set()
        await reader.read()
        closed.set()

    async with serving(wait) as place:
        client = client_of(place.url)
        call = asyncio.create_task(anext(client.send(CALL)))
        async with asyncio.timeout(60):
            await asked.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await closed.wait()
        await client.aclose()


@pytest.mark.parametrize(
    "url", ["", "api.openai.com/v1", "ftp://api.openai.com/v1", "http://", "http://[::1/v1", "https:///v1"]
)
async def test_a_base_url_that_is_none_is_named(url: str) -> None:
    _, failed = await outcome(client_of(url))
    assert isinstance(failed, UpstreamUnavailable)
    assert "OPENAI_BASE_URL" in failed.fix


@pytest.mark.parametrize("key", ["sk-tést-0123456789", "sk-test\r\nx-evil: 1", "sk-“test”-0123456789"])
async def test_a_key_that_cannot_be_sent_is_refused_without_being_shown(key: str) -> None:
    _, failed = await outcome(OpenAIClient(base_url="http://127.0.0.1:9/v1", api_key=SecretStr(key), trust_env=False))
    assert isinstance(failed, AuthenticationFailed)
    assert "OPENAI_API_KEY" in failed.fix
    assert "0123456789" not in str(failed)
    assert "evil" not in str(failed)


async def test_proxy_settings_that_are_no_use_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:9")
    _, failed = await outcome(OpenAIClient(base_url="http://127.0.0.1:9/v1", api_key=None))
    assert isinstance(failed, UpstreamUnavailable)
    assert "ALL_PROXY" in failed.fix


async def test_a_proxy_of_the_environment_is_used_only_when_it_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n" + b'{"data":[]}')

    async with serving(proxy) as place:
        monkeypatch.setenv("HTTP_PROXY", place.url.removesuffix("/v1"))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        trusting = OpenAIClient(base_url="http://images.invalid/v1", api_key=None)
        assert await trusting.models() == {}
        await trusting.aclose()
        _, failed = await outcome(client_of("http://images.invalid/v1"))
    assert asked == [b"GET http://images.invalid/v1/models HTTP/1.1\r\n"]
    assert isinstance(failed, UpstreamUnavailable)


async def test_each_request_has_a_connection_of_its_own() -> None:
    """A kept one may be closed by the server at the moment when a paid request is sent over it."""
    body = b'{"data": [{"b64_json": "b25l"}]}'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole_request(reader)
        writer.write(JSON_BEGIN.replace(b"1000", b"%d" % len(body)) + body)
        await reader.read()

    async with serving(answer) as place:
        client = client_of(place.url)
        for _ in range(2):
            assert [event async for event in client.send(CALL)]
        await client.aclose()
    assert place.connections == 2


async def test_a_request_begins_with_a_piece_that_leaves_whole_or_not_at_all() -> None:
    progress = Progress()
    body = Watched(httpx2.ByteStream(b"x" * 200_000), progress)
    pieces = []
    async for piece in body:
        assert progress.begun == bool(pieces)
        pieces.append(piece)
    assert len(pieces[0]) < 1_460, "what fits into one packet of any network"
    assert sum(map(len, pieces)) == 200_000


async def test_nothing_is_opened_before_the_first_call() -> None:
    connected: list[bool] = []

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(True)

    async with serving(note) as place:
        client = client_of(place.url)
        await client.aclose()
        assert connected == []


def test_a_client_can_be_made_outside_an_event_loop() -> None:
    assert OpenAIClient(base_url="not yet looked at", api_key=None)


def test_an_untrusted_certificate_is_named_as_such() -> None:
    untrusted = ssl.SSLCertVerificationError("certificate verify failed")
    untrusted.verify_message = "self-signed certificate in certificate chain"
    error = httpx2.ConnectError("certificate verify failed")
    error.__cause__ = untrusted
    asked = Asked("https://api.openai.com", "POST /images/edits", None, paid=True)
    failed = connection_failure(error, asked, Progress(), timeout_s=600, request_id=None)
    assert isinstance(failed, UpstreamUnavailable)
    assert "self-signed certificate" in failed.sentence
    assert "SSL_CERT_FILE" in failed.fix


@pytest.mark.parametrize("kind", [ConnectionRefusedError, ConnectionResetError, BrokenPipeError, ssl.SSLError])
def test_only_a_connection_that_was_refused_or_reset_before_the_body_began_to_leave_is_tried_again(
    kind: type[OSError],
) -> None:
    error = httpx2.WriteError("gone")
    error.__cause__ = kind()
    asked = Asked("https://api.openai.com", "POST /images/edits", None, paid=True)
    ends = []
    for begun, sent in ((False, False), (True, False), (True, True)):
        progress = Progress()
        progress.begun, progress.sent = begun, sent
        ends.append(connection_failure(error, asked, progress, timeout_s=600, request_id=None))
    assert [end.welcome_again for end in ends] == [kind is not ssl.SSLError, False, False]
    assert [end.may_be_billed for end in ends] == [False, True, True]


async def test_a_provider_that_stops_reading_times_out_and_may_be_billed() -> None:
    async def stand_still(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await done.wait()

    done = asyncio.Event()
    large = Upload(bytes(32_000_000), "large.png", "image/png")
    async with serving(stand_still) as place:
        _, failed = await outcome(client_of(place.url, read_timeout_s=0.2), replace(CALL, images=(large,)))
        done.set()
    assert place.connections == 1
    assert isinstance(failed, UpstreamTimeout)
    assert "while the request was sent" in failed.sentence
    assert failed.may_be_billed
