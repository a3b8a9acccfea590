"""What the API refuses or fails at reaches the caller with a code, a way out, and whether it may have been billed."""

from conftest import Upstream
from doors import call, refusal
from mcp import Client

SMALL = {"size": "1024x640", "quality": "low"}


async def test_a_connection_that_is_lost_during_the_answer_may_be_billed(client: Client, upstream: Upstream) -> None:
    text = await refusal(client, "generate_image", prompt="sandbox:disconnect a cat", **SMALL)
    assert text.startswith("upstream_timeout: ")
    assert "may have been billed" in text
    assert upstream.seen == ["POST /v1/images/generations"], "it is not sent again"
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
