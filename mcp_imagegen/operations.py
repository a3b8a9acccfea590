"""What a caller can ask for: one frozen value per operation.

The tools list these as their arguments, the command line fills them in, and every room below reads them; an option is
written here and nowhere else. The description texts are read by models and counted (all tools together stay under
7,000 bytes), so an option that several operations share is described where it is met first.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from .settings.values import countable

# What any call may hold; what its model takes, the catalog says, and a user's own models may take more than OpenAI's.
PROMPT_LIMIT = 200_000  # characters
IMAGE_LIMIT = 64


def _as_list(value: object) -> object:
    """Some clients send a list as JSON text, and models send one image without a list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # else it is a file name that begins so
            return json.loads(value)
    return [value]


def _as_object(value: object) -> object:
    """The same for an object. Raises ValueError for text that is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _not_blank(value: str | None) -> str | None:
    """Raises PydanticCustomError for white space, which would be sent and billed."""
    if value is not None and not value.strip():
        raise PydanticCustomError("string_too_short", "is empty")
    return value


def _plain_auto(value: str) -> str:
    """`auto` as the API writes it; any other size stays as it is given, for models that have sizes of their own."""
    return "auto" if value.strip().lower() == "auto" else value


References = Annotated[list[str], BeforeValidator(_as_list, json_schema_input_type=list[str])]
Extra = Annotated[dict[str, Any], BeforeValidator(_as_object, json_schema_input_type=dict[str, Any])]
NotBlank = AfterValidator(_not_blank)
PlainAuto = AfterValidator(_plain_auto)
Prompt = Annotated[str, Field(min_length=1, max_length=PROMPT_LIMIT), NotBlank]
# Strict: neither text nor true, which would be taken for a limit of one USD.
Usd = Annotated[float, Field(gt=0, strict=True), AfterValidator(countable)]
Fidelity = Literal["low", "high"]
Action = Literal["auto", "generate", "edit"]
History = Literal["image", "full"]


class Operation(BaseModel):
    """Frozen; an unknown argument is an error, and no value given appears in an error's text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Rendering(Operation):
    """How an image is to be made: the options that every drawing operation shares."""

    model: Annotated[str | None, Field(description="Default gpt-image-2"), NotBlank] = None
    size: Annotated[str, Field(description="auto or WIDTHxHEIGHT, multiples of 16"), PlainAuto] = "auto"
    quality: Annotated[str, Field(description="auto, low (drafts), medium, high; gpt-image-2.5: also xhigh, max")] = (
        "auto"
    )
    background: Annotated[
        Literal["auto", "opaque", "transparent"], Field(description="transparent needs png or webp")
    ] = "auto"
    output_format: Literal["png", "jpeg", "webp", "gif", "svg"] = "png"
    output_compression: Annotated[int | None, Field(ge=0, le=100, description="jpeg, webp")] = None
    moderation: Literal["auto", "low"] = "auto"
    partial_images: Annotated[int, Field(ge=0, le=3)] = 0
    extra: Annotated[Extra | None, Field(description="Other API options by name")] = None


class Paid(Rendering):
    """What only a call that spends money takes."""

    save_to: Annotated[str | None, Field(description="Folder or file for a copy")] = None
    max_cost_usd: Annotated[Usd | None, Field(description="Refuse if it could cost more")] = None


class GenerateImage(Paid):
    """Make new images from text. Costs money. To change an image use edit_image or continue_image_thread. If the
    status is in_progress, collect it with get_image_thread; do not call again."""

    prompt: Prompt
    n: Annotated[int, Field(ge=1, le=10)] = 1


class EditImage(Paid):
    """Change or combine images. Costs money. Opens a thread; to refine an image made here use continue_image_thread,
    which keeps its history."""

    images: Annotated[
        References,
        Field(min_length=1, max_length=IMAGE_LIMIT, description="1-16: path, URL, data URL, file-… or image_id"),
    ]
    prompt: Annotated[
        str | None, Field(min_length=1, max_length=PROMPT_LIMIT, description="What to change"), NotBlank
    ] = None
    mask: Annotated[str | None, Field(description="Image of the size of images[0]; transparent or white = edit")] = None
    input_fidelity: Fidelity | None = None
    n: Annotated[int, Field(ge=1, le=10)] = 1


class ContinueImageThread(Paid):
    """Next turn of a thread: say only what should change. Costs money. Works after a restart and from any image of the
    thread."""

    thread_id: str
    prompt: Prompt
    from_image: Annotated[str | None, Field(description="image_id to branch from; default newest")] = None
    images: Annotated[References, Field(max_length=IMAGE_LIMIT - 1, description="More references")] = []
    mask: str | None = None
    action: Action = "auto"
    history: Annotated[History, Field(description="full: sees all turns, costs more")] = "image"
    input_fidelity: Fidelity | None = None


class EstimateCost(Rendering):
    """Price of a call before making it, with cheaper alternatives. Free, no network. Takes the arguments of the
    operation."""

    operation: Literal["generate", "edit", "continue"] = "generate"
    prompt: Annotated[str, Field(max_length=PROMPT_LIMIT)] = ""
    images: Annotated[References, Field(max_length=IMAGE_LIMIT)] = []
    mask: str | None = None
    input_fidelity: Fidelity | None = None
    n: Annotated[int, Field(ge=1, le=10)] = 1
    thread_id: str | None = None
    from_image: str | None = None
    action: Action = "auto"
    history: History = "image"
    save_to: str | None = None
    max_cost_usd: Usd | None = None


class GetImageThread(Operation):
    """The turns, images and costs of a thread; without thread_id your recent threads. Use it to collect a call that
    was in_progress."""

    thread_id: str | None = None
    turn: Annotated[int | None, Field(description="Show up to this turn, with its result")] = None
    wait: Annotated[bool, Field(description="Wait for running turns")] = False


LOCAL_OWNER = "local"  # the one principal of a server without authentication
PaidOperation = GenerateImage | EditImage | ContinueImageThread


@dataclass(frozen=True)
class Caller:
    """Who asks: the principal that owns threads and pays, and the client session as a label to list by."""

    owner: str
    client: str | None = None
