"""Masks as the API wants them: a PNG with transparency where to edit, of the size of the first image."""

from dataclasses import dataclass, field

from PIL import Image, ImageChops

from ..errors import MaskRejected
from ..images.probe import Probe, as_png, decoded, probed
from .sendable import plain, upright

SAFE_BYTES = 4_000_000  # the API reference's limit; the guide names 50 MB
_GREY = 12  # of 255; how far from grey a black and white picture may stray (JPEG does)
_BETWEEN = slice(32, 224)  # levels that are neither black nor white
_EDITED_FROM = 128  # the level from which on a pixel counts as white
# Share of pixels in between. Photos have more than nine tenths; soft edges that are half as wide as what they enclose,
# less than half.
_MOST_GREY = 0.5
_LITTLE_GREY = 0.1
_FIX = "give a PNG that is transparent where to edit, or a black and white picture that is white there"


@dataclass(frozen=True)
class Mask:
    """A PNG with alpha, width x height in pixels."""

    data: bytes = field(repr=False)
    width: int
    height: int
    warnings: tuple[str, ...] = ()


def prepare_mask(data: bytes, *, image_size: tuple[int, int] | None, max_pixels: int, turned: bool = False) -> Mask:
    """Check a mask against the size of the first image and bring it into the API's form. To be called in a thread.

    An upright PNG with an alpha channel of 8 bits goes as it is, byte for byte. Black and white is converted: white
    becomes transparent. `image_size` None: the first image is only known to the API. `turned`: the first image was
    turned upright, and its size is that. Raises MaskRejected, InputRejected.
    """
    with decoded(data, max_pixels=max_pixels) as image:
        found = probed(image, data)
        if image_size is not None and (found.width, found.height) != image_size:
            raise _unlike(found, image_size, turned=turned)
        goes_as_it_is = (found.mime_type, found.deep, found.orientation) == ("image/png", False, 1)
        mask = upright(plain(image, found), found.orientation)
        png = _with_alpha(mask, data if goes_as_it_is and found.mode in ("RGBA", "LA") else None)
        warnings: tuple[str, ...] = ()
        if png is None:
            png, warnings = _from_black_and_white(mask)
        if image_size is None:
            warnings += ("the size of the mask could not be compared with an image that only the API knows",)
        if len(png) > SAFE_BYTES:
            warnings += (f"the mask has {len(png) / 1e6:.1f} MB; over 4 MB the API may refuse it",)
        return Mask(png, found.width, found.height, warnings)


def _unlike(found: Probe, size: tuple[int, int], *, turned: bool) -> MaskRejected:
    wanted = f"{size[0]}x{size[1]}"
    said = f"the mask is {found.width}x{found.height} and the first image"
    if not turned:
        return MaskRejected(f"{said} {wanted}", f"scale the mask to {wanted}")
    return MaskRejected(
        f"{said}, turned upright as its EXIF orientation says, {wanted}",
        f"draw the mask on the picture as it is seen, {wanted}",
    )


def _with_alpha(mask: Image.Image, as_it_is: bytes | None) -> bytes | None:
    """None where the picture is opaque: many editors write black and white with an alpha channel that says nothing."""
    if not mask.has_transparency_data:
        return None
    pixels_by_alpha = mask.getchannel("A").histogram()
    if not any(pixels_by_alpha[:255]):
        return None
    if not pixels_by_alpha[0]:
        raise MaskRejected("the mask marks nothing: it is fully transparent nowhere", _FIX)
    return as_it_is or as_png(mask)


def _from_black_and_white(mask: Image.Image) -> tuple[bytes, tuple[str, ...]]:
    """The mask in the API's form, with what to know of its greys. Soft edges become hard ones."""
    rgb = mask.convert("RGB")
    if not _is_grey(rgb):
        raise MaskRejected("the mask is a coloured picture without transparency", _FIX)
    grey = rgb.convert("L")
    if grey.point(lambda value: value >= _EDITED_FROM).getbbox() is None:
        raise MaskRejected("the mask marks nothing: it is black everywhere", _FIX)
    between = sum(grey.histogram()[_BETWEEN]) / (grey.width * grey.height)
    if between > _MOST_GREY:
        raise MaskRejected(f"the mask is a grey picture: {between:.0%} of it is neither black nor white", _FIX)
    said = f"{between:.0%} of the mask is neither black nor white; what is lighter than middle grey is edited"
    png = Image.new("RGBA", mask.size, (0, 0, 0, 255))
    png.putalpha(grey.point(lambda value: 0 if value >= _EDITED_FROM else 255))
    return as_png(png), (said,) if between > _LITTLE_GREY else ()


def _is_grey(rgb: Image.Image) -> bool:
    red, green, blue = rgb.split()
    apart = (ImageChops.difference(red, green), ImageChops.difference(green, blue))
    return all(channel.point(lambda value: value > _GREY).getbbox() is None for channel in apart)
