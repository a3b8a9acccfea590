"""A provider's refusal as one of the errors that callers know.

* UpstreamError
  + UpstreamInvalid
    - IdForgotten: an image call or a response is no longer known by its id; sending the saved image helps
    - EndpointMissing: the server has no such path; another endpoint may do

A refusal is told by its code, its HTTP status or its words, since compatible servers drop codes and proxies change
them; the first rule that fits counts.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import (
    AuthenticationFailed,
    ImagegenError,
    InputNotFound,
    ModelNotFound,
    ModerationBlocked,
    OrganizationUnverified,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from .asked import Asked
from .problem import Problem
from .retries import BackgroundRefused, StreamFailed, StreamingRefused, welcome_again
from .retry_after import spoken, wait_s

SETTINGS = "https://platform.openai.com/settings/organization"
GATEWAY_TIMEOUTS = frozenset({504, 524})  # the request had reached the provider, who may still finish it
_STREAMLESS = frozenset({400, 404, 405, 415, 422, 501})  # statuses that say so, where the words do too
_OF_STREAMS = re.compile(r"\bstream(s|ed|ing)?\b|\bpartial[ _]images?\b", re.IGNORECASE)
_OF_BACKGROUND = re.compile(
    r"\bbackground([ _-](mode|responses?|requests?|sampling|execution)\b|\s?[=:]\s?true\b)|['`\"]background['`\"]",
    re.IGNORECASE,
)
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,300})\]")


class IdForgotten(UpstreamInvalid):
    """The API does not, or no longer, know an item or response by its id: stored 30 days, never with `store` off."""


class EndpointMissing(UpstreamInvalid):
    """The server does not know the path: many have the Image API and no Responses API."""


@dataclass(frozen=True)
class _Refusal:
    """A problem with all that helps to tell what it is. `status` is None for a failure inside an answer."""

    problem: Problem
    asked: Asked
    status: int | None
    headers: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        blocked = "moderation_blocked" if self.problem.moderation_details else None
        return {name.lower() for name in (self.problem.code, self.problem.type, blocked) if name}

    @property
    def stage(self) -> str | None:
        return self.problem.moderation_details.moderation_stage if self.problem.moderation_details else None

    def said(self, what: str) -> str:
        """What it means, and behind it the provider's own words."""
        words = self.asked.quote(self.problem.text)
        return f"{what}: {words}" if words else what


class _Words(NamedTuple):
    sentence: str
    fix: str


def failure(
    problem: Problem, asked: Asked, *, status: int | None, headers: Mapping[str, str], request_id: str | None
) -> ImagegenError:
    """The error that a refusal comes to.

    A refusal with an HTTP error status costs nothing, unless a gateway gave up waiting. A failure inside an answer
    (`status` None) may be billed, unless it says by itself that no work was begun.
    """
    refusal = _Refusal(problem, asked, status, headers)
    gone = asked.by_id and status in (404, 405)
    rule = _GONE if gone else next((rule for rule in _RULES if rule.fits(refusal)), _OTHER)
    begun = (status is None or status in GATEWAY_TIMEOUTS) and rule.begun and refusal.stage != "input"
    error = _kind(refusal, rule)(*rule.words(refusal), request_id=request_id, may_be_billed=asked.paid and begun)
    if status is not None:
        error.welcome_again = welcome_again(error, status, headers)
        error.retry_after_s = wait_s(headers, problem.text)
    return error


def _kind(refusal: _Refusal, rule: "_Rule") -> type[ImagegenError]:
    """The rule's error, or the kind of it that the pipeline or the client can do something about."""
    status, problem = refusal.status, refusal.problem
    about_streams = problem.param in ("stream", "partial_images") or _OF_STREAMS.search(problem.text) is not None
    if refusal.asked.streamed and about_streams and status in _STREAMLESS and rule.error in _OTHERWISE_UNCLEAR:
        return StreamingRefused
    about_background = problem.param == "background" or _OF_BACKGROUND.search(problem.text) is not None
    if refusal.asked.background and about_background and status in _STREAMLESS:
        return BackgroundRefused
    if rule is _OTHER and status in (404, 405) and not problem.code:
        return EndpointMissing
    if refusal.asked.streamed and rule.error is UpstreamUnavailable and (status or 0) >= 500:
        return StreamFailed
    return rule.error


@dataclass(frozen=True)
class _Rule:
    """Fits by a code or type, by an HTTP status, or by the words of an answer that is no server error. `begun` is
    whether the provider may have worked before it failed so."""

    error: type[ImagegenError]
    words: Callable[[_Refusal], _Words]
    names: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    text: re.Pattern[str] | None = None
    begun: bool = False

    def fits(self, refusal: _Refusal) -> bool:
        if refusal.names & self.names or refusal.status in self.statuses:
            return True
        if self.text is None or (refusal.status or 0) >= 500:
            return False
        return self.text.search(refusal.problem.text) is not None


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def _quota(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said("the account has no credit left or reached its spend limit"),
        f"add credit at {SETTINGS}/billing or raise the limit at {SETTINGS}/limits; trying again does not help",
    )


def _moderation(refusal: _Refusal) -> _Words:
    details, listed = refusal.problem.moderation_details, _VIOLATIONS.search(refusal.problem.text)
    categories = (details.categories if details else None) or (listed[1].split(",") if listed else [])
    stages = {"input": "the prompt or an input image", "output": "the image it had made"}
    sentence = f"the provider's safety system refused {stages.get(refusal.stage or '', 'the request')}"
    named = refusal.asked.quote(", ".join(category.strip() for category in categories))
    return _Words(
        f"{sentence} ({named})" if named else refusal.said(sentence),
        "reword the prompt or change the images; if the refusal is wrong, write to help.openai.com with the request id",
    )


