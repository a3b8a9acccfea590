"""Pictures in forms that a model may refuse: what they are sent as, and what is too large however it is sent."""

import base64
import random
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Upstream
from doors import call
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from pictures import encoded, opened, png, saved
from PIL import Image

from mcp_imagegen.errors import ImageNotFound, InputRejected
from mcp_imagegen.images.decoding import quiet
from mcp_imagegen.images.probe import sniff
from mcp_imagegen.inputs.load import InputImage, InputLoader
from mcp_imagegen.inputs.masks import prepare_mask
from mcp_imagegen.inputs.roots import Roots
from mcp_imagegen.inputs.sendable import Sendable, sendable

LIMIT = 40_000_000
IMAGE_ID = "img_" + "0123456789abcdef" * 2
CHANNELS = {1: 0, 2: 4, 3: 2, 4: 6}  # number of channels -> colour type of a PNG


def loader_of(root: Path) -> InputLoader:
    return InputLoader(Roots((root,), (root,), root), max_pixels=LIMIT)


async def nothing_kept(image_id: str) -> tuple[bytes, str]:
    raise ImageNotFound(f"no image {image_id}", "use another")


async def loaded(data: bytes) -> InputImage:
    reference = "data:image/png;base64," + base64.b64encode(data).decode()
    return (await loader_of(Path("/")).load([reference], None, nothing_kept)).images[0]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def deep_png(*pixels: tuple[int, ...], clear: tuple[int, ...] = ()) -> bytes:
    """A PNG of one row in 16 bits a channel."""
    head = struct.pack(">IIBBBBB", len(pixels), 1, 16, CHANNELS[len(pixels[0])], 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(f">{len(pixel)}H", *pixel) for pixel in pixels)
    named = chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    body = chunk(b"IDAT", zlib.compress(row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + named + body + chunk(b"IEND", b"")


def header_only(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than its data has."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def noise(size: tuple[int, int] = (64, 48), mode: str = "RGB") -> Image.Image:
    picture = Image.frombytes("RGBA", size, random.Random(3).randbytes(size[0] * size[1] * 4))
    return picture if mode == "RGBA" else picture.convert("RGB").convert(mode)


def depth(data: bytes) -> int:
    """Bits a channel of a PNG."""
    return data[24]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_an_avif_picture_is_sent_as_png_and_told_of(mode: str) -> None:
    avif = encoded(noise(mode=mode), "AVIF")
    image = await loaded(avif)
    assert (image.mime_type, image.name, image.width, image.height) == ("image/png", "image-1.png", 64, 48)
    assert image.data is not None
    assert opened(image.data).mode == mode
    assert opened(image.data).tobytes() == opened(avif).tobytes()
    assert image.warnings == ("images[0]: an AVIF picture; it is sent as PNG",)


async def test_the_first_frame_of_a_moving_avif_is_sent() -> None:
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    image = await loaded(encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:]))
    assert image.data is not None
    red, green, blue = opened(image.data).split()
    assert (red.getextrema()[0] > 200, green.getextrema()[1] < 60, blue.getextrema()[1] < 60) == (True, True, True)
    assert image.warnings == ("images[0]: an AVIF picture; its first frame is sent as PNG",)


@pytest.mark.parametrize(("kind", "counts"), [("WEBP", "frame"), ("PNG", "frame"), ("MPO", "picture")])
async def test_of_a_file_with_several_pictures_the_first_is_said_to_count(
    client: Client, work: Path, upstream: Upstream, kind: str, counts: str
) -> None:
    """It is sent as it is: what the API makes of the others is its own affair."""
    pictures = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    several = encoded(pictures[0], kind, save_all=True, append_images=pictures[1:])
    ask = {"prompt": "a hat", "size": "1024x640", "quality": "low"}
    made = await call(client, "edit_image", images=[saved(work / "several", several)], **ask)
    alone = await call(client, "edit_image", images=[saved(work / "alone", encoded(pictures[0], kind))], **ask)
    [said] = [warning for warning in made["warnings"] if "more than one picture" in warning]
    assert said.startswith("images[0]: ")
    assert said.endswith(f"the API may use only its first {counts}")
    assert not any("more than one picture" in warning for warning in alone["warnings"])
    assert upstream.asked[0].files[0].size == len(several)


async def test_of_a_file_with_several_pictures_the_first_alone_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = [Image.new("RGB", (64, 32), color) for color in ("red", "blue")]
    image = await loaded(encoded(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], exif=exif))
    assert (image.width, image.height) == (32, 64)
    assert image.warnings == (
        "images[0]: turned upright as its EXIF orientation says, and encoded anew as PNG, its first frame alone",
    )


@pytest.mark.parametrize(
    ("brand", "others", "kind"),
    [
        (b"avif", b"mif1", "image/avif"),
        (b"avis", b"msf1", "image/avif"),
        (b"mif1", b"avif", "image/avif"),
        (b"heic", b"mif1", "image/heic"),
        (b"heix", b"mif1", "image/heic"),
        (b"mif1", b"heic", "image/heic"),
        (b"msf1", b"hevc", "image/heic"),
        (b"isom", b"mp42", None),
    ],
)
def test_avif_and_heic_are_told_apart_by_their_brands(brand: bytes, others: bytes, kind: str | None) -> None:
    assert sniff(struct.pack(">I", 20) + b"ftyp" + brand + bytes(4) + others + bytes(100)) == kind


