"""Pictures in a form that every model takes: upright, 8 bits a channel, PNG, JPEG or WebP. To be called in a thread.

What is in that form already goes byte for byte. The rest is encoded anew without its metadata, except for the colour
profile: a JPEG or an opaque HEIC as JPEG, since a photo as PNG would have several times the bytes, and anything else as
PNG, which loses nothing.
"""

import io
from dataclasses import dataclass, field

from PIL import Image

from ..errors import InputRejected
from ..images.decoding import eight_bit
from ..images.probe import Probe, as_png, decoded, probed

IMAGE_BYTES = 50_000_000  # the API reference: each image under 50 MB
JPEG_QUALITY = 95  # Pillow's advice for the highest; with whole colour resolution the loss cannot be seen
_PHOTOS = ("image/jpeg", "image/heic")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILE_SPACE = slice(16, 20)  # where an ICC profile names the colours it is for


@dataclass(frozen=True)
class Sendable:
    """A picture to send, width x height in pixels as it is seen, and what was done to it."""

    data: bytes = field(repr=False)
    mime_type: str
    width: int
    height: int
    turned: bool = False
    done: tuple[str, ...] = ()


def sendable(data: bytes, *, max_pixels: int, max_bytes: int = IMAGE_BYTES) -> Sendable:
    """The picture, converted where it has to be. Raises InputRejected for what cannot be used, for more than
    `max_pixels`, and for more than `max_bytes`, before or after it was converted."""
    if len(data) > max_bytes:
        raise _too_large("the picture", max_bytes)
    with decoded(data, max_pixels=max_pixels) as image:
        found = probed(image, data)
        conversion = _conversion(found)
        if conversion is None and found.orientation == 1:
            return Sendable(data, found.mime_type, found.width, found.height, done=_told_of_more(found))
        picture = upright(plain(image, found) if conversion else image, found.orientation)
        # Nothing of the metadata goes along: the orientation would turn it again, and the place of a photo is private.
        picture.info = _kept(picture)
        as_jpeg = found.mime_type in _PHOTOS and not picture.has_transparency_data
        sent = _as_jpeg(picture) if as_jpeg else as_png(picture)
        if len(sent) > max_bytes and not as_jpeg and not picture.has_transparency_data:
            as_jpeg, sent = True, _as_jpeg(picture)
    kind = "JPEG" if as_jpeg else "PNG"
    if len(sent) > max_bytes:
        raise _too_large(f"as {kind}, which it has to be sent as, the picture", max_bytes)
    done = _told(found, conversion, kind)
    return Sendable(sent, f"image/{kind.lower()}", *picture.size, turned=found.orientation != 1, done=done)


def plain(image: Image.Image, found: Probe) -> Image.Image:
    """The pixels in 8-bit grey, RGB or RGBA."""
    clear = image.info.get("transparency")
    if found.deep and isinstance(clear, tuple):  # Pillow brings the colours to 8 bits, but not the one that is clear
        image.info["transparency"] = tuple(level >> 8 for level in clear)
    picture = eight_bit(image)
    if picture.has_transparency_data:
        return picture.convert("RGBA")
    return picture if picture.mode == "L" else picture.convert("RGB")


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as it is seen; `orientation` is EXIF's, 1 to 8."""
    return image if orientation == 1 else image.transpose(_UPRIGHT[orientation])


def _conversion(found: Probe) -> tuple[str, str] | None:
    """What the picture is that a model may refuse, and what it becomes beside its format; None for what all take. A PNG
    with a palette is taken while it is opaque."""
    reasons = (
        (found.mime_type == "image/gif", "a GIF", ""),
        (found.mime_type == "image/avif", "an AVIF picture", ""),
        (found.mime_type == "image/heic", "a HEIC picture", ""),
        (found.deep, "16 bits a channel", " with 8"),
        (found.mode == "CMYK", "in CMYK, the colours of print", " in RGB, so that its colours may shift"),
        (found.mode == "P" and found.has_alpha, "a palette with transparency", " with an alpha channel"),
        (found.mode in ("1", "L", "RGB") and found.has_alpha, "one colour is transparent", " with an alpha channel"),
    )
    return next(((reason, becomes) for applies, reason, becomes in reasons if applies), None)


def _told(found: Probe, conversion: tuple[str, str] | None, kind: str) -> tuple[str, ...]:
    turned = "turned upright as its EXIF orientation says"
    part = _first(found) or "it"
    if conversion is None:
        only = "" if part == "it" else f", {part} alone"
        return (f"{turned}, and encoded anew as {kind}{only}",)
    reason, becomes = conversion
    converted = f"{reason}; {part} is sent as {kind}{becomes}"
    return (turned, converted) if found.orientation != 1 else (converted,)


def _told_of_more(found: Probe) -> tuple[str, ...]:
    """What is said of a file that goes as it is with more than one picture in it."""
    if (part := _first(found)) is None:
        return ()
    return (f"more than one picture is in this file, which is sent as it is; the API may use only {part}",)


def _first(found: Probe) -> str | None:
    """The part of a file with several pictures that counts; None where there is but one."""
    if found.animated or found.mime_type == "image/gif":
        return "its first frame"
    return "its first picture" if found.album else None


def _kept(picture: Image.Image) -> dict[str | tuple[int, int], object]:
    """The profile where it is still for these colours; a palette's transparency, which is pixels rather than news."""
    profile = picture.info.get("icc_profile")
    space = b"GRAY" if picture.mode in ("1", "L", "LA") else b"RGB "
    fits = isinstance(profile, bytes) and profile[_PROFILE_SPACE] == space
    return {"icc_profile": profile} if fits else {}


def _as_jpeg(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    profile = picture.info.get("icc_profile")
    opaque = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    opaque.save(data, "JPEG", quality=JPEG_QUALITY, subsampling=0, icc_profile=profile)
    return data.getvalue()


def _too_large(what: str, max_bytes: int) -> InputRejected:
    return InputRejected(f"{what} is larger than the {max_bytes / 1e6:g} MB that the API takes", "scale it down")
