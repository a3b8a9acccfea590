"""The client of OpenAI's API and of servers that speak it: the only place that opens a connection to a provider.

A call goes: `requests` writes it, `client` sends it, a reader (`image_answers`, `responses_answers`) takes the answer
apart in a thread, and what cannot be had becomes an error in `failures` or `connection`. `retries` says what is sent
again: only what cannot have been billed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx2
from pydantic import SecretStr
from pydantic_core import from_json

from ..errors import ImagegenError, UpstreamInvalid
from .answer import Answer
from .asked import Asked
from .connection import Progress, connection_failure
from .provider import Provider, origin
from .reading import Linked, Piece, Reader
from .requests import Outgoing, file_upload, written
from .retries import Tell, attempts, unheard
from .sse import Events, TooLarge
from .values import Event, ImageCall, Made, ResponsesCall, Upload, Usage
from .wire import Identified, ModelList


class OpenAIClient:
    """Sends calls to one provider through one connection pool, which opens with the first of them.

    `base_url` may end in a slash and may have a query, which every request keeps. `trust_env=False` ignores proxies of
    the environment, as loopback needs. `read_timeout_s` bounds the silence between two pieces of an answer.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr | None,
        organization: str | None = None,
        project: str | None = None,
        trust_env: bool = True,
        connect_timeout_s: float = 5,
        read_timeout_s: float = 600,
    ) -> None:
        self._provider = Provider(
            base_url, api_key, organization, project, trust_env, connect_timeout_s, read_timeout_s
        )
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._reading = asyncio.Lock()

    async def send(self, call: ImageCall | ResponsesCall, tell: Tell = unheard) -> AsyncGenerator[Event, None]:
        """The events of one call as they arrive: frames, images, and `Finished` last, plain and streamed alike.

        `tell` hears of every wait before a request is sent again.

        Raises an UpstreamError or InputNotFound when the provider refuses, fails or cannot be reached, and
        InputRejected or InvalidArgument for a call that cannot be written. Images that could be read come before the
        error, and so does `Finished` when the answer was complete. Close the generator (`aclosing`) to end a call
        early.
        """
        request = await asyncio.to_thread(written, call)
        async with self._admitted(request, tell) as answer:
            reader = answer.reader(call)
            async with aclosing(self._pieces(answer, reader)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, Linked):
                        yield piece
                    elif (made := await self._fetched(piece, reader)) is not None:
                        yield made
        reader.conclude()
        finished = reader.finished()
        if reader.failure is None or reader.delivered or finished.usage != Usage():  # a failed call may be billed too
            yield finished
        if reader.failure is not None:
            raise reader.failure

    async def upload(self, picture: Upload, *, expires_after_s: int | None = None) -> str:
        """Store an input image in the Files API (purpose vision) and return its id, `file-…`.

        `expires_after_s`: 3600 to 2,592,000 seconds; without it the file stays until it is deleted. Raises
        UpstreamError.
        """
        told = Identified.model_validate(await self._object(file_upload(picture, expires_after_s)))
        if not told.id:
            raise UpstreamInvalid("the provider took the file but gave no id for it", "check OPENAI_BASE_URL")
        return told.id

    async def models(self) -> list[str]:
        """The ids of the models that the key may use, as the provider orders them. Raises UpstreamError."""
        told = ModelList.model_validate(await self._object(Outgoing("GET", "/models")))
        return [model.id for model in told.data if model.id]

    async def aclose(self) -> None:
        """Close the connections; calls that still run fail."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _pieces(self, answer: Answer, reader: Reader) -> AsyncGenerator[Piece, None]:
        """What the reader finds: as soon as it has arrived in a stream, at the end of a plain answer."""
        plain: list[bytes] = []
        events, streamed = Events(), answer.streamed
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                if not streamed:
                    plain.append(chunk)
                    continue
                try:
                    arrived = events.add(chunk)
                except TooLarge as error:
                    raise answer.too_large(str(error)) from None
                for piece in await self._read(reader.part, arrived) if arrived else ():
                    yield piece
                if reader.ended:
                    return
        read, rest = (reader.part, events.rest()) if streamed else (reader.whole, plain)
        for piece in await self._read(read, rest):
            yield piece

    async def _read(self, read: Callable[[Sequence[bytes]], list[Piece]], chunks: Sequence[bytes]) -> list[Piece]:
        """Read in a thread, one answer at a time: several threads with megabytes each would keep the event loop waiting
        for the interpreter together, and none of them would be faster."""
        async with self._reading:
            return await asyncio.to_thread(read, chunks)

    async def _fetched(self, linked: Linked, reader: Reader) -> Made | None:
        """The image behind a link of the answer. Only the provider's own origin is asked; a failure is kept."""
        try:
            url = self._provider.linked(linked.url)
            if url is None:
                raise UpstreamInvalid("it is not at the provider's own address", "check OPENAI_BASE_URL")
            async with self._exchange(Outgoing("GET", url.path), url) as answer:
                data = await answer.body()
            if not data:
                raise UpstreamInvalid("it is empty", "try again")
            return replace(linked.made, data=data)
        except ImagegenError as error:
            reader.lost(
                UpstreamInvalid(
                    f"an image was made but could not be fetched: {error.sentence}",
                    "fetch it from the provider by other means, or use a server that answers with base64",
                    request_id=reader.request_id,
                    may_be_billed=reader.asked.paid,
                )
            )
            return None

    async def _object(self, request: Outgoing) -> dict[str, Any]:
        """The JSON object that a small request is answered with."""
        async with self._admitted(request) as answer:
            body = await answer.body()
        try:
            told = await asyncio.to_thread(from_json, body)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise UpstreamInvalid(
                f"the answer of {answer.asked.origin} is no JSON object",
                "check OPENAI_BASE_URL",
                request_id=answer.request_id,
            )
        return told

    @asynccontextmanager
    async def _admitted(self, outgoing: Outgoing, tell: Tell = unheard) -> AsyncIterator[Answer]:
        """An exchange that is tried again where the refusal allows it; once an answer begins it is the last."""
        async with AsyncExitStack() as stack:
            async for attempt in attempts(tell):
                with attempt:
                    answer = await stack.enter_async_context(self._exchange(outgoing))
            yield answer

    @asynccontextmanager
    async def _exchange(self, outgoing: Outgoing, url: httpx2.URL | None = None) -> AsyncIterator[Answer]:
        """Send a request and give its answer while its body is open; whatever fails becomes an ImagegenError."""
        url = url or self._provider.url(outgoing.path)
        asked = Asked(origin(url), f"{outgoing.method} {outgoing.path}", self._provider.secret, outgoing.paid)
        http = await self._opened()
        progress = Progress()
        answer: Answer | None = None
        try:
            response = await http.send(_built(http, outgoing, url, progress), stream=True)
            try:
                answer = Answer(response, asked)
                if not response.is_success:
                    raise await answer.refusal()
                yield answer
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            raise connection_failure(
                error,
                asked,
                sent=progress.sent or answer is not None,
                timeout_s=self._provider.read_timeout_s,
                request_id=answer.request_id if answer else None,
            ) from error

    async def _opened(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._http is None:
                self._http = await asyncio.to_thread(self._provider.http)
            return self._http


class _Pieces(httpx2.AsyncByteStream):
    """A body that was written in pieces, sent as such."""

    def __init__(self, pieces: tuple[bytes, ...]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def _built(http: httpx2.AsyncClient, outgoing: Outgoing, url: httpx2.URL, progress: Progress) -> httpx2.Request:
    accepted = "text/event-stream, application/json" if outgoing.streamed else "application/json"
    headers = {"Accept": accepted if outgoing.method == "POST" else "*/*"}
    extensions = {"trace": progress.trace}
    if outgoing.json is not None:
        headers |= {"Content-Type": "application/json", "Content-Length": str(sum(map(len, outgoing.json)))}
        return http.build_request(
            outgoing.method, url, content=_Pieces(outgoing.json), headers=headers, extensions=extensions
        )
    # Files are read in chunks of 64 KiB; bytes would be handed to the socket as one.
    files = [(field, (_sendable(file.name), BytesIO(file.data), file.mime_type)) for field, file in outgoing.files]
    return http.build_request(
        outgoing.method, url, data=outgoing.fields, files=files or None, headers=headers, extensions=extensions
    )


def _sendable(name: str) -> str:
    """A file name of this system need not be Unicode."""
    return name.encode("utf-8", "replace").decode()
