"""An edit without a prompt asks for variations: OpenAI has retired them, and other servers have little of them."""

from pathlib import Path
from typing import Any

import pytest
from capture_server import capture_server, json_reply
from doors import call, client_of, refusal, text_of
from PIL import Image
from stand_in import GOOD, PICTURE, Said, picture, standing_in


async def test_an_edit_without_a_prompt_makes_variations(tmp_path: Path) -> None:
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    hole = tmp_path / "hole.png"
    Image.new("RGBA", (64, 64)).save(hole)
    with capture_server() as server:
        server.answers(json_reply({"data": [{"b64_json": PICTURE}, {"b64_json": PICTURE}]}))
        environment = {
            "OPENAI_API_KEY": "sk-1",
            "OPENAI_BASE_URL": server.url,
            "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
            "MCP_IMAGEGEN_ROOTS": str(tmp_path),
            "MCP_IMAGEGEN_COMPATIBLE_SEND": "response_format=b64_json",
        }
        async with client_of(environment) as client:
            made = await call(client, "edit_image", images=[str(square)], model="dall-e-2", n=2, size="512x512")
            masked = await client.call_tool(
                "edit_image", {"images": [str(square)], "mask": str(hole), "model": "dall-e-2"}
            )
            theirs = await refusal(client, "edit_image", images=[str(square)], model="gpt-image-2")
        [seen] = [seen for seen in server.seen if seen.method == "POST"]
    assert len(made["images"]) == 2
    assert seen.path == "/v1/images/variations"
    assert dict(seen.form) == {"model": "dall-e-2", "n": "2", "size": "512x512", "response_format": "b64_json"}
    assert [file.field for file in seen.files] == ["image"]
    assert masked.is_error
    assert text_of(masked).startswith(
        "unsupported_option: variations, which an edit without a prompt asks for, take no mask"
    )
    assert theirs.startswith("invalid_argument: 'prompt' is missing: gpt-image-2 makes no variations")


NOT_VARIED: list[dict[str, Any]] = [
    {"quality": "standard"},
    {"background": "opaque"},
    {"output_format": "webp"},
    {"output_format": "jpeg", "output_compression": 50},
    {"moderation": "low"},
    {"partial_images": 1},
    {"input_fidelity": "low"},
    {"extra": {"complexity": "low"}},
    {"extra": {"safety_identifier": "b1946ac9"}},
]


@pytest.mark.parametrize("given", NOT_VARIED, ids="-".join)
@pytest.mark.parametrize("model", ["my-diffusion", "dall-e-2"])
async def test_variations_are_asked_for_with_nothing_that_their_endpoint_does_not_have(
    tmp_path: Path, model: str, given: dict[str, Any]
) -> None:
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    async with standing_in(Said(GOOD)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path / "state"), MCP_IMAGEGEN_ROOTS=str(tmp_path))
        async with client_of(environment) as client:
            said = await refusal(client, "edit_image", images=[str(square)], model=model, **given)
        assert stand_in.seen == []
    name = next(iter(given.get("extra", given)))
    assert said.startswith("unsupported_option: ")
    assert name in said


async def test_variations_take_what_the_settings_add_and_values_that_change_nothing(tmp_path: Path) -> None:
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    ask = {"images": [str(square)], "model": "my-diffusion", "n": 2, "size": "640x480", "output_compression": 100}
    with capture_server() as server:
        server.answers(json_reply({"data": [{"b64_json": PICTURE}]}))
        environment = {"OPENAI_BASE_URL": server.url, "MCP_IMAGEGEN_HOME": str(tmp_path / "state")}
        environment |= {"MCP_IMAGEGEN_ROOTS": str(tmp_path), "MCP_IMAGEGEN_EXTRA": "strength"}
        async with client_of(environment) as client:
            await call(client, "edit_image", **ask, quality="auto", extra={"strength": 0.5, "complexity": None})
        [seen] = [seen for seen in server.seen if seen.method == "POST"]
    assert dict(seen.form) == {"model": "my-diffusion", "n": "2", "size": "640x480", "strength": "0.5"}


async def test_an_unknown_model_may_make_variations(tmp_path: Path) -> None:
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    ask = {"images": [str(square)], "model": "my-diffusion"}
    async with standing_in(Said(GOOD)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path / "state"), MCP_IMAGEGEN_ROOTS=str(tmp_path))
        async with client_of(environment) as client:
            await call(client, "edit_image", **ask)
        assert [path for path, _ in stand_in.seen] == ["POST /v1/images/variations"]


@pytest.mark.parametrize(
    ("elsewhere", "said"),
    [("PROVIDER=openai", "OpenAI has retired variations"), ("API=responses", "the Responses API makes no variations")],
)
@pytest.mark.parametrize("model", [{}, {"model": "my-diffusion"}], ids=["default", "unknown"])
async def test_without_variations_a_prompt_is_asked_for(
    tmp_path: Path, elsewhere: str, said: str, model: dict[str, str]
) -> None:
    square = tmp_path / "square.png"
    square.write_bytes(picture(size=(64, 64)))
    name, value = elsewhere.split("=")
    async with standing_in(Said(GOOD)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path / "state"), MCP_IMAGEGEN_ROOTS=str(tmp_path))
        async with client_of({**environment, f"MCP_IMAGEGEN_{name}": value}) as client:
            refused = await refusal(client, "edit_image", images=[str(square)], **model)
        assert stand_in.seen == []
    assert refused.startswith(f"invalid_argument: 'prompt' is missing: {said}")
    assert "make a variation of this" in refused
    assert ("set MCP_IMAGEGEN_API to image" in refused) == (name == "API")
