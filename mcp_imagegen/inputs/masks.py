"""Masks as the API wants them: a PNG with transparency where to edit, of the size of the first image."""

from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageOps

from ..errors import MaskRejected
from ..images.decoding import eight_bit
from ..images.probe import as_png, decoded

SAFE_BYTES = 4_000_000  # the API reference's limit; the guide names 50 MB
_GREY = 12  # of 255; how far from grey a black and white picture may stray (JPEG does)
_FIX = "give a PNG that is transparent where to edit, or a black and white picture that is white there"


@dataclass(frozen=True)
class Mask:
    """A PNG with alpha, width x height in pixels."""

    data: bytes = field(repr=False)
    width: int
    height: int
    warnings: tuple[str, ...] = ()


def prepare_mask(data: bytes, *, image_size: tuple[int, int] | None, max_pixels: int) -> Mask:
    """Check a mask against the size of the first image and bring it into the API's form. To be called in a thread.

    A PNG with transparency goes as it is, byte for byte. Black and white is converted: white becomes transparent.
    `image_size` None: the first image is only known to the API. Raises MaskRejected, InputRejected.
    """
    with decoded(data, max_pixels=max_pixels) as mask:
        if image_size is not None and mask.size != image_size:
            raise MaskRejected(
                f"the mask is {mask.width}x{mask.height} and the first image {image_size[0]}x{image_size[1]}",
                f"scale the mask to {image_size[0]}x{image_size[1]}",
            )
        png = _with_alpha(mask, data) or _from_black_and_white(mask)
        warnings: tuple[str, ...] = ()
        if image_size is None:
            warnings = ("the size of the mask could not be compared with an image that only the API knows",)
        if len(png) > SAFE_BYTES:
            warnings += (f"the mask has {len(png) / 1e6:.1f} MB; over 4 MB the API may refuse it",)
        return Mask(png, mask.width, mask.height, warnings)


def _with_alpha(mask: Image.Image, data: bytes) -> bytes | None:
    """None where the picture is opaque: many editors write black and white with an alpha channel that says nothing."""
    if not mask.has_transparency_data:
        return None
    rgba = eight_bit(mask).convert("RGBA")
    pixels_by_alpha = rgba.getchannel("A").histogram()
    if not any(pixels_by_alpha[:255]):
        return None
    if not pixels_by_alpha[0]:
        raise MaskRejected("the mask marks nothing: it is fully transparent nowhere", _FIX)
    return data if mask.format == "PNG" and mask.mode in ("RGBA", "LA") else as_png(rgba)


def _from_black_and_white(mask: Image.Image) -> bytes:
    rgb = eight_bit(mask).convert("RGB")
    if not _is_grey(rgb):
        raise MaskRejected("the mask is a coloured picture without transparency", _FIX)
    grey = rgb.convert("L")
    if grey.point(lambda value: value >= 128).getbbox() is None:
        raise MaskRejected("the mask marks nothing: it is black everywhere", _FIX)
    keep = ImageOps.invert(grey)
    png = Image.new("RGBA", mask.size, (0, 0, 0, 255))
    png.putalpha(keep.point(lambda value: 255 if value >= 128 else 0))
    return as_png(png)


def _is_grey(rgb: Image.Image) -> bool:
    red, green, blue = rgb.split()
    apart = (ImageChops.difference(red, green), ImageChops.difference(green, blue))
    return all(channel.point(lambda value: value > _GREY).getbbox() is None for channel in apart)
