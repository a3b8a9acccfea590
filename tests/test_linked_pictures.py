"""A picture behind a link is paid for already: it is asked for until it comes, wherever the link leads by now."""

from pathlib import Path
from typing import Any

import pytest
from doors import client_of, text_of
from openai_calls import GENERATE, outcome
from pydantic import SecretStr
from stand_in import KEY, Said, error, picture, standing_in

from mcp_imagegen.errors import FetchBlocked
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import Made

ASK: dict[str, Any] = {"prompt": "a cat", "size": "1024x1024", "quality": "low"}
LINKED = Said({"data": [{"url": "/v1/files/cat.png"}]})
CAT = Said(picture())
FIRST, SECOND = "GET /v1/files/cat.png", "GET /v1/files/dog.png"


def moved(to: str, status: int = 302) -> Said:
    return Said("", status, {"location": to})


# what follows the answer with the link, the requests for it, and how the call ends
CASES: dict[str, tuple[list[Said], list[str], str]] = {
    "at once": ([CAT], [FIRST], "completed"),
    "busy once": ([error(503), CAT], [FIRST, FIRST], "completed"),
    "busy for ever": ([error(503)], [FIRST] * 3, "503"),
    "cut once": ([Said(picture(), upto=20), CAT], [FIRST, FIRST], "completed"),
    "cut for ever": ([Said(picture(), upto=20)], [FIRST] * 3, "ended before its answer did"),
    "gone": ([error(404)], [FIRST], "404"),
    "moved beside it": ([moved("dog.png"), CAT], [FIRST, SECOND], "completed"),
    "moved to a path": ([moved("/v1/files/dog.png", 307), CAT], [FIRST, SECOND], "completed"),
    "moved, then busy": ([moved("dog.png"), error(502), CAT], [FIRST, SECOND, SECOND], "completed"),
    "moved in circles": ([moved("cat.png")], [FIRST] * 4, "redirects more than 3 times"),
    "moved to nowhere": ([moved("http://[::1/dog.png")], [FIRST], "no URL"),
    "moved into the network": ([moved("https://127.0.0.1:9/dog.png")], [FIRST], "the URL names port 9"),
    "moved to http": ([moved("http://example.com/dog.png")], [FIRST], "not https"),
    "moved without a place": ([Said("", 302)], [FIRST], "302"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_linked_picture_is_asked_for_until_it_comes(tmp_path: Path, case: str) -> None:
    answers, requests, end = CASES[case]
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with standing_in(LINKED, *answers) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_PROVIDER="compatible", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            result = await client.call_tool("generate_image", dict(ASK), progress_callback=on_progress)
        assert [path for path, _ in stand_in.seen[1:]] == requests
    again = len([message for message in told if "trying again" in message])
    assert again == len(requests) - len(set(requests)) or "circles" in case, "every wait is announced"
    if end == "completed":
        assert not result.is_error, text_of(result)
    else:
        text = text_of(result)
        assert text.startswith("upstream_invalid: an image was made but could not be fetched: ")
        assert end in text
        assert "This call may have been billed." in text


@pytest.mark.parametrize(("passes", "asked_for"), [(True, 3), (False, 1)])
async def test_a_picture_elsewhere_is_asked_for_again_where_that_may_help(passes: bool, asked_for: int) -> None:
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        if len(asked) == 3:
            return b"one"
        blocked = FetchBlocked("the URL answers 503", "wait")
        blocked.welcome_again = passes
        raise blocked

    async with standing_in(LINKED, moved("https://cdn.example/cat.png")) as stand_in:
        client = OpenAIClient(base_url=stand_in.url, api_key=SecretStr(KEY), trust_env=False, fetch=fetch)
        came, failed = await outcome(client, GENERATE)
        await client.aclose()
    assert asked == ["https://cdn.example/cat.png"] * asked_for
    assert [event.data for event in came if isinstance(event, Made)] == ([b"one"] if passes else [])
    assert (failed is None) == passes
