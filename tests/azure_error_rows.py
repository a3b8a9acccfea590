"""What Azure refuses in words and shapes of its own."""

from typing import Any

from error_rows import Row, answered, failed, refused, said
from openai_bodies import error, image_call

FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify "
    "your prompt and retry."
)
TOO_MANY = (
    "Requests to the ImageGenerations_Create Operation under Azure OpenAI API have exceeded call rate limit of your "
    "current pricing tier. Please retry after 9 seconds. To increase your default rate limit visit: https://aka.ms/x"
)
VERDICTS: dict[str, Any] = {
    "hate": {"filtered": False, "severity": "safe"},
    "jailbreak": {"filtered": False, "detected": False},
    "sexual": {"filtered": True, "severity": "high"},
    "violence": {"filtered": True, "severity": "medium"},
    "custom_blocklists": None,
}
INNER = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": VERDICTS}
NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)
PORTAL = "at the provider of AZURE_OPENAI_ENDPOINT"

AZURE: dict[str, Row] = {
    "no such deployment": Row(
        (said(404, {"error": {"code": "DeploymentNotFound", "message": NO_DEPLOYMENT}}),),
        "model_not_found",
        ("the key in AZURE_OPENAI_API_KEY", "deployment for this resource does not exist"),
        ("MCP_IMAGEGEN_AZURE_DEPLOYMENTS",),
    ),
    "no such deployment of a host": Row(
        (said(404, {"error": {"code": "DeploymentNotFound", "message": NO_DEPLOYMENT}}),),
        "model_not_found",
        door="continue",
    ),
    "content filter": Row(
        (refused(400, FILTERED, "content_filter", param="prompt", innererror=INNER),),
        "moderation_blocked",
        ("refused the request (sexual, violence)",),
        ("reword the prompt", "ask the provider's support"),
    ),
    "content filter in capitals": Row(
        (refused(400, "Your task failed as a result of our safety system.", "contentFilter"),),
        "moderation_blocked",
        ("Your task failed",),
        door="edit",
    ),
    "content policy of the older image API": Row(
        (
            refused(
                400,
                "Your request was rejected as a result of our safety system.",
                "content_policy_violation",
                inner_error={"code": "ResponsibleAIPolicyViolation", "content_filter_results": VERDICTS},
            ),
        ),
        "moderation_blocked",
        ("(sexual, violence)",),
    ),
    "content filter, told by its inner error alone": Row(
        (refused(400, "Bad request", "BadRequest", innererror={"code": "ResponsibleAIPolicyViolation"}),),
        "moderation_blocked",
        ("Bad request",),
        door="continue",
    ),
    "content filter in words alone": Row((refused(400, FILTERED),), "moderation_blocked", ("content management",)),
    "verdicts that filtered nothing": Row(
        (refused(400, "No.", innererror={"content_filter_result": {"hate": {"filtered": False}}}),), "upstream_invalid"
    ),
    "an inner error that is none": Row((refused(400, "No.", innererror=["x"]),), "upstream_invalid"),
    "a called image that the filter held back": Row(
        (answered(image_call(None, error=error("Held back.", "contentFilter", innererror=INNER)["error"])),),
        "moderation_blocked",
        ("(sexual, violence)",),
        door="continue",
        billed=True,
    ),
    "rate, with its wait in words": Row(
        (said(429, error(TOO_MANY, "429")),),
        "rate_limited",
        ("exceeded call rate limit",),
        ("wait 9 s, then try again; limits: the pages of your provider",),
        requests=3,
    ),
    "rate, with too long a wait in words": Row(
        (said(429, error("Please retry after 121 seconds.", "RateLimitReached")),),
        "rate_limited",
        fix=("wait 2 minutes,",),
        door="edit",
    ),
    "rate, where the header counts for more": Row(
        (said(429, error(TOO_MANY, "429"), retry_after="4"),), "rate_limited", fix=("wait 4 s,",), requests=3
    ),
    "rate in an answer": Row(
        (failed("rate_limit_exceeded", "Please retry after 1 minute 30 seconds."),),
        "rate_limited",
        fix=("wait 90 s,",),
        door="continue",
    ),
    "quota": Row(
        (refused(429, "You exceeded your current quota.", "insufficient_quota"),),
        "quota_exhausted",
        ("the account of the key in AZURE_OPENAI_API_KEY",),
        (f"add credit or raise the limit {PORTAL}", "trying again does not help"),
    ),
    "server error": Row(
        (refused(500, "The server had an error.", "InternalServerError"),),
        "upstream_unavailable",
        fix=("try again in a few minutes",),
        requests=3,
    ),
}
