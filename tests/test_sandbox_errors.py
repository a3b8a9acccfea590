"""Every refusal of the sandbox, with the status, type, code, param and sentence that OpenAI's API gives it."""

# ruff: noqa: E501 - a refusal is one row of a table

import io
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
from PIL import Image
from sandbox_support import NOVEMBER_2026, SMALL, Connection, connected, data_url, mask, painted, png, saved

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = 24 * 3600.0
IMAGE = "image_generation_user_error"
REQUEST = "invalid_request_error"


@dataclass(frozen=True)
class Refusal:
    """A request of one kind and the error that it gets; `says` is part of the message."""

    options: dict[str, Any]
    code: str | None
    param: str | None
    says: str
    type: str | None = REQUEST
    status: int = 400


def generation(name: str, code: str | None, says: str, **options: Any) -> Any:
    rest = {key: options.pop(key) for key in ("status", "type") if key in options}
    param = options.pop("param", next(iter(options), None))
    return pytest.param(Refusal(options, code, param, says, **rest), id=name)


GENERATIONS = [
    generation("below the fewest pixels", "invalid_value", "Invalid size '512x512'. Requested resolution is below the current minimum pixel budget.", size="512x512", type=IMAGE),
    generation("not divisible", "invalid_value", "Invalid size '2880x1620'. Width and height must both be divisible by 16.", size="2880x1620", type=IMAGE),
    generation("edge too long", "invalid_value", "Invalid size '4096x2048'. The longest edge must be less than or equal to 3840.", size="4096x2048", type=IMAGE),
    generation("above the most pixels", "invalid_value", "above the current maximum pixel budget", size="3840x3840", type=IMAGE),
    generation("too narrow", "invalid_value", "The aspect ratio must be between 1:3 and 3:1.", size="2048x640", type=IMAGE),
    generation("no size", "invalid_value", "Invalid size 'big'.", size="big", type=IMAGE),
    generation("a size that is no number", "invalid_value", "Invalid size '²x٣'.", size="²x٣", type=IMAGE),
    generation("size of a fixed-size model", "invalid_value", "Invalid value: '1024x640'. Supported values are: '1024x1024', '1024x1536', '1536x1024', and 'auto'.", size="1024x640", model="gpt-image-1.5", type=IMAGE),
    generation("unknown parameter", "unknown_parameter", "Unknown parameter: 'response_format'.", response_format="b64_json"),
    generation("unknown model", "model_not_found", "The model `gpt-image-9` does not exist or you do not have access to it.", model="gpt-image-9", status=404),
    generation("retired model", "model_not_found", "The model `gpt-image-1` does not exist", model="gpt-image-1", status=404),
    generation("DALL·E", "model_not_found", "The model `dall-e-3` does not exist", model="dall-e-3", status=404),
    generation("quality of another family", "invalid_value", "The model 'gpt-image-2' does not support quality 'xhigh'", quality="xhigh", type=IMAGE),
    generation("quality of DALL·E", "invalid_value", "Invalid value: 'hd'.", quality="hd"),
    generation("transparent jpeg", "invalid_value", "Transparent background is not supported for JPEG output format", background="transparent", output_format="jpeg", type=IMAGE),
    generation("compressed png", "invalid_value", "Compression less than 100 is not supported for PNG output format", output_compression=50, type=IMAGE),
    generation("too many", "integer_above_max_value", "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead.", n=11),
    generation("none at all", "integer_below_min_value", "Expected a value >= 1, but got 0 instead.", n=0),
    generation("a number as text", "invalid_type", "Invalid type for 'n': expected an integer, but got a string instead.", n="2"),
    generation("a truth as a number", "invalid_type", "Invalid type for 'n': expected an integer, but got a boolean instead.", n=True),
    generation("too many partial images", "integer_above_max_value", "Expected a value <= 3", partial_images=4),
    generation("prompt too long", "string_above_max_length", "Expected a string with maximum length 32000, but got a string with length 32001 instead.", prompt="a" * 32_001),
    generation("empty prompt", "empty_string", "Invalid 'prompt': empty string.", prompt=""),
    generation("prompt of numbers", "invalid_type", "Invalid type for 'prompt': expected a string, but got an array instead.", prompt=[1, 2]),
    generation("streamed gif", "invalid_value", "GIF output does not support streaming.", stream=True, output_format="gif", type=IMAGE),
    generation("partial images of a gif", "invalid_value", "does not support partial images", partial_images=2, output_format="gif", type=IMAGE),
    generation("gif of a model that cannot", "invalid_value", "Supported values are: 'png', 'webp', and 'jpeg'.", output_format="gif", model="gpt-image-1-mini", size="1024x1024"),
    generation("frames without gif", "invalid_value", "'frame_count' parameter is only supported", frame_count=3, type=IMAGE),
    generation("two svgs", "invalid_value", "SVG output does not support more than one image.", n=2, output_format="svg", type=IMAGE),
    generation("svg settings for a png", "invalid_value", "only supported with output_format 'svg'", svg={"model": "gpt-5.4"}, type=IMAGE),
    generation("svg author unknown", "model_not_found", "does not exist", svg={"model": "gpt-0"}, output_format="svg", status=404, param="model"),
    generation("svg setting unknown", "unknown_parameter", "Unknown parameter: 'svg.colour'.", svg={"colour": "red"}, param="svg.colour"),
    generation("moderation", "moderation_blocked", "Your request was rejected by the safety system.", prompt="x sandbox:moderation", type=IMAGE, param=None),
    generation("rate limit", "rate_limit_exceeded", "Please try again in 250ms.", prompt="sandbox:rate-limit", status=429, type="requests", param=None),
    generation("quota", "insufficient_quota", "You exceeded your current quota, please check your plan and billing details.", prompt="sandbox:quota", status=429, type="insufficient_quota", param=None),
    generation("billing limit", "billing_hard_limit_reached", "Billing hard limit has been reached.", prompt="sandbox:billing-limit", type="billing_limit_user_error", param=None),
    generation("unverified", None, "Your organization must be verified to use the model `gpt-image-2`.", prompt="sandbox:unverified", status=403, param=None),
    generation("server error", "server_error", "The server had an error while processing your request.", prompt="sandbox:server-error", status=500, type="server_error", param=None),
    generation("stream error without a stream", "server_error", "The server had an error", prompt="sandbox:stream-error", status=500, type="server_error", param=None),
    generation("no transparency", "invalid_value", "Transparent background is not supported for this model.", background="transparent", prompt="sandbox:no-transparency", type=IMAGE),
]  # fmt: skip


