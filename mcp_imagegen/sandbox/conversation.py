"""The input of `POST /v1/responses`: what was asked last, and which images stand in the context.

Of the images one is the base of an edit: the image_generation_call that this request names, else the one made last in
the conversation, else the first image of the latest message that has any. Further images of this request are
references.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .errors import (
    ApiError,
    download_failed,
    invalid_input_image,
    missing_parameter,
    no_such_file,
    no_such_item,
    wrong_type,
    wrong_value,
)
from .inputs import MOST_IMAGES, VISIBLE, Materials, Source, opened, opened_mask
from .stored import ContextImage, State

ITEMS = ("message", "image_generation_call", "item_reference", "reasoning")
ROLES = ("user", "assistant", "system", "developer")
PARTS = ("input_text", "input_image", "input_file", "output_text", "refusal")


@dataclass(frozen=True)
class Sent:
    """An image that came with this request; `call_id` where it came as the result of an image_generation_call."""

    source: Source
    call_id: str | None = None


@dataclass(frozen=True)
class Turn:
    """A request's input: the text of the last user message, its images in order, item by item, and the ids of the
    items that it names."""

    prompt: str = ""
    groups: tuple[tuple[Sent | ContextImage, ...], ...] = ()
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """The conversation as this turn finds it: images of earlier turns, and those of this request."""

    earlier: tuple[ContextImage, ...] = ()
    groups: tuple[tuple[ContextImage, ...], ...] = ()

    @property
    def images(self) -> tuple[ContextImage, ...]:
        return (*self.earlier, *(image for group in self.groups for image in group))

    def base_first(self) -> tuple[ContextImage, ...]:
        """What an edit works on, the base first; nothing where there is no image."""
        named = [image for group in self.groups for image in group if image.call_id]
        made = [image for image in self.earlier if image.call_id]
        sent = [image for group in self.groups for image in group if not image.call_id]
        latest = next((group for group in reversed(self.groups) if group), ())
        base = next(iter([*named[-1:], *made[-1:], *latest[:1], *self.earlier[-1:]]), None)
        if base is None:
            return ()
        return (base, *(image for image in sent if image is not base))[:MOST_IMAGES]


def turn_of(given: Any, state: State) -> Turn:
    """Reads the `input` field. Raises ApiError where it is malformed or names an item or file that is not there."""
    if given is None:
        raise missing_parameter("input")
    if isinstance(given, str):
        return Turn(given)
    if not isinstance(given, list):
        raise wrong_type("input", "a string or an array of input items", given)
    prompt = ""
    groups: list[tuple[Sent | ContextImage, ...]] = []
    named: list[str] = []
    for index, item in enumerate(given):
        where = f"input[{index}]"
        if not isinstance(item, dict):
            raise wrong_type(where, "an object", item)
        match item.get("type") or ("message" if "role" in item else "item_reference"):
            case "message":
                text, images = _message(item, where, state)
                groups.append(images)
                prompt = text if item.get("role") == "user" and text else prompt
            case "image_generation_call" if isinstance(result := item.get("result"), str):
                groups.append((_inline(str(item.get("id") or "ig_inline"), result, where),))
            case "image_generation_call" | "item_reference":
                groups.append(_named(item, where, state))
                named.append(item["id"])
            case "reasoning":
                continue
            case other:
                raise wrong_value(f"{where}.type", str(other), ITEMS)
    return Turn(prompt, tuple(group for group in groups if group), tuple(named))


def _message(item: dict[str, Any], where: str, state: State) -> tuple[str, tuple[Sent, ...]]:
    if item.get("role") not in ROLES:
        raise wrong_value(f"{where}.role", str(item.get("role")), ROLES)
    content = item.get("content")
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        raise wrong_type(f"{where}.content", "a string or an array of content parts", content)
    texts: list[str] = []
    images: list[Sent] = []
    for index, part in enumerate(content):
        at = f"{where}.content[{index}]"
        if not isinstance(part, dict) or part.get("type") not in PARTS:
            raise wrong_value(at, str(part.get("type") if isinstance(part, dict) else part), PARTS)
        if part["type"] == "input_text":
            if not isinstance(part.get("text"), str):
                raise wrong_type(f"{at}.text", "a string", part.get("text"))
            texts.append(part["text"])
        elif part["type"] == "input_image":
            images.append(Sent(_input_image(part, at, state)))
    return "\n".join(texts), tuple(images)


def _input_image(part: dict[str, Any], where: str, state: State) -> Source:
    url, file_id = part.get("image_url"), part.get("file_id")
    if isinstance(file_id, str) and url is None:
        if (data := state.file_data(file_id)) is None:
            raise no_such_file(file_id, f"{where}.file_id")
        return Source(where, invalid_input_image, data)
    if not isinstance(url, str) or file_id is not None:
        raise ApiError(
            f"Invalid '{where}': provide exactly one of 'image_url' or 'file_id'.", code="invalid_value", param=where
        )
    if url.startswith(("http://", "https://")):
        raise download_failed()
    if not url.startswith("data:") or ";base64," not in url[:120]:
        raise invalid_input_image()
    return Source(where, invalid_input_image, data_url=url)


def _inline(call_id: str, result: str, where: str) -> Sent:
    """An image_generation_call that brings its picture, as where nothing was stored."""
    return Sent(Source(where, invalid_input_image, data_url=f"data:image/png;base64,{result}"), call_id)


def _named(item: dict[str, Any], where: str, state: State) -> tuple[ContextImage, ...]:
    """An item by its id alone."""
    if not isinstance(item_id := item.get("id"), str):
        raise missing_parameter(f"{where}.id")
    if (stored := state.items.get(item_id)) is None:
        raise no_such_item(item_id)
    return () if stored.image is None else (stored.image,)


def context_of(turn: Turn, earlier: Sequence[ContextImage]) -> Context:
    """Opens the images of a turn, so that broken ones are refused before anything is drawn. For the studio's thread."""
    groups = [tuple(_seen(one) for one in group) for group in turn.groups]
    return Context(tuple(earlier), tuple(groups))


def _seen(one: Sent | ContextImage) -> ContextImage:
    return one if isinstance(one, ContextImage) else ContextImage(opened(one.source, VISIBLE).data, one.call_id)


def materials_of(images: Sequence[ContextImage], mask: Source | None) -> Materials:
    """Opens what an edit works on, the base first. Raises ApiError. For the studio's thread."""
    if not images:
        return Materials()
    pictures = [opened(Source("input", invalid_input_image, image.data), VISIBLE).image for image in images]
    free = None if mask is None else opened_mask(mask, pictures[0].size)
    return Materials(pictures[0], free, tuple(pictures[1:]), tuple(picture.size for picture in pictures))
