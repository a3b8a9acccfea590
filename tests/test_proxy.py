"""Company networks: a proxy process between the server, a real process or one in memory, and a TLS listener with a
private authority."""

import asyncio
import base64
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest
from authority import HOST, Authority, made_in
from doors import call, clean_environment, client_of, refusal
from mcp import Client
from pictures import png

SCRIPT = Path(__file__).with_name("connect_proxy.py")
KEY = "sk-proxy-0123456789abcdef"
ANSWER = {"created": 1, "data": [{"b64_json": base64.b64encode(png((64, 48))).decode()}]}
GENERATE = {"prompt": "a kite", "size": "1024x1024", "quality": "low"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return made_in(tmp_path_factory.mktemp("authority"))


@dataclass
class Listener:
    """An images API over TLS that answers every request with the same picture, and a list where it is asked for."""

    port: int = 0
    seen: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [line[15:] for line in head.lower().splitlines() if line.startswith("content-length:")]
                await reader.readexactly(int(lengths[0]) if lengths else 0)
                self.seen.append(head.splitlines()[0])
                body = json.dumps({"data": []} if head.startswith("GET") else ANSWER).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
                writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()

    @property
    def paid(self) -> int:
        return sum(line.startswith("POST /v1/images/generations ") for line in self.seen)


@dataclass
class Proxy:
    """A proxy process, its address, and, once it has ended, the lines of each request that it got."""

    process: asyncio.subprocess.Process
    url: str
    requests: list[list[str]] | None = None

    async def asked(self) -> list[str]:
        """What it was asked for. Ends the process: only then is it sure that no line is on its way."""
        return [lines[0] for lines in await self.ended()]

    async def credentials(self) -> set[str]:
        return {line for lines in await self.ended() for line in lines if line.lower().startswith("proxy-auth")}

    async def ended(self) -> list[list[str]]:
        if self.requests is None:
            self.process.terminate()
            said, _ = await self.process.communicate()
            self.requests = [json.loads(line) for line in said.splitlines()]
        return self.requests


@asynccontextmanager
async def proxy_before(target: int, *status: str) -> AsyncIterator[Proxy]:
    """A real process between a server and port `target`, which answers `status` instead if there is one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(SCRIPT), str(target), *status, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    proxy = Proxy(process, f"http://127.0.0.1:{port}")
    try:
        yield proxy
    finally:
        await proxy.ended()


@asynccontextmanager
async def served(handler: Listener, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The handler on a loopback port; connections that are left are ended and waited for."""
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        task.add_done_callback(running.discard)
        with suppress(asyncio.CancelledError):
            await handler(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in (waiting := list(running)):
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await server.wait_closed()


@dataclass
class Company:
    """The network: what listens, what lies between, and the environment of a server inside it."""

    listener: Listener
    proxy: Proxy
    environment: dict[str, str]

    def with_(self, **more: str) -> dict[str, str]:
        return {**self.environment, **more}

    def without(self, *names: str) -> dict[str, str]:
        return {name: value for name, value in self.environment.items() if name not in names}


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server process inherits the environment of the tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
async def company(authority: Authority, tmp_path: Path) -> AsyncIterator[Company]:
    listener = Listener()
    async with served(listener, authority.context()) as port:
        listener.port = port
        async with proxy_before(port) as proxy:
            yield Company(
                listener,
                proxy,
                {
                    "OPENAI_API_KEY": KEY,
                    "OPENAI_BASE_URL": f"https://{HOST}:{port}/v1",
                    "MCP_IMAGEGEN_PROVIDER": "compatible",
                    "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
                    "HTTPS_PROXY": proxy.url,
                    "SSL_CERT_FILE": str(authority.trusted),
                },
            )


@asynccontextmanager
async def within(environment: dict[str, str]) -> AsyncIterator[Client]:
    """A client of a server in memory that has this environment, also where libraries read it by themselves."""
    with mock.patch.dict(os.environ, clean_environment(environment), clear=True):
        async with client_of(environment) as client:
            yield client


async def test_images_are_made_through_a_proxy_that_opens_a_private_tunnel(company: Company) -> None:
    async with client_of(company.environment, "stdio") as client:
        result = await call(client, "generate_image", **GENERATE)
    assert result["status"] == "completed"
    assert Path(result["images"][0]["path"]).read_bytes() == png((64, 48))
    assert company.listener.paid == 1
    assert set(await company.proxy.asked()) == {f"CONNECT {HOST}:{company.listener.port} HTTP/1.1"}


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
async def test_a_proxy_has_other_names_too(company: Company, name: str) -> None:
    environment = {**company.without("HTTPS_PROXY"), name: company.proxy.url}
    async with within(environment) as client:
        await call(client, "generate_image", **GENERATE)
    assert company.listener.paid == 1
    assert await company.proxy.asked()


async def test_a_proxy_is_told_the_name_and_password_of_its_address_and_nobody_else_is(company: Company) -> None:
    told = company.proxy.url.replace("http://", "http://ada:pass-word@")
    async with within(company.with_(HTTPS_PROXY=told)) as client:
        result = await client.call_tool("generate_image", GENERATE)
    basic = base64.b64encode(b"ada:pass-word").decode()
    assert await company.proxy.credentials() == {f"Proxy-Authorization: Basic {basic}"}
    assert "pass-word" not in result.model_dump_json()
    assert company.listener.paid == 1


@pytest.mark.parametrize("exempt", ["localhost", "*"])
async def test_no_proxy_goes_straight_to_the_address(company: Company, exempt: str) -> None:
    address = f"https://localhost:{company.listener.port}/v1"
    environment = company.with_(OPENAI_BASE_URL=address, NO_PROXY=f"other.example,{exempt}")
    async with within(environment) as client:
        result = await call(client, "generate_image", **GENERATE)
    assert result["status"] == "completed"
    assert (company.listener.paid, await company.proxy.asked()) == (1, [])


async def test_no_proxy_for_other_hosts_changes_nothing(company: Company) -> None:
    async with within(company.with_(NO_PROXY="localhost,other.test")) as client:
        await call(client, "generate_image", **GENERATE)
    assert await company.proxy.asked()


@pytest.mark.parametrize("way", ["through the proxy", "straight"])
async def test_an_authority_that_is_not_trusted_is_refused_and_ssl_cert_file_named(company: Company, way: str) -> None:
    environment = company.without("SSL_CERT_FILE")
    if way == "straight":
        address = f"https://localhost:{company.listener.port}/v1"
        environment = {**environment, "OPENAI_BASE_URL": address, "NO_PROXY": "localhost"}
    door = client_of(environment, "stdio") if way == "straight" else within(environment)
    async with door as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    assert refused.startswith("upstream_unavailable: no secure connection")
    assert "unable to get local issuer certificate" in refused
    assert "SSL_CERT_FILE" in refused.splitlines()[1]
    assert "billed" not in refused
    assert company.listener.seen == []


async def test_a_certificate_for_another_name_is_refused(company: Company) -> None:
    address = f"https://127.0.0.2:{company.listener.port}/v1"
    async with within(company.with_(OPENAI_BASE_URL=address)) as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    assert refused.startswith("upstream_unavailable: no secure connection to https://127.0.0.2")
    assert company.listener.seen == []


@pytest.mark.parametrize("missing", ["no-such-file.pem", "empty.pem"])
async def test_an_ssl_cert_file_that_cannot_be_read_is_named(company: Company, tmp_path: Path, missing: str) -> None:
    (tmp_path / "empty.pem").touch()
    async with within(company.with_(SSL_CERT_FILE=str(tmp_path / missing))) as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    assert refused.startswith("upstream_unavailable: the certificates that SSL_CERT_FILE or SSL_CERT_DIR name")
    assert company.listener.seen == []


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
async def test_a_proxy_that_refuses_is_told_of(company: Company, status: str) -> None:
    async with (
        proxy_before(company.listener.port, status) as proxy,
        within(company.with_(HTTPS_PROXY=proxy.url)) as client,
    ):
        refused = await refusal(client, "generate_image", **GENERATE)
    assert refused.startswith(f"upstream_unavailable: the proxy on the way to https://{HOST}")
    assert f"(HTTP {status[:3]})" in refused.splitlines()[0]
    assert "HTTPS_PROXY" in refused.splitlines()[1]
    assert ("user name and password" in refused) is status.startswith("407")
    assert "billed" not in refused
    assert company.listener.seen == []


async def test_a_proxy_that_does_not_run_is_named_with_the_variable_it_comes_from(company: Company) -> None:
    """Not the provider, which was not even asked for; and not the password in the proxy's address."""
    await company.proxy.ended()
    told = company.proxy.url.replace("http://", "http://ada:pass-word@")
    async with client_of(company.with_(HTTPS_PROXY=told), "stdio") as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    address = company.proxy.url.removeprefix("http://")
    first, fix, *_ = refused.splitlines()
    assert first == (
        f"upstream_unavailable: the proxy {address} on the way to https://{HOST}:{company.listener.port} "
        "refuses the connection"
    )
    assert fix.startswith("To fix: HTTPS_PROXY, ALL_PROXY or the system's settings name the proxy")
    assert "pass-word" not in refused
    assert company.listener.seen == []


NO_PROXY_URL = "the address of a proxy is no URL that can be used"
NO_SUCH_PROXY = {
    "proxy.invalid:3128": f"the name of the proxy proxy.invalid:3128 on the way to https://{HOST}",
    "proxy..invalid:3128": f"the name of the proxy proxy..invalid:3128 on the way to https://{HOST}",
    "proxy.invalid:port": NO_PROXY_URL,
    "127.0.0.1:99999": NO_PROXY_URL,
    "[::": NO_PROXY_URL,
}


@pytest.mark.parametrize("address", NO_SUCH_PROXY)
async def test_a_proxy_whose_address_leads_nowhere_is_told_of_with_its_variable(company: Company, address: str) -> None:
    told = f"http://ada:pass-word@{address}"
    async with within(company.with_(HTTPS_PROXY=told)) as client:
        refused = await refusal(client, "generate_image", **GENERATE)
        [thread] = (await call(client, "get_image_thread"))["threads"]
    first, fix, *further = refused.splitlines()
    assert first.startswith(f"upstream_unavailable: {NO_SUCH_PROXY[address]}")
    assert "HTTPS_PROXY" in fix
    assert further == [], "nothing was sent, so nothing is billed"
    assert not thread.get("cost_usd")
    assert "pass-word" not in refused
    assert (company.listener.seen, await company.proxy.asked()) == ([], [])


async def test_a_socks_proxy_is_refused_by_its_name(company: Company) -> None:
    async with client_of(company.with_(ALL_PROXY="socks5://127.0.0.1:9"), "stdio") as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    first, fix, *further = refused.splitlines()
    assert first == "upstream_unavailable: a SOCKS proxy is set, and only HTTP proxies can be used"
    assert "ALL_PROXY" in fix
    assert further == []
    assert company.listener.seen == []


async def test_a_provider_that_does_not_run_is_named_where_there_is_no_proxy(company: Company) -> None:
    address = company.proxy.url.replace("http://127.0.0.1", "https://localhost")
    await company.proxy.ended()  # nobody listens there any more
    environment = company.with_(OPENAI_BASE_URL=f"{address}/v1", NO_PROXY="localhost")
    async with within(environment) as client:
        refused = await refusal(client, "generate_image", **GENERATE)
    assert refused.splitlines()[0] == f"upstream_unavailable: {address} refuses the connection"
    assert "OPENAI_BASE_URL" in refused.splitlines()[1]
