"""Fetching: which addresses are connected to, whose certificate is asked for, and where it ends.

A TLS server on loopback plays the web. Names are resolved by the test. Where a public address is to be connected to, a
transport carries the connection to the server instead, and notes which address it was handed.
"""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from mcp_imagegen.errors import FetchBlocked, ImagegenError, InputNotFound, InputRejected
from mcp_imagegen.inputs.fetch import Resolve, fetch, is_public

NAME = "pictures.example"
OTHER = "other.example"
PUBLIC = "93.184.215.14"
PUBLIC_TOO = "1.1.1.1"
LIMIT = 1_000_000

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def whole(body: bytes, status: str = "200 OK", **headers: str) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)

    return answer


def redirect(location: str, status: int = 302, **headers: str) -> Answer:
    return whole(b"", f"{status} Elsewhere", location=location, **headers)


def endless(chunk: bytes, pause_s: float, sent: list[bytes] | None = None) -> Answer:
    """A body without an announced length that never ends."""
    sent = [] if sent is None else sent

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(chunk)
            sent.append(chunk)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


async def silent(_: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


@dataclass
class Authority:
    """A certificate authority, and a TLS context for a server of the names it is given."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    name: x509.Name = field(
        default_factory=lambda: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    )

    def _certificate(self, subject: x509.Name, key: Any, extension: x509.ExtensionType) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(extension, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def trusting(self) -> ssl.SSLContext:
        own = self._certificate(self.name, self.key, x509.BasicConstraints(ca=True, path_length=None))
        return ssl.create_default_context(cadata=own.public_bytes(serialization.Encoding.PEM).decode())

    def serving(self, *names: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        of_names = [
            x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names
        ]
        certificate = self._certificate(x509.Name([]), key, x509.SubjectAlternativeName(of_names))
        pem = self.folder / "server.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


@dataclass
class Web:
    """What the server answers by path, and what it was asked: (name in the handshake, head of the request)."""

    context: ssl.SSLContext
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str | None, str]] = field(default_factory=list)
    handed: list[str] = field(default_factory=list)
    resolved: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"https://{NAME}:{self.port}"

    def names(self, **addresses: list[list[str]]) -> Resolve:
        """Resolve names by a list of answers each, of which the last one stays."""
        left = {name.replace("_", "."): list(answers) for name, answers in addresses.items()}

        async def resolve(host: str, port: int) -> list[str]:
            self.resolved.append(host)
            answers = left[host]
            return answers.pop(0) if len(answers) > 1 else answers[0]

        return resolve

    async def get(self, path: str = "/cat.png", **options: Any) -> bytes:
        """Fetch from the server as from a trusted host, over the transport that the product uses."""
        given = {
            "max_bytes": LIMIT,
            "allowed_hosts": [NAME, OTHER],
            "ssl_context": self.context,
            "resolve": self.names(pictures_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]]),
            **options,
        }
        return await fetch(path if "://" in path else self.origin + path, **given)

    async def get_public(self, url: str = f"https://{NAME}/cat.png", **options: Any) -> bytes:
        """Fetch as from any host: public addresses are carried to the server."""
        given = {
            "max_bytes": LIMIT,
            "ssl_context": self.context,
            "resolve": self.names(pictures_example=[[PUBLIC]], other_example=[[PUBLIC_TOO]]),
            "transport": Carrier(self),
            **options,
        }
        return await fetch(url, **given)


class Carrier(httpx2.AsyncBaseTransport):
    """Notes the address that a request is to go to, and connects to the server of the test instead."""

    def __init__(self, web: Web) -> None:
        self.web = web
        self.inner = httpx2.AsyncHTTPTransport(verify=web.context)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.web.handed.append(f"{request.url.scheme}://{request.url.host}:{request.url.port or 443}")
        request.url = request.url.copy_with(host="127.0.0.1", port=self.web.port)
        return await self.inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self.inner.aclose()


@asynccontextmanager
async def served(authority: Authority, *names: str) -> AsyncIterator[Web]:
    web = Web(authority.trusting())
    context = authority.serving(*names)
    shown: list[str | None] = []
    context.sni_callback = lambda _, name, __: shown.append(name)
    open_tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_tasks.add(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                web.asked.append((shown[-1] if shown else None, head))
                await web.answers[head.split()[1]](writer)
                await writer.drain()
        writer.transport.abort()
        open_tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for task in list(open_tasks):
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)
        await server.wait_closed()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def web(authority: Authority) -> AsyncIterator[Web]:
    async with served(authority, NAME, OTHER) as web:
        web.answers["/cat.png"] = whole(b"a picture")
        yield web


async def blocked(fetching: Awaitable[bytes]) -> FetchBlocked:
    with pytest.raises(FetchBlocked) as refused:
        await fetching
    assert refused.value.fix
    return refused.value


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:8.8.8.8",
        "::ffff:0:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:0:7f00:1::80ff:fffe",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:c0a8:101::1",
        "2002:808:808::1",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700:4700::1111%eth0",
        "fec0::1",
        "ff02::1",
        "",
        "no address",
        "127.1",
        "010.0.0.1",
    ],
)
def test_an_address_that_is_not_on_the_internet_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        PUBLIC,
        PUBLIC_TOO,
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700:4700::1111",
        "64:ff9b::808:808",
    ],
)
def test_an_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_counts_the_same_behind_nat64(address: ipaddress.IPv4Address) -> None:
    wrapped = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert is_public(str(wrapped)) == is_public(str(address))
    assert not is_public(f"::ffff:{address}")


async def test_the_checked_address_is_connected_to_and_the_certificate_checked_against_the_name(web: Web) -> None:
    assert await web.get_public() == b"a picture"
    assert web.handed == [f"https://{PUBLIC}:443"]
    [(shown, head)] = web.asked
    assert shown == NAME
    assert f"Host: {NAME}\r\n" in head


async def test_a_fetch_says_nothing_about_who_asks(web: Web) -> None:
    await web.get()
    head = web.asked[0][1].lower()
    assert head.startswith("get /cat.png http/1.1\r\n")
    names = {line.split(":")[0] for line in head.splitlines()[1:] if line}
    assert names <= {"host", "accept", "accept-encoding", "user-agent", "connection"}


@pytest.mark.parametrize("names", [("wrong.example",), ("127.0.0.1",), (PUBLIC,), (f"sub.{NAME}",)])
async def test_a_certificate_for_another_name_is_refused(authority: Authority, names: tuple[str, ...]) -> None:
    async with served(authority, *names) as web:
        web.answers["/cat.png"] = whole(b"a picture")
        await blocked(web.get_public())
        await blocked(web.get())
        assert web.asked == []


async def test_a_certificate_of_an_unknown_authority_is_refused(web: Web) -> None:
    await blocked(web.get(ssl_context=ssl.create_default_context()))
    assert web.asked == []


async def test_without_a_context_of_its_own_a_fetch_trusts_only_the_systems_authorities(web: Web) -> None:
    await blocked(web.get(ssl_context=None))
    assert web.asked == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.0.0.1"], ["169.254.169.254"], ["::1"], [PUBLIC, "10.0.0.1"], ["fe80::1", PUBLIC], []],
)
async def test_a_name_that_leads_to_any_private_address_is_refused(web: Web, addresses: list[str]) -> None:
    await blocked(web.get_public(resolve=web.names(pictures_example=[addresses])))
    assert (web.handed, web.asked) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://localhost/",
        "https://127.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://0/",
    ],
)
async def test_the_systems_own_resolver_does_not_get_around_the_check(web: Web, url: str) -> None:
    await blocked(fetch(url, max_bytes=LIMIT, ssl_context=web.context, transport=Carrier(web)))
    assert web.handed == []


async def test_a_name_that_changes_its_mind_is_asked_once_and_connected_to_as_checked(web: Web) -> None:
    rebinding = web.names(pictures_example=[[PUBLIC], ["127.0.0.1"]])
    assert await web.get_public(resolve=rebinding) == b"a picture"
    assert web.resolved == [NAME]
    assert web.handed == [f"https://{PUBLIC}:443"]


async def test_a_name_is_resolved_and_checked_again_after_a_redirect(web: Web) -> None:
    web.answers["/cat.png"] = redirect("/again.png")
    web.answers["/again.png"] = whole(b"a secret")
    rebinding = web.names(pictures_example=[[PUBLIC], ["127.0.0.1"]])
    await blocked(web.get_public(resolve=rebinding))
    assert web.resolved == [NAME, NAME]
    assert len(web.handed) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [f"https://{OTHER}/b.png", f"//{OTHER}/b.png"])
async def test_a_redirect_is_followed_to_another_public_name(web: Web, status: int, location: str) -> None:
    web.answers["/cat.png"] = redirect(location, status, set_cookie="tracked=1; Path=/")
    web.answers["/b.png"] = whole(b"the other")
    assert await web.get_public() == b"the other"
    assert web.handed == [f"https://{PUBLIC}:443", f"https://{PUBLIC_TOO}:443"]
    assert [shown for shown, _ in web.asked] == [NAME, OTHER]
    assert "cookie" not in web.asked[1][1].lower()


async def test_cookies_of_one_host_do_not_reach_another_at_the_same_address(web: Web) -> None:
    web.answers["/cat.png"] = redirect(f"https://{OTHER}:{web.port}/b.png", set_cookie="tracked=1; Path=/")
    web.answers["/b.png"] = whole(b"the other")
    assert await web.get() == b"the other"
    assert "cookie" not in web.asked[1][1].lower()


@pytest.mark.parametrize(
    "location",
    [
        f"http://{NAME}/cat.png",
        "https://inside.example/",
        "https://127.0.0.1/",
        f"https://{NAME}:8443/",
        f"https://user:password@{NAME}/",
        "ftp://pictures.example/",
        "file:///etc/passwd",
        "https://[",
        "data:image/png;base64,AAAA",
    ],
)
async def test_a_redirect_to_what_may_not_be_fetched_is_refused(web: Web, location: str) -> None:
    web.answers["/cat.png"] = redirect(location)
    names = {NAME: [PUBLIC], "inside.example": ["10.0.0.1"], "127.0.0.1": ["127.0.0.1"]}

    async def resolve(host: str, port: int) -> list[str]:
        return names.get(host, [])

    await blocked(web.get_public(resolve=resolve))
    assert web.handed == [f"https://{PUBLIC}:443"]


async def test_the_certificate_is_checked_against_each_name_even_at_the_same_address(authority: Authority) -> None:
    async with served(authority, NAME) as web:
        web.answers["/cat.png"] = redirect(f"https://{OTHER}:{web.port}/b.png")
        web.answers["/b.png"] = whole(b"in another's name")
        await blocked(web.get())
        assert len(web.asked) == 1


async def test_three_redirects_are_followed_and_no_fourth(web: Web) -> None:
    for step in range(4):
        web.answers[f"/{step}"] = redirect(f"/{step + 1}")
    web.answers["/4"] = whole(b"a picture")
    assert await web.get("/1") == b"a picture"
    assert "more than 3 times" in str(await blocked(web.get("/0")))
    assert len(web.asked) == 8


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/cat.png",
        "ftp://pictures.example/cat.png",
        "https://pictures.example:80/",
        "https://pictures.example:8443/",
        "https://pictures.example:22/",
        "https://user@pictures.example/",
        "https://user:password@pictures.example/",
        "https://:@pictures.example/",
        "https:///cat.png",
        "https://",
        "https://pictures.example:99999/",
        "pictures.example/cat.png",
    ],
)
async def test_only_https_on_its_own_port_without_credentials_is_fetched(web: Web, url: str) -> None:
    error = await blocked(web.get_public(url))
    assert "password" not in str(error).replace("user name or password", "")
    assert (web.handed, web.resolved) == ([], [])


async def test_a_host_that_was_allowed_may_be_private_and_have_a_port_of_its_own(web: Web) -> None:
    assert await web.get(allowed_hosts=[NAME.upper()]) == b"a picture"
    await blocked(web.get(allowed_hosts=[OTHER]))
    await blocked(web.get(allowed_hosts=[]))
    assert len(web.asked) == 1


@pytest.mark.parametrize("url", ["http://{}:{}/cat.png", "https://user:password@{}:{}/cat.png"])
async def test_a_host_that_was_allowed_is_still_spoken_to_in_https_only(web: Web, url: str) -> None:
    await blocked(web.get(url.format(NAME, web.port)))


async def test_a_body_at_the_limit_is_taken_and_one_over_it_refused(web: Web) -> None:
    web.answers["/at"], web.answers["/over"] = whole(b"x" * LIMIT), whole(b"x" * (LIMIT + 1))
    assert len(await web.get("/at")) == LIMIT
    with pytest.raises(InputRejected, match="larger than 1 MB"):
        await web.get("/over")


async def test_a_body_that_announces_too_much_is_refused_before_it_is_read(web: Web) -> None:
    async def announce(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {LIMIT + 1}\r\n\r\n".encode())

    web.answers["/cat.png"] = announce
    with pytest.raises(InputRejected):
        await web.get()


async def test_an_endless_body_without_a_length_is_cut_at_the_limit(web: Web) -> None:
    web.answers["/cat.png"] = endless(b"x" * 65_536, 0)
    with pytest.raises(InputRejected):
        await web.get()


async def test_a_body_that_unpacks_to_more_than_the_limit_is_refused(web: Web) -> None:
    bomb = gzip.compress(b"\0" * 100 * LIMIT)
    assert len(bomb) < LIMIT
    web.answers["/cat.png"] = whole(bomb, content_encoding="gzip")
    with pytest.raises(InputRejected):
        await web.get()


async def test_a_body_that_trickles_ends_with_the_time_limit(web: Web) -> None:
    sent: list[bytes] = []
    web.answers["/cat.png"] = endless(b"x", 0.01, sent)
    assert "within 0.3 s" in str(await blocked(web.get(timeout_s=0.3)))
    assert 0 < len(sent) <= 100  # one in each hundredth of a second, or fewer


async def test_a_server_that_says_nothing_ends_with_the_time_limit(web: Web) -> None:
    web.answers["/cat.png"] = silent
    await blocked(web.get(timeout_s=0.3))


async def test_a_name_that_is_never_resolved_ends_with_the_time_limit(web: Web) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    await blocked(web.get_public(resolve=resolve, timeout_s=0.1))


@pytest.mark.parametrize(("status", "error"), [(404, InputNotFound), (410, InputNotFound)])
async def test_a_missing_page_is_not_found(web: Web, status: int, error: type[ImagegenError]) -> None:
    web.answers["/cat.png"] = whole(b"gone", f"{status} Gone")
    with pytest.raises(error):
        await web.get()


@pytest.mark.parametrize("status", [204, 206, 304, 401, 403, 429, 500, 503])
async def test_any_other_answer_is_refused_with_its_status(web: Web, status: int) -> None:
    web.answers["/cat.png"] = whole(b"", f"{status} X")
    refused = await blocked(web.get())
    assert str(status) in str(refused)
    assert refused.welcome_again == (status in (429, 500, 503))


async def test_a_redirect_without_a_target_is_refused(web: Web) -> None:
    web.answers["/cat.png"] = whole(b"", "302 Found")
    assert "302" in str(await blocked(web.get()))


async def test_a_body_that_ends_early_is_refused(web: Web) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

    web.answers["/cat.png"] = cut
    assert (await blocked(web.get())).welcome_again


async def test_what_is_no_http_is_refused(web: Web) -> None:
    async def garbage(writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    web.answers["/cat.png"] = garbage
    await blocked(web.get())


async def test_proxies_of_the_environment_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert await web.get() == b"a picture"


hosts = st.one_of(st.text(max_size=80), st.from_regex(r"[a-z0-9.%:@\[\]_\-]{1,80}", fullmatch=True))


@given(hosts, st.text(max_size=40))
@example("a..b", "")
@example("x" * 70 + ".example", "")
@example("bücher.example", "/é?ü#ö")
@example("[fe80::1%25eth0]", "")
@example("exa%6dple.com", "")
@example("xn--", "")
def test_any_url_is_refused_in_words_of_ours_where_names_lead_nowhere(host: str, rest: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        host.encode("ascii")
        return []

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with pytest.raises(FetchBlocked) as refused:
        asyncio.run(fetch(f"https://{host}{rest}", max_bytes=1, ssl_context=context, resolve=resolve))
    assert len(str(refused.value)) < 200
