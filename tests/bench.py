"""`make bench`: the figures that the tests do not assert, because machines are noisy.

Cold start beside a one-tool server of the bare SDK, in the same run; what a model sees of the tools; how long the event
loop was held while pictures came in; how fast the process ends.
"""

import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mcp import Client
from PIL import Image

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment
from mcp_imagegen.tools import estimate_cost
from mcp_imagegen.tools.every import TOOLS

ROUNDS = 9
BARE = """
from mcp.server import MCPServer
server = MCPServer("bare", log_level="WARNING")
@server.tool()
def echo(text: str) -> str:
    "Say it again."
    return text
server.run()
"""
LEGACY = [
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "0"},
        },
    },
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}},
]


def start_to_listing(command: list[str], environment: dict[str, str]) -> float:
    """Milliseconds from the start of the process to the answer of tools/list."""
    begun = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in LEGACY))
        process.stdin.flush()
        while json.loads(process.stdout.readline()).get("id") != 2:
            pass
        taken = time.perf_counter() - begun
        process.stdin.close()
        process.wait()
    return taken * 1000


def cold_start(environment: dict[str, str]) -> None:
    commands = {"bare": [sys.executable, "-c", BARE], "ours": [sys.executable, "-m", "mcp_imagegen"]}
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        start_to_listing(command, environment)  # fills the caches of both alike
    for _ in range(ROUNDS):
        for name, command in commands.items():
            taken[name].append(start_to_listing(command, environment))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    ratio = medians["ours"] / medians["bare"]
    both = f"{medians['ours']:.0f} ms, bare SDK {medians['bare']:.0f} ms, ratio {ratio:.2f}"
    print(f"cold start to tools/list, median of {ROUNDS}: {both}")


async def listed_bytes() -> None:
    async with Client(ImagegenServer(from_environment({}), local=True)) as client:
        tools = [tool.model_dump(by_alias=True, exclude_none=True) for tool in (await client.list_tools()).tools]
    sizes = {
        tool["name"]: len(
            json.dumps(
                {key: tool[key] for key in ("name", "description", "inputSchema")},
                separators=(",", ":"),
                ensure_ascii=False,
            ).encode()
        )
        for tool in tools
    }
    print(f"bytes a model sees of all tools: {sum(sizes.values())} {sizes}")


def endings(environment: dict[str, str]) -> None:
    for name in ("end of input", "SIGINT", "SIGTERM"):
        process = subprocess.Popen(
            [sys.executable, "-m", "mcp_imagegen"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(json.dumps(message).encode() + b"\n" for message in LEGACY))
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.readline()
        begun = time.perf_counter()
        if name == "end of input":
            process.stdin.close()
        else:
            process.send_signal(getattr(signal, name))
        code = process.wait()
        print(f"{name}: exit code {code} after {(time.perf_counter() - begun) * 1000:.0f} ms")
        process.stdout.close()
        if not process.stdin.closed:
            process.stdin.close()


class Ticker:
    """The longest time that the event loop did not come round."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def run(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest = max(self.longest, now - before - 0.001)
            before = now


HEAVY = """
import base64, io, json, os, socket, sys
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
size = tuple(int(edge) for edge in sys.argv[1].split("x"))
picture = io.BytesIO()
Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)).save(picture, "PNG", compress_level=1)
body = json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(picture.getvalue()).decode()}]}).encode()
answer = lambda request: Response(body, media_type="application/json")
app = Starlette(routes=[Route("/v1/images/generations", answer, methods=["POST"])])
listener = socket.create_server(("127.0.0.1", 0))
print(f"OPENAI_BASE_URL=http://127.0.0.1:{listener.getsockname()[1]}/v1", file=sys.stderr, flush=True)
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run(sockets=[listener])
"""
SANDBOX = ["-m", "mcp_imagegen", "sandbox", "--port", "0"]


@asynccontextmanager
async def upstream_process(*arguments: str) -> AsyncIterator[str]:
    """A provider in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        line = (await process.stderr.readline()).decode()
        yield line.split("OPENAI_BASE_URL=")[1].split()[0]
    finally:
        process.terminate()
        await process.wait()