async def test_a_damaged_avif_is_called_damaged() -> None:
    avif = encoded(noise(), "AVIF")
    with pytest.raises(InputRejected, match="damaged or cut off"):
        await loaded(avif[: len(avif) // 2])


@pytest.mark.parametrize(
    ("pixel", "mode", "seen"),
    [
        ((0x80FF,), "L", 0x80),
        ((0x80FF, 0x4000), "RGBA", (0x80, 0x80, 0x80, 0x40)),
        ((0xFFFF, 0x8001, 0x10FF), "RGB", (0xFF, 0x80, 0x10)),
        ((0xFFFF, 0x8001, 0x10FF, 0x7FFF), "RGBA", (0xFF, 0x80, 0x10, 0x7F)),
    ],
)
async def test_16_bits_a_channel_become_8(pixel: tuple[int, ...], mode: str, seen: object) -> None:
    data = deep_png(pixel)
    image = await loaded(data)
    assert image.data is not None
    sent = opened(image.data)
    assert (depth(data), depth(image.data)) == (16, 8)
    assert (sent.format, sent.mode, sent.getpixel((0, 0))) == ("PNG", mode, seen)
    assert image.warnings == ("images[0]: 16 bits a channel; it is sent as PNG with 8",)


@pytest.mark.parametrize("clear", [(0x8012,), (0x8012, 0x4034, 0x1056)])
async def test_a_transparent_colour_in_16_bits_stays_transparent(clear: tuple[int, ...]) -> None:
    other = tuple(level ^ 0xFFFF for level in clear)
    image = await loaded(deep_png(clear, other, clear=clear))
    assert image.data is not None
    alpha = opened(image.data).getchannel("A")
    assert [alpha.getpixel((x, 0)) for x in (0, 1)] == [0, 255]


async def test_a_cmyk_jpeg_is_sent_in_rgb() -> None:
    paper = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    image = await loaded(encoded(paper, "JPEG", quality=95, icc_profile=bytes(16) + b"CMYK" + bytes(108)))
    assert (image.mime_type, image.name) == ("image/jpeg", "image-1.jpeg")
    assert image.data is not None
    sent = opened(image.data)
    red, green, blue = (band.getextrema()[0] for band in sent.split())
    assert (sent.mode, red > 250, green < 5, blue < 5) == ("RGB", True, True, True)
    assert "icc_profile" not in sent.info
    assert image.warnings == (
        "images[0]: in CMYK, the colours of print; it is sent as JPEG in RGB, so that its colours may shift",
    )


@pytest.mark.parametrize("clear", [3, bytes(range(0, 250, 25))])
async def test_a_palette_with_transparency_becomes_an_alpha_channel(clear: int | bytes) -> None:
    data = encoded(noise().quantize(16), "PNG", transparency=clear)
    image = await loaded(data)
    assert image.data is not None
    sent = opened(image.data)
    assert (sent.mode, sent.tobytes()) == ("RGBA", opened(data).convert("RGBA").tobytes())
    assert image.warnings == ("images[0]: a palette with transparency; it is sent as PNG with an alpha channel",)


@pytest.mark.parametrize(("mode", "clear"), [("L", 10), ("RGB", (1, 2, 3)), ("1", 0)])
async def test_a_transparent_colour_becomes_an_alpha_channel(mode: str, clear: object) -> None:
    picture = Image.new(mode, (8, 8), {"L": 200, "RGB": (200, 100, 50), "1": 1}[mode])
    picture.putpixel((0, 0), clear)  # type: ignore[arg-type]
    image = await loaded(encoded(picture, transparency=clear))
    assert image.data is not None
    sent = opened(image.data)
    assert sent.mode == "RGBA"
    assert [sent.getchannel("A").getpixel(at) for at in ((0, 0), (1, 0))] == [0, 255]
    assert image.warnings == ("images[0]: one colour is transparent; it is sent as PNG with an alpha channel",)


PLAIN = {
    "png": encoded(noise()),
    "png with alpha": encoded(noise(mode="RGBA")),
    "grey png": encoded(noise(mode="L")),
    "grey png with alpha": encoded(noise(mode="L").convert("LA")),
    "png in 1 bit": encoded(noise(mode="1")),
    "opaque palette": encoded(noise().quantize(16)),
    "jpeg": encoded(noise(), "JPEG"),
    "grey jpeg": encoded(noise(mode="L"), "JPEG"),
    "webp": encoded(noise(), "WEBP"),
    "webp with alpha": encoded(noise(mode="RGBA"), "WEBP"),
    "png with a profile": encoded(noise(), icc_profile=bytes(128)),
}


@pytest.mark.parametrize("kind", PLAIN)
async def test_what_every_model_takes_goes_byte_for_byte(kind: str) -> None:
    image = await loaded(PLAIN[kind])
    assert (image.data, image.warnings) == (PLAIN[kind], ())


def test_a_mask_in_16_bits_is_brought_to_8() -> None:
    data = deep_png((0, 0, 0, 0), (0, 0, 0, 0xFFFF))
    mask = prepare_mask(data, image_size=(2, 1), max_pixels=LIMIT)
    assert depth(mask.data) == 8
    assert list(opened(mask.data).getchannel("A").tobytes()) == [0, 255]


def test_a_picture_that_would_be_too_large_as_png_is_sent_as_jpeg() -> None:
    webp = encoded(
        noise((256, 256)), "WEBP", quality=50, exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    )
    as_png = sendable(webp, max_pixels=LIMIT)
    assert as_png.mime_type == "image/png"
    as_jpeg = sendable(webp, max_pixels=LIMIT, max_bytes=len(as_png.data) - 1)
    assert (as_jpeg.mime_type, as_jpeg.width, as_jpeg.height) == ("image/jpeg", 256, 256)
    assert len(as_jpeg.data) < len(as_png.data)
    assert as_jpeg.done == ("turned upright as its EXIF orientation says, and encoded anew as JPEG",)


def test_what_is_too_large_however_it_is_sent_is_refused_with_the_limit() -> None:
    avif = encoded(noise((256, 256), "RGBA"), "AVIF", quality=10)
    assert len(avif) < 100_000
    with pytest.raises(InputRejected) as refused:
        sendable(avif, max_pixels=LIMIT, max_bytes=100_000)
    assert "as PNG, which it has to be sent as, the picture is larger than the 0.1 MB" in refused.value.sentence
    assert refused.value.fix == "scale it down"


def test_too_many_bytes_are_refused_with_the_limit() -> None:
    data = png((8, 8))
    with pytest.raises(InputRejected, match="the picture is larger than the 50 MB that the API takes"):
        sendable(data + bytes(50_000_001 - len(data)), max_pixels=LIMIT)
    assert sendable(data + bytes(1_000), max_pixels=LIMIT, max_bytes=len(data) + 1_000).width == 8


async def test_a_picture_that_was_made_here_must_fit_too() -> None:
    async def kept(_: str) -> tuple[bytes, str]:
        return png((8, 8)) + bytes(50_000_000), "image/png"

    with pytest.raises(InputRejected, match=r"images\[0\]: .*50 MB"):
        await loader_of(Path("/")).load([IMAGE_ID], None, kept)


@pytest.mark.parametrize(
    ("size", "max_pixels", "said", "raisable"),
    [
        ((8_000, 5_001), LIMIT, "8000x5001 pixels, more than 40 million", True),
        ((20_000, 20_000), LIMIT, "far too many pixels, more than 40 million", True),
        ((20_000, 20_000), 10**9, "far too many pixels, more than 178.957 million", False),
        ((2**31 - 1, 2**31 - 1), LIMIT, "far too many pixels, more than 40 million", True),
    ],
)
def test_too_many_pixels_are_refused_with_the_limit(
    size: tuple[int, int], max_pixels: int, said: str, raisable: bool
) -> None:
    """Also above what the image library itself refuses, which no setting raises."""
    with pytest.raises(InputRejected) as refused:
        sendable(header_only(*size), max_pixels=max_pixels)
    assert said in refused.value.sentence
    assert ("MCP_IMAGEGEN_MAX_PIXELS" in refused.value.fix) is raisable


async def test_a_file_over_50_mb_is_refused_without_being_read(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    with (root / "large.png").open("wb") as file:
        file.truncate(50_000_001)
    with pytest.raises(InputRejected, match="larger than 50 MB"):
        await replace(loader_of(root)).load(["large.png"], None, nothing_kept)


ODD = [
    encoded(noise(), "AVIF"),
    deep_png((1, 2, 3, 4), (5, 6, 7, 8)),
    encoded(noise(mode="CMYK"), "JPEG"),
    encoded(noise().quantize(16), "PNG", transparency=bytes(range(0, 250, 25))),
    encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"),
    encoded(noise(), "GIF"),
]
edits = st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), max_size=8)


@given(st.sampled_from(ODD), edits)
def test_corrupted_pictures_are_sendable_or_refused_and_nothing_else(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    corrupted = bytearray(data)
    for at, value in changes:
        corrupted[at % len(data)] = value
    try:
        sent = sendable(bytes(corrupted), max_pixels=1_000_000)
    except InputRejected as refused:
        assert refused.fix
    else:
        assert isinstance(sent, Sendable)
        with quiet:  # what went byte for byte may have odd metadata, of which Pillow warns
            assert opened(sent.data).format in ("PNG", "JPEG", "WEBP")


async def test_a_call_tells_what_was_converted(client: Client, work: Path) -> None:
    paths = [
        saved(work / "a.avif", encoded(noise((256, 256)), "AVIF")),
        saved(work / "b.png", encoded(noise((256, 256)).quantize(16), transparency=3)),
    ]
    result = await call(client, "edit_image", prompt="a hat", images=paths, size="1024x1024")
    told = " ".join(result["warnings"])
    assert "images[0]: an AVIF picture; it is sent as PNG" in told
    assert "images[1]: a palette with transparency" in told
