"""Answers as OpenAI's API words them, for tests that need no server behind them."""

import base64
import json
from typing import Any

RESOLVED = {"size": "1024x1024", "quality": "medium", "background": "opaque", "output_format": "png"}
IMAGE_USAGE = {
    "input_tokens": 340,
    "input_tokens_details": {"text_tokens": 17, "image_tokens": 323},
    "output_tokens": 1800,
    "output_tokens_details": {"text_tokens": 44, "image_tokens": 1756},
    "total_tokens": 2140,
}
TOOL_USAGE = {
    "image_gen": {
        **IMAGE_USAGE,
        "cached_tokens": 300,
        "cached_tokens_details": {"cached_text_tokens": 10, "cached_image_tokens": 290},
    },
    "web_search": {"num_requests": 0},
}
HOST_USAGE = {
    "input_tokens": 2100,
    "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 512},
    "output_tokens": 80,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 2180,
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def images(*pictures: bytes, **more: Any) -> dict[str, Any]:
    """The body of generations and edits."""
    data = [{"b64_json": b64(picture)} for picture in pictures]
    return {"created": 1_790_000_000, "data": data, **RESOLVED, "usage": IMAGE_USAGE, **more}


def image_event(kind: str, picture: bytes, **more: Any) -> dict[str, Any]:
    """`kind`: image_generation.partial_image, image_edit.completed and so on."""
    usage = {"usage": IMAGE_USAGE} if kind.endswith("completed") else {}
    return {"type": kind, "b64_json": b64(picture), "created_at": 1_790_000_000, **RESOLVED, **usage, **more}


def image_call(picture: bytes | None, id: str = "ig_1", **more: Any) -> dict[str, Any]:  # noqa: A002 - the API's name
    result = None if picture is None else b64(picture)
    status = "failed" if picture is None else "completed"
    return {
        "type": "image_generation_call",
        "id": id,
        "status": status,
        "result": result,
        "action": "generate",
        "revised_prompt": "a red cat, photographed",
        **RESOLVED,
        **more,
    }


def message(text: str, id: str = "msg_1") -> dict[str, Any]:  # noqa: A002 - the API's name
    content = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    return {"type": "message", "id": id, "status": "completed", "role": "assistant", "content": content}


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_790_000_000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "gpt-5.4",
        "output": list(output),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": {"type": "image_generation"},
        "tools": [],
        "top_p": 1.0,
        "usage": HOST_USAGE,
        "tool_usage": TOOL_USAGE,
        **more,
    }


def call_frame(picture: bytes, frame: int, item_id: str = "ig_1", output_index: int = 0) -> dict[str, Any]:
    return {
        "type": "response.image_generation_call.partial_image",
        "item_id": item_id,
        "output_index": output_index,
        "partial_image_b64": b64(picture),
        "partial_image_index": frame,
        "sequence_number": 3,
        **RESOLVED,
    }


def item_done(item: dict[str, Any], output_index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item, "output_index": output_index, "sequence_number": 4}


def sse(*events: dict[str, Any]) -> list[bytes]:
    """Each event as the API sends it."""
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def error(message: str, code: str | None = None, type: str = "invalid_request_error", **more: Any) -> dict[str, Any]:  # noqa: A002 - the API's names
    return {"error": {"message": message, "type": type, "param": None, "code": code, **more}}
