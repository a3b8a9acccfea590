"""Markup as the API wants it: a PNG of the size of the first image, transparent where nothing is drawn."""

from ..errors import InputRejected
from ..images.probe import decoded

_FIX = "draw on a transparent layer of the size of the first image, and give that layer alone as a PNG"


def check_markup(
    data: bytes, mime_type: str, size: tuple[int, int], *, image_size: tuple[int, int] | None, max_pixels: int
) -> None:
    """Check a picture in a form that can be sent. To be called in a thread.

    What is half transparent counts both as drawn and as clear: the types of openai 3.52.0 ask for transparent pixels
    and say no more. `image_size` None: the first image is only known to the API. Raises InputRejected.
    """
    if mime_type != "image/png":
        raise InputRejected(f"the API takes a PNG, and this is {mime_type.removeprefix('image/')}", _FIX)
    if image_size is not None and size != image_size:
        said = f"it is {size[0]}x{size[1]} and the first image {image_size[0]}x{image_size[1]}"
        raise InputRejected(said, "give the markup the size of the first image")
    with decoded(data, max_pixels=max_pixels) as image:
        least, most = image.getchannel("A").getextrema() if image.has_transparency_data else (255, 255)
    if least == 255:
        raise InputRejected("it is transparent nowhere, and would hide the first image", _FIX)
    if most == 0:
        raise InputRejected("it is transparent everywhere, and shows nothing", _FIX)
