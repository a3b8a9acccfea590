"""Every refusal that OpenAI's API is known for, and the odd shapes that other servers put theirs in.

Each row holds the answers of the provider and what the caller is told: the code, words of the sentence and of the way
out, how often the provider is asked, and whether the call may have been billed. The key goes by the name of its
variable in every sentence that is about it.
"""

from dataclasses import dataclass
from typing import Any, Literal

from openai_bodies import HOST_USAGE, error, image_call, image_event, response, sse
from stand_in import KEY, Said, picture

Door = Literal["generate", "stream", "edit", "continue", "continue whole"]
REQUEST_ID = "req_7"
USER = "image_generation_user_error"
VERIFY = "https://platform.openai.com/settings/organization/general"
BILLING = "https://platform.openai.com/settings/organization/billing"


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


UNUSED: dict[str, Any] = {"usage": None, "tool_usage": None}
FRAME = image_event("image_generation.partial_image", picture(), partial_image_index=0)
RATE_TEXT = (
    "Rate limit reached for gpt-image-2 in organization org-x on images per min (IPM): Limit 5, Used 5. Please try "
    "again in 12s."
)
VERIFY_TEXT = (
    f"Your organization must be verified to use the model `gpt-image-2`. Please go to: {VERIFY} and click on Verify "
    "Organization. If you just verified, it can take up to 15 minutes for access to propagate."
)
NOT_KEPT = (
    "Item with id 'ig_9' not found. Items are not persisted when `store` is set to false. Try again with `store` set "
    "to true, or remove this item from your input."
)
FORGOTTEN = refused(
    400, "Previous response with id 'resp_9' not found.", "previous_response_not_found", param="previous_response_id"
)
SENT_ANEW = ("the API no longer knows the earlier image by its id, so the saved image was sent",)
KEPT = answered(image_call(picture()))

