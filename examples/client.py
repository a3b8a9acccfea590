"""The main job through mcp-imagegen: generate, edit, continue, price.

    python examples/client.py                              # starts the server itself, over stdio
    python examples/client.py http://127.0.0.1:8000/mcp    # a server started with: mcp-imagegen serve --http

Without OPENAI_API_KEY the server draws on its sandbox and nothing is billed.
"""

import asyncio
import base64
import os
import sys
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import BlobResourceContents, TextContent


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured result of a tool; an error becomes an exception with the server's sentence and way out."""
    result = await client.call_tool(tool, arguments, progress_callback=show_progress)
    if result.is_error:
        raise SystemExit("\n".join(block.text for block in result.content if isinstance(block, TextContent)))
    return dict(result.structured_content or {})


async def show_progress(seconds: float, _: float | None, message: str | None) -> None:
    print(f"  {seconds:5.1f} s  {message}")


async def save(client: Client, image: dict[str, Any], path: Path) -> None:
    """Fetch an original as a resource; works over HTTP too, where the server's paths mean nothing."""
    content = (await client.read_resource(image["uri"])).contents[0]
    assert isinstance(content, BlobResourceContents)
    path.write_bytes(base64.b64decode(content.blob))
    print(f"  {path}: {image['width']}x{image['height']}, {image['bytes']:,} bytes")


async def main_job(client: Client, folder: Path) -> None:
    price = await call(client, "estimate_cost", prompt="a paper boat", size="1024x1024", quality="medium")
    print(f"about ${price['expected_usd']:.4f}")

    first = await call(client, "generate_image", prompt="a paper boat", size="1024x1024", quality="medium")
    await save(client, first["images"][0], folder / "boat.png")

    edited = await call(
        client, "edit_image", prompt="put it on a lake", images=[first["images"][0]["image_id"]], quality="medium"
    )
    await save(client, edited["images"][0], folder / "lake.png")

    night = await call(
        client, "continue_image_thread", thread_id=edited["thread_id"], prompt="make it night", quality="medium"
    )
    await save(client, night["images"][0], folder / "night.png")

    thread = (await call(client, "get_image_thread", thread_id=edited["thread_id"]))["thread"]
    for turn in thread["turns"]:
        print(f"turn {turn['turn']}: {turn['prompt']} (${turn['cost_usd']:.4f})")


async def main() -> None:
    folder = Path("example-output")
    folder.mkdir(exist_ok=True)
    if sys.argv[1:]:
        server: Any = sys.argv[1]
    else:
        server = StdioServerParameters(command=sys.executable, args=["-m", "mcp_imagegen"], env=dict(os.environ))
    async with Client(server) as client:
        await main_job(client, folder)


if __name__ == "__main__":
    asyncio.run(main())
