"""Serving on a loopback port, and what the sandbox says about itself."""

import ast
import socket
import time
from pathlib import Path

import httpx2
import pytest
from sandbox_support import SMALL, connected

import mcp_imagegen.sandbox as package
from mcp_imagegen.sandbox.app import NOT_IMITATED, TRIGGERS, Sandbox
from mcp_imagegen.sandbox.serving import running

HERE = Path(str(package.__file__)).parent


async def test_the_base_url_is_on_loopback_and_dead_afterwards() -> None:
    async with running(Sandbox().app) as base_url, httpx2.AsyncClient(trust_env=False) as http:
        assert base_url.startswith("http://127.0.0.1:")
        assert base_url.endswith("/v1")
        answer = await http.get(f"{base_url}/models", headers={"authorization": "Bearer any"})
        assert answer.status_code == 200
        assert answer.headers["date"]
    async with httpx2.AsyncClient(trust_env=False) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(f"{base_url}/models")


async def test_a_port_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            async with running(Sandbox().app, taken):
                pass
    async with running(Sandbox().app, taken) as base_url:
        assert base_url == f"http://127.0.0.1:{taken}/v1"


async def test_it_can_be_closed_at_once() -> None:
    async with running(Sandbox().app):
        pass


async def test_two_sandboxes_know_nothing_of_each_other() -> None:
    async with connected() as one, connected() as other:
        await one.client.files.create(file=("a.png", b"x", "image/png"), purpose="vision")
        assert [file async for file in other.client.files.list()] == []
        assert len(one.sandbox.requests) == 1


async def test_a_picture_takes_its_time() -> None:
    async with connected(seconds_per_image=0.2) as connection:
        for stream in (False, True):
            started = time.monotonic()
            answer = await connection.client.images.generate(
                prompt="A cat", model="gpt-image-2", size=SMALL, stream=stream, partial_images=1
            )
            if stream:
                assert [event.type async for event in answer][-1] == "image_generation.completed"
            assert time.monotonic() - started >= 0.2


def test_the_package_says_what_it_does_not_imitate_and_which_words_it_knows() -> None:
    said = " ".join(str(package.__doc__).split()).lower()
    for item in (*NOT_IMITATED, *TRIGGERS):
        assert item.rstrip(".").lower() in said


def test_the_sandbox_imports_nothing_of_the_rest_of_the_package() -> None:
    for path in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path
                assert not (node.module or "").startswith("mcp_imagegen"), path
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith("mcp_imagegen") for name in node.names), path