MODERATION = {
    "moderation of the prompt": Row(
        (said(400, moderated(moderation_stage="input", categories=["sexual"])),),
        "moderation_blocked",
        ("refused the prompt or an input image (sexual)",),
        ("reword the prompt", "help.openai.com with the request id"),
    ),
    "moderation of the image": Row(
        (said(400, moderated(moderation_stage="output", categories=["sexual", "violence"])),),
        "moderation_blocked",
        ("refused the image it had made (sexual, violence)",),
        ("reword the prompt",),
    ),
    "moderation told in words alone": Row(
        (said(400, moderated()),), "moderation_blocked", ("refused the request (sexual, self-harm)",), door="edit"
    ),
    "moderation without categories": Row(
        (refused(400, "No.", "moderation_blocked", USER, moderation_details={"moderation_stage": "input"}),),
        "moderation_blocked",
        ("refused the prompt or an input image: No.",),
        door="continue",
    ),
    "moderation of a called image": Row(
        (
            answered(
                image_call(None, error=moderated(moderation_stage="output", categories=["violence"])["error"]),
            ),
        ),
        "moderation_blocked",
        ("refused the image it had made (violence)",),
        door="continue",
        billed=True,
    ),
    "moderation in a stream": Row(
        (stream(FRAME, {"type": "error", **moderated(moderation_stage="output", categories=["violence"])}),),
        "moderation_blocked",
        ("refused the image it had made (violence)",),
        door="stream",
        billed=True,
    ),
}
ACCOUNT = {
    "bad key": Row(
        (
            said(
                401,
                error(f"Incorrect API key provided: {KEY}. You can find your API key at …", "invalid_api_key"),
                www_authenticate='Bearer realm="OpenAI API"',
            ),
        ),
        "authentication_failed",
        ("does not accept the key in OPENAI_API_KEY",),
        ("set OPENAI_API_KEY to a valid key", "OPENAI_ORG_ID"),
    ),
    "wrong organization": Row(
        (refused(401, "OpenAI-Organization header should match organization for the request"),),
        "authentication_failed",
        ("the key in OPENAI_API_KEY", "OpenAI-Organization header"),
        ("OPENAI_ORG_ID",),
        door="edit",
    ),
    "organization not verified": Row(
        (refused(403, VERIFY_TEXT),),
        "organization_unverified",
        ("the organization of the key in OPENAI_API_KEY verified",),
        (f"verify the organization at {VERIFY} ", "15 minutes", "another model"),
    ),
    "missing permission": Row(
        (refused(403, "You have insufficient permissions. Missing scopes: api.model.images.request."),),
        "permission_denied",
        ("the key in OPENAI_API_KEY may not do this", "Missing scopes: api.model.images.request"),
        ("permission for images",),
        door="continue",
    ),
    "country": Row(
        (refused(403, "Country, region, or territory not supported", "unsupported_country_region_territory"),),
        "permission_denied",
        ("Country, region, or territory not supported",),
    ),
    "quota": Row(
        (refused(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),),
        "quota_exhausted",
        ("the account of the key in OPENAI_API_KEY has no credit left",),
        (f"add credit at {BILLING}", "trying again does not help"),
    ),
    "billing limit": Row(
        (refused(400, "Billing hard limit has been reached", "billing_hard_limit_reached"),),
        "quota_exhausted",
        fix=("/limits",),
        door="edit",
    ),
    "project limit": Row((refused(400, "x", "project_spend_limit_exceeded"),), "quota_exhausted", door="continue"),
}
RATE = {
    "rate": Row(
        (refused(429, RATE_TEXT, "rate_limit_exceeded", "images"),),
        "rate_limited",
        ("too many requests", "images per min (IPM)"),
        ("wait 12 s, then try again",),
        requests=3,
    ),
    "rate with seconds": Row(
        (said(429, error("Slow down"), retry_after="7"),), "rate_limited", fix=("wait 7 s,",), requests=3, door="edit"
    ),
    "rate with milliseconds": Row(
        (said(429, error("x"), retry_after_ms="1500", retry_after="9"),),
        "rate_limited",
        fix=("wait 1.5 s,",),
        requests=3,
        door="continue",
    ),
    "rate until a date": Row(
        (said(429, error("x"), retry_after="Fri, 20 Nov 2076 10:03:00 GMT"),),
        "rate_limited",
        fix=("minutes, then try again",),
        requests=1,
    ),
    "rate with minutes": Row(
        (refused(429, "Please try again in 1m30.5s."),), "rate_limited", fix=("wait 90.5 s,",), requests=3
    ),
    "rate without a wait": Row(
        (said(429, error("Slow down"), retry_after="soon"),), "rate_limited", fix=("wait a minute,",), requests=3
    ),
    "rate in an answer": Row(
        (failed("rate_limit_exceeded", "Please try again in 12s."),),
        "rate_limited",
        fix=("wait 12 s,",),
        door="continue",
    ),
    "rate in an answer that used tokens": Row(
        (failed("rate_limit_exceeded", "Please try again in 12s.", usage=HOST_USAGE),),
        "rate_limited",
        door="continue",
        billed=True,
    ),
}
REQUEST = {
    "model": Row(
        (refused(404, "The model `x` does not exist or you do not have access to it.", "model_not_found"),),
        "model_not_found",
        ("hides it from the key in OPENAI_API_KEY", "The model `x` does not exist"),
        ("name another model", "give the key access"),
    ),
    "model of a continuation": Row(
        (refused(404, "The model `x` does not exist or you do not have access to it.", "model_not_found"),),
        "model_not_found",
        door="continue",
    ),
    "model hidden from the project": Row(
        (refused(403, "Project `p` does not have access to model `gpt-image-2`", "model_not_found"),), "model_not_found"
    ),
    "unknown parameter": Row(
        (refused(400, "Unknown parameter: 'response_format'.", "unknown_parameter", param="response_format"),),
        "unsupported_option",
        ("refuses response_format", "Unknown parameter: 'response_format'."),
        ("leave out response_format", "MCP_IMAGEGEN_COMPATIBLE_DROP"),
    ),
    "size below the least": Row(
        (
            refused(
                400,
                "Invalid size '512x512'. Requested resolution is below the current minimum pixel budget.",
                "invalid_value",
                USER,
                param="size",
            ),
        ),
        "unsupported_option",
        ("refuses size", "below the current minimum pixel budget"),
        ("choose another size",),
    ),
    "size that 16 does not divide": Row(
        (
            refused(
                400,
                "Invalid size '2880x1620'. Width and height must both be divisible by 16.",
                "invalid_value",
                USER,
                param="tools[0].size",
            ),
        ),
        "unsupported_option",
        ("refuses size", "divisible by 16"),
        ("choose another size",),
        door="continue",
    ),
    "size too long, without its name": Row(
        (refused(400, "Invalid size '4096x1024'. The longest edge must be less than or equal to 3840."),),
        "unsupported_option",
        ("refuses size", "3840"),
        ("choose another size",),
        door="edit",
    ),
    "quality": Row(
        (refused(400, "The model 'gpt-image-2' does not support quality 'xhigh'"),),
        "unsupported_option",
        ("refuses quality", "'xhigh'"),
        ("choose another quality",),
    ),
    "quality, told by its parameter alone": Row(
        (refused(400, "Invalid value.", "invalid_value", USER, param="tools[0].quality"),),
        "unsupported_option",
        ("refuses quality",),
        door="continue",
    ),
    "input fidelity": Row(
        (
            refused(
                400,
                "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.",
                "invalid_input_fidelity_model",
            ),
        ),
        "unsupported_option",
        ("refuses input_fidelity",),
        ("leave out input_fidelity",),
        door="edit",
    ),
    "transparent": Row(
        (refused(400, "Transparent background is not supported for this model.", "invalid_value"),),
        "unsupported_option",
        ("refuses background", "Transparent background is not supported"),
        ("leave out background, or name another model",),
    ),
    "conflict": Row((refused(409, "Another request holds it"),), "upstream_invalid", ("Another request",), requests=3),
    "too large": Row(
        (refused(413, "Request too large"),),
        "upstream_invalid",
        ("too large for the provider",),
        ("fewer or smaller images",),
        door="edit",
    ),
    "anything else": Row(
        (refused(400, "No.", "invalid_value", param="prompt"),),
        "upstream_invalid",
        ("refused the request (400) (about prompt): No.",),
        ("change what the provider names",),
    ),
}
IMAGES = {
    "bad image data": Row(
        (refused(400, "Invalid image data.", "invalid_image_file", USER, param="images[0].image_url"),),
        "input_rejected",
        ("cannot use an image (about images[0].image_url): Invalid image data.",),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "bad image file": Row(
        (refused(400, "Invalid image file or mode for image 1, please check your image file.", "invalid_image_file"),),
        "input_rejected",
        ("image 1",),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "bad image, told in words alone": Row(
        (refused(400, "Invalid image file or mode for image 1, please check your image file."),),
        "input_rejected",
        door="edit",
    ),
    "mime type": Row(
        (
            refused(
                400,
                "Invalid file 'image[0]': unsupported mimetype ('image/tiff').",
                "unsupported_file_mimetype",
                param="image[0]",
            ),
        ),
        "input_rejected",
        ("image[0]", "image/tiff"),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "an image that a response cannot read": Row(
        (failed("image_parse_error", "The image cannot be parsed."),),
        "input_rejected",
        ("cannot be parsed",),
        door="continue",
    ),
    "remote URL": Row(
        (refused(400, "Error while downloading file. Upstream status code: 404.", "invalid_value", param="url"),),
        "input_not_found",
        ("cannot fetch an image", "404"),
        ("by its path",),
        door="continue",
    ),
    "unknown file": Row(
        (refused(400, "File with id 'file-7' not found in organization org-x.", param="input[0].content[1].file_id"),),
        "input_not_found",
        ("does not know the file", "file-7"),
        ("upload the image again",),
        door="continue",
    ),
    "mask without alpha": Row(
        (refused(400, "Invalid mask image format - mask image missing alpha channel"),),
        "mask_rejected",
        ("cannot use the mask", "missing alpha channel"),
        ("the size of the first image", "transparent where it may be edited"),
        door="edit",
    ),
    "mask of another size": Row(
        (
            refused(
                400,
                "Invalid mask image format - mask size does not match image size",
                "invalid_mask_image_format",
                USER,
                param="mask",
            ),
        ),
        "mask_rejected",
        ("does not match image size",),
        door="edit",
    ),
}
FORGOTTEN_IDS = {
    "previous response": Row((FORGOTTEN, KEPT), "completed", SENT_ANEW, requests=2, door="continue whole"),
    "item that was not kept": Row(
        (refused(404, NOT_KEPT, param="input"), KEPT), "completed", SENT_ANEW, requests=2, door="continue"
    ),
    "forgotten, then refused": Row(
        (FORGOTTEN, said(400, moderated(moderation_stage="input", categories=["hate"]))),
        "moderation_blocked",
        ("(hate)",),
        requests=2,
        door="continue whole",
    ),
    "forgotten for ever": Row(
        (FORGOTTEN,), "upstream_invalid", ("no longer knows",), ("send the saved image",), requests=2, door="continue"
    ),
}
SERVER = {
    "server error": Row(
        (refused(500, "The server had an error while processing your request.", kind="server_error"),),
        "upstream_unavailable",
        ("answers with a server error (500)",),
        ("try again in a few minutes", "https://status.openai.com"),
        requests=3,
    ),
    "overloaded": Row(
        (refused(503, "That model is currently overloaded"),),
        "upstream_unavailable",
        ("overloaded",),
        requests=3,
        door="edit",
    ),
    "server error that speaks of models": Row(
        (refused(502, "the model was not found in the cache"),), "upstream_unavailable", requests=3, door="continue"
    ),
    "request timeout": Row((refused(408, "Request timed out"),), "upstream_unavailable", ("(408)",)),
    "gateway gave up": Row((said(504, ""),), "upstream_unavailable", ("(504)",), billed=True),
    "server error in a stream": Row(
        (stream(FRAME, {"type": "error", **error("The server had an error.", "server_error", "server_error")}),),
        "upstream_unavailable",
        ("The server had an error.",),
        door="stream",
        billed=True,
    ),
    "an answer that ran out of tokens": Row(
        (answered(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),),
        "upstream_invalid",
        ("max_output_tokens",),
        door="continue",
        billed=True,
    ),
}
OPENAI: dict[str, Row] = {**MODERATION, **ACCOUNT, **RATE, **REQUEST, **IMAGES, **FORGOTTEN_IDS, **SERVER}
