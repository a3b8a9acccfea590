"""Refusals of the model that hosts the image tool: the way out is its setting, since no argument names it."""

from error_rows import Row, failed, refused, said
from openai_bodies import error

SETTING = "MCP_IMAGEGEN_RESPONSES_MODEL"
HOST = "gpt-5.4"
UNKNOWN = f"The model `{HOST}` does not exist or you do not have access to it."
EDIT = "or edit the picture with edit_image and its image_id, which needs no host"
NO_HOST = f"the provider has no {HOST} to host the image tool, or hides it from the key in "
ANOTHER = f"set {SETTING} to a model that can host the image tool"
VERIFY = (
    f"Your organization must be verified to use the model `{HOST}`. Please go to: "
    "https://platform.openai.com/settings/organization/general and click on Verify Organization."
)

HOST_OF_OPENAI: dict[str, Row] = {
    "host model": Row(
        (refused(404, UNKNOWN, "model_not_found"),),
        "model_not_found",
        (NO_HOST + "OPENAI_API_KEY: The model",),
        (f"To fix: give the key access to {HOST}, or {ANOTHER}, {EDIT}",),
        door="continue",
    ),
    "version of the host model": Row(
        (refused(404, "The model `gpt-5.4-2026-03-05` does not exist", "model_not_found", param="model"),),
        "model_not_found",
        (NO_HOST,),
        (ANOTHER,),
        door="continue whole",
    ),
    "host model, inside an answer": Row(
        (failed("model_not_found", UNKNOWN),), "model_not_found", (NO_HOST,), (ANOTHER,), door="continue"
    ),
    "host model of an unverified organization": Row(
        (refused(403, VERIFY),),
        "organization_unverified",
        ("the organization of the key in OPENAI_API_KEY verified",),
        ("settings/organization/general (it can take 15 minutes", f"or {ANOTHER}", EDIT),
        door="continue",
    ),
    "host model that the project may not use": Row(
        (refused(403, f"This project does not have access to {HOST}"),),
        "permission_denied",
        fix=(f"give the key access to {HOST}", ANOTHER),
        door="continue",
    ),
    "host model without the tool": Row(
        (refused(400, f"Tool 'image_generation' is not supported with {HOST}.", param="tools"),),
        "upstream_invalid",
        ("Tool 'image_generation' is not supported",),
        (f"To fix: {ANOTHER}, {EDIT}",),
        door="continue",
    ),
    "host model without the tool, by code": Row(
        (refused(400, f"Tool 'image_generation' is not supported with {HOST}.", "unsupported_value", param="tools"),),
        "unsupported_option",
        fix=(f"To fix: {ANOTHER}, {EDIT}",),
        door="continue",
    ),
    "an option that the host model has not": Row(
        (refused(400, f"Unsupported quality with {HOST}.", "unsupported_value", param="tools[0].quality"),),
        "unsupported_option",
        fix=("To fix: choose another quality, or auto",),
        door="continue",
    ),
    "another option that the host model has not": Row(
        (refused(400, f"reasoning is not supported with {HOST}", "unsupported_parameter", param="reasoning"),),
        "unsupported_option",
        fix=("To fix: leave out reasoning",),
        door="continue",
    ),
    "an image model with a host's name": Row(
        (refused(404, UNKNOWN, "model_not_found", param="tools[0].model"),),
        "model_not_found",
        ("the provider has no such model",),
        ("name another model",),
        door="continue",
    ),
    "a larger model than the host": Row(
        (refused(404, "The model `gpt-5.4-image` does not exist", "model_not_found"),),
        "model_not_found",
        ("the provider has no such model",),
        ("name another model, or give the key access to this one", f"{SETTING} names the one that hosts"),
        door="continue",
    ),
    "too many requests to the host": Row(
        (refused(429, f"Rate limit reached for {HOST} in organization org-x. Please try again in 1s."),),
        "rate_limited",
        fix=("wait 1 s, then try again",),
        requests=3,
        door="continue",
    ),
    "moderation by the host": Row(
        (refused(400, f"Rejected as a result of our safety system, by {HOST}."),),
        "moderation_blocked",
        fix=("reword the prompt",),
        door="continue",
    ),
    "image model, where no host is asked": Row(
        (refused(404, UNKNOWN, "model_not_found"),),
        "model_not_found",
        fix=("To fix: name another model, or give the key access to this one",),
        door="edit",
    ),
}
HOST_OF_OTHERS: dict[str, Row] = {
    "host model (vLLM)": Row(
        (
            said(
                404,
                {
                    "object": "error",
                    "message": f"The model `{HOST}` does not exist.",
                    "type": "NotFoundError",
                    "code": 404,
                },
            ),
        ),
        "model_not_found",
        (NO_HOST,),
        (ANOTHER, EDIT),
        door="continue",
    ),
    "host model (Ollama)": Row(
        (said(404, error(f'model "{HOST}" not found, try pulling it first', None, "api_error")),),
        "model_not_found",
        (NO_HOST,),
        (ANOTHER, EDIT),
        door="continue",
    ),
    "host model, in other words": Row(
        (said(404, error(f"No provider has openai/{HOST}", None)),),
        "model_not_found",
        (NO_HOST,),
        (EDIT,),
        door="continue",
    ),
    "host model (OpenRouter)": Row(
        (said(400, error(f"{HOST} is not a valid model ID", "400")),),
        "upstream_invalid",
        fix=(f"To fix: {ANOTHER}, {EDIT}",),
        door="continue",
    ),
}
HOST_OF_AZURE: dict[str, Row] = {
    "deployment of the host, by its name": Row(
        (
            said(
                404, {"error": {"code": "DeploymentNotFound", "message": f"The API deployment {HOST} does not exist."}}
            ),
        ),
        "model_not_found",
        (NO_HOST + "AZURE_OPENAI_API_KEY",),
        (f"{ANOTHER} and has a deployment, as MCP_IMAGEGEN_AZURE_DEPLOYMENTS names it, {EDIT}",),
        door="continue",
    ),
    "deployment of the host, or of the image model": Row(
        (said(404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}}),),
        "model_not_found",
        fix=("check the names in MCP_IMAGEGEN_AZURE_DEPLOYMENTS", f"{SETTING} names the one that hosts"),
        door="continue",
    ),
}
