"""A picture that is too large for the JSON of its request goes through the Files API, and expires there."""

import base64
import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from capture_server import CaptureServer, Reply, capture_server, json_reply
from doors import call, client_of
from openai_bodies import image_call, images, response
from openai_calls import outcome
from PIL import Image
from pydantic import SecretStr
from stand_in import Said, picture, standing_in

from mcp_imagegen.errors import PermissionDenied
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.values import FileId, ImageCall, Made, ResponsesCall, Upload

LONGEST = 20_971_520  # characters of a data URL, by OpenAI's reference
FITS = (LONGEST - len("data:image/png;base64,")) // 4 * 3  # bytes
SMALL = Upload(b"\x89PNGcat", "cat.png", "image/png")
LARGEST = Upload(b"x" * FITS, "fits.png", "image/png")
LARGE = Upload(b"y" * (FITS + 1), "large.png", "image/png")
LARGE_MASK = Upload(b"z" * (FITS + 1), "mask.png", "image/png")
STORED = json_reply({"id": "file-9", "object": "file"})
ANSWERED = json_reply(response(image_call(b"one")))
EDITED = json_reply(images(b"one"))


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with capture_server() as server:
        yield server


async def lines(capture: CaptureServer, request: ImageCall | ResponsesCall, answer: Reply) -> list[str]:
    """The requests that a call makes."""
    capture.answers(answer, **{"/v1/files": STORED})
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-test-0123456789"), trust_env=False)
    came, failed = await outcome(client, request)
    await client.aclose()
    assert failed is None
    assert [event.data for event in came if isinstance(event, Made)] == [b"one"]
    return [f"{seen.method} {seen.path}" for seen in capture.seen]


async def test_a_reference_too_large_for_responses_goes_by_its_file_id(capture: CaptureServer) -> None:
    request = ResponsesCall("gpt-5.4", "gpt-image-2", "a hat", images=(SMALL, LARGE))
    assert await lines(capture, request, ANSWERED) == ["POST /v1/files", "POST /v1/responses"]
    upload, ask = capture.seen
    assert dict(upload.form) == {
        "purpose": "vision",
        "expires_after[anchor]": "created_at",
        "expires_after[seconds]": "3600",
    }
    assert [(file.field, file.name, file.data == LARGE.data) for file in upload.files] == [("file", "large.png", True)]
    _, first, second = ask.json["input"][0]["content"]
    assert first["image_url"].startswith("data:image/png;base64,")
    assert second == {"type": "input_image", "file_id": "file-9"}


async def test_a_picture_that_just_fits_is_not_uploaded(capture: CaptureServer) -> None:
    request = ResponsesCall("gpt-5.4", "gpt-image-2", "a hat", images=(LARGEST,))
    assert await lines(capture, request, ANSWERED) == ["POST /v1/responses"]
    assert LONGEST - 4 < len(capture.seen[0].json["input"][0]["content"][1]["image_url"]) <= LONGEST


async def test_a_mask_too_large_for_responses_goes_by_its_file_id(capture: CaptureServer) -> None:
    request = ResponsesCall("gpt-5.4", "gpt-image-2", "a hat", images=(SMALL,), mask=LARGE_MASK)
    assert await lines(capture, request, ANSWERED) == ["POST /v1/files", "POST /v1/responses"]
    assert capture.seen[1].json["tools"][0]["input_image_mask"] == {"file_id": "file-9"}


async def test_an_edit_that_names_a_file_id_uploads_what_is_too_large_beside_it(capture: CaptureServer) -> None:
    request = ImageCall("gpt-image-2", "a hat", images=(FileId("file-1"), LARGE))
    assert await lines(capture, request, EDITED) == ["POST /v1/files", "POST /v1/images/edits"]
    assert capture.seen[1].json["images"] == [{"file_id": "file-1"}, {"file_id": "file-9"}]


async def test_an_edit_of_files_alone_sends_them_as_they_are(capture: CaptureServer) -> None:
    request = ImageCall("gpt-image-2", "a hat", images=(LARGE, SMALL))
    assert await lines(capture, request, EDITED) == ["POST /v1/images/edits"]


async def test_a_refused_upload_ends_the_call_before_anything_is_paid(capture: CaptureServer) -> None:
    refused = json_reply({"error": {"message": "no files for you"}}, 403)
    capture.answers(ANSWERED, **{"/v1/files": refused})
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-test-0123456789"), trust_env=False)
    came, failed = await outcome(client, ResponsesCall("gpt-5.4", "gpt-image-2", "a hat", images=(LARGE,)))
    await client.aclose()
    assert isinstance(failed, PermissionDenied)
    assert (came, failed.may_be_billed) == ([], False)
    assert [seen.path for seen in capture.seen] == ["/v1/files"]


async def test_a_large_saved_image_goes_through_the_files_when_its_id_is_not_known(tmp_path: Path) -> None:
    noise = io.BytesIO()
    Image.frombytes("RGB", (2400, 2400), os.urandom(2400 * 2400 * 3)).save(noise, "PNG", compress_level=0)
    large = base64.b64encode(noise.getvalue()).decode()
    assert len(large) > LONGEST
    answers = [Said({"data": [{"b64_json": large}]}), Said({"id": "file-9"}), Said(response(image_call(picture())))]
    async with standing_in(*answers) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="noise")
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="calmer")
        paths = [path for path, _ in stand_in.seen]
        content = stand_in.seen[-1][1]["input"][0]["content"]
    assert second["status"] == "completed"
    assert paths == ["POST /v1/images/generations", "POST /v1/files", "POST /v1/responses"]
    assert content[1] == {"type": "input_image", "file_id": "file-9"}
