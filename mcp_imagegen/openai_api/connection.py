"""A connection that failed as one of the errors that callers know."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import httpx2

from ..errors import ImagegenError, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from .asked import Asked

# A reset shows as a broken pipe where the next piece of the request meets it first.
_GONE_BEFORE = (ConnectionRefusedError, ConnectionResetError, BrokenPipeError)


class Progress:
    """Learns from the transport whether a request has left completely: before that nothing can be billed.

    `towards` is the host and port that a connection was opened to, the provider's or a proxy's; None where one was open
    already.
    """

    def __init__(self) -> None:
        self.sent = False
        self.towards: tuple[str, int] | None = None
        self._for_the_proxy = False

    async def trace(self, event: str, info: dict[str, Any]) -> None:
        """The `trace` extension of a request. The CONNECT that asks a proxy for a tunnel is traced too."""
        if event.endswith("connect_tcp.started"):
            self.towards = (info["host"], info["port"])
        if event.endswith("send_request_headers.started"):
            self._for_the_proxy = info["request"].method == b"CONNECT"
        self.sent = self.sent or (event.endswith("send_request_body.complete") and not self._for_the_proxy)


def connection_failure(
    error: httpx2.HTTPError,
    asked: Asked,
    *,
    sent: bool,
    timeout_s: float,
    request_id: str | None,
    towards: tuple[str, int] | None = None,
) -> ImagegenError:
    """The error for a request that got no answer, or only part of one.

    `sent`: the request had left completely. Then a paid one may be billed, and nobody sends it again by itself.
    `request_id` is known when the answer had begun. `towards` is the host and port that were connected to.
    """
    if not sent:
        unreached = UpstreamUnavailable(*_not_reached(error, asked, _proxy(asked, towards)))
        causes = list(_causes(error))
        unreached.welcome_again = any(_any(causes, kind) for kind in _GONE_BEFORE)
        return unreached
    again = "try again only if the image is still wanted: the first request may be billed too"
    fix = again if asked.paid else "try again"
    if isinstance(error, httpx2.DecodingError):
        sentence = f"the answer of {asked.origin} cannot be decompressed"
        return UpstreamInvalid(sentence, fix, request_id=request_id, may_be_billed=asked.paid)
    if isinstance(error, httpx2.TimeoutException):
        sentence = f"{asked.origin} said nothing for {timeout_s:g} s after the request was sent"
    else:
        sentence = f"the connection to {asked.origin} ended before its answer did"
    return UpstreamTimeout(sentence, fix, request_id=request_id, may_be_billed=asked.paid)


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
