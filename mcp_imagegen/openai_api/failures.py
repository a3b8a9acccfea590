"""A provider's refusal as one of the errors that callers know.

* UpstreamError
  + UpstreamInvalid
    - IdForgotten: an image call or a response is no longer known by its id; sending the saved image helps
      . NothingKept: and no other either, since the account keeps nothing
        + BackgroundNotKept: for which it does not work in the background
    - EndpointMissing: the server has no such path; another endpoint may do

What the provider finds wrong with an image, the mask or an option has the code that our own checks would have given.
A refusal is told by its code, its HTTP status or its words, since compatible servers drop codes and proxies change
them; the first rule that fits counts. That an id is forgotten is told in so many ways that a request which named one
is taken to be refused for it whenever something is not found that is neither a file nor a model nor the path, and
whenever it is said that nothing is stored.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import (
    AuthenticationFailed,
    ImagegenError,
    InputNotFound,
    InputRejected,
    MaskRejected,
    ModelNotFound,
    ModerationBlocked,
    OrganizationUnverified,
    PermissionDenied,
    QuotaExhausted,
    RateLimited,
    UnsupportedOption,
    UpstreamInvalid,
    UpstreamUnavailable,
)
from . import wording
from .asked import Asked
from .endpoints import NOT_IMPLEMENTED
from .hosts import refuses_host, with_host
from .problem import Problem
from .retries import BackgroundRefused, StreamFailed, StreamingRefused, welcome_again
from .retry_after import wait_s
from .wording import Refusal, Words

GATEWAY_TIMEOUTS = frozenset({504, 524})  # the request had reached the provider, who may still finish it
_NOT_FOUND = frozenset({404, 405})
_STREAMLESS = frozenset({400, 404, 405, 415, 422, 501})  # statuses that say so, where the words do too
_STREAM_FIELDS = frozenset({"stream", "partial_images"})
_OF_STREAMS = re.compile(r"\bstream(s|ed|ing)?\b|\bpartial[ _]images?\b", re.IGNORECASE)
_TO_STREAM = re.compile(r"\bmust be verified to stream\b", re.IGNORECASE)
_OF_BACKGROUND = re.compile(
    r"\bbackground([ _-](mode|responses?|requests?|sampling|execution)\b|\s?[=:]\s?true\b)|['`\"]background['`\"]",
    re.IGNORECASE,
)
_UNSUPPORTED = re.compile(
    r"\b(not|never|cannot|can't|doesn't|isn't|aren't)( be| yet| currently)? "
    r"(support|allow|permit|implement|enable|available|possible|stream)|\bunsupported\b|\bmust be verified to stream\b",
    re.IGNORECASE,
)
_SERVER_FAULTS = frozenset({"server_error", "internal_error", "internal_server_error"})


class IdForgotten(UpstreamInvalid):
    """The API does not, or no longer, know an item or response by its id: stored 30 days, never with `store` off."""


class NothingKept(IdForgotten):
    """The API keeps nothing for this account, so that it knows no item or response by an id."""


class BackgroundNotKept(NothingKept):
    """The same, told of the background, which keeps the response too; the call in the foreground and without ids may
    do."""


class EndpointMissing(UpstreamInvalid):
    """The server does not know the path: many have the Image API and no Responses API."""


def failure(
    problem: Problem,
    asked: Asked,
    *,
    status: int | None,
    headers: Mapping[str, str],
    request_id: str | None,
    first: bool = False,
) -> ImagegenError:
    """The error that a refusal comes to.

    A refusal with an HTTP error status costs nothing, unless a gateway gave up waiting. A failure inside an answer
    (`status` None) may be billed, unless it comes `first` in it and says by itself that no work was begun.
    """
    refusal = Refusal(problem, asked, status, headers)
    rule = next((rule for rule in _RULES if rule.fits(refusal)), _OTHER)
    if asked.by_id and status is not None:
        rule = _of_what_is_kept(rule, problem, status)
    kind = _kind(refusal, rule, first)
    may_be_billed = asked.paid and kind is not StreamingRefused and _begun(refusal, rule, first)
    words = with_host(rule.words(refusal), refusal, rule.error)
    error = kind(*words, request_id=request_id, may_be_billed=may_be_billed)
    if isinstance(error, StreamingRefused) and _TO_STREAM.search(problem.text):
        error.told = wording.not_streamed(refusal)
    if status is not None:
        error.welcome_again = welcome_again(error, status, headers)
        error.retry_after_s = wait_s(headers, problem.text)
    return error


def _of_what_is_kept(rule: "_Rule", problem: Problem, status: int) -> "_Rule":
    """The rule where something was asked for by its id: only the API itself can say that it is gone, and what else
    does not come in its form says nothing about it."""
    if status in _NOT_FOUND | {410}:
        return _GONE if problem.formed else _BETWEEN
    return _BETWEEN if rule is _NOT_THERE or (rule is _OTHER and not problem.formed) else rule


def _begun(refusal: Refusal, rule: "_Rule", first: bool) -> bool:
    """Whether the provider may have worked before it failed."""
    if refusal.stage == "input":
        return False
    if refusal.status is None:
        return rule.begun or not first
    return rule.begun and refusal.status in GATEWAY_TIMEOUTS


def _kind(refusal: Refusal, rule: "_Rule", first: bool) -> type[ImagegenError]:
    """The rule's error, or the kind of it that the pipeline or the client can do something about."""
    status = refusal.status
    if refusal.asked.streamed and rule.error in _OTHERWISE_UNCLEAR and _refuses_streams(refusal, first):
        return StreamingRefused
    if refusal.asked.background and _refuses_the_background(refusal):
        nothing_kept = refusal.asked.ids and (refusal.without_retention or refusal.not_stored)
        return BackgroundNotKept if nothing_kept else BackgroundRefused
    if rule.error is IdForgotten and refusal.asked.ids and refusal.without_retention:
        return NothingKept
    if rule is _NOT_THERE or (rule is _OTHER and refusal.lacks_endpoint):
        of_an_id = rule is _NOT_THERE and refusal.asked.ids and not refusal.of_the_path
        return IdForgotten if of_an_id else EndpointMissing
    if refusal.asked.streamed and rule.error is UpstreamUnavailable and (status or 0) >= 500:
        return StreamFailed
    return rule.error


