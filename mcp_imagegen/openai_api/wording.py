"""What callers are told about each kind of refusal: a sentence, and a way out of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from . import endpoints
from .asked import Asked
from .problem import Problem
from .retries import LONGEST_WAIT_S
from .retry_after import spoken, wait_s

SETTINGS = "https://platform.openai.com/settings/organization"
_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,300})\]")
OPTIONS = ("size", "quality", "background", "output_format", "output_compression", "input_fidelity", "moderation", "n")
_CONFLICT = 409  # a status: what is asked for is in use
_NOT_YET = (_CONFLICT, 429)
_OF_THE_ADDRESS = re.compile(
    r"\bip( address)?\b.{0,80}\b(not|isn't) (be )?(authorized|allowed|permitted|whitelisted)", re.IGNORECASE
)
_WITHOUT_RETENTION = re.compile(
    r"\bzero[ -]?(data[ -]?)?retention\b|\bZDR\b|\b(no|without) data[ -]retention\b"
    r"|\bdata[ -]retention\b.{0,40}\b(off|not enabled|disabled)\b",
    re.IGNORECASE | re.DOTALL,
)
_NOT_STORED = re.compile(
    r"\b(not|never|no longer|nothing|isn't|aren't|wasn't|weren't)( is| was| be| been| being)? "
    r"(stored|persisted|retained|kept)\b(?! yet)|\bdata[ -]retention\b"
    r"|\b(store|storage|storing)\b.{0,60}\b(off|not|disabled|enabled|unavailable)\b"
    r"|\bstore\b['`\"]?( ?[=:] ?| )((is|was|must|be|set|to) )*['`\"]?(true|false)\b",
    re.IGNORECASE | re.DOTALL,
)
_LAST_NAME = re.compile(r"(\w+)(\[\d+\])?$")  # size of tools[0].size, image of image[0]
_FIELD_IN_WORDS = re.compile(
    rf"\b(?:does not support|invalid|unsupported) (?:the )?'?({'|'.join(OPTIONS)})\b"
    r"|\b(background) is not supported|\bunknown parameter:? '(\w+)'",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Refusal:
    """A problem with all that helps to tell what it is. `status` is None for a failure inside an answer."""

    problem: Problem
    asked: Asked
    status: int | None
    headers: Mapping[str, str]

    @property
    def names(self) -> set[str]:
        blocked = "moderation_blocked" if self.problem.moderation_details else None
        problem = self.problem
        return {name.lower() for name in (problem.code, problem.type, problem.inner_code, blocked) if name}

    @property
    def names_an_id(self) -> bool:
        """Whether it says no to an id of an earlier call or response that was sent, and not only not yet."""
        return self.status not in _NOT_YET and any(sent in self.problem.text for sent in self.asked.ids)

    @property
    def without_retention(self) -> bool:
        """Whether it speaks of an account for which nothing is retained."""
        return self.status not in _NOT_YET and _WITHOUT_RETENTION.search(self.problem.text) is not None

    @property
    def not_stored(self) -> bool:
        """Whether it speaks of something that was not stored, or can not be."""
        return self.status not in _NOT_YET and _NOT_STORED.search(self.problem.text) is not None

    @property
    def of_the_path(self) -> bool:
        """Whether its words say that the server does not know the path."""
        return endpoints.path_unknown(self.problem)

    @property
    def lacks_endpoint(self) -> bool:
        """Whether the server does not have what the path leads to; to be asked where nothing else is meant."""
        return endpoints.lacking(self.problem, self.status)

    @property
    def stage(self) -> str | None:
        return self.problem.moderation_details.moderation_stage if self.problem.moderation_details else None

    @property
    def field(self) -> str | None:
        """The field that the refusal is about: the last name of its `param`, else one that its words name."""
        if self.problem.param:
            named = _LAST_NAME.search(self.asked.quote(self.problem.param))
            return named[1] if named else None
        said = _FIELD_IN_WORDS.search(self.asked.quote(self.problem.text))
        return next(name for name in said.groups() if name).lower() if said else None

    def said(self, what: str) -> str:
        """What it means, and behind it the provider's own words."""
        words = self.asked.quote(self.problem.text)
        return f"{what}: {words}" if words else what


