"""Words in a prompt that make the sandbox answer as OpenAI would in a situation that cannot be had at will."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import (
    IMAGE,
    ApiError,
    download_failed,
    incorrect_key,
    invalid_image_file,
    invalid_mask,
    no_such_model,
    unknown_parameter,
)
from .models import ImageModel
from .stored import State

ONCE = "-once"
WORD = re.compile(r"\bsandbox:([a-z]+(?:-[a-z]+)*)")
SLOW_S = 60.0
DOCUMENTATION = "https://platform.openai.com/docs/guides/error-codes"


def _moderation(_: ImageModel) -> ApiError:
    return ApiError(
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID {request_id}. safety_violations=[violence].",
        400,
        IMAGE,
        "moderation_blocked",
        moderation={"moderation_stage": "input", "categories": ["violence"]},
    )


def _rate_limit(model: ImageModel) -> ApiError:
    limits = {
        "x-ratelimit-limit-requests": "5",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "250ms",
    }
    return ApiError(
        f"Rate limit reached for {model.name} in organization sandbox on images per min (IPM). Limit: 5/min. "
        "Please try again in 250ms.",
        429,
        "requests",
        "rate_limit_exceeded",
        headers={"retry-after": "1", "retry-after-ms": "250", **limits},
    )


def _quota(_: ImageModel) -> ApiError:
    return ApiError(
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, read the docs: {DOCUMENTATION}.",
        429,
        "insufficient_quota",
        "insufficient_quota",
    )


def _billing_limit(_: ImageModel) -> ApiError:
    return ApiError(
        "Billing hard limit has been reached.", 400, "billing_limit_user_error", "billing_hard_limit_reached"
    )


def _spend_limit(_: ImageModel) -> ApiError:
    return ApiError(
        "This project has reached its spend limit.", 400, "billing_limit_user_error", "project_spend_limit_exceeded"
    )


def _unverified(model: ImageModel) -> ApiError:
    return ApiError(
        f"Your organization must be verified to use the model `{model.name}`. Please go to: "
        "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
        "verified, it can take up to 15 minutes for access to propagate.",
        403,
    )


def server_error() -> ApiError:
    return ApiError(
        "The server had an error while processing your request. You can retry your request, or contact us through our "
        "help center at help.openai.com if the error persists. Please include the request ID {request_id} in your "
        "message.",
        500,
        "server_error",
        "server_error",
    )


def _server_error(_: ImageModel) -> ApiError:
    return server_error()


def _no_transparency(_: ImageModel) -> ApiError:
    return ApiError(
        "Transparent background is not supported for this model.", 400, IMAGE, "invalid_value", "background"
    )


def _no_streaming(_: ImageModel) -> ApiError:
    return ApiError("Streaming is not supported.", 400, "invalid_request_error", "unsupported_parameter", "stream")


def _no_background(_: ImageModel) -> ApiError:
    return unknown_parameter("background")


REFUSALS: Mapping[str, Callable[[ImageModel], ApiError]] = {
    "moderation": _moderation,
    "rate-limit": _rate_limit,
    "quota": _quota,
    "billing-limit": _billing_limit,
    "spend-limit": _spend_limit,
    "unverified": _unverified,
    "bad-key": lambda _: incorrect_key("sk-sandbox"),
    "no-model": lambda model: no_such_model(model.name),
    "bad-image": lambda _: invalid_image_file(1, "image"),
    "bad-mask": lambda _: invalid_mask("mask image missing alpha channel", "mask"),
    "no-download": lambda _: download_failed(),
    "server-error": _server_error,
    "no-transparency": _no_transparency,
    "no-streaming": _no_streaming,
    "no-background": _no_background,
}

TRIGGERS: dict[str, str] = {
    "sandbox:moderation": "400 moderation_blocked with moderation_details",
    "sandbox:rate-limit": "429 rate_limit_exceeded with retry-after 1 s and retry-after-ms 250",
    "sandbox:quota": "429 insufficient_quota",
    "sandbox:billing-limit": "400 billing_hard_limit_reached",
    "sandbox:spend-limit": "400 project_spend_limit_exceeded",
    "sandbox:bad-key": "401 invalid_api_key, whatever the key",
    "sandbox:no-model": "404 model_not_found, whatever the model",
    "sandbox:bad-image": "400 invalid_image_file, whatever the image",
    "sandbox:bad-mask": "400, the mask has no alpha channel, whatever the mask",
    "sandbox:no-download": "400, an image could not be downloaded",
    "sandbox:unverified": "403, the organization must be verified to use the model",
    "sandbox:server-error": "500 server_error",
    "sandbox:no-transparency": "400 where background is transparent, as for a model that cannot",
    "sandbox:no-streaming": "400 where a stream is asked for, as of a server that has none",
    "sandbox:no-background": "Responses: 400 unknown_parameter where `background` is true, as of a server without it",
    "sandbox:stream-error": "a stream breaks off with an error event after its first frame; a plain answer is 500; "
    "a response in the background is failed in the end",
    "sandbox:disconnect": "the connection ends in the middle of the answer, after the picture was drawn",
    "sandbox:slow": "each picture takes a minute longer, and the frames of a stream come apart",
    "sandbox:text-only": "Responses: answered in words, HTTP 200, no image",
    "sandbox:incomplete": "Responses: HTTP 200, the response is incomplete (max_output_tokens), no image",
    "sandbox:forgotten": "Responses: the ids of earlier responses and of their items are not known",
    "sandbox:call-failed": "Responses: HTTP 200, the image_generation_call is failed, its error has moderation_details",
}


def has(prompt: str, name: str) -> bool:
    """Whether the prompt contains the word `sandbox:NAME`."""
    return name in WORD.findall(prompt)


def takes_s(state: State, prompt: str) -> float:
    """Seconds that a picture takes at least, beside the drawing itself."""
    return state.seconds_per_image + (SLOW_S if has(prompt, "slow") else 0)


def refuse_if_told(
    state: State, prompt: str, model: ImageModel, background: str, *, stream: bool, aside: bool = False
) -> None:
    """Raises the ApiError that the prompt asks for. `background` is the picture's; `aside`: a response that is made
    in the background. With `-once` behind the word only the first request with this prompt is refused, so that a retry
    succeeds."""
    concerned = {"no-transparency": background == "transparent", "no-streaming": stream, "no-background": aside}
    for name, error in REFUSALS.items():
        if not concerned.get(name, True):
            continue
        if has(prompt, name):
            raise error(model)
        if has(prompt, name + ONCE) and (name, prompt) not in state.struck:
            state.struck.add((name, prompt))
            raise error(model)


def call_failure() -> dict[str, Any]:
    """The `error` of an image_generation_call that moderation stopped."""
    return {
        "type": IMAGE,
        "code": "moderation_blocked",
        "message": "The generated image was rejected by the safety system. safety_violations=[violence].",
        "param": None,
        "moderation_details": {"moderation_stage": "output", "categories": ["violence"]},
    }
