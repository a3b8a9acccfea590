"""Answers of `/responses`: image_generation_call items, messages, and the response around them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import ImagegenError, ModerationBlocked, UpstreamError, UpstreamInvalid, UpstreamUnavailable
from .asked import Asked
from .problem import Problem, problem_of
from .reading import Piece, Reader, resolved
from .usage import authored, host_tokens, image_tokens
from .values import Authored, Finished, Made, Named, Tokens, Usage
from .wire import OutputItem, ResponseEvent, ResponseObject

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")
_PENDING = ("queued", "in_progress")
_STATUSES = (*_PENDING, "completed", "incomplete", "failed", "cancelled")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.~=:+-]{0,999}")  # OpenAI's are shorter; gateways put more into theirs
_CHANGED = re.compile("[\0\ufffd]")  # what is stored as another character, and what one that is no text was read as
_UNSAID = "no reason given"


def usable(response_id: str | None) -> bool:
    """Whether a response can be asked for by this id: it becomes part of a path."""
    return response_id is not None and _ID.fullmatch(response_id) is not None


def _storable(named: str | None) -> str | None:
    """An id that text can hold. One with NUL or half a surrogate pair would be another once it is stored, and nothing
    can be asked for by that."""
    return None if named is None or _CHANGED.search(named) else named


class ResponsesReader(Reader):
    """Reads a response. Without an image it is an outcome of its own, whose text is what the model said instead."""

    def __init__(
        self, asked: Asked, headers: Mapping[str, str], request_id: str | None, *, stored: bool = True
    ) -> None:
        super().__init__(asked, headers, request_id)
        self._stored = stored
        self._calls: list[str] = []  # ids in the order in which the calls were met
        self._read: set[str] = set()  # those whose image was read
        self._texts: dict[str, str] = {}
        self._failed: dict[str, Problem] = {}  # what was said of calls that failed, by their ids, the last one last
        self._svg: Authored | None = None
        self._response = ResponseObject()
        self._named = False
        self._by_id = False  # what is read answers a question about a response that is known by its id
        self.sequence: int | None = None  # of the last event; a stream can be asked for again from there

    @property
    def status(self) -> str | None:
        """How the response stands by the last that was heard of it."""
        return self._response.status

    @property
    def complete(self) -> bool:
        return self.ended and self.status not in _PENDING

    @property
    def unfinished(self) -> str | None:
        """The id to ask for the response by, while its end has not been heard; None where it was not stored."""
        lacking = self._stored and not self.complete and self.failure is None
        return self._response.id if lacking and usable(self._response.id) else None

    def again(self) -> None:
        """Read another answer about the same response; what was read already does not come twice. One that is no
        response, as of a proxy or a portal, says nothing about it."""
        self.ended, self._by_id = False, True

    def check_known(self) -> None:
        """Raises UpstreamUnavailable when nothing was heard of the response that was asked for."""
        if self._response.id is None and not self.delivered:
            raise self._strange("holds no response")

    def partly(self, chunks: Sequence[bytes]) -> list[Piece]:
        try:
            return super().partly(chunks)
        except UpstreamUnavailable:
            return []  # nothing of the response

    def finished(self) -> Finished:
        response = self._response
        told = response.tool_usage.image_gen if response.tool_usage else None
        image = image_tokens(told)
        if told is not None and not self.count:
            image = image or Tokens()
        return Finished(
            Usage(image=image, host=host_tokens(response.usage), svg=self._svg),
            request_id=self.request_id,
            response_id=_storable(response.id),
            text=self._text or None,
        )

    @property
    def _text(self) -> str:
        """What the model said."""
        return "\n\n".join(text for text in self._texts.values() if text.strip()).strip()

    def _answer(self, answer: dict[str, Any]) -> Iterator[Piece]:
        told = ResponseObject.model_validate(answer)
        if self._by_id and told.status not in _STATUSES and not told.output:
            raise self._strange("holds no response")
        if told.id is None and not told.output and not told.error and problem_of(answer).text:
            self._refused(answer)
        yield from self._envelope(told)

    def _event(self, kind: str, event: dict[str, Any]) -> Iterator[Piece]:
        told = ResponseEvent.model_validate(event)
        if told.sequence_number is not None:
            self.sequence = max(told.sequence_number, self.sequence or 0)
        if kind == "response.image_generation_call.partial_image":
            image = self._number(told.item_id or f"#{told.output_index or 0}")
            yield from self._frame(told.partial_image_b64, told.partial_image_index, image)
        elif kind == "response.output_item.done" and told.item is not None:
            yield from self._item(told.item, told.output_index or 0)
        elif kind in _TERMINAL:
            yield from self._envelope(told.response or ResponseObject(error=told.error))
            if kind == "response.failed" and self.failure is None:
                self._refused(_UNSAID)
            self.ended = True
        elif told.response is not None:
            yield from self._known(told.response)

    def _known(self, response: ResponseObject) -> Iterator[Named]:
        """Take over what is said of the response; its id is told once."""
        known = self._response.id
        self._response = response if response.id else response.model_copy(update={"id": known})
        if response.id and usable(response.id) and not self._named:
            self._named = True
            yield Named(response.id)

    def _envelope(self, response: ResponseObject) -> Iterator[Piece]:
        yield from self._known(response)
        self._begun = self._begun or bool(response.output)
        for position, item in enumerate(response.output):
            yield from self._item(item, position)
        if response.error or response.status == "failed":
            self._refused(response.error or _UNSAID)

    def _item(self, item: OutputItem, position: int) -> Iterator[Piece]:
        key = item.id or f"#{position}"
        if item.type == "message":
            self._texts[key] = "".join(part.text or part.refusal or "" for part in item.content)
        if item.type != "image_generation_call" or key in self._read:
            return
        self._number(key)
        self._svg = authored(item.svg_usage) or self._svg
        if item.result:
            self._read.add(key)
            made = Made(b"", self.count, _storable(item.id), item.revised_prompt, item.action, resolved(item))
            yield from self._picture(made, item.result, None)
        elif item.error or item.status == "failed":
            before = self._failed.pop(key, Problem())
            self._failed[key] = problem_of(item.error).with_what_was_said(before)

    def _number(self, key: str) -> int:
        if key not in self._calls:
            self._calls.append(key)
        return self._calls.index(key)

    def _strange(self, what: str) -> UpstreamError:
        unreadable = super()._strange(what)
        if not self._by_id:
            return unreadable
        return UpstreamUnavailable(
            unreadable.sentence, unreadable.fix, request_id=self.request_id, may_be_billed=self.asked.paid
        )

    def _missing(self) -> ImagegenError | None:
        """A model may retry a failed image call, so that failure counts only when no image came of it."""
        if self._failed:
            _, problem = self._failed.popitem()
            failed = self._failed_by(problem, first=False)
            if not problem.text:  # the model's words tell more than nothing, but not what kind of failure it was
                failed.sentence += f": {self.asked.quote(self._text or _UNSAID)}"
            return failed
        if not self.ended:
            return self._unreadable("ended before its image")
        status, details = self._response.status, self._response.incomplete_details
        if status in (None, "completed"):
            return None if self._response.output or self._texts else self._unreadable("has no output")
        reason = (details.reason if details else None) or _UNSAID
        if reason == "content_filter":
            return ModerationBlocked(
                "the provider's safety system stopped the answer before an image was made",
                "reword the prompt or change the images",
                request_id=self.request_id,
                may_be_billed=self.asked.paid,
            )
        why = f"{self.asked.quote(status)} ({self.asked.quote(reason)})"
        if status not in _STATUSES:
            return self._unreadable(f"holds no image and is {why}")
        return UpstreamInvalid(
            f"the provider ended its answer before an image was made: {why}",
            "ask again; look at the provider's usage first, and if it ends so again, shorten the prompt",
            request_id=self.request_id,
            may_be_billed=self.asked.paid,
        )