async def held(home: Path, upstream: list[str], size: str, partial_images: int, what: str) -> None:
    """Eight generations at once through the server in this process, against a provider in another."""
    async with upstream_process(*upstream) as url:
        settings = from_environment(
            {
                "OPENAI_API_KEY": "sk-bench",
                "OPENAI_BASE_URL": url,
                "MCP_IMAGEGEN_PROVIDER": "openai",
                "MCP_IMAGEGEN_HOME": str(home),
                "MCP_IMAGEGEN_MAX_WAIT_S": "300",
            }
        )
        async with Client(ImagegenServer(settings, local=True)) as client:
            await client.call_tool("generate_image", {"prompt": "warm up", "size": "1024x640", "quality": "low"})
            ticker = Ticker()
            ticking = asyncio.create_task(ticker.run())
            calls = [
                client.call_tool(
                    "generate_image", {"prompt": f"hill {number}", "size": size, "partial_images": partial_images}
                )
                for number in range(8)
            ]
            results = await asyncio.gather(*calls)
            ticking.cancel()
    assert not any(result.is_error for result in results)
    megabytes = max((result.structured_content or {})["images"][0]["bytes"] for result in results) / 1e6
    said = f"8 x {size} of {what}, {megabytes:.1f} MB each, {partial_images} partial images"
    print(f"event loop held at most {ticker.longest * 1000:.0f} ms: {said}")


async def estimates(home: Path) -> None:
    """The time of the handler alone, from checked arguments to the result, and of the whole way of a client."""
    inside: list[float] = []

    async def timed(operation: Any, context: Any, backend: Any) -> Any:
        begun = time.perf_counter()
        result = await estimate_cost.TOOL.handler(operation, context, backend)
        inside.append((time.perf_counter() - begun) * 1000)
        return result

    tools = tuple(replace(tool, handler=timed) if tool is estimate_cost.TOOL else tool for tool in TOOLS)
    picture = home / "images" / "input.png"
    picture.parent.mkdir(exist_ok=True)
    Image.effect_noise((1024, 1024), 80).convert("RGB").save(picture)
    settings = from_environment({"MCP_IMAGEGEN_HOME": str(home)})
    async with Client(ImagegenServer(settings, local=True, tools=tools)) as client:
        made = await client.call_tool("generate_image", {"prompt": "a cat", "size": "1024x640", "quality": "low"})
        thread = (made.structured_content or {})["thread_id"]
        asked = {
            "generate": {"size": "1536x1024", "quality": "high"},
            "edit": {"operation": "edit", "images": [str(picture)], "size": "1536x1024", "quality": "high"},
            "edit, 16 images": {"operation": "edit", "images": [str(picture)] * 16, "size": "auto"},
            "svg": {"model": "gpt-image-2.5-flare", "output_format": "svg"},
            "continue": {"operation": "continue", "thread_id": thread},
            "continue, full": {"operation": "continue", "thread_id": thread, "history": "full"},
        }
        for kind, arguments in asked.items():
            medians: list[tuple[float, float]] = []
            for _ in range(ROUNDS):
                taken: list[float] = []
                inside.clear()
                for _ in range(50):
                    begun = time.perf_counter()
                    result = await client.call_tool("estimate_cost", {"prompt": "a cat", **arguments})
                    taken.append((time.perf_counter() - begun) * 1000)
                    assert not result.is_error, result
                medians.append((statistics.median(inside), statistics.median(taken)))
            (best, whole), (worst, _) = min(medians), max(medians)
            told = f"{best:.1f} ms inside the server (worst round {worst:.1f}), {whole:.1f} ms for a client in memory"
            print(f"estimate_cost, {kind}, median of 50, best of {ROUNDS} rounds: {told}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MCP_IMAGEGEN_HOME": folder}
        cold_start(environment)
        endings(environment)
        asyncio.run(listed_bytes())
        for size, partial_images in (("1536x1024", 0), ("1536x1024", 2), ("2048x2048", 0)):
            asyncio.run(held(Path(folder), SANDBOX, size, partial_images, "the sandbox"))
        for size in ("1536x1024", "2048x2048"):
            asyncio.run(held(Path(folder), ["-c", HEAVY, size], size, 0, "noise"))
        asyncio.run(estimates(Path(folder)))


if __name__ == "__main__":
    main()
