"""Above a price the user is asked, through the client, before anything is reserved or sent."""

import asyncio
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import DOORS, Era, Transport, call, client_of, refusal, text_of
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.types import (
    METHOD_NOT_FOUND,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
)
from pictures import png, saved
from state_file import rows

from mcp_imagegen.operations import Caller
from mcp_imagegen.pricing.amounts import shown
from mcp_imagegen.server.backend import LazyBackend
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


@pytest.mark.parametrize(
    ("transport", "era", "said"),
    [
        (*door, said)
        for door in ASKABLE[:4]
        for said in ("no", "decline", "cancel")
        if door[0] == "memory" or said == "no"
    ],
)
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
    options = {**svg, **ASK, "output_format": "png", "extra": {"complexity": "low"}}
    async with client_of(asking, elicitation_callback=user) as client:
        await client.call_tool("generate_image", svg)
        await client.call_tool("generate_image", options)
        expected = (await call(client, "estimate_cost", **options))["expected_usd"]
    async with client_of(asking) as client:
        said = await refusal(client, "generate_image", **options)
    about = f"This costs about {shown(round(expected * 10**9))} or more. Nothing bounds what this could cost: what comp"
    assert "? Nothing bounds what this could cost: how OpenAI bills svg" in user.questions[0]
    assert f"? {about}" in user.questions[1]
    assert said.startswith(f"confirmation_declined: {about}")
    assert "To fix: make the call without complexity: that would cost about" in said
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
text_input = "{text_input}"
cached_text = 125
image_input = 800
cached_image = 200
image_output = "{image_output}"
tokens = "gpt-image-2"
checked = 2026-11-20
valid_from = {day}
source = "a test"
"""


DEAR = ("500", "3000")
LITTLE_DEARER = ("5.107", "29.992")  # the highest price alone rises, and by too little to be shown


@pytest.mark.parametrize(("era", "rates"), [("modern", DEAR), ("legacy", DEAR), ("modern", LITTLE_DEARER)])
async def test_a_yes_counts_for_the_price_that_was_shown(
    asking: dict[str, str], upstream: Upstream, era: Era, rates: tuple[str, str]
) -> None:
    """The price rises while the user thinks."""
    today = datetime.now(UTC)
    clock = [today]
    home = Path(asking["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    row = DEARER.format(day=(today + timedelta(days=1)).date(), text_input=rates[0], image_output=rates[1])
    (home / "prices.toml").write_text(row)
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
    assert (questions[0] != questions[1]) == (rates == DEAR)
    assert upstream.seen == []


async def asked(client: Client, **more: Any) -> InputRequiredResult:
    """The question to a call, as a client of the modern era gets it."""
    result = await client.session.call_tool("generate_image", {**ASK, **more}, allow_input_required=True)
    assert isinstance(result, InputRequiredResult)
    return result


async def answered(
    client: Client, state: str | None, said: str = "yes", **more: Any
) -> CallToolResult | InputRequiredResult:
    """The call repeated with an answer to the question that is sealed in `state`."""
    return await client.session.call_tool(
        "generate_image",
        {**ASK, **more},
        input_responses={"cost": ANSWERS[said]},
        request_state=state,
        allow_input_required=True,
    )


async def test_an_answer_counts_once(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as client:
        state = (await asked(client)).request_state
        first = await answered(client, state)
        again = await answered(client, state)
        assert isinstance(first, CallToolResult)
        assert not first.is_error
        assert isinstance(again, InputRequiredResult)
        assert isinstance(await answered(client, again.request_state), CallToolResult)
    assert len(upstream.seen) == 2


async def test_of_one_answer_given_many_times_at_once_one_counts(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as client:
        state = (await asked(client)).request_state
        results = await asyncio.gather(*(answered(client, state) for _ in range(5)))
    assert sum(isinstance(result, CallToolResult) for result in results) == 1
    assert len(upstream.seen) == 1


async def test_a_no_cannot_be_made_a_yes(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as client:
        state = (await asked(client)).request_state
        declined = await answered(client, state, "decline")
        assert isinstance(declined, CallToolResult)
        assert text_of(declined).startswith("confirmation_declined: ")
        assert isinstance(await answered(client, state), InputRequiredResult)
    assert upstream.seen == []


async def test_an_answer_counts_for_the_call_that_was_asked_about(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as client:
        state = (await asked(client)).request_state
        for other in ({"quality": "medium"}, {"prompt": "another mill"}, {"n": 2}, {"output_format": "webp"}):
            with pytest.raises(MCPError, match="requestState"):
                await answered(client, state, **other)
    assert upstream.seen == []
    assert reserved(asking) == []


async def test_an_answer_without_its_question_is_none(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as client:
        assert isinstance(await answered(client, None), InputRequiredResult)
        state = (await asked(client)).request_state or ""
        middle = len(state) // 2
        altered = f"{state[:middle]}{'A' if state[middle] != 'A' else 'B'}{state[middle + 1 :]}"
        for forged in (altered, state[:-1], "v1.AAAA", "yes"):
            with pytest.raises(MCPError, match="requestState"):
                await answered(client, forged)
    assert upstream.seen == []


async def test_an_answer_to_another_servers_question_is_none(asking: dict[str, str], upstream: Upstream) -> None:
    async with client_of(asking, elicitation_callback=User("no")) as one:
        state = (await asked(one)).request_state
        async with client_of(asking, elicitation_callback=User("no")) as other:
            with pytest.raises(MCPError, match="requestState"):
                await answered(other, state)
    assert upstream.seen == []


Change = Callable[[pytest.MonkeyPatch], None]


def much_later(patch: pytest.MonkeyPatch) -> None:
    """The SDK lets a question expire after ten minutes."""
    later = time.time() + 601
    patch.setattr("mcp.server.request_state.time.time", lambda: later)


def by_somebody_else(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(LazyBackend, "caller", lambda *_: Caller("somebody else"))


@pytest.mark.parametrize(("changed", "expired"), [(much_later, True), (by_somebody_else, False)])
async def test_an_answer_that_comes_too_late_or_of_another_caller_is_none(
    asking: dict[str, str], upstream: Upstream, monkeypatch: pytest.MonkeyPatch, changed: Change, expired: bool
) -> None:
    refused: Any = pytest.raises(MCPError, match="requestState") if expired else nullcontext()
    async with client_of(asking, elicitation_callback=User("no")) as client:
        state = (await asked(client)).request_state
        with refused, monkeypatch.context() as patch:
            changed(patch)
            assert isinstance(await answered(client, state), InputRequiredResult)
    assert upstream.seen == []


@pytest.mark.parametrize(("below", "questions"), [(0, 0), (1, 1)])
async def test_a_price_at_the_limit_is_not_above_it(
    environment: dict[str, str], upstream: Upstream, below: int, questions: int
) -> None:
    """To the last of 10^-9 USD."""
    async with client_of(environment) as client:
        price = round((await call(client, "estimate_cost", **ASK))["high_usd"] * 10**9)
    user = User("yes")
    limit = {"MCP_IMAGEGEN_CONFIRM_ABOVE_USD": f"{(price - below) / 10**9:.9f}"}
    async with client_of({**environment, **limit}, elicitation_callback=user) as client:
        await call(client, "generate_image", **ASK)
    assert len(user.questions) == questions


async def test_the_question_says_what_is_made_of_what(asking: dict[str, str], upstream: Upstream, work: Path) -> None:
    user, images = User("yes"), [saved(work / f"{name}.png", png((64, 64))) for name in "ab"]
    async with client_of(asking, elicitation_callback=user) as client:
        made = await call(client, "edit_image", **{**ASK, "n": 2, "output_format": "webp"}, images=images)
        user.answer = ANSWERS["no"]
        more = {"images": images[:1], "history": "full", "partial_images": 1}
        await refusal(client, "continue_image_thread", thread_id=made["thread_id"], prompt="in blue", **more)
    edit, turn = user.questions
    assert edit.startswith("Edit to 2 images (gpt-image-2, size 1024x640, quality low, webp, 2 input images)? ")
    of = f"1 input image, with the whole conversation, thread {made['thread_id'][:12]}"
    assert turn.startswith(
        f"Continue a thread with an image (gpt-image-2, size auto, quality auto, png, 1 partial image, {of})? "
    )


async def test_nothing_in_a_prompt_or_a_name_steers_the_dialog_and_the_prompt_is_sent_as_it_is(
    asking: dict[str, str], upstream: Upstream
) -> None:
    steering = "\x1b[2J\x07\u202e\u2066\u2069\u202c"
    user, ask = User("yes"), {**ASK, "prompt": f"a{steering}mill ✓", "model": f"acme{steering}draw"}
    async with client_of(asking, elicitation_callback=user) as client:
        await client.call_tool("generate_image", ask)
    (sent,) = upstream.asked
    assert sent.fields["prompt"] == ask["prompt"]
    (question,) = user.questions
    assert question.endswith("Prompt: a [2J mill ✓")
    assert "(acme [2J draw, size 1024x640," in question
    assert "no price of acme [2J draw is known" in question


async def test_a_client_that_the_transport_cannot_ask_is_told_so(asking: dict[str, str], upstream: Upstream) -> None:
    """It could ask its user, so that it would be wrong to say that it cannot."""
    user = User("yes")
    async with client_of(asking, "http", "legacy", elicitation_callback=user) as client:
        said = await refusal(client, "generate_image", **ASK)
    assert "over HTTP the server cannot ask a client of a handshake revision" in said
    assert "this client cannot ask" not in said
    assert user.questions == []
    assert upstream.seen == []


OTHER_FORMS: list[Any] = [
    None,
    {},
    *({"proceed": said} for said in ("false", "maybe", "true", "yes", "on", "1", 1, 1.0)),
]


@pytest.mark.parametrize("content", OTHER_FORMS, ids=repr)
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_yes_in_another_form_is_none(
    asking: dict[str, str], upstream: Upstream, era: Era, content: dict[str, Any] | None
) -> None:
    user = User("yes")
    user.answer = ElicitResult(action="accept", content=content)
    async with client_of(asking, "memory", era, elicitation_callback=user) as client:
        assert (await refusal(client, "generate_image", **ASK)).startswith("confirmation_declined: ")
    assert len(user.questions) == 1
    assert upstream.seen == []
    assert reserved(asking) == []


async def no_method(context: ClientRequestContext, params: ElicitRequestParams) -> ErrorData:
    return ErrorData(code=METHOD_NOT_FOUND, message="Method not found")


async def crashing(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    raise RuntimeError("the dialogue is broken")


@pytest.mark.parametrize("user", [no_method, crashing])
async def test_a_client_of_the_handshake_era_whose_dialogue_fails_cannot_ask(
    asking: dict[str, str], upstream: Upstream, user: Any
) -> None:
    async with client_of(asking, "memory", "legacy", elicitation_callback=user) as client:
        said = await refusal(client, "generate_image", **ASK)
    assert said.startswith("confirmation_declined: ")
    assert "this client answered the question to its user with an error" in said
    assert "max_cost_usd=" in said
    assert upstream.seen == []
    wished = {**asking, "MCP_IMAGEGEN_CONFIRM": "when_possible"}
    async with client_of(wished, "memory", "legacy", elicitation_callback=user) as client:
        assert (await call(client, "generate_image", **ASK))["status"] == "completed"
