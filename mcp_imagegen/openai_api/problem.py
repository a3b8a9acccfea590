"""What an error body says, whatever its shape: OpenAI's `{"error": {…}}`, other servers' texts, lists and HTML.

Azure says in an inner error what its content filter found; its two image APIs, and gateways, name it differently.
"""

import re
from typing import Any

from .bodies import parsed, text_of
from .wire import Lenient, ModerationDetails, Wire

LONGEST_READ = 4_000  # characters of an error text that are looked at
_TITLE = re.compile(r"<title[^>]{0,100}>([^<]{1,500})</title", re.IGNORECASE)
_INNER = ("innererror", "inner_error")
_FILTERED = ("content_filter_result", "content_filter_results")
_MOST_ENTRIES = 10  # of a list of errors that are told
_MESSAGES = ("message", "msg", "detail", "title", "error_description", "reason")


class Problem(Wire):
    """An error as the provider words it. `code` is a name; numbers in its place only repeat the HTTP status.
    `inner_code` is that of Azure's inner error. `formed`: it came in the API's own form, and not from a proxy or a
    portal on the way."""

    message: Lenient[str] = None
    type: Lenient[str] = None
    code: Lenient[str] = None
    inner_code: Lenient[str] = None
    param: Lenient[str] = None
    moderation_details: Lenient[ModerationDetails] = None
    formed: bool = False

    @property
    def text(self) -> str:
        return self.message or ""

    def with_what_was_said(self, before: "Problem") -> "Problem":
        """The same problem with what only an earlier telling of it had."""
        told = {name: value for name, value in self if value is not None}
        return before.model_copy(update=told)


def read_problem(body: bytes) -> Problem:
    """The error in the body of an answer; an empty Problem where it says nothing."""
    try:
        value = parsed(body, None)
        formed = isinstance(value, dict) and isinstance(value.get("error"), dict)
        return problem_of(value).model_copy(update={"formed": formed})
    except ValueError:
        text = text_of(body[: 4 * LONGEST_READ])[:LONGEST_READ].strip()
    if text.startswith("<"):
        title = _TITLE.search(text)
        text = title[1].strip() if title else ""
    return Problem(message=text or None)


def problem_of(value: Any) -> Problem:
    """The error in a parsed body, or in the `error` of an answer or event."""
    if isinstance(value, str):
        return Problem(message=value[:LONGEST_READ] or None)
    if isinstance(value, list):
        return _of_all([problem_of(one) for one in value[:_MOST_ENTRIES]])
    if not isinstance(value, dict):
        return Problem()
    for inner in ("error", "errors", "detail", "message"):
        if isinstance(value.get(inner), dict | list):
            said = problem_of(value[inner]) if inner != "errors" else _of_fields(value[inner])
            beside = Problem.model_validate({"moderation_details": value.get("moderation_details")})
            details = said.moderation_details or beside.moderation_details
            return said.model_copy(update={"moderation_details": details})
    if isinstance(value.get("error"), str) and not value.get("message"):
        value = {**value, "message": value["error"]}
    message = next((value[name] for name in _MESSAGES if isinstance(value.get(name), str)), None)
    code = value.get("code")
    named = isinstance(code, str) and not code.isdigit()
    azure = _inner_error(value)
    return Problem.model_validate(
        {
            **value,
            "message": message and message[:LONGEST_READ],
            "code": code if named else None,
            "param": value.get("param") or _place(value.get("loc")),
            "inner_code": azure.get("code"),
            "moderation_details": value.get("moderation_details") or _filtered(azure),
        }
    )


def _of_all(problems: list[Problem]) -> Problem:
    """The first, with the words of them all."""
    if not problems:
        return Problem()
    words = dict.fromkeys(problem.text for problem in problems if problem.text)
    return problems[0].model_copy(update={"message": "; ".join(words)[:LONGEST_READ] or None})


def _of_fields(value: Any) -> Problem:
    """An error, or lists of words by the fields that they are about."""
    said = problem_of(value)
    if said.message or not isinstance(value, dict):
        return said
    about = {name: problem_of(words) for name, words in list(value.items())[:_MOST_ENTRIES]}
    named = [problem.model_copy(update={"param": name}) for name, problem in about.items() if problem.text]
    return _of_all(named) if named else said


def _place(loc: Any) -> str | None:
    """The field that an entry of FastAPI is about: the last name on the way to it."""
    names = [name for name in loc if isinstance(name, str)] if isinstance(loc, list) else []
    return names[-1] if names and names[-1] != "body" else None


def _inner_error(value: dict[str, Any]) -> dict[str, Any]:
    """Azure's inner error, also as LiteLLM hands it on; empty where there is none."""
    beside = value.get("provider_specific_fields")
    places = (value, beside if isinstance(beside, dict) else {})
    return _first_object(*(place.get(name) for place in places for name in _INNER))


def _filtered(inner: dict[str, Any]) -> dict[str, Any] | None:
    """What the content filter took offence at, as moderation details; None where it names nothing."""
    verdicts = _first_object(*map(inner.get, _FILTERED))
    categories = [name for name, one in verdicts.items() if isinstance(one, dict) and one.get("filtered") is True]
    return {"categories": categories} if categories else None


def _first_object(*values: Any) -> dict[str, Any]:
    return next((value for value in values if isinstance(value, dict)), {})
