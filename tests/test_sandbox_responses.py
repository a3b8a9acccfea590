"""The sandbox's Responses API with the image_generation tool, driven by OpenAI's own client over a socket."""

import io
from typing import Any

import openai
import pytest
from PIL import Image, ImageChops, ImageStat
from sandbox_support import NOVEMBER_2026, SMALL, Connection, changed, connected, data_url, mask, painted, picture, png

FORCED = {"type": "image_generation"}
pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = (50, 50, 974, 420)  # of a small picture: above the label


def tool(**options: Any) -> dict[str, Any]:
    return {"type": "image_generation", "model": "gpt-image-2", "size": SMALL} | options


async def asked(connection: Connection, asks: Any = "Draw a harbour", **options: Any) -> Any:
    options = {"model": "gpt-5.4", "tools": [tool()], "tool_choice": FORCED} | options
    return await connection.client.responses.create(input=asks, **options)


def call_of(response: Any) -> Any:
    return next(item for item in response.output if item.type == "image_generation_call")


def image_of(response: Any) -> Image.Image:
    return picture(call_of(response).result)


def user(text: str, *images: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "input_text", "text": text}, *images]}


def sent(data: bytes) -> dict[str, Any]:
    return {"type": "input_image", "image_url": data_url(data), "detail": "auto"}


