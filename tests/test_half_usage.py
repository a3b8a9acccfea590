"""A provider that tells only half of what a call used: the amount is estimated, never next to nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import HOST_USAGE, image_call, response
from stand_in import GOOD, PICTURE, Said, picture, standing_in, streamed
from state_file import rows

ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "low"}
WHOLE = {"input_tokens": 10, "output_tokens": 196}
DRAWN = {"image_gen": WHOLE}
ROOM_FOR, CALLS = 3, 6
HALVES: dict[str, Any] = {
    "input alone": {"input_tokens": 10},
    "no output": {"input_tokens": 10, "output_tokens": 0},
    "output in words": {"input_tokens": 10, "output_tokens": "many"},
    "output of text alone": {"input_tokens": 10, "output_tokens": 196, "output_tokens_details": {"text_tokens": 196}},
    "output beyond belief": {"input_tokens": 10, "output_tokens": 10**9},
    "output alone": {"output_tokens": 196},
    "no input": {"input_tokens": 0, "output_tokens": 196},
}
# Details that leave a part of the total out, and what such a call costs at gpt-image-2's prices in 10^-9 USD a token.
LEFT_OUT: list[tuple[dict[str, Any], dict[str, int], int]] = [
    (
        {"input_tokens": 10, "output_tokens": 5_000, "output_tokens_details": {"image_tokens": 196, "text_tokens": 0}},
        {"text_input": 10, "image_output": 196, "other_output": 4_804},
        10 * 5_000 + 5_000 * 30_000,
    ),
    (
        {"input_tokens": 5_000, "input_tokens_details": {"image_tokens": 0, "text_tokens": 10}, "output_tokens": 196},
        {"text_input": 10, "image_output": 196, "other_input": 4_990},
        10 * 5_000 + 4_990 * 8_000 + 196 * 30_000,
    ),
]
HALVES_OF_THE_HOST: dict[str, Any] = {
    "input alone": {"input_tokens": 2_100},
    "output alone": {"output_tokens": 80},
    "no output": {"input_tokens": 2_100, "output_tokens": 0},
    "output beyond belief": {"input_tokens": 2_100, "output_tokens": 10**9},
}


async def passed(home: Path, answer: Said, **variables: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What calls cost that are answered so, on a day with room for three, and their entries in the ledger."""
    async with standing_in(answer) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(home), **variables)
        async with client_of(environment) as client:
            expected = await call(client, "estimate_cost", **ASK)
        usd = 2 * expected["expected_usd"] + 1.05 * expected["high_usd"]
        async with client_of({**environment, "MCP_IMAGEGEN_BUDGET_DAY_USD": f"{usd:.9f}"}) as client:
            answers = [await client.call_tool("generate_image", ASK) for _ in range(CALLS)]
    told = [json.loads(json.dumps(one.structured_content))["cost"] for one in answers if not one.is_error]
    return told, rows(home, "SELECT basis, nano, expected_nano FROM ledger_entries ORDER BY entry_id")


async def test_a_whole_usage_is_billed_and_holds_a_budget(tmp_path: Path) -> None:
    told, _ = await passed(tmp_path, Said({**GOOD, "usage": WHOLE}))
    assert len(told) == ROOM_FOR
    assert {cost["basis"] for cost in told} == {"billed"}


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_usage_is_estimated_and_holds_a_budget_as_a_whole_one_does(tmp_path: Path, half: str) -> None:
    told, entries = await passed(tmp_path, Said({**GOOD, "usage": HALVES[half]}))
    assert len(told) == ROOM_FOR
    assert {cost["basis"] for cost in told} == {"estimated"}
    assert all(entry["nano"] >= entry["expected_nano"] for entry in entries)
    assert {entry["basis"] for entry in entries} == {"estimated"}


async def test_what_details_leave_out_of_a_total_costs_what_the_dearest_kind_does(tmp_path: Path) -> None:
    async with standing_in(*(Said({**GOOD, "usage": usage}) for usage, _, _ in LEFT_OUT)) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            answers = [await call(client, "generate_image", **ASK) for _ in LEFT_OUT]
    assert [answer["usage"]["image_model"] for answer in answers] == [tokens for _, tokens, _ in LEFT_OUT]
    entries = rows(tmp_path, "SELECT basis, nano FROM ledger_entries ORDER BY entry_id")
    assert entries == [{"basis": "estimated", "nano": nano} for _, _, nano in LEFT_OUT]


@pytest.mark.parametrize("half", HALVES_OF_THE_HOST)
async def test_half_a_usage_of_the_host_is_estimated(tmp_path: Path, half: str) -> None:
    told, entries = await passed(
        tmp_path,
        Said(response(image_call(picture()), usage=HALVES_OF_THE_HOST[half], tool_usage=DRAWN)),
        MCP_IMAGEGEN_API="responses",
        MCP_IMAGEGEN_BACKGROUND="off",
    )
    assert 0 < len(told) <= ROOM_FOR
    assert {entry["basis"] for entry in entries} == {"estimated"}
    assert all(entry["nano"] >= entry["expected_nano"] for entry in entries)


