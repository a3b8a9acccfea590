"""What the host model used in one's own earlier turns says what the next one will cost."""

import json
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import image_call, response
from stand_in import GOOD, Said, picture, standing_in

HOST = {"input_tokens": 9_000, "output_tokens": 1_200, "total_tokens": 10_200}
ASK = {"operation": "continue", "prompt": "in blue", "size": "1024x640", "quality": "low"}


def said(host: dict[str, int]) -> Said:
    body = response(image_call(picture()), id="resp_1")
    body["usage"] = {**body["usage"], **host}
    return Said(json.loads(json.dumps(body)))


def tokens(estimate: dict[str, Any]) -> dict[str, int]:
    return {line["what"]: line["tokens"] for line in estimate["lines"] if line["what"].startswith("host_")}


@pytest.mark.parametrize(("turns", "calibrated"), [(2, False), (3, True)])
async def test_an_estimate_goes_by_what_earlier_turns_used(
    environment: dict[str, str], turns: int, calibrated: bool
) -> None:
    async with (
        standing_in(Said(GOOD), *[said(HOST)] * turns) as provider,
        client_of({**environment, **provider.environment(MCP_IMAGEGEN_PROVIDER="openai")}) as client,
    ):
        before = await call(client, "estimate_cost", **ASK)
        thread = await call(client, "generate_image", prompt="a kettle", size="1024x640", quality="low")
        for number in range(turns):
            await call(client, "continue_image_thread", thread_id=thread["thread_id"], prompt=f"bluer {number}")
        after = await call(client, "estimate_cost", **ASK)
        whole = await call(client, "estimate_cost", **ASK, history="full")
    used = {"host_input": HOST["input_tokens"], "host_output": HOST["output_tokens"]}
    assert tokens(before) != used
    assert (tokens(after) == used) == calibrated
    assert tokens(whole) != used, "a whole conversation is another matter"
    assert after["high_usd"] >= before["high_usd"], "a limit is not loosened by it"
    assert after["low_usd"] <= after["expected_usd"] <= after["high_usd"]
