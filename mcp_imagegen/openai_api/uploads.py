"""Pictures that have no data URL, since they are too large for one: they go to the provider as files."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from .requests import in_json, too_long
from .retries import Tell
from .values import FileId, ImageCall, Picture, ResponsesCall, Upload


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