def agree(error: openai.APIStatusError, refusal: Refusal) -> None:
    assert (error.status_code, error.type, error.code, error.param) == (
        refusal.status, refusal.type, refusal.code, refusal.param,
    )  # fmt: skip
    assert refusal.says in error.message


@pytest.mark.parametrize("refusal", GENERATIONS)
async def test_a_generation_is_refused_as_the_api_words_it(connection: Connection, refusal: Refusal) -> None:
    body = {"model": "gpt-image-2", "prompt": "A cat", "size": SMALL} | refusal.options
    with pytest.raises(openai.APIStatusError) as raised:
        await connection.client.post("/images/generations", body=body, cast_to=object)
    agree(raised.value, refusal)
    assert raised.value.request_id == connection.last.headers["x-request-id"]


def edit(name: str, code: str, says: str, param: str | None, **form: Any) -> Any:
    return pytest.param(Refusal(form, code, param, says, form.pop("type", REQUEST)), id=name)


TEXT = ("notes.txt", b"not a picture", "text/plain")
FAKE = ("fake.png", b"not a picture", "image/png")
EDITS = [
    edit("mask without alpha", "invalid_mask_image_format", "Invalid mask image format - mask image missing alpha channel", "mask", mask=png(painted()), type=IMAGE),
    edit("mask of another size", "invalid_mask_image_format", "Invalid mask image format - mask size does not match image size", "mask", mask=png(mask((512, 320))), type=IMAGE),
    edit("mask that is no picture", "invalid_mask_image_format", "Invalid mask image format", "mask", mask=FAKE, type=IMAGE),
    edit("mime type", "unsupported_file_mimetype", "Invalid file 'image': unsupported mimetype ('text/plain'). Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'.", "image", image=TEXT),
    edit("mime type in a list", "unsupported_file_mimetype", "Invalid file 'image[1]': unsupported mimetype", "image[1]", image=[png(painted()), TEXT]),
    edit("no picture", "invalid_image_file", "Invalid image file or mode for image 1, please check your image file.", "image", image=FAKE, type=IMAGE),
    edit("the second is no picture", "invalid_image_file", "Invalid image file or mode for image 2", "image[1]", image=[png(painted()), FAKE], type=IMAGE),
    edit("half a picture", "invalid_image_file", "Invalid image file", "image", image=png(painted()[:2000]), type=IMAGE),
    edit("a gif", "invalid_image_file", "Invalid image file", "image", image=png(saved(Image.new("RGB", (900, 900)), "GIF")), type=IMAGE),
    edit("seventeen images", "array_above_max_length", "Expected an array with maximum length 16, but got an array with length 17 instead.", "image", image=[png(painted((64, 64)))] * 17),
    edit("input_fidelity", "invalid_input_fidelity_model", "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.", "input_fidelity", input_fidelity="high"),
    edit("input_fidelity of the small model", "invalid_value", "Invalid value: 'high'. Supported values are: 'low'.", "input_fidelity", input_fidelity="high", model="gpt-image-1-mini"),
    edit("masked gif", "invalid_value", "GIF output does not support masks.", "mask", mask=png(mask()), output_format="gif", type=IMAGE),
    edit("markup", "unknown_parameter", "Unknown parameter: 'markup'.", "markup", markup=png(mask())),
    edit("n in a form", "integer_above_max_value", "but got 11 instead", "n", n=11),
]  # fmt: skip


