"""The images of a call against its model, once they are at hand: type, bytes and shape as the model takes them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..errors import InputRejected
from .hints import MASK_FORMAT, hints_of
from .models import Model
from .request import listed

_MASK_TYPE = "image/png"  # what every mask is sent as


class Picture(Protocol):
    """An image to send, width x height in pixels; a file that only the API knows has neither data nor size."""

    @property
    def data(self) -> bytes | None: ...
    @property
    def mime_type(self) -> str | None: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...


def check_inputs(model: Model | None, images: Sequence[Picture], mask: Picture | None) -> tuple[str, ...]:
    """Warnings about the images of a call; nothing is known of an unknown model. Raises InputRejected."""
    if model is None:
        return ()
    for number, image in enumerate(images, 1):
        for said, fix in _problems(model, image):
            which = f"image {number}" if len(images) > 1 else "the image"
            raise InputRejected(f"{which} {said}", fix)
    if mask is not None and mask.data is not None and len(mask.data) > model.mask_bytes:
        raise InputRejected(f"the mask {_too_large(mask.data, model, model.mask_bytes)}", "scale image and mask down")
    if mask is None or not images or images[0].mime_type in (None, _MASK_TYPE):
        return ()
    return tuple(hint.text for hint in hints_of(model) if hint.when == MASK_FORMAT)


def _problems(model: Model, image: Picture) -> Iterator[tuple[str, str]]:
    kind = (image.mime_type or "").removeprefix("image/")
    if kind and kind not in model.image_types:
        yield f"is {kind}, and {model.name} takes {listed(model.image_types)}", f"convert it to {model.image_types[0]}"
    if image.data is not None and len(image.data) > model.image_bytes:
        yield _too_large(image.data, model, model.image_bytes), "scale it down"
    if model.square_images and image.width != image.height:
        yield f"is {image.width}x{image.height}, and {model.name} takes square images", "crop or pad it to a square"


def _too_large(data: bytes, model: Model, limit: int) -> str:
    return f"has {len(data) / 1e6:.1f} MB, and {model.name} takes {limit / 1e6:g} MB"
