"""How an exchange of the Responses API runs: as one answer, or as the events that lead to the same answer."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from .options import Options
from .renderings import Rendering, drawn, size_of
from .response_bodies import (
    Exchange,
    failed_call,
    finished_call,
    message,
    reasoning,
    rendering_fields,
    response,
    started_call,
    text_part,
    usages,
)
from .situations import call_failure, has, server_error
from .stored import RETENTION, ContextImage, State, StoredItem, StoredResponse, new_id
from .studio import in_studio
from .tokens import spent
from .wire import Base64, event

Event = list[bytes]


async def answered(state: State, exchange: Exchange) -> dict[str, Any]:
    """The finished response, stored unless `store` is false. Raises ApiError where the prompt asks for a failure."""
    if has(exchange.prompt, "stream-error"):
        raise server_error()
    output = [reasoning()] if exchange.reasons else []
    picture, text = None, _words(exchange)
    if exchange.options is not None:
        item_id = new_id("ig")
        if has(exchange.prompt, "call-failed"):
            output.append(failed_call(item_id, exchange, call_failure()))
        else:
            picture = await drawn(state, exchange.options, exchange.given)
            await asyncio.sleep(state.seconds_per_image)
            output.append(finished_call(item_id, exchange, exchange.options, picture))
    output.append(message(new_id("msg"), text))
    return _completed(state, exchange, output, text, picture)


async def events(state: State, exchange: Exchange, request_id: str) -> AsyncIterator[Event]:
    """The events of a streamed response, numbered from 0; the last one carries the finished response."""
    say = Speaker()
    yield say("response.created", response=response(exchange, "in_progress"))
    yield say("response.in_progress", response=response(exchange, "in_progress"))
    output: list[dict[str, Any]] = []
    picture, text = None, _words(exchange)
    if exchange.reasons:
        output.append(reasoning())
        for kind in ("response.output_item.added", "response.output_item.done"):
            yield say(kind, output_index=0, item=output[0])
    if exchange.options is not None:
        call = ToolCall(state, exchange, exchange.options, len(output), say)
        async for made in call.events():
            yield made
        if call.item is None:
            for broken in _broken(exchange, say, request_id):
                yield broken
            return
        output.append(call.item)
        picture = call.picture
    item = message(new_id("msg"), text)
    for said in _message_events(item, text, len(output), say):
        yield said
    output.append(item)
    body = _completed(state, exchange, output, text, picture)
    yield await in_studio(say, "response.completed", response=body)


class Speaker:
    """Numbers the events of one stream."""

    def __init__(self) -> None:
        self._numbers = itertools.count()

    def __call__(self, kind: str, **body: Any) -> Event:
        return event({"type": kind, "sequence_number": next(self._numbers), **body})


class ToolCall:
    """The image tool's part of a stream. Afterwards `item` is the finished item; None where the stream breaks off."""

    def __init__(self, state: State, exchange: Exchange, options: Options, index: int, say: Speaker) -> None:
        self.item: dict[str, Any] | None = None
        self.picture: Rendering | None = None
        self._state, self._exchange, self._options, self._say = state, exchange, options, say
        self._index, self._id = index, new_id("ig")
        self._about = {"output_index": self._index, "item_id": self._id}

    async def events(self) -> AsyncIterator[Event]:
        index, item_id = self._index, self._id
        yield self._say("response.output_item.added", output_index=index, item=started_call(item_id))
        yield self._step("in_progress")
        yield self._step("generating")
        if has(self._exchange.prompt, "call-failed"):
            self.item = failed_call(item_id, self._exchange, call_failure())
            yield self._say("response.output_item.done", output_index=index, item=self.item)
            return
        picture = await drawn(self._state, self._options, self._exchange.given)
        pause = self._state.seconds_per_image / (len(picture.partials) + 1)
        breaks_off = has(self._exchange.prompt, "stream-error")
        for frame, data in enumerate(picture.partials[:1] if breaks_off else picture.partials):
            await asyncio.sleep(pause)
            yield await in_studio(self._partial, frame, data)
        if breaks_off:
            return
        await asyncio.sleep(pause)
        self.picture = picture
        self.item = finished_call(item_id, self._exchange, self._options, picture)
        yield self._step("completed")
        yield await in_studio(self._say, "response.output_item.done", output_index=index, item=self.item)

    def _step(self, name: str) -> Event:
        return self._say(f"response.image_generation_call.{name}", **self._about)

    def _partial(self, frame: int, data: bytes) -> Event:
        how = rendering_fields(self._options, self._exchange.given)
        body = {**self._about, **how, "partial_image_index": frame, "partial_image_b64": Base64(data)}
        return self._say("response.image_generation_call.partial_image", **body)


def _message_events(item: Mapping[str, Any], text: str, index: int, say: Speaker) -> Iterator[Event]:
    about = {"item_id": item["id"], "output_index": index, "content_index": 0}
    yield say("response.output_item.added", output_index=index, item=message(item["id"], None, "in_progress"))
    yield say("response.content_part.added", **about, part=text_part(""))
    for start in range(0, len(text), 40):
        yield say("response.output_text.delta", **about, delta=text[start : start + 40], logprobs=[])
    yield say("response.output_text.done", **about, text=text, logprobs=[])
    yield say("response.content_part.done", **about, part=text_part(text))
    yield say("response.output_item.done", output_index=index, item=item)


def _broken(exchange: Exchange, say: Speaker, request_id: str) -> Iterator[Event]:
    error = server_error().error(request_id)
    yield say("error", code=error["code"], message=error["message"], param=None)
    failure = {"code": error["code"], "message": error["message"]}
    yield say("response.failed", response=response(exchange, "failed", error=failure))


def _words(exchange: Exchange) -> str:
    """What the host model says: nothing beside a picture, which is an empty text."""
    if exchange.options is None:
        return f"The sandbox answers in words and drew nothing. It was asked: {exchange.prompt.strip()[:200]}"
    if has(exchange.prompt, "call-failed"):
        return "I could not make that picture, because the safety system rejected it."
    return ""


def _completed(
    state: State, exchange: Exchange, output: Sequence[dict[str, Any]], text: str, picture: Rendering | None
) -> dict[str, Any]:
    used = {}
    if picture is not None and exchange.options is not None:
        size, given = size_of(exchange.options, exchange.given), exchange.given.sizes
        used = {"used": spent(exchange.options, size, given, 1, len(picture.partials))}
    body = response(exchange, "completed", output, completed_at=int(state.clock()), **usages(exchange, text, **used))
    if exchange.store:
        _store(state, exchange, body, picture)
    return body


def _store(state: State, exchange: Exchange, body: dict[str, Any], picture: Rendering | None) -> None:
    """Keeps the response and its items, to be chained to and referred to by id."""
    ends = exchange.created_at + RETENTION
    images, ids = exchange.context.images, []
    for item in body["output"]:
        made = None
        if picture is not None and item["type"] == "image_generation_call":
            made = ContextImage(picture.raster or picture.data, item["id"])
            images = (*images, made)
        state.items.put(StoredItem(item["id"], made, ends))
        ids.append(item["id"])
    state.responses.put(StoredResponse(exchange.id, body, images, tuple(ids), ends))