@pytest.mark.parametrize("refusal", EDITS)
async def test_an_edit_is_refused_as_the_api_words_it(connection: Connection, refusal: Refusal) -> None:
    form: Any = {"image": png(painted()), "prompt": "Snow", "model": "gpt-image-2"} | refusal.options
    with pytest.raises(openai.APIStatusError) as raised:
        await connection.client.images.edit(**form)
    agree(raised.value, refusal)


PICTURE = {"image_url": data_url(painted((64, 64)))}
JSON_EDITS = [
    edit("no images", "missing_required_parameter", "Missing required parameter: 'images'.", "images", images=None),
    edit("an svg", "invalid_image_file", "Invalid image data.", "images[0].image_url", images=[{"image_url": data_url(b"<svg/>", "image/svg+xml")}], type=IMAGE),
    edit("broken base64", "invalid_image_file", "Invalid image data.", "images[0].image_url", images=[{"image_url": "data:image/png;base64,%%%"}], type=IMAGE),
    edit("no address at all", "invalid_image_file", "Invalid image data.", "images[1].image_url", images=[PICTURE, {"image_url": "cat.png"}], type=IMAGE),
    edit("an address that leads nowhere", "invalid_value", "Error while downloading file. Upstream status code: 404.", "url", images=[{"image_url": "https://example.com/cat.png"}]),
    edit("both kinds", "invalid_value", "provide exactly one of 'image_url' or 'file_id'", "images[0]", images=[PICTURE | {"file_id": "file-1"}], type=IMAGE),
    edit("seventeen", "array_above_max_length", "maximum length 16", "images", images=[PICTURE] * 17),
    edit("no object", "invalid_type", "expected an object, but got a string", "images[0]", images=["file-1"]),
    edit("mask without alpha", "invalid_mask_image_format", "missing alpha channel", "mask", images=[PICTURE], mask=PICTURE, type=IMAGE),
]  # fmt: skip


