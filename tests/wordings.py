"""One call in the words of the official package, and in those of our client."""

from collections.abc import Awaitable, Mapping
from typing import Any

import openai
from openai_bodies import b64

from mcp_imagegen.openai_api.values import ImageCall, Picture, ResponsesCall, Upload

CAT = Upload(b"\x89PNG\r\n\x1a\n\0cat\r\n--\xff", "cat.png", "image/png")
DOG = Upload(b"\xff\xd8\xffdog", 'the "dog".jpg', "image/jpeg")
HOLE = Upload(b"\x89PNGmask", "mask.png", "image/png")


def asked(api: openai.AsyncOpenAI, given: Mapping[str, Any]) -> Awaitable[Any]:
    """The call by the official package: `images.generate`, with an `image` `images.edit`, with a `host`
    `responses.create` as `response_arguments` says. Pictures are given as Upload."""
    if "host" in given:
        return api.responses.create(**response_arguments(given))
    files = {name: as_file(value) for name, value in given.items()}
    if "image" not in given:
        return api.images.generate(**files)
    if "moderation" in given:  # which the API's description of edits has, and the package's method forgets
        files["extra_body"] = {"moderation": files.pop("moderation")}
    return api.images.edit(**files)


def words(given: Mapping[str, Any]) -> ImageCall | ResponsesCall:
    """The same call in our client's words."""
    return response_words(given) if "host" in given else image_words(given)


def image_words(arguments: Mapping[str, Any]) -> ImageCall:
    given = {"prompt": None, **arguments}
    pictures = given.pop("image", [])
    given.pop("stream", None)  # a call with partial images is a streamed one
    named = ("model", "prompt", "n", "mask", "markup", "partial_images")
    own = {name: given.pop(name) for name in named if name in given}
    return ImageCall(**own, images=tuple(pictures if isinstance(pictures, list) else [pictures]), options=given)


def response_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """As OpenAI's guide has them. `given`: host, prompt, pictures, mask, call_id, previous_response_id, store,
    in_background, safety_identifier, stream, and options of the tool by their own names."""
    rest = {"pictures": [], **given}
    content = [{"type": "input_text", "text": rest.pop("prompt")}]
    content += [{"type": "input_image", **reference(picture)} for picture in rest.pop("pictures")]
    turn: list[dict[str, Any]] = [{"role": "user", "content": content}]
    if "call_id" in rest:
        # The package's types want the whole call; the API takes its id alone.
        turn.insert(0, {"type": "image_generation_call", "id": rest.pop("call_id")})
    if "mask" in rest:
        rest["input_image_mask"] = reference(rest.pop("mask"))
    body = {"model": rest.pop("host"), "input": turn, "store": rest.pop("store", True)}
    named = ("previous_response_id", "safety_identifier", "stream")
    body |= {name: rest.pop(name) for name in named if name in rest}
    if rest.pop("in_background", False):
        body["background"] = True
    return {**body, "tools": [{"type": "image_generation", **rest}], "tool_choice": {"type": "image_generation"}}


def response_words(given: Mapping[str, Any]) -> ResponsesCall:
    rest = dict(given)
    rest.pop("stream", None)
    named = ("model", "prompt", "call_id", "previous_response_id", "mask", "action", "partial_images", "store")
    own = {name: rest.pop(name) for name in named if name in rest}
    own["background"] = rest.pop("in_background", False)
    return ResponsesCall(rest.pop("host"), images=tuple(rest.pop("pictures", ())), options=rest, **own)


def as_file(value: Any) -> Any:
    """A picture as the package takes it; all else as it is."""
    if isinstance(value, list):
        return [as_file(item) for item in value]
    return (value.name, value.data, value.mime_type) if isinstance(value, Upload) else value


def reference(picture: Picture) -> dict[str, str]:
    """A picture as it is named in JSON."""
    if isinstance(picture, Upload):
        return {"image_url": f"data:{picture.mime_type};base64,{b64(picture.data)}"}
    return {"file_id": picture.file_id}