def _unverified(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said("OpenAI wants the organization verified before it may use this model"),
        f"verify the organization at {SETTINGS}/general (it can take 15 minutes until it works), or use another model",
    )


def _authentication(refusal: _Refusal) -> _Words:
    origin, key = refusal.asked.origin, refusal.asked.key_name
    if refusal.asked.secret is None:
        return _Words(f"{origin} wants an API key, and none is set", f"set {key} to a key of this provider")
    about_key = "invalid_api_key" in refusal.names or "api key" in refusal.problem.text.lower()
    sentence = f"{origin} does not accept the API key"
    fix = f"set {key} to a valid key of this provider"
    if key == "OPENAI_API_KEY":
        fix += ", and OPENAI_ORG_ID and OPENAI_PROJECT_ID, if they are set, to what it belongs to"
    return _Words(sentence if about_key else refusal.said(sentence), fix)


def _model(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said("the provider has no such model, or hides it from this key"),
        "name another model, or give the key access to this one",
    )


def _rate(refusal: _Refusal) -> _Words:
    wait = spoken(wait_s(refusal.headers, refusal.problem.text))
    return _Words(
        refusal.said("too many requests at the provider"), f"wait {wait}, then try again; limits: {SETTINGS}/limits"
    )


def _forgotten(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said("the provider no longer knows the earlier image or response by its id"),
        "send the saved image again",
    )


def _file(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said("the provider does not know the file"), "upload the image again, or name it by path or URL"
    )


def _permission(refusal: _Refusal) -> _Words:
    return _Words(
        refusal.said(f"the key may not do this at {refusal.asked.origin}"),
        "give the key permission for images, responses and files, or use another key or model",
    )


def _unavailable(refusal: _Refusal) -> _Words:
    status = f" ({refusal.status})" if refusal.status else ""
    return _Words(
        refusal.said(f"{refusal.asked.origin} answers with a server error{status}"),
        "try again in a few minutes; https://status.openai.com tells of faults at OpenAI",
    )


def _other(refusal: _Refusal) -> _Words:
    asked, status, param = refusal.asked, refusal.status, refusal.problem.param
    if status is not None and 300 <= status < 400:
        place = asked.quote(refusal.headers.get("location", "").split("?", 1)[0]) or "nowhere"
        sentence = f"{asked.origin} redirects ({status}) to {place}, which is not followed"
        return _Words(sentence, f"set {asked.address_name} to the address that answers by itself")
    if status in (404, 405) and not refusal.problem.code:
        return _Words(
            refusal.said(f"{asked.origin} does not know {asked.quote(asked.endpoint)} ({status})"),
            _LOOK_FOR_IT[asked.address_name],
        )
    if status == 413:
        return _Words(refusal.said("the request is too large for the provider"), "send fewer or smaller images")
    what = "the provider failed" if status is None else f"the provider refused the request ({status})"
    about = f" (about {asked.quote(param)})" if param and param not in refusal.problem.text else ""
    return _Words(refusal.said(what + about), "change what the provider names, then try again")


_LOOK_FOR_IT = {
    "OPENAI_BASE_URL": "check OPENAI_BASE_URL, which ends in /v1 for most servers, and whether the server has this "
    "endpoint",
    "AZURE_OPENAI_ENDPOINT": "check AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION and the names in "
    "MCP_IMAGEGEN_AZURE_DEPLOYMENTS",
}
_RULES = (
    _Rule(
        QuotaExhausted,
        _quota,
        frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded"})
        | {"project_spend_limit_exceeded", "organization_spend_limit_exceeded"},
        frozenset({402}),
        _pattern(r"exceeded your current quota|billing hard limit|spend limit"),
    ),
    _Rule(
        ModerationBlocked,
        _moderation,
        frozenset({"moderation_blocked", "content_policy_violation", "image_content_policy_violation"})
        | {"content_filter", "invalid_prompt", "bio_policy", "misalignment_policy_violation"},
        text=_pattern(r"rejected by (the|our) safety system|safety_violations=|content policy"),
        begun=True,
    ),
    _Rule(OrganizationUnverified, _unverified, text=_pattern(r"organization must be verified")),
    _Rule(AuthenticationFailed, _authentication, frozenset({"invalid_api_key"}), frozenset({401})),
    _Rule(
        IdForgotten,
        _forgotten,
        frozenset({"previous_response_not_found"}),
        text=_pattern(r"(item|response) with id .{0,200} not found"),
    ),
    _Rule(
        InputNotFound,
        _file,
        frozenset({"image_file_not_found"}),
        text=_pattern(r"no such file object|\bfile\b.{0,20}\bfile-\S.{0,200}(not found|does not exist)"),
    ),
    _Rule(
        ModelNotFound,
        _model,
        frozenset({"model_not_found"}),
        text=_pattern(r"\bmodel .{0,200}(does not exist|not found)|invalid model name"),
    ),
    _Rule(RateLimited, _rate, frozenset({"rate_limit_exceeded", "rate_limit_error"}), frozenset({429})),
    _Rule(PermissionDenied, _permission, statuses=frozenset({403})),
    _Rule(
        UpstreamUnavailable,
        _unavailable,
        frozenset({"server_error", "internal_error", "internal_server_error"}),
        frozenset({408, *range(500, 1000)}),
        begun=True,
    ),
)
_GONE = _Rule(IdForgotten, _forgotten)
_OTHER = _Rule(UpstreamInvalid, _other, begun=True)
# Some organizations must be verified to stream, and need not be to use the same model without.
_OTHERWISE_UNCLEAR = (UpstreamInvalid, UpstreamUnavailable, OrganizationUnverified)
