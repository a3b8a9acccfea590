"""A call as the HTTP request it becomes: method, path, and JSON or multipart body. No network here.

Only fields that the call asks for are sent, and never `response_format`, which OpenAI refuses for its image models,
unless the settings have it for a compatible server.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic_core import to_json

from ..errors import InputRejected, InvalidArgument
from .pictures import encoded, encoded_length
from .values import FileId, ImageCall, Picture, ResponsesCall, Upload

LONGEST_DATA_URL = 20_971_520  # characters of an image_url (OpenAI's reference of image edits)
LONGEST_IN_JSON = LONGEST_DATA_URL // 4 * 3  # bytes of a picture, but for the few that name its type
_STREAM_FIELDS = frozenset({"stream", "partial_images"})
Endpoint = Literal["generations", "edits", "variations", "responses"]
DEPLOYMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # a name that may be part of a path
# Where Azure's Responses API looks for the image model: Microsoft's how-to of the Responses API, "Image generation"
# (MicrosoftDocs/azure-ai-docs), and the samples of azure-ai-projects, which call it required.
_IMAGE_DEPLOYMENT = "x-ms-oai-image-generation-deployment"


@dataclass(frozen=True)
class Outgoing:
    """A request ready to be sent.

    `json` is a JSON body in pieces of about 1 MiB at most; else `fields` and `files` are a multipart body, each file
    with its field's name. `query` is added to the URL. `streamed`: server-sent events are asked for. `paid`: it can
    cost money. `background`: the work is to go on unheard. `by_id`: it is about something that the path names by its
    id. `ids`: those of earlier calls and responses that the body names. `hosts`: the names of the model that hosts the
    image tool. `linked`: an answer linked to it, and it may be somewhere else by now. `deployment`: what Azure has the
    image model under.
    """

    method: Literal["GET", "POST"]
    path: str
    json: tuple[bytes, ...] | None = field(default=None, repr=False)
    fields: Mapping[str, str | list[str]] = field(default_factory=dict, repr=False)
    files: tuple[tuple[str, Upload], ...] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    paid: bool = False
    background: bool = False
    by_id: bool = False
    ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    linked: bool = False
    deployment: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnFields:
    """What a server wants otherwise: fields sent unless the call has them, and fields never sent. A name is meant for
    all endpoints of the Image API, or for the one that it begins with: `edits.response_format`."""

    sent: Mapping[str, Any] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()

    def of(self, endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
        """The outermost fields of a body; what is said of one endpoint counts for more than what is said of all."""
        narrowest_last = sorted(self.sent.items(), key=lambda item: "." in item[0])
        sent = {bare: value for name, value in narrowest_last if (bare := _meant(name, endpoint))}
        dropped = {bare for name in self.dropped if (bare := _meant(name, endpoint))}
        if dropped & _STREAM_FIELDS:
            dropped |= _STREAM_FIELDS
        return {name: value for name, value in {**sent, **body}.items() if name not in dropped}


def _meant(name: str, endpoint: Endpoint) -> str | None:
    """The field that a name of the settings means at an endpoint."""
    where, _, bare = name.rpartition(".")
    return bare if where == endpoint or (where == "" and endpoint != "responses") else None


def written(call: ImageCall | ResponsesCall, own: OwnFields = OwnFields()) -> Outgoing:
    """The request of a call. Encodes pictures, so call it in a thread.

    Raises InputRejected for a picture that must travel as a data URL and is too long for one, and InvalidArgument for
    text that is no Unicode.
    """
    try:
        return _written(call, own)
    except ValueError as error:
        raise InvalidArgument("the prompt or an option is no valid Unicode text", "send plain text") from error


def _written(call: ImageCall | ResponsesCall, own: OwnFields) -> Outgoing:
    if call.deployment is not None and not DEPLOYMENT.fullmatch(call.deployment):
        raise InvalidArgument("no Azure deployment has such a name", "name a deployment, or a model behind one")
    if isinstance(call, ResponsesCall):
        headers = {} if call.deployment is None else {_IMAGE_DEPLOYMENT: call.deployment}
        body = own.of("responses", _response_body(call))
        if "stream" not in body and call.partial_images:
            body["tools"][0].pop("partial_images")
        posted = _posted("/responses", body, streamed="stream" in body)
        ids = tuple(filter(None, (call.call_id, call.previous_response_id)))
        hosts = tuple(filter(None, (call.host_deployment, call.host_model)))
        return replace(posted, background="background" in body, ids=ids, hosts=hosts, headers=headers)
    return replace(_image_request(call, own.of(_endpoint(call), _image_body(call))), deployment=call.deployment)


def _endpoint(call: ImageCall) -> Endpoint:
    if not call.images:
        return "generations"
    return "variations" if call.prompt is None else "edits"


def _image_request(call: ImageCall, body: dict[str, Any]) -> Outgoing:
    streamed = "stream" in body
    if not call.images:
        return _posted("/images/generations", body, streamed=streamed)
    if call.prompt is None:
        return _variations(call, body)
    if in_json(call):
        body["images"] = [_reference(picture) for picture in call.images]
        for name, picture in (("mask", call.mask), ("markup", call.markup)):
            if picture is not None:
                body[name] = _reference(picture)
        return _posted("/images/edits", body, streamed=streamed)
    return Outgoing("POST", "/images/edits", fields=_form(body), files=_edit_files(call), streamed=streamed, paid=True)


def in_json(call: ImageCall | ResponsesCall) -> bool:
    """Whether the call's pictures travel in JSON: in the Responses API always, in edits where one is a file id."""
    if isinstance(call, ResponsesCall):
        return True
    return any(isinstance(picture, FileId) for picture in (*call.images, call.mask, call.markup))


