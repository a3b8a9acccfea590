"""What the host model used in one's own earlier turns says what the next one will cost."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import image_call, message, response
from stand_in import GOOD, KEY, Said, picture, standing_in
from state_file import execute, rows

from mcp_imagegen.operations import Caller
from mcp_imagegen.server.backend import LazyBackend

HOST = {"input_tokens": 9_000, "output_tokens": 1_200, "total_tokens": 10_200}
ASK = {"operation": "continue", "prompt": "in blue", "size": "1024x640", "quality": "low"}


def said(host: dict[str, int]) -> Said:
    body = response(image_call(picture()), id="resp_1")
    body["usage"] = {**body["usage"], **host}
    return Said(json.loads(json.dumps(body)))


def tokens(estimate: dict[str, Any]) -> dict[str, int]:
    return {line["what"]: line["tokens"] for line in estimate["lines"] if line["what"].startswith("host_")}


async def played(environment: dict[str, str], turns: list[dict[str, int]], **more: Any) -> list[dict[str, Any]]:
    """What a continuation is estimated to cost before and after each of the turns."""
    async with (
        standing_in(Said(GOOD), *[said(host) for host in turns]) as provider,
        client_of({**environment, **provider.environment(MCP_IMAGEGEN_PROVIDER="openai")}) as client,
    ):
        thread = await call(client, "generate_image", prompt="a kettle", size="1024x640", quality="low")
        found = [await call(client, "estimate_cost", **ASK, **more)]
        for number in range(len(turns)):
            prompt = f"bluer {number}"
            await call(client, "continue_image_thread", thread_id=thread["thread_id"], prompt=prompt, **more)
            found.append(await call(client, "estimate_cost", **ASK, **more))
        found.append(await call(client, "estimate_cost", **ASK, history="image" if more else "full"))
    return found


async def test_an_estimate_goes_by_what_earlier_turns_used(environment: dict[str, str]) -> None:
    """From the first one on, and by them alone from the third on."""
    *found, otherwise = await played(environment, [HOST] * 4)
    counts = [tokens(one) for one in found]
    used = {"host_input": HOST["input_tokens"], "host_output": HOST["output_tokens"]}
    for kind, count in used.items():
        none, first, second, third, fourth = (one[kind] for one in counts)
        assert none < first < second < third == fourth == count
    assert tokens(otherwise) != used, "a whole conversation is another matter"
    assert found[1]["high_usd"] > found[0]["high_usd"], "the most that was seen is covered at once"
    for before, after in pairwise(found):
        assert after["high_usd"] >= before["high_usd"], "a limit is not loosened by it"
        assert after["low_usd"] <= after["expected_usd"] <= after["high_usd"]


async def test_turns_that_used_little_lower_no_limit(environment: dict[str, str]) -> None:
    """They say what to expect, and few of them do not bound the next one."""
    first, *_, last, _ = await played(environment, [{"input_tokens": 1_800, "output_tokens": 60}] * 3)
    assert last["expected_usd"] < first["expected_usd"]
    assert last["high_usd"] == first["high_usd"]


async def test_a_long_prompt_is_expected_to_be_read_though_short_ones_were_before(environment: dict[str, str]) -> None:
    """In its own turn, and again in the one after that answers what was asked back."""
    await played(environment, [{"input_tokens": 1_800, "output_tokens": 60}] * 3)
    long = "bluer " * 4_000
    async with (
        standing_in(Said(response(message("why"), id="resp_9"))) as provider,
        client_of({**environment, **provider.environment(MCP_IMAGEGEN_PROVIDER="openai")}) as client,
    ):
        own = await call(client, "estimate_cost", **{**ASK, "prompt": long})
        (thread,) = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT thread_id FROM threads")
        await call(client, "continue_image_thread", **thread, prompt=long)
        after = await call(client, "estimate_cost", **ASK, **thread)
    assert tokens(own)["host_input"] == 1_700 + 6_000
    assert tokens(after)["host_input"] == 1_700 + 6_000 + 1 + 2, "with the answer and its own words"


async def test_a_count_that_cannot_be_true_does_not_count(environment: dict[str, str]) -> None:
    """Nor does it take the place of those that can."""
    absurd = [{**HOST, "input_tokens": count} for count in (10**9, 5 * 10**6)]
    none, first, *after, _ = await played(environment, [HOST, *absurd])
    assert [one == first for one in (none, *after)] == [False, True, True]


async def test_more_input_than_the_first_price_holds_for_is_held_at_the_price_it_has(
    environment: dict[str, str],
) -> None:
    """The most that may be read is by a quarter more than was seen: once that is above 272,000 tokens, it costs double
    and what is written half as much again."""
    turns = [{**HOST, "input_tokens": count} for count in (210_000, 220_000, 280_000)]
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    await played(environment, turns, history="full")
    below, above = rows(home, "SELECT * FROM ledger_entries WHERE turn IN (3, 4) ORDER BY turn")
    assert above["nano"] > 1.9 * below["nano"]
    assert above["nano"] <= above["high_nano"]


async def test_many_turns_of_one_kind_do_not_make_those_of_another_forgotten(environment: dict[str, str]) -> None:
    """Only the last twenty count, each kind by itself: one with the whole conversation uses far more."""
    *_, used, _ = await played(environment, [HOST] * 3, history="full")
    little = {"input_tokens": 1_800, "output_tokens": 60}
    await played(environment, [little])
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    last = rows(home, "SELECT * FROM turns WHERE number = 2 ORDER BY created_at DESC LIMIT 1")[0]
    others = ", ".join("more.n" if name == "number" else name for name in last)  # the same again, twenty times
    more = "WITH RECURSIVE more(n) AS (VALUES(3) UNION ALL SELECT n + 1 FROM more WHERE n < 22)"
    same = f"thread_id = '{last['thread_id']}' AND number = 2"
    execute(home, f"INSERT INTO turns {more} SELECT {others} FROM turns, more WHERE {same}")
    assert tokens((await estimated(environment))["full"]) == tokens(used)


async def estimated(environment: dict[str, str], **settings: str) -> dict[str, dict[str, Any]]:
    """What a continuation is estimated to cost by each history."""
    variables = {"MCP_IMAGEGEN_PROVIDER": "openai", "OPENAI_API_KEY": KEY, **settings}
    async with client_of({**environment, **variables}) as client:
        return {history: await call(client, "estimate_cost", **ASK, history=history) for history in ("image", "full")}


async def test_what_was_used_elsewhere_or_by_another_says_nothing(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another provider, another host model and another caller begin anew."""
    kinds = {
        "the same": {},
        "another provider": {"MCP_IMAGEGEN_PROVIDER": "compatible", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        "another host": {"MCP_IMAGEGEN_RESPONSES_MODEL": "gpt-5.6-luna"},
    }
    before = {kind: await estimated(environment, **settings) for kind, settings in kinds.items()}
    await played(environment, [HOST] * 3)
    after = {kind: await estimated(environment, **settings) for kind, settings in kinds.items()}
    changed = {kind for kind in kinds if tokens(before[kind]["image"]) != tokens(after[kind]["image"])}
    assert changed == {"the same"}
    monkeypatch.setattr(LazyBackend, "caller", lambda *_: Caller("ada"))
    assert tokens((await estimated(environment))["image"]) == tokens(before["the same"]["image"])
