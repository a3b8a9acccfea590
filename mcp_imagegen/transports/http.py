"""MCP over Streamable HTTP, on loopback only.

Stateless: every request stands alone, in both protocol eras, so that state is found by thread id and never by
connection. Host and Origin are checked against loopback names, which stops web pages that rebind their own name.
"""

import asyncio
import contextlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import InvalidArgument
from ..sandbox.serving import NoCancellations
from ..server.imagegen import ImagegenServer
from ..settings import Settings
from .sent import Sent

PATH = "/mcp"
BODY_LIMIT = 64 * 1024 * 1024  # bytes; images travel to the server as data URLs
LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_PLACES = frozenset(scheme + name for name in _NAMES for scheme in ("", "http://"))
_PORT = re.compile(r":[0-9]{1,5}$")
ANSWERS_S = 5.0  # seconds that calls get at the end to be answered
GOODBYE_S = 1  # seconds that connections get after that


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, imagegen: ImagegenServer) -> None:
        super().__init__(config)
        self._imagegen = imagegen
        self._asked = False
        self._leaving: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Says where it listens once it does, and a signal would end it cleanly."""
        await super().startup(sockets)
        for listening in sockets or ():
            host, port, *_ = listening.getsockname()
            sys.stderr.write(f"mcp-imagegen listens on http://{f'[{host}]' if ':' in host else host}:{port}{PATH}\n")
            sys.stderr.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server in order; asked twice, it does not wait for running calls, which the next
        server settles."""
        if self._asked:
            os._exit(1)
        self._asked = True
        asyncio.get_running_loop().call_soon_threadsafe(self._leave, sig, frame)

    def _leave(self, sig: int, frame: FrameType | None) -> None:
        self._leaving = asyncio.create_task(self._answer_all(sig, frame), name="goodbye")

    async def _answer_all(self, sig: int, frame: FrameType | None) -> None:
        """Whoever waits for a paid call is told where to collect it, before the streams are ended: the base class ends
        those of the handshake revisions at once."""
        try:
            if self._imagegen.hand_over() and self.server_state.tasks:
                await asyncio.wait(set(self.server_state.tasks), timeout=ANSWERS_S)
        finally:
            super().handle_exit(sig, frame)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server once everything is closed, and is not raised again: the exit is a clean one."""
        before = {name: signal.signal(name, self.handle_exit) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


class NumberedPorts:
    """Refuses a Host or Origin whose port is no number: the SDK looks at the name before it alone, and passes
    `localhost:80@elsewhere.example`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app, headers = self.app, Headers(scope=scope) if scope["type"] == "http" else Headers()
        for name, status in (("host", 421), ("origin", 403)):
            if any(_PORT.sub("", said).lower() not in _PLACES for said in headers.getlist(name)):
                app = Response(f"Invalid {name.title()} header", status_code=status)
                break
        await app(scope, receive, send)


def application(server: ImagegenServer) -> Starlette:
    """The ASGI application, with Host and Origin checked against loopback names."""
    app = server.streamable_http_app(
        transport_security=TransportSecuritySettings(
            allowed_hosts=[name + port for name in _NAMES for port in ("", ":*")],
            allowed_origins=[f"http://{name}{port}" for name in _NAMES for port in ("", ":*")],
        ),
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=False,
        max_request_body_size=BODY_LIMIT,
    )
    app.add_middleware(Sent)
    app.add_middleware(NumberedPorts)
    return app


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serve until a signal; port 0 lets the system choose. Says on stderr where it listens.

    Raises InvalidArgument for a host that is not loopback and for a port that is taken.
    """
    if host not in LOOPBACK:
        raise InvalidArgument(
            f"--host {host} would open the server to the network, and it has no authentication yet",
            f"use one of {', '.join(LOOPBACK)}",
        )
    listening = _listen(host, port)
    logging.getLogger("uvicorn.error").addFilter(NoCancellations())
    server = ImagegenServer(settings, local=False)
    config = uvicorn.Config(
        application(server),
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=GOODBYE_S,
    )
    _Server(config, server).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """asyncio sends small answers at once (without Nagle's delay) only on sockets that name their protocol."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise InvalidArgument(
            f"port {port} of {host} cannot be listened on: {error.strerror}", "choose another --port"
        ) from None
    return listening
