"""Which models the key may use is asked once, after the first paid call, and is never more than a warning."""

import asyncio
from datetime import date

import pytest
from conftest import KEY
from doors import call, refusal
from listing_provider import BOUND_S, Provider, knows, listing, models_rows, served, until
from pydantic import SecretStr

from mcp_imagegen.catalog.loading import packaged
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.pipeline.availability import Availability
from mcp_imagegen.sandbox.serving import running

SMALL = {"size": "1024x640", "quality": "low"}
UNSEEN = "the key does not list gpt-image-2; the provider may refuse it"


async def test_a_model_that_the_key_does_not_see_gets_a_warning_and_is_sent_all_the_same(
    environment: dict[str, str],
) -> None:
    provider = Provider(listing("gpt-image-1-mini", "gpt-5.4"))
    async with served(provider, environment) as client:
        first = await call(client, "generate_image", prompt="a kite", **SMALL)
        await until(knows(client))
        price = await call(client, "estimate_cost", prompt="a kite", **SMALL)
        second = await call(client, "generate_image", prompt="a kite", **SMALL)
        rows = await models_rows(client)
    assert UNSEEN not in first["warnings"], "nothing was known yet"
    assert UNSEEN in price["warnings"]
    assert UNSEEN in second["warnings"]
    assert second["status"] == "completed"
    assert [rows["gpt-image-1-mini"]["listed"], rows["gpt-image-2"]["listed"]] == [True, False]


async def test_the_list_is_asked_for_once_and_only_after_a_paid_call(environment: dict[str, str]) -> None:
    provider = Provider(listing("gpt-image-2", "gpt-5.4"))
    async with served(provider, environment) as client:
        await call(client, "estimate_cost", prompt="a kite", **SMALL)
        await refusal(client, "generate_image", prompt="a kite", size="1000x1000")
        assert (await models_rows(client))["gpt-image-2"]["listed"] is None
        assert provider.asked == 0
        first = await call(client, "generate_image", prompt="a kite", **SMALL)
        await until(knows(client))
        second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in red", **SMALL)
    assert provider.asked == 1
    assert provider.before == ["/v1/images/generations"], "the paid call comes first"
    assert not any("does not list" in warning for warning in (*first["warnings"], *second["warnings"]))


async def test_the_model_that_hosts_a_continuation_is_looked_up_too(environment: dict[str, str]) -> None:
    async with served(Provider(listing("gpt-image-2")), environment) as client:
        first = await call(client, "generate_image", prompt="a kite", **SMALL)
        await until(knows(client))
        second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="in red", **SMALL)
    hosting = "gpt-5.4, which hosts the image tool (MCP_IMAGEGEN_RESPONSES_MODEL)"
    assert f"the key does not list {hosting}; the provider may refuse it" in second["warnings"]


async def test_a_list_that_never_comes_holds_up_no_call_and_no_ending(environment: dict[str, str]) -> None:
    provider = Provider(None)
    async with asyncio.timeout(BOUND_S), served(provider, environment) as client:
        for _ in range(2):
            assert (await call(client, "generate_image", prompt="a kite", **SMALL))["status"] == "completed"
    assert provider.asked == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"oops"),
        (404, b'{"detail": "Not Found"}'),
        (401, b'{"error": {"message": "no", "type": "invalid_request_error", "param": null, "code": null}}'),
        (200, b"<html>hello</html>"),
        (200, b"[]"),
        (200, b'{"data": null}'),
        (200, b'{"data": [{"id": null}, 7, {"name": "x"}]}'),
        (200, b'{"object": "list", "data": []}'),
    ],
)
async def test_without_a_list_nothing_is_known_and_nothing_fails(status: int, body: bytes) -> None:
    provider = Provider(body, status)
    async with running(provider) as url:
        client = OpenAIClient(base_url=url, api_key=SecretStr(KEY), trust_env=False)
        availability = Availability(client)
        availability.ask()
        await asked(availability)
        availability.ask()
        await availability.aclose()
        await client.aclose()
    assert availability.listed("gpt-image-2") is None
    assert availability.warnings("gpt-image-2", None, catalog=packaged(), today=date(2026, 11, 20)) == ()
    assert availability.refined(packaged(), date(2026, 11, 20)) == packaged()
    assert provider.asked == 1


async def asked(availability: Availability) -> None:
    """Wait for the question in the background to end."""
    async with asyncio.timeout(BOUND_S):
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "availability of models"))


async def test_a_gateways_names_are_seen_without_their_maker() -> None:
    async with running(Provider(listing("openai/gpt-image-2", "acme"))) as url:
        client = OpenAIClient(base_url=url, api_key=SecretStr(KEY), trust_env=False)
        availability = Availability(client)
        availability.ask()
        await asked(availability)
        await availability.aclose()
        await client.aclose()
    assert [availability.listed(name) for name in ("gpt-image-2", "openai/gpt-image-2", "acme", "gpt-image-1")] == [
        True,
        True,
        True,
        False,
    ]
