"""Compatible servers answer in many shapes, and no picture is lost over one."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal, text_of
from mcp.types import CallToolResult
from openai_bodies import image_call, image_event, message, response
from stand_in import GOOD, PICTURE, Said, StandIn, error, picture, standing_in

USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
    "output_tokens": 196,
    "total_tokens": 206,
}
JPEG = base64.b64encode(picture("JPEG")).decode()
TAILED = (
    picture() + b"\xfb\xef\xbe\xff\xff\xff\0\0"
)  # what follows the end of a PNG is nobody's, and base64 shows all of its signs
TAILED = TAILED[: len(TAILED) // 3 * 3 - 2]
MARK = b"\xef\xbb\xbf"
EVENT = image_event("image_generation.completed", picture())
ODD = base64.b64encode(TAILED).decode()
assert {"+", "/"} <= set(ODD)
assert ODD.endswith("==")


def images(*items: dict[str, Any], **more: Any) -> Said:
    return Said({"created": 1, "data": list(items), **more})


# What such servers answer, and what the caller should get: mime type, basis of the cost.
READ: dict[str, tuple[Said, str, str]] = {
    "nothing but the picture (vLLM-Omni)": (Said({"data": [{"b64_json": PICTURE}]}), "image/png", "estimated"),
    "null keys beside it (LiteLLM)": (
        images({"b64_json": PICTURE, "url": None, "revised_prompt": None}, usage=USAGE),
        "image/png",
        "billed",
    ),
    "unknown keys (SGLang)": (
        images({"b64_json": PICTURE, "file_path": "/x"}, id="a", seed=7),
        "image/png",
        "estimated",
    ),
    "usage with a cost (OpenRouter)": (
        images({"b64_json": PICTURE}, usage={**USAGE, "cost": 0.1}),
        "image/png",
        "billed",
    ),
    "another type than was asked for": (images({"b64_json": JPEG}, output_format="png"), "image/jpeg", "estimated"),
    "a data URL as url": (images({"url": f"data:image/png;base64,{PICTURE}"}), "image/png", "estimated"),
    "a data URL in capitals": (images({"url": f"DATA:image/png;base64,{PICTURE}"}), "image/png", "estimated"),
    "base64 without padding": (images({"b64_json": ODD.rstrip("=")}), "image/png", "estimated"),
    "base64 in the alphabet for URLs": (
        images({"b64_json": base64.urlsafe_b64encode(TAILED).decode()}),
        "image/png",
        "estimated",
    ),
    "base64 between blanks": (images({"b64_json": f" \t{PICTURE}\r\n "}), "image/png", "estimated"),
    "base64 as a data URL": (images({"b64_json": f"data:image/png;base64,{PICTURE}"}), "image/png", "estimated"),
    "JSON that is called a stream": (
        Said(GOOD, headers={"content-type": "text/event-stream"}),
        "image/png",
        "estimated",
    ),
    "usage of null": (images({"b64_json": PICTURE}, usage=None, size=None, quality=None), "image/png", "estimated"),
    "a mark before the JSON": (Said(MARK + json.dumps(GOOD).encode()), "image/png", "estimated"),
    "a mark before JSON that is called a stream": (
        Said(MARK + json.dumps(GOOD).encode(), headers={"content-type": "text/event-stream"}),
        "image/png",
        "estimated",
    ),
    "a mark before events": (
        Said(MARK + b"data: " + json.dumps(EVENT).encode() + b"\n\n", headers={"content-type": "text/event-stream"}),
        "image/png",
        "billed",
    ),
    "UTF-16": (Said(json.dumps(GOOD).encode("utf-16")), "image/png", "estimated"),
    "UTF-16 without a mark": (Said(json.dumps(GOOD).encode("utf-16-le")), "image/png", "estimated"),
    "UTF-32": (Said(json.dumps(GOOD).encode("utf-32")), "image/png", "estimated"),
    "created as text": (Said({"created": "now", "data": [{"b64_json": PICTURE}]}), "image/png", "estimated"),
}


async def asked(stand_in: StandIn, folder: Path, **arguments: Any) -> CallToolResult:
    async with client_of(stand_in.environment(MCP_IMAGEGEN_HOME=str(folder))) as client:
        return await client.call_tool("generate_image", {"prompt": "a cat", "size": "1024x1024", **arguments})


@pytest.mark.parametrize("shape", READ)
async def test_an_odd_answer_is_read(tmp_path: Path, shape: str) -> None:
    said, mime_type, basis = READ[shape]
    async with standing_in(said) as stand_in:
        result = await asked(stand_in, tmp_path, quality="low")
    assert not result.is_error, text_of(result)
    answer = result.structured_content or {}
    assert answer["images"][0]["mime_type"] == mime_type
    assert answer["cost"]["basis"] == basis
    assert answer["provider"] == "compatible"
    assert Path(answer["images"][0]["path"]).read_bytes() in (picture(), picture("JPEG"), TAILED)


async def test_a_retired_model_is_passed_on_to_a_compatible_server(tmp_path: Path) -> None:
    async with standing_in(Said(GOOD)) as stand_in:
        result = await asked(stand_in, tmp_path, model="dall-e-2", size="512x512")
        assert stand_in.seen[0][1]["model"] == "dall-e-2"
    assert not result.is_error, text_of(result)
    assert any("dall-e-2" in warning for warning in (result.structured_content or {})["warnings"])


async def test_a_continuation_goes_through_edits_where_there_are_no_responses(tmp_path: Path) -> None:
    missing = Said({"detail": "Not Found"}, 404)
    async with standing_in(Said(GOOD), missing, Said(GOOD)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="compatible")
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="a cat", model="local-model")
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a scarf")
        assert [path for path, _ in stand_in.seen] == [
            "POST /v1/images/generations",
            "POST /v1/responses",
            "POST /v1/images/edits",
            "POST /v1/images/edits",
        ], "what the server lacks is asked for once"
    assert second["status"] == "completed"
    assert any("no Responses API" in warning for warning in second["warnings"])


@pytest.mark.parametrize(("provider", "told"), [("compatible", True), ("openai", False)])
async def test_a_server_that_answers_in_words_may_lack_the_tool(tmp_path: Path, provider: str, told: bool) -> None:
    async with standing_in(Said(GOOD), Said(response(message("I cannot draw.")))) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER=provider)
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="a cat")
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
    assert second["status"] == "text_only"
    assert any("edit_image edits the picture by its image_id" in one for one in second["warnings"]) == told


async def test_a_setting_that_sends_calls_to_an_api_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with standing_in(Said({"detail": "Not Found"}, 404)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses")
        async with client_of(environment) as client:
            text = await refusal(client, "generate_image", prompt="a cat", model="local-model")
    sentence, fix, *_ = text.splitlines()
    assert "does not know POST /responses (404)" in sentence
    assert "MCP_IMAGEGEN_API=responses" in fix


async def test_a_new_picture_in_a_thread_is_refused_where_there_are_no_responses(tmp_path: Path) -> None:
    """The Image API would edit the earlier picture, which is what the caller does not want."""
    missing = Said({"detail": "Not Found"}, 404)
    async with standing_in(Said(GOOD), missing, Said(GOOD)) as stand_in:
        async with client_of(stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path))) as client:
            first = await call(client, "generate_image", prompt="a cat", model="local-model")
            ask = {"thread_id": first["thread_id"], "prompt": "a dog", "action": "generate"}
            said = [await refusal(client, "continue_image_thread", **ask) for _ in range(2)]
            edited = await call(client, "continue_image_thread", **ask | {"action": "edit"})
        paths = [path for path, _ in stand_in.seen]
    for text in said:
        assert text.startswith("unsupported_option: action generate needs a Responses API")
        assert "generate_image" in text
        assert "billed" not in text
    assert paths == ["POST /v1/images/generations", "POST /v1/responses", "POST /v1/images/edits"]
    assert edited["status"] == "completed"


async def test_an_id_that_cannot_be_part_of_a_path_is_kept_for_what_continues_from_it(tmp_path: Path) -> None:
    answer = Said(response(image_call(picture()), id="gateway/resp_1"))
    async with standing_in(answer) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses")
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="a cat")
            tree = (await call(client, "get_image_thread", thread_id=first["thread_id"]))["thread"]
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat", history="full")
        _, body = stand_in.seen[-1]
    assert tree["turns"][0]["response_id"] == body["previous_response_id"] == "gateway/resp_1"


async def test_an_error_body_is_repeated_neither_whole_nor_with_keys(tmp_path: Path) -> None:
    async with standing_in(error(400, message="key sk-live-abcdef0123456789 " + "x" * 5_000)) as stand_in:
        text = text_of(await asked(stand_in, tmp_path))
    assert "sk-live" not in text
    assert len(text) < 1_200


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
async def test_signs_of_another_encoding_cost_no_picture(tmp_path: Path, encoding: str) -> None:
    body = {"data": [{"b64_json": PICTURE, "revised_prompt": "a café"}]}
    async with standing_in(Said(json.dumps(body, ensure_ascii=False).encode(encoding))) as stand_in:
        result = await asked(stand_in, tmp_path, quality="low")
    assert not result.is_error, text_of(result)
    (image,) = (result.structured_content or {})["images"]
    assert image["revised_prompt"] == "a caf\ufffd"
    assert Path(image["path"]).read_bytes() == picture()
