"""A model whose calls cost other than estimated, again and again, is told of in the results."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of
from mcp import Client
from mcp.types import TextResourceContents
from openai_bodies import image_call, message, response
from spend_support import run
from stand_in import GOOD, KEY, Said, StandIn, picture, standing_in
from state_file import execute, rows

from mcp_imagegen.operations import Caller
from mcp_imagegen.server.backend import LazyBackend

EXACT: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "low"}  # 196 tokens of image output
OPEN: dict[str, Any] = {"prompt": "a mill", "size": "1024x1024", "quality": "auto"}  # 196 to 7,024 tokens
DRAWN = {**GOOD, "data": [{"b64_json": base64.b64encode(picture(size=(1024, 1024))).decode()}]}


def made(tokens: int) -> Said:
    """A picture that is said to have taken so many tokens."""
    told = {"input_tokens": 8, "output_tokens": tokens, "output_tokens_details": {"image_tokens": tokens}}
    return Said({**DRAWN, "usage": told})


def surroundings(provider: StandIn, folder: Path, **more: str) -> dict[str, str]:
    return provider.environment(**{"MCP_IMAGEGEN_PROVIDER": "openai", "MCP_IMAGEGEN_HOME": str(folder), **more})


async def warnings(folder: Path, answer: Said, ask: dict[str, Any], times: int, **more: str) -> list[list[str]]:
    """What each of so many calls that are answered so warns of."""
    async with standing_in(answer) as provider, client_of(surroundings(provider, folder, **more)) as client:
        return [(await call(client, "generate_image", **ask))["warnings"] for _ in range(times)]


# tokens that the provider counts, what is asked for, and in which direction that lies outside of the estimate
DRIFTS: dict[str, tuple[int, dict[str, Any], str | None]] = {
    "more than an exact price": (300, EXACT, "more than the highest"),
    "less than an exact price": (100, EXACT, "less than the lowest"),
    "a little more": (210, EXACT, None),  # 7%
    "more than a little": (222, EXACT, "more than the highest"),  # 13%
    "within a range": (6_000, OPEN, None),
    "above a range": (9_000, OPEN, "more than the highest"),
    "below a range": (50, OPEN, "less than the lowest"),
}


@pytest.mark.parametrize("drift", DRIFTS)
async def test_ten_calls_that_lie_outside_of_their_estimates_are_warned_of(tmp_path: Path, drift: str) -> None:
    tokens, ask, direction = DRIFTS[drift]
    *early, tenth = await warnings(tmp_path, made(tokens), ask, 10)
    assert early == [[]] * 9
    if direction is None:
        assert tenth == []
        return
    (entry, *_) = rows(tmp_path, "SELECT * FROM ledger_entries")
    off = entry["nano"] / entry["high_nano" if direction.startswith("more") else "low_nano"] - 1
    (said,) = tenth
    assert f"the last 10 calls of gpt-image-2 were billed {abs(off):.0%} {direction} price" in said
    assert "mcp-imagegen spend" in said
    assert "prices.toml" in said


NAMED = {**DRAWN, "size": "1024x1024", "quality": "low"}


def named(tokens: int, **more: str) -> Said:
    """The same, by an answer that says what auto came to."""
    return Said({**made(tokens).body, **NAMED, "usage": made(tokens).body["usage"], **more})


@pytest.mark.parametrize(
    ("answer", "warned"),
    [
        (named(196), False),
        (named(300), True),
        (named(6_000), True),
        (named(100), True),
        (named(1_756, quality="medium"), False),
        (named(196, quality="medium"), True),
        (named(6_000, quality="unheard-of"), False),
        (named(6_000, size="huge"), False),
    ],
)
async def test_auto_is_judged_by_what_the_answer_says_it_came_to(tmp_path: Path, answer: Said, warned: bool) -> None:
    """Where that is something of which a count is known, else by the whole range."""
    told = await warnings(tmp_path, answer, {"prompt": "a mill"}, 10)
    drifts = [any("the last 10 calls" in said for said in one) for one in told]
    assert drifts == [*[False] * 9, warned]


@pytest.mark.parametrize(("tokens", "warned"), [(196, False), (300, True), (100, True)])
async def test_a_continuation_is_judged_by_what_the_image_model_drew(tmp_path: Path, tokens: int, warned: bool) -> None:
    """What its host reads and writes has a range so wide that it would hide it."""
    drew = {"input_tokens": 1_000, "output_tokens": tokens, "output_tokens_details": {"image_tokens": tokens}}
    shape = {"size": "1024x1024", "quality": "low"}
    body = response(image_call(picture(size=(1024, 1024)), **shape), tool_usage={"image_gen": drew})
    told: list[list[str]] = []
    async with (
        standing_in(Said(DRAWN), Said(body)) as provider,
        client_of(surroundings(provider, tmp_path)) as client,
    ):
        thread = (await call(client, "generate_image", **EXACT))["thread_id"]
        for number in range(10):
            ask = {**EXACT, "prompt": f"bluer {number}"}
            told.append((await call(client, "continue_image_thread", thread_id=thread, **ask))["warnings"])
    # The generation before had no usage, so that it is none of the ten.
    assert [any("the last 10 calls" in said for said in one) for one in told] == [*[False] * 9, warned]


async def test_what_the_cache_of_the_api_saves_is_no_wrong_estimate_and_hides_none(tmp_path: Path) -> None:
    """Such an edit costs less than the lowest price, which says so."""
    cached = {"cached_tokens": 1_024, "cached_tokens_details": {"text_tokens": 0, "image_tokens": 1_024}}
    told = {"input_tokens": 1_034, "input_tokens_details": {"text_tokens": 10, "image_tokens": 1_024, **cached}}
    answers = [
        Said({**DRAWN, "usage": {**told, "output_tokens": drawn, "output_tokens_details": {"image_tokens": drawn}}})
        for drawn in (196, 500)
    ]
    outside = []
    async with standing_in(Said(DRAWN), *answers) as provider, client_of(surroundings(provider, tmp_path)) as client:
        image = (await call(client, "generate_image", **EXACT))["images"][0]["image_id"]
        priced = await call(client, "estimate_cost", operation="edit", images=[image], **EXACT)
        for _ in answers:
            edited = await call(client, "edit_image", images=[image], **EXACT)
            outside.append((await spend(client))["money"]["estimates"][0]["outside"])
    _, first, _ = rows(tmp_path, "SELECT * FROM ledger_entries ORDER BY entry_id")
    assert first["nano"] < first["low_nano"]
    assert priced["exact"]
    assert "an image that the API still has in its cache costs less" in priced["warnings"][0]
    assert edited["warnings"] == []
    assert outside == [0, 1]


async def test_the_text_that_edits_write_is_not_missed_where_a_continuation_may_draw_anew(tmp_path: Path) -> None:
    """The gpt-image-1.5 line writes some with each edit."""
    drew = {"input_tokens": 1_000, "output_tokens": 272, "output_tokens_details": {"image_tokens": 272}}
    body = response(
        image_call(picture(size=(1024, 1024)), size="1024x1024", quality="low"), tool_usage={"image_gen": drew}
    )
    written, outside = [], []
    async with standing_in(Said(DRAWN), Said(body)) as provider, client_of(surroundings(provider, tmp_path)) as client:
        ask = {**EXACT, "model": "gpt-image-1.5"}
        ask["thread_id"] = (await call(client, "generate_image", **ask))["thread_id"]
        for action in ("auto", "generate", "edit"):
            found = await call(client, "estimate_cost", operation="continue", **ask, action=action)
            written.append(sum(line["tokens"] for line in found["lines"] if line["what"] == "text_output"))
            await call(client, "continue_image_thread", **ask, action=action)
            outside.append((await spend(client))["money"]["estimates"][0]["outside"])
    assert written == [230, 0, 230]
    assert outside == [0, 0, 1]


async def test_the_latest_ten_calls_count_and_the_middle_of_them(tmp_path: Path) -> None:
    """In results and in the report."""
    await warnings(tmp_path, made(300), EXACT, 9)
    async with standing_in(made(196)) as provider, client_of(surroundings(provider, tmp_path)) as client:
        better = [(await call(client, "generate_image", **EXACT))["warnings"] for _ in range(6)]
        (estimates,) = (await spend(client))["money"]["estimates"]
    assert [len(said) for said in better] == [1, 1, 1, 1, 1, 0], "until more than half of them are as estimated"
    assert [estimates["calls"], estimates["outside"], estimates["lately_off"]] == [15, 9, 0]


async def test_calls_that_began_later_and_ended_before_do_not_count(
    environment: dict[str, str], upstream: Upstream
) -> None:
    """The ten that a result speaks of are the latest up to its own."""
    home, kept = Path(environment["MCP_IMAGEGEN_HOME"]), "operation, provider, api, model, status, basis, ending"
    kept += ", owner, created_at, price_rows, low_nano, expected_nano, high_nano"
    ten = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 10)"
    dearer = f"SELECT {kept}, 2 * nano FROM ledger_entries, up WHERE entry_id = 1"
    async with client_of(environment) as client:
        await call(client, "generate_image", **EXACT)
        upstream.drew.clear()
        upstream.open.clear()
        slow = asyncio.create_task(call(client, "generate_image", **{**EXACT, "prompt": "a slow mill"}))
        await upstream.drew.wait()
        execute(home, f"INSERT INTO ledger_entries ({kept}, nano) {ten} {dearer}")
        upstream.open.set()
        told = (await slow)["warnings"]
        after = (await call(client, "generate_image", **{**EXACT, "prompt": "another mill"}))["warnings"]
    assert [any("the last 10 calls" in said for said in one) for one in (told, after)] == [False, True]


async def spend(client: Client) -> dict[str, Any]:
    content = (await client.read_resource("imagegen://spend")).contents[0]
    assert isinstance(content, TextResourceContents)
    told: dict[str, Any] = json.loads(content.text)
    return told


async def test_only_whole_calls_of_the_same_model_and_provider_with_usage_count(tmp_path: Path) -> None:
    await warnings(tmp_path, made(300), EXACT, 9)
    elsewhere = await warnings(tmp_path, made(300), EXACT, 1, MCP_IMAGEGEN_PROVIDER="compatible")
    other = await warnings(tmp_path, made(300), {**EXACT, "model": "gpt-image-2.5-flare"}, 1)
    unsaid = await warnings(tmp_path, Said(DRAWN), EXACT, 1)
    in_words = await warnings(tmp_path, Said(response(message("no"))), EXACT, 1, MCP_IMAGEGEN_API="responses")
    assert [elsewhere, other, unsaid, in_words] == [[[]]] * 4
    assert [len(said) for said in await warnings(tmp_path, made(300), EXACT, 1)] == [1]


async def test_what_the_calls_of_others_cost_counts_for_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await warnings(tmp_path, made(300), EXACT, 9)
    with monkeypatch.context() as patch:
        patch.setattr(LazyBackend, "caller", lambda *_: Caller("ada"))
        assert await warnings(tmp_path, made(300), EXACT, 1) == [[]]
    assert [len(said) for said in await warnings(tmp_path, made(300), EXACT, 1)] == [1]


async def test_the_report_of_what_was_spent_shows_it_too(tmp_path: Path) -> None:
    async with standing_in(made(300)) as provider, client_of(surroundings(provider, tmp_path)) as client:
        for _ in range(10):
            await call(client, "generate_image", **EXACT)
        (estimates,) = (await spend(client))["money"]["estimates"]
        text, _, _ = await run(environment=surroundings(provider, tmp_path))
    (entry, *_) = rows(tmp_path, "SELECT * FROM ledger_entries")
    assert estimates["lately_off"] == pytest.approx(entry["nano"] / entry["high_nano"] - 1)
    assert [estimates["calls"], estimates["outside"]] == [10, 10]
    assert f"The last 10 calls of gpt-image-2 lay {estimates['lately_off']:.0%} above the highest price" in text
    assert f"{estimates['median_error']:+.1%}" in text


async def test_the_report_names_the_provider_where_there_are_two(tmp_path: Path) -> None:
    async with standing_in(made(300)) as provider:
        for name, times in (("openai", 10), ("compatible", 1)):
            variables = surroundings(provider, tmp_path, MCP_IMAGEGEN_PROVIDER=name)
            async with client_of(variables) as client:
                for _ in range(times):
                    await call(client, "generate_image", **EXACT)
        text, _, _ = await run(environment=variables)
    assert "The last 10 calls of gpt-image-2 (openai) lay" in text


async def test_calls_that_brought_fewer_pictures_than_asked_for_do_not_count(tmp_path: Path) -> None:
    """They cost less, since less was made."""
    told = await warnings(tmp_path, made(196), {**EXACT, "n": 2}, 10)
    assert not [said for one in told for said in one if "the last 10 calls" in said]
    async with client_of({"MCP_IMAGEGEN_HOME": str(tmp_path), "OPENAI_API_KEY": KEY}) as client:
        assert (await spend(client))["money"]["estimates"] == []
    assert {row["basis"] for row in rows(tmp_path, "SELECT basis FROM ledger_entries")} == {"billed"}


async def test_calls_whose_pictures_were_all_made_count_though_one_could_not_be_read(tmp_path: Path) -> None:
    """They were billed as a whole."""
    unread = Said({**made(600).body, "data": [*DRAWN["data"], {"b64_json": "%%%"}]})
    *early, tenth = await warnings(tmp_path, unread, {**EXACT, "n": 2}, 10)
    assert [any("the last 10 calls" in said for said in one) for one in (*early, tenth)] == [*[False] * 9, True]


async def test_calls_of_a_release_that_did_not_judge_them_do_not_count(tmp_path: Path) -> None:
    """Of theirs it is not known what auto came to, or how many pictures were made."""
    await warnings(tmp_path, made(300), EXACT, 9)
    execute(tmp_path, "UPDATE ledger_entries SET price_rows = NULL")  # neither was kept then
    assert await warnings(tmp_path, made(300), EXACT, 1) == [[]]