class Words(NamedTuple):
    sentence: str
    fix: str


def quota(refusal: Refusal) -> Words:
    credit, limit = "add credit", "raise the limit"
    where = f"{credit} at {SETTINGS}/billing or {limit} at {SETTINGS}/limits"
    elsewhere = f"{credit} or {limit} at the provider of {refusal.asked.address_name}"
    return Words(
        refusal.said(f"the account of {refusal.asked.key} has no credit left or reached its spend limit"),
        f"{where if refusal.asked.of_openai else elsewhere}; trying again does not help",
    )


def moderation(refusal: Refusal) -> Words:
    details, listed = refusal.problem.moderation_details, _VIOLATIONS.search(refusal.problem.text)
    categories = (details.categories if details else None) or (listed[1].split(",") if listed else [])
    stages = {"input": "the prompt or an input image", "output": "the image it had made"}
    sentence = f"the provider's safety system refused {stages.get(refusal.stage or '', 'the request')}"
    named = refusal.asked.quote(", ".join(category.strip() for category in categories))
    support = "write to help.openai.com" if refusal.asked.of_openai else "ask the provider's support"
    return Words(
        f"{sentence} ({named})" if named else refusal.said(sentence),
        f"reword the prompt or change the images; if the refusal is wrong, {support} with the request id",
    )


def unverified(refusal: Refusal) -> Words:
    return Words(
        refusal.said(f"OpenAI wants the organization of {refusal.asked.key} verified before it may use this model"),
        f"verify the organization at {SETTINGS}/general (it can take 15 minutes until it works), or use another model",
    )


def not_streamed(refusal: Refusal) -> str:
    """The warning of an organization that must be verified before a model is streamed to it."""
    words, page = refusal.said("no partial images"), f"{SETTINGS}/general"
    return words if page in words or not refusal.asked.of_openai else f"{words} ({page})"


def authentication(refusal: Refusal) -> Words:
    origin, name = refusal.asked.origin, refusal.asked.key_name
    if refusal.asked.secret is None:
        return Words(f"{origin} wants an API key, and none is set", f"set {name} to a key of this provider")
    if "ip_not_authorized" in refusal.names or _OF_THE_ADDRESS.search(refusal.problem.text):
        return Words(
            refusal.said(f"{origin} does not take {refusal.asked.key} from this machine's IP address"),
            "allow the address in the provider's settings, or run the server where its address is allowed",
        )
    sentence = f"{origin} does not accept {refusal.asked.key}"
    fix = f"set {name} to a valid key of this provider"
    if name == "OPENAI_API_KEY":
        fix += ", and OPENAI_ORG_ID and OPENAI_PROJECT_ID, if they are set, to what it belongs to"
    return Words(sentence if refusal.asked.repeats_a_key(refusal.problem.text) else refusal.said(sentence), fix)


def model(refusal: Refusal) -> Words:
    fix = "name another model, or give the key access to this one"
    return Words(
        refusal.said(f"the provider has no such model, or hides it from {refusal.asked.key}"),
        f"{fix}; check the names in MCP_IMAGEGEN_AZURE_DEPLOYMENTS" if refusal.asked.on_azure else fix,
    )


def rate(refusal: Refusal) -> Words:
    wait = spoken(wait_s(refusal.headers, refusal.problem.text))
    where = f"{SETTINGS}/limits" if refusal.asked.of_openai else "the pages of your provider, or its administrator"
    return Words(refusal.said("too many requests at the provider"), f"wait {wait}, then try again; limits: {where}")


def forgotten(refusal: Refusal) -> Words:
    return Words(
        refusal.said("the provider no longer knows the earlier image or response by its id"),
        "send the saved image again",
    )


def file(refusal: Refusal) -> Words:
    return Words(
        refusal.said("the provider does not know the file"), "upload the image again, or name it by path or URL"
    )


def download(refusal: Refusal) -> Words:
    return Words(refusal.said("the provider cannot fetch an image"), "save the image, and name it by its path")


def image(refusal: Refusal) -> Words:
    fits = (fix for name, fix in _OTHER_IMAGES.items() if name in refusal.names)
    return Words(
        refusal.said(f"the provider cannot use an image{about(refusal)}"),
        f"{next(fits, _OTHER_FORMAT)}, or name another one",
    )