def distance(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of a channel above the label, 0 to 255."""
    difference = ImageChops.difference(first.convert("RGB").crop(PAGE), second.convert("RGB").crop(PAGE))
    return sum(ImageStat.Stat(difference).mean) / 3


async def test_a_forced_tool_call_is_a_call_item_and_an_empty_message(connection: Connection) -> None:
    response = await asked(connection)
    assert [item.type for item in response.output] == ["image_generation_call", "message"]
    call = call_of(response)
    assert (call.status, call.action, call.size, call.quality, call.background, call.output_format) == (
        "completed", "generate", SMALL, "medium", "opaque", "png",
    )  # fmt: skip
    assert call.id.startswith("ig_")
    assert call.revised_prompt.startswith("Draw a harbour")
    assert image_of(response).size == (1024, 640)
    assert response.output_text == ""
    assert (response.status, response.store if hasattr(response, "store") else True) == ("completed", True)
    echoed = connection.last.json["tools"][0]
    assert echoed == tool() | {
        "action": "auto", "background": "auto", "moderation": "auto", "n": 1, "output_compression": 100,
        "output_format": "png", "quality": "auto",
    }  # fmt: skip


async def test_the_image_model_is_counted_apart_from_the_host_model(connection: Connection) -> None:
    response = await asked(connection)
    assert response.tool_usage.image_gen.output_tokens == 956
    assert response.tool_usage.image_gen.input_tokens_details.text_tokens == 4 + 6
    assert 1700 <= response.usage.input_tokens <= 3200
    assert 56 <= response.usage.output_tokens <= 2000
    again = await asked(connection)
    assert again.usage == response.usage


async def test_a_turn_edits_the_image_of_the_previous_response(connection: Connection) -> None:
    first = await asked(connection)
    second = await asked(connection, "Add a boat", previous_response_id=first.id)
    fresh = await asked(connection, "Add a boat")
    assert call_of(second).action == "edit"
    assert second.previous_response_id == first.id
    assert 0 < distance(image_of(first), image_of(second)) < distance(image_of(first), image_of(fresh))
    assert second.tool_usage.image_gen.input_tokens_details.image_tokens == 640


async def test_a_turn_edits_the_image_of_a_call_given_by_its_id_alone(connection: Connection) -> None:
    first = await asked(connection)
    by_response = await asked(connection, "Add a boat", previous_response_id=first.id)
    item = {"type": "image_generation_call", "id": call_of(first).id}
    for named in (item, {"type": "item_reference", "id": call_of(first).id}):
        by_call = await asked(connection, [user("Add a boat"), named])
        assert call_of(by_call).action == "edit"
        assert call_of(by_call).result == call_of(by_response).result


async def test_the_newest_image_of_a_chain_is_edited_and_an_older_one_where_its_id_is_given(
    connection: Connection,
) -> None:
    first = await asked(connection)
    second = await asked(
        connection, "Now a mill in the hills", tools=[tool(action="generate")], previous_response_id=first.id
    )
    third = await asked(connection, "Add snow", previous_response_id=second.id)
    branch = await asked(
        connection, [{"type": "image_generation_call", "id": call_of(first).id}, user("Add snow")],
        previous_response_id=second.id,
    )  # fmt: skip
    assert call_of(second).action == "generate"
    assert distance(image_of(second), image_of(third)) < distance(image_of(first), image_of(third))
    assert distance(image_of(first), image_of(branch)) < distance(image_of(second), image_of(branch))


async def test_the_first_input_image_of_a_message_is_edited_and_the_others_are_references(
    connection: Connection,
) -> None:
    red = Image.new("RGB", (1024, 640), "#ff0000")
    out = io.BytesIO()
    red.save(out, "PNG")
    response = await asked(connection, [user("Combine", sent(painted()), sent(out.getvalue()))])
    made = image_of(response)
    base = Image.open(io.BytesIO(painted()))
    assert distance(base, made) < distance(red, made)
    assert (255, 0, 0) in {colour for _, colour in made.convert("RGB").getcolors(10**6)}
    assert response.tool_usage.image_gen.input_tokens_details.image_tokens == 2 * 640


async def test_a_reference_in_a_chain_does_not_replace_the_image_that_is_continued(connection: Connection) -> None:
    first = await asked(connection)
    second = await asked(connection, [user("Add this", sent(painted()))], previous_response_id=first.id)
    assert distance(image_of(first), image_of(second)) < distance(Image.open(io.BytesIO(painted())), image_of(second))


async def test_an_input_image_may_be_an_uploaded_file(connection: Connection) -> None:
    file = await connection.client.files.create(file=png(painted()), purpose="vision")
    image = {"type": "input_image", "file_id": file.id, "detail": "auto"}
    by_file = await asked(connection, [user("Add snow", image)])
    by_data = await asked(connection, [user("Add snow", sent(painted()))])
    assert call_of(by_file).result == call_of(by_data).result


async def test_a_mask_confines_the_change(connection: Connection) -> None:
    masked = tool(input_image_mask={"image_url": data_url(mask())})
    response = await asked(connection, [user("A window", sent(painted()))], tools=[masked])
    where = changed(Image.open(io.BytesIO(painted())), image_of(response))
    kept = Image.open(io.BytesIO(mask())).getchannel("A")
    assert ImageChops.multiply(where, kept).getbbox() is None
    assert where.getbbox()
    assert "input_image_mask" not in connection.last.json["tools"][0]


async def test_an_answer_may_be_in_words(connection: Connection) -> None:
    asks = (
        {"asks": "Draw a pier sandbox:text-only"},
        {"asks": "What is a pier?", "tool_choice": "auto"},
        {"asks": "Draw a pier", "tool_choice": "none"},
        {"asks": "Draw a pier", "tools": [], "tool_choice": "auto"},
    )
    for one in asks:
        response = await asked(connection, **one)
        assert [item.type for item in response.output] == ["message"]
        assert response.output_text.startswith("The sandbox answers in words")
        assert response.tool_usage.image_gen.total_tokens == 0


async def test_the_tool_is_called_where_it_may_or_must_be(connection: Connection) -> None:
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [FORCED]}
    for asks, choice in (
        ("Draw a pier", "auto"),
        ("A pier?", "required"),
        ("A pier?", FORCED),
        ("A pier?", allowed),
    ):
        assert call_of(await asked(connection, asks, tool_choice=choice)).status == "completed"


async def test_a_host_model_that_reasons_says_so_first(connection: Connection) -> None:
    kinds = ["reasoning", "image_generation_call", "message"]
    assert [item.type for item in (await asked(connection, model="gpt-5")).output] == kinds
    response = await asked(connection, reasoning={"effort": "low"})
    assert [item.type for item in response.output] == kinds
    assert response.usage.output_tokens_details.reasoning_tokens > 0
    stream = await asked(connection, model="gpt-5", stream=True)
    added = [event for event in [event async for event in stream] if event.type == "response.output_item.added"]
    assert [(event.output_index, event.item.type) for event in added] == list(enumerate(kinds))


async def test_the_events_of_a_stream_come_in_the_documented_order(connection: Connection) -> None:
    plain = await asked(connection, "A harbour")
    stream = await asked(connection, "A harbour", tools=[tool(partial_images=2)], stream=True)
    events = [event async for event in stream]
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.partial_image",
        "image_generation_call.partial_image",
        "image_generation_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.partial_image_index for event in events if event.type.endswith("partial_image")] == [0, 1]
    assert events[8].item.result == call_of(plain).result == call_of(events[-1].response).result
    assert events[-1].response.tool_usage.image_gen.output_tokens == 956 + 2 * 100
    finest = picture(events[6].partial_image_b64)
    coarse = picture(events[5].partial_image_b64)
    assert 0 < distance(finest, image_of(plain)) < distance(coarse, image_of(plain))


async def test_words_are_streamed_in_pieces(connection: Connection) -> None:
    stream = await asked(connection, "Draw a pier sandbox:text-only", stream=True)
    events = [event async for event in stream]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == events[-1].response.output_text


async def test_a_stored_response_can_be_fetched_and_deleted(connection: Connection) -> None:
    made = await asked(connection)
    assert (await connection.client.responses.retrieve(made.id)).to_dict() == made.to_dict()
    await connection.client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        await connection.client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError) as refused:
        await asked(connection, "More", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        await asked(connection, [user("More"), {"type": "image_generation_call", "id": call_of(made).id}])


async def test_what_is_not_stored_is_unknown_later(connection: Connection) -> None:
    made = await asked(connection, store=False)
    with pytest.raises(openai.NotFoundError) as gone:
        await asked(connection, [user("More"), {"type": "image_generation_call", "id": call_of(made).id}])
    assert gone.value.param == "input"
    assert "Items are not persisted when `store` is set to false" in gone.value.message
    with pytest.raises(openai.BadRequestError) as refused:
        await asked(connection, "More", previous_response_id=made.id)
    assert refused.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        await connection.client.responses.retrieve(made.id)


async def test_an_image_that_was_not_stored_can_be_sent_back_with_its_item(connection: Connection) -> None:
    made = await asked(connection, store=False)
    call = call_of(made)
    item = {"type": "image_generation_call", "id": call.id, "status": "completed", "result": call.result}
    stored = await asked(connection)
    inline, chained = [
        await asked(connection, [user("Add a boat"), item]),
        await asked(connection, "Add a boat", previous_response_id=stored.id),
    ]
    assert call_of(inline).result == call_of(chained).result
    assert call.result not in str(connection.sandbox.requests)


async def test_responses_are_kept_for_thirty_days() -> None:
    now = [NOVEMBER_2026]
    async with connected(clock=lambda: now[0]) as connection:
        made = await asked(connection)
        now[0] += 30 * 24 * 3600 - 1
        await connection.client.responses.retrieve(made.id)
        now[0] += 1
        with pytest.raises(openai.NotFoundError):
            await connection.client.responses.retrieve(made.id)


async def test_an_svg_can_be_continued(connection: Connection) -> None:
    first = await asked(connection, tools=[tool(output_format="svg")])
    assert call_of(first).svg_usage.total_tokens > 0
    second = await asked(connection, "Add a boat", previous_response_id=first.id)
    assert call_of(second).action == "edit"
    assert image_of(second).size == (1024, 640)


async def test_a_gif_may_be_streamed_without_partial_images(connection: Connection) -> None:
    gif = tool(output_format="gif", frame_count=2)
    events = [event async for event in await asked(connection, tools=[gif], stream=True)]
    assert image_of(events[-1].response).format == "GIF"


async def test_a_failed_call_is_an_item_with_its_error(connection: Connection) -> None:
    response = await asked(connection, "A harbour sandbox:call-failed")
    call = call_of(response)
    assert (response.status, call.status, call.result) == ("completed", "failed", None)
    assert call.error.code == "moderation_blocked"
    assert call.error.moderation_details.moderation_stage == "output"
    assert response.tool_usage.image_gen.total_tokens == 0
    events = [event async for event in await asked(connection, "A harbour sandbox:call-failed", stream=True)]
    assert "response.image_generation_call.completed" not in {event.type for event in events}
    assert call_of(events[-1].response).status == "failed"


async def test_a_stream_that_breaks_off_ends_with_an_error_and_a_failed_response(connection: Connection) -> None:
    stream = await asked(connection, "A pier sandbox:stream-error", tools=[tool(partial_images=3)], stream=True)
    events = [event async for event in stream]
    kinds = [event.type for event in events]
    assert kinds[-3:] == ["response.image_generation_call.partial_image", "error", "response.failed"]
    assert events[-1].response.status == "failed"
    assert events[-1].response.error.code == "server_error"
