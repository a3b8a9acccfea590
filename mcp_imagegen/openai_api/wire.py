"""What is read of a provider's answers, and nothing more.

Field names are those of OpenAI's API reference. Reading is lenient: an image that was paid for must not be lost because
a field beside it is missing, null or of another type, so such a field is None and an unknown one is ignored. Only an
answer that is no JSON object at all is refused.
"""

from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

T = TypeVar("T")


def _none_if_wrong(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    try:
        return validate(value)
    except ValidationError:
        return None


def _only_objects(value: Any) -> Any:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _no_auto(value: Any) -> Any:
    """Some answers repeat `auto`, which is not what it was resolved to."""
    return None if value == "auto" else value


def _day(value: Any) -> date | None:
    """The day of an ISO date, or of a moment."""
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


Lenient = Annotated[T | None, WrapValidator(_none_if_wrong)]
Objects = Annotated[list[T], BeforeValidator(_only_objects)]
Count = Lenient[Annotated[int, Field(ge=0, le=10**7)]]  # no call uses more tokens, nor has more parts
Index = Lenient[Annotated[int, Field(ge=0, le=10**12)]]
Day = Annotated[date | None, BeforeValidator(_day)]
Value = Annotated[Lenient[str], BeforeValidator(_no_auto)]


class Wire(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class ModerationDetails(Wire):
    moderation_stage: Lenient[str] = None
    categories: Lenient[list[str]] = None


class CachedDetails(Wire):
    """Which of the cached tokens were text and which image; `tool_usage` and other places name them differently."""

    cached_text_tokens: Count = None
    cached_image_tokens: Count = None
    text_tokens: Count = None
    image_tokens: Count = None


class InputDetails(Wire):
    text_tokens: Count = None
    image_tokens: Count = None
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cached_tokens_details: Lenient[CachedDetails] = None


class OutputDetails(Wire):
    text_tokens: Count = None
    image_tokens: Count = None


class TokenUsage(Wire):
    """`usage` of the Image API and of a response, and `tool_usage.image_gen` of a response."""

    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: Lenient[InputDetails] = None
    output_tokens_details: Lenient[OutputDetails] = None
    cached_tokens: Count = None
    cached_tokens_details: Lenient[CachedDetails] = None


class SvgUsage(Wire):
    """What a text model used to write an SVG; its reasoning is part of the output."""

    model: Lenient[str] = None
    input_tokens: Count = None
    output_tokens: Count = None


class ToolUsage(Wire):
    image_gen: Lenient[TokenUsage] = None


class Rendered(Wire):
    """The options as the API resolved them; `auto` reads as None."""

    size: Value = None
    quality: Value = None
    background: Value = None
    output_format: Value = None


class ImageItem(Wire):
    b64_json: Lenient[str] = None
    url: Lenient[str] = None
    revised_prompt: Lenient[str] = None


class ImagesAnswer(Rendered):
    """The body of `/images/generations` and `/images/edits`."""

    data: Objects[ImageItem] = []
    usage: Lenient[TokenUsage] = None
    svg_usage: Lenient[SvgUsage] = None
    error: Any = None


class ImageEvent(ImagesAnswer):
    """A streamed event of the Image API: `…partial_image`, `…completed` or `error`."""

    type: Lenient[str] = None
    b64_json: Lenient[str] = None
    url: Lenient[str] = None
    revised_prompt: Lenient[str] = None
    partial_image_index: Index = None


class ContentPart(Wire):
    type: Lenient[str] = None
    text: Lenient[str] = None
    refusal: Lenient[str] = None


class OutputItem(Rendered):
    """An item of a response's `output`; of interest are `image_generation_call` and `message`."""

    type: Lenient[str] = None
    id: Lenient[str] = None
    status: Lenient[str] = None
    result: Lenient[str] = None
    revised_prompt: Lenient[str] = None
    action: Lenient[str] = None
    svg_usage: Lenient[SvgUsage] = None
    error: Any = None
    content: Objects[ContentPart] = []


class IncompleteDetails(Wire):
    reason: Lenient[str] = None


class ResponseObject(Wire):
    id: Lenient[str] = None
    status: Lenient[str] = None
    output: Objects[OutputItem] = []
    error: Any = None
    incomplete_details: Lenient[IncompleteDetails] = None
    usage: Lenient[TokenUsage] = None
    tool_usage: Lenient[ToolUsage] = None


class ResponseEvent(Wire):
    """A streamed event of the Responses API."""

    type: Lenient[str] = None
    item: Lenient[OutputItem] = None
    item_id: Lenient[str] = None
    output_index: Count = None
    sequence_number: Count = None
    partial_image_b64: Lenient[str] = None
    partial_image_index: Index = None
    response: Lenient[ResponseObject] = None
    error: Any = None


class Identified(Wire):
    """A file of the Files API: only its id is of interest."""

    id: Lenient[str] = None


class ListedModel(Wire):
    """A model of the list; `shutdown_date` is a text in the official types, null where no end is announced."""

    id: Lenient[str] = None
    shutdown_date: Day = None


class ModelList(Wire):
    data: Objects[ListedModel] = []
