"""Threads go on turn by turn: by the ids that the API keeps, and by the saved image where it has forgotten them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from conftest import Upstream
from doors import Transport, call, client_of, refusal, text_of
from mcp import Client

from mcp_imagegen.sandbox.app import Sandbox
from mcp_imagegen.sandbox.serving import running
from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

START = {"prompt": "a kettle", "size": "1024x640", "quality": "low"}
RESPONSE = "POST /v1/responses"
HISTORIES = ["image", "full"]
# By what a thread is gone on from, then and again, and what the other server is: once a real process.
GOING_ON: list[tuple[str, str, Transport]] = [
    ("image", "image", "memory"),
    ("image", "full", "stdio"),
    ("full", "image", "memory"),
    ("full", "full", "memory"),
]


async def thread_of_two(client: Client) -> str:
    """A thread whose second turn the API knows by ids."""
    first = await call(client, "generate_image", **START)
    await go_on(client, first["thread_id"], "in blue")
    return str(first["thread_id"])


async def go_on(client: Client, thread_id: str, prompt: str, **more: Any) -> dict[str, Any]:
    return await call(client, "continue_image_thread", thread_id=thread_id, prompt=prompt, quality="low", **more)


def asked(upstream: Upstream) -> list[dict[str, Any]]:
    """The bodies of what the Responses API was asked for."""
    return [dict(one.fields) for one in upstream.sandbox.requests if f"{one.method} {one.path}" == RESPONSE]


def by_id(body: dict[str, Any]) -> bool:
    return "previous_response_id" in body or body["input"][0].get("type") == "image_generation_call"


def says_so(answer: dict[str, Any]) -> bool:
    return any("saved image was sent" in warning for warning in answer["warnings"])


@pytest.mark.parametrize("history", HISTORIES)
async def test_an_id_that_the_api_has_forgotten_is_tried_once_in_the_life_of_a_thread(
    client: Client, upstream: Upstream, history: str
) -> None:
    thread_id = await thread_of_two(client)
    shown = await call(client, "get_image_thread", thread_id=thread_id)
    second = shown["thread"]["turns"][1]["images"][0]["image_id"]
    upstream.forget()
    third = await go_on(client, thread_id, "in green", history=history, from_image=second)
    tried = asked(upstream)
    fourth = await go_on(client, thread_id, "in red", history=history, from_image=second)
    assert [by_id(body) for body in tried] == [False, True, False]
    assert [by_id(body) for body in asked(upstream)] == [False, True, False, False]
    assert [says_so(answer) for answer in (third, fourth)] == [True, True]
    assert [answer["status"] for answer in (third, fourth)] == ["completed"] * 2


@pytest.mark.parametrize("history", HISTORIES)
async def test_a_dead_id_is_remembered_by_other_servers_too(
    environment: dict[str, str], upstream: Upstream, history: str
) -> None:
    async with client_of(environment) as client:
        thread_id = await thread_of_two(client)
        upstream.forget()
        await go_on(client, thread_id, "in green", history=history)
        tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
    count = len(asked(upstream))
    async with client_of(environment) as client:
        second = tree["turns"][1]["images"][0]["image_id"]
        await go_on(client, thread_id, "in red", history=history, from_image=second)
    assert [by_id(body) for body in asked(upstream)[count:]] == [False]


@pytest.mark.parametrize(("first", "then", "another"), GOING_ON)
async def test_a_dead_image_costs_one_more_request_once_whichever_way_it_is_gone_on_from(
    environment: dict[str, str], upstream: Upstream, first: str, then: str, another: Transport
) -> None:
    """By the other history, in branches, at once, and by another server."""
    async with client_of(environment) as client:
        thread_id = await thread_of_two(client)
        tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
        dead = {"from_image": tree["turns"][1]["images"][0]["image_id"]}
        upstream.forget()
        counts = [len(asked(upstream))]
        await go_on(client, thread_id, "in green", history=first, **dead)
        counts.append(len(asked(upstream)))
        await go_on(client, thread_id, "in red", history=then, **dead)
        await asyncio.gather(
            *(go_on(client, thread_id, f"in {what}", history=then, **dead) for what in ("fog", "snow"))
        )
        counts.append(len(asked(upstream)))
    async with client_of(environment, another) as client:
        answer = await go_on(client, thread_id, "in blue", history=then, **dead)
        counts.append(len(asked(upstream)))
    assert [later - earlier for earlier, later in pairwise(counts)] == [2, 3, 1]
    assert says_so(answer)


@pytest.mark.parametrize("history", HISTORIES)
async def test_what_is_older_than_a_dead_id_and_than_the_api_keeps_anything_is_not_tried(
    environment: dict[str, str], upstream: Upstream, history: str
) -> None:
    passed = timedelta()
    server = ImagegenServer(from_environment(environment), local=True, now=lambda: datetime.now(UTC) + passed)
    async with Client(server) as client:
        thread_id = await thread_of_two(client)
        await go_on(client, thread_id, "in green")
        tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
        upstream.forget()
        passed = timedelta(days=31)
        await go_on(client, thread_id, "in red", history=history)
        count = len(asked(upstream))
        await go_on(client, thread_id, "in snow", history=history, from_image=tree["turns"][1]["images"][0]["image_id"])
        newest = await go_on(client, thread_id, "in fog", history=history)
    assert [by_id(body) for body in asked(upstream)[count:]] == [False, True]
    assert not says_so(newest)


@pytest.mark.parametrize("history", HISTORIES)
async def test_what_came_after_a_dead_id_is_known_again(client: Client, upstream: Upstream, history: str) -> None:
    thread_id = await thread_of_two(client)
    upstream.forget()
    await go_on(client, thread_id, "in green", history=history)
    answer = await go_on(client, thread_id, "in red", history=history)
    assert by_id(asked(upstream)[-1])
    assert not says_so(answer)


@pytest.mark.parametrize("history", HISTORIES)
async def test_with_store_off_the_saved_image_is_sent_and_the_answer_says_so(
    environment: dict[str, str], upstream: Upstream, history: str
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_STORE": "off"}) as client:
        thread_id = await thread_of_two(client)
        third = await go_on(client, thread_id, "in green", history=history)
    assert [by_id(body) for body in asked(upstream)] == [False, False]
    assert any("MCP_IMAGEGEN_STORE=off" in warning for warning in third["warnings"])


async def test_what_was_made_with_store_off_is_not_asked_for_by_its_id_later(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_STORE": "off"}) as client:
        thread_id = await thread_of_two(client)
    async with client_of(environment) as client:
        answers = [await go_on(client, thread_id, f"in {colour}") for colour in ("green", "red")]
    assert [by_id(body) for body in asked(upstream)] == [False, False, True], "what is stored again has an id of use"
    assert [says_so(answer) for answer in answers] == [True, False]


@pytest.mark.parametrize("history", HISTORIES)
async def test_ids_of_another_organization_cost_one_more_request_once(
    environment: dict[str, str], history: str
) -> None:
    """With another key they are tried, since it may be a new one of the same organization."""
    sandbox = Sandbox()  # each key is an organization of its own
    async with running(sandbox.app) as url:
        there = {**environment, "OPENAI_BASE_URL": url}
        async with client_of(there) as client:
            thread_id = await thread_of_two(client)
            tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
        theirs, before = tree["turns"][1]["images"][0]["image_id"], len(sandbox.requests)
        async with client_of({**there, "OPENAI_API_KEY": "sk-of-another-organization"}) as client:
            answers = [await go_on(client, thread_id, f"in {it}", history=history, from_image=theirs) for it in "ab"]
            own = await go_on(client, thread_id, "in c", history=history)
    sent = [dict(one.fields) for one in sandbox.requests[before:] if f"{one.method} {one.path}" == RESPONSE]
    assert [by_id(body) for body in sent] == [True, False, False, True]
    assert [says_so(answer) for answer in (*answers, own)] == [True, True, False]


@pytest.mark.parametrize("history", HISTORIES)
async def test_an_organization_without_retention_goes_on_from_the_saved_image(
    environment: dict[str, str], history: str
) -> None:
    sandbox = Sandbox()  # each key is an organization of its own; such a one keeps nothing
    async with running(sandbox.app) as url:
        keyed = {**environment, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-zdr-0123456789"}
        async with client_of(keyed) as client:
            thread_id = await thread_of_two(client)
            third = await go_on(client, thread_id, "in green", history=history)
            fourth = await go_on(client, thread_id, "in red", history=history)
    sent = [one for one in sandbox.requests if f"{one.method} {one.path}" == RESPONSE]
    assert [answer["status"] for answer in (third, fourth)] == ["completed"] * 2
    assert says_so(third)
    assert len(sent) <= 5, "at most one more request a turn"


@pytest.mark.parametrize("history", HISTORIES)
async def test_every_prompt_is_sent_exactly_once(client: Client, upstream: Upstream, history: str) -> None:
    thread_id = await thread_of_two(client)
    for colour in ("green", "red"):
        await go_on(client, thread_id, f"in {colour}", history=history)
    sent = json.dumps(asked(upstream))
    assert [sent.count(f"in {colour}") for colour in ("blue", "green", "red")] == [1, 1, 1]


async def test_from_a_turn_of_the_image_api_the_saved_image_is_sent_without_a_warning(
    client: Client, upstream: Upstream
) -> None:
    first = await call(client, "generate_image", **START)
    second = await go_on(client, first["thread_id"], "in blue")
    (body,) = asked(upstream)
    assert [part["type"] for part in body["input"][0]["content"]] == ["input_text", "input_image"]
    assert not says_so(second)


async def test_two_branches_at_once_are_two_turns(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
    starts = [turn["images"][0]["image_id"] for turn in tree["turns"]]
    prompts = ["at night", "in snow", "in fog", "at dawn"]
    branches = [
        go_on(client, thread_id, prompt, from_image=start) for prompt, start in zip(prompts, starts * 2, strict=True)
    ]
    answers = await asyncio.gather(*branches)
    tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
    assert sorted(answer["turn"] for answer in answers) == [3, 4, 5, 6]
    recorded = {turn["prompt"]: (turn["from_image"], turn["images"]) for turn in tree["turns"][2:]}
    for prompt, start, answer in zip(prompts, starts * 2, answers, strict=True):
        assert recorded[prompt] == (start, answer["images"])


async def test_model_size_and_quality_may_change_between_turns(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    third = await call(
        client, "continue_image_thread", thread_id=thread_id, prompt="wider", model="gpt-image-2.5-flare",
        size="1536x1024", quality="medium",
    )  # fmt: skip
    fourth = await call(client, "continue_image_thread", thread_id=thread_id, prompt="again", size="1024x1536")
    assert [third["model"], third["size"], third["quality"]] == ["gpt-image-2.5-flare", "1536x1024", "medium"]
    assert [image["width"] for image in third["images"]] == [1536]
    assert fourth["model"] == "gpt-image-2.5-flare", "the thread stays with the model that it was last drawn by"


async def test_a_turn_that_came_back_as_text_is_kept_and_answered(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    said = await go_on(client, thread_id, "sandbox:text-only make it prettier")
    answered = await go_on(client, thread_id, "with flowers")
    tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
    assert [said["status"], answered["status"]] == ["text_only", "completed"]
    assert tree["turns"][2]["text"] == said["text"]
    assert tree["turns"][3]["from_image"] == tree["turns"][2]["from_image"]
    body = asked(upstream)[-1]
    assert body["previous_response_id"].startswith("resp_")
    assert "prettier" not in json.dumps(body), "the chain holds what was said"
    assert any("answers it" in warning for warning in answered["warnings"])


async def test_a_text_that_the_api_has_forgotten_is_told_in_words(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    said = await go_on(client, thread_id, "sandbox:text-only make it prettier")
    upstream.forget()
    refused = {"thread_id": thread_id, "prompt": "sandbox:moderation with weeds", "quality": "low"}
    assert (await refusal(client, "continue_image_thread", **refused)).startswith("moderation_blocked: ")
    answered = await go_on(client, thread_id, "with flowers")
    assert [by_id(body) for body in asked(upstream)[-3:]] == [True, False, False], "it is asked for by its id once"
    first, second, third = asked(upstream)[-1]["input"]
    assert [first["role"], second["role"], third["role"]] == ["user", "assistant", "user"]
    assert "make it prettier" in first["content"]
    assert second["content"] == said["text"]
    assert [part["type"] for part in third["content"]] == ["input_text", "input_image"]
    assert answered["status"] == "completed"


async def test_a_text_is_answered_on_its_own_branch_whatever_came_on_others(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    [old, new] = [
        turn["images"][0]["image_id"]
        for turn in (await call(client, "get_image_thread", thread_id=thread_id))["thread"]["turns"]
    ]
    await go_on(client, thread_id, "sandbox:text-only make it prettier", from_image=old)
    await go_on(client, thread_id, "in red", from_image=new)
    answered = await go_on(client, thread_id, "with flowers", from_image=old)
    assert "turn 3 came back as text; this answers it" in answered["warnings"]
    assert asked(upstream)[-1]["previous_response_id"].startswith("resp_")
    anew = await go_on(client, thread_id, "in blue", from_image=old)
    assert not [said for said in anew["warnings"] if "text" in said]
    assert "previous_response_id" not in asked(upstream)[-1]


async def test_a_thread_that_began_with_words_alone_is_answered(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_API": "responses"}) as client:
        said = await call(client, "generate_image", **{**START, "prompt": "sandbox:text-only something nice"})
        answered = await go_on(client, said["thread_id"], "a kettle, then")
        tree = (await call(client, "get_image_thread", thread_id=said["thread_id"]))["thread"]
    body = asked(upstream)[-1]
    assert [said["status"], answered["status"]] == ["text_only", "completed"]
    assert body["previous_response_id"].startswith("resp_")
    assert [part["type"] for part in body["input"][0]["content"]] == ["input_text"]
    assert "from_image" not in tree["turns"][1]


async def test_of_words_alone_that_are_not_kept_it_is_told_that_words_were_sent(
    environment: dict[str, str], upstream: Upstream
) -> None:
    words = {**START, "prompt": "sandbox:text-only something nice"}
    async with client_of({**environment, "MCP_IMAGEGEN_API": "responses"}) as client:
        forgotten = await call(client, "generate_image", **words)
        upstream.forget()
        tried = await go_on(client, forgotten["thread_id"], "sandbox:text-only a kettle, then")
    async with client_of({**environment, "MCP_IMAGEGEN_API": "responses", "MCP_IMAGEGEN_STORE": "off"}) as client:
        off = await go_on(client, forgotten["thread_id"], "with flowers")
    assert [any("words" in warning for warning in answer["warnings"]) for answer in (tried, off)] == [True, True]
    assert [says_so(answer) for answer in (tried, off)] == [False, False]
    assert "something nice" in json.dumps(asked(upstream)[-1])


async def test_a_refused_answer_to_a_text_leaves_the_text_to_be_answered(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    await go_on(client, thread_id, "sandbox:text-only make it prettier")
    refused = await client.call_tool(
        "continue_image_thread", {"thread_id": thread_id, "prompt": "sandbox:moderation no", "quality": "low"}
    )
    answered = await go_on(client, thread_id, "with flowers")
    _, tried, sent = asked(upstream)[-3:]
    assert refused.is_error
    assert sent["previous_response_id"] == tried["previous_response_id"]
    assert answered["status"] == "completed"


async def test_a_refused_answer_leaves_a_thread_of_words_alone_to_be_answered(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_API": "responses"}) as client:
        said = await call(client, "generate_image", **{**START, "prompt": "sandbox:text-only something nice"})
        refused = await client.call_tool(
            "continue_image_thread", {"thread_id": said["thread_id"], "prompt": "sandbox:moderation no"}
        )
        answered = await go_on(client, said["thread_id"], "a kettle, then")
    assert refused.is_error
    assert asked(upstream)[-1]["previous_response_id"] == asked(upstream)[-2]["previous_response_id"]
    assert any("turn 1 came back as text" in warning for warning in answered["warnings"])


@pytest.mark.parametrize("kind", ["gif", "svg"])
async def test_a_forgotten_picture_of_a_kind_that_cannot_be_sent_is_converted_or_refused(
    client: Client, upstream: Upstream, kind: str
) -> None:
    thread_id = await thread_of_two(client)
    await go_on(client, thread_id, "as a drawing", output_format=kind, model="gpt-image-2.5-sunburst")
    upstream.forget()
    after = await client.call_tool(
        "continue_image_thread", {"thread_id": thread_id, "prompt": "in green", "quality": "low"}
    )
    if kind == "svg":
        assert text_of(after).startswith("input_rejected: ")
        assert "from_image" in text_of(after)
        assert "billed" not in text_of(after)
        assert "was sent" not in text_of(after)
    else:
        facts = after.structured_content or {}
        assert facts["status"] == "completed"
        assert any("first frame" in warning for warning in facts["warnings"])


async def test_a_failed_turn_leaves_the_thread_where_it_was(client: Client, upstream: Upstream) -> None:
    thread_id = await thread_of_two(client)
    failed = await client.call_tool(
        "continue_image_thread", {"thread_id": thread_id, "prompt": "sandbox:moderation no", "quality": "low"}
    )
    after = await go_on(client, thread_id, "in green")
    tree = (await call(client, "get_image_thread", thread_id=thread_id))["thread"]
    assert failed.is_error
    assert tree["turns"][3]["from_image"] == tree["turns"][1]["images"][0]["image_id"]
    assert any("turn 3 made no image" in warning for warning in after["warnings"])
