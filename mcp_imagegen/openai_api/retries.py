"""When a refused request is sent again by itself, and how long that waits.

Only what cannot have been billed is tried again: a connection that was refused, or reset before a byte of the request's
body had left, and answers that say no before any work (409, 429, 500, 502, 503; 408 and 504 only where the provider
asks for it). The provider's own word counts first: `x-should-retry`, and how long it wants to be left alone. Quotas and
moderation stay refused however often one asks.

A call has one count of requests, whatever is changed between them. A refusal that says what to ask for instead costs
nothing and is no fault that waiting mends, so that it is followed by the other request also where none is left.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import stamina

from ..errors import ImagegenError, ModerationBlocked, QuotaExhausted, UpstreamInvalid, UpstreamUnavailable
from .retry_after import spoken

ATTEMPTS = 3  # requests that a fault may cost
LONGEST_WAIT_S = 120  # seconds; a provider that wants longer is not waited for
_STATUSES = frozenset({409, 429, 500, 502, 503})
_ONLY_IF_ASKED = frozenset({408, 504})

NOT_STREAMED = "the provider does not stream; no partial images"

Tell = Callable[[str], None]
Refused = Callable[[ImagegenError], Awaitable[None]]


class StreamingRefused(UpstreamInvalid):
    """The provider does not stream this; the same request without partial images may do. `told`: the warning where no
    frames come for it."""

    told = NOT_STREAMED


class BackgroundRefused(UpstreamInvalid):
    """The provider does not work in the background; the same request in the foreground may do."""


class StreamFailed(UpstreamUnavailable):
    """A server error in answer to a request for a stream: gateways that cannot stream say it so too."""


class _NotYet(Exception):
    """Nothing failed; it only is too early."""


def unheard(_: str) -> None:
    """For callers that do not want to know of waits."""


async def uncounted(_: ImagegenError) -> None:
    """For callers that do not want to know of refused requests."""


@dataclass
class Tries:
    """The requests that one call has made; `tell` hears of every wait before another, `refused` of every refusal that
    another follows."""

    tell: Tell = unheard
    refused: Refused = uncounted
    made: int = 0
    refusal: ImagegenError | None = None  # of the request before
    without_frames: bool = False  # the request under way asks for none, though the call does

    @property
    def left(self) -> int:
        return max(ATTEMPTS - self.made, 0)

    @property
    def under_way(self) -> bool:
        """Whether a request was made that was not refused, or not for certain."""
        return self.made > 0 and (self.refusal is None or self.refusal.may_be_billed)

    async def begin(self) -> None:
        """Another request is made."""
        self.made += 1
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            await self.refused(refusal)


stamina.instrumentation.set_on_retry_hooks([])  # it would log each wait as a warning; the caller is told instead


def welcome_again(error: ImagegenError, status: int, headers: Mapping[str, str]) -> bool:
    """Whether a request that was answered so may be sent again."""
    if isinstance(error, QuotaExhausted | ModerationBlocked):
        return False
    said = headers.get("x-should-retry", "").strip().lower()
    if status in _ONLY_IF_ASKED:
        return said == "true"
    return status in _STATUSES and said != "false"


def attempts(tries: Tries) -> AsyncIterator[stamina.Attempt]:
    """The attempts that a call has left; whoever makes one counts it. Before each wait the caller hears why and how
    long."""

    def decide(error: Exception) -> bool | float:
        if not tries.left or not isinstance(error, ImagegenError) or not error.welcome_again:
            return False
        wait = error.retry_after_s
        if wait is not None and wait > LONGEST_WAIT_S:
            return False
        named = f"in {spoken(wait)}" if wait is not None else "shortly"
        tries.tell(f"{error.code.replace('_', ' ')}: trying again {named} ({tries.made + 1} of {ATTEMPTS})")
        return True if wait is None else wait

    return stamina.retry_context(on=decide, attempts=ATTEMPTS, timeout=None).__aiter__()


async def pause(seconds: float) -> None:
    """Wait as between two attempts, so that whoever turns off the one wait turns off the other too."""
    async for attempt in stamina.retry_context(on=lambda _: seconds, attempts=2, timeout=None):
        with attempt:
            if attempt.num == 1:
                raise _NotYet
