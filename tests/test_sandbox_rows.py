"""Every row of the API's errors can be had of the sandbox by a word in the prompt, and comes out as its code."""

import pytest
from conftest import Upstream
from doors import refusal
from mcp import Client

ROWS = {
    "moderation": "moderation_blocked",
    "rate-limit": "rate_limited",
    "quota": "quota_exhausted",
    "billing-limit": "quota_exhausted",
    "spend-limit": "quota_exhausted",
    "unverified": "organization_unverified",
    "bad-key": "authentication_failed",
    "no-model": "model_not_found",
    "bad-image": "input_rejected",
    "bad-mask": "mask_rejected",
    "no-download": "input_not_found",
    "server-error": "upstream_unavailable",
}


@pytest.mark.parametrize("word", ROWS)
async def test_a_word_in_a_prompt_has_the_error_of_its_row(client: Client, upstream: Upstream, word: str) -> None:
    said = await refusal(client, "generate_image", prompt=f"sandbox:{word} a mill", size="1024x640", quality="low")
    assert said.startswith(f"{ROWS[word]}: ")
    assert "To fix: " in said
    assert "billed" not in said
