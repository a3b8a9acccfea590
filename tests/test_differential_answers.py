"""Answers: out of the same bytes our client reads what the official package reads, and a refusal means the same."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace

import openai
import pytest
import pytest_asyncio
from capture_server import Reply
from combinations import Row
from openai_calls import outcome
from readings import read_by_official, read_by_ours
from sandbox_support import SMALL, Connection, connected, mask, painted
from side_by_side import Both, side_by_side
from wordings import asked, words

from mcp_imagegen.openai_api.values import Upload

module_loop = pytest.mark.asyncio(loop_scope="module")

PHOTO = Upload(painted(), "photo.png", "image/png")
HOLE = Upload(mask(), "hole.png", "image/png")
QUICK: Row = {"model": "gpt-image-2", "size": SMALL, "quality": "low", "output_format": "jpeg"}
IMAGE: Row = QUICK | {"prompt": "a mill"}
EDIT: Row = QUICK | {"prompt": "make it autumn", "image": PHOTO}
TURN: Row = QUICK | {"host": "gpt-5.4", "prompt": "a mill"}
STREAMED: Row = {"stream": True, "partial_images": 2}

ANSWERS: dict[str, Row] = {
    "generation of two": IMAGE | {"n": 2},
    "generation of what is not said": {"model": "gpt-image-2", "prompt": "a mill"},
    "generation as SVG": IMAGE | {"output_format": "svg", "svg": {"model": "gpt-5.5"}},
    "generation streamed": IMAGE | STREAMED,
    "edit": EDIT,
    "edit whose usage has text output": EDIT | {"model": "gpt-image-1.5", "size": "1024x1024"},
    "edit streamed": EDIT | STREAMED | {"mask": HOLE},
    "response": TURN,
    "response streamed": TURN | STREAMED,
    "response streamed without frames": TURN | {"stream": True, "partial_images": 0},
    "response in words": TURN | {"prompt": "sandbox:text-only"},
    "response in words, streamed": TURN | STREAMED | {"prompt": "sandbox:text-only"},
}
SITUATIONS = {
    "moderation": "moderation_blocked",
    "rate-limit": "rate_limited",
    "quota": "quota_exhausted",
    "billing-limit": "quota_exhausted",
    "unverified": "organization_unverified",
    "server-error": "upstream_unavailable",
}
REFUSALS: dict[str, tuple[Row, str]] = {
    **{
        f"{kind} of {word}": (call | {"prompt": f"sandbox:{word}"}, code)
        for kind, call in {"generation": IMAGE, "edit": EDIT, "response": TURN}.items()
        for word, code in SITUATIONS.items()
    },
    "generation that breaks off": (IMAGE | STREAMED | {"prompt": "sandbox:stream-error"}, "upstream_unavailable"),
    "edit that breaks off": (EDIT | STREAMED | {"prompt": "sandbox:stream-error"}, "upstream_unavailable"),
    "no such model": (IMAGE | {"model": "gpt-image-9"}, "model_not_found"),
    "a retired model": (IMAGE | {"model": "gpt-image-1"}, "model_not_found"),
    "no such host model": (TURN | {"host": "gpt-9"}, "model_not_found"),
    "a size that is too small": (IMAGE | {"size": "512x512"}, "unsupported_option"),
    "a quality of another model": (IMAGE | {"quality": "max"}, "unsupported_option"),
    "input fidelity of another model": (EDIT | {"input_fidelity": "high"}, "unsupported_option"),
    "transparent JPEG": (IMAGE | {"background": "transparent"}, "unsupported_option"),
    "a mask of another size": (EDIT | {"mask": Upload(mask((64, 64)), "m.png", "image/png")}, "mask_rejected"),
    "no image": (EDIT | {"image": Upload(b"text", "a.png", "image/png")}, "input_rejected"),
    "no such response": (TURN | {"previous_response_id": "resp_9"}, "upstream_invalid"),
    "no such image call": (TURN | {"call_id": "ig_9"}, "upstream_invalid"),
    "an option in the tool": (TURN | {"size": "10x10"}, "unsupported_option"),
}
FAILURES: dict[str, tuple[Row, str]] = {
    "response that breaks off": (TURN | STREAMED | {"prompt": "sandbox:stream-error"}, "upstream_unavailable"),
    "response with a failed call": (TURN | {"prompt": "sandbox:call-failed"}, "moderation_blocked"),
    "response with a failed call, streamed": (
        TURN | STREAMED | {"prompt": "sandbox:call-failed"},
        "moderation_blocked",
    ),
}
FRAMING = {"content-length", "transfer-encoding", "connection", "date", "server"}


@dataclass(frozen=True)
class Stage:
    """A sandbox to have answers of, and two clients to read them."""

    sandbox: Connection
    both: Both

    async def set(self, given: Row) -> None:
        """Both clients will be sent the bytes of the sandbox's answer to this call, in three pieces."""
        with suppress(openai.APIError):
            await read_by_official(await asked(self.sandbox.client, given))
        answer = self.sandbox.last
        headers = {name: value for name, value in answer.headers.items() if name not in FRAMING}
        body, third = bytes(answer.body), len(answer.body) // 3
        self.both.capture.answers(Reply((body[:third], body[third:-9], body[-9:]), answer.status, headers))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with connected(whole=False) as sandbox, side_by_side() as both:
        yield Stage(sandbox, both)


@module_loop
@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_is_read_as_the_official_package_reads_it(stage: Stage, name: str) -> None:
    given = ANSWERS[name]
    await stage.set(given)
    theirs = await read_by_official(await asked(stage.both.official, given))
    came, failed = await outcome(stage.both.ours, words(given))
    assert failed is None
    assert read_by_ours(came) == theirs
    assert len(theirs.pictures) == (0 if "in words" in name else given.get("n", 1))
    assert bool(theirs.frames) == bool(given.get("partial_images") and theirs.pictures)


@module_loop
@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_the_one_that_the_official_package_raises(stage: Stage, name: str) -> None:
    given, code = REFUSALS[name]
    await stage.set(given)
    with pytest.raises(openai.APIError) as raised:
        await read_by_official(await asked(stage.both.official, given))
    _, failed = await outcome(stage.both.ours, words(given))
    assert failed is not None
    assert failed.code == code
    theirs = raised.value
    if isinstance(theirs, openai.APIStatusError):
        assert failed.request_id == theirs.request_id
        wait = theirs.response.headers.get("retry-after-ms")
        assert failed.retry_after_s == (float(wait) / 1000 if wait else None)
    assert isinstance(theirs.body, dict)
    told = theirs.body.get("moderation_details", {}).get("categories") or [theirs.body["message"]]
    assert all(said in failed.sentence for said in told)


@module_loop
@pytest.mark.parametrize("name", FAILURES)
async def test_a_failure_inside_an_answer_is_the_one_that_the_official_package_finds(stage: Stage, name: str) -> None:
    given, code = FAILURES[name]
    await stage.set(given)
    theirs = await read_by_official(await asked(stage.both.official, given))
    came, failed = await outcome(stage.both.ours, words(given))
    assert failed is not None
    assert failed.code == code
    assert theirs.failure is not None
    assert failed.sentence.endswith("(violence)" if code == "moderation_blocked" else theirs.failure)
    assert read_by_ours(came) == replace(theirs, failure=None)
