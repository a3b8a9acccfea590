"""What is sent again by itself and what is not, counted at the provider; every wait is announced."""

from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal, text_of
from mcp.types import CallToolResult
from openai_bodies import image_call, response
from stand_in import GOOD, Said, StandIn, error, picture, standing_in

ASK = {"prompt": "a cat", "size": "1024x1024", "quality": "low"}
GOOD_ANSWER = Said(GOOD)
SHOULD = {"x_should_retry": "true"}
SHOULD_NOT = {"x_should_retry": "false"}
# the answers, the requests that the provider sees, and how the call ends
CASES: dict[str, tuple[list[Said], int, str]] = {
    "one 500": ([error(500), GOOD_ANSWER], 2, "completed"),
    "two 500": ([error(500), error(500), GOOD_ANSWER], 3, "completed"),
    "500 for ever": ([error(500)], 3, "upstream_unavailable"),
    "502": ([error(502), GOOD_ANSWER], 2, "completed"),
    "503": ([error(503), GOOD_ANSWER], 2, "completed"),
    "409": ([error(409), GOOD_ANSWER], 2, "completed"),
    "429": ([error(429, "rate_limit_exceeded"), GOOD_ANSWER], 2, "completed"),
    "429 that should not": ([error(429, "rate_limit_exceeded", **SHOULD_NOT)], 1, "rate_limited"),
    "429 with a wait": ([error(429, "rate_limit_exceeded", retry_after="2"), GOOD_ANSWER], 2, "completed"),
    "429 with a long wait": ([error(429, "rate_limit_exceeded", retry_after="121")], 1, "rate_limited"),
    "429 with a year's wait": ([error(429, "rate_limit_exceeded", retry_after="31536000")], 1, "rate_limited"),
    "429 without credit": ([error(429, "insufficient_quota")], 1, "quota_exhausted"),
    "500 that should not": ([error(500, **SHOULD_NOT)], 1, "upstream_unavailable"),
    "408": ([error(408)], 1, "upstream_unavailable"),
    "408 that should": ([error(408, **SHOULD), GOOD_ANSWER], 2, "completed"),
    "504": ([error(504)], 1, "upstream_unavailable"),
    "504 that should": ([error(504, **SHOULD), GOOD_ANSWER], 2, "completed"),
    "400": ([error(400, "invalid_value")], 1, "upstream_invalid"),
    "401": ([error(401, "invalid_api_key")], 1, "authentication_failed"),
    "403": ([error(403)], 1, "permission_denied"),
    "404": ([error(404, "model_not_found")], 1, "model_not_found"),
    "moderation": ([error(400, "moderation_blocked")], 1, "moderation_blocked"),
    "moderation as 500": ([error(500, "moderation_blocked")], 1, "moderation_blocked"),
    "nonsense with 200": ([Said("<html>hello</html>")], 1, "upstream_invalid"),
}


async def ended(stand_in: StandIn, folder: Path, told: list[str]) -> CallToolResult:
    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    environment = stand_in.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(folder))
    async with client_of(environment) as client:
        return await client.call_tool("generate_image", dict[str, Any](ASK), progress_callback=on_progress)


@pytest.mark.parametrize("case", CASES)
async def test_requests_seen_upstream_for_each_failure(tmp_path: Path, case: str) -> None:
    answers, requests, end = CASES[case]
    told: list[str] = []
    async with standing_in(*answers) as stand_in:
        result = await ended(stand_in, tmp_path, told)
        assert len(stand_in.seen) == requests
    if end == "completed":
        assert not result.is_error, text_of(result)
    else:
        assert text_of(result).startswith(f"{end}: ")
    assert len([message for message in told if "trying again" in message]) == requests - 1


async def test_a_forgotten_id_costs_one_request_and_no_second_round_of_server_errors(tmp_path: Path) -> None:
    forgotten = error(404, message="Item with id 'ig_1' not found.")
    answers = [Said(response(image_call(picture()))), error(500), error(500), forgotten, error(500)]
    async with standing_in(*answers) as stand_in:
        variables = {"MCP_IMAGEGEN_PROVIDER": "openai", "MCP_IMAGEGEN_API": "responses"}
        async with client_of(stand_in.environment(**variables, MCP_IMAGEGEN_HOME=str(tmp_path))) as client:
            first = await call(client, "generate_image", **ASK)
            text = await refusal(client, "continue_image_thread", thread_id=first["thread_id"], prompt="a dog")
        _, *asked = [body["input"][0] for _, body in stand_in.seen]
    assert text.startswith("upstream_unavailable: ")
    assert [turn.get("type") == "image_generation_call" for turn in asked] == [True, True, True, False]


async def test_the_announcement_says_how_long_the_provider_wants_to_wait(tmp_path: Path) -> None:
    told: list[str] = []
    async with standing_in(error(429, "rate_limit_exceeded", retry_after_ms="12500"), GOOD_ANSWER) as stand_in:
        await ended(stand_in, tmp_path, told)
    assert "rate limited: trying again in 12.5 s (2 of 3)" in told


async def test_a_refused_connection_is_tried_again_and_then_told_and_costs_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    nobody = StandIn([GOOD_ANSWER], url="http://127.0.0.1:1/v1")
    result = await ended(nobody, tmp_path, told)
    assert text_of(result).startswith("upstream_unavailable: ")
    assert "may have been billed" not in text_of(result)
    assert len([message for message in told if "trying again" in message]) == 2
