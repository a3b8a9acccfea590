"""`POST /v1/responses` with the image_generation tool: plain, streamed, and in the background."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from .background import begin
from .bodies import Call
from .checking import Anything, Array, Check, Flag, Structure, Text, checked
from .conversation import Context, Turn, context_of, materials_of, turn_of
from .errors import (
    ApiError,
    download_failed,
    invalid_mask,
    missing_parameter,
    no_image_to_edit,
    no_previous_response,
    no_retention,
    no_such_item,
    refused,
    wrong_media_type,
    wrong_value,
)
from .inputs import Materials, Source, reference
from .models import host_model
from .options import Options, tool_options
from .response_bodies import Exchange, response
from .response_stream import answered, events
from .retention import keep
from .situations import has, refuse_if_told
from .stored import State, StoredResponse, new_id
from .studio import in_studio
from .wire import event_stream, json_response, pieces

ANYTHING = (
    "access_programs context_management include instructions max_output_tokens max_tool_calls metadata moderation "
    "parallel_tool_calls prompt_cache_key prompt_cache_options prompt_cache_retention safety_identifier service_tier "
    "stream_options temperature tool_choice top_logprobs top_p truncation user input"
)
NOT_HERE = ("conversation", "prompt")
TABLE: Mapping[str, Check] = {name: Anything() for name in ANYTHING.split()} | {
    "background": Flag(),
    "conversation": Anything(),
    "image": Structure(),
    "model": Text(),
    "previous_response_id": Text(),
    "prompt": Anything(),
    "reasoning": Structure(),
    "store": Flag(),
    "stream": Flag(),
    "text": Structure(),
    "tools": Array(),
}


async def create(state: State, call: Call) -> Response:
    body = call.body
    if body.form:
        raise wrong_media_type("multipart/form-data")
    fields = checked(body.fields, TABLE)
    if fields.get("background") and fields.get("store") is False:
        text = "Background mode requires 'store' to be true."
        raise ApiError(text, code="unsupported_parameter", param="background")
    fields |= {} if state.retains else {"store": False}
    for name in NOT_HERE:
        if fields.get(name):
            raise ApiError(f"The sandbox does not imitate '{name}'.", code="unsupported_parameter", param=name)
    exchange = await _checked_exchange(state, fields)
    broken = has(exchange.prompt, "disconnect")
    if exchange.background:
        heard = begin(state, exchange, call.request_id)
        if heard is not None:
            return await event_stream(heard.after(-1), broken)
        return json_response(pieces(response(exchange, "queued")), broken=broken)
    if exchange.streamed:
        return await event_stream(events(state, exchange, call.request_id), broken)
    ended = await answered(state, exchange)
    keep(state, exchange, ended.body, ended.picture)
    return json_response(await in_studio(pieces, ended.body), broken=broken)


async def _checked_exchange(state: State, fields: dict[str, Any]) -> Exchange:
    """Everything that is refused is refused here, before a stream begins."""
    if "model" not in fields:
        raise missing_parameter("model")
    host = host_model(fields["model"], state.clock())
    previous = _previous(state, fields.get("previous_response_id"))
    turn = turn_of(fields.get("input"), state)
    if has(turn.prompt, "forgotten"):
        _refuse_ids(fields.get("previous_response_id"), turn.named)
    tools = _tools(fields)
    index = next((at for at, tool in enumerate(tools) if tool.get("type") == "image_generation"), None)
    options, mask = None, None
    if index is not None:
        options = tool_options(tools[index], turn.prompt, state.clock(), index)
        mask = _mask(state, tools[index], index)
        stream, aside = bool(fields.get("stream")), bool(fields.get("background"))
        refuse_if_told(state, turn.prompt, options.model, options.background, stream=stream, aside=aside)
    draws = _draws(fields.get("tool_choice"), options, turn)
    context = await in_studio(context_of, turn, previous.images if previous else ())
    given = Materials()
    if options is not None and draws:
        given = await in_studio(_given, options, context, mask, index)
    return Exchange(
        id=new_id("resp"),
        created_at=int(state.clock()),
        host=host,
        fields=fields,
        prompt=turn.prompt,
        tools=tools,
        options=_streaming(options, fields) if draws else None,
        context=context,
        given=given,
    )


def _previous(state: State, response_id: str | None) -> StoredResponse | None:
    if response_id is None:
        return None
    if not state.retains:
        raise no_retention()
    if (previous := state.responses.get(response_id)) is None or previous.under_way:
        raise no_previous_response(response_id)
    return previous


def _refuse_ids(previous: str | None, named: tuple[str, ...]) -> None:
    """Raises the ApiError of ids that are not known."""
    if previous is not None:
        raise no_previous_response(previous)
    for item_id in named:
        raise no_such_item(item_id)


def _tools(fields: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    tools = fields.get("tools", [])
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            raise missing_parameter(f"tools[{index}].type")
    return tuple(tools)


def _mask(state: State, tool: Mapping[str, Any], index: int) -> Source | None:
    if (given := tool.get("input_image_mask")) is None:
        return None
    param = f"tools[{index}].input_image_mask"
    if str(given.get("image_url", "")).startswith(("http://", "https://")):
        raise download_failed()
    if tool.get("output_format") == "gif":
        raise refused(param, "GIF output does not support masks.")
    return reference(given, param, state.file_data, lambda: invalid_mask("mask image could not be read", param))


def _draws(choice: Any, options: Options | None, turn: Turn) -> bool:
    """Whether the host model calls the image tool: where it must, and where it may and the prompt is not a question.

    Raises ApiError where the tool is forced and not there.
    """
    wanted, kind = _wanted(choice)
    if wanted == "forced" and options is None:
        raise ApiError(f"Tool choice '{kind}' not found in 'tools' parameter.", param="tool_choice")
    if options is None or wanted == "none" or has(turn.prompt, "text-only"):
        return False
    return wanted == "forced" or not turn.prompt.rstrip().endswith("?")


def _wanted(choice: Any) -> tuple[str, str]:
    """`forced`, `auto` or `none` for the image tool, and what was chosen."""
    match choice:
        case None | "auto":
            return "auto", "auto"
        case "none":
            return "none", "none"
        case "required" | {"type": "image_generation"}:
            return "forced", "image_generation"
        case {"type": "allowed_tools", "mode": mode, "tools": list(tools)}:
            if not any(isinstance(tool, dict) and tool.get("type") == "image_generation" for tool in tools):
                return "none", "allowed_tools"
            return ("forced" if mode == "required" else "auto"), "image_generation"
        case {"type": str(kind)}:
            return "none", kind
    raise wrong_value("tool_choice", str(choice), ("none", "auto", "required"))


def _given(options: Options, context: Context, mask: Source | None, index: int | None) -> Materials:
    """What the tool works on: nothing where it generates. Raises ApiError where it must edit and there is no image."""
    images = () if options.action == "generate" else context.base_first()
    if not images and options.action == "edit":
        raise no_image_to_edit(f"tools[{index}].action")
    if not images and mask is not None and options.action == "auto":
        raise invalid_mask("there is no image that the mask applies to", mask.param)
    return materials_of(images, mask)


def _streaming(options: Options | None, fields: Mapping[str, Any]) -> Options | None:
    return None if options is None else options.streamed(bool(fields.get("stream")))
