"""Whether a refusal says that the server does not have an endpoint at all: many have the Image API alone."""

import re

from .problem import Problem

NOT_IMPLEMENTED = 501
_NO_PATH = frozenset({404, 405})
_MAY_MEAN_ANYTHING = frozenset({400, 422})
_NOTHING_THERE = frozenset({"not_found", "notfound", "not_found_error", "resource_not_found"})
_OF_THE_PATH = re.compile(
    r"\binvalid url \(|\bcannot (post|get) /|\bpage not found|^404:? not found$|\bunrecognized request url"
    r"|\b(no|unknown|invalid|unsupported) ((such|matching|request) )?(url|path|route|endpoint|handler)\b"
    r"|\b(url|path|route|endpoint)\b.{0,80}\b(not|unknown|unsupported)\b",
    re.IGNORECASE,
)
# Said with any status, so that no picture's URL and no parameter may be meant.
_NO_SUCH_API = re.compile(
    r"\bresponses (api|endpoint)( is)?( currently)?( not|n't)( yet)? (supported|available|implemented|enabled)\b"
    r"|\bnot (support|implement|have|offer|provide) (the |an? )?(openai )?responses (api|endpoint)\b"
    r"|\b(unknown|invalid|unsupported) (request )?(url|path|route|endpoint)\b.{0,20}/responses\b"
    r"|/responses['\"`)]? (is )?(not |un)(supported|implemented|available)\b",
    re.IGNORECASE,
)
_CODES_OF_THE_PATH = frozenset({"unknown_url", "unknown_endpoint", "unsupported_endpoint", "endpoint_not_found"})


def path_unknown(problem: Problem) -> bool:
    """Whether its code or words say that the server does not know the path."""
    return _named(problem) or _OF_THE_PATH.search(problem.text) is not None


def lacking(problem: Problem, status: int | None) -> bool:
    """Whether the server does not have what the path leads to; to be asked where nothing else is meant."""
    if status in _NO_PATH:
        return path_unknown(problem) or (problem.code or "not_found").lower() in _NOTHING_THERE
    if status == NOT_IMPLEMENTED:
        return True
    return status in _MAY_MEAN_ANYTHING and (_named(problem) or _NO_SUCH_API.search(problem.text) is not None)


def _named(problem: Problem) -> bool:
    return any((name or "").lower() in _CODES_OF_THE_PATH for name in (problem.code, problem.type))
