"""A connection that is lost while a large request is sent, on real sockets: what is asked again, and what may cost."""

import asyncio
import base64
import io
import json
import os
import socket
from pathlib import Path

import pytest
from doors import client_of, refusal
from PIL import Image
from pydantic import SecretStr
from state_file import rows
from test_openai_client_connection import Handler, serving

from mcp_imagegen.errors import UpstreamTimeout
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Upload

KEY = "sk-test-0123456789"
SOME = 30_000  # bytes of the body that are read before something happens


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A PNG of three million bytes, more than the buffers between two sockets hold."""
    data = io.BytesIO()
    Image.frombytes("RGB", (1000, 1000), os.urandom(3_000_000)).save(data, "PNG", compress_level=0)
    return data.getvalue()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side learns of it as an error."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def reset_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def reset_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(SOME)
    reset(writer)


async def close_in_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    await reader.read(SOME)


def refusing(status: str, message: str, *, read: int, then_reset: bool) -> Handler:
    """Answers before it has the body, of which it reads no more, and closes."""
    body = json.dumps({"error": {"message": message}}).encode()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read(read)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        if then_reset:
            reset(writer)

    return refuse


UNAUTHORIZED = ("401 Unauthorized", "Incorrect API key provided: sk-x.")
# what the provider does, how the call ends, and what became of each request in the ledger
CASES: dict[str, tuple[Handler, str, list[str]]] = {
    "reset before the body": (reset_at_once, "upstream_unavailable", ["released"] * 3),
    "reset in the body": (reset_in_the_body, "upstream_timeout", ["settled"]),
    "closed in the body": (close_in_the_body, "upstream_timeout", ["settled"]),
    "refused before the body": (
        refusing(*UNAUTHORIZED, read=0, then_reset=False), "authentication_failed", ["released"],
    ),
    "refused in the body": (
        refusing(*UNAUTHORIZED, read=SOME, then_reset=False), "authentication_failed", ["released"],
    ),
    "refused and reset": (
        refusing("413 Too Large", "too large", read=SOME, then_reset=True), "upstream_invalid", ["released"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("api", ["image", "responses"])
@pytest.mark.parametrize("case", CASES)
async def test_requests_for_a_connection_that_is_lost_while_sending(
    tmp_path: Path, noise: bytes, case: str, api: str
) -> None:
    handler, end, entries = CASES[case]
    async with serving(handler) as place:
        environment = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": place.url,
            "MCP_IMAGEGEN_PROVIDER": "openai",
            "MCP_IMAGEGEN_API": api,
            "MCP_IMAGEGEN_HOME": str(tmp_path),
        }
        async with client_of(environment) as client:
            image = f"data:image/png;base64,{base64.b64encode(noise).decode()}"
            text = await refusal(client, "edit_image", prompt="calmer", images=[image])
    assert text.startswith(f"{end}: ")
    assert ("This call may have been billed." in text) == (entries == ["settled"])
    assert [entry["status"] for entry in rows(tmp_path, "SELECT status FROM ledger_entries")] == entries


async def test_an_upload_that_is_reset_is_sent_again_since_it_costs_nothing(noise: bytes) -> None:
    async with serving(reset_in_the_body) as place:
        client = OpenAIClient(base_url=place.url, api_key=SecretStr(KEY), trust_env=False)
        with pytest.raises(UpstreamTimeout) as failed:
            await client.upload(Upload(noise, "noise.png", "image/png"))
        await client.aclose()
    assert place.connections == 3
    assert not failed.value.may_be_billed
    assert "before the request was sent" in failed.value.sentence
