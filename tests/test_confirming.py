"""Above a price the user is asked, through the client, before anything is reserved or sent."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import DOORS, Era, Transport, call, client_of, text_of
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult
from state_file import rows

from mcp_imagegen.server.imagegen import ImagegenServer
from mcp_imagegen.settings import from_environment

ASK = {"prompt": "a mill", "size": "1024x640", "quality": "low"}
ANSWERS: dict[str, ElicitResult] = {
    "yes": ElicitResult(action="accept", content={"proceed": True}),
    "no": ElicitResult(action="accept", content={"proceed": False}),
    "decline": ElicitResult(action="decline"),
    "cancel": ElicitResult(action="cancel"),
}
ASKABLE = [door for door in DOORS if door != ("http", "legacy")]  # stateless: there is no way back to that client


class User:
    """Answers what it is asked, and remembers the questions."""

    def __init__(self, answer: str) -> None:
        self.answer = ANSWERS[answer]
        self.questions: list[str] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.questions.append(params.message)
        return self.answer


@pytest.fixture
def asking(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "0.0001"}


def reserved(environment: dict[str, str]) -> list[dict[str, Any]]:
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    return rows(home, "SELECT * FROM ledger_entries") if (home / "imagegen.sqlite3").exists() else []


@pytest.mark.parametrize(("transport", "era"), ASKABLE)
async def test_a_user_who_agrees_gets_the_picture(
    asking: dict[str, str], upstream: Upstream, transport: Transport, era: Era
) -> None:
    user = User("yes")
    async with client_of(asking, transport, era, elicitation_callback=user) as client:
        price = await call(client, "estimate_cost", **ASK)
        answer = await call(client, "generate_image", **ASK)
    assert answer["status"] == "completed"
    assert len(upstream.seen) == 1
    (question,) = user.questions
    assert f"${price['high_usd']:.4f}"[:6] in question
    assert "a mill" in question


@pytest.mark.parametrize("said", ["no", "decline", "cancel"])
@pytest.mark.parametrize(("transport", "era"), ASKABLE[:4])
async def test_a_user_who_does_not_agree_pays_nothing(
    asking: dict[str, str], upstream: Upstream, transport: Transport, era: Era, said: str
) -> None:
    user = User(said)
    async with client_of(asking, transport, era, elicitation_callback=user) as client:
        answer = await client.call_tool("generate_image", ASK)
    assert answer.is_error
    assert text_of(answer).startswith("confirmation_declined: ")
    assert len(user.questions) == 1
    assert upstream.seen == []
    assert reserved(asking) == []


@pytest.mark.parametrize(("transport", "era"), DOORS)
async def test_a_client_that_cannot_ask_is_told_what_to_do(
    asking: dict[str, str], upstream: Upstream, transport: Transport, era: Era
) -> None:
    async with client_of(asking, transport, era) as client:
        refused = await client.call_tool("generate_image", ASK)
    assert text_of(refused).startswith("confirmation_declined: ")
    assert "MCP_IMAGEGEN_CONFIRM_ABOVE_USD" in text_of(refused)
    assert "max_cost_usd=" in text_of(refused)
    assert upstream.seen == []
    assert reserved(asking) == []


async def test_what_a_client_that_cannot_ask_is_told_works(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking) as client:
        refused = text_of(await client.call_tool("generate_image", ASK))
        limit = float(refused.split("max_cost_usd=")[1].split()[0])
        answer = await call(client, "generate_image", **ASK, max_cost_usd=limit)
    assert answer["status"] == "completed"


async def test_where_it_is_only_wished_a_client_that_cannot_ask_goes_on(
    asking: dict[str, str], upstream: Upstream
) -> None:
    async with client_of({**asking, "MCP_IMAGEGEN_CONFIRM": "when_possible"}) as client:
        answer = await call(client, "generate_image", **ASK)
    assert answer["status"] == "completed"


async def test_a_limit_that_covers_the_price_counts_as_a_yes(asking: dict[str, str], upstream: Upstream) -> None:
    user = User("no")
    async with client_of(asking, elicitation_callback=user) as client:
        answer = await call(client, "generate_image", **ASK, max_cost_usd=1)
    assert answer["status"] == "completed"
    assert user.questions == []


async def test_below_the_price_nobody_is_asked(environment: dict[str, str], upstream: Upstream) -> None:
    user = User("no")
    asking = {**environment, "MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "1"}
    async with client_of(asking, elicitation_callback=user) as client:
        answer = await call(client, "generate_image", **ASK)
    assert answer["status"] == "completed"
    assert user.questions == []


async def test_a_price_that_nothing_bounds_is_asked_about(environment: dict[str, str], upstream: Upstream) -> None:
    user = User("decline")
    asking = {**environment, "MCP_IMAGEGEN_CONFIRM_ABOVE_USD": "1000"}
    svg = {"prompt": "a mill", "model": "gpt-image-2.5-sunburst", "output_format": "svg"}
    async with client_of(asking, elicitation_callback=user) as client:
        await client.call_tool("generate_image", svg)
    assert "Nothing bounds what this could cost" in user.questions[0]
    assert upstream.seen == []


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_every_call_is_asked_about_anew(asking: dict[str, str], upstream: Upstream, era: Era) -> None:
    user = User("yes")
    async with client_of(asking, "memory", era, elicitation_callback=user) as client:
        await call(client, "generate_image", **ASK)
        await call(client, "generate_image", **{**ASK, "quality": "medium"})
    assert len(user.questions) == 2
    assert user.questions[0] != user.questions[1]


async def test_a_call_that_is_joined_is_not_asked_about(asking: dict[str, str], upstream: Upstream) -> None:
    user = User("yes")
    async with client_of({**asking, "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}, elicitation_callback=user) as client:
        upstream.open.clear()
        await call(client, "generate_image", **ASK)
        again = await call(client, "generate_image", **ASK)
        upstream.open.set()
    assert again["reused"]
    assert len(user.questions) == 1


DEARER = """
[[image]]
models = ["gpt-image-2"]
text_input = 500
cached_text = 125
image_input = 800
cached_image = 200
image_output = 3000
tokens = "gpt-image-2"
checked = 2026-11-20
valid_from = {day}
source = "a test"
"""


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_yes_counts_for_the_price_that_was_shown(asking: dict[str, str], upstream: Upstream, era: Era) -> None:
    """The price rises while the user thinks."""
    today = datetime.now(UTC)
    clock = [today]
    home = Path(asking["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    (home / "prices.toml").write_text(DEARER.format(day=(today + timedelta(days=1)).date()))
    questions: list[str] = []

    async def user(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        questions.append(params.message)
        clock[0] = today + timedelta(days=1)
        return ANSWERS["yes"] if len(questions) == 1 else ANSWERS["decline"]

    server = ImagegenServer(from_environment(asking), local=True, now=lambda: clock[0])
    mode: Any = {"mode": "legacy"} if era == "legacy" else {}
    async with Client(server, elicitation_callback=user, **mode) as client:
        answer = await client.call_tool("generate_image", ASK)
    assert text_of(answer).startswith("confirmation_declined: ")
    assert len(questions) == 2
    assert questions[0] != questions[1]
    assert upstream.seen == []


async def test_a_yes_in_another_form_is_none(asking: dict[str, str], upstream: Upstream) -> None:
    async def user(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"proceed": "false"})

    async with client_of(asking, elicitation_callback=user) as client:
        answer = await client.call_tool("generate_image", ASK)
    assert answer.is_error
    assert upstream.seen == []
