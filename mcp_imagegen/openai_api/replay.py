"""Answers that lie on disk, read again as they would have been when they arrived."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from .asked import Asked
from .image_answers import ImageReader
from .intake import Intake
from .reading import Reader
from .responses_answers import ResponsesReader
from .spool import About, Copy
from .values import Event


async def replayed(copy: Copy, intake: Intake, asked: Callable[[About], Asked]) -> AsyncGenerator[Event, None]:
    """The events of the answers of one call. `asked` says for errors whom an answer came from.

    `Finished` comes only of an answer that is complete. Raises the failure that the answer tells, after its images.
    """
    reader: Reader | None = None
    for lying in await asyncio.to_thread(copy.lying):
        about = await asyncio.to_thread(lying.about)
        if about is None:
            continue
        reader = _reader(about, asked(about), reader)
        async with aclosing(intake.replayed(lying, about.streamed, reader)) as events:
            async for event in events:
                yield event
    if reader is None:
        return
    if reader.complete:
        for finished in reader.conclusion():
            yield finished
    elif reader.failure is not None:
        raise reader.failure


def _reader(about: About, asked: Asked, before: Reader | None) -> Reader:
    """The reader of the answers so far where this one is about the same response."""
    if about.api == "image":
        return ImageReader(asked, {}, about.request_id, about.n)
    if not about.endpoint.startswith("GET "):
        return ResponsesReader(asked, {}, about.request_id)
    reader = before if isinstance(before, ResponsesReader) else ResponsesReader(asked, {}, about.request_id)
    reader.again()
    return reader
