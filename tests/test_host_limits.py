"""What a refusal says where a limit is small against the host's tokens, and that it advises only what helps."""

from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal

ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "low"}
NOT_KNOWN = "the tokens of gpt-5.4, which calls the image tool, are not known beforehand"
EDIT = "use edit_image with the image, which needs no such model"


async def refused(environment: dict[str, str], usd: float, **more: Any) -> str:
    """What is said of a continuation that may cost so much."""
    async with client_of(environment) as client:
        first = await call(client, "generate_image", **ASK)
        ask = {**ASK, "thread_id": first["thread_id"], **more}
        return await refusal(client, "continue_image_thread", **ask, max_cost_usd=usd)


async def test_a_limit_that_is_small_against_the_host_s_tokens_is_said_to_be(
    environment: dict[str, str], upstream: Upstream
) -> None:
    said = await refused(environment, 0.02)
    assert NOT_KNOWN in said
    assert "about $0.028 is expected" in said
    assert said.endswith(f"To fix: {EDIT}, or raise max_cost_usd")


async def test_the_uncertainty_counts_by_its_amount_and_not_by_its_share(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """At high quality the host is a small part of the price, and may still be more than half the limit: it can come to
    $0.042."""
    assert NOT_KNOWN in await refused(environment, 0.06, quality="high")
    assert NOT_KNOWN not in await refused(environment, 0.1, quality="high")


async def test_where_an_edit_would_not_fit_either_only_a_higher_limit_is_advised(
    environment: dict[str, str], upstream: Upstream
) -> None:
    assert (await refused(environment, 0.005)).endswith("To fix: raise max_cost_usd")


async def test_an_edit_is_advised_only_where_it_needs_no_host_either(
    environment: dict[str, str], upstream: Upstream
) -> None:
    assert EDIT not in await refused({**environment, "MCP_IMAGEGEN_API": "responses"}, 0.02)


@pytest.mark.parametrize("quality", ["low", "auto"])
async def test_a_call_without_a_host_says_nothing_of_its_tokens(
    environment: dict[str, str], upstream: Upstream, quality: str
) -> None:
    async with client_of(environment) as client:
        said = await refusal(client, "generate_image", **{**ASK, "quality": quality}, max_cost_usd=0.005)
    assert "expected" not in said
    assert ("a lower quality" in said) == (quality == "auto")


async def test_a_limit_for_one_call_says_what_was_spent_before_too(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        none = await refusal(client, "generate_image", **ASK, max_cost_usd=0.0001)
        first = await call(client, "generate_image", **ASK)
        await call(client, "generate_image", **ASK)
        other = await refusal(client, "generate_image", **ASK, max_cost_usd=0.0001)
        turn = {**ASK, "thread_id": first["thread_id"], "max_cost_usd": 0.0001}
        in_thread = await refusal(client, "continue_image_thread", **turn)
    assert "max_cost_usd is $0.0001; $0.00 is spent today\n" in none
    assert "max_cost_usd is $0.0001; $0.012 is spent today\n" in other
    assert "max_cost_usd is $0.0001; $0.0059 is spent in this thread, $0.012 is spent today\n" in in_thread


async def test_the_least_limit_there_is_is_not_shown_as_none(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of(environment) as client:
        alone = await refusal(client, "generate_image", **ASK, max_cost_usd=1e-9)
    async with client_of({**environment, "MCP_IMAGEGEN_BUDGET_DAY_USD": "0.000000001"}) as client:
        together = await refusal(client, "generate_image", **ASK)
    assert "max_cost_usd is $0.000000001;" in alone
    assert "($0.000000001), of which $0.000000001 is left" in together


async def test_fewer_images_are_advised_only_where_there_are_several(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        one = await refusal(client, "generate_image", **ASK, max_cost_usd=0.0001)
        several = await refusal(client, "generate_image", **ASK, n=3, max_cost_usd=0.006)
        none = await refusal(client, "generate_image", **ASK, n=3, max_cost_usd=0.0001)
    assert "a smaller n" in several
    assert [said.endswith("To fix: raise max_cost_usd") for said in (one, none)] == [True, True]


async def test_changes_are_advised_together_only_where_they_fit_together(
    environment: dict[str, str], upstream: Upstream
) -> None:
    ask = {**ASK, "quality": "auto"}
    async with client_of(environment) as client:
        dear = await refusal(client, "generate_image", **ask, max_cost_usd=0.001)
        fits = await refusal(client, "generate_image", **ask, max_cost_usd=0.005)
        both = await call(client, "estimate_cost", **{**ASK, "size": "1536x864"})
    assert dear.endswith("To fix: raise max_cost_usd")
    assert "To fix: combine a lower quality" in fits
    assert "another size" in fits
    assert both["high_usd"] < 0.005


@pytest.mark.parametrize("scope", ["thread", "day", "month"])
async def test_of_a_call_that_alone_is_above_a_budget_no_waiting_and_no_new_thread_is_advised(
    environment: dict[str, str], upstream: Upstream, scope: str
) -> None:
    name = f"MCP_IMAGEGEN_BUDGET_{scope.upper()}_USD"
    async with client_of({**environment, name: "0.005"}) as client:
        said = await refusal(client, "generate_image", **{**ASK, "quality": "auto"})
        way = await refusal(client, "generate_image", **ASK)
    assert "this call alone could cost $0.2" in said
    assert f", which is above {name} ($0.005), of which $0.005 is left: $0.00 is spent" in said
    assert said.endswith(f"To fix: raise {name}")
    assert "To fix: set size=" in way


async def test_a_budget_says_so_too_in_sentences_that_can_be_read_aloud(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        first = await call(client, "generate_image", **ASK)
        for _ in range(9):
            await call(client, "generate_image", **ASK)
    limits = {**environment, "MCP_IMAGEGEN_BUDGET_DAY_USD": f"{10 * first['cost']['usd'] + 0.02:.9f}"}
    async with client_of(limits) as client:
        said = await refusal(client, "continue_image_thread", thread_id=first["thread_id"], **ASK)
    assert NOT_KNOWN in said
    assert "$0.02 is left: $0.059 is spent today" in said
    assert said.endswith(f"To fix: {EDIT}, or wait until tomorrow, or raise MCP_IMAGEGEN_BUDGET_DAY_USD")
