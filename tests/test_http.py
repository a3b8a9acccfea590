"""Over Streamable HTTP: loopback only, Host and Origin checked, large bodies taken up to the limit."""

import asyncio
import base64
import json
import signal
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
from doors import call, clean_environment, client_of, http_server, refusal
from pictures import encoded
from PIL import Image

from mcp_imagegen.errors import InvalidArgument
from mcp_imagegen.settings import from_environment
from mcp_imagegen.transports.http import serve

LISTING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HEADERS = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def endpoint(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A process, for all that only looks at what it says to a request."""
    async with http_server({"MCP_IMAGEGEN_HOME": str(tmp_path_factory.mktemp("state"))}) as url:
        yield url


async def post(url: str, headers: dict[str, str], content: bytes | None = None) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as http:
        if content is None:
            return await http.post(url, json=LISTING, headers={**HEADERS, **headers})
        return await http.post(url, content=content, headers={**HEADERS, "Content-Type": "application/json", **headers})


async def test_a_loopback_host_and_origin_are_served(endpoint: str) -> None:
    for headers in ({}, {"Origin": "http://localhost:3000"}, {"Host": "localhost:8000"}, {"Host": "localhost"}):
        assert (await post(endpoint, headers)).status_code == 200


NO_LOOPBACK_HOSTS = (
    "rebound.example",
    "localhost.evil.example:80",
    "localhost:8941@evil.example",
    "localhost:evil.example",
    "localhost:",
    "127.0.0.1:80:80",
    "[::1]:1.evil.example",
    "localhost:123456",
)
NO_LOOPBACK_ORIGINS = ("https://page.example", "http://localhost:80@evil.example", "http://[::1]:evil", "null")


async def test_another_host_name_or_origin_is_refused_whatever_it_begins_with(endpoint: str) -> None:
    hosts = {host: (await post(endpoint, {"Host": host})).status_code for host in NO_LOOPBACK_HOSTS}
    origins = {origin: (await post(endpoint, {"Origin": origin})).status_code for origin in NO_LOOPBACK_ORIGINS}
    assert hosts == dict.fromkeys(NO_LOOPBACK_HOSTS, 421)
    assert origins == dict.fromkeys(NO_LOOPBACK_ORIGINS, 403)


async def test_a_body_over_64_mib_is_refused(endpoint: str) -> None:
    assert (await post(endpoint, {}, b" " * (64 * 2**20 + 1))).status_code == 413


@pytest.mark.parametrize("amount", ["1e999", "-1e999", "NaN", "Infinity"])
async def test_a_limit_that_is_no_number_is_refused(endpoint: str, amount: str) -> None:
    """As it comes on the wire: clients that are written well turn these into null, or into an error of their own."""
    call = {"name": "estimate_cost", "arguments": {"max_cost_usd": "AMOUNT"}}
    sent = json.dumps({**LISTING, "method": "tools/call", "params": call}).replace('"AMOUNT"', amount)
    answer = await post(endpoint, {}, sent.encode())
    assert "must be a number of USD, 0.000000001 or more" in answer.text


async def test_a_picture_of_many_megabytes_travels_as_a_data_url(environment: dict[str, str]) -> None:
    noise = Image.effect_noise((2000, 2000), 90).convert("RGB")
    picture = encoded(noise, compress_level=0)
    assert len(picture) > 10_000_000
    url = "data:image/png;base64," + base64.b64encode(picture).decode()
    async with client_of(environment, "http") as client:
        edited = await call(client, "edit_image", prompt="smoother", images=[url], size="1024x640", quality="low")
    assert edited["status"] == "completed"


async def test_paths_mean_nothing_over_http(environment: dict[str, str]) -> None:
    async with client_of(environment, "http") as client:
        text = await refusal(client, "edit_image", prompt="a hat", images=["/etc/passwd"])
        save = await refusal(client, "generate_image", prompt="a hat", save_to="cat.png")
    assert text.startswith("path_not_allowed: ")
    assert save.startswith("path_not_allowed: ")


async def test_anything_but_loopback_is_refused(environment: dict[str, str]) -> None:
    for host in ("::", "192.0.2.1", "imagegen.example"):
        with pytest.raises(InvalidArgument, match="no authentication"):
            serve(from_environment(environment), host=host, port=0)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", "serve", "--http", "--host", "0.0.0.0",
        env=clean_environment(environment), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, error = await process.communicate()
    assert process.returncode == 1
    assert b"no authentication" in error


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_server_cleanly(environment: dict[str, str], ending: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcp_imagegen", "serve", "--http", "--port", "0",
        env=clean_environment(environment), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert b"listens on" in await process.stderr.readline()
    process.send_signal(ending)
    await process.communicate()
    assert process.returncode == 0
