"""Answers as they arrive: copied to disk, read in a thread, and completed by the pictures that they only link to."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import httpx2

from ..errors import ImagegenError, UpstreamInvalid
from .answer import Answer
from .image_answers import ImageReader
from .links import place
from .reading import Linked, Piece, Reader
from .retries import Tell, unheard
from .spool import About, Copy, Lying
from .sse import BEFORE, Events, TooLarge
from .values import Event, Made

log = logging.getLogger(__name__)


LONGEST_PLACE = 300  # characters of a link that are shown

Behind = Callable[[str, Tell], Awaitable[bytes]]


class Intake:
    """Takes answers apart, one at a time. `behind` gets the picture behind a link; raises ImagegenError."""

    def __init__(self, behind: Behind) -> None:
        self._behind = behind
        self._reading = asyncio.Lock()

    async def events(
        self, answer: Answer, reader: Reader, copy: Copy | None = None, tell: Tell = unheard
    ) -> AsyncGenerator[Event, None]:
        """What the reader finds: as soon as it has arrived in a stream, at the end of a plain answer. Of one that is
        cut, what is whole, and then the error. `tell` hears of waits for a picture behind a link.

        Raises httpx2.HTTPError, and UpstreamInvalid for what cannot be read.
        """
        chunks = answer.chunks()
        if copy is not None:
            chunks = copy.kept(_about(answer, reader), chunks)
        try:
            async with aclosing(self._events(chunks, answer.streamed, reader, tell)) as events:
                async for event in events:
                    yield event
        except TooLarge as error:
            raise answer.too_large(str(error)) from None

    async def replayed(self, lying: Lying, streamed: bool, reader: Reader) -> AsyncGenerator[Event, None]:
        """The same of an answer on disk, of which nothing more comes."""
        try:
            async with aclosing(self._events(lying.chunks(), streamed, reader, unheard, lacking=True)) as events:
                async for event in events:
                    yield event
        except TooLarge as error:
            log.warning("the copy %s is read no further: %s", lying.path.name, error)

    async def _events(
        self, chunks: AsyncGenerator[bytes, None], streamed: bool, reader: Reader, tell: Tell, *, lacking: bool = False
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(self._pieces(chunks, streamed, reader, lacking)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, Linked):
                    yield piece
                elif (made := await self._fetched(piece, reader, tell)) is not None:
                    yield made

    async def _pieces(
        self, chunks: AsyncGenerator[bytes, None], streamed: bool, reader: Reader, lacking: bool
    ) -> AsyncGenerator[Piece, None]:
        """`lacking`: the end of a plain answer may be missing. An answer that turns out to be whole was not cut."""
        plain: list[bytes] = []
        events, cut, undecided = Events(), None, streamed
        async with aclosing(chunks):
            try:
                async for chunk in chunks:
                    if undecided and (first := chunk.lstrip(BEFORE)[:1]):
                        # No event begins so: it is JSON, whatever its content type says.
                        undecided, streamed = False, first != b"{"
                    if not streamed:
                        plain.append(chunk)
                        continue
                    arrived = events.add(chunk)
                    for piece in await self._read(reader.part, arrived) if arrived else ():
                        yield piece
                    if reader.ended:
                        return
            except httpx2.HTTPError as error:
                cut = error
        whole = reader.partly if lacking or cut is not None else reader.whole
        for piece in await self._read(*((reader.part, events.rest()) if streamed else (whole, plain))):
            yield piece
        if cut is not None and not reader.ended:
            raise cut

    async def _read(self, read: Callable[[Sequence[bytes]], list[Piece]], chunks: Sequence[bytes]) -> list[Piece]:
        """Read in a thread, one answer at a time: several threads with megabytes each would keep the event loop waiting
        for the interpreter together, and none of them would be faster."""
        async with self._reading:
            return await asyncio.to_thread(read, chunks)

    async def _fetched(self, linked: Linked, reader: Reader, tell: Tell) -> Made | None:
        """The image behind a link of the answer. A failure is kept."""
        try:
            data = await self._behind(linked.url, tell)
            if not data:
                raise UpstreamInvalid("it is empty", "try again")
            return replace(linked.made, data=data)
        except ImagegenError as error:
            reader.lost(_unfetched(linked.url, error, reader))
            return None


def _unfetched(link: str, error: ImagegenError, reader: Reader) -> UpstreamInvalid:
    """The failure to get an image, and how it can be had."""
    asked = reader.asked
    fix = f"fetch it from {asked.quote(place(link, asked.origin)[:LONGEST_PLACE])}"
    if asked.address_name == "OPENAI_BASE_URL" and not asked.of_openai:
        fix += "; MCP_IMAGEGEN_COMPATIBLE_SEND=response_format=b64_json asks a compatible server for the image itself"
    return UpstreamInvalid(
        f"an image was made but could not be fetched: {error.sentence}",
        fix,
        request_id=reader.request_id,
        may_be_billed=asked.paid,
    )


def _about(answer: Answer, reader: Reader) -> About:
    asked = answer.asked
    if isinstance(reader, ImageReader):
        return About("image", reader.n, answer.streamed, asked.origin, asked.endpoint, answer.request_id)
    return About(
        "responses", 1, answer.streamed, asked.origin, asked.endpoint, answer.request_id, asked.ids, asked.hosts
    )
