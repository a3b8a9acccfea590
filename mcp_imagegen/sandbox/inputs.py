"""Input images: where each comes from, and its pixels, checked as the API checks them.

Opening happens in the studio's thread; what is wrong is raised as the ApiError of the endpoint.
"""

import base64
import binascii
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

from .bodies import Upload
from .checking import checked
from .errors import (
    ApiError,
    download_failed,
    invalid_image_data,
    invalid_image_file,
    invalid_mask,
    list_too_long,
    missing_parameter,
    no_such_file,
    refused,
    unknown_parameter,
    unsupported_file,
    wrong_type,
)
from .options import REFERENCE

MOST_IMAGES = 16
MOST_PIXELS = 80_000_000  # of an input; more is not opened
UPLOADS = ("image/png", "image/jpeg", "image/webp")
SLICE = 4 * 256 * 1024  # base64 characters at a time; a multiple of 4
EDITABLE = ("PNG", "JPEG", "WEBP")
VISIBLE = (*EDITABLE, "GIF")
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
UNREADABLE = (UnidentifiedImageError, OSError, SyntaxError, ValueError, *BOMBS)  # all that Pillow raises for bad files
IMAGE_FIELD = re.compile(r"image(\[\d*\])?")
Problem = Callable[[], ApiError]


@dataclass(frozen=True)
class Source:
    """An image before it is opened: its bytes or the data URL that holds them, and the error if it is none."""

    param: str
    problem: Problem = field(repr=False)
    data: bytes = field(default=b"", repr=False)
    data_url: str = field(default="", repr=False)


@dataclass(frozen=True)
class Materials:
    """What an edit works on: the base, its mask (255 where it may change), further images; all sizes in order."""

    base: Image.Image | None = None
    mask: Image.Image | None = None
    others: tuple[Image.Image, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Opened:
    """An input image's pixels (RGB or RGBA, upright) and its file."""

    image: Image.Image
    data: bytes = field(repr=False)


def uploaded(files: Sequence[Upload], fields: Mapping[str, Any]) -> tuple[list[Source], Source | None]:
    """The images and the mask of a form: one file as `image`, several as repeated `image[]` or numbered `image[0]`."""
    for name in ("image", "image[]", "mask"):
        if name in fields:
            raise wrong_type(name, "an array of files or file", fields[name])
    for file in files:
        if not IMAGE_FIELD.fullmatch(file.name) and file.name != "mask":
            raise unknown_parameter(file.name)
    images = [file for file in files if file.name != "mask"]
    if not images:
        raise missing_parameter("image")
    if len(images) > MOST_IMAGES:
        raise list_too_long("image", MOST_IMAGES, len(images))
    single = len(images) == 1 and images[0].name == "image"
    named = [("image" if single else f"image[{index}]", file) for index, file in enumerate(images)]
    masks = [("mask", file) for file in files if file.name == "mask"]
    for name, file in named + masks:
        if file.mime_type.lower() not in UPLOADS:
            raise unsupported_file(name, file.mime_type)
    sources = [Source(name, _unreadable(number, name), file.data) for number, (name, file) in enumerate(named, start=1)]
    return sources, Source("mask", _unreadable_mask, masks[0][1].data) if masks else None


def _unreadable(number: int, name: str) -> Problem:
    return lambda: invalid_image_file(number, name)


def _unreadable_mask() -> ApiError:
    return invalid_mask("mask image could not be read", "mask")


def referred(images: Any, mask: Any, stored: Callable[[str], bytes | None]) -> tuple[list[Source], Source | None]:
    """The images and the mask of a JSON edit, each a data URL or the id of a file, which `stored` looks up."""
    if not images:
        raise missing_parameter("images")
    if len(images) > MOST_IMAGES:
        raise list_too_long("images", MOST_IMAGES, len(images))
    sources = [reference(one, f"images[{index}]", stored) for index, one in enumerate(images)]
    return sources, None if mask is None else reference(mask, "mask", stored)


def reference(value: Any, param: str, stored: Callable[[str], bytes | None], problem: Problem | None = None) -> Source:
    """Where the image of an `{image_url}` or `{file_id}` comes from.

    Nothing is ever downloaded: an https URL is refused as the API refuses one that leads to nothing.
    """
    if not isinstance(value, dict):
        raise wrong_type(param, "an object", value)
    given = checked(value, REFERENCE, prefix=f"{param}.")
    if len(given) != 1:
        raise refused(param, f"Invalid '{param}': provide exactly one of 'image_url' or 'file_id'.")
    url, file_id = given.get("image_url", ""), given.get("file_id")
    if file_id is not None:
        if (data := stored(file_id)) is None:
            raise no_such_file(file_id, f"{param}.file_id")
        return Source(param, problem or (lambda: invalid_image_data(f"{param}.file_id")), data)
    wrong = problem or (lambda: invalid_image_data(f"{param}.image_url"))
    if url.startswith(("http://", "https://")):
        raise download_failed()
    if not re.match(r"data:[^,]{0,100};base64,", url):
        raise wrong()
    return Source(param, wrong, data_url=url)


def bytes_of(source: Source) -> bytes:
    """The file of a source. Raises its ApiError where the base64 is broken."""
    if not source.data_url:
        return source.data
    start, text = source.data_url.index(",") + 1, source.data_url
    try:
        parts = [base64.b64decode(text[at : at + SLICE], validate=True) for at in range(start, len(text), SLICE)]
    except (binascii.Error, ValueError):
        raise source.problem() from None
    return b"".join(parts)


def opened(source: Source, formats: tuple[str, ...] = EDITABLE) -> Opened:
    """The pixels of a source, upright, as RGB or RGBA. Raises its ApiError where it is no image of these formats."""
    data = bytes_of(source)
    try:
        with Image.open(io.BytesIO(data), formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                raise source.problem()
            upright = ImageOps.exif_transpose(image)
            return Opened(upright.convert("RGBA" if upright.has_transparency_data else "RGB"), data)
    except UNREADABLE:
        raise source.problem() from None


def opened_mask(source: Source, size: tuple[int, int]) -> Image.Image:
    """The mask as 255 where its alpha is 0, which is where the image may change, and 0 elsewhere. Raises ApiError."""
    try:
        with Image.open(io.BytesIO(bytes_of(source)), formats=EDITABLE) as image:
            if image.size != size:
                raise invalid_mask("mask size does not match image size", source.param)
            if not image.has_transparency_data:
                raise invalid_mask("mask image missing alpha channel", source.param)
            return image.convert("RGBA").getchannel("A").point(lambda alpha: 255 if alpha == 0 else 0)
    except UNREADABLE:
        raise source.problem() from None


def materials(sources: Sequence[Source], mask: Source | None, formats: tuple[str, ...] = EDITABLE) -> Materials:
    """Opens everything an edit brings; the first image is the base. Raises ApiError."""
    if not sources:
        return Materials()
    images = [opened(source, formats).image for source in sources]
    free = None if mask is None else opened_mask(mask, images[0].size)
    return Materials(images[0], free, tuple(images[1:]), tuple(image.size for image in images))
