"""Refusals of the model that hosts the image tool: a setting names it, and no argument, so that this is the way out."""

import re

from ..errors import (
    ImagegenError,
    ModelNotFound,
    OrganizationUnverified,
    PermissionDenied,
    UnsupportedOption,
    UpstreamInvalid,
)
from .wording import SETTINGS, Refusal, Words

SETTING = "MCP_IMAGEGEN_RESPONSES_MODEL"
_EDIT = "or edit the picture with edit_image and its image_id, which needs no host (unless MCP_IMAGEGEN_API=responses)"
_MAY_BE_OF_MODELS = (ModelNotFound, OrganizationUnverified, PermissionDenied, UnsupportedOption, UpstreamInvalid)
_REFUSED_SO = frozenset({400, 403, 404, 422})
_FIELDS = (None, "tools", "tool_choice", "model")  # what a refusal of a host is about; any other field can be left out


def host_named(refusal: Refusal) -> str | None:
    """The name of the call's host model where the provider's words have it, also with the day of a version."""
    if (refusal.problem.param or "").startswith("tools["):
        return None  # the model that draws
    for name in refusal.asked.hosts:
        version = r"(-\d{4}-\d\d-\d\d)?"
        if re.search(rf"(?<![\w.-]){re.escape(name)}{version}(?![\w-]|\.\d)", refusal.problem.text, re.IGNORECASE):
            return name
    return None


def refuses_host(refusal: Refusal) -> bool:
    """Whether a model is not found, in whatever words, and it is the host."""
    return refusal.status == 404 and not refusal.of_the_path and host_named(refusal) is not None


def with_host(words: Words, refusal: Refusal, error: type[ImagegenError]) -> Words:
    """The words for a refusal that comes to `error`, with the setting where the host model is meant or may be."""
    if not refusal.asked.hosts or error not in _MAY_BE_OF_MODELS:
        return words
    host, not_found = host_named(refusal), error is ModelNotFound
    if host is None:
        or_the_host = f"; {SETTING} names the one that hosts the image tool"
        return words._replace(fix=words.fix + or_the_host) if not_found else words
    if not not_found and (refusal.status not in _REFUSED_SO or refusal.field not in _FIELDS):
        return words
    another = f"set {SETTING} to a model that can host the image tool"
    if refusal.asked.on_azure:
        another += " and has a deployment, as MCP_IMAGEGEN_AZURE_DEPLOYMENTS names it"
    if error is OrganizationUnverified:
        another = f"verify the organization at {SETTINGS}/general (it can take 15 minutes until it works), or {another}"
    elif not_found or error is PermissionDenied:
        another = f"give the key access to {host}, or {another}"
    sentence = words.sentence
    if not_found:
        sentence = refusal.said(
            f"the provider has no {host} to host the image tool, or hides it from {refusal.asked.key}"
        )
    return Words(sentence, f"{another}, {_EDIT}")
