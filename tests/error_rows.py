"""A refusal of a provider, and what the caller is told about it; the rows are in the files beside this one.

Each row holds the answers of the provider and what the caller is told: the code, words of the sentence and of the way
out, how often the provider is asked, and whether the call may have been billed. The key goes by the name of its
variable in every sentence that is about it.
"""

from dataclasses import dataclass
from typing import Any, Literal

from openai_bodies import error, response, sse
from stand_in import Said

Door = Literal["generate", "stream", "edit", "continue", "continue whole"]
REQUEST_ID = "req_7"
USER = "image_generation_user_error"
UNUSED: dict[str, Any] = {"usage": None, "tool_usage": None}


@dataclass(frozen=True)
class Row:
    """`says` are words of the first line, `fix` of the second; `request_id` is the one that is shown. A `completed`
    call has `says` in its warnings."""

    answers: tuple[Said, ...]
    code: str
    says: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    door: Door = "generate"
    requests: int = 1
    billed: bool = False
    request_id: str | None = REQUEST_ID


def said(status: int, body: Any, **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(body, status, {"x-request-id": REQUEST_ID, **named})


def refused(
    status: int, message: str, code: str | None = None, kind: str = "invalid_request_error", **more: Any
) -> Said:
    """A refusal as OpenAI words it."""
    return said(status, error(message, code, kind, **more))


def moderated(**details: Any) -> dict[str, Any]:
    text = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID req_7. safety_violations=[sexual, self-harm]."
    )
    beside = {"moderation_details": details} if details else {}
    return error(text, "moderation_blocked", USER, **beside)


def stream(*events: dict[str, Any]) -> Said:
    return said(200, b"".join(sse(*events)), content_type="text/event-stream")


def answered(*items: dict[str, Any], **more: Any) -> Said:
    return said(200, response(*items, **more))


def failed(code: str, message: str, **more: Any) -> Said:
    """A response that failed before any work, as its missing usage says."""
    return answered(status="failed", error={"code": code, "message": message}, **{**UNUSED, **more})
