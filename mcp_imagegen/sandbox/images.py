"""`POST /v1/images/generations` and `POST /v1/images/edits`, plain and streamed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import Response

from .bodies import Call
from .errors import refused, wrong_media_type
from .inputs import Materials, materials, referred, uploaded
from .options import EDIT, GENERATION, JSON_EDIT, Options, image_options
from .renderings import Rendering, drawn, size_of, size_text
from .situations import has, refuse_if_told, server_error, takes_s
from .stored import State
from .studio import in_studio
from .tokens import spent
from .wire import Base64, event, event_stream, json_response, pieces


async def generations(state: State, call: Call) -> Response:
    body = call.body
    if body.form:
        raise wrong_media_type("multipart/form-data")
    options = image_options(body.fields, GENERATION, state.clock())
    refuse_if_told(state, options.prompt, options.model, options.background, stream=options.stream)
    return await _answered(state, options, Materials(), "image_generation", call.request_id)


async def edits(state: State, call: Call) -> Response:
    """Images as files of a form, or as `images` of a JSON body; the mask applies to the first of them."""
    body = call.body
    if body.form:
        sources, mask = uploaded(body.files, body.fields)
        options = image_options(body.fields, EDIT, state.clock(), form=True)
    else:
        options = image_options(body.fields, JSON_EDIT, state.clock())
        sources, mask = referred(body.fields.get("images"), body.fields.get("mask"), state.file_data)
    if mask is not None and options.output_format == "gif":
        raise refused("mask", "GIF output does not support masks.")
    refuse_if_told(state, options.prompt, options.model, options.background, stream=options.stream)
    opened = await in_studio(materials, sources, mask)
    return await _answered(state, options, opened, "image_edit", call.request_id)


async def _answered(state: State, options: Options, given: Materials, kind: str, request_id: str) -> Response:
    if options.stream:
        return await event_stream(_events(state, options, given, kind, request_id), has(options.prompt, "disconnect"))
    if has(options.prompt, "stream-error"):
        raise server_error()
    pictures = []
    for index in range(options.n):
        pictures.append(await drawn(state, options, given, index))
        await asyncio.sleep(takes_s(state, options.prompt))
    parts = await in_studio(pieces, _body(state, options, given, pictures))
    return json_response(parts, broken=has(options.prompt, "disconnect"))


def _body(state: State, options: Options, given: Materials, pictures: list[Rendering]) -> dict[str, Any]:
    """The ImagesResponse; `created` is Unix seconds."""
    size = size_of(options, given)
    used = spent(options, size, given.sizes, len(pictures), 0)
    body = {
        "created": int(state.clock()),
        "background": options.resolved_background,
        "data": [{"b64_json": Base64(picture.data)} for picture in pictures],
        "output_format": options.output_format,
        "quality": options.resolved_quality,
        "size": size_text(size),
        "usage": used.usage(),
    }
    if options.output_format == "svg":
        body["svg_usage"] = svg_usage(options, len(pictures[0].data))
    return body | ({"safety_identifier": options.safety_identifier} if options.safety_identifier else {})


def svg_usage(options: Options, length: int) -> dict[str, Any]:
    """Tokens of the model that wrote an SVG of this many bytes."""
    given, made = 400 + len(options.prompt) // 4, length // 4
    author = options.svg_author or "gpt-5.4"
    return {
        "model": author,
        "input_tokens": given,
        "output_tokens": made,
        "reasoning_tokens": 0,
        "total_tokens": given + made,
    }


async def _events(
    state: State, options: Options, given: Materials, kind: str, request_id: str
) -> AsyncIterator[list[bytes]]:
    """For each picture its partial images and `completed`; the input is counted with the first picture."""
    size, number, breaks_off = size_of(options, given), 0, has(options.prompt, "stream-error")
    common = {
        "background": options.resolved_background,
        "created_at": int(state.clock()),
        "output_format": options.output_format,
        "quality": options.resolved_quality,
        "size": size_text(size),
    }
    for index in range(options.n):
        picture = await drawn(state, options, given, index)
        pause = takes_s(state, options.prompt) / (len(picture.partials) + 1)
        for frame, data in enumerate(picture.partials[:1] if breaks_off else picture.partials):
            await asyncio.sleep(pause)
            about = {"partial_image_index": frame, "sequence_number": number, "b64_json": Base64(data)}
            yield await in_studio(event, {"type": f"{kind}.partial_image", **common, **about})
            number += 1
        if breaks_off:
            yield event({"type": "error", "error": server_error().error(request_id), "sequence_number": number})
            return
        await asyncio.sleep(pause)
        used = spent(options, size, given.sizes, 1, len(picture.partials))
        about = {
            "usage": (used if index == 0 else used.without_input()).usage(details=False),
            "sequence_number": number,
        }
        if options.safety_identifier:
            about["safety_identifier"] = options.safety_identifier
        yield await in_studio(event, {"type": f"{kind}.completed", **common, **about, "b64_json": Base64(picture.data)})
        number += 1
