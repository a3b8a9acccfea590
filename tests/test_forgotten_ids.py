"""However a server says that it does not know an id, the saved image goes instead; and what is no such word is none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from doors import call, client_of, refusal
from mcp import Client
from openai_bodies import call_frame, error, image_call, message, response
from stand_in import GOOD, PICTURE, Said, StandIn, picture, standing_in, streamed

RESPONSES, EDITS = "POST /v1/responses", "POST /v1/images/edits"
SAVED = "the API no longer knows the earlier image by its id, so the saved image was sent"
KNOWN = Said(response(image_call(picture(), "ig_known"), id="resp_known"))
History = Literal["image", "full"]


def no(status: int, message: str, code: str | None = None, param: str | None = None, kind: str = "error") -> Said:
    return Said(error(message, code, kind, param=param), status)


FORGOTTEN: dict[str, Said] = {
    "an item": no(404, "Item 'ig_x' not found.", param="input"),
    "an item by its id": no(400, "Item with id 'ig_x' not found.", param="input"),
    "an item that is none": no(400, "No such item: ig_x", "invalid_value", "input"),
    "an item, by code": no(404, "?", "item_not_found"),
    "an item, by the plainest code": no(400, "Nothing here", "not_found", "input[0].id"),
    "a call": no(400, "The image_generation_call ig_x does not exist or has expired"),
    "a response": no(404, "Response with id 'resp_x' not found.", param="response_id"),
    "a response, by code": no(400, "?", "previous_response_not_found"),
    "a response, by field": no(400, "Invalid value", "invalid_value", "previous_response_id"),
    "a call, by field": no(400, "Invalid value", "invalid_value", "input[0].id"),
    "a call, by field, as FastAPI has it": Said(
        {"detail": [{"loc": ["body", "input", 0, "id"], "msg": "Invalid"}]}, 422
    ),
    "the id itself": no(400, "What is ig_known, or resp_known?"),
    "another organization": no(403, "The item ig_x belongs to another organization."),
    "another project": no(403, "You try to use a different project than that of this response."),
    "no reason": Said({"detail": "Not Found"}, 404),
    "nothing at all": Said(b"", 404),
    "gone": Said(b"", 410),
    "not implemented": Said({"error": "not implemented"}, 501),
    "not implemented, as a server error": no(501, "Not implemented", kind="server_error"),
}
WITHOUT_RETENTION = (
    "Not available to organizations with Zero Data Retention.",
    "Not available: zero-data-retention is on.",
    "This organization is under a ZDR agreement.",
    "Data retention is turned off for this project.",
    "You have no data retention.",
)
NOT_STORED = (
    "It is older than your data retention allows.",
    "What you refer to was not stored.",
    "Earlier turns are not persisted here.",
    "Nothing is kept of earlier turns.",
    "It is no longer retained.",
    "The response store is disabled.",
    "The `store` is not enabled for this project.",
    "Storage is turned off.",
    "It was made with store=false.",
    "It was made with 'store': false.",
    "It was made while `store` was set to false.",
    "This needs store=true.",
)
NO_PATH: dict[str, Said] = {
    "OpenAI": no(404, "Invalid URL (POST /v1/responses)"),
    "Express": Said("<!DOCTYPE html><html><head><title>Cannot POST /v1/responses</title></head></html>", 404),
    "Go": Said("404 page not found", 404),
    "nginx": Said("<html><head><title>404 Not Found</title></head><body>nginx</body></html>", 404),
    "by code": no(404, "no such route", "not_found"),
    "Groq": no(404, "Unknown request URL: POST /v1/responses. Please check the URL for typos", "unknown_url"),
    "by a code alone": no(404, "?", "unknown_url"),
    "not implemented": no(501, "no such endpoint"),
    "unsupported": no(400, "Unsupported endpoint: /v1/responses"),
    "unsupported, by code": no(400, "?", "unsupported_endpoint"),
    "the API": no(400, "Responses API is not supported by this provider"),
    "the API, in other words": no(422, "This provider does not support the Responses API."),
    "the path": no(400, "/v1/responses is not supported."),
    "method": Said({"detail": "Method Not Allowed"}, 405),
}
NO_ID: dict[str, tuple[Said, str]] = {
    "a file": (no(404, "File with id 'file-7' not found."), "input_not_found"),
    "a model": (no(404, "The model `x` does not exist", "model_not_found"), "model_not_found"),
    "scopes": (
        no(403, "Missing scopes: api.responses.write. Check your role in your organization and project."),
        "permission_denied",
    ),
    "a picture's URL": (no(400, "The image URL is not supported."), "upstream_invalid"),
    "a tool of the API": (no(400, "This is not a tool of the Responses API"), "upstream_invalid"),
    "moderation of an item": (no(400, "Item ig_known: content policy"), "moderation_blocked"),
}


@dataclass
class Thread:
    """A thread whose image the provider knows by ids."""

    client: Client
    provider: StandIn
    thread_id: str

    async def go_on(self, history: History = "image", **more: Any) -> dict[str, Any]:
        asked = {"thread_id": self.thread_id, "prompt": "a hat", "quality": "low", "history": history, **more}
        return await call(self.client, "continue_image_thread", **asked)

    def sent(self) -> list[str]:
        """What was asked for since, each with what it named the earlier image by."""
        return [f"{path} {_named(body)}" for path, body in self.provider.seen]


def _named(body: Any) -> str:
    text = str(body)
    return next((name for name in ("ig_known", "resp_known") if name in text), "saved")


@asynccontextmanager
async def thread(folder: Path, *answers: Said, first: str = "responses") -> AsyncIterator[Thread]:
    async with standing_in(KNOWN if first == "responses" else Said(GOOD)) as provider:
        environment = provider.environment(
            MCP_IMAGEGEN_HOME=str(folder), MCP_IMAGEGEN_PROVIDER="compatible", MCP_IMAGEGEN_API=first
        )
        async with client_of(environment) as client:
            made = await call(client, "generate_image", prompt="a cat", quality="low")
            provider.answers, provider.seen = [*answers], []
            yield Thread(client, provider, made["thread_id"])


@pytest.mark.parametrize("history", ["image", "full"])
@pytest.mark.parametrize("name", FORGOTTEN)
async def test_the_saved_image_goes_where_an_id_is_not_known(tmp_path: Path, name: str, history: History) -> None:
    named = "ig_known" if history == "image" else "resp_known"
    async with thread(tmp_path, FORGOTTEN[name], KNOWN) as known:
        second, third = await known.go_on(history), await known.go_on(history)
    assert known.sent() == [f"{RESPONSES} {named}", f"{RESPONSES} saved", f"{RESPONSES} {named}"]
    assert (second["status"], SAVED in second["warnings"]) == ("completed", True)
    assert (third["status"], third["warnings"]) == ("completed", [])


@pytest.mark.parametrize("words", WITHOUT_RETENTION)
async def test_whoever_retains_nothing_is_sent_no_id_again(tmp_path: Path, words: str) -> None:
    async with thread(tmp_path, no(400, words), KNOWN) as known:
        answers = [await known.go_on() for _ in range(2)]
    assert known.sent() == [f"{RESPONSES} ig_known", f"{RESPONSES} saved", f"{RESPONSES} saved"]
    assert [(one["status"], SAVED in one["warnings"]) for one in answers] == [("completed", True)] * 2


async def test_whoever_says_that_something_is_not_stored_does_not_know_its_id(tmp_path: Path) -> None:
    async with thread(tmp_path, *(said for words in NOT_STORED for said in (no(400, words), KNOWN))) as known:
        answers = [await known.go_on() for _ in NOT_STORED]
    assert known.sent() == [f"{RESPONSES} ig_known", f"{RESPONSES} saved"] * len(NOT_STORED)
    assert [(one["status"], SAVED in one["warnings"]) for one in answers] == [("completed", True)] * len(NOT_STORED)


async def test_what_is_in_use_is_asked_for_again_whatever_is_said_of_it(tmp_path: Path) -> None:
    async with thread(tmp_path, no(409, "It is not stored.")) as known:
        text = await refusal(known.client, "continue_image_thread", thread_id=known.thread_id, prompt="a hat")
    assert known.sent() == [f"{RESPONSES} ig_known"] * 3
    assert "busy with something else (409)" in text


async def test_what_is_said_after_work_was_begun_is_not_answered_with_another_request(tmp_path: Path) -> None:
    late = streamed(call_frame(picture(), 0), {"type": "error", "code": "item_not_found", "message": "not found"})
    async with thread(tmp_path, late) as known:
        asked = {"thread_id": known.thread_id, "prompt": "a hat", "quality": "low", "partial_images": 1}
        text = await refusal(known.client, "continue_image_thread", **asked)
    assert known.sent() == [f"{RESPONSES} ig_known"]
    assert "may have been billed" in text


@pytest.mark.parametrize("name", NO_PATH)
async def test_a_path_that_is_not_known_is_asked_for_once(tmp_path: Path, name: str) -> None:
    async with thread(tmp_path, NO_PATH[name], Said(GOOD)) as known:
        await known.go_on()
        await known.go_on()
    assert [line.rpartition(" ")[0] for line in known.sent()] == [RESPONSES, EDITS, EDITS]


UNCLEAR: dict[str, Said] = {
    "no reason": FORGOTTEN["no reason"],
    "a code": no(404, "The requested resource was not found", "not_found"),
    "another code": no(404, "Resource not found", "resource_not_found"),
    "not implemented": FORGOTTEN["not implemented"],
    "not implemented, as a server error": FORGOTTEN["not implemented, as a server error"],
}


@pytest.mark.parametrize("name", UNCLEAR)
async def test_a_missing_path_that_says_nothing_is_found_out_without_the_id(tmp_path: Path, name: str) -> None:
    async with thread(tmp_path, *[UNCLEAR[name]] * 2, Said(GOOD)) as known:
        answer = await known.go_on()
        await known.go_on()
    assert [line.rpartition(" ")[0] for line in known.sent()] == [RESPONSES, RESPONSES, EDITS, EDITS]
    assert answer["status"] == "completed"


async def test_a_code_that_says_what_is_missing_says_nothing_of_the_path(tmp_path: Path) -> None:
    async with thread(tmp_path, no(404, "?", "project_missing"), KNOWN, first="image") as known:
        text = await refusal(known.client, "continue_image_thread", thread_id=known.thread_id, prompt="a hat")
        await known.go_on()
    assert text.startswith("upstream_invalid: ")
    assert known.sent() == [f"{RESPONSES} saved"] * 2


async def test_a_file_that_may_be_what_is_missing_says_nothing_of_the_path(tmp_path: Path) -> None:
    answers = (FORGOTTEN["no reason"], Said(GOOD), KNOWN)
    async with thread(tmp_path, *answers, first="image") as known:
        await known.go_on(images=["file-7"])
        await known.go_on()
    assert [line.rpartition(" ")[0] for line in known.sent()] == [RESPONSES, EDITS, RESPONSES]


@pytest.mark.parametrize("name", NO_ID)
async def test_what_is_not_about_an_id_is_told_as_it_is(tmp_path: Path, name: str) -> None:
    said, code = NO_ID[name]
    async with thread(tmp_path, said) as known:
        text = await refusal(
            known.client, "continue_image_thread", thread_id=known.thread_id, prompt="a hat", quality="low"
        )
        assert known.sent() == [f"{RESPONSES} ig_known"]
    assert text.startswith(f"{code}: ")


NO_ID_SENT = ("an item by its id", "a response, by code", "a call, by field", "another organization", "gone")
SAID_WITHOUT_IDS = [*(FORGOTTEN[name] for name in NO_ID_SENT), *(no(400, it) for it in WITHOUT_RETENTION + NOT_STORED)]


async def test_the_same_words_mean_nothing_where_no_id_was_sent(tmp_path: Path) -> None:
    asked = {"prompt": "a hat", "quality": "low"}
    async with thread(tmp_path, *SAID_WITHOUT_IDS, first="image") as known:
        for _ in SAID_WITHOUT_IDS:
            text = await refusal(known.client, "continue_image_thread", thread_id=known.thread_id, **asked)
            assert text.startswith(("upstream_invalid: ", "permission_denied: "))
            assert "send the saved image" not in text
            assert PICTURE not in text
    assert known.sent() == [f"{RESPONSES} saved"] * len(SAID_WITHOUT_IDS)


async def test_ids_of_one_provider_are_not_sent_to_another(tmp_path: Path) -> None:
    """By neither history, nor in answer to words; and the provider that gave them is sent them afterwards."""
    words = Said(response(message("Which cat?"), id="resp_known"))
    async with thread(tmp_path, words, KNOWN) as known, standing_in(KNOWN) as other:
        await known.go_on()
        tree = (await call(known.client, "get_image_thread", thread_id=known.thread_id))["thread"]
        first = {"from_image": tree["turns"][0]["images"][0]["image_id"]}
        settings = other.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="openai")
        async with client_of(settings) as client:
            there = Thread(client, other, known.thread_id)
            answers = [await there.go_on(), await there.go_on(**first), await there.go_on("full", **first)]
        known.provider.seen.clear()
        await known.go_on(**first)
    assert there.sent() == [f"{RESPONSES} saved"] * 3
    assert "Which cat?" in str(other.seen[0])
    assert [SAVED in answer["warnings"] for answer in answers] == [False] * 3
    assert known.sent() == [f"{RESPONSES} ig_known"]


async def test_the_id_of_words_is_not_sent_to_the_provider_that_made_the_image(tmp_path: Path) -> None:
    words = Said(response(message("Which cat?"), id="resp_of_words"))
    async with thread(tmp_path, KNOWN) as known, standing_in(words) as other:
        settings = other.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="openai")
        async with client_of(settings) as client:
            await Thread(client, other, known.thread_id).go_on()
            await Thread(client, other, known.thread_id).go_on()
        await known.go_on()
    assert ["resp_of_words" in str(body) for _, body in other.seen] == [False, True]
    assert known.sent() == [f"{RESPONSES} saved"]
    assert "Which cat?" in str(known.provider.seen[0])
    assert "resp_of_words" not in str(known.provider.seen[0])
