"""Pictures of other people: what is measured, what is refused, and that nothing but a refusal comes of broken ones."""

import io
import random
import struct
import threading
import warnings
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import encoded, opened, png
from PIL import Image

from mcp_imagegen.errors import ImagegenError, InputRejected
from mcp_imagegen.images.decoding import quiet
from mcp_imagegen.images.preview import Preview, preview
from mcp_imagegen.images.probe import Header, Probe, as_png, decoded, header, measure, probed, sniff
from mcp_imagegen.inputs.masks import Mask, prepare_mask

LIMIT = 40_000_000


def probe(data: bytes, *, max_pixels: int) -> Probe:
    with decoded(data, max_pixels=max_pixels) as image:
        return probed(image, data)


def noise(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Image.Image:
    """A picture that compresses badly, the same each time."""
    pixels = random.Random(7).randbytes(size[0] * size[1] * 4)
    picture = Image.frombytes("RGBA", size, pixels)
    return picture if mode == "RGBA" else picture.convert("LA" if mode == "LA" else "RGB").convert(mode)


def deep_grey(size: tuple[int, int] = (256, 8)) -> Image.Image:
    """A 16-bit picture that goes from black to white."""
    row = struct.pack(f"<{size[0]}H", *(level * 65_535 // (size[0] - 1) for level in range(size[0])))
    return Image.frombytes("I;16", size, row * size[1])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header_only(width: int, height: int) -> bytes:
    """A PNG whose header promises more pixels than its data has."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def camera_jpeg() -> bytes:
    """What phones and cameras write: a JPEG with a second one, a preview, behind it."""
    return encoded(noise(), "MPO", save_all=True, append_images=[noise((20, 15))])


WHOLE: dict[str, tuple[bytes, Probe]] = {
    "png": (encoded(noise()), Probe("image/png", 40, 30, False, False)),
    "png with alpha": (encoded(noise(mode="RGBA")), Probe("image/png", 40, 30, True, False, "RGBA")),
    "png with grey and alpha": (encoded(noise(mode="LA")), Probe("image/png", 40, 30, True, False, "LA")),
    "png with a palette": (encoded(noise(mode="P")), Probe("image/png", 40, 30, False, False, "P")),
    "png with a clear colour": (encoded(noise(mode="P"), transparency=3), Probe("image/png", 40, 30, True, False, "P")),
    "png in 16 bits": (encoded(deep_grey()), Probe("image/png", 256, 8, False, False, "I;16", deep=True)),
    "png in 1 bit": (encoded(noise(mode="1")), Probe("image/png", 40, 30, False, False, "1")),
    "jpeg": (encoded(noise(), "JPEG"), Probe("image/jpeg", 40, 30, False, False)),
    "progressive jpeg": (encoded(noise(), "JPEG", progressive=True), Probe("image/jpeg", 40, 30, False, False)),
    "grey jpeg": (encoded(noise(mode="L"), "JPEG"), Probe("image/jpeg", 40, 30, False, False, "L")),
    "cmyk jpeg": (encoded(noise(mode="CMYK"), "JPEG"), Probe("image/jpeg", 40, 30, False, False, "CMYK")),
    "camera jpeg": (camera_jpeg(), Probe("image/jpeg", 40, 30, False, False, album=True)),
    "webp": (encoded(noise(), "WEBP"), Probe("image/webp", 40, 30, False, False)),
    "lossless webp": (
        encoded(noise(mode="RGBA"), "WEBP", lossless=True),
        Probe("image/webp", 40, 30, True, False, "RGBA"),
    ),
    "avif": (encoded(noise(), "AVIF"), Probe("image/avif", 40, 30, False, False)),
    "gif": (encoded(noise(), "GIF"), Probe("image/gif", 40, 30, False, False, "P")),
    "animated gif": (
        encoded(noise(), "GIF", save_all=True, append_images=[noise().rotate(180)]),
        Probe("image/gif", 40, 30, False, True, "P"),
    ),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_picture_is_measured(kind: str) -> None:
    data, expected = WHOLE[kind]
    assert probe(data, max_pixels=LIMIT) == expected
    assert sniff(data) == expected.mime_type
    assert measure(data) == (expected.mime_type, expected.width, expected.height)
    assert header(data, max_pixels=LIMIT) == Header(expected.mime_type, expected.width, expected.height)


@pytest.mark.parametrize("kind", [kind for kind in WHOLE if kind not in ("animated gif", "camera jpeg")])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused(kind: str, kept: float) -> None:
    data, _ = WHOLE[kind]
    with pytest.raises(InputRejected) as refused:
        probe(data[: int(len(data) * kept)], max_pixels=LIMIT)
    assert refused.value.fix


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_damaged_picture_is_called_damaged_and_not_of_a_wrong_type(kind: str) -> None:
    data, _ = WHOLE[kind]
    for kept in (16, len(data) // 2):
        with pytest.raises(InputRejected, match="damaged or cut off"):
            probe(data[:kept], max_pixels=LIMIT)


@pytest.mark.parametrize(
    ("width", "height"), [(10_000, 10_000), (10_000, 4_001), (2**31 - 1, 2**31 - 1), (2**31 - 1, 1)]
)
def test_too_many_pixels_are_refused_before_anything_is_decoded(width: int, height: int) -> None:
    """The data would fail to decode, so that being told about the size shows which came first."""
    with pytest.raises(InputRejected, match="pixels"):
        probe(header_only(width, height), max_pixels=LIMIT)
    with pytest.raises(InputRejected, match="pixels"):
        header(header_only(width, height), max_pixels=LIMIT)
    assert preview(header_only(width, height), edge=64, max_bytes=LIMIT) is None


def test_as_many_pixels_as_are_allowed_are_taken() -> None:
    assert probe(png((40, 30)), max_pixels=1_200).width == 40
    with pytest.raises(InputRejected, match="40x30"):
        probe(png((40, 30)), max_pixels=1_199)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no picture"),
        (b"hello, I am a text\n" * 20, "no picture"),
        (b"\0" * 1_000, "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "svg"),
        (b"<?xml version='1.0'?><!-- x --><svg/>", "svg"),
        (encoded(noise(), "TIFF"), "tiff"),
        (encoded(noise(), "BMP"), "bmp"),
        (encoded(noise(), "ICO", sizes=[(16, 16)]), "no picture"),
        (encoded(noise(), "EPS"), "no picture"),
        (encoded(noise(), "PDF"), "no picture"),
        (b"#!/bin/sh\nid\n", "no picture"),
        (b"<html><img src=x></html>", "no picture"),
    ],
    ids=["empty", "text", "zeros", "svg", "svg in xml", "tiff", "bmp", "ico", "eps", "pdf", "script", "html"],
)
def test_what_the_api_does_not_take_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InputRejected, match=said) as refused:
        probe(data, max_pixels=LIMIT)
    assert "PNG, JPEG or WebP" in refused.value.fix


def test_the_type_is_told_by_content_and_not_by_a_claim() -> None:
    hidden = b"\x89PNG\r\n\x1a\n" + encoded(noise(), "JPEG")
    with pytest.raises(InputRejected):
        probe(hidden, max_pixels=LIMIT)


def anything(work: Any) -> Any:
    """What a piece of work gives or refuses with; any other exception, and any warning, fails the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return work()
        except ImagegenError as error:
            assert len(str(error)) < 300
            return error


def check_all(data: bytes) -> None:
    assert isinstance(anything(lambda: probe(data, max_pixels=1_000_000)), Probe | InputRejected)
    assert isinstance(anything(lambda: measure(data)), tuple)
    assert isinstance(anything(lambda: preview(data, edge=64, max_bytes=9_999)), Preview | None)
    assert isinstance(anything(lambda: prepare_mask(data, image_size=None, max_pixels=1_000_000)), Mask | ImagegenError)


@pytest.mark.parametrize(
    "data",
    [
        header_only(10_000, 10_000),
        encoded(noise(), "JPEG", dpi=(0, 0), exif=b"Exif\0\0II*\0\x08\0\0\0\x05"),
        camera_jpeg().replace(b"MPF\0II*\0\x08\0\0\0", b"MPF\0II*\0\x08\0\0\x09"),
    ],
    ids=["enormous", "broken exif", "broken mpf"],
)
def test_what_pillow_warns_of_does_not_change_what_is_measured(data: bytes) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with Image.open(io.BytesIO(data)) as image:
            expected = (f"image/{image.format.lower()}" if image.format else "", *image.size)
    assert heard
    assert anything(lambda: measure(data)) == expected
    made = anything(lambda: preview(data, edge=64, max_bytes=99_999))
    assert (made is None) == (expected[1] == 10_000)
    check_all(data)


@given(st.binary(max_size=400), st.sampled_from([b"", *(data[:20] for data, _ in WHOLE.values())]))
def test_arbitrary_bytes_are_refused_and_nothing_else(data: bytes, start: bytes) -> None:
    check_all(start + data)


CORRUPTIBLE = [
    *(data for data, _ in WHOLE.values()),
    encoded(noise(), "AVIF"),
    encoded(noise(), "WEBP", save_all=True, append_images=[noise().rotate(180)]),
    encoded(noise(), "PNG", save_all=True, append_images=[noise().rotate(180)]),
    encoded(noise(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"),
    encoded(noise(), "PNG", icc_profile=b"no profile" * 20, dpi=(72, 72)),
]
edits = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=12)


@given(st.sampled_from(CORRUPTIBLE), edits, st.booleans(), st.integers(1, 1 << 16))
def test_corrupted_pictures_are_a_picture_or_refused_and_nothing_else(
    data: bytes, changes: list[tuple[int, int]], near_the_head: bool, length: int
) -> None:
    corrupted = bytearray(data)
    for at, value in changes:
        corrupted[at % (min(len(data), 160) if near_the_head else len(data))] = value
    check_all(bytes(corrupted))
    check_all(bytes(corrupted[: length % len(data) + 1]))


def test_silence_of_several_threads_ends_when_the_last_has_ended() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with quiet:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    quiet.__enter__()
    thread.start()
    inside.wait()
    quiet.__exit__(None, None, None)
    during = list(warnings.filters)
    leave.set()
    thread.join()
    assert during != before
    assert list(warnings.filters) == before


def test_what_is_not_pillows_own_warning_is_still_heard() -> None:
    with pytest.warns(UserWarning, match="of ours"), quiet:
        warnings.warn("of ours", UserWarning, stacklevel=1)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_any_mode_becomes_a_png_of_the_same_size(mode: str) -> None:
    source = deep_grey() if mode == "I;16" else noise(mode="RGB").convert(mode)
    again = opened(as_png(source))
    assert (again.format, again.size) == ("PNG", source.size)


def test_transparency_survives_as_png() -> None:
    with decoded(encoded(noise(mode="P"), transparency=3), max_pixels=LIMIT) as image:
        assert opened(as_png(image)).has_transparency_data


@pytest.mark.parametrize("size", [(1024, 640), (640, 1024), (2000, 10), (1, 1), (64, 64), (513, 512)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_preview_fits_its_edge_and_keeps_the_shape(size: tuple[int, int], mode: str) -> None:
    made = preview(encoded(noise(size, mode)), edge=512, max_bytes=500_000)
    assert made is not None
    shown = opened(made.data)
    assert shown.size == (made.width, made.height)
    assert max(shown.size) == min(512, max(size))
    assert abs(shown.width * size[1] - shown.height * size[0]) <= max(size)
    assert made.mime_type == ("image/webp" if mode == "RGBA" else "image/jpeg")
    assert shown.format == made.mime_type.removeprefix("image/").upper()


@pytest.mark.parametrize("max_bytes", [60_000, 20_000, 8_000, 2_000, 700, 10])
def test_a_preview_fits_its_bytes_or_is_left_out(max_bytes: int) -> None:
    made = preview(encoded(noise((512, 512))), edge=512, max_bytes=max_bytes)
    assert made is None or len(made.data) <= max_bytes
    assert (made is None) == (max_bytes in {10, 700})


def test_a_preview_is_transparent_where_the_original_is() -> None:
    original = Image.new("RGBA", (400, 200), (200, 0, 0, 255))
    original.paste((0, 0, 0, 0), (0, 0, 200, 200))
    made = preview(encoded(original), edge=100, max_bytes=100_000)
    assert made is not None
    alpha = opened(made.data).convert("RGBA").getchannel("A")
    assert (alpha.getpixel((20, 25)), alpha.getpixel((80, 25))) == (0, 255)


def test_a_preview_shows_what_the_original_shows() -> None:
    original = Image.new("RGB", (400, 200), (250, 0, 0))
    original.paste((0, 0, 250), (200, 0, 400, 200))
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "AVIF"):
        made = preview(encoded(original, kind), edge=100, max_bytes=100_000)
        assert made is not None
        shown = opened(made.data).convert("RGB")
        left, right = shown.getpixel((20, 25)), shown.getpixel((80, 25))
        assert isinstance(left, tuple)
        assert isinstance(right, tuple)
        assert (left[0] > 200, left[2] < 60, right[0] < 60, right[2] > 200) == (True,) * 4


def test_a_preview_of_16_bits_is_not_cut_off_at_white() -> None:
    made = preview(encoded(deep_grey()), edge=256, max_bytes=100_000)
    assert made is not None
    row = [opened(made.data).convert("L").getpixel((x, 4)) for x in (0, 128, 255)]
    assert [round(level / 64) for level in row if isinstance(level, int)] == [0, 2, 4]


@pytest.mark.parametrize(
    "data",
    [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"x", encoded(noise())[:300], encoded(noise(), "EPS")],
    ids=["svg", "empty", "x", "cut off", "eps"],
)
def test_what_cannot_be_drawn_has_no_preview(data: bytes) -> None:
    assert preview(data, edge=512, max_bytes=500_000) is None


def test_only_known_formats_are_drawn() -> None:
    for kind in ("TIFF", "BMP", "ICO", "PPM"):
        assert preview(encoded(noise(), kind), edge=512, max_bytes=500_000) is None


def test_a_preview_is_not_made_of_an_enormous_picture_that_packs_well() -> None:
    packed = encoded(Image.new("1", (8_000, 5_001)))
    assert len(packed) < 100_000
    assert preview(packed, edge=64, max_bytes=500_000) is None


def test_what_a_provider_sent_is_measured_without_being_decoded() -> None:
    assert measure(header_only(3_000, 2_000)) == ("image/png", 3_000, 2_000)
    assert measure(b"<svg/>") == ("image/svg+xml", 0, 0)
    assert measure(b"") == ("application/octet-stream", 0, 0)
    assert measure(b"\xff\xd8\xff") == ("image/jpeg", 0, 0)


def test_pillow_is_handed_no_format_that_runs_another_program() -> None:
    """An EPS is opened by Pillow when it is let, and drawn by Ghostscript."""
    eps = encoded(noise(), "EPS")
    with Image.open(io.BytesIO(eps)) as image:
        assert image.format == "EPS"
    assert measure(eps) == ("application/octet-stream", 0, 0)
