"""Answers of `/responses`: image_generation_call items, messages, and the response around them."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ImagegenError, ModerationBlocked
from .asked import Asked
from .failures import failure
from .problem import problem_of
from .reading import Piece, Reader, resolved
from .usage import host_tokens, image_tokens
from .values import Finished, Made, Tokens, Usage
from .wire import OutputItem, ResponseEvent, ResponseObject

_TERMINAL = ("response.completed", "response.incomplete", "response.failed")
_UNSAID = "no reason given"


class ResponsesReader(Reader):
    """Reads a response. Without an image it is an outcome of its own, whose text is what the model said instead."""

    def __init__(self, asked: Asked, headers: Mapping[str, str], request_id: str | None) -> None:
        super().__init__(asked, headers, request_id)
        self._calls: list[str] = []  # ids in the order in which the calls were met
        self._read: set[str] = set()  # those whose image was read
        self._texts: dict[str, str] = {}
        self._call_failure: ImagegenError | None = None
        self._response = ResponseObject()

    def finished(self) -> Finished:
        response = self._response
        told = response.tool_usage.image_gen if response.tool_usage else None
        image = image_tokens(told)
        if told is not None and not self.count:
            image = image or Tokens()
        text = "\n\n".join(text for text in self._texts.values() if text.strip()).strip()
        return Finished(
            Usage(image=image, host=host_tokens(response.usage)),
            request_id=self.request_id,
            response_id=response.id,
            text=text or None,
        )

    def _answer(self, answer: dict[str, Any]) -> Iterator[Piece]:
        yield from self._envelope(ResponseObject.model_validate(answer))

    def _event(self, kind: str, event: dict[str, Any]) -> Iterator[Piece]:
        told = ResponseEvent.model_validate(event)
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
            self._response = told.response

    def _envelope(self, response: ResponseObject) -> Iterator[Piece]:
        known = self._response.id
        self._response = response if response.id else response.model_copy(update={"id": known})
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
        if item.result:
            self._read.add(key)
            made = Made(b"", self.count, item.id, item.revised_prompt, item.action, resolved(item))
            yield from self._picture(made, item.result, None)
        elif item.error or item.status == "failed":
            self._call_failure = failure(
                problem_of(item.error or _UNSAID),
                self.asked,
                status=None,
                headers=self.headers,
                request_id=self.request_id,
            )

    def _number(self, key: str) -> int:
        if key not in self._calls:
            self._calls.append(key)
        return self._calls.index(key)

    def _missing(self) -> ImagegenError | None:
        """A model may retry a failed image call, so that failure counts only when no image came of it."""
        if self._call_failure is not None:
            return self._call_failure
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
        return self._unreadable(f"holds no image and is {self.asked.quote(status)} ({self.asked.quote(reason)})")