def _refuses_streams(refusal: Refusal, first: bool) -> bool:
    """Inside a stream only what says so plainly, and before all else: any other failure there may be billed."""
    text, named = refusal.problem.text, refusal.field in _STREAM_FIELDS
    about_streams = named or _OF_STREAMS.search(text) is not None
    if refusal.status is None:
        server_fault = refusal.names & _SERVER_FAULTS
        return first and about_streams and not server_fault and (named or _UNSUPPORTED.search(text) is not None)
    return about_streams and (refusal.status in _STREAMLESS or _TO_STREAM.search(text) is not None)


def _refuses_the_background(refusal: Refusal) -> bool:
    problem = refusal.problem
    said = problem.param == "background" or _OF_BACKGROUND.search(problem.text) is not None
    return said and refusal.status in _STREAMLESS


@dataclass(frozen=True)
class _Rule:
    """Fits by a code or type, by an HTTP status, or, unless the answer is a server error, by its words or by the field
    it is about. `begun` is whether the provider may have worked before it failed so. `of_ids` fits only requests
    that name earlier calls or responses, also where it repeats such an id, and not where the path is unknown.
    `of_hosts` fits what is not found and is the host model."""

    error: type[ImagegenError]
    words: Callable[[Refusal], Words]
    names: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()
    text: re.Pattern[str] | None = None
    fields: frozenset[str] = frozenset()
    begun: bool = False
    of_ids: bool = False
    of_hosts: bool = False

    def fits(self, refusal: Refusal) -> bool:
        if self.of_ids and (refusal.of_the_path or not (refusal.asked.ids or refusal.asked.by_id)):
            return False
        if refusal.names & self.names or refusal.status in self.statuses or (self.of_hosts and refuses_host(refusal)):
            return True
        if (refusal.status or 0) >= 500:
            return False
        said = self.text is not None and self.text.search(refusal.problem.text) is not None
        of_ids = self.of_ids and (refusal.names_an_id or refusal.without_retention or refusal.not_stored)
        return said or of_ids or refusal.field in self.fields


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE | re.DOTALL)


