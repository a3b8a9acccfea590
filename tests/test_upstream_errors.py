"""What the API refuses or fails at reaches the caller with a code, a way out, and whether it may have been billed."""

import pytest
from conftest import Upstream
from doors import call, client_of, refusal
from mcp import Client

SMALL = {"size": "1024x640", "quality": "low"}
REFUSED = [
    ("sandbox:moderation", "moderation_blocked"),
    ("sandbox:rate-limit", "rate_limited"),
    ("sandbox:quota", "quota_exhausted"),
    ("sandbox:billing-limit", "quota_exhausted"),
    ("sandbox:unverified", "organization_unverified"),
    ("sandbox:server-error", "upstream_unavailable"),
]


TRIED_AGAIN = {"rate_limited", "upstream_unavailable"}


@pytest.mark.parametrize(("word", "code"), REFUSED)
async def test_a_refusal_of_the_api_has_its_code_and_costs_nothing(
    client: Client, upstream: Upstream, word: str, code: str
) -> None:
    text = await refusal(client, "generate_image", prompt=f"{word} a cat", **SMALL)
    lines = text.splitlines()
    assert lines[0].startswith(f"{code}: ")
    assert lines[1].startswith("To fix: ")
    assert any(line.startswith("Request id: req_") for line in lines)
    assert "may have been billed" not in text
    assert len(upstream.seen) == (3 if code in TRIED_AGAIN else 1)
    threads = (await call(client, "get_image_thread"))["threads"]
    tree = (await call(client, "get_image_thread", thread_id=threads[0]["thread_id"]))["thread"]
    assert tree["turns"][0]["status"] == "failed"
    assert tree["turns"][0]["error"]["code"] == code
    assert tree["cost_usd"] == 0


async def test_a_wrong_key_is_refused_without_showing_it(environment: dict[str, str]) -> None:
    async with client_of({**environment, "OPENAI_API_KEY": "sk-wrong-0123456789"}) as client:
        text = await refusal(client, "generate_image", prompt="a cat", **SMALL)
    assert text.startswith("authentication_failed: ")
    assert "OPENAI_API_KEY" in text
    assert "sk-wrong" not in text


async def test_an_api_that_cannot_be_reached_costs_nothing(environment: dict[str, str]) -> None:
    async with client_of({**environment, "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}) as client:
        text = await refusal(client, "generate_image", prompt="a cat", **SMALL)
    assert text.startswith("upstream_unavailable: ")
    assert "may have been billed" not in text


async def test_a_connection_that_is_lost_during_the_answer_may_be_billed(client: Client) -> None:
    text = await refusal(client, "generate_image", prompt="sandbox:disconnect a cat", **SMALL)
    assert text.startswith("upstream_timeout: ")
    assert "may have been billed" in text
    threads = (await call(client, "get_image_thread"))["threads"]
    assert threads[0]["cost_usd"] > 0, "what may have been billed is accounted for at its estimate"


async def test_an_unknown_model_is_passed_on_with_a_warning_and_the_api_decides(
    client: Client, upstream: Upstream
) -> None:
    text = await refusal(client, "generate_image", prompt="a cat", model="gpt-image-9", **SMALL)
    assert text.startswith("model_not_found: ")
    assert upstream.seen == ["POST /v1/images/generations"]


async def test_a_continuation_that_is_answered_in_words_keeps_them_and_can_be_answered(client: Client) -> None:
    first = await call(client, "generate_image", prompt="a cat", **SMALL)
    thread = first["thread_id"]
    said = await call(client, "continue_image_thread", thread_id=thread, prompt="sandbox:text-only hm", **SMALL)
    again = await call(client, "continue_image_thread", thread_id=thread, prompt="a hat", **SMALL)
    tree = (await call(client, "get_image_thread", thread_id=thread))["thread"]
    assert said["status"] == "text_only"
    assert said["images"] == []
    assert said["text"]
    assert again["status"] == "completed"
    assert [turn["status"] for turn in tree["turns"]] == ["completed", "text_only", "completed"]
    assert tree["turns"][1]["text"] == said["text"]
    assert tree["turns"][2]["from_image"] == first["images"][0]["image_id"]


async def test_a_failed_image_call_tells_the_stage_and_categories(client: Client) -> None:
    first = await call(client, "generate_image", prompt="a cat", **SMALL)
    text = await refusal(
        client, "continue_image_thread", thread_id=first["thread_id"], prompt="sandbox:call-failed", **SMALL
    )
    assert text.startswith("moderation_blocked: ")
    assert "the image it had made (violence)" in text.splitlines()[0]
    assert "may have been billed" in text


async def test_a_stream_that_fails_after_its_start_is_an_error(client: Client) -> None:
    text = await refusal(client, "generate_image", prompt="sandbox:stream-error a cat", partial_images=1, **SMALL)
    assert text.splitlines()[1].startswith("To fix: ")
