"""Partial images: told of while the picture is still being made, and only those that are what they should be."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import client_of, text_of
from openai_bodies import call_frame, image_call, image_event, response
from pictures import opened
from stand_in import Said, picture, standing_in, streamed

ASK: dict[str, Any] = {"prompt": "a mill", "size": "1024x640", "quality": "low", "partial_images": 2}
PATIENCE_S = 20  # only a bound where nothing is heard


@pytest.mark.parametrize("api", ["image", "responses"])
async def test_the_first_frame_is_told_of_and_can_be_read_before_the_final_image_exists(
    environment: dict[str, str], upstream: Upstream, api: str
) -> None:
    frame: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        if (message or "").startswith("frame 1 of 2: ") and not frame.done():
            frame.set_result((message or "").partition(": ")[2])

    upstream.after_frames.clear()
    async with client_of({**environment, "MCP_IMAGEGEN_API": api}) as client:
        calling = asyncio.create_task(client.call_tool("generate_image", dict(ASK), progress_callback=on_progress))
        await asyncio.wait({calling, frame}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        heard, ended = frame.done(), calling.done()
        seen = (await client.read_resource(frame.result())).contents if heard else []
        upstream.after_frames.set()
        result = await calling
    assert heard, "nothing was told of a frame while the final image was held back"
    assert not ended
    assert opened(base64.b64decode(seen[0].blob)).size == (1024, 640)
    assert not result.is_error, text_of(result)
    assert len((result.structured_content or {})["images"]) == 1


def image_stream(*frames: tuple[bytes, int]) -> Said:
    told = [image_event("image_generation.partial_image", data, partial_image_index=at) for data, at in frames]
    return streamed(*told, image_event("image_generation.completed", picture()))


def response_stream(*frames: tuple[bytes, int]) -> Said:
    told = [call_frame(data, at) for data, at in frames]
    return streamed(*told, {"type": "response.completed", "response": response(image_call(picture()))})


@pytest.mark.parametrize(("api", "answer"), [("image", image_stream), ("responses", response_stream)])
@pytest.mark.parametrize(
    ("frames", "announced"),
    [
        ([(picture(), 0), (picture(), 1)], ["frame 1 of 2", "frame 2 of 2"]),
        ([(picture(), 0), (picture(), 99)], ["frame 1 of 2"]),
        ([(picture(), 0), (picture(), 1), (picture(), 2), (picture(), 3)], ["frame 1 of 2", "frame 2 of 2"]),
        ([(picture(), 10**12)], []),
        ([(b"<html>not an image</html>", 0), (picture(), 1)], ["frame 2 of 2"]),
        ([(picture()[:60], 0), (picture(), 1)], ["frame 2 of 2"]),
    ],
    ids=["as asked", "far beyond", "more than asked", "far, far beyond", "no picture", "a cut one"],
)
async def test_only_frames_that_were_asked_for_and_are_pictures_are_kept(
    tmp_path: Path, api: str, answer: Any, frames: list[tuple[bytes, int]], announced: list[str]
) -> None:
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with standing_in(answer(*frames)) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_API=api)
        async with client_of(environment) as client:
            result = await client.call_tool("generate_image", dict(ASK), progress_callback=on_progress)
    assert not result.is_error, text_of(result)
    assert [message.split(":")[0] for message in told if message.startswith("frame")] == announced
    assert len(list(tmp_path.rglob("*-frame*"))) == len(announced)
    assert len((result.structured_content or {})["images"]) == 1
