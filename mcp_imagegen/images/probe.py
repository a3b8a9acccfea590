"""What a picture is, by its content: type, width x height, and whether it is whole. To be called in a thread."""

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ..errors import InputRejected
from .decoding import FORMATS as READABLE
from .decoding import HEIC_FORMAT, quiet, reads_heic

FORMATS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
}
_HEIC_TYPE = "image/heic"
_ALBUMS = ("MPO", HEIC_FORMAT)  # what cameras write: a picture with further ones behind it, which are no frames
_MIME_TYPES = {**FORMATS, "MPO": "image/jpeg", HEIC_FORMAT: _HEIC_TYPE}
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_METADATA = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_MAGIC = {
    _PNG_MAGIC: "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}
PROVIDED = (*READABLE, "BMP", "TIFF")  # what a provider may send: some servers send what no model takes
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
_BRANDS_END = 64  # bytes of the first box that are looked at
_ORIENTATION = 0x0112  # the tag of EXIF
_PNG_END = b"IEND\xaeB`\x82"  # with its checksum
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # Pillow refuses to open anything larger
UNKNOWN = "application/octet-stream"
_SVG_HEAD = 4_096  # bytes in which the root element of an SVG is looked for
_SVG_STARTS = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")
_SVG_ROOT = re.compile(rb"<svg\b[^>]*", re.IGNORECASE)
_SVG_EDGE = re.compile(
    rb"[\s\"'](width|height)\s*=\s*[\"']\s*([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*(?:px)?\s*[\"']", re.IGNORECASE
)
_SVG_BOX = re.compile(
    rb"\sviewBox\s*=\s*[\"'][^\"']*?[\s,]([0-9]{1,6}(?:\.[0-9]{1,6})?)[\s,]+([0-9]{1,6}(?:\.[0-9]{1,6})?)\s*[\"']",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Probe:
    """A picture that was decoded to its end; width x height in pixels, as it is seen when it is upright."""

    mime_type: str
    width: int
    height: int
    has_alpha: bool
    animated: bool
    mode: str = "RGB"  # Pillow's, of the decoded pixels
    deep: bool = False  # 16 bits a channel in the file
    orientation: int = 1  # EXIF's: 1 is upright, up to 8
    album: bool = False  # a JPEG with further pictures behind it


@dataclass(frozen=True)
class Header:
    """A picture by its header alone; width x height in pixels, as it is seen when it is upright."""

    mime_type: str
    width: int
    height: int


def sniff(data: bytes) -> str | None:
    """The type by the first bytes: png, jpeg, webp, gif, avif, heic, svg, bmp or tiff; None for anything else."""
    for magic, mime_type in _MAGIC.items():
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return _of_brands(data)
    if data[:2] == b"BM" and data[6:10] == bytes(4):  # reserved, and always zero; two letters alone begin texts too
        return "image/bmp"
    head = data[:_SVG_HEAD].lstrip(b"\xef\xbb\xbf \t\r\n")
    return "image/svg+xml" if head.lower().startswith(_SVG_STARTS) and _SVG_ROOT.search(head) else None


def _of_brands(data: bytes) -> str | None:
    """AVIF or HEIC, which are told apart by the brands that the first box names, at times only by the later ones."""
    end = min(int.from_bytes(data[:4]), _BRANDS_END)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF:
        return "image/avif"
    return _HEIC_TYPE if brands & _HEIC else None


def measure(data: bytes) -> tuple[str, int, int]:
    """Type and width x height from the header alone, of whatever a provider sent. Never raises, since the picture is
    paid for: 0 x 0 where it cannot be read, and UNKNOWN for a type that is not known here."""
    mime_type = sniff(data) or UNKNOWN
    if mime_type == "image/svg+xml":
        width, height = _svg_size(data)
        return mime_type, width, height
    try:
        with quiet, Image.open(io.BytesIO(data), formats=PROVIDED) as image:
            return mime_type, image.width, image.height
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        return mime_type, 0, 0


def ends_as_png(data: bytes) -> bool:
    """Whether a PNG has its end, which Pillow does without."""
    return data.rfind(_PNG_END) >= 0


def whole_svg(data: bytes) -> bool:
    """Whether the root element of an SVG is closed."""
    root = _SVG_ROOT.search(data[:_SVG_HEAD])
    return root is not None and (root[0].endswith(b"/") or data.rfind(b"</svg") >= 0)


def _svg_size(data: bytes) -> tuple[int, int]:
    """Width x height that the root element names in pixels, else its viewBox's, else 0 x 0."""
    root = _SVG_ROOT.search(data[:_SVG_HEAD])
    if root is None:
        return 0, 0
    named = {name.lower(): round(float(edge)) for name, edge in _SVG_EDGE.findall(root[0])}
    if len(named) == 2:
        return named[b"width"], named[b"height"]
    box = _SVG_BOX.search(root[0])
    return (round(float(box[1])), round(float(box[2]))) if box else (0, 0)


def probed(image: Image.Image, data: bytes) -> Probe:
    """What `decoded` gave out of `data`. Raises InputRejected for a second frame that is damaged."""
    orientation = _orientation(image)
    width, height = image.size if orientation < 5 else image.size[::-1]
    return Probe(
        mime_type=_MIME_TYPES[image.format or ""],
        width=width,
        height=height,
        has_alpha=image.has_transparency_data,
        animated=_is_animated(image),
        mode=image.mode,
        deep=image.format == "PNG" and data[24] == 16,
        orientation=orientation,
        album=image.format == "MPO" and getattr(image, "n_frames", 1) > 1,
    )


def header(data: bytes, *, max_pixels: int) -> Header:
    """What the header of an input says, without decoding its pixels; whether they are whole stays unknown.

    Raises InputRejected for what is no picture that can be used, and for more than `max_pixels`.
    """
    with quiet, _opened(data, max_pixels) as image:
        _check_pixels(image, max_pixels)
        late = image.format == "PNG" and _has_late_metadata(data)  # which Pillow finds on its way to the end alone
        orientation = _orientation(image) if late else _orientation(image, Image.Image.getexif)
        width, height = image.size if orientation < 5 else image.size[::-1]
        return Header(_MIME_TYPES[image.format or ""], width, height)


def _has_late_metadata(data: bytes) -> bool:
    """Whether chunks that can name an orientation lie behind the pixels of a PNG."""
    at, behind = len(_PNG_MAGIC), False
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        behind = behind or kind == b"IDAT"
        if behind and kind in _PNG_METADATA:
            return True
        at += length + 12  # with the length itself, the kind, and a checksum
    return False


def _orientation(image: Image.Image, exif_of: Callable[[Any], Image.Exif] = lambda image: image.getexif()) -> int:
    """Pillow's own reader of a PNG decodes it first, to meet what may lie behind the pixels."""
    try:
        said = exif_of(image).get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - readers of broken metadata raise anything, and the picture is none the worse
        return 1
    return said if isinstance(said, int) and 1 <= said <= 8 else 1


@contextmanager
def decoded(data: bytes, *, max_pixels: int) -> Iterator[Image.Image]:
    """The first frame of an input, checked by content and decoded to its end; its size is checked before that.

    HEIC needs the extra `heic`. Raises InputRejected for what is no PNG, JPEG, WebP, GIF, AVIF or HEIC, has more than
    `max_pixels`, or is cut off or damaged.
    """
    with quiet, _opened(data, max_pixels) as image:
        _check_pixels(image, max_pixels)
        try:
            image.load()
        except Exception:  # noqa: BLE001 - decoders of broken data raise anything
            raise _damaged() from None
        if image.format == "PNG" and not ends_as_png(data):
            raise _damaged()
        yield image


def _check_pixels(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_many(f"{image.width}x{image.height}", max_pixels)


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    kind = sniff(data)
    if kind == _HEIC_TYPE and not reads_heic():
        raise InputRejected(
            "this is a HEIC picture, and what reads those is not installed",
            "convert it to JPEG or PNG first, or run pip install 'mcp-imagegen[heic]' and start the server again",
        )
    try:
        return Image.open(io.BytesIO(data), formats=(HEIC_FORMAT,) if kind == _HEIC_TYPE else tuple(FORMATS))
    except Image.DecompressionBombError:
        raise _too_many("far too many", min(max_pixels, MOST_PIXELS)) from None
    except Exception:  # noqa: BLE001 - decoders of broken data raise anything
        if kind in _MIME_TYPES.values():
            raise _damaged() from None
        said = "no picture" if kind is None else f"a {kind.removeprefix('image/')} file, none"
        raise InputRejected(f"this is {said} that can be used", "give a PNG, JPEG or WebP picture") from None


def _too_many(pixels: str, limit: int) -> InputRejected:
    """`MOST_PIXELS` is Pillow's own limit, and no setting raises it."""
    fix = "scale it down" + (", or raise MCP_IMAGEGEN_MAX_PIXELS" if limit < MOST_PIXELS else "")
    return InputRejected(f"the picture has {pixels} pixels, more than {limit / 1e6:.6g} million", fix)


def _is_animated(image: Image.Image) -> bool:
    if image.format in _ALBUMS:
        return False
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - it looks for a second frame, in data that may be broken
        raise _damaged() from None


def _damaged() -> InputRejected:
    return InputRejected(
        "the picture is damaged or cut off: it cannot be decoded to its end", "save or download it again"
    )


def as_png(image: Image.Image) -> bytes:
    """The picture as a PNG, in a mode that PNG has."""
    data = io.BytesIO()
    options: dict[str, Any] = {"compress_level": 1}  # a third of the time of the default for a tenth more bytes
    keeps = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
    (image if keeps else image.convert("RGBA" if image.has_transparency_data else "RGB")).save(data, "PNG", **options)
    return data.getvalue()
