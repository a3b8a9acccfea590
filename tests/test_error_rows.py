"""Each refusal of a provider reaches the caller as a code, a sentence and a way out, and costs what it may cost."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from azure_error_rows import AZURE
from conftest import held
from doors import call, client_of, text_of
from error_rows import REQUEST_ID, Door, Row
from host_error_rows import HOST_OF_AZURE, HOST_OF_OPENAI, HOST_OF_OTHERS
from mcp import Client
from mcp.types import CallToolResult
from odd_error_rows import OTHERS
from openai_error_rows import FORGOTTEN, KEPT, OPENAI
from stand_in import GOOD, KEY, PICTURE, Said, StandIn, standing_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROVIDERS = {
    "openai": OPENAI | HOST_OF_OPENAI,
    "compatible": OTHERS | HOST_OF_OTHERS,
    "azure": AZURE | HOST_OF_AZURE,
}
ROWS = {(provider, name): row for provider, rows in PROVIDERS.items() for name, row in rows.items()}
RENDERING = {"prompt": "a cat", "size": "1024x1024", "quality": "low"}
TOOLS: dict[Door, tuple[str, dict[str, Any]]] = {
    "generate": ("generate_image", {}),
    "stream": ("generate_image", {"partial_images": 1}),
    "edit": ("edit_image", {"images": [f"data:image/png;base64,{PICTURE}"]}),
    "continue": ("continue_image_thread", {}),
    "continue whole": ("continue_image_thread", {"history": "full"}),
}


@dataclass
class Served:
    """A server and its scripted provider, with a thread whose newest image the provider knows by its ids."""

    client: Client
    provider: StandIn
    thread_id: str

    async def answered(self, row: Row) -> CallToolResult:
        tool, more = TOOLS[row.door]
        thread = {"thread_id": self.thread_id} if tool == "continue_image_thread" else {}
        if row.answers[0] is FORGOTTEN:  # what it is about must not be known to be so by then
            self.provider.answers = [KEPT]
            await call(self.client, tool, **RENDERING, **thread)
        self.provider.answers, self.provider.seen = [*row.answers], []
        return await self.client.call_tool(tool, {**RENDERING, **more, **thread})

    async def recorded(self, row: Row) -> dict[str, Any]:
        """The turn that the row's call left behind."""
        thread_id = self.thread_id
        if not row.door.startswith("continue"):
            thread_id = (await call(self.client, "get_image_thread"))["threads"][0]["thread_id"]
        tree: dict[str, Any] = (await call(self.client, "get_image_thread", thread_id=thread_id))["thread"]
        return dict(tree["turns"][-1])


@asynccontextmanager
async def serving(provider: str, home: Path) -> AsyncIterator[Served]:
    async with standing_in(Said(GOOD), KEPT) as stand_in:
        azure = {"AZURE_OPENAI_API_KEY": KEY, "AZURE_OPENAI_ENDPOINT": stand_in.url.removesuffix("/v1")}
        environment = {
            **(azure if provider == "azure" else stand_in.environment()),
            "MCP_IMAGEGEN_PROVIDER": provider,
            "MCP_IMAGEGEN_HOME": str(home),
        }
        async with client_of(environment) as client:
            first = await call(client, "generate_image", **RENDERING)
            await call(client, "continue_image_thread", thread_id=first["thread_id"], **RENDERING)
            yield Served(client, stand_in, first["thread_id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Served]]:
    home = tmp_path_factory.mktemp("state")
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(held(serving(name, home / name))) for name in PROVIDERS}


@pytest.mark.parametrize(("provider", "name"), ROWS)
async def test_a_refusal_says_what_to_do_and_what_it_may_cost(
    served: dict[str, Served], provider: str, name: str
) -> None:
    row, server = ROWS[provider, name], served[provider]
    result = await server.answered(row)
    text = text_of(result)
    assert len(server.provider.seen) == row.requests
    turn = await server.recorded(row)
    if row.code == "completed":
        assert set(row.says) <= set((result.structured_content or {})["warnings"])
        assert turn["status"] == "completed"
        return
    assert result.is_error
    sentence, fix, *further = text.splitlines()
    assert sentence.startswith(f"{row.code}: ")
    assert fix.startswith("To fix: ")
    assert [words for words in row.says if words not in sentence] == []
    assert [words for words in row.fix if words not in fix] == []
    shown = [f"Request id: {REQUEST_ID}"] if row.request_id else []
    told = [line for line in further if not line.startswith("Warning: ")]  # those of the call, before it was sent
    assert told == [*shown, *(["This call may have been billed."] if row.billed else [])]
    assert "<" not in text
    assert KEY not in text
    assert provider == "openai" or "openai.com" not in fix, "whoever asks another provider has no account there"
    assert [turn["status"], turn["error"]["code"]] == ["failed", row.code]
    assert bool(turn.get("cost_usd")) == row.billed, "what may have been billed is accounted for at its estimate"
