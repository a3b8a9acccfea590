"""Responses that the provider works on or has kept, whether or not it can be heard: asked for by their id until they
have ended.

Asking costs nothing, and what is asked for is paid for, so that it is not given up quickly. What OpenAI says of its
background mode: https://developers.openai.com/api/docs/guides/background
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from ..errors import ImagegenError, RateLimited, UpstreamInvalid, UpstreamTimeout, UpstreamUnavailable
from .answer import Answer
from .failures import IdForgotten
from .intake import Intake
from .requests import Outgoing
from .responses_answers import ResponsesReader, usable
from .retries import LONGEST_WAIT_S, Tell, pause
from .retry_after import spoken
from .spool import Copy
from .values import Event

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
MOST_WAIT_S = 5.0  # between two questions about a response that is worked on
FAILURES = 12  # in a row; with waits that double up to half a minute these are about five minutes
MOST_WAIT_AFTER_FAILURE_S = 30.0
LONGEST_S = 3600.0  # that a response is waited for
UNKNOWN = 3  # times in a row that a response may be unknown that was named a moment ago; it may not be stored yet
LOOKS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # waits before looking for a response that was not made in the background
_STATES = {"queued": "queued", "in_progress": "rendering"}


@dataclass(frozen=True)
class Background:
    """Asks for responses by id. `exchange` sends a request, once."""

    exchange: Callable[[Outgoing], AbstractAsyncContextManager[Answer]]
    intake: Intake

    async def rest(
        self, reader: ResponsesReader, cut: UpstreamTimeout | None, tell: Tell, copy: Copy | None
    ) -> AsyncGenerator[Event, None]:
        """What is still to come of a response after the answer to its request, which may have been `cut`.

        Raises `cut` where the provider does not have the response, and never IdForgotten: this one is paid for.
        """
        response_id = reader.unfinished
        if response_id is None and cut is not None:
            raise cut
        if response_id is None or (cut is None and reader.delivered and not reader.asked.background):
            return
        # A plain answer may say by itself that there is more to come.
        goes_on = reader.asked.background or (reader.ended and reader.sequence is None)
        events = (
            self._awaited(response_id, reader, tell, copy) if goes_on else self._looked_for(response_id, reader, copy)
        )
        try:
            async with aclosing(events):
                async for event in events:
                    yield event
        except IdForgotten as error:
            raise cut or _gone(error) from error
        if cut is not None and not goes_on and not (reader.complete and reader.status == "completed"):
            raise cut

    async def _awaited(
        self, response_id: str, reader: ResponsesReader, tell: Tell, copy: Copy | None
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(self._resumed(reader, copy)) as events:
            async for event in events:
                yield event
        if reader.unfinished:
            async with aclosing(self.polled(response_id, reader, tell, copy)) as events:
                async for event in events:
                    yield event

    async def _resumed(self, reader: ResponsesReader, copy: Copy | None) -> AsyncGenerator[Event, None]:
        """The rest of a stream that was cut, for as long as the provider goes on with it."""
        before = -1
        while (response_id := reader.unfinished) and reader.sequence is not None and reader.sequence > before:
            before = reader.sequence
            await pause(FIRST_WAIT_S)
            try:
                async with aclosing(self._asked(response_id, reader, copy, after=before)) as events:
                    async for event in events:
                        yield event
            except ImagegenError as error:
                log.info("a stream in the background could not be read on: %s", error)

    async def polled(
        self, response_id: str, reader: ResponsesReader, tell: Tell, copy: Copy | None
    ) -> AsyncGenerator[Event, None]:
        """The response, asked for until it has ended.

        Raises what ends the asking: IdForgotten when the provider no longer knows it, or the last of many failures.
        """
        patience = _Patience(reader, tell)
        if reader.status is not None:
            await patience.until_later()
        while True:
            try:
                async with aclosing(self._asked(response_id, reader, copy)) as events:
                    async for event in events:
                        yield event
            except ImagegenError as error:
                error.may_be_billed = True  # the response was taken on
                await patience.after(error)
            else:
                if not reader.unfinished:
                    return
                await patience.until_later()
            if copy is not None:
                await copy.withdraw()

    async def _looked_for(
        self, response_id: str, reader: ResponsesReader, copy: Copy | None
    ) -> AsyncGenerator[Event, None]:
        """A response that was not made in the background, if the provider has it nevertheless."""
        for looks, wait in enumerate(LOOKS_S, 1):
            await pause(wait)
            try:
                async with aclosing(self._asked(response_id, reader, copy)) as events:
                    async for event in events:
                        yield event
            except ImagegenError as error:
                log.info("a response whose answer was cut could not be had: %s", error)
                if looks >= UNKNOWN or not (_passes(error) or isinstance(error, IdForgotten)):
                    return
            if not reader.unfinished:
                return
            if copy is not None:
                await copy.withdraw()

    async def _asked(
        self, response_id: str, reader: ResponsesReader, copy: Copy | None, after: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """What the provider says of the response now, or in a stream the events `after` the one with this number."""
        streamed = after is not None
        query = {"starting_after": str(after), "stream": "true"} if streamed else {}
        reader.again()
        if copy is not None:
            copy.seal()
        asking = Outgoing("GET", response_path(response_id), query=query, streamed=streamed, by_id=True)
        async with self.exchange(asking) as answer:
            reader.request_id = reader.request_id or answer.request_id
            async with aclosing(self.intake.events(answer, reader, copy)) as events:
                async for event in events:
                    yield event
        reader.check_known()


def response_path(response_id: str) -> str:
    """Where a stored response is. Raises IdForgotten for an id that no provider has given."""
    if not usable(response_id):
        raise IdForgotten("the response has an id that cannot be asked for", "send the saved image again")
    return f"/responses/{response_id}"


def _gone(error: IdForgotten) -> UpstreamInvalid:
    return UpstreamInvalid(
        f"the provider began with the response and then lost it: {error.sentence}",
        "look at the provider's usage, and try again if the image is still wanted",
        request_id=error.request_id,
        may_be_billed=True,
    )


def _passes(error: ImagegenError) -> bool:
    """Whether the same question may be answered later."""
    return error.welcome_again or isinstance(error, UpstreamTimeout | UpstreamUnavailable | RateLimited)


class _Patience:
    """Waits between questions about a response, and knows when to ask no more."""

    def __init__(self, reader: ResponsesReader, tell: Tell) -> None:
        self._reader = reader
        self._tell = tell
        self._told: str | None = None
        self._wait = FIRST_WAIT_S
        self._failures = 0
        self._until = asyncio.get_running_loop().time() + LONGEST_S

    async def until_later(self) -> None:
        """Wait because the response is still worked on. Raises UpstreamTimeout when that takes too long."""
        if asyncio.get_running_loop().time() > self._until:
            raise self._endless()
        if self._reader.status != self._told:
            self._told = self._reader.status
            self._tell(_STATES.get(self._told or "", "rendering"))
        await pause(self._wait)
        self._wait, self._failures = min(self._wait * 1.5, MOST_WAIT_S), 0

    async def after(self, error: ImagegenError) -> None:
        """Wait because a question failed so. Raises the error when asking again would not help."""
        self._failures += 1
        named_before = self._reader.status is not None
        may_appear = isinstance(error, IdForgotten) and named_before and self._failures <= UNKNOWN
        if self._failures > FAILURES or not (_passes(error) or may_appear):
            raise error
        wait = min(FIRST_WAIT_S * 2 ** (self._failures - 1), MOST_WAIT_AFTER_FAILURE_S)
        if error.retry_after_s is not None:
            wait = min(max(error.retry_after_s, FIRST_WAIT_S), LONGEST_WAIT_S)
        self._tell(f"{error.code.replace('_', ' ')}: asking again for the response in {spoken(wait)}")
        await pause(wait)

    def _endless(self) -> UpstreamTimeout:
        return UpstreamTimeout(
            f"the provider has worked on the response for more than {LONGEST_S / 60:.0f} minutes",
            "look at the provider's usage, and try again if the image is still wanted",
            request_id=self._reader.request_id,
            may_be_billed=True,
        )