@pytest.mark.parametrize("refusal", JSON_EDITS)
async def test_a_json_edit_is_refused_as_the_api_words_it(connection: Connection, refusal: Refusal) -> None:
    body = {"prompt": "Snow", "model": "gpt-image-2"} | refusal.options
    with pytest.raises(openai.APIStatusError) as raised:
        await connection.client.post("/images/edits", body=body, cast_to=object)
    agree(raised.value, refusal)


@dataclass(frozen=True)
class Asked:
    """A request to the Responses API: the body's fields, and those of its image tool."""

    code: str | None
    param: str | None
    says: str
    fields: dict[str, Any] = field(default_factory=dict)
    tool: dict[str, Any] = field(default_factory=dict)
    type: str | None = REQUEST
    status: int = 400


def response(name: str, code: str | None, param: str | None, says: str, **more: Any) -> Any:
    return pytest.param(Asked(code, param, says, **more), id=name)


def part(**fields: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [{"type": "input_image", **fields}]}]}


RESPONSES = [
    response("image model as host", "model_not_found", "model", "The requested model 'gpt-image-2' is not supported with the Responses API.", fields={"model": "gpt-image-2"}),
    response("unknown host", "model_not_found", "model", "The model `gpt-0` does not exist", fields={"model": "gpt-0"}, status=404),
    response("no model", "missing_required_parameter", "model", "Missing required parameter: 'model'.", fields={"model": None}),
    response("no input", "missing_required_parameter", "input", "Missing required parameter: 'input'.", fields={"input": None}),
    response("unknown parameter", "unknown_parameter", "prompt_text", "Unknown parameter: 'prompt_text'.", fields={"prompt_text": "x"}),
    response("unknown tool option", "unknown_parameter", "tools[0].n", "Unknown parameter: 'tools[0].n'.", tool={"n": 2}),
    response("size", "invalid_value", "tools[0].size", "Invalid size '512x512'. Requested resolution is below the current minimum pixel budget.", tool={"size": "512x512"}, type=IMAGE),
    response("unknown image model", "model_not_found", "tools[0].model", "The model `gpt-image-9` does not exist", tool={"model": "gpt-image-9"}, status=404),
    response("quality", "invalid_value", "tools[0].quality", "The model 'gpt-image-2' does not support quality 'max'", tool={"quality": "max"}, type=IMAGE),
    response("edit without an image", "invalid_value", "tools[0].action", "there is no image in the context to edit", tool={"action": "edit"}, type=IMAGE),
    response("mask without an image", "invalid_mask_image_format", "tools[0].input_image_mask", "no image that the mask applies to", tool={"input_image_mask": {"image_url": data_url(mask())}}, type=IMAGE),
    response("partial images of a gif", "invalid_value", "tools[0].partial_images", "GIF output does not support partial images.", tool={"output_format": "gif", "partial_images": 1}, type=IMAGE),
    response("forced tool that is not there", None, "tool_choice", "Tool choice 'image_generation' not found in 'tools' parameter.", fields={"tools": []}),
    response("previous response", "previous_response_not_found", "previous_response_id", "Previous response with id 'resp_1' not found.", fields={"previous_response_id": "resp_1"}),
    response("unknown item", None, "input", "Item with id 'ig_1' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", fields={"input": [{"type": "image_generation_call", "id": "ig_1"}]}, status=404),
    response("unknown file", None, "input[0].content[0].file_id", "No such File object: file-1", fields=part(file_id="file-1"), status=404),
    response("input image that is none", "invalid_value", "input", "The image data you provided does not represent a valid image.", fields=part(image_url=data_url(b"x"))),
    response("input image that leads nowhere", "invalid_value", "url", "Upstream status code: 404.", fields=part(image_url="https://example.com/a.png")),
    response("unknown item type", "invalid_value", "input[0].type", "Invalid value: 'computer_call'.", fields={"input": [{"type": "computer_call"}]}),
    response("unknown role", "invalid_value", "input[0].role", "Invalid value: 'robot'.", fields={"input": [{"role": "robot", "content": "x"}]}),
    response("moderation", "moderation_blocked", None, "safety_violations=[violence].", fields={"input": "sandbox:moderation"}, type=IMAGE),
    response("rate limit", "rate_limit_exceeded", None, "Rate limit reached for gpt-image-2", fields={"input": "sandbox:rate-limit"}, type="requests", status=429),
    response("background without store", "unsupported_parameter", "background", "Background mode requires 'store' to be true.", fields={"background": True, "store": False}),
    response("conversation", "unsupported_parameter", "conversation", "The sandbox does not imitate 'conversation'.", fields={"conversation": "conv_1"}),
    response("server without background", "unknown_parameter", "background", "Unknown parameter: 'background'.", fields={"background": True, "input": "sandbox:no-background"}),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("refusal", RESPONSES)
async def test_a_response_is_refused_before_a_stream_begins(
    connection: Connection, refusal: Asked, stream: bool
) -> None:
    tool = {"type": "image_generation", "model": "gpt-image-2", "size": SMALL} | refusal.tool
    body = {"model": "gpt-5.4", "input": "A cat", "tools": [tool], "tool_choice": {"type": "image_generation"}}
    with pytest.raises(openai.APIStatusError) as raised:
        await connection.client.post("/responses", body=body | {"stream": stream} | refusal.fields, cast_to=object)
    agree(raised.value, Refusal({}, refusal.code, refusal.param, refusal.says, refusal.type, refusal.status))


async def generate(connection: Connection, prompt: str, **options: Any) -> Any:
    return await connection.client.images.generate(prompt=prompt, model="gpt-image-2", size=SMALL, **options)


async def test_a_refusal_by_moderation_says_at_which_stage_and_why(connection: Connection) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        await generate(connection, "sandbox:moderation")
    assert raised.value.body["moderation_details"] == {"moderation_stage": "input", "categories": ["violence"]}
    assert connection.last.headers["x-request-id"] in raised.value.message


async def test_a_rate_limit_says_how_long_to_wait(connection: Connection) -> None:
    with pytest.raises(openai.RateLimitError) as raised:
        await generate(connection, "sandbox:rate-limit")
    headers = raised.value.response.headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "250")
    assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_word_with_once_refuses_only_the_first_request_with_this_prompt(connection: Connection) -> None:
    for prompt in ("A cat sandbox:rate-limit-once", "A dog sandbox:rate-limit-once"):
        with pytest.raises(openai.RateLimitError):
            await generate(connection, prompt)
        assert (await generate(connection, prompt)).data


