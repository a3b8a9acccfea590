"""Answers of every documented shape, and streams in every legal framing: our client reads in them what the official
package does."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from capture_server import Reply, event_reply, json_reply
from openai_bodies import (
    HOST_USAGE,
    IMAGE_USAGE,
    TOOL_USAGE,
    b64,
    call_frame,
    image_call,
    image_event,
    images,
    item_done,
    message,
    response,
    sse,
)
from openai_calls import outcome
from readings import Reading, read_by_official, read_by_ours
from side_by_side import Both, side_by_side
from wordings import CAT, asked, words

module_loop = pytest.mark.asyncio(loop_scope="module")

GENERATE = {"model": "gpt-image-2", "prompt": "a cat"}
EDIT = {**GENERATE, "image": CAT}
TURN = {**GENERATE, "host": "gpt-5.4"}
STREAM = {"stream": True, "partial_images": 3}
UNSPLIT = {name: value for name, value in IMAGE_USAGE.items() if name != "output_tokens_details"}
AUTO = dict.fromkeys(("size", "quality", "background"), "auto")


def revised(*prompts: str | None) -> list[dict[str, Any]]:
    return [{"b64_json": b64(b"one"), "revised_prompt": prompt, "url": None} for prompt in prompts]


def streamed(kind: str, frames: int, **more: Any) -> list[bytes]:
    """The events of one picture of the Image API."""
    rough = [image_event(f"{kind}.partial_image", b"rough %d" % n, partial_image_index=n) for n in range(frames)]
    return sse(*rough, image_event(f"{kind}.completed", b"one", **more))


def turned(*output: dict[str, Any], frames: int = 0, **more: Any) -> list[bytes]:
    """The events of a response with this output."""
    whole = response(*output, **more)
    return sse(
        {"type": "response.created", "response": response(status="in_progress", usage=None), "sequence_number": 0},
        *(call_frame(b"rough %d" % n, n) for n in range(frames)),
        *(item_done(item, place) for place, item in enumerate(output)),
        {"type": "response.completed", "response": whole, "sequence_number": 9},
    )


REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
BODIES: dict[str, tuple[dict[str, Any], Reply]] = {
    "one picture": (GENERATE, json_reply(images(b"one"))),
    "ten pictures": (GENERATE | {"n": 10}, json_reply(images(*(b"%d" % n for n in range(10))))),
    "revised prompts": (GENERATE | {"n": 3}, json_reply(images(data=revised("a red cat", "", None)))),
    "options that stayed auto": (GENERATE, json_reply(images(b"one", **AUTO))),
    "output that is not split": (EDIT, json_reply(images(b"one", usage=UNSPLIT))),
    "a picture of every byte": (EDIT, json_reply(images(bytes(range(256)) * 40))),
    "a stream without frames": (GENERATE | STREAM, event_reply(streamed("image_generation", 0))),
    "a stream with three frames": (GENERATE | STREAM, event_reply(streamed("image_generation", 3))),
    "a streamed edit": (EDIT | STREAM, event_reply(streamed("image_edit", 2))),
    "a streamed edit whose output is not split": (EDIT | STREAM, event_reply(streamed("image_edit", 1, usage=UNSPLIT))),
    "a response": (TURN, json_reply(response(image_call(b"one")))),
    "a response with words": (TURN, json_reply(response(REASONING, image_call(b"one"), message("Here.")))),
    "a response in words": (TURN, json_reply(response(message("Which cat?")))),
    "a response with two pictures": (TURN, json_reply(response(image_call(b"one"), image_call(b"two", "ig_2")))),
    "a response that says auto": (TURN, json_reply(response(image_call(b"one", **AUTO, action="auto")))),
    "a response with unsplit output": (
        TURN,
        json_reply(response(image_call(b"one"), tool_usage={**TOOL_USAGE, "image_gen": UNSPLIT})),
    ),
    "a response with nothing cached": (
        TURN,
        json_reply(
            response(
                image_call(b"one"),
                usage={**HOST_USAGE, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}},
            )
        ),
    ),
    "a response without the tool's usage": (TURN, json_reply(response(image_call(b"one"), tool_usage=None))),
    "a streamed response": (TURN | STREAM, event_reply(turned(image_call(b"one"), frames=3))),
    "a streamed response with words": (
        TURN | STREAM,
        event_reply(turned(REASONING, image_call(b"one"), message("Here."))),
    ),
    "a streamed response in words": (TURN | STREAM, event_reply(turned(message("Which cat?")))),
    "a streamed response with two pictures": (
        TURN | STREAM,
        event_reply(turned(image_call(b"one"), image_call(b"two", "ig_2"), frames=1)),
    ),
}


def in_lines(chunks: list[bytes], end: bytes) -> list[bytes]:
    return [chunk.replace(b"\n", end) for chunk in chunks]


FRAMINGS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "LF": lambda chunks: chunks,
    "CRLF": lambda chunks: in_lines(chunks, b"\r\n"),
    "CR": lambda chunks: in_lines(chunks, b"\r"),
    "all at once": lambda chunks: [b"".join(chunks)],
    "byte by byte": lambda chunks: [bytes([byte]) for byte in b"".join(chunks)],
    "no blank behind the colon": lambda chunks: [chunk.replace(b": ", b":", 2) for chunk in chunks],
    "comments between": lambda chunks: [b": ping\n\n" + chunk for chunk in chunks],
    "other fields": lambda chunks: [b"id: 7\nretry: 1000\n" + chunk for chunk in chunks],
    "no event names": lambda chunks: [chunk.partition(b"\n")[2] for chunk in chunks],
    "data in two lines": lambda chunks: [chunk.replace(b', "', b',\ndata: "', 1) for chunk in chunks],
    "DONE at the end": lambda chunks: [*chunks, b"data: [DONE]\n\n"],
    "blank lines between": lambda chunks: [b"\n\n" + chunk for chunk in chunks],
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    async with side_by_side() as clients:
        yield clients


async def readings(both: Both, given: dict[str, Any], reply: Reply) -> tuple[Reading, Reading]:
    """What each client reads: first the official package, then ours."""
    both.capture.answers(reply)
    theirs = await read_by_official(await asked(both.official, given))
    came, failed = await outcome(both.ours, words(given))
    assert failed is None
    return theirs, read_by_ours(came)


@module_loop
@pytest.mark.parametrize("name", BODIES)
async def test_an_answer_is_read_as_the_official_package_reads_it(both: Both, name: str) -> None:
    theirs, mine = await readings(both, *BODIES[name])
    assert mine == theirs
    assert theirs.pictures or theirs.text


@module_loop
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("given", [GENERATE, TURN], ids=["images", "responses"])
async def test_a_stream_is_read_as_the_official_package_reads_it_in_every_framing(
    both: Both, given: dict[str, Any], framing: str
) -> None:
    chunks = turned(image_call(b"one"), frames=2) if "host" in given else streamed("image_generation", 2)
    theirs, mine = await readings(both, given | STREAM, event_reply(FRAMINGS[framing](chunks)))
    assert mine == theirs
    assert (len(theirs.pictures), len(theirs.frames)) == (1, 2)


@module_loop
async def test_the_last_event_of_a_stream_that_breaks_off_behind_it_is_read_although_the_official_package_drops_it(
    both: Both,
) -> None:
    """The standard for events would have it dropped, and with it a picture that was paid for."""
    whole = streamed("image_generation", 2)
    theirs, mine = await readings(both, GENERATE | STREAM, event_reply([*whole[:-1], whole[-1].rstrip()]))
    assert theirs.pictures == []
    complete, _ = await readings(both, GENERATE | STREAM, event_reply(whole))
    assert mine == complete
