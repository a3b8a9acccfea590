"""A server that has made some calls, and the command that says what they cost."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doors import call, clean_environment, client_of, refusal
from mcp import Client
from mcp.types import Implementation, TextResourceContents
from stand_in import GOOD, Said, error, standing_in

ASK: dict[str, Any] = {"prompt": "a mill \x1b[31m at dusk", "size": "1024x1024", "quality": "low"}
USAGE = {"input_tokens": 10, "output_tokens": 200, "output_tokens_details": {"image_tokens": 200}}
MADE = Said({**GOOD, "usage": USAGE})
BILLED = 10 * 5_000 + 200 * 30_000  # 5 and 30 USD per million tokens of text input and image output


@dataclass
class Used:
    """A server that made calls and still runs: two billed, one refused, one whose usage was not told."""

    client: Client
    home: Path
    answers: list[dict[str, Any]]
    environment: dict[str, str]

    async def told(self, *arguments: str, **variables: str) -> str:
        """What the command prints, which must succeed."""
        out, err, code = await run(*arguments, environment={**self.environment, **variables})
        assert [err, code] == ["", 0]
        return out

    async def resource(self) -> dict[str, Any]:
        content = (await self.client.read_resource("imagegen://spend")).contents[0]
        assert isinstance(content, TextResourceContents)
        found: dict[str, Any] = json.loads(content.text)
        return found


async def run(
    *arguments: str, environment: dict[str, str], python: tuple[str, ...] = (), **streams: Any
) -> tuple[str, str, int]:
    """stdout, stderr and exit code of the command."""
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, **streams}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *python, "-m", "mcp_imagegen", "spend", *arguments, env=clean_environment(environment), **pipes
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return (out or b"").decode(), (err or b"").decode(), process.returncode


@asynccontextmanager
async def used_server(home: Path) -> AsyncIterator[Used]:
    answers = [MADE, error(400, "moderation_blocked"), MADE, Said(GOOD)]
    async with standing_in(*answers) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(home))
        me = Implementation(name="an editor\x07\x1b[31m", version="1")
        async with client_of(environment, client_info=me) as client:
            made = [await call(client, "generate_image", **ASK)]
            await refusal(client, "generate_image", **ASK)
            made.append(await call(client, "generate_image", **ASK, model="gpt-image-2.5-flare"))
            made.append(await call(client, "generate_image", **ASK))
            yield Used(client, home, made, environment)
            assert len(provider.seen) == len(answers), "nothing was sent to look at what was spent"