def too_long(picture: Picture) -> bool:
    """Whether the picture has no data URL that the API takes."""
    if isinstance(picture, FileId):
        return False
    return encoded_length(len(picture.data)) + len(f"data:{picture.mime_type};base64,") > LONGEST_DATA_URL


def file_upload(picture: Upload, expires_after_s: int | None) -> Outgoing:
    """An upload to the Files API for use as an input image; kept for ever without `expires_after_s`."""
    body: dict[str, Any] = {"purpose": "vision"}
    if expires_after_s is not None:
        body["expires_after"] = {"anchor": "created_at", "seconds": expires_after_s}
    return Outgoing("POST", "/files", fields=_form(body), files=(("file", picture),))


def _image_body(call: ImageCall) -> dict[str, Any]:
    body = {**call.options, "model": call.deployment or call.model}
    if call.prompt is not None:
        body["prompt"] = call.prompt
    if call.n != 1:
        body["n"] = call.n
    if call.partial_images:
        body |= {"partial_images": call.partial_images, "stream": True}
    return body


def _variations(call: ImageCall, body: Mapping[str, Any]) -> Outgoing:
    """Raises InvalidArgument for what the endpoint, which takes one picture and nothing else, has no place for."""
    if len(call.images) != 1 or in_json(call) or call.mask is not None:
        raise InvalidArgument(
            "variations are made of one image by path or URL, without a mask", "say in prompt what to change"
        )
    return Outgoing("POST", "/images/variations", fields=_form(body), files=_edit_files(call), paid=True)


def _edit_files(call: ImageCall) -> tuple[tuple[str, Upload], ...]:
    name = "image" if len(call.images) == 1 else "image[]"
    files = [(name, picture) for picture in call.images] + [("mask", call.mask), ("markup", call.markup)]
    return tuple((name, picture) for name, picture in files if isinstance(picture, Upload))


def _response_body(call: ResponsesCall) -> dict[str, Any]:
    options = dict(call.options)
    identifier = options.pop("safety_identifier", None)  # about the whole response, not about the tool
    tool = {**options, "type": "image_generation", "model": call.deployment or call.model}
    if call.action != "auto":
        tool["action"] = call.action
    if call.partial_images:
        tool["partial_images"] = call.partial_images
    if call.mask is not None:
        tool["input_image_mask"] = _reference(call.mask)
    content = [{"type": "input_text", "text": call.prompt}]
    content += [{"type": "input_image", **_reference(picture)} for picture in call.images]
    turn: list[dict[str, Any]] = [
        {"role": role, "content": text}
        for exchange in call.exchanges
        for role, text in zip(("user", "assistant"), exchange, strict=True)
    ]
    turn.append({"role": "user", "content": content})
    if call.call_id is not None:
        turn.insert(0, {"type": "image_generation_call", "id": call.call_id})
    body = {
        "model": call.host_deployment or call.host_model,
        "input": turn,
        "tools": [tool],
        "tool_choice": {"type": "image_generation"},
        "store": call.store,
    }
    if call.background and call.store:
        body["background"] = True
    if identifier is not None:
        body["safety_identifier"] = identifier
    if call.previous_response_id is not None:
        body["previous_response_id"] = call.previous_response_id
    if call.partial_images:
        body["stream"] = True
    return body


class _DataUrl:
    """Stands for the data URL of a picture until the JSON is written."""

    def __init__(self, picture: Upload) -> None:
        self.picture = picture


def _reference(picture: Picture) -> dict[str, Any]:
    if isinstance(picture, FileId):
        return {"file_id": picture.file_id}
    if too_long(picture):
        raise InputRejected(
            f"{picture.name} has {len(picture.data):,} bytes, and the API takes at most "
            f"{LONGEST_IN_JSON:,} where an image is part of a JSON request",
            "send a smaller image, for example as JPEG or WebP",
        )
    return {"image_url": _DataUrl(picture)}


def _posted(path: str, body: dict[str, Any], *, streamed: bool) -> Outgoing:
    return Outgoing("POST", path, json=tuple(_json(body)), streamed=streamed, paid=True)


def _json(body: dict[str, Any]) -> Iterator[bytes]:
    """The body as JSON. Pictures are left out while it is written and their base64, which needs no escaping, is put in
    between: writing 100 MB of base64 as one JSON text would stop every other thread for 150 ms."""
    mark = secrets.token_hex(16)
    pictures: list[Upload] = []

    def leave_out(value: object) -> str:
        assert isinstance(value, _DataUrl), f"{type(value).__name__} is no JSON value"
        pictures.append(value.picture)
        return mark

    first, *others = to_json(body, fallback=leave_out).split(mark.encode())
    yield first
    for picture, following in zip(pictures, others, strict=True):
        yield b"data:" + to_json(picture.mime_type)[1:-1] + b";base64,"
        yield from encoded(picture.data)
        yield following


def _form(body: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Multipart fields as the official package writes them: `svg[model]`, repeated `names[]`, `true`, None left out."""
    form: dict[str, str | list[str]] = {}
    for name, value in _flat(body):
        before = form.get(name)
        form[name] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    return form


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}[{key}]" if name else key)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _flat(inner, f"{name}[]")
    elif isinstance(value, bool):
        yield name, str(value).lower()
    elif value is not None:
        text = str(value)
        text.encode()
        yield name, text
