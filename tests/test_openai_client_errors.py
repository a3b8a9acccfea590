"""Every refusal of a provider becomes one of our codes, with a sentence, a way out, and never the key."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from capture_server import CaptureServer, Reply, capture_server
from openai_bodies import error
from pydantic import SecretStr

from mcp_imagegen.errors import ImagegenError
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.failures import IdForgotten
from mcp_imagegen.openai_api.values import ImageCall, ResponsesCall

KEY = "sk-proj-Aa0123456789-secret_tail"
USER = "image_generation_user_error"


@dataclass(frozen=True)
class Row:
    """An answer and what it must come to: the code, and words that the sentence and the way out hold."""

    status: int
    body: Any
    code: str
    says: str = ""
    fix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False


OPENAI: dict[str, Row] = {
    "moderation of the output": Row(
        400,
        error(
            "Your request was rejected by the safety system. safety_violations=[violence].",
            "moderation_blocked",
            USER,
            moderation_details={"moderation_stage": "output", "categories": ["sexual", "violence"]},
        ),
        "moderation_blocked",
        "refused the image it had made (sexual, violence)",
        "reword the prompt",
    ),
    "moderation of the input": Row(
        400,
        error("No.", "moderation_blocked", USER, moderation_details={"moderation_stage": "input", "categories": []}),
        "moderation_blocked",
        "refused the prompt or an input image: No.",
    ),
    "moderation told in the text": Row(
        400,
        error(
            "Your request was rejected by the safety system. If you believe this is an error, contact us at "
            "help.openai.com and include the request ID req_7. safety_violations=[sexual, self-harm].",
            "moderation_blocked",
            USER,
        ),
        "moderation_blocked",
        "refused the request (sexual, self-harm)",
        "help.openai.com",
    ),
    "bad key": Row(
        401,
        error(f"Incorrect API key provided: {KEY}. You can find your API key at …", "invalid_api_key"),
        "authentication_failed",
        "does not accept the API key",
        "set OPENAI_API_KEY",
    ),
    "masked key": Row(
        401,
        error("Incorrect API key provided: sk-pr*********tail. You can find …", "invalid_api_key"),
        "authentication_failed",
    ),
    "wrong organization": Row(
        401,
        error("OpenAI-Organization header should match organization for the request"),
        "authentication_failed",
        "OpenAI-Organization header",
        "OPENAI_ORG_ID",
    ),
    "organization not verified": Row(
        403,
        error(
            "Your organization must be verified to use the model `gpt-image-2`. Please go to: "
            "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
            "verified, it can take up to 15 minutes for access to propagate."
        ),
        "organization_unverified",
        "organization verified",
        "https://platform.openai.com/settings/organization/general (it can take 15 minutes",
    ),
    "missing permission": Row(
        403,
        error("You have insufficient permissions for this operation. Missing scopes: api.model.images.request."),
        "permission_denied",
        "Missing scopes: api.model.images.request",
    ),
    "country": Row(
        403,
        error(
            "Country, region, or territory not supported", "unsupported_country_region_territory", "request_forbidden"
        ),
        "permission_denied",
    ),
    "unknown model": Row(
        404,
        error("The model `x` does not exist or you do not have access to it.", "model_not_found"),
        "model_not_found",
        "The model `x` does not exist",
        "name another model",
    ),
    "model hidden from the project": Row(
        403, error("Project `p` does not have access to model `gpt-image-2`", "model_not_found"), "model_not_found"
    ),
    "unknown parameter": Row(
        400,
        error("Unknown parameter: 'response_format'.", "unknown_parameter", param="response_format"),
        "upstream_invalid",
        "Unknown parameter: 'response_format'.",
        "change what the provider names",
    ),
    "size": Row(
        400,
        error("Requested resolution is below the current minimum pixel budget.", "invalid_value", USER, param="size"),
        "upstream_invalid",
        "(about size)",
    ),
    "transparent": Row(
        400, error("Transparent background is not supported for this model.", "invalid_value"), "upstream_invalid"
    ),
    "input fidelity": Row(
        400,
        error(
            "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.", "invalid_input_fidelity_model"
        ),
        "upstream_invalid",
    ),
    "bad image": Row(
        400,
        error("Invalid image file or mode for image 1, please check your image file.", "invalid_image_file"),
        "upstream_invalid",
        "image 1",
    ),
    "mask": Row(400, error("Invalid mask image format - mask image missing alpha channel"), "upstream_invalid"),
    "conflict": Row(409, error("Another request holds the lock"), "upstream_invalid", "Another request"),
    "too large": Row(413, error("Request too large"), "upstream_invalid", "too large", "fewer or smaller images"),
    "unprocessable": Row(422, error("No."), "upstream_invalid"),
    "rate": Row(
        429,
        error(
            "Rate limit reached for gpt-image-2 in organization org-x on images per min (IPM): Limit 5, Used 5. Please "
            "try again in 12s.",
            "rate_limit_exceeded",
            "images",
        ),
        "rate_limited",
        "Rate limit reached",
        "wait 12 s,",
    ),
    "rate with a header": Row(429, error("Slow down"), "rate_limited", fix="wait 7 s,", headers={"retry-after": "7"}),
    "rate with milliseconds": Row(
        429, error("x"), "rate_limited", fix="wait 1.5 s,", headers={"retry-after-ms": "1500", "retry-after": "9"}
    ),
    "rate until a date": Row(
        429,
        error("x"),
        "rate_limited",
        fix="wait 3 minutes,",
        headers={"retry-after": "Fri, 20 Nov 2026 10:03:00 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"},
    ),
    "rate with a wait in minutes": Row(429, error("Please try again in 1m30.5s."), "rate_limited", fix="wait 90.5 s,"),
    "rate without a wait": Row(
        429, error("Slow down"), "rate_limited", fix="wait a minute,", headers={"retry-after": "soon"}
    ),
    "quota": Row(
        429,
        error(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
        "quota_exhausted",
        "no credit left",
        "/billing",
        headers={"retry-after": "1"},
    ),
    "billing limit": Row(
        400, error("Billing hard limit has been reached", "billing_hard_limit_reached"), "quota_exhausted"
    ),
    "project limit": Row(400, error("x", "project_spend_limit_exceeded"), "quota_exhausted"),
    "forgotten response": Row(
        400,
        error(
            "Previous response with id 'resp_9' not found.", "previous_response_not_found", param="previous_response_id"
        ),
        "upstream_invalid",
        "no longer knows",
        "send the saved image",
    ),
    "forgotten call": Row(
        404,
        error(
            "Item with id 'ig_9' not found. Items are not persisted when `store` is set to false. Try again with "
            "`store` set to true, or remove this item from your input.",
            param="input",
        ),
        "upstream_invalid",
        "no longer knows",
    ),
    "unknown file": Row(
        400,
        error("File with id 'file-7' not found in organization org-x.", param="input[0].content[1].file_id"),
        "input_not_found",
        "does not know the file",
    ),
    "server error": Row(
        500,
        error("The server had an error while processing your request.", type="server_error"),
        "upstream_unavailable",
        "(500)",
    ),
    "overloaded": Row(503, error("That model is currently overloaded"), "upstream_unavailable", "overloaded"),
    "server error that speaks of models": Row(
        502, error("the model was not found in the cache"), "upstream_unavailable"
    ),
    "gateway gave up": Row(504, "", "upstream_unavailable", "(504)", billed=True),
    "request timeout": Row(408, error("Request timed out"), "upstream_unavailable"),
}

OTHERS: dict[str, Row] = {
    "numbers as code": Row(400, error("litellm.BadRequest: no", "400"), "upstream_invalid", "litellm.BadRequest: no"),
    "a number as code": Row(429, {"error": {"message": "No deployments available", "code": 429}}, "rate_limited"),
    "moderation without its code": Row(
        400,
        error("litellm: Your request was rejected by the safety system. safety_violations=[x].", "400"),
        "moderation_blocked",
        "(x)",
    ),
    "quota without its code": Row(429, error("You exceeded your current quota", "429"), "quota_exhausted"),
    "an unknown model, other words": Row(400, error("Invalid model name passed in model=x.", "400"), "model_not_found"),
    "an error as text": Row(500, {"error": "out of memory"}, "upstream_unavailable", "out of memory"),
    "a refusal as text": Row(400, {"error": "prompt is empty"}, "upstream_invalid", "prompt is empty"),
    "a detail": Row(422, {"detail": "bad size"}, "upstream_invalid", "bad size"),
    "a list of details": Row(
        422, {"detail": [{"loc": ["body", "size"], "msg": "field required"}]}, "upstream_invalid", "field required"
    ),
    "a list of errors": Row(403, [{"error": {"message": "not you", "code": 403}}], "permission_denied", "not you"),
    "a message": Row(401, {"message": "Unauthorized"}, "authentication_failed", "Unauthorized"),
    "details beside the error": Row(
        400,
        {"error": {"message": "no"}, "moderation_details": {"moderation_stage": "input", "categories": ["hate"]}},
        "moderation_blocked",
        "(hate)",
    ),
    "HTML": Row(
        502,
        "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head><body>x</body></html>",
        "upstream_unavailable",
        "502 Bad Gateway",
    ),
    "HTML without a title": Row(400, "<p>no</p>", "upstream_invalid"),
    "plain text": Row(400, "no such luck", "upstream_invalid", "no such luck"),
    "nothing": Row(400, "", "upstream_invalid", "(400)"),
    "null": Row(400, "null", "upstream_invalid"),
    "an empty list": Row(400, "[]", "upstream_invalid"),
    "an error that is null": Row(400, {"error": None}, "upstream_invalid"),
    "a name as a number": Row(400, {"error": {"message": 7, "type": [], "param": {}}}, "upstream_invalid"),
    "no such endpoint": Row(
        404, {"detail": "Not Found"}, "upstream_invalid", "not know POST /images/generations (404)", "OPENAI_BASE_URL"
    ),
    "no such endpoint, with a number as code": Row(
        404, error("Not Found", "404"), "upstream_invalid", "not know POST /images/generations (404)"
    ),
    "wrong method": Row(405, {"detail": "Method Not Allowed"}, "upstream_invalid", "POST /images/generations"),
    "payment": Row(402, {"message": "pay"}, "quota_exhausted"),
    "a redirect": Row(
        307,
        "",
        "upstream_invalid",
        "https://elsewhere.example/v1, which is not followed",
        "OPENAI_BASE_URL",
        {"location": "https://elsewhere.example/v1?token=abc"},
    ),
    "a gateway of Cloudflare gave up": Row(524, "", "upstream_unavailable", billed=True),
    "no content": Row(204, "", "upstream_invalid", "is no JSON", billed=True),
}


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


@pytest.fixture
async def client(capture: CaptureServer) -> AsyncIterator[OpenAIClient]:
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr(KEY), trust_env=False)
    yield client
    await client.aclose()


async def failed(client: OpenAIClient, call: ImageCall | ResponsesCall) -> ImagegenError:
    with pytest.raises(ImagegenError) as raised:
        async for _ in client.send(call):
            pass
    return raised.value


def reply(row: Row) -> Reply:
    body = row.body if isinstance(row.body, str) else json.dumps(row.body)
    return Reply(body.encode(), row.status, {"x-request-id": "req_7", **row.headers})


@pytest.mark.parametrize("name", [*OPENAI, *OTHERS])
async def test_a_refusal_becomes_the_code_that_says_what_to_do(
    capture: CaptureServer, client: OpenAIClient, name: str
) -> None:
    row = {**OPENAI, **OTHERS}[name]
    capture.answers(reply(row))
    refusal = await failed(client, ImageCall("gpt-image-2", "a cat"))
    assert refusal.code == row.code
    assert row.says in refusal.sentence
    assert row.fix in refusal.fix
    assert refusal.fix
    assert not refusal.fix.endswith(".")
    assert refusal.request_id == "req_7"
    assert refusal.may_be_billed is row.billed
    assert "<" not in refusal.sentence
    assert "sk-" not in refusal.sentence + refusal.fix
    assert KEY[3:] not in refusal.sentence + refusal.fix


@pytest.mark.parametrize("name", ["forgotten response", "forgotten call"])
async def test_a_forgotten_id_is_a_kind_of_its_own(capture: CaptureServer, client: OpenAIClient, name: str) -> None:
    capture.answers(reply(OPENAI[name]))
    assert isinstance(await failed(client, ResponsesCall("gpt-5.4", "gpt-image-2", "x", call_id="ig_9")), IdForgotten)


@pytest.mark.parametrize("name", ["unknown model", "no such endpoint", "unknown file", "unknown parameter"])
async def test_no_other_refusal_is_taken_for_a_forgotten_id(
    capture: CaptureServer, client: OpenAIClient, name: str
) -> None:
    capture.answers(reply({**OPENAI, **OTHERS}[name]))
    refusal = await failed(client, ResponsesCall("gpt-5.4", "gpt-image-2", "x", call_id="ig_9"))
    assert not isinstance(refusal, IdForgotten)


@pytest.mark.parametrize("key", [KEY, "q8Zr-own-style-key-77", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500])
async def test_a_key_that_the_provider_repeats_is_not_repeated(capture: CaptureServer, key: str, status: int) -> None:
    said = f"Your key {key} (Authorization: Bearer {key}) is not welcome"
    capture.answers(reply(Row(status, {"error": {"message": said, "param": key}}, "")))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr(key), trust_env=False)
    refusal = await failed(client, ImageCall("gpt-image-2", "a cat"))
    await client.aclose()
    assert key not in str(refusal) + refusal.fix + repr(refusal) + repr(refusal.__cause__)
    assert key not in repr(vars(client))


async def test_what_is_said_about_a_wrong_key_is_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(reply(OPENAI["masked key"]))
    refusal = await failed(client, ImageCall("gpt-image-2", "a cat"))
    assert refusal.sentence.endswith("does not accept the API key")


async def test_long_words_of_a_provider_are_cut(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(reply(Row(400, error("very " * 100_000), "")))
    refusal = await failed(client, ImageCall("gpt-image-2", "a cat"))
    assert len(refusal.sentence) < 600
    assert refusal.sentence.endswith("…")


async def test_image_data_in_an_error_is_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(reply(Row(400, error("cannot read data:image/png;base64," + "iVBORw0K" * 30), "")))
    assert (await failed(client, ImageCall("gpt-image-2", "a cat"))).sentence.endswith("base64,[redacted]")


async def test_without_a_key_a_401_says_that_none_is_set(capture: CaptureServer) -> None:
    capture.answers(reply(OPENAI["bad key"]))
    client = OpenAIClient(base_url=capture.url, api_key=None, trust_env=False)
    refusal = await failed(client, ImageCall("gpt-image-2", "a cat"))
    await client.aclose()
    assert "none is set" in refusal.sentence


async def test_an_odd_request_id_is_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(reply(Row(400, error("no"), "", headers={"x-request-id": "x" * 5_000})))
    assert (await failed(client, ImageCall("gpt-image-2", "a cat"))).request_id is None