@pytest.mark.parametrize("host", [None, {"input_tokens": 2_100}])
async def test_what_was_told_of_one_model_counts_beside_the_estimate_of_the_other(tmp_path: Path, host: Any) -> None:
    dear = {"image_gen": {"input_tokens": 10, "output_tokens": 10_000}}
    answer = Said(response(image_call(picture()), usage=host, tool_usage=dear))
    _, entries = await passed(tmp_path / "a", answer, MCP_IMAGEGEN_API="responses", MCP_IMAGEGEN_BACKGROUND="off")
    assert entries[0]["basis"] == "estimated"
    assert entries[0]["nano"] > 10_000 * 30_000 + 500 * 15_000, "the picture as told, and a host that wrote something"


async def test_a_host_that_read_more_than_usual_counts_beside_the_estimate_of_the_picture(tmp_path: Path) -> None:
    host = {"input_tokens": 200_000, "output_tokens": 80}
    answer = Said(response(image_call(picture()), usage=host, tool_usage={"image_gen": {"input_tokens": 10}}))
    _, entries = await passed(tmp_path, answer, MCP_IMAGEGEN_API="responses", MCP_IMAGEGEN_BACKGROUND="off")
    assert entries[0]["basis"] == "estimated"
    assert entries[0]["nano"] > 200_000 * 2_500 + 80 * 15_000 + 196 * 30_000


async def test_a_call_of_which_nothing_is_told_costs_what_earlier_ones_let_expect(tmp_path: Path) -> None:
    frugal = {**HOST_USAGE, "input_tokens": 40, "output_tokens": 10, "total_tokens": 50}
    told = Said(response(image_call(picture()), usage=frugal, tool_usage=DRAWN))
    silent = Said(response(image_call(picture()), usage=None, tool_usage=None))
    async with standing_in(told, told, told, silent) as provider:
        environment = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses",
            MCP_IMAGEGEN_BACKGROUND="off",
        )  # fmt: skip
        async with client_of(environment) as client:
            for _ in range(4):
                await call(client, "generate_image", **ASK)
    last = rows(tmp_path, "SELECT basis, nano, expected_nano FROM ledger_entries ORDER BY entry_id DESC LIMIT 1")[0]
    assert last == {"basis": "estimated", "nano": last["expected_nano"], "expected_nano": last["expected_nano"]}


FLAT: dict[str, Any] = {"prompt": "a mill", "model": "dall-e-2", "size": "256x256", "n": 2}  # at 0.016 USD an image
ONE_OF_TWO: dict[str, list[dict[str, str]]] = {
    "a link to nowhere": [{"b64_json": PICTURE}, {"url": "http://127.0.0.1:9/x.png"}],
    "no base64": [{"b64_json": PICTURE}, {"b64_json": "@@@"}],
}


@pytest.mark.parametrize("data", ONE_OF_TWO)
async def test_a_picture_that_cannot_be_read_was_made_at_its_price_all_the_same(tmp_path: Path, data: str) -> None:
    async with standing_in(Said({**GOOD, "data": ONE_OF_TWO[data]})) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="compatible", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            answer = await call(client, "generate_image", **FLAT)
    assert len(answer["images"]) == 1
    assert answer["cost"]["basis"] == "estimated"
    assert rows(tmp_path, "SELECT nano, basis FROM ledger_entries") == [{"nano": 32_000_000, "basis": "estimated"}]


async def test_fewer_pictures_without_a_failure_cost_what_came(tmp_path: Path) -> None:
    async with standing_in(Said(GOOD)) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="compatible", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            await call(client, "generate_image", **FLAT)
    assert rows(tmp_path, "SELECT nano, basis FROM ledger_entries") == [{"nano": 16_000_000, "basis": "billed"}]


@pytest.mark.parametrize("told", [(True, False), (False, True), (True, True)])
async def test_a_stream_that_tells_the_usage_of_one_picture_of_two_is_estimated(
    tmp_path: Path, told: tuple[bool, bool]
) -> None:
    event = {"type": "image_generation.completed", "b64_json": PICTURE}
    events = [{**event, "usage": WHOLE} if one else event for one in told]
    async with standing_in(streamed(*events)) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            answer = await call(client, "generate_image", **ASK, n=2, partial_images=1)
    assert len(answer["images"]) == 2
    (entry,) = rows(tmp_path, "SELECT nano, basis, expected_nano FROM ledger_entries")
    if all(told):
        assert entry["basis"] == "billed"
    else:
        assert entry["basis"] == answer["cost"]["basis"] == "estimated"
        assert entry["nano"] >= entry["expected_nano"]
