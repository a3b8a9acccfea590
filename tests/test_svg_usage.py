"""An SVG is written by a text model of its own, whose tokens are told apart and are part of the cost."""

import base64
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import image_call, response
from stand_in import Said, standing_in

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"/>'
IMAGE_USAGE = {"input_tokens": 10, "output_tokens": 196, "total_tokens": 206}
ASKED = {"prompt": "a cat", "model": "gpt-image-2.5-flare", "output_format": "svg", "size": "1024x1024"}
# gpt-5.4 costs 2.50 USD a million tokens in and 15 out.
AUTHORED_USD = (1_000 * 2.5 + 400 * 15) / 1e6


def wrote(model: Any = "gpt-5.4", **more: Any) -> dict[str, Any]:
    counts = {"input_tokens": 1_000, "output_tokens": 400, "reasoning_tokens": 300, "total_tokens": 1_400}
    return {"model": model, **counts, **more}


def answer(api: str, svg_usage: Any) -> Said:
    if api == "responses":
        return Said(response(image_call(SVG, output_format="svg", svg_usage=svg_usage)))
    picture = {"b64_json": base64.b64encode(SVG).decode()}
    return Said({"created": 1, "data": [picture], "usage": IMAGE_USAGE, "svg_usage": svg_usage})


async def made(folder: Path, api: str, svg_usage: Any) -> dict[str, Any]:
    async with standing_in(answer(api, svg_usage)) as stand_in:
        environment = stand_in.environment(
            MCP_IMAGEGEN_HOME=str(folder), MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_API=api
        )
        async with client_of(environment) as client:
            first = await call(client, "generate_image", **ASKED)
            again = await call(client, "get_image_thread", thread_id=first["thread_id"], wait=True)
    assert again["result"]["usage"] == first["usage"]
    return first


@pytest.mark.parametrize("api", ["image", "responses"])
async def test_the_model_that_wrote_the_svg_is_counted_and_paid_for(tmp_path: Path, api: str) -> None:
    without, with_it = await made(tmp_path / "a", api, None), await made(tmp_path / "b", api, wrote())
    assert "svg_model" not in without["usage"]
    assert with_it["usage"]["svg_model"] == {"model": "gpt-5.4", "text_input": 1_000, "text_output": 400}
    assert with_it["cost"]["usd"] - without["cost"]["usd"] == pytest.approx(AUTHORED_USD)
    assert with_it["cost"]["basis"] == "estimated", "how SVGs are billed is not published"


@pytest.mark.parametrize("svg_usage", [wrote("nobody-knows-me"), wrote(None), wrote(7, output_tokens="x"), [], "x"])
async def test_what_cannot_be_priced_or_read_costs_nobody_the_rest(tmp_path: Path, svg_usage: Any) -> None:
    without, with_it = await made(tmp_path / "a", "image", None), await made(tmp_path / "b", "image", svg_usage)
    assert with_it["status"] == "completed"
    assert with_it["cost"]["usd"] == without["cost"]["usd"]
    assert with_it["usage"]["image_model"] == without["usage"]["image_model"]
