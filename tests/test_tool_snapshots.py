"""What models see of the tools is committed; a change shows as a difference and is made with `make snapshots`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

SNAPSHOTS = Path(__file__).parent / "snapshots"
NAMES = ["generate_image", "edit_image", "continue_image_thread", "estimate_cost", "get_image_thread"]
BYTES = 7_000  # of all tools together: name, description and input schema, as compact JSON
COMBINATORS = {"anyOf", "oneOf", "allOf", "not", "$ref"}


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    tools = (await client.list_tools()).tools
    return {tool.name: tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in tools}


@pytest.mark.parametrize("name", NAMES)
async def test_a_tool_is_listed_as_its_snapshot_says(client: Client, name: str) -> None:
    shown = json.dumps((await listed(client))[name], indent=2, ensure_ascii=False) + "\n"
    path = SNAPSHOTS / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == shown


async def test_the_five_tools_come_in_order_and_nothing_else(client: Client) -> None:
    assert list(await listed(client)) == NAMES
    assert sorted(path.stem for path in SNAPSHOTS.glob("*.json")) == sorted(NAMES)


async def test_all_tools_together_cost_a_model_at_most_7000_bytes(client: Client) -> None:
    seen = [
        {key: tool[key] for key in ("name", "description", "inputSchema")} for tool in (await listed(client)).values()
    ]
    assert sum(len(json.dumps(tool, separators=(",", ":"), ensure_ascii=False).encode()) for tool in seen) <= BYTES


async def test_schemas_are_plain_enough_for_every_client(client: Client) -> None:
    for tool in (await listed(client)).values():
        assert COMBINATORS.isdisjoint(tool["inputSchema"])
        for argument in tool["inputSchema"]["properties"].values():
            assert COMBINATORS.isdisjoint(argument)
            assert "title" not in argument
        assert len(tool["description"]) < 2_048
        assert set(tool["annotations"]) >= {"readOnlyHint", "openWorldHint"}


async def test_structured_output_can_be_turned_off(environment: dict[str, str]) -> None:
    from doors import client_of

    async with client_of({**environment, "MCP_IMAGEGEN_STRUCTURED_OUTPUT": "off"}) as client:
        tools = await listed(client)
        result = await client.call_tool("estimate_cost", {"prompt": "a cat"})
    assert not any("outputSchema" in tool for tool in tools.values())
    assert result.structured_content is None
    assert not result.is_error


async def test_previews_can_be_turned_off(environment: dict[str, str]) -> None:
    from doors import client_of

    async with client_of({**environment, "MCP_IMAGEGEN_PREVIEW": "off"}) as client:
        result = await client.call_tool("generate_image", {"prompt": "a cat", "size": "1024x640", "quality": "low"})
    assert [block.type for block in result.content] == ["text", "resource_link"]
