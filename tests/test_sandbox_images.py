"""The sandbox's image endpoints, driven by OpenAI's own client over a socket."""

import base64
import io
import itertools
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image, ImageChops, ImageStat
from sandbox_support import SMALL, Connection, changed, connected, data_url, mask, painted, picture, png, saved

pytestmark = pytest.mark.asyncio(loop_scope="module")
HOLE = (300, 100, 700, 500)


def distance(first: Image.Image, second: Image.Image) -> float:
    """Mean difference of a channel, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(first.convert("RGB"), second.convert("RGB"))).mean) / 3


async def generated(connection: Connection, prompt: str = "A lighthouse", **options: Any) -> Any:
    options = {"model": "gpt-image-2", "size": SMALL} | options
    return await connection.client.images.generate(prompt=prompt, **options)


async def edited(connection: Connection, image: Any, prompt: str = "Make it autumn", **options: Any) -> Any:
    options = {"model": "gpt-image-2"} | options
    return await connection.client.images.edit(image=image, prompt=prompt, **options)


async def test_a_generation_has_the_size_asked_for_and_says_what_auto_became(connection: Connection) -> None:
    answer = await generated(connection)
    assert picture(answer.data[0].b64_json).size == (1024, 640)
    assert (answer.size, answer.quality, answer.background, answer.output_format) == (
        SMALL,
        "medium",
        "opaque",
        "png",
    )
    assert connection.last.json["data"][0].keys() == {"b64_json"}
    assert (await generated(connection, size="auto")).size == "1024x1024"


@pytest.mark.usefixtures("drawn_anew")
async def test_the_same_request_gives_the_same_picture_and_another_prompt_another(connection: Connection) -> None:
    first, again, other = [await generated(connection, prompt) for prompt in ("A pier", "A pier", "A mill")]
    assert first.data[0].b64_json == again.data[0].b64_json
    assert distance(picture(first.data[0].b64_json), picture(other.data[0].b64_json)) > 5


async def test_every_picture_of_a_request_is_another(connection: Connection) -> None:
    answer = await generated(connection, n=3)
    pictures = [picture(item.b64_json) for item in answer.data]
    assert len(pictures) == 3
    assert all(distance(one, other) > 5 for one, other in itertools.combinations(pictures, 2))


@pytest.mark.parametrize(("output_format", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
async def test_the_output_format_is_the_files_format(connection: Connection, output_format: str, kind: str) -> None:
    answer = await generated(connection, output_format=output_format)
    assert (picture(answer.data[0].b64_json).format, answer.output_format) == (kind, output_format)


@pytest.mark.parametrize("output_format", ["jpeg", "webp"])
async def test_lower_compression_values_make_smaller_files(connection: Connection, output_format: str) -> None:
    files = [
        await generated(connection, output_format=output_format, output_compression=value) for value in (10, 60, 100)
    ]
    sizes = [len(answer.data[0].b64_json) for answer in files]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("output_format", ["png", "webp"])
async def test_a_transparent_background_has_clear_corners_and_a_solid_middle(
    connection: Connection, output_format: str
) -> None:
    answer = await generated(connection, background="transparent", output_format=output_format)
    alpha = picture(answer.data[0].b64_json).getchannel("A")
    assert answer.background == "transparent"
    assert [alpha.getpixel(corner) for corner in ((0, 0), (1023, 0), (0, 639), (1023, 639))] == [0, 0, 0, 0]
    assert alpha.getpixel((512, 320)) == 255


async def test_more_quality_draws_more(connection: Connection) -> None:
    levels = ("low", "medium", "high", "xhigh", "max")
    answers = [await generated(connection, "A town", model="gpt-image-2.5-flare", quality=level) for level in levels]
    assert [answer.quality for answer in answers] == list(levels)
    above_the_label = [picture(answer.data[0].b64_json).crop((0, 0, 1024, 400)) for answer in answers]
    assert all(changed(one, other).getbbox() for one, other in itertools.pairwise(above_the_label))


async def test_a_gif_moves_with_the_frames_and_delay_asked_for(connection: Connection) -> None:
    for count in (2, 3):
        answer = await generated(connection, output_format="gif", frame_count=count, frame_duration_ms=123)
        gif = picture(answer.data[0].b64_json)
        assert (gif.format, gif.n_frames, gif.size) == ("GIF", count, (1024, 640))
        assert gif.info["duration"] == 120
    first = gif.convert("RGB")
    gif.seek(1)
    assert distance(first, gif) > 0


async def test_an_svg_is_a_document_of_the_size_with_the_prompt(connection: Connection) -> None:
    answer = await generated(connection, 'Ropes & "knots"', output_format="svg", svg={"model": "gpt-5.5"})
    root = ElementTree.fromstring(base64.b64decode(answer.data[0].b64_json))
    assert (root.attrib["width"], root.attrib["height"]) == ("1024", "640")
    assert any("Ropes & " in (element.text or "") for element in root.iter("{http://www.w3.org/2000/svg}text"))
    assert answer.svg_usage.model == "gpt-5.5"
    edit = await edited(connection, png(painted()), output_format="svg", svg={"model": "gpt-5.4"})
    assert (
        ElementTree.fromstring(base64.b64decode(edit.data[0].b64_json)).find("{http://www.w3.org/2000/svg}image")
        is not None
    )


@pytest.mark.usefixtures("drawn_anew")
async def test_a_stream_sends_ever_sharper_frames_and_then_the_picture_of_the_plain_answer(
    connection: Connection,
) -> None:
    plain = picture((await generated(connection)).data[0].b64_json)
    events = [event async for event in await generated(connection, stream=True, partial_images=3)]
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:3]] == [0, 1, 2]
    assert [event["sequence_number"] for event in connection.last.events] == [0, 1, 2, 3]
    frames = [picture(event.b64_json) for event in events]
    assert {frame.size for frame in frames} == {(1024, 640)}
    far = [distance(frame, plain) for frame in frames]
    assert far[0] > far[1] > far[2] > far[3] == 0
    assert b"[DONE]" not in connection.last.body


async def test_a_stream_without_partial_images_is_one_event(connection: Connection) -> None:
    events = [event async for event in await generated(connection, stream=True)]
    assert [event.type for event in events] == ["image_generation.completed"]


async def test_the_usage_of_a_streams_pictures_adds_up_to_that_of_the_plain_answer_and_its_frames(
    connection: Connection,
) -> None:
    plain = (await generated(connection, n=2)).usage
    events = [event async for event in await generated(connection, n=2, stream=True, partial_images=1)]
    used = [event.usage for event in events if event.type == "image_generation.completed"]
    assert sum(usage.input_tokens for usage in used) == plain.input_tokens
    assert sum(usage.output_tokens for usage in used) == plain.output_tokens + 2 * 100


async def test_an_edit_keeps_the_input_recognisable_and_changes_it(connection: Connection) -> None:
    before = painted()
    after = picture((await edited(connection, png(before))).data[0].b64_json)
    unrelated = picture((await generated(connection, "Make it autumn")).data[0].b64_json)
    base = Image.open(io.BytesIO(before))
    assert 5 < distance(base, after) < 70
    assert distance(base, after) < distance(base, unrelated)


async def test_high_fidelity_keeps_more_of_the_input(connection: Connection) -> None:
    base = Image.open(io.BytesIO(painted((1024, 1024))))
    low, high = [
        await edited(
            connection,
            png(saved(base)),
            model="gpt-image-1.5",
            size="1024x1024",
            quality="low",
            input_fidelity=fidelity,
        )
        for fidelity in ("low", "high")
    ]
    assert distance(base, picture(high.data[0].b64_json)) < distance(base, picture(low.data[0].b64_json))
    assert high.usage.input_tokens_details.image_tokens == low.usage.input_tokens_details.image_tokens + 4160


@pytest.mark.parametrize("background", ["auto", "transparent"])
async def test_an_edit_leaves_every_pixel_outside_the_mask_alone(connection: Connection, background: str) -> None:
    before, hole = painted(), mask(hole=HOLE)
    answer = await edited(connection, png(before), mask=png(hole), background=background)
    where = changed(Image.open(io.BytesIO(before)), picture(answer.data[0].b64_json))
    kept = Image.open(io.BytesIO(hole)).getchannel("A")
    assert ImageChops.multiply(where, kept).getbbox() is None
    assert where.histogram()[255] > 0.95 * kept.histogram()[0]


async def test_a_mask_also_applies_where_the_output_has_another_size(connection: Connection) -> None:
    answer = await edited(connection, png(painted()), mask=png(mask(hole=HOLE)), size="1280x800")
    after = picture(answer.data[0].b64_json).convert("RGB")
    same = Image.open(io.BytesIO(painted())).resize((1280, 800), Image.Resampling.BICUBIC)
    assert distance(same.crop((0, 0, 300, 800)), after.crop((0, 0, 300, 800))) < 1
    assert distance(same.crop((400, 150, 850, 600)), after.crop((400, 150, 850, 600))) > 10


async def test_further_inputs_appear_as_insets(connection: Connection) -> None:
    yellow, green = (saved(Image.new("RGB", (400, 300), colour)) for colour in ("#ffee00", "#00cc00"))
    alone = picture((await edited(connection, [png(painted())])).data[0].b64_json)
    many = await edited(connection, [png(painted()), png(yellow), png(green)])
    with_insets = picture(many.data[0].b64_json)
    colours = {colour for _, colour in with_insets.convert("RGB").getcolors(10**6)}
    assert {(255, 238, 0), (0, 204, 0)} <= colours
    assert distance(alone, with_insets) > 1
    assert many.usage.input_tokens_details.image_tokens > 2 * 300


async def test_an_edits_auto_size_follows_the_first_input(connection: Connection) -> None:
    sizes = {(1024, 640): "1024x640", (900, 900): "1024x1024", (300, 900): "576x1728", (4000, 2000): "1440x720"}
    for given, expected in sizes.items():
        assert (await edited(connection, png(painted(given)))).size == expected
    fixed = await edited(connection, png(painted((300, 200))), model="gpt-image-1-mini", quality="low")
    assert fixed.size == "1536x1024"


async def test_an_edit_streams_under_its_own_event_names(connection: Connection) -> None:
    stream = await edited(connection, png(painted()), stream=True, partial_images=1)
    assert [event.type async for event in stream] == ["image_edit.partial_image", "image_edit.completed"]


async def test_transparency_of_the_input_stays_in_a_transparent_edit(connection: Connection) -> None:
    cut = Image.new("RGBA", (1024, 640), (0, 0, 0, 0))
    cut.paste((200, 30, 30, 255), (400, 100, 600, 300))
    answer = await edited(connection, png(saved(cut)), background="transparent")
    alpha = picture(answer.data[0].b64_json).getchannel("A")
    assert alpha.getpixel((20, 20)) == 0
    assert alpha.getpixel((500, 200)) == 255


async def test_an_upright_photo_is_edited_upright(connection: Connection) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turned by 90 degrees
    Image.open(io.BytesIO(painted((1024, 640)))).save(out, "JPEG", exif=exif)
    answer = await edited(connection, ("photo.jpg", out.getvalue(), "image/jpeg"))
    assert answer.size == "640x1024"


async def test_an_edit_takes_images_by_data_url_and_by_file_id() -> None:
    async with connected() as connection:
        client = connection.client
        file = await client.files.create(file=png(painted()), purpose="vision")
        body = {
            "model": "gpt-image-2",
            "prompt": "Make it autumn",
            "images": [{"file_id": file.id}, {"image_url": data_url(painted((300, 300)))}],
            "mask": {"image_url": data_url(mask())},
        }
        answer = await client.post("/images/edits", body=body, cast_to=object)
        by_form = await edited(connection, [png(painted()), png(painted((300, 300)))], mask=png(mask()))
        assert answer["data"][0]["b64_json"] == by_form.data[0].b64_json
        seen = connection.sandbox.requests[1]
        assert seen.fields["images"][0] == {"file_id": file.id}
        assert len(seen.fields["images"][1]["image_url"]) < 100


@pytest.mark.parametrize(
    "names", [["image"], ["image[]"], ["image[]", "image[]"], ["image[0]", "image[1]"], ["image"] * 2]
)
async def test_a_form_may_name_its_images_in_every_way(names: list[str]) -> None:
    async with connected() as connection:
        files = [(name, ("a.png", painted(), "image/png")) for name in names]
        answer = await connection.client._client.post(
            f"{connection.base_url}/images/edits",
            headers={"authorization": "Bearer sk-sandbox"},
            data={"prompt": "Snow", "model": "gpt-image-2"},
            files=files,
        )
        assert answer.status_code == 200
        assert [file.name for file in connection.sandbox.requests[0].files] == names
        assert answer.json()["usage"]["input_tokens_details"]["image_tokens"] == len(names) * 640


async def test_a_safety_identifier_is_repeated_in_the_answer(connection: Connection) -> None:
    assert (await generated(connection, safety_identifier="abc", user="old")).safety_identifier == "abc"
    assert (await generated(connection, user="old")).safety_identifier == "old"
    assert "safety_identifier" not in (await generated(connection)).to_dict()
    events = [event async for event in await generated(connection, user="old", stream=True)]
    assert events[-1].safety_identifier == "old"


async def test_edits_of_gpt_image_1_5_also_count_text_output(connection: Connection) -> None:
    options = {"model": "gpt-image-1.5", "size": "1024x1024", "quality": "low"}
    edit = await edited(connection, png(painted((512, 512))), **options)
    assert edit.usage.output_tokens_details.image_tokens == 272
    assert 143 <= edit.usage.output_tokens_details.text_tokens <= 308
    generation = await generated(connection, **options)
    assert generation.usage.output_tokens_details.text_tokens == 0


async def test_any_unicode_and_any_length_can_be_drawn(connection: Connection) -> None:
    for prompt in (
        "猫と犬 🐈‍⬛ שלום нет",
        "\x00\x1b\ud7ff\u202e\ue000",
        "w" * 3000,
        "word " * 6400,
        "\U0010ffff" * 9,
        "\n \t",
    ):
        assert picture((await generated(connection, prompt)).data[0].b64_json).size == (1024, 640)
