"""The days on which models end, as the provider names them in its list: they count, and only ever warn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import KEY
from doors import call, client_of, refusal
from listing_provider import Provider, knows, listing, models_rows, models_table, served, until
from mcp import Client

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running

SMALL = {"size": "1024x640", "quality": "low"}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@asynccontextmanager
async def dated(
    environment: dict[str, str], ends: dict[str, Any], today: datetime = NOON
) -> AsyncIterator[tuple[Client, dict[str, Any]]]:
    """A server that knows the days which its provider names, and its first answer, which knew none of them."""
    sandbox = Sandbox(keys=[KEY], clock=NOON.timestamp)
    provider = Provider(listing("gpt-image-2.5-flare", "gpt-5.4", "gpt-image-2", ends=ends), sandbox=sandbox)
    async with served(provider, environment, today) as client:
        first = await call(client, "generate_image", prompt="a kite", model="gpt-image-2.5-flare", **SMALL)
        await until(knows(client))
        yield client, first


def about(model: str, answer: dict[str, Any]) -> list[str]:
    return [warning for warning in answer["warnings"] if model in warning]


async def test_an_end_that_the_provider_alone_knows_warns_in_every_result(environment: dict[str, str]) -> None:
    said = ["OpenAI shuts gpt-image-2 down on 2026-12-20, 30 days from now; then name another model"]
    async with dated(environment, {"gpt-image-2": "2026-12-20"}) as (client, first):
        made = await call(client, "generate_image", prompt="a kite", **SMALL)
        image, thread = made["images"][0]["image_id"], {"thread_id": made["thread_id"]}
        answers = [
            made,
            await call(client, "edit_image", prompt="in red", images=[image], **SMALL),
            await call(client, "continue_image_thread", prompt="in blue", **thread, **SMALL),
            await call(client, "estimate_cost", prompt="a kite", **SMALL),
        ]
        row = (await models_rows(client))["gpt-image-2"]
    assert about("gpt-image-2", first) == [], "the list had not come yet"
    assert [about("gpt-image-2", answer) for answer in answers] == [said] * 4
    assert (row["ends"], row["ends_by"]) == ("2026-12-20", "provider")


@pytest.mark.parametrize(
    ("named", "warned"),
    [
        (
            "2026-11-25",
            ["OpenAI shuts gpt-image-1.5 down on 2026-11-25, 5 days from now; then use gpt-image-2.5-sunburst"],
        ),
        ("2027-06-01", []),
        (
            "2027-01-10T08:00:00Z",
            ["OpenAI shuts gpt-image-1.5 down on 2027-01-10, 51 days from now; then use gpt-image-2.5-sunburst"],
        ),
    ],
)
async def test_the_providers_day_counts_for_more_than_the_catalogs(
    environment: dict[str, str], named: str, warned: list[str]
) -> None:
    """The catalog says 2026-12-01."""
    async with dated(environment, {"gpt-image-1.5": named}) as (client, _):
        price = await call(client, "estimate_cost", prompt="a kite", model="gpt-image-1.5", size="1024x1024")
        row = (await models_rows(client))["gpt-image-1.5"]
    assert about("gpt-image-1.5", price) == warned
    assert row["ends"] == named[:10]


async def test_a_model_that_the_provider_keeps_longer_than_the_catalog_says_is_sent(
    environment: dict[str, str],
) -> None:
    ask = {"prompt": "a kite", "model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"}
    later = datetime(2026, 12, 5, tzinfo=UTC)
    async with dated(environment, {"gpt-image-1.5": "2027-06-01"}, later) as (client, _):
        answer = await call(client, "generate_image", **ask)
    assert answer["status"] == "completed"
    async with dated(environment, {}, later) as (client, _):
        assert (await refusal(client, "generate_image", **ask)).startswith("model_retired: ")


async def test_a_day_that_has_passed_by_the_providers_word_alone_stops_no_call(environment: dict[str, str]) -> None:
    async with dated(environment, {"gpt-image-2": "2026-11-19"}) as (client, _):
        answer = await call(client, "generate_image", prompt="a kite", **SMALL)
    assert answer["status"] == "completed"
    assert about("gpt-image-2", answer) == [
        "OpenAI shut gpt-image-2 down on 2026-11-19, so that it may be refused; then name another model",
        "the price of gpt-image-2 is the last one before OpenAI shut it down",
    ]


@pytest.mark.parametrize(("named", "offered"), [("2026-11-19", False), ("2026-12-24", False), ("2027-02-24", True)])
async def test_a_model_that_is_past_its_day_or_near_it_is_no_cheaper_alternative(
    environment: dict[str, str], named: str, offered: bool
) -> None:
    async with dated(environment, {"gpt-image-1-mini": named}) as (client, _):
        price = await call(client, "estimate_cost", prompt="a kite", size="1024x1024", quality="high")
    assert ("model=gpt-image-1-mini" in [other["change"] for other in price["alternatives"]]) is offered


async def test_an_end_that_both_have_seen_pass_refuses_as_before(environment: dict[str, str]) -> None:
    later = datetime(2026, 12, 5, tzinfo=UTC)
    async with dated(environment, {"gpt-image-1.5": "2026-12-03"}, later) as (client, _):
        text = await refusal(client, "generate_image", prompt="a kite", model="gpt-image-1.5", size="1024x1024")
    assert text.startswith("model_retired: ")


@pytest.mark.parametrize(
    ("host", "named", "said"),
    [
        ("gpt-9", "2026-12-11", ["OpenAI shuts gpt-9 down on 2026-12-11, 21 days from now; then "]),
        ("gpt-5", "2026-11-25", ["OpenAI shuts gpt-5 down on 2026-11-25, 5 days from now; then "]),
        ("gpt-5", "2027-06-01", []),
    ],
)
async def test_the_providers_day_counts_for_a_host_model_too(
    environment: dict[str, str], host: str, named: str, said: list[str]
) -> None:
    """Of gpt-5 the catalog says 2026-12-11, of gpt-9 nothing."""
    environment = {**environment, "MCP_IMAGEGEN_RESPONSES_MODEL": host}
    async with dated(environment, {host: named}) as (client, first):
        thread = {"operation": "continue", "thread_id": first["thread_id"]}
        price = await call(client, "estimate_cost", prompt="in red", **thread)
        [row] = [row for row in (await models_table(client))["hosts"] if row["chosen"]]
    assert (row["names"], row["ends"], row["ends_by"]) == ([host], named, "provider")
    way_out = "set MCP_IMAGEGEN_RESPONSES_MODEL to another model, or leave it out for gpt-5.4"
    assert [warning for warning in price["warnings"] if host in warning and "down on" in warning] == [
        sentence + way_out for sentence in said
    ]


async def test_an_image_model_that_the_catalog_does_not_know_warns_too(environment: dict[str, str]) -> None:
    days = {"gpt-image-9": "2026-12-31"}
    async with dated(environment, days) as (client, _):
        price = await call(client, "estimate_cost", prompt="a kite", model="gpt-image-9")
    assert (
        "the provider shuts gpt-image-9 down on 2026-12-31, 41 days from now; then name another model"
        in price["warnings"]
    )


async def test_a_day_that_cannot_be_read_changes_nothing(environment: dict[str, str]) -> None:
    days = {"gpt-image-1.5": "soon", "gpt-image-1-mini": 1_796_083_200, "chatgpt-image-latest": "2026-13-45"}
    async with dated(environment, days) as (client, _):
        rows = await models_rows(client)
    said = [(rows[name]["listed"], rows[name]["ends"], rows[name]["ends_by"]) for name in days]
    assert said == [(True, "2026-12-01", "catalog")] * 3


async def test_the_sandbox_names_its_days_as_the_api_does(environment: dict[str, str]) -> None:
    """A row of the user's own takes the catalog's day away, so that the day which comes back is the provider's."""
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    (home / "models.toml").write_text('[[model]]\nnames = ["gpt-image-1.5"]\nends = "never"\n')
    async with (
        running(Sandbox(keys=[KEY], clock=NOON.timestamp).app) as url,
        client_of({**environment, "OPENAI_BASE_URL": url}) as client,
    ):
        before = (await models_rows(client))["gpt-image-1.5"]
        await call(client, "generate_image", prompt="a kite", **SMALL)
        await until(knows(client))
        after = (await models_rows(client))["gpt-image-1.5"]
    assert before["ends"] is None
    assert (after["ends"], after["ends_by"]) == ("2026-12-01", "provider")
