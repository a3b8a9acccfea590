"""What a request brings: its fields, and the files of a form; and the record of it without the images' bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from .errors import ApiError, unreadable_body, wrong_media_type
from .studio import in_studio

SMALL = 256 * 1024  # bytes of JSON that are read at once, without the studio
NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]+\])+)")
DATA_URL = re.compile(r"data:[^,]{0,100},")


@dataclass(frozen=True)
class Upload:
    """A file of a form; `name` is the field it was sent under, such as `image[]`."""

    name: str
    filename: str
    mime_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class SeenFile:
    """A file that a request brought, without its content; `name` is its field, `size` in bytes."""

    name: str
    filename: str
    mime_type: str
    size: int


@dataclass(frozen=True)
class Seen:
    """A request that reached the sandbox. `fields` are the body's by name, without the content of data URLs and images;
    those of a form are strings."""

    method: str
    path: str
    fields: Mapping[str, Any]
    files: tuple[SeenFile, ...] = ()


@dataclass(frozen=True)
class Call:
    """A request as an endpoint gets it; `path` are the variables of its path."""

    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: "Body"


@dataclass(frozen=True)
class Body:
    fields: dict[str, Any]
    files: tuple[Upload, ...] = ()
    form: bool = False

    def seen(self, method: str, path: str) -> Seen:
        files = tuple(SeenFile(file.name, file.filename, file.mime_type, len(file.data)) for file in self.files)
        return Seen(method, path, _without_data(self.fields), files)


async def body_of(request: Request) -> Body:
    """Reads the whole body. Raises ApiError where it is neither JSON nor a form, or broken."""
    if request.method not in {"POST", "PUT", "PATCH"}:
        return Body({})
    given = request.headers.get("content-type", "")
    match given.partition(";")[0].strip().lower():
        case "multipart/form-data":
            return await _form(request)
        case "application/json" | "":
            return await _json(request)
    raise wrong_media_type(given)


async def _json(request: Request) -> Body:
    data = await request.body()
    if not data:
        return Body({})
    try:
        fields = from_json(data) if len(data) < SMALL else await in_studio(from_json, data)
    except ValueError:
        raise unreadable_body() from None
    if not isinstance(fields, dict):
        raise unreadable_body()
    return Body(fields)


async def _form(request: Request) -> Body:
    fields: dict[str, Any] = {}
    files: list[Upload] = []
    try:
        async with request.form(max_files=64, max_fields=200, max_part_size=4 * 1024 * 1024) as form:
            for name, value in form.multi_items():
                if isinstance(value, UploadFile):
                    mime_type = value.content_type or "application/octet-stream"
                    files.append(Upload(name, value.filename or "", mime_type, await value.read()))
                else:
                    _put(fields, name, value)
    except HTTPException as error:
        raise ApiError(f"Could not parse multipart form: {error.detail}") from None
    return Body(fields, tuple(files), form=True)


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    """`svg[model]` is the field `model` of the object `svg`."""
    if (nested := NESTED.fullmatch(name)) is None:
        fields[name] = value
        return
    *path, last = [nested[1], *re.findall(r"\[([^\[\]]+)\]", nested[2])]
    place = fields
    for part in path:
        inner = place.setdefault(part, {})
        if not isinstance(inner, dict):
            return
        place = inner
    place[last] = value


def _without_data(value: Any) -> Any:
    if isinstance(value, str):
        head = DATA_URL.match(value)
        return f"{head[0]}… ({len(value)} characters)" if head else value
    if isinstance(value, dict):
        return {name: _elided(name, inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_data(inner) for inner in value]
    return value


def _elided(name: str, value: Any) -> Any:
    """`result` is where an image_generation_call item carries its picture."""
    if name == "result" and isinstance(value, str):
        return f"… ({len(value)} characters)"
    return _without_data(value)
