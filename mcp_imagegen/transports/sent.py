"""Whether the answer of a call over HTTP was sent to a connection that was still there."""

import asyncio

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..tools.sending import SCOPE, Sending

_ROUNDS = 3  # of the event loop, after which a connection that was closed before them is known to be
_ANSWERS = (b'"result":', b'"error":')  # the keys of JSON-RPC; within a text the quotes would be escaped


class Sent:
    """Tells the handler of each request. What comes after the answer does not count: clients close the connection as
    soon as they have it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = Sending()

        async def passed_on(message: Message) -> None:
            if not (sending.awaited and any(key in message.get("body", b"") for key in _ANSWERS)):
                await send(message)
                return
            there = await _is_there(scope, receive)
            await send(message)
            sending.over(sent=there)

        try:
            await self.app({**scope, SCOPE: sending}, receive, passed_on)
        finally:
            sending.over(sent=False)


async def _is_there(scope: Scope, receive: Receive) -> bool:
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
    return not await Request(scope, receive).is_disconnected()