async def test_a_word_counts_only_whole_and_in_a_chain_only_where_it_is_said_last(connection: Connection) -> None:
    assert (await generate(connection, "sandbox:moderations mysandbox:quota sandbox quota")).data
    asks = [{"role": "user", "content": "sandbox:quota"}, {"role": "user", "content": "A cat"}]
    tools: Any = [{"type": "image_generation", "model": "gpt-image-2", "size": SMALL}]
    assert (await connection.client.responses.create(model="gpt-5.4", input=asks, tools=tools)).output


async def test_bad_options_are_refused_before_the_organization_is_looked_at(connection: Connection) -> None:
    with pytest.raises(openai.BadRequestError):
        await generate(connection, "sandbox:unverified", n=99)


async def test_a_stream_that_fails_after_it_began_ends_with_an_error_event(connection: Connection) -> None:
    stream = await generate(connection, "sandbox:stream-error", stream=True, partial_images=3)
    seen = []
    with pytest.raises(openai.APIError) as raised:
        async for event in stream:
            seen.append(event.type)
    assert seen == ["image_generation.partial_image"]
    assert raised.value.code == "server_error"
    assert connection.last.events[-1]["sequence_number"] == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_may_end_in_the_middle_of_an_answer(stream: bool) -> None:
    async with connected(whole=False) as connection:
        with pytest.raises((openai.APIConnectionError, openai.APIError)):
            answer = await generate(connection, "sandbox:disconnect", stream=stream)
            async for _ in answer:
                pass
        assert connection.last.status == 200
        assert 0 < len(connection.last.body) < int(connection.last.headers["content-length"])