# What may as well be one way of naming the earlier image; the same without its id tells.
_NOT_THERE = _Rule(EndpointMissing, wording.other, statuses=frozenset({NOT_IMPLEMENTED}))
_RULES = (
    _Rule(
        QuotaExhausted,
        wording.quota,
        frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "budget_exceeded"})
        | {"project_spend_limit_exceeded", "organization_spend_limit_exceeded"},
        frozenset({402}),
        _pattern(r"exceeded your current quota|billing hard limit|spend limit|insufficient (credits?|balance|funds)\b"),
    ),
    _Rule(
        ModerationBlocked,
        wording.moderation,
        frozenset({"moderation_blocked", "content_policy_violation", "image_content_policy_violation"})
        | {"content_filter", "contentfilter", "responsibleaipolicyviolation"}
        | {"invalid_prompt", "bio_policy", "misalignment_policy_violation"},
        text=_pattern(
            r"rejected (by|as a result of) (the|our) safety system|safety_violations=|content( management)? policy"
        ),
        begun=True,
    ),
    _Rule(OrganizationUnverified, wording.unverified, text=_pattern(r"organization must be verified")),
    _Rule(
        PermissionDenied,
        wording.permission,
        frozenset({"missing_scope", "insufficient_permissions"}),
        text=_pattern(r"\binsufficient permissions\b|\bmissing scopes?\b"),
    ),
    _Rule(AuthenticationFailed, wording.authentication, frozenset({"invalid_api_key"}), frozenset({401})),
    _Rule(
        IdForgotten,
        wording.forgotten,
        frozenset({"previous_response_not_found", "response_not_found", "item_not_found"}),
        text=_pattern(
            r"\b(item|response|image_generation_call)\b.{0,200}(not found|(does not|no longer) exist)"
            r"|\bno such (item|response)\b"
            r"|\b(item|response)\b.{0,200}\b(another|different|belongs? to)\b.{0,40}\b(organization|project)\b"
            r"|\b(another|different) (organization|project)\b.{0,200}\b(item|response)\b"
        ),
        fields=frozenset({"previous_response_id", "id"}),  # of input[0].id
        of_ids=True,
    ),
    _Rule(
        InputNotFound,
        wording.file,
        frozenset({"image_file_not_found"}),
        text=_pattern(r"no such file object|\bfile\b.{0,20}\bfile-\S.{0,200}(not found|does not exist)"),
    ),
    _Rule(
        ModelNotFound,
        wording.model,
        frozenset({"model_not_found", "deploymentnotfound"}),
        text=_pattern(r"\bmodel .{0,200}(does not exist|not found)|invalid model name"),
        of_hosts=True,
    ),
    _Rule(IdForgotten, wording.forgotten, frozenset({"not_found"}), frozenset({404, 410}), of_ids=True),
    _Rule(RateLimited, wording.rate, frozenset({"rate_limit_exceeded", "rate_limit_error"}), frozenset({429})),
    _Rule(PermissionDenied, wording.permission, statuses=frozenset({403})),
    _NOT_THERE,
    _Rule(
        UpstreamUnavailable,
        wording.unavailable,
        _SERVER_FAULTS,
        frozenset({408, *range(500, 1000)}),
        begun=True,
    ),
    _Rule(
        MaskRejected,
        wording.mask,
        frozenset({"invalid_mask_image_format"}),
        text=_pattern(r"\bmask (image|size|file)\b|\binvalid mask\b"),
        fields=frozenset({"mask", "input_image_mask"}),
    ),
    _Rule(
        InputNotFound,
        wording.download,
        frozenset({"failed_to_download_image", "invalid_image_url"}),
        text=_pattern(r"error while downloading"),
    ),
    _Rule(
        InputRejected,
        wording.image,
        frozenset({"invalid_image", "invalid_image_file", "invalid_image_format", "invalid_image_mode"})
        | {"invalid_base64_image", "image_parse_error", "image_too_large", "image_too_small", "image_file_too_large"}
        | {"empty_image_file", "unsupported_image_media_type", "unsupported_file_mimetype"},
        text=_pattern(r"invalid image (file|data)|image data .{0,40}does not represent a valid image"),
    ),
    _Rule(
        UnsupportedOption,
        wording.option,
        frozenset({"unknown_parameter", "unsupported_parameter", "unsupported_value", "invalid_input_fidelity_model"}),
        fields=frozenset(wording.OPTIONS),
    ),
)
_GONE = _Rule(IdForgotten, wording.forgotten)
_BETWEEN = _Rule(UpstreamUnavailable, wording.other)  # a proxy's or a portal's word, not the API's
_OTHER = _Rule(UpstreamInvalid, wording.other, begun=True)
# Some organizations must be verified to stream, and need not be to use the same model without.
_OTHERWISE_UNCLEAR = (UpstreamInvalid, EndpointMissing, UpstreamUnavailable, UnsupportedOption, OrganizationUnverified)
