"""What is sent, where the official package is no oracle for it; file uploads, and the list of models."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest
from capture_server import CaptureServer, Reply, event_reply, json_reply
from openai_bodies import b64, error, image_call, image_event, images, response, sse
from openai_calls import GENERATE, RESPOND, STREAMED, outcome, refused
from pydantic import SecretStr

from mcp_imagegen.errors import InputNotFound, InputRejected, InvalidArgument, UpstreamInvalid
from mcp_imagegen.openai_api.client import OpenAIClient
from mcp_imagegen.openai_api.requests import written
from mcp_imagegen.openai_api.values import FileId, Frame, ImageCall, Made, ResponsesCall, Upload


@pytest.fixture
def client(openai_client: OpenAIClient) -> OpenAIClient:
    return openai_client


async def test_only_a_call_with_partial_images_asks_for_a_stream(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, GENERATE)
    await outcome(client, STREAMED)
    assert "stream" not in capture.seen[0].json
    assert capture.seen[1].json["stream"] is True
    assert "text/event-stream" in capture.seen[1].headers["accept"]


async def test_only_what_was_asked_for_is_sent(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, GENERATE)
    await outcome(client, ImageCall("gpt-image-2", None, images=(Upload(b"x", "x.png", "image/png"),)))
    assert capture.seen[0].json == {"model": "gpt-image-2", "prompt": "a cat"}
    assert capture.seen[1].form == (("model", "gpt-image-2"),)


async def test_an_edit_with_a_file_id_sends_json_with_every_picture_in_order(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"one")))
    cat, hole = Upload(b"cat", "cat.png", "image/png"), Upload(b"hole", "hole.png", "image/png")
    await outcome(client, ImageCall("m", "x", 2, (cat, FileId("file-7")), hole, options={"size": "auto"}))
    assert capture.seen[0].path == "/v1/images/edits"
    assert capture.seen[0].json == {
        "model": "m",
        "prompt": "x",
        "n": 2,
        "size": "auto",
        "images": [{"image_url": "data:image/png;base64,Y2F0"}, {"file_id": "file-7"}],
        "mask": {"image_url": "data:image/png;base64,aG9sZQ=="},
    }


async def test_an_edit_whose_mask_alone_is_a_file_id_sends_json(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, ImageCall("m", "x", images=(Upload(b"cat", "c.png", "image/png"),), mask=FileId("file-8")))
    assert capture.seen[0].json["mask"] == {"file_id": "file-8"}


async def test_large_pictures_arrive_whole_in_json_and_multipart(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply(images(b"one")))
    large = Upload(bytes(range(256)) * 12_289, "large.png", "image/png")
    await outcome(client, ImageCall("m", "x", images=(large, FileId("file-7"))))
    await outcome(client, ImageCall("m", "x", images=(large, large)))
    assert capture.seen[0].json["images"][0]["image_url"] == "data:image/png;base64," + b64(large.data)
    assert [file.data for file in capture.seen[1].files] == [large.data, large.data]


def test_a_picture_too_long_for_a_data_url_is_never_written_as_one() -> None:
    fits, does_not = (Upload(bytes(size), "huge.png", "image/png") for size in (15_728_622, 15_728_623))
    assert written(ResponsesCall("gpt-5.4", "gpt-image-2", "x", images=(fits,))).json
    with pytest.raises(InputRejected) as refusal:
        written(ResponsesCall("gpt-5.4", "gpt-image-2", "x", images=(does_not,)))
    assert "huge.png" in refusal.value.sentence


@pytest.mark.parametrize("images_sent", [(), (Upload(b"x", "x.png", "image/png"),)])
async def test_text_that_is_no_unicode_is_refused_before_the_network(
    capture: CaptureServer, client: OpenAIClient, images_sent: tuple[Upload, ...]
) -> None:
    capture.answers(json_reply(images(b"one")))
    failed = await refused(client, ImageCall("m", "half a \ud83d smile", images=images_sent))
    assert isinstance(failed, InvalidArgument)
    assert capture.seen == []


async def test_a_file_name_that_is_no_unicode_is_sent_as_well_as_can_be(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"one")))
    await outcome(client, ImageCall("m", "x", images=(Upload(b"x", "caf\udce9.png", "image/png"),)))
    assert capture.seen[0].files[0].name == "caf?.png"


@pytest.mark.parametrize(
    ("base", "line"),
    [
        ("/v1", ("/v1/images/generations", "")),
        ("/v1/", ("/v1/images/generations", "")),
        ("", ("/images/generations", "")),
        ("/openai/v1?api-version=preview", ("/openai/v1/images/generations", "api-version=preview")),
        ("/a%20b/v1/?x=1&y=2#z", ("/a b/v1/images/generations", "x=1&y=2")),
    ],
)
async def test_a_base_url_may_end_in_a_slash_and_keeps_its_query(
    capture: CaptureServer, base: str, line: tuple[str, str]
) -> None:
    capture.answers(json_reply(images(b"one")))
    client = OpenAIClient(base_url=capture.url.removesuffix("/v1") + base, api_key=None, trust_env=False)
    await outcome(client, GENERATE)
    await client.aclose()
    assert (capture.seen[0].path, capture.seen[0].query) == line


async def test_without_a_key_no_authorization_is_sent(capture: CaptureServer) -> None:
    capture.answers(json_reply({"data": [{"id": "m"}]}))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("  "), trust_env=False)
    assert list(await client.models()) == ["m"]
    await client.aclose()
    assert "authorization" not in capture.seen[0].headers
    assert capture.seen[0].headers["user-agent"].startswith("mcp-imagegen/")


async def test_white_space_around_a_key_is_not_sent(capture: CaptureServer) -> None:
    capture.answers(json_reply({"data": []}))
    client = OpenAIClient(base_url=capture.url, api_key=SecretStr("sk-test-0123456789\n"), trust_env=False)
    await client.models()
    await client.aclose()
    assert capture.seen[0].headers["authorization"] == "Bearer sk-test-0123456789"


async def test_calls_at_the_same_time_share_one_client_and_mix_nothing_up(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(images(b"plain")))
    capture.replies["/v1/responses"] = json_reply(response(image_call(b"answer")))
    calls = [GENERATE, RESPOND] * 6
    came = await asyncio.gather(*(outcome(client, call) for call in calls))
    made = [event.data for events, _ in came for event in events if isinstance(event, Made)]
    assert made == [b"plain", b"answer"] * 6


async def test_a_call_that_is_given_up_leaves_no_task_and_the_next_one_works(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    before = asyncio.all_tasks()
    frame = image_event("image_generation.partial_image", b"rough", partial_image_index=0)
    capture.answers(event_reply(sse(frame, image_event("image_generation.completed", b"one"))))
    async with aclosing(client.send(STREAMED)) as events:
        assert await anext(events) == Frame(b"rough", 0)
    await asyncio.sleep(0)  # the HTTP library's own generators end one turn of the loop later
    assert asyncio.all_tasks() == before
    capture.answers(json_reply(images(b"one")))
    came, _ = await outcome(client, GENERATE)
    assert len(came) == 2


@pytest.mark.parametrize("stored", [{}, {"id": None}, {"id": 7}, {"id": ""}, {"data": [{"id": "file-1"}]}])
async def test_an_upload_without_an_id_is_invalid(
    capture: CaptureServer, client: OpenAIClient, stored: dict[str, Any]
) -> None:
    capture.answers(json_reply(stored))
    with pytest.raises(UpstreamInvalid):
        await client.upload(Upload(b"x", "x.png", "image/png"))


@pytest.mark.parametrize("body", [b"", b"[]", b"nope", b'"x"'])
async def test_a_list_of_models_that_is_none_is_invalid(
    capture: CaptureServer, client: OpenAIClient, body: bytes
) -> None:
    capture.answers(Reply(body))
    with pytest.raises(UpstreamInvalid) as failed:
        await client.models()
    assert not failed.value.may_be_billed


async def test_models_without_an_id_are_left_out(capture: CaptureServer, client: OpenAIClient) -> None:
    capture.answers(json_reply({"data": [{"id": "a"}, {"name": "b"}, 7, {"id": "c"}]}))
    assert list(await client.models()) == ["a", "c"]


async def test_an_unknown_file_of_the_provider_is_an_input_that_is_not_found(
    capture: CaptureServer, client: OpenAIClient
) -> None:
    capture.answers(json_reply(error("No such File object: file-7"), status=404))
    assert isinstance(await refused(client, ImageCall("m", "x", images=(FileId("file-7"),))), InputNotFound)