async def test_a_key_is_needed_and_where_keys_are_set_it_must_be_one_of_them() -> None:
    async with connected(key="sk-one-of-them", keys={"sk-one-of-them"}) as connection:
        assert (await generate(connection, "A cat")).data
        wrong = connection.client.with_options(api_key="sk-abcdefghijklmnop")
        with pytest.raises(openai.AuthenticationError) as raised:
            await wrong.models.list()
        assert raised.value.code == "invalid_api_key"
        assert raised.value.response.headers["www-authenticate"] == 'Bearer realm="OpenAI API"'
        assert "You can find your API key at https://platform.openai.com/account/api-keys." in raised.value.message
        assert "sk-abcdefghijklmnop" not in raised.value.message
        for header in ("", "Bearer", "Basic c2VjcmV0"):
            answer = await connection.client._client.get(
                f"{connection.base_url}/models", headers={"authorization": header}
            )
            assert answer.status_code == 401
            assert answer.json()["error"]["message"].startswith("You didn't provide an API key.")


async def test_unknown_paths_methods_and_bodies_are_refused(connection: Connection) -> None:
    http, key = connection.client._client, {"authorization": "Bearer sk"}
    url = f"{connection.base_url}/images/generations"
    answers = [
        (await http.get(f"{connection.base_url}/batches", headers=key), 404, "Invalid URL (GET /v1/batches)"),
        (await http.get(url, headers=key), 405, "Not allowed to GET on /v1/images/generations"),
        (await http.post(f"{connection.base_url}/images/variations", headers=key), 404, "Invalid URL (POST"),
        (await http.post(url, headers=key, content=b"{"), 400, "We could not parse the JSON body"),
        (await http.post(url, headers=key, content=b"[]"), 400, "We could not parse the JSON body"),
        (await http.post(url, headers=key | {"content-type": "text/plain"}, content=b"{}"), 400, "Unsupported content type"),
        (await http.post(url, headers=key, files={"image": b"x"}), 400, "Unsupported content type"),
        (await http.post(url, headers=key, json={"model": "gpt-image-2"}), 400, "Missing required parameter: 'prompt'."),
    ]  # fmt: skip
    for answer, status, says in answers:
        assert answer.status_code == status
        assert says in answer.json()["error"]["message"]


async def test_a_form_that_sends_its_image_as_text_is_refused(connection: Connection) -> None:
    for name in ("image", "image[]"):
        form = {name: (None, data_url(painted((64, 64)))), "prompt": (None, "Snow")}
        answer = await connection.client._client.post(
            f"{connection.base_url}/images/edits", headers={"authorization": "Bearer sk"}, files=form
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_type"


async def test_models_end_on_their_day() -> None:
    end = 1_796_083_200.0  # 2026-12-01
    now = [end - 1]
    async with connected(clock=lambda: now[0]) as connection:
        client = connection.client
        legacy: Any = {"prompt": "A cat", "model": "gpt-image-1-mini", "size": "1024x1024", "quality": "low"}
        assert (await client.images.generate(**legacy)).data
        now[0] = end
        with pytest.raises(openai.NotFoundError) as raised:
            await client.images.generate(**legacy)
        assert raised.value.code == "model_not_found"
        assert (await client.responses.create(model="gpt-5", input="Hello")).output_text
        now[0] = NOVEMBER_2026 + 21 * DAY  # 2026-12-11
        with pytest.raises(openai.NotFoundError):
            await client.responses.create(model="gpt-5", input="Hello")


async def test_a_picture_of_too_many_pixels_is_not_opened(connection: Connection) -> None:
    out = io.BytesIO()
    Image.new("1", (11_000, 8_000)).save(out, "PNG")
    with pytest.raises(openai.BadRequestError) as raised:
        await connection.client.images.edit(image=png(out.getvalue()), prompt="Snow", model="gpt-image-2")
    assert raised.value.code == "invalid_image_file"
