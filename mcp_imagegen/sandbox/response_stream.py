"""How an exchange of the Responses API runs: as one answer, or as the events that lead to the same answer."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .event_log import Event
from .options import Options
from .renderings import Rendering, drawn, size_of
from .response_bodies import (
    Exchange,
    failed,
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
from .retention import keep
from .situations import call_failure, has, server_error, takes_s
from .stored import State, new_id
from .studio import in_studio
from .tokens import spent
from .wire import Base64, event


@dataclass(frozen=True)
class Ended:
    """A response in the end, and the picture that was drawn for it."""

    body: dict[str, Any]
    picture: Rendering | None = None


async def answered(state: State, exchange: Exchange) -> Ended:
    """The response in the end. Raises ApiError where the prompt asks for a failure."""
    if has(exchange.prompt, "stream-error"):
        raise server_error()
    output = [reasoning()] if exchange.reasons else []
    if has(exchange.prompt, "incomplete"):
        return _cut_short(exchange, output)
    picture, text = None, _words(exchange)
    if exchange.options is not None:
        item_id = new_id("ig")
        if has(exchange.prompt, "call-failed"):
            output.append(failed_call(item_id, exchange, call_failure()))
        else:
            picture = await drawn(state, exchange.options, exchange.given)
            await asyncio.sleep(takes_s(state, exchange.prompt))
            output.append(finished_call(item_id, exchange, exchange.options, picture))
    output.append(message(new_id("msg"), text))
    return _completed(state, exchange, output, text, picture)


async def events(state: State, exchange: Exchange, request_id: str) -> AsyncIterator[Event]:
    """The events of a streamed response, numbered from 0; the last one carries the response in the end, which is kept
    before."""
    say = Speaker()
    begins = response(exchange, "queued" if exchange.background else "in_progress")
    yield say("response.created", response=begins)
    if exchange.background:
        yield say("response.queued", response=begins)
    yield say("response.in_progress", response=response(exchange, "in_progress"))
    output: list[dict[str, Any]] = []
    picture, text = None, _words(exchange)
    if exchange.reasons:
        output.append(reasoning())
        for kind in ("response.output_item.added", "response.output_item.done"):
            yield say(kind, output_index=0, item=output[0])
    if has(exchange.prompt, "incomplete"):
        yield say("response.incomplete", response=_kept(state, exchange, _cut_short(exchange, output)))
        return
    if exchange.options is not None:
        call = ToolCall(state, exchange, exchange.options, len(output), say)
        async for made in call.events():
            yield made
        if call.item is None:
            for broken in _broken(state, exchange, say, request_id):
                yield broken
            return
        output.append(call.item)
        picture = call.picture
    item = message(new_id("msg"), text)
    for said in _message_events(item, text, len(output), say):
        yield said
    output.append(item)
    body = _kept(state, exchange, _completed(state, exchange, output, text, picture))
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
        pause = takes_s(self._state, self._exchange.prompt) / (len(picture.partials) + 1)
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


def _kept(state: State, exchange: Exchange, ended: Ended) -> dict[str, Any]:
    keep(state, exchange, ended.body, ended.picture)
    return ended.body


def _broken(state: State, exchange: Exchange, say: Speaker, request_id: str) -> Iterator[Event]:
    body = failed(exchange, server_error(), request_id)
    if exchange.background:
        keep(state, exchange, body)
    yield say("error", **body["error"], param=None)
    yield say("response.failed", response=body)


def _words(exchange: Exchange) -> str:
    """What the host model says: nothing beside a picture, which is an empty text."""
    if exchange.options is None:
        return f"The sandbox answers in words and drew nothing. It was asked: {exchange.prompt.strip()[:200]}"
    if has(exchange.prompt, "call-failed"):
        return "I could not make that picture, because the safety system rejected it."
    return ""


def _completed(
    state: State, exchange: Exchange, output: Sequence[dict[str, Any]], text: str, picture: Rendering | None
) -> Ended:
    used = {}
    if picture is not None and exchange.options is not None:
        size, given = size_of(exchange.options, exchange.given), exchange.given.sizes
        used = {"used": spent(exchange.options, size, given, 1, len(picture.partials))}
    counted = usages(exchange, text, **used)
    return Ended(response(exchange, "completed", output, completed_at=int(state.clock()), **counted), picture)


def _cut_short(exchange: Exchange, output: Sequence[dict[str, Any]]) -> Ended:
    why = {"reason": "max_output_tokens"}
    return Ended(response(exchange, "incomplete", output, incomplete_details=why, **usages(exchange, "")))