def mask(refusal: Refusal) -> Words:
    return Words(
        refusal.said(f"the provider cannot use the mask{about(refusal)}"),
        "give a PNG of the size of the first image, transparent where it may be edited",
    )


def option(refusal: Refusal) -> Words:
    """A field, or a value of it, that the model or the server does not have."""
    name = refusal.field
    left_out = f"leave out {name or 'what the provider names'}; MCP_IMAGEGEN_COMPATIBLE_DROP keeps a compatible server"
    fix = _OTHER_VALUES.get(name or "", f"{left_out} from being sent a field")
    return Words(refusal.said(f"the provider refuses {name or 'an option'}"), fix)


def permission(refusal: Refusal) -> Words:
    return Words(
        refusal.said(f"{refusal.asked.key} may not do this at {refusal.asked.origin}"),
        "give the key permission for images, responses and files, or use another key or model",
    )


def unavailable(refusal: Refusal) -> Words:
    status = f" ({refusal.status})" if refusal.status else ""
    wait = wait_s(refusal.headers, refusal.problem.text)
    later = "in a few minutes" if wait is None or wait <= LONGEST_WAIT_S else f"in {spoken(wait)}"
    return Words(
        refusal.said(f"{refusal.asked.origin} answers with a server error{status}"),
        f"try again {later}" + ("; https://status.openai.com tells of faults" if refusal.asked.of_openai else ""),
    )


def other(refusal: Refusal) -> Words:
    asked, status = refusal.asked, refusal.status
    if status is not None and 300 <= status < 400:
        place = asked.quote(refusal.headers.get("location", "").split("?", 1)[0]) or "nowhere"
        sentence = f"{asked.origin} redirects ({status}) to {place}, which is not followed"
        return Words(sentence, f"set {asked.address_name} to the address that answers by itself")
    if refusal.lacks_endpoint:
        # A continuation would have gone on by an edit; what else goes there does so by the setting.
        set_so = "MCP_IMAGEGEN_API=responses sends this call there: leave it out, or "
        return Words(
            refusal.said(f"{asked.origin} does not know {asked.quote(asked.endpoint)} ({status})"),
            (set_so if asked.endpoint == "POST /responses" else "") + _LOOK_FOR_IT[asked.address_name],
        )
    if status == 413:
        return Words(refusal.said("the request is too large for the provider"), "send fewer or smaller images")
    if status == _CONFLICT:
        wait = spoken(wait_s(refusal.headers, refusal.problem.text))
        return Words(refusal.said("the provider is busy with something else (409)"), f"wait {wait}, then try again")
    what = "the provider failed" if status is None else f"the provider refused the request ({status})"
    fix = "change what the provider names, then try again"
    if status is None and not refusal.problem.param:
        fix = "try again in a few minutes; if it fails again, ask for less, such as a smaller size or another prompt"
    return Words(refusal.said(what + about(refusal)), fix)


def about(refusal: Refusal) -> str:
    """` (about images[0])`, unless the provider's words name it themselves."""
    param = refusal.problem.param
    return f" (about {refusal.asked.quote(param)})" if param and param not in refusal.problem.text else ""


_OTHER_VALUES = {
    "size": "choose another size, or auto",
    "quality": "choose another quality, or auto",
    "background": "leave out background, or name another model",
    "input_fidelity": "leave out input_fidelity, or name another model",
    "output_format": "choose another output_format",
    "n": "set n to 1",
}
_OTHER_FORMAT = "convert the image it means to PNG, JPEG or WebP"
_OTHER_IMAGES = {
    "image_too_large": "scale the image it means down",
    "image_too_small": "scale the image it means up",
    "image_file_too_large": "make the file of the image it means smaller (fewer pixels, or JPEG)",
    "empty_image_file": "save the image it means again",
}
_LOOK_FOR_IT = {
    "OPENAI_BASE_URL": "check OPENAI_BASE_URL, which ends in /v1 for most servers, and whether the server has this "
    "endpoint",
    "AZURE_OPENAI_ENDPOINT": "check AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION and the names in "
    "MCP_IMAGEGEN_AZURE_DEPLOYMENTS",
}
