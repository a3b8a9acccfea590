"""What a tool is told reaches the provider, by every way that an image is made; nothing else is sent beside it."""

from pathlib import Path
from typing import Any

import pytest
from capture_server import CaptureServer, Seen, json_reply
from doors import call, client_of
from openai_bodies import image_call, images, response
from pictures import png, saved

DRAWN = png((64, 48))
IMAGES, ANSWERED = json_reply(images(DRAWN)), json_reply(response(image_call(DRAWN)))
NO_MODELS = json_reply({"object": "list", "data": []})
SVG = {"model": "gpt-6-sol", "reasoning": {"effort": "low"}}

# What a tool is told, and what of it the provider is sent.
OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "none": ({}, {}),
    "size": ({"size": "1536X864"}, {"size": "1536x864"}),
    "size auto": ({"size": " AUTO "}, {}),
    "size auto of an unknown model": ({"size": "Auto", "model": "acme-draw"}, {"model": "acme-draw"}),
    "quality": ({"quality": "max"}, {"quality": "max"}),
    "background": ({"background": "transparent"}, {"background": "transparent"}),
    "moderation": ({"moderation": "low"}, {"moderation": "low"}),
    "output_compression": (
        {"output_format": "webp", "output_compression": 70},
        {"output_format": "webp", "output_compression": 70},
    ),
    "complexity": ({"extra": {"complexity": "low"}}, {"complexity": "low"}),
    "gif": (
        {"output_format": "gif", "extra": {"frame_count": 4, "frame_duration_ms": 120}},
        {"output_format": "gif", "frame_count": 4, "frame_duration_ms": 120},
    ),
    "svg": ({"output_format": "svg", "extra": {"svg": SVG}}, {"output_format": "svg", "svg": SVG}),
    "safety_identifier": ({"extra": {"safety_identifier": "b1946ac9"}}, {"safety_identifier": "b1946ac9"}),
    "one's own": ({"extra": {"steps": 20}}, {"steps": 20}),
}
FIDELITY: tuple[dict[str, Any], dict[str, Any]] = (
    {"model": "gpt-image-1.5", "input_fidelity": "high"},
    {"model": "gpt-image-1.5", "input_fidelity": "high"},
)
EDITS = {**OPTIONS, "input_fidelity": FIDELITY}


@pytest.fixture
def environment(capture: CaptureServer, tmp_path: Path) -> dict[str, str]:
    """A server whose provider still has every model, on any day."""
    capture.answers(IMAGES, **{"/v1/responses": ANSWERED, "/v1/models": NO_MODELS})
    return {
        "OPENAI_API_KEY": "sk-1",
        "OPENAI_BASE_URL": capture.url,
        "MCP_IMAGEGEN_PROVIDER": "compatible",
        "MCP_IMAGEGEN_MODEL": "gpt-image-2.5-flare",
        "MCP_IMAGEGEN_EXTRA": "steps",
        "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
        "MCP_IMAGEGEN_ROOTS": str(tmp_path),
    }


def posted(capture: CaptureServer) -> list[Seen]:
    return [seen for seen in capture.seen if seen.method == "POST"]


@pytest.mark.parametrize("tool", ["generate_image", "edit_image"])
async def test_each_option_reaches_the_image_api(
    environment: dict[str, str], capture: CaptureServer, tmp_path: Path, tool: str
) -> None:
    edits = tool == "edit_image"
    table = EDITS if edits else OPTIONS
    given = {"images": [saved(tmp_path / "a.png", png((64, 64)))]} if edits else {}
    async with client_of(environment) as client:
        for told, _ in table.values():
            await call(client, tool, prompt="a cat", **given, **told)
    bodies = {name: dict(seen.form) or seen.json for name, seen in zip(table, posted(capture), strict=True)}
    base = {"prompt": "a cat", "model": "gpt-image-2.5-flare"}
    written = _form if edits else dict
    assert bodies == {name: written(base | sent) for name, (_, sent) in table.items()}


def _form(body: dict[str, Any]) -> dict[str, str]:
    nested = {"svg[model]": "gpt-6-sol", "svg[reasoning][effort]": "low"} if body.pop("svg", None) else {}
    return {name: str(value) for name, value in body.items()} | nested


@pytest.mark.parametrize("tool", ["generate_image", "edit_image", "continue_image_thread"])
async def test_each_option_reaches_the_responses_api(
    environment: dict[str, str], capture: CaptureServer, tool: str
) -> None:
    table = OPTIONS if tool == "generate_image" else EDITS
    given = {"generate_image": {}, "edit_image": {"images": ["file-1"]}}
    api = "image" if tool == "continue_image_thread" else "responses"
    async with client_of({**environment, "MCP_IMAGEGEN_API": api}) as client:
        if tool not in given:
            first = await call(client, "generate_image", prompt="a cat")
            given[tool] = {"thread_id": first["thread_id"], "from_image": first["images"][0]["image_id"]}
        begun = len(posted(capture))
        for told, _ in table.values():
            await call(client, tool, prompt="a hat", **given[tool], **told)
    tools = {name: _tool_object(seen.json) for name, seen in zip(table, posted(capture)[begun:], strict=True)}
    action = {"generate_image": {"action": "generate"}, "edit_image": {"action": "edit"}}.get(tool, {})
    base = {"type": "image_generation", "model": "gpt-image-2.5-flare", **action}
    assert tools == {name: base | sent for name, (_, sent) in table.items()}


def _tool_object(body: dict[str, Any]) -> dict[str, Any]:
    """The tool's own options, and what of `extra` stands beside the tool."""
    (tool,) = body["tools"]
    return tool | {name: body[name] for name in ("safety_identifier",) if name in body}


async def test_the_host_model_of_the_settings_is_the_one_that_answers(
    environment: dict[str, str], capture: CaptureServer
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_RESPONSES_MODEL": "gpt-5.6-sol"}) as client:
        first = await call(client, "generate_image", prompt="a cat")
        await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
    assert posted(capture)[-1].json["model"] == "gpt-5.6-sol"


@pytest.mark.parametrize("named", [True, False])
async def test_organization_and_project_stand_in_the_headers_where_they_are_set(
    environment: dict[str, str], capture: CaptureServer, named: bool
) -> None:
    billed = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"} if named else {}
    async with client_of(environment | billed) as client:
        first = await call(client, "generate_image", prompt="a cat")
        await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a hat")
    headers = [
        [seen.headers.get(name) for name in ("openai-organization", "openai-project")] for seen in posted(capture)
    ]
    assert headers == [["org-1", "proj-1"] if named else [None, None]] * 2
