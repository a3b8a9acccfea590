"""The client of OpenAI's API and of servers that speak it: the only place that opens a connection to a provider.

A call goes: `requests` writes it, `client` sends it, a reader (`image_answers`, `responses_answers`) takes the answer
apart in a thread, and what cannot be had becomes an error in `failures` or `connection`. `retries` says what is sent
again: only what cannot have been billed.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
from pydantic import SecretStr
from pydantic_core import from_json

from ..errors import ImagegenError, UpstreamInvalid
from .answer import Answer
from .connection import Progress, connection_failure
from .outgoing import built
from .provider import Dialect, Provider
from .reading import Linked, Piece, Reader
from .requests import Outgoing, OwnFields, file_upload, in_json, too_long, written
from .retries import ATTEMPTS, NOT_STREAMED, StreamFailed, StreamingRefused, Tell, attempts, unheard
from .spool import Copy
from .sse import Events, TooLarge
from .values import Event, FileId, ImageCall, Made, Picture, ResponsesCall, Upload, Usage
from .wire import Identified, ModelList

Fetch = Callable[[str], Awaitable[bytes]]

FILE_LIFE_S = 3600  # the shortest that OpenAI keeps a file; only the request that follows needs it


class OpenAIClient:
    """Sends calls to one provider through one connection pool, which opens with the first of them.

    `base_url` may end in a slash and may have a query, which every request keeps. `trust_env=False` ignores proxies of
    the environment, as loopback needs. `read_timeout_s` bounds the silence between two pieces of an answer. `dialect`
    says whose paths and headers are spoken; Azure's depend on `api_version`. `extra_fields` go with every request to
    the image endpoints unless the call has them itself, `dropped_fields` never do. `fetch` gets the pictures that an
    answer links to at other origins, guarded; without it they cannot be had.
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
        dialect: Dialect = "openai",
        api_version: str = "preview",
        extra_fields: Mapping[str, Any] | None = None,
        dropped_fields: Collection[str] = (),
        fetch: Fetch | None = None,
    ) -> None:
        self._provider = Provider(
            base_url, api_key, organization, project, trust_env, connect_timeout_s, read_timeout_s, dialect, api_version
        )
        self._own = OwnFields(dict(extra_fields or {}), frozenset(dropped_fields))
        self._fetch = fetch
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._reading = asyncio.Lock()

    async def send(
        self, call: ImageCall | ResponsesCall, tell: Tell = unheard, copy: Copy | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of one call as they arrive: frames, images, and `Finished` last, plain and streamed alike.

        `tell` hears of every wait before a request is sent again. What arrives is put into `copy` before it is read. A
        picture that is too large for the JSON of its request is stored in the Files API for an hour.

        Raises an UpstreamError or InputNotFound when the provider refuses, fails or cannot be reached, and
        InputRejected or InvalidArgument for a call that cannot be written. Images that could be read come before the
        error, and so does `Finished` when the answer was complete. Close the generator (`aclosing`) to end a call
        early.
        """
        call = await self._with_files(call, tell)
        request = await asyncio.to_thread(written, call, self._own)
        plain = replace(call, partial_images=0)
        async with self._admitted(request, tell, unstreamed=lambda: written(plain, self._own)) as answer:
            warnings = (NOT_STREAMED,) if call.partial_images and not answer.asked.streamed else ()
            reader = answer.reader(call)
            async with aclosing(self._pieces(answer, reader)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, Linked):
                        yield piece
                    elif (made := await self._fetched(piece, reader)) is not None:
                        yield made
        reader.conclude()
        finished = replace(reader.finished(), warnings=warnings)
        if reader.failure is None or reader.delivered or finished.usage != Usage():  # a failed call may be billed too
            yield finished
        if reader.failure is not None:
            raise reader.failure

    async def response(
        self, response_id: str, *, tell: Tell = unheard, copy: Copy | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of a response that the API has stored, waited for if it is still worked on; `Finished` last.

        Raises IdForgotten when the API does not know the id, and other UpstreamErrors as `send` does.
        """
        raise NotImplementedError
        yield

    async def cancel(self, response_id: str) -> None:
        """End a response in the background. One that has ended or is gone is left at that. Raises UpstreamError."""
        raise NotImplementedError

    async def spooled(self, copy: Copy) -> AsyncGenerator[Event, None]:
        """The events of the answers that lie in `copy`, whole or not: `Finished` only for one that is complete.

        Raises the failure that the answer tells, after its images; an answer that stops early is no failure.
        """
        raise NotImplementedError
        yield

    async def _with_files(self, call: ImageCall | ResponsesCall, tell: Tell) -> ImageCall | ResponsesCall:
        """The call with ids of files in place of the pictures that have no data URL."""
        if not in_json(call):
            return call

        async def stored(picture: Picture) -> Picture:
            if isinstance(picture, FileId) or not too_long(picture):
                return picture
            tell(f"uploading {picture.name}")
            return FileId(await self.upload(picture, expires_after_s=FILE_LIFE_S))

        mask = await stored(call.mask) if call.mask else None
        call = replace(call, images=tuple([await stored(picture) for picture in call.images]), mask=mask)
        if isinstance(call, ImageCall) and call.markup:
            call = replace(call, markup=await stored(call.markup))
        return call

    async def upload(self, picture: Upload, *, expires_after_s: int | None = None) -> str:
        """Store an input image in the Files API (purpose vision) and return its id, `file-…`.

        `expires_after_s`: 3600 to 2,592,000 seconds; without it the file stays until it is deleted. Raises
        UpstreamError.
        """
        told = Identified.model_validate(await self._object(file_upload(picture, expires_after_s)))
        if not told.id:
            raise UpstreamInvalid("the provider took the file but gave no id for it", self._check)
        return told.id

    async def models(self) -> list[str]:
        """The ids of the models that the key may use, as the provider orders them. Raises UpstreamError.

        None on Azure, which is not asked: it lists what could be deployed.
        """
        if self._provider.dialect == "azure":
            return []
        told = ModelList.model_validate(await self._object(Outgoing("GET", "/models")))
        return [model.id for model in told.data if model.id]

    @property
    def _check(self) -> str:
        return f"check {self._provider.address_name}"

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
        """The image behind a link of the answer. A failure is kept."""
        try:
            data = await self._behind(linked.url)
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

    async def _behind(self, link: str) -> bytes:
        """The provider's own origin is asked with the key, any other without and through the guard."""
        url = self._provider.linked(link)
        if url is None:
            if self._fetch is None:
                raise UpstreamInvalid("it is not at the provider's own address", self._check)
            return await self._fetch(link)
        async with self._exchange(Outgoing("GET", url.path), url) as answer:
            return await answer.body()

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
                self._check,
                request_id=answer.request_id,
            )
        return told

    @asynccontextmanager
    async def _admitted(
        self, outgoing: Outgoing, tell: Tell = unheard, unstreamed: Callable[[], Outgoing] | None = None
    ) -> AsyncIterator[Answer]:
        """An exchange that is tried again where the refusal allows it; once an answer begins it is the last.

        `unstreamed` writes the same request for a provider that does not stream.
        """
        async with AsyncExitStack() as stack:
            async for attempt in attempts(tell):
                with attempt:
                    try:
                        answer = await stack.enter_async_context(self._exchange(outgoing))
                    except (StreamingRefused, StreamFailed) as error:
                        if unstreamed is not None and self._streams_no_more(error, attempt.num):
                            tell(NOT_STREAMED)
                            outgoing = await asyncio.to_thread(unstreamed)
                        raise
            yield answer

    def _streams_no_more(self, error: StreamingRefused | StreamFailed, attempt: int) -> bool:
        """Whether the next request should ask for no stream: OpenAI streams, so its server errors have other causes."""
        if isinstance(error, StreamingRefused):
            return attempt < ATTEMPTS
        return self._provider.dialect != "openai" and error.welcome_again and attempt == ATTEMPTS - 1

    @asynccontextmanager
    async def _exchange(self, outgoing: Outgoing, url: httpx2.URL | None = None) -> AsyncIterator[Answer]:
        """Send a request and give its answer while its body is open; whatever fails becomes an ImagegenError."""
        url = url or self._provider.url(outgoing.path, outgoing.deployment)
        asked = self._provider.asked(
            url, f"{outgoing.method} {outgoing.path}", paid=outgoing.paid, streamed=outgoing.streamed
        )
        http = await self._opened()
        progress = Progress()
        answer: Answer | None = None
        try:
            response = await http.send(built(http, outgoing, url, progress), stream=True)
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
