"""Answers as values: what the two APIs share. Everything here takes time in proportion to the pictures, so the client
calls it in a thread, for one answer never twice at once.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from ..errors import ImagegenError, UpstreamError, UpstreamInvalid
from .asked import Asked
from .bodies import parsed
from .failures import failure
from .pictures import decoded
from .problem import Problem, problem_of
from .sse import DONE, begins_events, events
from .values import Finished, Frame, Made, Named, Resolved, Usage
from .wire import Rendered

log = logging.getLogger(__name__)
_BEGINNINGS = ("response.created", "response.queued", "response.in_progress")


@dataclass(frozen=True)
class Linked:
    """A finished image that the answer only links to; its bytes are still to be fetched."""

    made: Made
    url: str


Piece = Named | Frame | Made | Linked


class Reader(ABC):
    """Reads one answer, plain or streamed, into the same values.

    A failure that the answer tells is kept in `failure` and raised by the client at the end, so that no image beside it
    is lost. `ended`: nothing of interest follows, whether or not the stream goes on.
    """

    def __init__(self, asked: Asked, headers: Mapping[str, str], request_id: str | None) -> None:
        self.asked = asked
        self.headers = headers
        self.request_id = request_id
        self.count = 0  # finished images so far, readable or not
        self.delivered = 0  # those of them that could be read
        self.failure: ImagegenError | None = None
        self.ended = False
        self.streamed = False  # whether it came in events, whatever its content type says
        self._begun = False  # whether something came that may have cost money

    @property
    def complete(self) -> bool:
        """Whether all that the answer had to say was read."""
        return self.ended

    def whole(self, chunks: Sequence[bytes]) -> list[Piece]:
        """The pieces of a plain answer. Raises UpstreamError when it is no JSON object."""
        body = b"".join(chunks)
        if begins_events(body):
            return self.part([body, b"\n\n"])
        try:
            answer = parsed(body, self.asked.secret)
        except ValueError:
            raise self._strange("is no JSON") from None
        if not isinstance(answer, dict):
            raise self._strange("is no JSON object")
        self.ended = True
        return list(self._answer(answer))

    def partly(self, chunks: Sequence[bytes]) -> list[Piece]:
        """The pieces of a plain answer whose end may be missing: those that are whole."""
        body = b"".join(chunks)
        if begins_events(body):
            return self.part([body, b"\n\n"])
        answer, whole = self._as_far_as_it_goes(body)
        if not isinstance(answer, dict):
            return []
        before = self.failure
        pieces = list(self._answer(answer))
        self.ended = whole
        if not whole:
            self.failure = before  # a picture without an end is no failure of the answer
        return pieces

    def part(self, chunks: Sequence[bytes]) -> list[Piece]:
        """The pieces of the next events of a streamed answer. Raises UpstreamInvalid for one that is too large."""
        pieces: list[Piece] = []
        try:
            for event in events(chunks):
                self.streamed = True
                if event.data.startswith(DONE):
                    self.ended = True
                if self.ended:
                    break
                pieces += self._streamed(event)
        except httpx2.SSEError:
            raise self._unreadable("has an event that is too large") from None
        return pieces

    def conclusion(self, warnings: tuple[str, ...] = ()) -> Iterator[Finished]:
        """`Finished`, unless nothing came of the call and nothing was used; then the failure is raised, if there is
        one. To be asked for when nothing more comes."""
        if not self.delivered and self.failure is None:
            self.failure = self._missing()
        finished = replace(self.finished(), warnings=warnings, pictures=self.count)
        used = finished.usage != Usage()
        if self.failure is None or self.delivered or used:  # a failed call may be billed too
            yield finished
        if self.failure is not None:
            self.failure.may_be_billed |= used
            raise self.failure

    @abstractmethod
    def finished(self) -> Finished:
        """The end of the call."""

    @abstractmethod
    def _answer(self, answer: dict[str, Any]) -> Iterator[Piece]: ...

    @abstractmethod
    def _event(self, kind: str, event: dict[str, Any]) -> Iterator[Piece]: ...

    @abstractmethod
    def _missing(self) -> ImagegenError | None:
        """The error of an answer without an image, if it is one."""

    def lost(self, error: ImagegenError) -> None:
        """Note that a linked image could not be fetched."""
        self.delivered -= 1
        self.fail(error)

    def fail(self, error: ImagegenError) -> None:
        """Keep the first failure."""
        self.failure = self.failure or error

    def _streamed(self, event: httpx2.ServerSentEvent) -> Iterator[Piece]:
        try:
            told = parsed(event.data, self.asked.secret)
        except ValueError:
            log.debug("an event that is no JSON was left out: %s", event.event)
            return
        if not isinstance(told, dict):
            return
        kind = told.get("type")
        named = kind if isinstance(kind, str) else "" if event.event == "message" else event.event
        if named in ("error", "response.error") or (not named and told.get("error")):
            self._refused(told)
            self.ended = True
            return
        yield from self._event(named, told)
        self._begun = self._begun or named not in _BEGINNINGS

    def _refused(self, told: Any) -> None:
        """Note a failure that the answer tells."""
        self.fail(self._failure(told, first=not self._begun))

    def _failure(self, told: Any, *, first: bool) -> ImagegenError:
        return self._failed_by(problem_of(told), first=first)

    def _failed_by(self, problem: Problem, *, first: bool) -> ImagegenError:
        headers = self.headers
        return failure(problem, self.asked, status=None, headers=headers, request_id=self.request_id, first=first)

    def _frame(self, text: str | None, frame: int | None, image: int) -> Iterator[Frame]:
        """A partial image; one that cannot be read is left out, since the finished one still comes."""
        try:
            yield Frame(decoded(text or ""), frame or 0, image)
        except ValueError:
            log.debug("a partial image that cannot be decoded was left out")

    def _picture(self, made: Made, text: str | None, url: str | None) -> Iterator[Piece]:
        """A finished image out of base64, a data URL or a link."""
        self.count += 1
        source = (text or url or "").strip()
        scheme = source[:8].lower()
        try:
            if scheme.startswith(("http://", "https://")) or (not text and url and not scheme.startswith("data:")):
                yield Linked(made, source)
            else:
                yield replace(made, data=decoded(source))
        except ValueError:
            self.fail(self._unreadable(f"has an image that cannot be decoded, number {made.index + 1}"))
            return
        self.delivered += 1

    def _strange(self, what: str) -> UpstreamError:
        """The error of an answer that is nothing of what was asked for."""
        return self._unreadable(what)

    def _unreadable(self, what: str) -> UpstreamInvalid:
        return UpstreamInvalid(
            f"the answer of {self.asked.origin} {what}",
            f"check {self.asked.address_name}, and look at the provider's usage before trying again",
            request_id=self.request_id,
            may_be_billed=self.asked.paid,
        )

    def _as_far_as_it_goes(self, body: bytes) -> tuple[Any, bool]:
        """The JSON of a body and whether it is whole; else without the string that has no end, None where nothing
        fits."""
        for partial in (False, True):
            with suppress(ValueError):
                return parsed(body, self.asked.secret, partial=partial), not partial
        return None, False


def resolved(rendered: Rendered) -> Resolved:
    return Resolved(rendered.size, rendered.quality, rendered.background, rendered.output_format)
