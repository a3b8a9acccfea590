"""What a caller gets out of one answer: as our client tells it, and by the official package's own types."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import openai
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent, ImagesResponse
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseErrorEvent,
    ResponseImageGenCallPartialImageEvent,
    ResponseOutputItemDoneEvent,
)
from openai.types.responses.response_output_item import ImageGenerationCall

from mcp_imagegen.openai_api.values import Event, Finished, Frame, Made, Resolved, Tokens


class Picture(NamedTuple):
    data: bytes
    resolved: Resolved
    revised_prompt: str | None = None
    call_id: str | None = None
    action: str | None = None


@dataclass
class Reading:
    """`frames` are partial images with their numbers, `failure` is what went wrong inside an answer, in its words."""

    pictures: list[Picture] = field(default_factory=list)
    frames: list[tuple[bytes, int]] = field(default_factory=list)
    image: Tokens | None = None
    host: Tokens | None = None
    response_id: str | None = None
    text: str | None = None
    failure: str | None = None


def read_by_ours(came: Iterable[Event]) -> Reading:
    reading = Reading()
    for event in came:
        if isinstance(event, Made):
            told = (event.revised_prompt, event.call_id, event.action)
            reading.pictures.append(Picture(event.data, event.resolved, *told))
        elif isinstance(event, Frame):
            reading.frames.append((event.data, event.frame))
        elif isinstance(event, Finished):
            reading.image, reading.host = event.usage.image, event.usage.host
            reading.response_id, reading.text = event.response_id, event.text
    return reading


async def read_by_official(answer: Any) -> Reading:
    """Raises openai.APIError where a stream holds an error."""
    reading = Reading()
    if not isinstance(answer, openai.AsyncStream):
        _read(answer, reading)
        return reading
    async for event in answer:
        _read(event, reading)
    return reading


def _read(part: Any, into: Reading) -> None:
    """A whole answer, or one event of it."""
    match part:
        case ImagesResponse():
            pictures = [(base64.b64decode(item.b64_json or ""), item.revised_prompt) for item in part.data or []]
            into.pictures += [Picture(data, _resolved(part), revised) for data, revised in pictures]
            into.image = _image_tokens(part.usage)
        case ImageGenCompletedEvent() | ImageEditCompletedEvent():
            into.pictures.append(Picture(base64.b64decode(part.b64_json), _resolved(part)))
            into.image = _image_tokens(part.usage)
        case Response():
            for item in part.output:
                _read_item(item, into)
            _read_end(part, into)
        case ResponseOutputItemDoneEvent():
            _read_item(part.item, into)
        case ResponseCompletedEvent():
            _read_end(part.response, into)
        case ResponseErrorEvent():
            into.failure = part.message
        case ResponseImageGenCallPartialImageEvent():
            into.frames.append((base64.b64decode(part.partial_image_b64), part.partial_image_index))
        case _ if part.type.endswith(".partial_image"):
            into.frames.append((base64.b64decode(part.b64_json), part.partial_image_index))


def _read_item(item: Any, into: Reading) -> None:
    if isinstance(item, ImageGenerationCall) and item.error:
        into.failure = item.error.message
    if isinstance(item, ImageGenerationCall) and item.result:
        told = (item.revised_prompt, item.id, item.action)
        into.pictures.append(Picture(base64.b64decode(item.result), _resolved(item), *told))


def _read_end(response: Response, into: Reading) -> None:
    into.response_id, into.text = response.id, response.output_text.strip() or None
    into.image = _image_tokens(response.tool_usage.image_gen) if response.tool_usage else None
    into.host = _host_tokens(response.usage)


def _resolved(told: Any) -> Resolved:
    """`auto` says nothing of what it became."""
    values = (told.size, told.quality, told.background, told.output_format)
    return Resolved(*(None if value == "auto" else value for value in values))


def _image_tokens(usage: Any) -> Tokens:
    """Of the Image API's `usage`, or of the tool's. Output that is not split is image, as it is documented; streamed
    events have the split too, although the package does not type it."""
    made = usage.to_dict().get("output_tokens_details") or {"image_tokens": usage.output_tokens, "text_tokens": 0}
    cached = usage.to_dict().get("cached_tokens_details") or {"cached_text_tokens": 0, "cached_image_tokens": 0}
    return Tokens(
        text_input=usage.input_tokens_details.text_tokens,
        image_input=usage.input_tokens_details.image_tokens,
        cached_text=cached["cached_text_tokens"],
        cached_image=cached["cached_image_tokens"],
        text_output=made["text_tokens"],
        image_output=made["image_tokens"],
    )


def _host_tokens(usage: Any) -> Tokens:
    return Tokens(
        text_input=usage.input_tokens,
        cached_text=usage.input_tokens_details.cached_tokens,
        text_output=usage.output_tokens,
        cache_write=usage.input_tokens_details.cache_write_tokens,
    )
