"""The client of OpenAI's API and of servers that speak it: the only place that opens a connection to a provider.

A call goes: `requests` writes it, `client` sends it, `intake` copies the answer to disk as it arrives (`spool`) and a
reader (`image_answers`, `responses_answers`) takes it apart in a thread, and what cannot be had becomes an error in
`failures` or `connection`. `retries` says what is sent again: only what cannot have been billed. A response whose
answer ended before it did is asked for by its id (`background`).
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import date
from functools import partial
from typing import Any

import httpx2
from pydantic import SecretStr

from ..errors import ImagegenError, UpstreamError, UpstreamInvalid, UpstreamTimeout
from .answer import Answer
from .background import Background, response_path
from .bodies import parsed
from .connection import Progress, connection_failure
from .failures import BackgroundNotKept, EndpointMissing
from .fallback import Fallback
from .intake import Intake
from .links import Fetch, Links
from .outgoing import built
from .provider import Dialect, Provider
from .reading import Reader
from .replay import replayed
from .requests import Outgoing, OwnFields, file_upload
from .responses_answers import ResponsesReader
from .retries import BackgroundRefused, StreamFailed, StreamingRefused, Tell, Tries, attempts, unheard
from .spool import Copy
from .uploads import files_missing, with_files
from .values import Event, ImageCall, ResponsesCall, Upload
from .wire import Identified, ModelList

log = logging.getLogger(__name__)
FILE_LIFE_S = 3600  # the shortest that OpenAI keeps a file; only the request that follows needs it
_ENDED = ("completed", "incomplete", "failed")  # how a response may stand that can be cancelled no more


class OpenAIClient:
    """Sends calls to one provider, each request over a connection of its own.

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
        self._http: httpx2.AsyncClient | None = None
        self._opening = asyncio.Lock()
        self._foreground_only = False  # the provider turned out not to work in the background
        self._intake = Intake(Links(self._provider, self._exchange, fetch).picture)
        self._background = Background(self._exchange, self._intake)

    async def send(
        self, call: ImageCall | ResponsesCall, tries: Tries | None = None, copy: Copy | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of one call as they arrive: the id of its response, frames, images, and `Finished` last, plain and
        streamed alike.

        `tries` counts the requests, also over several calls that make up for one another. What arrives is put into
        `copy` before it is read. A picture that is too large for the JSON of its request is stored in the Files API for
        an hour. A response whose answer is cut is asked for by its id.

        Raises an UpstreamError, a BadInput or UnsupportedOption when the provider refuses, fails or cannot be reached,
        and InputRejected or InvalidArgument for a call that cannot be written. Images that could be read come before
        the error, and so does `Finished` when the answer was complete. Close the generator (`aclosing`) to end a call
        early.
        """
        tries = tries or Tries()
        call = await with_files(call, partial(self.upload, expires_after_s=FILE_LIFE_S, tell=tries.tell), tries.tell)
        fallback = Fallback(call, self._own, tries, streams=self._provider.dialect == "openai")
        if self._foreground_only:
            fallback.leave_background()
        wanted_frames = call.partial_images > 0
        while True:
            try:
                async with aclosing(self._sent(fallback, copy, wanted_frames)) as events:
                    async for event in events:
                        yield event
                return
            except (StreamingRefused, BackgroundRefused) as error:
                if not fallback.without(error):
                    raise
                self._foreground_only |= isinstance(error, BackgroundRefused)  # at once: this form may be refused too
                tries.refusal = error
            except BackgroundNotKept:
                self._foreground_only = True
                raise
            except ImagegenError as error:
                self._foreground_only &= not fallback.acquits_background(error)
                raise
            if copy is not None:
                await copy.withdraw()  # what it says of the refused form is no end of the call

    async def _sent(self, fallback: Fallback, copy: Copy | None, wanted_frames: bool) -> AsyncGenerator[Event, None]:
        """The events of one form of a call. Raises as `send` does, and what the fallback is for before any image."""
        reader: Reader | None = None
        cut: UpstreamTimeout | None = None
        try:
            async with self._admitted(await fallback.written(), fallback.tries, fallback) as answer:
                reader = answer.reader(fallback.call)
                async with aclosing(self._intake.events(answer, reader, copy, fallback.tries.tell)) as events:
                    async for event in events:
                        yield event
        except UpstreamTimeout as error:
            if not isinstance(reader, ResponsesReader):
                raise
            cut = error
        assert reader is not None, "an answer was admitted"
        if isinstance(reader, ResponsesReader):
            async with aclosing(self._background.rest(reader, cut, fallback.tries.tell, copy)) as events:
                async for event in events:
                    yield event
        for finished in reader.conclusion((fallback.not_streamed,) if wanted_frames and not reader.streamed else ()):
            yield finished

    async def response(
        self, response_id: str, *, tell: Tell = unheard, copy: Copy | None = None
    ) -> AsyncGenerator[Event, None]:
        """The events of a response that the API has stored, waited for if it is still worked on; `Finished` last.

        Raises IdForgotten when the API does not know the id, and other UpstreamErrors as `send` does.
        """
        asking = Outgoing("GET", response_path(response_id), paid=True, by_id=True)
        reader = ResponsesReader(self._provider.asked(self._provider.url(asking.path), asking), {}, None)
        async with aclosing(self._background.polled(response_id, reader, tell, copy)) as events:
            async for event in events:
                yield event
        for finished in reader.conclusion():
            yield finished

    async def cancel(self, response_id: str) -> bool:
        """End a response in the background; False where it is not cancelled by that, most of all one that has ended
        before. Raises UpstreamError."""
        try:
            told = await self._object(Outgoing("POST", f"{response_path(response_id)}/cancel", by_id=True))
        except UpstreamInvalid as error:
            log.info("a response was not cancelled: %s", error)
            return False
        return told.get("status") not in _ENDED  # some answer with the response as it is

    async def spooled(self, copy: Copy) -> AsyncGenerator[Event, None]:
        """The events of the answers that lie in `copy`, whole or not: `Finished` only for one that is complete.

        Raises the failure that the answer tells, after its images; an answer that stops early is no failure.
        """
        async with aclosing(replayed(copy, self._intake, self._provider.asked_before)) as events:
            async for event in events:
                yield event

    async def upload(self, picture: Upload, *, expires_after_s: int | None = None, tell: Tell = unheard) -> str:
        """Store an input image in the Files API (purpose vision) and return its id, `file-…`.

        `expires_after_s`: 3600 to 2,592,000 seconds; without it the file stays until it is deleted. `tell` hears of
        every wait before it is sent again. Raises UpstreamError, and FilesMissing where the server has no such path.
        """
        try:
            told = Identified.model_validate(await self._object(file_upload(picture, expires_after_s), Tries(tell)))
        except EndpointMissing as error:
            raise files_missing(picture) from error
        if not told.id:
            raise UpstreamInvalid("the provider took the file but gave no id for it", self._check)
        return told.id

    async def models(self) -> dict[str, date | None]:
        """The ids of the models that the key may use, as the provider orders them, each with the first day without it
        where the provider names one. Raises UpstreamError.

        None on Azure, which is not asked: it lists what could be deployed.
        """
        if self._provider.dialect == "azure":
            return {}
        told = ModelList.model_validate(await self._object(Outgoing("GET", "/models")))
        return {model.id: model.shutdown_date for model in told.data if model.id}

    @property
    def _check(self) -> str:
        return f"check {self._provider.address_name}"

    async def aclose(self) -> None:
        """Close the connections; calls that still run fail."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _object(self, request: Outgoing, tries: Tries | None = None) -> dict[str, Any]:
        """The JSON object that a small request is answered with."""
        async with self._admitted(request, tries or Tries()) as answer:
            body = await answer.body()
        try:
            told = await asyncio.to_thread(parsed, body, answer.asked.secret)
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
        self, outgoing: Outgoing, tries: Tries, fallback: Fallback | None = None
    ) -> AsyncIterator[Answer]:
        """The answer to a request that was let through; refused ones are sent again as `retries` says, or as the
        `fallback` writes them."""
        async with AsyncExitStack() as stack:
            async for attempt in attempts(tries):
                await tries.begin()
                with attempt:
                    try:
                        answer = await stack.enter_async_context(self._exchange(outgoing))
                    except UpstreamError as error:
                        tries.refusal = error
                        if fallback is not None and isinstance(error, StreamFailed):
                            outgoing = await fallback.after(error) or outgoing
                        raise
            yield answer

    @asynccontextmanager
    async def _exchange(self, outgoing: Outgoing, url: httpx2.URL | None = None) -> AsyncIterator[Answer]:
        """Send a request and give its answer while its body is open; whatever fails becomes an ImagegenError."""
        url = url or self._provider.url(outgoing.path, outgoing.deployment)
        asked = self._provider.asked(url, outgoing)
        http, timeout = await self._opened(), self._provider.timeout(outgoing)
        progress = Progress()
        answer: Answer | None = None
        try:
            response = await http.send(built(http, outgoing, url, timeout, progress), stream=True)
            try:
                answer = Answer(response, asked)
                if not response.is_success and not (outgoing.linked and answer.redirection):
                    raise await answer.refusal()
                yield answer
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            request_id = answer.request_id if answer else None
            raise connection_failure(
                error, asked, progress, timeout_s=timeout.read or 0, request_id=request_id
            ) from error

    async def _opened(self) -> httpx2.AsyncClient:
        async with self._opening:
            if self._http is None:
                self._http = await asyncio.to_thread(self._provider.http)
            return self._http
