"""A provider may repeat the key that it was sent, anywhere in its answer; it goes no further than that."""

import sys
from pathlib import Path
from typing import Any

import pytest
from doors import clean_environment, client_of
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from openai_bodies import image_call, image_event, message, response, sse
from stand_in import GOOD, KEY, PICTURE, Said, picture, standing_in, streamed

GATEWAY_KEY = "gatewaysecret1234567890"  # looks like none: only its value tells
ENCODED = "".join(f"%{ord(sign):02X}" for sign in GATEWAY_KEY)
ASK = {"prompt": "a cat", "size": "1024x1024", "quality": "low", "model": "gpt-image-1"}


def refused(error: Any, status: int = 400, **headers: str) -> Said:
    return Said({"error": error}, status, {name.replace("_", "-"): value for name, value in headers.items()})


def answers(key: str) -> dict[str, Said]:
    """Answers of the Image API that repeat the key."""
    image = {"b64_json": PICTURE}
    return {
        "a revised prompt": Said({"data": [{**image, "revised_prompt": f"a cat {key}, sitting"}]}),
        "options": Said({"data": [image], "size": key, "quality": f"x{key}", "background": key, "output_format": key}),
        "a request id": Said(GOOD, headers={"x-request-id": f"req-{key}"}),
        "the request id of an error": refused({"message": "no"}, x_request_id=key),
        "every field of an error": refused({"message": f"bad {key} key", "param": key, "code": key, "type": key}),
        "an error with a line break in it": refused({"message": f"bad {key[:10]}\n{key[10:]} key"}),
        "an error with blanks in it": refused({"message": f"bad {key[:10]}  {key[10:]} key"}),
        "a percent-encoded key": refused({"message": "bad " + "".join(f"%{ord(sign):02x}" for sign in key)}),
        "half of it percent-encoded": refused({"message": f"bad {key[:8]}%{ord(key[8]):02X}{key[9:]}"}),
        "categories": refused({"code": "moderation_blocked", "moderation_details": {"categories": [key]}}),
        "a redirect": Said("", 302, {"location": f"https://x.example/{key}/a"}),
        "a title": Said(f"<html><title>bad {key}</title></html>", 500),
        "a link": Said({"data": [{"url": f"https://nowhere.invalid/{key}.png"}]}),
        "no JSON": Said(f"not json {key}".encode()),
        "base64 that is none": Said({"data": [{"b64_json": f"{key}@@"}]}),
        "a stream": streamed(image_event("image_generation.completed", picture(), revised_prompt=f"a {key}")),
        "an error in a stream": Said(
            b"".join(sse({"type": "error", "error": {"message": f"no {key[:9]}\n{key[9:]}"}})),
            headers={"content-type": "text/event-stream"},
        ),
    }


def responses(key: str) -> dict[str, Said]:
    """The same of the Responses API."""
    call = image_call(picture())
    return {
        "words": Said(response(message(f"your key is {key}"))),
        "a refusal": Said(response({"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": key}]})),
        "a revised prompt": Said(response({**call, "revised_prompt": f"a cat {key}"})),
        "options of a call": Said(response({**call, "quality": key, "background": key, "action": key})),
        "ids": Said(response({**call, "id": f"ig_{key}"}, id=f"resp_{key}")),
        "a failed call": Said(
            response(image_call(None, error={"code": "x", "message": key, "moderation_details": {"categories": [key]}}))
        ),
        "a status": Said(response(status=key, incomplete_details={"reason": key})),
        "an incomplete response": Said(response(status="incomplete", incomplete_details={"reason": f"bad {key}"})),
    }


CASES = [(api, case) for api, cases in (("image", answers(KEY)), ("responses", responses(KEY))) for case in cases]


@pytest.mark.parametrize("key", [KEY, GATEWAY_KEY], ids=["of OpenAI's form", "of another form"])
@pytest.mark.parametrize(("api", "case"), CASES)
async def test_a_key_that_a_provider_repeats_reaches_nobody(tmp_path: Path, api: str, case: str, key: str) -> None:
    said = {"image": answers, "responses": responses}[api](key)[case]
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with standing_in(said) as stand_in:
        environment = stand_in.environment(
            OPENAI_API_KEY=key, MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API=api, MCP_IMAGEGEN_PREVIEW="off"
        )
        async with client_of(environment) as client:
            result = await client.call_tool("generate_image", dict(ASK), progress_callback=on_progress)
            listed = (await client.call_tool("get_image_thread", {})).structured_content or {}
            thread_id = listed["threads"][0]["thread_id"]
            tree = await client.call_tool("get_image_thread", {"thread_id": thread_id, "wait": True})
    shown = "\n".join([result.model_dump_json(), tree.model_dump_json(), *told])
    together = "".join(shown.replace("\\n", "").split())
    assert key not in together
    assert "".join(f"%{ord(sign):02x}" for sign in key) not in together.lower()
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and key.encode() in path.read_bytes()] == []


async def test_what_holds_the_key_is_no_id_and_no_option_and_words_keep_the_rest(tmp_path: Path) -> None:
    """The picture counts, whatever stands beside it."""
    cases = answers(GATEWAY_KEY)
    seen: dict[str, Any] = {}
    for case in ("a revised prompt", "options", "a request id"):
        async with standing_in(cases[case]) as stand_in:
            environment = stand_in.environment(OPENAI_API_KEY=GATEWAY_KEY, MCP_IMAGEGEN_HOME=str(tmp_path / case))
            async with client_of(environment) as client:
                result = await client.call_tool("generate_image", dict(ASK))
                seen[case] = result.structured_content
    assert seen["a revised prompt"]["images"][0]["revised_prompt"] == "a cat [redacted], sitting"
    assert (seen["options"]["quality"], seen["options"]["size"]) == ("low", "64x48"), "as asked for, and as it is"
    assert "request_id" not in seen["a request id"]


async def test_the_log_holds_no_key_at_its_most_talkative_level(tmp_path: Path) -> None:
    """The transport would log the headers of answers."""
    said = Said({"error": {"message": f"no {GATEWAY_KEY} {ENCODED}"}}, 400, {"x-echo": GATEWAY_KEY})
    with (tmp_path / "log").open("w+") as log:
        async with standing_in(said) as stand_in:
            environment = stand_in.environment(
                OPENAI_API_KEY=GATEWAY_KEY, MCP_IMAGEGEN_HOME=str(tmp_path / "home"), MCP_IMAGEGEN_LOG_LEVEL="DEBUG"
            )
            process = StdioServerParameters(
                command=sys.executable, args=["-m", "mcp_imagegen"], env=clean_environment(environment)
            )
            async with Client(stdio_client(process, errlog=log)) as client:
                result = await client.call_tool("generate_image", dict(ASK))
        log.seek(0)
        written = log.read()
    assert result.is_error
    assert "DEBUG" in written
    assert GATEWAY_KEY not in written
    assert ENCODED not in written
