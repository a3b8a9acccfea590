"""What providers and folders are seldom like: pictures of types unknown here, SVG, a root inside a dot-folder."""

import base64
import json
from pathlib import Path

import pytest
from doors import call, client_of
from pictures import encoded
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_imagegen.images.probe import measure
from mcp_imagegen.inputs.roots import Roots, read_file
from mcp_imagegen.sandbox.serving import running


@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
async def test_a_paid_picture_of_a_type_unknown_here_is_kept_byte_for_byte(tmp_path: Path, kind: str) -> None:
    made = encoded(Image.new("RGB", (64, 64), "red"), kind)

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse({"created": 0, "data": [{"b64_json": base64.b64encode(made).decode()}]})

    provider = Starlette(routes=[Route("/v1/images/generations", answer, methods=["POST"])])
    async with running(provider) as url:
        environment = {
            "OPENAI_API_KEY": "sk-test-0123456789abcdef",
            "OPENAI_BASE_URL": url,
            "MCP_IMAGEGEN_PROVIDER": "compatible",
            "MCP_IMAGEGEN_HOME": str(tmp_path / "state"),
        }
        async with client_of(environment) as client:
            result = await call(client, "generate_image", prompt="a kite", size="1024x1024")
    assert result["status"] == "completed", json.dumps(result)
    assert Path(result["images"][0]["path"]).read_bytes() == made


@pytest.mark.parametrize(
    ("svg", "size"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="480"></svg>', (640, 480)),
        (b"<svg height='48px' width='64.0px' viewBox='0 0 1 1'></svg>", (64, 48)),
        (b'<?xml version="1.0"?><!-- ' + b"x" * 1_100 + b' --><svg viewBox="0 0 10 20"/>', (10, 20)),
        (b'<svg width="100%" height="100%" viewBox="0,0,30,40"/>', (30, 40)),
        (b"<svg/>", (0, 0)),
    ],
)
def test_an_svg_is_measured_by_its_root_element(svg: bytes, size: tuple[int, int]) -> None:
    assert measure(svg) == ("image/svg+xml", *size)


def test_files_of_a_root_inside_a_dot_folder_of_another_root_are_read(tmp_path: Path) -> None:
    project = tmp_path.resolve()
    images = project / ".imagegen" / "images"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"bytes")
    roots = Roots(reading=(project, images), writing=(project, images), working=project)
    assert read_file(str(images / "a.png"), roots, max_bytes=10) == b"bytes"
