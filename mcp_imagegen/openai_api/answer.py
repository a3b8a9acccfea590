"""An HTTP answer whose body is still to be read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

import httpx2

from ..errors import ImagegenError, UpstreamInvalid
from .asked import Asked
from .failures import failure
from .image_answers import ImageReader
from .problem import read_problem
from .reading import Reader
from .redaction import without
from .responses_answers import ResponsesReader
from .values import ImageCall, ResponsesCall

MAX_ANSWER = 512 << 20  # bytes after decompression; ten 4K PNGs as base64 are about 440 MB
MAX_REFUSAL = 256 << 10  # bytes of an error body that are read


@dataclass(frozen=True)
class Answer:
    """What the provider answered; the body is read once, through one of the methods."""

    response: httpx2.Response
    asked: Asked
    most: int = MAX_ANSWER

    @property
    def request_id(self) -> str | None:
        """OpenAI's own name for the request, to be given to its support. One that holds the key is none."""
        told = self.response.headers.get("x-request-id", "").strip()
        if without(told, self.asked.secret) != told:
            return None
        return told if 0 < len(told) <= 200 and told.isascii() and told.isprintable() else None

    @property
    def streamed(self) -> bool:
        """By its content type: some servers answer plainly although a stream was asked for."""
        return self.response.headers.get("content-type", "").lower().startswith("text/event-stream")

    @property
    def redirection(self) -> str | None:
        """Where the answer sends on to, as it is written there."""
        return self.response.headers["location"] if self.response.has_redirect_location else None

    def reader(self, call: ImageCall | ResponsesCall) -> Reader:
        if isinstance(call, ResponsesCall):
            return ResponsesReader(self.asked, self.response.headers, self.request_id, stored=call.store)
        return ImageReader(self.asked, self.response.headers, self.request_id, call.n)

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives. Raises UpstreamInvalid when it has more than `most` bytes."""
        size = 0
        async with aclosing(self.response.aiter_bytes()) as arriving:
            async for chunk in arriving:
                size += len(chunk)
                if size > self.most:
                    raise self.too_large(f"more than {self.most:,} bytes")
                yield chunk

    async def body(self) -> bytes:
        """The whole body. Raises UpstreamInvalid as `chunks` does."""
        async with aclosing(self.chunks()) as arriving:
            chunks = [chunk async for chunk in arriving]
        return await asyncio.to_thread(b"".join, chunks)

    async def refusal(self) -> ImagegenError:
        """The error that an answer without success comes to, whether or not its body arrives whole."""
        body = b""
        with suppress(httpx2.HTTPError):
            async with aclosing(self.chunks()) as arriving:
                async for chunk in arriving:
                    body += chunk
                    if len(body) > MAX_REFUSAL:
                        break
        return failure(
            read_problem(body[:MAX_REFUSAL]),
            self.asked,
            status=self.response.status_code,
            headers=self.response.headers,
            request_id=self.request_id,
        )

    def too_large(self, what: str) -> UpstreamInvalid:
        return UpstreamInvalid(
            f"the answer of {self.asked.origin} is too large: {what}",
            f"check {self.asked.address_name}, and ask for fewer or smaller images",
            request_id=self.request_id,
            may_be_billed=self.asked.paid,
        )
