"""How many requests a continuation costs in a server that knows nothing of its provider yet, and the one after it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doors import call, client_of
from openai_bodies import error, image_call, response
from stand_in import Said, StandIn, picture, standing_in

ASK = {"prompt": "a cat", "size": "1024x640", "quality": "low"}
ZERO = "This is not available to organizations with Zero Data Retention."
PLAIN = error("Background mode is not available to your organization.", "unsupported_parameter", param="background")
SPOKEN = error(f"Background mode cannot be used: {ZERO}", "unsupported_parameter", param="background")
NO_STORE = error("Background mode requires store=true.", "unsupported_parameter", param="background")
NOT_FOUND = error("Item with id 'ig_1' not found. Items are not persisted when `store` is set to false.", param="input")
NO_IDS = error(f"Earlier responses cannot be used. {ZERO}", "invalid_request_error")
DONE = response(image_call(picture()))


@dataclass(frozen=True)
class Account:
    """What a provider refuses the background and ids with (None: it takes them), which of the two it looks at first,
    and how many requests each of two continuations makes."""

    requests: tuple[int, int]
    background: dict[str, Any] | None = None
    ids: dict[str, Any] | None = None
    ids_first: bool = False
    store: str = "on"
    history: str = "image"

    def answer(self, body: dict[str, Any]) -> Said:
        refusals = [self.background if body.get("background") else None, self.ids if named(body) else None]
        refused = next(filter(None, refusals[::-1] if self.ids_first else refusals), None)
        return Said(DONE) if refused is None else Said(refused, 400)


ACCOUNTS = {
    "it knows all": Account((1, 1)),
    "ids are gone": Account((2, 2), ids=NOT_FOUND),
    "no background": Account((2, 1), PLAIN),
    "no background, and ids are gone": Account((3, 2), PLAIN, NOT_FOUND),
    "no background for want of a store, and ids are gone": Account((2, 1), NO_STORE, NOT_FOUND),
    "no background without retention, and ids are gone": Account((2, 1), SPOKEN, NOT_FOUND),
    "no background without retention, and ids are not looked at": Account((2, 1), SPOKEN),
    "no retention": Account((2, 1), ids=NO_IDS),
    "no retention, no background": Account((2, 1), SPOKEN, NO_IDS),
    "no retention, no background, ids first": Account((2, 2), SPOKEN, NO_IDS, ids_first=True),
    "no retention, by the whole conversation": Account((2, 1), ids=NO_IDS, history="full"),
    "no retention, no background, by the whole conversation": Account((2, 1), SPOKEN, NO_IDS, history="full"),
    "store off": Account((1, 1), ids=NO_IDS, store="off"),
    "store off, no background": Account((1, 1), SPOKEN, NO_IDS, store="off"),
}


def named(body: dict[str, Any]) -> bool:
    return "previous_response_id" in body or body["input"][0].get("type") == "image_generation_call"


@pytest.mark.parametrize("name", ACCOUNTS)
async def test_a_continuation_costs_as_few_requests_as_can_be_known(tmp_path: Path, name: str) -> None:
    account = ACCOUNTS[name]
    async with standing_in(Said(DONE)) as provider:
        known = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai",
            MCP_IMAGEGEN_HOME=str(tmp_path),
            MCP_IMAGEGEN_API="responses",
            MCP_IMAGEGEN_STORE=account.store,
        )
        async with client_of(known) as client:
            made = await call(client, "generate_image", **ASK)
        answering(provider, account)
        counts, statuses = [], []
        async with client_of(known) as client:
            for colour in ("red", "green"):
                provider.seen.clear()
                more = {"thread_id": made["thread_id"], "prompt": colour, "history": account.history}
                statuses.append((await call(client, "continue_image_thread", quality="low", **more))["status"])
                counts.append(len(provider.seen))
    assert (tuple(counts), statuses) == (account.requests, ["completed"] * 2)


def answering(provider: StandIn, account: Account) -> None:
    """Let it answer as this account's provider does."""

    def look() -> None:
        provider.answers = [account.answer(provider.seen[-1][1])]

    provider.meanwhile = look


async def test_the_background_is_not_given_up_where_only_ids_are_refused(tmp_path: Path) -> None:
    account = ACCOUNTS["no retention"]
    async with standing_in(Said(DONE)) as provider:
        known = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses"
        )
        async with client_of(known) as client:
            made = await call(client, "generate_image", **ASK)
            answering(provider, account)
            for colour in ("red", "green"):
                await call(client, "continue_image_thread", thread_id=made["thread_id"], prompt=colour, quality="low")
    assert [(body.get("background"), named(body)) for _, body in provider.seen] == [
        (True, False),
        (True, True),
        (None, False),  # which is the last in its call, and so risks nothing
        (True, False),
    ]


async def test_a_thread_remembers_over_restarts_that_nothing_is_kept(tmp_path: Path) -> None:
    """Neither what was made before that was known nor what is made since; another account is asked again."""
    async with standing_in(Said(DONE)) as provider:
        known = provider.environment(
            MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API="responses"
        )
        async with client_of(known) as client:
            made = await call(client, "generate_image", **ASK)
        asked = {"thread_id": made["thread_id"], "prompt": "red", "quality": "low"}
        answering(provider, ACCOUNTS["no retention"])
        counts = []
        for more in ({}, {}, {"history": "full"}, {"from_image": made["images"][0]["image_id"]}, {}):
            provider.seen.clear()
            async with client_of(known) as client:
                await call(client, "continue_image_thread", **asked, **more)
            counts.append(len(provider.seen))
        provider.seen.clear()
        async with client_of({**known, "OPENAI_PROJECT_ID": "proj_other"}) as client:
            for _ in range(2):
                await call(client, "continue_image_thread", **asked)
    assert counts == [2, 1, 1, 1, 1]
    assert [named(body) for _, body in provider.seen] == [False, True, False]
