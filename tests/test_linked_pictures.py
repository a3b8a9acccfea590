"""A picture behind a link is paid for already: it is asked for until it comes, wherever the link leads by now."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from capture_server import CaptureServer, Reply, capture_server
from doors import client_of, text_of
from mcp.types import CallToolResult
from openai_calls import GENERATE, outcome
from pydantic import SecretStr
from stand_in import KEY, Said, error, picture, standing_in

from mcp_imagegen.errors import FetchBlocked
from mcp_imagegen.inputs.fetch import fetch, plain_hosts
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


async def linked(folder: Path, link: Callable[[str], str], **settings: str) -> tuple[CallToolResult, CaptureServer]:
    """What comes of a link to a server beside the provider; `link` makes it out of that server's port."""
    with capture_server() as other:
        other.replies["/cat.png"] = Reply(picture())
        other.replies["/moved.png"] = Reply(status=302, headers={"location": "/cat.png"})
        url = link(str(httpx2.URL(other.url).port))
        async with standing_in(Said({"data": [{"url": url}]})) as stand_in:
            environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(folder), **settings)
            async with client_of(environment) as client:
                return await client.call_tool("generate_image", dict(ASK)), other


# the link by the port, the hosts that are named, and whether it is followed
PLAIN: dict[str, tuple[str, str, bool]] = {
    "the provider's host at another port": ("http://127.0.0.1:{}/cat.png?sig=hunter2", "", True),
    "moved there": ("http://127.0.0.1:{}/moved.png?sig=hunter2", "", True),
    "another name": ("http://127.1:{}/cat.png?sig=hunter2", "", False),
    "another name that is allowed": ("http://127.1:{}/cat.png?sig=hunter2", "pictures.lan, 127.1", True),
    "a host on the internet that is allowed": ("http://8.8.8.8:{}/cat.png?sig=hunter2", "8.8.8.8", False),
    "with a password": ("http://me:hunter2@127.0.0.1:{}/cat.png", "", False),
}


@pytest.mark.parametrize("case", PLAIN)
async def test_a_link_over_http_is_followed_beside_a_provider_over_http_alone(tmp_path: Path, case: str) -> None:
    link, named, followed = PLAIN[case]
    result, other = await linked(tmp_path, link.format, MCP_IMAGEGEN_FETCH_HOSTS=named)
    text = text_of(result)
    assert "hunter2" not in text
    assert result.is_error != followed, text
    assert bool(other.seen) == followed
    assert [name for request in other.seen for name in request.headers if name.lower() == "authorization"] == []
    if not followed:
        fix = text.splitlines()[1]
        assert urlsplit(link).hostname in fix
        assert ("where only https is fetched" in text) == ("internet" in case)
        assert "/cat.png; MCP_IMAGEGEN_COMPATIBLE_SEND=response_format=b64_json asks" in fix


async def test_openai_itself_links_to_nothing_over_http(tmp_path: Path) -> None:
    result, other = await linked(tmp_path, "http://127.0.0.1:{}/cat.png".format, MCP_IMAGEGEN_PROVIDER="openai")
    assert "not https" in text_of(result)
    assert "COMPATIBLE_SEND" not in text_of(result)
    assert other.seen == []


async def test_nothing_else_leads_to_plain_hosts() -> None:
    """Whoever serves a picture over https may not send on to what lies beside the provider."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        return httpx2.Response(302, headers={"location": "http://192.0.2.7:9/cat.png"})

    async def public(host: str, port: int) -> list[str]:
        return ["93.184.215.14"]

    hosts = plain_hosts("http://192.0.2.7/v1", ())
    transport = httpx2.MockTransport(answer)
    with pytest.raises(FetchBlocked, match="not https"):
        await fetch("https://a.example/1", max_bytes=9, plain_hosts=hosts, resolve=public, transport=transport)
    assert len(asked) == 1
    assert plain_hosts("https://192.0.2.7/v1", ("a.lan",)) == plain_hosts("http://a:b/", ()) == frozenset()
