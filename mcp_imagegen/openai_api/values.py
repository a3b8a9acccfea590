"""What goes to a provider and what comes back, as plain values; no HTTP here.

A call is built by the pipeline from an operation, its inputs and its thread; the client sends it and yields events
until `Finished`. Token counts are as the API reports them and mean what the price tables mean.
"""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Upload:
    """An image sent as bytes: a multipart file in the Image API, a data URL in the Responses API."""

    data: bytes = field(repr=False)
    name: str
    mime_type: str


@dataclass(frozen=True)
class FileId:
    """An image that already is at the provider (`file-…` of the Files API)."""

    file_id: str


Picture = Upload | FileId


@dataclass(frozen=True)
class ImageCall:
    """One request to `/images/generations` (no images), `/images/edits` or `/images/variations` (no prompt).

    `options` are the body's further fields by the API's own names, exactly those that are to be sent: size, quality,
    background, output_format, output_compression, moderation, input_fidelity, and whatever `extra` allowed.
    `markup` is a transparent PNG that lies on the first image and shows what is meant.
    With `partial_images` above 0 the request is streamed. `deployment` is what Azure has the model under; the request
    then names it in place of the model.
    """

    model: str
    prompt: str | None
    n: int = 1
    images: tuple[Picture, ...] = ()
    mask: Picture | None = None
    markup: Picture | None = None
    partial_images: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    deployment: str | None = None


@dataclass(frozen=True)
class ResponsesCall:
    """One request to `/responses` with the image_generation tool forced.

    `host_model` answers and calls the tool, `model` draws. The parent comes as one of `call_id` (an
    `image_generation_call` item by id), `previous_response_id`, or as bytes first in `images`. `exchanges` are
    earlier turns that came to text alone, told in words: what was asked, and what the model said. `options` go into the
    tool object by their own names. With `partial_images` above 0 the request is streamed. In the `background` the
    provider works on whether or not it can be heard; that needs `store`, and is not asked for without it. `deployment`
    and `host_deployment` are what Azure has the two models under.
    """

    host_model: str
    model: str
    prompt: str
    call_id: str | None = None
    previous_response_id: str | None = None
    exchanges: tuple[tuple[str, str], ...] = ()
    images: tuple[Picture, ...] = ()
    mask: Picture | None = None
    action: Literal["auto", "generate", "edit"] = "auto"
    partial_images: int = 0
    store: bool = True
    background: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    deployment: str | None = None
    host_deployment: str | None = None


@dataclass(frozen=True)
class Tokens:
    """Token counts of one model in one call, by kind. `text_input` and `image_input` count uncached and cached ones
    together; the cached ones say how many of them were cached. `other_input` and `other_output` are of no kind: the
    part of a total that its details leave out."""

    text_input: int = 0
    image_input: int = 0
    cached_text: int = 0
    cached_image: int = 0
    text_output: int = 0
    image_output: int = 0
    cache_write: int = 0
    other_input: int = 0
    other_output: int = 0


@dataclass(frozen=True)
class Authored:
    """What the text model that writes SVGs used; `model` is None where the answer does not name it."""

    model: str | None
    tokens: Tokens


@dataclass(frozen=True)
class Usage:
    """What the API says a call used: the image model, in the Responses API the host model too, and for an SVG the model
    that wrote it. None: not said. `partial`: of the image model for some of the pictures alone."""

    image: Tokens | None = None
    host: Tokens | None = None
    svg: Authored | None = None
    partial: bool = False


@dataclass(frozen=True)
class Resolved:
    """The options as the API resolved them (auto → a value); None where the answer does not say."""

    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None


@dataclass(frozen=True)
class Named:
    """The API's id of the response, told before its end: what it has stored can be had by this id again."""

    response_id: str


@dataclass(frozen=True)
class Frame:
    """A partial image of a streamed call; `frame` counts from 0 for each image."""

    data: bytes = field(repr=False)
    frame: int
    image: int = 0


@dataclass(frozen=True)
class Made:
    """A finished image. `index` counts from 0 within the call; `call_id` is the image_generation_call's (`ig_…`)."""

    data: bytes = field(repr=False)
    index: int
    call_id: str | None = None
    revised_prompt: str | None = None
    action: str | None = None
    resolved: Resolved = field(default_factory=Resolved)


@dataclass(frozen=True)
class Finished:
    """The end of a call. `text` is what the model said instead of an image, or beside it; `warnings` are the client's
    own words about how the call went. `pictures` are those of the answer, also those that could not be read or
    fetched."""

    usage: Usage = field(default_factory=Usage)
    resolved: Resolved = field(default_factory=Resolved)
    request_id: str | None = None
    response_id: str | None = None
    text: str | None = None
    warnings: tuple[str, ...] = ()
    pictures: int = field(default=0, compare=False)


Event = Named | Frame | Made | Finished
