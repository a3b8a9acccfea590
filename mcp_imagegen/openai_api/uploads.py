"""Pictures that have no data URL, since they are too large for one: they go to the provider as files."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..errors import InputRejected
from .requests import LONGEST_IN_JSON, in_json, too_long
from .retries import Tell
from .values import FileId, ImageCall, Picture, ResponsesCall, Upload


class FilesMissing(InputRejected):
    """The picture has to be a file, and the server has no Files API."""

    picture: Upload


def files_missing(picture: Upload) -> FilesMissing:
    error = FilesMissing(
        f"{picture.name} has {len(picture.data):,} bytes, which no JSON request has room for (at most "
        f"{LONGEST_IN_JSON:,}), and the provider stores no files: it does not know POST /files",
        "send a smaller picture, for example as JPEG or WebP",
    )
    error.picture = picture
    return error


async def with_files(
    call: ImageCall | ResponsesCall, upload: Callable[[Upload], Awaitable[str]], tell: Tell
) -> ImageCall | ResponsesCall:
    """The call with ids of files in place of the pictures that have no data URL. Raises as `upload` does."""
    if not in_json(call):
        return call

    async def stored(picture: Picture) -> Picture:
        if isinstance(picture, FileId) or not too_long(picture):
            return picture
        tell(f"uploading {picture.name}")
        return FileId(await upload(picture))

    mask = await stored(call.mask) if call.mask else None
    call = replace(call, images=tuple([await stored(picture) for picture in call.images]), mask=mask)
    if isinstance(call, ImageCall) and call.markup:
        call = replace(call, markup=await stored(call.markup))
    return call
