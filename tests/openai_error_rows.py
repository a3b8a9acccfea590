"""Every refusal that OpenAI's API is known for."""

from error_rows import USER, Row, answered, failed, moderated, refused, said, stream
from openai_bodies import HOST_USAGE, error, image_call, image_event, item_done, message, response
from openai_request_rows import IMAGES, REQUEST
from stand_in import KEY, picture

VERIFY = "https://platform.openai.com/settings/organization/general"
BILLING = "https://platform.openai.com/settings/organization/billing"
FRAME = image_event("image_generation.partial_image", picture(), partial_image_index=0)
RATE_TEXT = (
    "Rate limit reached for gpt-image-2 in organization org-x on images per min (IPM): Limit 5, Used 5. Please try "
    "again in 12s."
)
VERIFY_TEXT = (
    f"Your organization must be verified to use the model `gpt-image-2`. Please go to: {VERIFY} and click on Verify "
    "Organization. If you just verified, it can take up to 15 minutes for access to propagate."
)
NO_SCOPE = (
    "You have insufficient permissions for this operation. Missing scopes: api.responses.write. Check that you have "
    "the correct role in your organization (Reader, Writer, Owner) and project (Member, Owner), and if you're using a "
    "restricted API key, that it has the necessary scopes."
)
EXPIRED = "Your API key has expired on 2026-11-01. Renew the API key at https://platform.openai.com/api-keys."
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
    "moderation of a called image told of only when its item ended": Row(
        (
            stream(
                item_done(image_call(None, error=moderated(moderation_stage="output", categories=["hate"])["error"])),
                {"type": "response.completed", "response": response(image_call(None, error={"message": "blocked"}))},
            ),
        ),
        "moderation_blocked",
        ("refused the image it had made (hate)",),
        door="continue",
        billed=True,
    ),
    "a called image that failed, in the model's words": Row(
        (answered(image_call(None), message("It failed, sorry. Item ig_1 was not found.")),),
        "upstream_invalid",
        ("the provider failed: It failed, sorry. Item ig_1",),
        ("try again in a few minutes",),
        door="continue",
        billed=True,
    ),
    "a called image that failed without a word": Row(
        (answered(image_call(None)),), "upstream_invalid", ("no reason given",), door="continue", billed=True
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
    "an IP address that is not allowed": Row(
        (refused(401, "Your IP is not authorized", "ip_not_authorized"),),
        "authentication_failed",
        ("the key in OPENAI_API_KEY from this machine's IP address",),
        ("allow the address",),
    ),
    "an IP address that is not allowed, in words": Row(
        (refused(401, "Your IP address 203.0.113.9 is not authorized to use this key"),),
        "authentication_failed",
        ("from this machine's IP address",),
        ("allow the address",),
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
    "missing scope, said with 401": Row(
        (refused(401, NO_SCOPE, "missing_scope"),),
        "permission_denied",
        ("the key in OPENAI_API_KEY may not do this", "Missing scopes: api.responses.write", "a restricted API key"),
        ("permission for images, responses and files",),
        door="continue",
    ),
    "missing scope, said with 401 in words alone": Row(
        (refused(401, NO_SCOPE),), "permission_denied", ("Missing scopes: api.responses.write",), door="edit"
    ),
    "a key that has expired": Row(
        (refused(401, EXPIRED, "expired_api_key"),),
        "authentication_failed",
        ("does not accept the key in OPENAI_API_KEY: Your API key has expired on 2026-11-01", "https://platform"),
        ("set OPENAI_API_KEY to a valid key",),
    ),
    "another organization's key": Row(
        (refused(401, "OpenAI-Organization header should match organization for API key", "mismatched_organization"),),
        "authentication_failed",
        ("OpenAI-Organization header should match organization for API key",),
        ("OPENAI_ORG_ID",),
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
        fix=("wait more than a year, then try again",),
        requests=1,
    ),
    "rate with hours": Row((said(429, error("x"), retry_after="7200"),), "rate_limited", fix=("wait 2 hours,",)),
    "rate with days": Row((said(429, error("x"), retry_after="2592000"),), "rate_limited", fix=("wait 30 days,",)),
    "rate with a year": Row((said(429, error("x"), retry_after="31536000"),), "rate_limited", fix=("wait 365 days,",)),
    "rate without end": Row(
        (said(429, error("x"), retry_after="1e400"),), "rate_limited", fix=("wait more than a year,",)
    ),
    "a server error with hours": Row(
        (said(503, error("x"), retry_after="36000"),), "upstream_unavailable", fix=("try again in 10 hours",)
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
        (FORGOTTEN,), "upstream_invalid", ("Previous response with id",), ("change what",), requests=2, door="continue"
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
        ("ended its answer before an image was made: incomplete (max_output_tokens)",),
        ("To fix: ask again;", "look at the provider's usage"),
        door="continue",
        billed=True,
    ),
    "an answer that was cancelled": Row(
        (answered(status="cancelled"),),
        "upstream_invalid",
        ("ended its answer before an image was made: cancelled (no reason given)",),
        ("To fix: ask again;",),
        door="continue",
        billed=True,
    ),
    "an answer of a status that is none": Row(
        (answered(status="elsewhere"),),
        "upstream_invalid",
        ("holds no image and is elsewhere",),
        ("check OPENAI_BASE_URL",),
        door="continue",
        billed=True,
    ),
}
OPENAI: dict[str, Row] = {**MODERATION, **ACCOUNT, **RATE, **REQUEST, **IMAGES, **FORGOTTEN_IDS, **SERVER}
