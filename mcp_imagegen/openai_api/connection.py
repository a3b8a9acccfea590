"""A connection that failed as one of the errors that callers know."""

import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpcore2
import httpx2

from ..errors import ImagegenError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from .asked import Asked

# A reset shows as a broken pipe where the next piece of the request meets it first.
_GONE = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError)
_FIRST = 1024  # bytes
_REFUSED = re.compile(rb"HTTP/1\.[01] [45]")


class Progress:
    """Learns from the transport how far a request has got: before the first byte of its body has left, nothing can be
    billed.

    `begun`: some of the body has left. `sent`: all of it. `towards` is the host and port that a connection was opened
    to, the provider's or a proxy's.
    """

    def __init__(self) -> None:
        self.begun = False
        self.sent = False
        self.towards: tuple[str, int] | None = None
        self._for_the_proxy = False
        self._connection: httpcore2.AsyncNetworkStream | None = None
        self._secret = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """The `trace` extension of a request. The CONNECT that asks a proxy for a tunnel is traced too."""
        if event.endswith("connect_tcp.started"):
            self.towards = (info["host"], info["port"])
        if event.endswith("connect_tcp.complete"):
            self._connection = info["return_value"]
        if event.endswith("start_tls.started"):
            self._secret = True
        if event.endswith("send_request_headers.started"):
            self._for_the_proxy = info["request"].method == b"CONNECT"
        if event.endswith(("send_request_body.complete", "receive_response_headers.complete")):
            self.begun = self.sent = self.sent or not self._for_the_proxy

    @property
    def refused(self) -> bool:
        """Whether an error answer lies there to be read. What lies there of TLS need not be an answer, so that this is
        never known of it."""
        if self._connection is None or self._secret or not self._connection.get_extra_info("is_readable"):
            return False
        connected = self._connection.get_extra_info("socket")
        try:
            with socket.fromfd(connected.fileno(), connected.family, connected.type) as peeking:
                return _REFUSED.match(peeking.recv(16, socket.MSG_PEEK)) is not None
        except OSError:
            return False  # the connection is lost, as the next piece of the request will tell


class Watched(httpx2.AsyncByteStream):
    """A body that tells `progress` how far it is taken, and ends where the provider refuses it before it has all:
    whoever does not read the rest closes the connection, and a sender that meets this loses the answer."""

    def __init__(self, body: httpx2.AsyncByteStream, progress: Progress) -> None:
        self._body = body
        self._progress = progress

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for whole in self._body:
            # The first piece is so small that it has left, or nothing has, whatever happens to the connection.
            for piece in (whole,) if self._progress.begun else (whole[:_FIRST], whole[_FIRST:]):
                if self._progress.refused:
                    raise httpcore2.WriteError  # after which the transport reads the answer
                yield piece
                self._progress.begun = self._progress.begun or len(piece) > 0


def connection_failure(
    error: httpx2.HTTPError, asked: Asked, progress: Progress, *, timeout_s: float, request_id: str | None
) -> ImagegenError:
    """The error for a request that got no answer, or only part of one.

    A paid request that had begun to leave may be billed, and nobody sends it again by itself. `request_id` is known
    when the answer had begun.
    """
    causes = list(_causes(error))
    gone = any(_any(causes, kind) for kind in _GONE)
    if not progress.begun:
        unreached = UpstreamUnavailable(*_not_reached(error, asked, _proxy(asked, progress.towards)))
        unreached.welcome_again = gone
        return unreached
    again = "try again only if the image is still wanted: the first request may be billed too"
    fix = again if asked.paid else "try again"
    if isinstance(error, httpx2.DecodingError):
        sentence = f"the answer of {asked.origin} cannot be decompressed"
        return UpstreamInvalid(sentence, fix, request_id=request_id, may_be_billed=asked.paid)
    if isinstance(error, httpx2.TimeoutException):
        waited = "after the request was sent" if progress.sent else "while the request was sent"
        sentence = f"{asked.origin} said nothing for {timeout_s:g} s {waited}"
    else:
        early = "its answer did" if progress.sent else "the request was sent"
        sentence = f"the connection to {asked.origin} ended before {early}"
    lost = UpstreamTimeout(sentence, fix, request_id=request_id, may_be_billed=asked.paid)
    lost.welcome_again = gone and not progress.sent and not asked.paid
    return lost


def _proxy(asked: Asked, towards: tuple[str, int] | None) -> str | None:
    """Host and port of the proxy that was connected to, if it was one. Its user name and password stay out."""
    url = httpx2.URL(asked.origin)
    if towards in (None, (url.raw_host.decode("ascii"), url.port or (80 if url.scheme == "http" else 443))):
        return None
    host, port = towards
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _not_reached(error: httpx2.HTTPError, asked: Asked, proxy: str | None) -> tuple[str, str]:
    """Sentence and fix of the first reason that fits."""
    causes, to = list(_causes(error)), asked.origin
    tls = next((cause for cause in causes if isinstance(cause, ssl.SSLError)), None)
    refusal = next((cause for cause in causes if isinstance(cause, httpx2.ProxyError)), None)
    check = f"check the network, the proxy settings and {asked.address_name}, then try again"
    there = to
    if proxy is not None:
        check, there = _proxy_fix(asked, None), f"the proxy {proxy} on the way to {to}"
    trust = f"name the certificate authority of a company proxy in SSL_CERT_FILE, or correct {asked.address_name}"
    reasons = (
        (_any(causes, socket.gaierror), f"the name of {there} cannot be resolved", check),
        (tls is not None, f"no secure connection to {to}: {_tls_reason(tls)}", trust),
        (refusal is not None, f"the proxy on the way to {to} refuses{_status(refusal)}", _proxy_fix(asked, refusal)),
        (_any(causes, httpx2.TimeoutException), f"{there} could not be reached in time", check),
        (_any(causes, ConnectionRefusedError), f"{there} refuses the connection", check),
        (True, f"the connection to {there} failed before the request was sent", check),
    )
    return next((sentence, fix) for applies, sentence, fix in reasons if applies)


def _any(causes: list[BaseException], kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in causes)


def _tls_reason(error: ssl.SSLError | None) -> str:
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or "TLS error").lower()


def _status(refusal: httpx2.ProxyError | None) -> str:
    """The status alone: the rest is what a proxy wrote."""
    status = str(refusal)[:3]
    return f" (HTTP {status})" if status.isdecimal() else ""


def _proxy_fix(asked: Asked, refusal: httpx2.ProxyError | None) -> str:
    variable = "HTTP_PROXY" if asked.origin.startswith("http:") else "HTTPS_PROXY"
    if str(refusal).startswith("407"):
        return f"put the proxy's user name and password into {variable}, as http://user:password@host:port"
    names = f"{variable}, ALL_PROXY or the system's settings name the proxy"
    return f"{names}: correct it, or name the host in NO_PROXY where it can be reached without"


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    following = error.exceptions if isinstance(error, BaseExceptionGroup) else (error.__cause__ or error.__context__,)
    for cause in following:
        if cause is not None:
            yield from _causes(cause)
