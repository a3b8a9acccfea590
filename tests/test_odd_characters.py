"""Characters that no text has, in an answer that is paid for: they cost a sign of a text, never the picture."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import Transport, call, client_of
from openai_bodies import sse
from stand_in import PICTURE, Said, picture, standing_in

from mcp_imagegen.openai_api.spool import About

# Halves of a pair of surrogates, NUL, other control characters, ends of lines that JSON does not escape, and a pair.
SENT = '"a\ud83d b\udc00 c\0 d\x1b\x07 e\u2028\x85 f\U0001f408 \\ud83d'
KEPT = '"a\ufffd b\ufffd c\ufffd d\x1b\x07 e\u2028\x85 f\U0001f408 \\ud83d'
ITEM = {
    "type": "image_generation_call", "id": f"ig_{SENT}", "status": "completed", "result": PICTURE,
    "revised_prompt": SENT, "action": SENT, "size": SENT, "background": SENT,
}  # fmt: skip
SPOKEN = {"type": "message", "id": SENT, "content": [{"type": "output_text", "text": SENT}]}
RESPONSE = {"id": f"resp_{SENT}", "status": "completed", "output": [ITEM, SPOKEN], SENT: SENT}
IMAGES = {"data": [{"b64_json": PICTURE, "revised_prompt": SENT}], "quality": SENT, "size": SENT, SENT: SENT}
ALONE = {"type": "image_generation.completed", "b64_json": PICTURE, "revised_prompt": SENT, "size": SENT, SENT: SENT}
ENDED = {"type": "response.completed", "response": RESPONSE}
BODIES: dict[str, tuple[Any, ...]] = {  # by the API: a plain answer, or the events of a stream
    "image": (IMAGES,),
    "image streamed": (ALONE, {"type": "other", "said": SENT}),
    "responses": (RESPONSE,),
    "responses streamed": ({"type": "other", "said": SENT}, {"type": "response.output_item.done", "item": ITEM}, ENDED),
}


def unescaped(text: str) -> bytes:
    """JSON whose control characters stand in it as they are, but for those that end a line."""
    for char in "\0\x1b\x07":
        text = text.replace(f"\\u{ord(char):04x}", char)
    return text.replace("\\u2028", "\u2028").replace("\\u0085", "\x85").encode()


def encoded(form: str, *, escaped: bool = True) -> bytes:
    values = BODIES[form]
    body = b"".join(sse(*values)) if "streamed" in form else json.dumps(values[0]).encode()
    return body if escaped else unescaped(body.decode())


def check(result: dict[str, Any]) -> None:
    [image] = result["images"]
    assert result["status"] == "completed"
    assert Path(image["path"]).read_bytes() == picture()
    assert image["revised_prompt"] == KEPT
    assert result.get("text") in (None, KEPT)


def settings_of(form: str) -> dict[str, str]:
    return {"MCP_IMAGEGEN_API": form.partition(" ")[0]}


@pytest.mark.parametrize(
    ("transport", "form", "escaped"),
    [
        *[("memory", form, escaped) for form in BODIES for escaped in (True, False)],
        ("stdio", "responses", True),
        ("http", "responses", True),
    ],
)
async def test_an_answer_with_odd_characters_keeps_its_picture(
    tmp_path: Path, transport: Transport, form: str, escaped: bool
) -> None:
    kind = "text/event-stream" if "streamed" in form else "application/json"
    said = Said(encoded(form, escaped=escaped), headers={"content-type": kind})
    async with standing_in(said) as provider:
        environment = provider.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="openai")
        async with client_of({**environment, **settings_of(form)}, transport) as client:
            made = await call(client, "generate_image", prompt="a cat", partial_images=int("streamed" in form))
            seen = await call(client, "get_image_thread", thread_id=made["thread_id"], wait=True)
            await client.read_resource(f"thread://{made['thread_id']}")
    for result in (made, seen["result"]):
        if transport == "http":
            result["images"][0]["path"] = next((tmp_path / "images").rglob("*.png"))
        check(result)


@pytest.mark.parametrize("form", BODIES)
async def test_so_does_one_that_is_read_again_after_a_crash(
    environment: dict[str, str], upstream: Upstream, form: str
) -> None:
    upstream.open.clear()
    hasty = {**environment, "MCP_IMAGEGEN_DRAIN_S": "0", "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}
    async with client_of(hasty) as client:
        handed = await call(client, "generate_image", prompt="a mill", quality="low")
    api = "image" if form.startswith("image") else "responses"
    about = About(api, 1, "streamed" in form, origin="http://stand-in", endpoint="POST /x", request_id=None)
    copy = Path(environment["MCP_IMAGEGEN_HOME"]) / "answers" / f"{handed['thread_id']}-001.0"
    copy.write_bytes(json.dumps(asdict(about)).encode() + b"\n" + encoded(form))
    async with client_of(environment) as client:
        seen = await call(client, "get_image_thread", thread_id=handed["thread_id"], wait=True)
    check(seen["result"])


@pytest.mark.parametrize("odd", ["\0", "\ud83d"])
async def test_an_id_that_cannot_be_stored_as_it_is_is_none(tmp_path: Path, odd: str) -> None:
    """Sent as it would be stored, it would be another."""
    item = {**ITEM, "id": f"ig_1{odd}"}
    async with standing_in(Said({**RESPONSE, "id": f"resp_1{odd}", "output": [item]})) as provider:
        environment = provider.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="openai")
        async with client_of({**environment, **settings_of("responses")}) as client:
            made = await call(client, "generate_image", prompt="a cat")
            for history in ("image", "full"):
                asked = {"thread_id": made["thread_id"], "prompt": "a hat", "history": history}
                await call(client, "continue_image_thread", **asked)
    sent = [json.dumps(body) for _, body in provider.seen[1:]]
    assert [(PICTURE in body, "ig_1" in body, "resp_1" in body) for body in sent] == [(True, False, False)] * 2
