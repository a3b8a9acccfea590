"""The response object of the Responses API, its output items and its usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .conversation import Context
from .errors import ApiError
from .images import svg_usage
from .inputs import Materials
from .models import HostModel
from .options import Options
from .renderings import Rendering, size_of, size_text
from .scenes import scene
from .stored import new_id
from .tokens import Spent, share, text_tokens
from .wire import Base64

NOTHING = Spent(0, 0, 0)
HIDDEN = "input_image_mask"  # of the tool; the sandbox does not echo image bytes


@dataclass(frozen=True)
class Exchange:
    """One call of `POST /v1/responses` after its checks. `options` are those of the image tool, None where the answer
    is in words; `fields` are the body's."""

    id: str
    created_at: int
    host: HostModel
    fields: Mapping[str, Any]
    prompt: str
    tools: tuple[Mapping[str, Any], ...]
    options: Options | None
    context: Context = field(default_factory=Context)
    given: Materials = field(default_factory=Materials)

    @property
    def store(self) -> bool:
        return self.fields.get("store") is not False

    @property
    def background(self) -> bool:
        return self.fields.get("background") is True

    @property
    def streamed(self) -> bool:
        return self.fields.get("stream") is True

    @property
    def reasons(self) -> bool:
        effort = (self.fields.get("reasoning") or {}).get("effort")
        return self.host.reasons if effort is None else effort != "none"

    @property
    def action(self) -> str:
        return "edit" if self.given.base is not None else "generate"


def response(exchange: Exchange, status: str, output: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """The response object; `more` are its usage and the like. `created_at` is Unix seconds."""
    fields = exchange.fields
    body = {
        "id": exchange.id,
        "object": "response",
        "created_at": exchange.created_at,
        "status": status,
        "background": exchange.background,
        "completed_at": None,
        "error": None,
        "incomplete_details": None,
        "instructions": fields.get("instructions"),
        "max_output_tokens": fields.get("max_output_tokens"),
        "max_tool_calls": fields.get("max_tool_calls"),
        "metadata": fields.get("metadata") or {},
        "model": exchange.host.name,
        "output": list(output),
        "parallel_tool_calls": fields.get("parallel_tool_calls") is not False,
        "previous_response_id": fields.get("previous_response_id"),
        "prompt_cache_key": fields.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None} | (fields.get("reasoning") or {}),
        "safety_identifier": fields.get("safety_identifier"),
        "service_tier": "default",
        "store": exchange.store,
        "temperature": fields.get("temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | (fields.get("text") or {}),
        "tool_choice": fields.get("tool_choice") or "auto",
        "tools": [_echoed(tool) for tool in exchange.tools],
        "top_logprobs": fields.get("top_logprobs") or 0,
        "top_p": fields.get("top_p", 1.0),
        "truncation": fields.get("truncation") or "disabled",
        "usage": None,
        "user": fields.get("user"),
    }
    return body | more


def failed(exchange: Exchange, error: ApiError, request_id: str) -> dict[str, Any]:
    """The response object of one that failed after it had begun."""
    said = error.error(request_id)
    return response(exchange, "failed", error={"code": said["code"], "message": said["message"]})


def _echoed(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool as the API repeats it: the image tool with its defaults filled in, and an `n` that it cannot be given."""
    if tool.get("type") != "image_generation":
        return dict(tool)
    filled = {
        "action": "auto", "background": "auto", "moderation": "auto", "n": 1, "output_compression": 100,
        "output_format": "png", "quality": "auto", "size": "auto",
    }  # fmt: skip
    return filled | {name: value for name, value in tool.items() if value is not None and name != HIDDEN}


def started_call(item_id: str) -> dict[str, Any]:
    return {"id": item_id, "type": "image_generation_call", "status": "in_progress", "result": None}


def finished_call(item_id: str, exchange: Exchange, options: Options, picture: Rendering) -> dict[str, Any]:
    """The image_generation_call item with its picture and what `auto` became."""
    item = {
        "id": item_id,
        "type": "image_generation_call",
        "status": "completed",
        "action": exchange.action,
        **rendering_fields(options, exchange.given),
        "result": Base64(picture.data),
        "revised_prompt": revised(options, exchange.given),
    }
    return item | ({"svg_usage": svg_usage(options, len(picture.data))} if options.output_format == "svg" else {})


def failed_call(item_id: str, exchange: Exchange, error: Mapping[str, Any]) -> dict[str, Any]:
    return {**started_call(item_id), "status": "failed", "action": exchange.action, "error": dict(error)}


def rendering_fields(options: Options, given: Materials) -> dict[str, Any]:
    """How the picture is made, as partial images and finished calls say it."""
    return {
        "background": options.resolved_background,
        "output_format": options.output_format,
        "quality": options.resolved_quality,
        "size": size_text(size_of(options, given)),
    }


def revised(options: Options, given: Materials) -> str:
    """The prompt as the host model would have put it: with what the sandbox draws."""
    on = scene(f"{options.prompt}\n0", size_of(options, given), 1)
    asked = options.prompt.strip().rstrip(".")
    if given.base is not None:
        return f"{asked}. Keep the rest of the given picture; tint it towards the colours of {on.palette.name}."
    return f"{asked}. A scene of {on.name} in the colours of {on.palette.name}, with the words on a label."


def reasoning() -> dict[str, Any]:
    return {"id": new_id("rs"), "type": "reasoning", "summary": []}


def message(item_id: str, text: str | None, status: str = "completed") -> dict[str, Any]:
    """A message item; without a text it has no content yet."""
    content = [] if text is None else [text_part(text)]
    return {"id": item_id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def usages(exchange: Exchange, text: str, used: Spent = NOTHING) -> dict[str, Any]:
    """Where a response counts tokens: `usage` for the host model, `tool_usage.image_gen` for the image model.

    The host's are made up, within what recorded answers show: 1,700 to 3,200 in and 56 to 2,000 out for an image turn.
    """
    asked = text_tokens(exchange.prompt)
    if any(tool.get("type") == "image_generation" for tool in exchange.tools):
        given = min(3200, 1700 + share(exchange.prompt, 300) + asked + 200 * len(exchange.context.images))
    else:
        given = 10 + asked
    thought = 64 * (1 + share(exchange.prompt, 8)) if exchange.reasons else 0
    made = min(2000, 56 + share(f"{exchange.prompt} out", 140) + text_tokens(text) + thought)
    host = {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": given + made,
    }
    return {"usage": host, "tool_usage": {"image_gen": used.usage(), "web_search": {"num_requests": 0}}}
