"""The odd shapes that other servers and gateways put their refusals in."""

import json

from error_rows import Row, error, said
from stand_in import Said

BAD_IMAGE = error("Invalid image.", "invalid_image_file")
OTHERS: dict[str, Row] = {
    "no request id": Row((Said(error("no"), 400),), "upstream_invalid", request_id=None),
    "an odd request id": Row(
        (Said(error("no"), 400, {"x-request-id": "x" * 5_000}),), "upstream_invalid", request_id=None
    ),
    "an error as text (stable-diffusion.cpp)": Row((said(400, {"error": "no ink"}),), "upstream_invalid", ("no ink",)),
    "a server error as text": Row(
        (said(500, {"error": "out of memory"}),), "upstream_unavailable", ("out of memory",), requests=3
    ),
    "a detail (vLLM-Omni, SGLang)": Row((said(422, {"detail": "too small"}),), "upstream_invalid", ("too small",)),
    "a list of details (FastAPI)": Row(
        (said(422, {"detail": [{"loc": ["body", "seed"], "msg": "field required"}]}),),
        "upstream_invalid",
        ("(about seed)", "field required"),
    ),
    "a list of details that name an option (FastAPI)": Row(
        (
            said(
                422,
                {
                    "detail": [
                        {"loc": ["body", "size"], "msg": "should be 512x512"},
                        {"loc": ["body", "n", 0], "msg": "should be 1"},
                    ]
                },
            ),
        ),
        "unsupported_option",
        ("refuses size: should be 512x512; should be 1",),
        ("choose another size",),
    ),
    "more details than anybody reads": Row(
        (said(422, {"detail": [{"loc": ["body"], "msg": f"no {number}"} for number in range(5_000)]}),),
        "upstream_invalid",
        (": no 0; no 1; no 2; no 3; no 4; no 5; no 6; no 7; no 8; no 9",),
    ),
    "a list of texts": Row((said(422, {"detail": ["bad a", "bad b"]}),), "upstream_invalid", ("bad a; bad b",)),
    "errors by their fields": Row(
        (said(400, {"errors": {"size": ["bad size"], "n": ["bad n"]}}),),
        "unsupported_option",
        ("refuses size: bad size; bad n",),
    ),
    "a list of messages": Row((said(400, {"message": ["x y", "z"]}),), "upstream_invalid", (": x y; z",)),
    "a list of errors": Row(
        (said(403, [{"error": {"message": "not you", "code": 403}}]),), "permission_denied", ("not you",)
    ),
    "a message": Row((said(401, {"message": "Unauthorized"}),), "authentication_failed", ("Unauthorized",)),
    "details beside the error": Row(
        (
            said(
                400,
                {
                    "error": {"message": "no"},
                    "moderation_details": {"moderation_stage": "input", "categories": ["hate"]},
                },
            ),
        ),
        "moderation_blocked",
        ("the prompt or an input image (hate)",),
    ),
    "HTML of a gateway": Row(
        (said(502, "<!DOCTYPE html><html><head><title>502 Bad\nGateway</title></head><body>x</body></html>"),),
        "upstream_unavailable",
        ("502 Bad Gateway",),
        requests=3,
    ),
    "HTML without a title": Row((said(400, "<p>no</p>"),), "upstream_invalid", ("(400)",)),
    "a mark before the error": Row(
        (said(400, b"\xef\xbb\xbf" + json.dumps(BAD_IMAGE).encode()),), "input_rejected", ("Invalid image",)
    ),
    "an error in UTF-16": Row((said(400, json.dumps(BAD_IMAGE).encode("utf-16")),), "input_rejected", ("Invalid im",)),
    "an error in Latin-1": Row(
        (said(400, json.dumps(error("caf\xe9 x"), ensure_ascii=False).encode("latin-1")),),
        "upstream_invalid",
        ("caf\ufffd x",),
    ),
    "plain text in UTF-16": Row((said(400, "no such luck".encode("utf-16")),), "upstream_invalid", ("no such luck",)),
    "plain text": Row((said(400, "no such luck"),), "upstream_invalid", ("no such luck",)),
    "an empty body": Row((said(500, b""),), "upstream_unavailable", ("(500)",), requests=3),
    "null": Row((said(400, None),), "upstream_invalid"),
    "an empty list": Row((said(400, []),), "upstream_invalid"),
    "an error that is null": Row((said(400, {"error": None}),), "upstream_invalid"),
    "no error at all": Row((said(403, {"ok": False}),), "permission_denied"),
    "numbers and lists in place of names": Row(
        (said(400, {"error": {"message": 7, "type": [], "param": {}}}),), "upstream_invalid"
    ),
    "a code that is a number": Row(
        (said(429, {"error": {"message": "No deployments available", "code": 429}}),),
        "rate_limited",
        ("No deployments available",),
        ("wait a minute",),
        requests=3,
    ),
    "a code that is a number in text (LiteLLM)": Row(
        (said(400, error("litellm.BadRequestError: no", "400")),), "upstream_invalid", ("litellm.BadRequestError: no",)
    ),
    "a content filter of Azure (LiteLLM)": Row(
        (
            said(
                400,
                error(
                    "litellm.BadRequestError: AzureException - x",
                    "400",
                    provider_specific_fields={
                        "innererror": {
                            "code": "ResponsibleAIPolicyViolation",
                            "content_filter_result": {"self_harm": {"filtered": True}},
                        }
                    },
                ),
            ),
        ),
        "moderation_blocked",
        ("(self_harm)",),
    ),
    "moderation without its code (LiteLLM)": Row(
        (said(400, error("litellm: rejected by the safety system. safety_violations=[x].", "400")),),
        "moderation_blocked",
        ("(x)",),
    ),
    "quota without its code": Row(
        (said(429, error("You exceeded your current quota", "429")),),
        "quota_exhausted",
        fix=("at the provider of OPENAI_BASE_URL",),
    ),
    "an unknown model, in other words": Row(
        (said(400, error("Invalid model name passed in model=x.", "400")),), "model_not_found"
    ),
    "no such endpoint (FastAPI)": Row(
        (said(404, {"detail": "Not Found"}),),
        "upstream_invalid",
        ("does not know POST /images/generations (404)",),
        ("OPENAI_BASE_URL, which ends in /v1",),
    ),
    "no such endpoint for edits": Row(
        (said(404, error("Not Found", "404")),),
        "upstream_invalid",
        ("does not know POST /images/edits (404)",),
        door="edit",
    ),
    "wrong method": Row(
        (said(405, {"detail": "Method Not Allowed"}),), "upstream_invalid", ("POST /images/generations",)
    ),
    "payment": Row((said(402, {"message": "pay"}),), "quota_exhausted", ("no credit left",)),
    "a redirect": Row(
        (said(307, "", location="https://elsewhere.example/v1?token=abc"),),
        "upstream_invalid",
        ("https://elsewhere.example/v1, which is not followed",),
        ("OPENAI_BASE_URL",),
    ),
    "a gateway of Cloudflare gave up": Row((said(524, ""),), "upstream_unavailable", ("(524)",), billed=True),
    "200 with an error": Row(
        (said(200, {"error": {"message": "out of memory"}}),),
        "upstream_invalid",
        ("the provider failed: out of memory",),
        ("try again in a few minutes", "a smaller size"),
        billed=True,
    ),
    "200 with a detail": Row(
        (said(200, {"detail": "model is loading"}),), "upstream_invalid", ("model is loading",), billed=True
    ),
    "200 with a message": Row(
        (said(200, {"message": "no ink left"}),), "upstream_invalid", ("no ink left",), billed=True
    ),
    "200 with a message about credit": Row(
        (said(200, {"message": "insufficient credits"}),), "quota_exhausted", ("insufficient credits",)
    ),
    "200 with no response but a detail": Row(
        (said(200, {"detail": "model is loading"}),),
        "upstream_invalid",
        ("model is loading",),
        door="continue",
        billed=True,
    ),
    "200 with HTML": Row((said(200, "<html>hello</html>"),), "upstream_invalid", ("is no JSON",), billed=True),
    "200 with null": Row((said(200, None),), "upstream_invalid", ("is no JSON object",), billed=True),
    "200 without pictures": Row((said(200, {"data": []}),), "upstream_invalid", ("holds no image",), billed=True),
    "200 with base64 that is none": Row(
        (said(200, {"data": [{"b64_json": "@@@@"}]}),), "upstream_invalid", ("cannot be decoded",), billed=True
    ),
    "no content": Row((said(204, b""),), "upstream_invalid", ("is no JSON",), billed=True),
}
