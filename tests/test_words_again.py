"""The words of earlier turns that the host model reads again are in the price of the next one, and so in its limits."""

from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of, refusal
from openai_bodies import image_call, message, response
from stand_in import GOOD, Said, picture, standing_in
from state_file import rows

from mcp_imagegen.pricing.tokens import MOST_PATCHES, prompt_tokens

SHAPE: dict[str, Any] = {"size": "1024x1024", "quality": "low"}
LONG = "木" * 20_000  # a token or three each
ANSWER = "which blue?" * 20
RATE = 2_500  # 10^-9 USD a token that gpt-5.4 reads
UNSAID: dict[str, Any] = {"usage": None, "tool_usage": None}  # so that no earlier turn says what to expect
USUAL, USUALLY_AT_MOST = 4_000, 30_000  # tokens of a whole conversation


def drawn(number: int, **more: Any) -> Said:
    return Said(response(image_call(picture(), id=f"ig_{number}", revised_prompt=None), id=f"resp_{number}", **more))


def nano(usd: float) -> int:
    return round(usd * 10**9)


async def estimated(client: Any, thread: str, **more: Any) -> tuple[int, int, int]:
    found = await call(client, "estimate_cost", operation="continue", thread_id=thread, prompt="blue", **SHAPE, **more)
    low, expected, high = (nano(found[f"{name}_usd"]) for name in ("low", "expected", "high"))
    return low, expected, high


@pytest.mark.parametrize("store", ["on", "off"])
async def test_an_answer_to_words_is_priced_with_the_words_before_and_limited_by_that(
    environment: dict[str, str], store: str
) -> None:
    """They are in the chain of responses, or are sent again where nothing is stored."""
    read = {"input_tokens": 2_400 + len(LONG), "output_tokens": 60}
    asked = Said(response(message(ANSWER), id="resp_1", usage=read, tool_usage=None))
    async with (
        standing_in(Said(GOOD), asked, drawn(2, usage=read)) as provider,
        client_of({**environment, **provider.environment(MCP_IMAGEGEN_STORE=store)}) as client,
    ):
        thread = (await call(client, "generate_image", prompt="a kettle", **SHAPE))["thread_id"]
        before = await estimated(client, thread)
        await call(client, "continue_image_thread", thread_id=thread, prompt=LONG, **SHAPE)
        after = await estimated(client, thread)
        words = [sum(tokens) for tokens in zip(prompt_tokens(LONG), prompt_tokens(ANSWER), strict=True)]
        assert [more - less for more, less in zip(after, before, strict=True)] == [
            words[0] * RATE // 10, words[1] * RATE, words[2] * RATE
        ]  # fmt: skip
        again: dict[str, Any] = {"thread_id": thread, "prompt": "blue", **SHAPE}
        await refusal(client, "continue_image_thread", **again, max_cost_usd=before[2] / 10**9)
        assert len(provider.seen) == 2
        await call(client, "continue_image_thread", **again, max_cost_usd=after[2] / 10**9)
    entry = rows(Path(environment["MCP_IMAGEGEN_HOME"]), "SELECT * FROM ledger_entries ORDER BY entry_id")[-1]
    assert before[2] < entry["nano"] <= entry["high_nano"] == after[2]
    assert (LONG in str(provider.seen[-1][1])) == (store == "off")


async def test_an_answer_to_words_is_priced_with_the_images_that_were_given_with_them(
    environment: dict[str, str],
) -> None:
    """They stay in the chain of responses, for the host and for the image model."""
    asked = Said(response(message("which?"), id="resp_1", **UNSAID))
    async with (
        standing_in(Said(GOOD), asked) as provider,
        client_of({**environment, **provider.environment()}) as client,
    ):
        made = await call(client, "generate_image", prompt="a kettle", **SHAPE)
        thread, given = made["thread_id"], [made["images"][0]["image_id"]] * 3
        before = await estimated(client, thread)
        await call(client, "continue_image_thread", thread_id=thread, prompt="a", images=given, **SHAPE)
        after = await estimated(client, thread)
    words = [sum(tokens) for tokens in zip(prompt_tokens("a"), prompt_tokens("which?"), strict=True)]
    assert after[1] - before[1] == words[1] * RATE
    assert after[2] - before[2] >= len(given) * MOST_PATCHES * RATE


async def test_the_whole_conversation_is_priced_with_the_words_that_its_chain_holds(
    environment: dict[str, str],
) -> None:
    """A turn that was shown one image alone begins a chain; what is not in it costs nothing."""
    words = prompt_tokens(LONG)
    asked = Said(response(message("why"), id="resp_5", **UNSAID))
    async with (
        standing_in(Said(GOOD), *(drawn(number, **UNSAID) for number in range(1, 5)), asked) as provider,
        client_of({**environment, **provider.environment()}) as client,
    ):
        thread = (await call(client, "generate_image", prompt=LONG, **SHAPE))["thread_id"]
        alone = await estimated(client, thread)
        full = [await estimated(client, thread, history="full")]
        for history in ("image", "full", "full", "image"):
            await call(client, "continue_image_thread", thread_id=thread, prompt=LONG, history=history, **SHAPE)
            full.append(await estimated(client, thread, history="full"))
        assert await estimated(client, thread) == alone, "an image that is known by its id brings no words along"
        await call(client, "continue_image_thread", thread_id=thread, prompt=LONG, history="full", **SHAPE)
        answering = await estimated(client, thread)
        assert answering == await estimated(client, thread, history="full"), "what it answers brings all of them along"
        assert (answering[1] - alone[1]) // RATE == 2 * words[1] + 1
    expected = [(one[1] - alone[1]) // RATE for one in full]
    assert expected == [USUAL, *(count * words[1] for count in (1, 2, 3, 1))]
    none, *others = ((one[2] - full[0][2]) // RATE for one in full)
    assert none == 0
    assert all(more >= count * words[2] - USUALLY_AT_MOST for more, count in zip(others, (1, 2, 3, 1), strict=True))
    assert others[0] == others[3] < others[1] < others[2]
