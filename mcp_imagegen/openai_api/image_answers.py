"""Answers of `/images/generations` and `/images/edits`."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ImagegenError
from .asked import Asked
from .problem import problem_of
from .reading import Piece, Reader, resolved
from .usage import authored, image_tokens, together
from .values import Authored, Finished, Made, Resolved, Tokens, Usage
from .wire import ImageEvent, ImageItem, ImagesAnswer


class ImageReader(Reader):
    """Reads an answer that should hold `n` images; what the API resolved applies to all of them."""

    def __init__(self, asked: Asked, headers: Mapping[str, str], request_id: str | None, n: int) -> None:
        super().__init__(asked, headers, request_id)
        self.n = n
        self._tokens: Tokens | None = None
        self._silent = False  # whether pictures came without a word of what they used
        self._svg: Authored | None = None
        self._resolved = Resolved()

    def finished(self) -> Finished:
        return Finished(self._usage(), self._resolved, self.request_id)

    def _usage(self) -> Usage:
        return Usage(image=self._tokens, svg=self._svg, partial=self._silent and self._tokens is not None)

    def _answer(self, answer: dict[str, Any]) -> Iterator[Piece]:
        told = ImagesAnswer.model_validate(answer)
        if not told.data and (told.error or problem_of(answer).text):
            self._refused(told.error or answer)
        yield from self._images(told, told.data)

    def _event(self, kind: str, event: dict[str, Any]) -> Iterator[Piece]:
        told = ImageEvent.model_validate(event)
        if kind.endswith(".partial_image") or (not kind and told.partial_image_index is not None):
            yield from self._frame(told.b64_json, told.partial_image_index, self.count)
        elif kind.endswith(".completed") or (not kind and (told.b64_json or told.url or told.data)):
            alone = ImageItem(b64_json=told.b64_json, url=told.url, revised_prompt=told.revised_prompt)
            yield from self._images(told, told.data or [alone])
            self.ended = self.count >= self.n
        elif kind.endswith(".failed"):
            self._refused(event)
            self.ended = True

    def _images(self, told: ImagesAnswer, items: list[ImageItem]) -> Iterator[Piece]:
        self._resolved = resolved(told)
        tokens = image_tokens(told.usage)
        self._tokens = together(self._tokens, tokens)
        self._silent = self._silent or (tokens is None and bool(items))
        self._svg = authored(told.svg_usage) or self._svg
        for item in items:
            made = Made(b"", self.count, revised_prompt=item.revised_prompt, resolved=self._resolved)
            yield from self._picture(made, item.b64_json, item.url)

    def _missing(self) -> ImagegenError | None:
        return self._unreadable("holds no image" if self.ended else "ended before its image")
