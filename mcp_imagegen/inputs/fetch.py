"""Fetching inputs from the web without being used against the network the server stands in.

Names are resolved here, every address is checked, and the connection goes to the address that was checked, so that a
name cannot mean something else a moment later. The certificate is still checked against the name. Redirects start over.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import httpx2

from ..errors import FetchBlocked, InputNotFound, InputRejected

REDIRECTS = 3
TIMEOUT_S = 20.0  # seconds for everything together
_REDIRECTING = (301, 302, 303, 307, 308)
_MISSING = (404, 410)
_PASSING = (408, 429, 500, 502, 503, 504)  # what may be otherwise a moment later
_FIX = "download the picture and give its path, or use another URL"

_HOST_SHOWN = 100  # characters of a host in an error
# Nothing that is told who asks, or that packs the picture once more.
_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "mcp-imagegen"}
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")  # RFC 4291: all IPv6 addresses of the internet begin so
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# IANA's special purpose registries, where `is_global` of some versions of Python says otherwise, and Azure's own host.
_SPECIAL = [
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",  # Teredo among others
        "2002::/16",  # 6to4
        "3fff::/20",
    )
]

Resolve = Callable[[str, int], Awaitable[list[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a name, by the system."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def fetch(
    url: str,
    *,
    max_bytes: int,
    allowed_hosts: Collection[str] = (),
    plain_hosts: Collection[str] = (),
    timeout_s: float = TIMEOUT_S,
    ssl_context: ssl.SSLContext | None = None,
    resolve: Resolve = resolve,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> bytes:
    """The body behind a URL, https but for what follows.

    `allowed_hosts` may have private addresses and ports of their own. From `plain_hosts` http is fetched too, at any
    port, while their addresses are private and nothing but them has led there. A `transport` is handed requests to
    addresses that were checked, and closed. Raises FetchBlocked for what may not be fetched, is too slow or
    unreachable, which is `welcome_again` where that may pass, InputNotFound for a missing page, InputRejected for a
    body over `max_bytes`.
    """
    try:
        async with asyncio.timeout(timeout_s):
            context = ssl_context if ssl_context is not None else await asyncio.to_thread(httpx2.create_ssl_context)
            # trust_env off: a proxy would resolve the name again, and connect to whatever it finds. No connection is
            # kept: another name may have the same address, but its certificate is its own.
            async with httpx2.AsyncClient(
                verify=context,
                trust_env=False,
                timeout=None,
                limits=httpx2.Limits(max_keepalive_connections=0),
                transport=transport,
            ) as http:
                return await _followed(http, url, max_bytes, _Hosts(allowed_hosts, plain_hosts), resolve)
    except TimeoutError:
        raise _passing(f"the URL did not answer in full within {timeout_s:g} s") from None
    except (httpx2.HTTPError, OSError) as error:
        raise _passing(f"the URL could not be fetched ({type(error).__name__})") from None
    except httpx2.InvalidURL:
        raise FetchBlocked("the URL, or what it redirects to, is no URL", _FIX) from None


def plain_hosts(base_url: str, named: Collection[str]) -> frozenset[str]:
    """The hosts that pictures behind a provider's links may be fetched from over http: its own, and those that the user
    has `named`, where the provider itself is spoken to over http."""
    try:
        base = httpx2.URL(base_url.strip())
    except httpx2.InvalidURL:
        return frozenset()
    return frozenset({base.host, *named}) if base.scheme == "http" else frozenset()


@dataclass(frozen=True)
class _Hosts:
    """Those that more is allowed of than of any other."""

    allowed: Collection[str]
    plain: Collection[str]


async def _followed(http: httpx2.AsyncClient, url: str, max_bytes: int, hosts: _Hosts, resolve: Resolve) -> bytes:
    for _ in range(REDIRECTS + 1):
        request = await _checked_request(url, hosts, resolve)
        if request.url.scheme != "http":
            hosts = _Hosts(hosts.allowed, ())
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            if response.status_code in _REDIRECTING and "location" in response.headers:
                url = str(httpx2.URL(url).join(response.headers["location"]))
                continue
            _check_status(response.status_code)
            return await _body(response, max_bytes)
        finally:
            await response.aclose()
    raise FetchBlocked(f"the URL redirects more than {REDIRECTS} times", _FIX)


async def _checked_request(url: str, hosts: _Hosts, resolve: Resolve) -> httpx2.Request:
    """A request to an address that may be connected to, in the name of the URL's host. It carries no cookies: the
    client would send one host's to every other at the same address."""
    target = httpx2.URL(url)
    host = target.raw_host.decode("ascii").rstrip(".").lower()
    plain = target.scheme == "http" and _among(target, host, hosts.plain)
    if target.scheme != "https" and not plain:
        raise FetchBlocked("the URL, or what it redirects to, is not https", _FIX)
    if not host or target.userinfo:
        raise FetchBlocked("the URL has no host, or holds a user name or password", _FIX)
    trusted = plain or _among(target, host, hosts.allowed)
    port = target.port or (80 if plain else 443)
    if port != 443 and not trusted:
        raise FetchBlocked(f"the URL names port {port}; only 443 is fetched from", _FIX)
    address = await _checked_address(host, port, resolve, trusted=trusted)
    if plain and is_public(address):
        raise FetchBlocked(f"the host {host[:_HOST_SHOWN]} is on the internet, where only https is fetched", _FIX)
    return httpx2.Request(
        "GET",
        target.copy_with(host=address),
        headers={"Host": target.netloc.decode("ascii"), **_HEADERS},
        extensions={"sni_hostname": host},
    )


def _among(target: httpx2.URL, host: str, names: Collection[str]) -> bool:
    return not {host, target.host}.isdisjoint(name.lower() for name in names)


async def _checked_address(host: str, port: int, resolve: Resolve, *, trusted: bool) -> str:
    shown = host[:_HOST_SHOWN]
    try:
        found = await resolve(host, port)
    except (OSError, UnicodeError):
        raise FetchBlocked(f"the host {shown} is not known", _FIX) from None
    if not found:
        raise FetchBlocked(f"the host {shown} has no address", _FIX)
    if not trusted and not all(is_public(address) for address in found):
        raise FetchBlocked(
            f"the host {shown} leads to a private address",
            "download the picture and give its path, or name the host in MCP_IMAGEGEN_FETCH_HOSTS",
        )
    return found[0]


def is_public(address: str) -> bool:
    """Whether an address lies on the public internet. IPv6 addresses that wrap an IPv4 one do not (mapped, 6to4,
    Teredo), except NAT64's, which is all that some networks have: those are what they wrap."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _GLOBAL_UNICAST or ip.scope_id is not None:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved and not any(ip in one for one in _SPECIAL)


def _check_status(status: int) -> None:
    if status in _MISSING:
        raise InputNotFound(f"the URL answers {status}: there is nothing there", "check the URL")
    if status in _PASSING:
        raise _passing(f"the URL answers {status}")
    if status != 200:
        raise FetchBlocked(f"the URL answers {status}", _FIX)


def _passing(sentence: str) -> FetchBlocked:
    error = FetchBlocked(sentence, _FIX)
    error.welcome_again = True
    return error


async def _body(response: httpx2.Response, max_bytes: int) -> bytes:
    too_large = InputRejected(f"the picture behind the URL is larger than {max_bytes // 1_000_000} MB", _FIX)
    declared = response.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)
