"""The model that hosts the image tool, which a setting names: near its end, past it, and what can never be one."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from days import on
from doors import call, refusal
from listing_provider import models_table
from openai.types.shared import chat_model

from mcp_imagegen.catalog.loading import packaged

SMALL = {"size": "1024x640", "quality": "low"}
NAMED = "MCP_IMAGEGEN_RESPONSES_MODEL"
WAY_OUT = f"set {NAMED} to another model, or leave it out for gpt-5.4"
BEFORE, PAST = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 12, 11, tzinfo=UTC)
ENDS = "OpenAI shuts o3 down on 2026-12-11, 21 days from now; then " + WAY_OUT


async def test_a_host_near_its_end_warns_in_every_result_of_a_call_through_it(environment: dict[str, str]) -> None:
    begins = {**environment, NAMED: "o3", "MCP_IMAGEGEN_API": "responses"}
    async with on(BEFORE, begins) as (client, _):
        first = await call(client, "generate_image", prompt="a kite", **SMALL)
        thread, image = first["thread_id"], first["images"][0]["image_id"]
        answers = [
            first,
            await call(client, "edit_image", prompt="in red", images=[image], **SMALL),
            await call(client, "continue_image_thread", thread_id=thread, prompt="in blue", **SMALL),
            await call(client, "estimate_cost", prompt="a kite", **SMALL),
            await call(client, "estimate_cost", operation="continue", thread_id=thread, **SMALL),
        ]
    assert [ENDS in answer["warnings"] for answer in answers] == [True] * 5


async def test_a_call_of_the_image_api_says_nothing_of_the_host(environment: dict[str, str]) -> None:
    async with on(PAST, {**environment, NAMED: "o3"}) as (client, _):
        made = await call(client, "generate_image", prompt="a kite", **SMALL)
        price = await call(client, "estimate_cost", prompt="a kite", **SMALL)
    assert made["warnings"] == price["warnings"] == []


async def test_leaving_the_setting_out_is_no_way_out_for_its_default(environment: dict[str, str]) -> None:
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir(parents=True)
    (home / "models.toml").write_text('[[host]]\nnames = ["gpt-5.4"]\nends = 2026-12-11\n')
    async with on(BEFORE, environment) as (client, _):
        price = await call(client, "estimate_cost", operation="continue", **SMALL)
    async with on(PAST, environment) as (client, _):
        text = await refusal(client, "estimate_cost", operation="continue", **SMALL)
    assert any(warning.endswith(f"; then set {NAMED} to another model") for warning in price["warnings"])
    assert text.endswith(f"To fix: set {NAMED} to another model")


@pytest.mark.parametrize("host", ["o3", "gpt-5-mini-2025-08-07", "gpt-4.1-nano"])
async def test_past_its_end_a_host_is_refused_with_the_setting_and_its_default(
    environment: dict[str, str], host: str
) -> None:
    async with on(PAST, {**environment, NAMED: host}) as (client, sandbox):
        first = await call(client, "generate_image", prompt="a kite", **SMALL)
        again = {"thread_id": first["thread_id"], "prompt": "in blue"}
        said = [
            await refusal(client, "continue_image_thread", **again),
            await refusal(client, "estimate_cost", operation="continue", **again),
        ]
    for text in said:
        assert text.startswith(f"model_retired: OpenAI shut {host} down on ")
        assert f"To fix: {WAY_OUT}" in text
    assert [one.path for one in sandbox.requests if one.method == "POST"] == ["/v1/images/generations"]


async def test_elsewhere_a_host_that_openai_retired_passes_with_a_warning(environment: dict[str, str]) -> None:
    async with on(PAST, {**environment, NAMED: "o3", "MCP_IMAGEGEN_PROVIDER": "compatible"}) as (client, _):
        price = await call(client, "estimate_cost", operation="continue", **SMALL)
    assert [warning for warning in price["warnings"] if "o3" in warning] == [
        f"OpenAI shut o3 down on 2026-12-11; this provider may still have it, else {WAY_OUT}"
    ]


@pytest.mark.parametrize("provider", ["openai", "compatible"])
async def test_an_image_model_is_never_sent_as_a_host(environment: dict[str, str], provider: str) -> None:
    given = {**environment, NAMED: "gpt-image-2", "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_PROVIDER": provider}
    async with on(BEFORE, given) as (client, sandbox):
        text = await refusal(client, "generate_image", prompt="a kite", **SMALL)
    assert text.startswith(f"unsupported_option: {NAMED} names gpt-image-2")
    assert WAY_OUT in text
    assert sandbox.requests == []


async def test_a_host_that_is_not_known_passes(environment: dict[str, str]) -> None:
    async with on(PAST, {**environment, NAMED: "gpt-9-sol"}) as (client, _):
        price = await call(client, "estimate_cost", operation="continue", **SMALL)
    assert not [warning for warning in price["warnings"] if NAMED in warning]


async def test_a_users_own_row_moves_the_end_of_a_host(environment: dict[str, str]) -> None:
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    own = '[[host]]\nnames = ["o3"]\nends = "never"\n[[host]]\nnames = ["gpt-5.4"]\nends = 2026-12-11\n'
    (home / "models.toml").write_text(own, encoding="utf-8")
    async with on(PAST, {**environment, NAMED: "o3"}) as (client, _):
        price = await call(client, "estimate_cost", operation="continue", **SMALL)
    async with on(PAST, environment) as (client, _):
        text = await refusal(client, "estimate_cost", operation="continue", **SMALL)
    assert not [warning for warning in price["warnings"] if "o3" in warning]
    assert text.startswith("model_retired: OpenAI shut gpt-5.4 down on 2026-12-11")


async def test_the_models_resource_lists_each_host_once_with_its_end(environment: dict[str, str]) -> None:
    async with on(BEFORE, {**environment, NAMED: "o3"}) as (client, _):
        rows = (await models_table(client))["hosts"]
    listed = {name: row for row in rows for name in row["names"]}
    ends = {host.name: (str(host.ends), host.source) for host in packaged().hosts}
    assert {name: (row["ends"], row["source"]) for name, row in listed.items()} == ends
    assert sum(len(row["names"]) for row in rows) == len(ends)
    assert len(rows) == len({row["ends"] for row in rows}), "a row for each day"
    assert [row["ends"] for row in rows if row["chosen"]] == ["2026-12-11"]


@pytest.mark.parametrize("named", ["gpt-9-sol", "gpt-5.4"])
async def test_the_models_resource_lists_the_host_of_the_settings_whatever_is_known_of_it(
    environment: dict[str, str], named: str
) -> None:
    async with on(BEFORE, {**environment, NAMED: named}) as (client, _):
        [row] = [row for row in (await models_table(client))["hosts"] if row["chosen"]]
    assert (row["names"], row["ends"], row["source"]) == ([named], None, None)


def test_the_ends_of_hosts_are_those_of_the_official_package() -> None:
    source = Path(chat_model.__file__).read_text(encoding="utf-8")
    notices = re.findall(r'^- ("[^:]*?):\s+Announced\s+shutdown\s+date:\s+(\S+)\.', source, re.MULTILINE)
    theirs = {name: day for names, day in notices for name in re.findall(r'"([^"]+)"', names)}
    ours = {host.name: str(host.ends) for host in packaged().hosts}
    assert len(ours) > 20
    assert ours == {name: theirs.get(name) for name in ours}
