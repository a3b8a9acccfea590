"""A picture that is too large for the JSON of its request goes through the Files API, and expires there."""

import base64
import io
import os
from pathlib import Path

import pytest
from capture_server import CaptureServer, Reply, json_reply
from doors import call, client_of, refusal, text_of
from openai_bodies import image_call, images, response
from openai_calls import outcome
from PIL import Image
from pydantic import SecretStr
from stand_in import Said, error, picture, standing_in

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


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A PNG that has no data URL."""
    data = io.BytesIO()
    Image.frombytes("RGB", (2400, 2400), os.urandom(2400 * 2400 * 3)).save(data, "PNG", compress_level=0)
    assert len(data.getvalue()) > FITS
    return data.getvalue()


def made(data: bytes) -> Said:
    return Said({"data": [{"b64_json": base64.b64encode(data).decode()}]})


RESPONDED = Said(response(image_call(picture())))
MISSING = Said({"detail": "Not Found"}, 404)


async def test_a_large_saved_image_goes_through_the_files_when_its_id_is_not_known(
    tmp_path: Path, noise: bytes
) -> None:
    async with standing_in(made(noise), Said({"id": "file-9"}), RESPONDED) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="noise")
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="calmer")
        paths = [path for path, _ in stand_in.seen]
        content = stand_in.seen[-1][1]["input"][0]["content"]
    assert second["status"] == "completed"
    assert paths == ["POST /v1/images/generations", "POST /v1/files", "POST /v1/responses"]
    assert content[1] == {"type": "input_image", "file_id": "file-9"}


async def test_a_large_saved_image_is_edited_where_there_are_responses_and_no_files(
    tmp_path: Path, noise: bytes
) -> None:
    async with standing_in(made(noise), MISSING, made(picture()), RESPONDED) as stand_in:
        environment = stand_in.environment(MCP_IMAGEGEN_PROVIDER="compatible", MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            first = await call(client, "generate_image", prompt="noise")
            second = await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="calmer")
            await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="calmer still")
        paths = [path for path, _ in stand_in.seen]
    assert any("stores no files" in warning for warning in second["warnings"])
    edited = ["POST /v1/images/generations", "POST /v1/files", "POST /v1/images/edits"]
    assert paths == [*edited, "POST /v1/responses"], "an image of a usual size goes where it belongs"


async def test_a_large_reference_is_refused_where_no_files_are_stored_and_responses_stay(
    tmp_path: Path, noise: bytes
) -> None:
    (tmp_path / "noise.png").write_bytes(noise)
    async with standing_in(RESPONDED, MISSING, RESPONDED) as stand_in:
        variables = {"MCP_IMAGEGEN_PROVIDER": "compatible", "MCP_IMAGEGEN_API": "responses"}
        folders = {"MCP_IMAGEGEN_HOME": str(tmp_path / "state"), "MCP_IMAGEGEN_ROOTS": str(tmp_path)}
        async with client_of(stand_in.environment(**variables, **folders)) as client:
            thread_id = (await call(client, "generate_image", prompt="a cat"))["thread_id"]
            named = {"thread_id": thread_id, "images": [str(tmp_path / "noise.png")]}
            refused = await refusal(client, "continue_image_thread", prompt="like this", **named)
            second = await call(client, "continue_image_thread", thread_id=thread_id, prompt="a hat")
        paths = [path for path, _ in stand_in.seen]
    assert refused.startswith("input_rejected: image-1.png has ")
    assert "stores no files" in refused
    assert "send a smaller picture" in refused
    assert "billed" not in refused
    assert paths == ["POST /v1/responses", "POST /v1/files", "POST /v1/responses"]
    assert not any("no Responses API" in warning for warning in second["warnings"])


async def test_the_wait_before_an_upload_is_sent_again_is_announced(tmp_path: Path, noise: bytes) -> None:
    (tmp_path / "noise.png").write_bytes(noise)
    told: list[str] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(message or "")

    async with standing_in(error(503, retry_after="7"), Said({"id": "file-9"}), made(picture())) as stand_in:
        folders = {"MCP_IMAGEGEN_HOME": str(tmp_path / "state"), "MCP_IMAGEGEN_ROOTS": str(tmp_path)}
        async with client_of(stand_in.environment(MCP_IMAGEGEN_PROVIDER="openai", **folders)) as client:
            arguments = {"prompt": "calmer", "images": [str(tmp_path / "noise.png"), "file-1"]}
            result = await client.call_tool("edit_image", arguments, progress_callback=on_progress)
    assert not result.is_error, text_of(result)
    assert "uploading image-1.png" in told
    assert "upstream unavailable: trying again in 7 s (2 of 3)" in told
