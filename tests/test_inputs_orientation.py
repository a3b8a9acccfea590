"""Pictures that say they are to be turned: sent upright, measured upright, and told of."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from capture_server import CaptureServer, capture_server, json_reply
from conftest import held
from doors import call, client_of
from mcp import Client
from pictures import alpha_mask, encoded, opened, png, saved
from PIL import Image, ImageDraw, JpegImagePlugin

from mcp_imagegen.errors import ImageNotFound, MaskRejected
from mcp_imagegen.inputs.load import InputImage, InputLoader
from mcp_imagegen.inputs.masks import prepare_mask
from mcp_imagegen.inputs.roots import Roots
from mcp_imagegen.inputs.sendable import sendable

SIZE = (96, 64)  # of the pixels in the file
TAG = 0x0112
LIMIT = 40_000_000
RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (255, 255, 255)
# Where the four corners of the file are seen, clockwise from the upper left one: red, green, blue, white.
SEEN = {
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (BLUE, WHITE, RED, GREEN),
    4: (WHITE, BLUE, GREEN, RED),
    5: (RED, WHITE, BLUE, GREEN),
    6: (WHITE, RED, GREEN, BLUE),
    7: (BLUE, GREEN, RED, WHITE),
    8: (GREEN, BLUE, WHITE, RED),
}
KINDS = {"JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}}


def corners() -> Image.Image:
    """A quarter of each colour, clockwise from the upper left: red, green, blue, white."""
    picture = Image.new("RGB", SIZE, RED)
    half = (SIZE[0] // 2, SIZE[1] // 2)
    for at, color in {(half[0], 0): GREEN, half: BLUE, (0, half[1]): WHITE}.items():
        picture.paste(color, (*at, at[0] + half[0], at[1] + half[1]))
    return picture


def exif(orientation: int, **more: str) -> Image.Exif:
    said = Image.Exif()
    said[TAG] = orientation
    if "description" in more:
        said[0x010E] = more["description"]
    return said


def turned(kind: str, orientation: int, picture: Image.Image | None = None) -> bytes:
    return encoded(picture or corners(), kind, exif=exif(orientation), **KINDS[kind])


def seen_in(data: bytes) -> tuple[tuple[int, ...], ...]:
    """The colour of each corner, clockwise from the upper left, rounded to those that were painted."""
    picture = opened(data).convert("RGB")
    right, low = picture.width - 5, picture.height - 5

    def nearest(at: tuple[int, int]) -> tuple[int, ...]:
        found = picture.getpixel(at)
        assert isinstance(found, tuple)
        return min(SEEN[1], key=lambda color: sum(abs(a - b) for a, b in zip(color, found, strict=True)))

    return tuple(nearest(at) for at in ((4, 4), (right, 4), (right, low), (4, low)))


async def nothing_kept(image_id: str) -> tuple[bytes, str]:
    raise ImageNotFound(f"no image {image_id}", "use another")


async def loaded(data: bytes, mask: bytes | None = None) -> tuple[InputImage, InputImage | None, tuple[str, ...]]:
    loader = InputLoader(Roots((), (), Path("/")), max_pixels=LIMIT)
    inputs = await loader.load([in_url(data)], in_url(mask) if mask else None, nothing_kept)
    return inputs.images[0], inputs.mask, inputs.warnings


def in_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(2, 9))
async def test_a_picture_is_sent_as_it_is_seen(kind: str, orientation: int) -> None:
    image, _, warnings = await loaded(turned(kind, orientation))
    size = SIZE if orientation < 5 else SIZE[::-1]
    assert image.data is not None
    assert (image.width, image.height) == opened(image.data).size == size
    assert seen_in(image.data) == SEEN[orientation]
    sent = "JPEG" if kind == "JPEG" else "PNG"
    assert (image.mime_type, opened(image.data).format) == (f"image/{sent.lower()}", sent)
    assert image.name == f"image-1.{sent.lower()}"
    said = f"images[0]: turned upright as its EXIF orientation says, and encoded anew as {sent}"
    assert warnings == image.warnings == (said,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", [None, 0, 1, 9, 65_535])
async def test_a_picture_that_is_upright_goes_byte_for_byte(kind: str, orientation: int | None) -> None:
    data = encoded(corners(), kind) if orientation is None else turned(kind, orientation)
    image, _, warnings = await loaded(data)
    assert (image.data, image.width, image.height, image.turned, warnings) == (data, *SIZE, False, ())


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_turned_without_loss_has_the_same_pixels(kind: str) -> None:
    sent = sendable(turned(kind, 6), max_pixels=LIMIT)
    assert opened(sent.data).tobytes() == corners().rotate(-90, expand=True).tobytes()


def test_a_photo_loses_nothing_that_can_be_seen_when_it_is_turned() -> None:
    gradient = Image.merge("RGB", [Image.linear_gradient("L").rotate(angle) for angle in (0, 90, 180)])
    before = encoded(gradient, "JPEG", quality=95, subsampling=0, exif=exif(8))
    after = opened(sendable(before, max_pixels=LIMIT).data)
    expected = opened(before).rotate(90, expand=True)
    apart = [abs(a - b) for a, b in zip(after.tobytes(), expected.tobytes(), strict=True)]
    assert max(apart) <= 4
    assert JpegImagePlugin.get_sampling(after) == 0  # colours in full resolution


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_stays_behind_when_a_picture_is_turned(kind: str) -> None:
    private = "taken at home"
    more = {"comment": private} if kind == "JPEG" else {}
    data = encoded(corners(), kind, exif=exif(6, description=private), **KINDS[kind], **more)
    assert private.encode() in data
    sent = sendable(data, max_pixels=LIMIT).data
    assert private.encode() not in sent
    assert dict(opened(sent).getexif()) == {}


@pytest.mark.parametrize(("space", "kept"), [(b"RGB ", True), (b"GRAY", False), (b"CMYK", False)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_colour_profile_goes_along_where_it_is_for_these_colours(kind: str, space: bytes, kept: bool) -> None:
    profile = bytes(16) + space + bytes(108)
    data = encoded(corners(), kind, exif=exif(6), icc_profile=profile, **KINDS[kind])
    sent = opened(sendable(data, max_pixels=LIMIT).data)
    assert sent.info.get("icc_profile") == (profile if kept else None)


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA"])
def test_pictures_of_any_mode_are_turned(mode: str) -> None:
    data = turned("PNG", 6, corners().convert(mode))
    sent = sendable(data, max_pixels=LIMIT)
    assert (
        opened(sent.data).convert("RGBA").tobytes() == opened(data).convert("RGBA").rotate(-90, expand=True).tobytes()
    )
    assert (sent.width, sent.height, sent.turned) == (*SIZE[::-1], True)


def test_metadata_that_cannot_be_read_turns_nothing() -> None:
    data = encoded(corners(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert sendable(data, max_pixels=LIMIT).data == data


async def test_a_mask_is_drawn_on_the_picture_as_it_is_seen() -> None:
    upright = alpha_mask(SIZE[::-1], (4, 4, 20, 20))
    image, mask, _ = await loaded(turned("JPEG", 6), upright)
    assert mask is not None
    assert (image.width, image.height) == (mask.width, mask.height) == SIZE[::-1]
    assert mask.data == upright


async def test_a_mask_of_the_size_of_the_file_is_refused_with_the_reason() -> None:
    with pytest.raises(MaskRejected) as refused:
        await loaded(turned("JPEG", 6), alpha_mask(SIZE, (4, 4, 20, 20)))
    assert "the mask is 96x64" in refused.value.sentence
    assert "turned upright as its EXIF orientation says, 64x96" in refused.value.sentence
    assert "as it is seen, 64x96" in refused.value.fix


def test_a_mask_that_is_to_be_turned_is_turned_too() -> None:
    drawing = opened(alpha_mask(SIZE, (0, 0, 20, 10)))
    data = encoded(drawing, "PNG", exif=exif(6))
    mask = prepare_mask(data, image_size=SIZE[::-1], max_pixels=LIMIT)
    alpha = opened(mask.data).getchannel("A")
    assert (mask.width, mask.height) == alpha.size == SIZE[::-1]
    assert [alpha.getpixel(at) for at in ((60, 4), (55, 18), (4, 4), (4, 90))] == [0, 0, 255, 255]
    with pytest.raises(MaskRejected, match="64x96"):
        prepare_mask(data, image_size=SIZE, max_pixels=LIMIT)


def test_a_black_and_white_mask_is_turned_too() -> None:
    drawing = Image.new("L", SIZE)
    ImageDraw.Draw(drawing).rectangle((0, 0, 20, 10), fill=255)
    mask = prepare_mask(turned("JPEG", 8, drawing), image_size=SIZE[::-1], max_pixels=LIMIT)
    alpha = opened(mask.data).getchannel("A")
    assert [alpha.getpixel(at) for at in ((4, 90), (4, 4), (60, 90))] == [0, 255, 255]


@pytest.fixture
async def at_capture(environment: dict[str, str]) -> AsyncIterator[tuple[CaptureServer, Client]]:
    """A client of a server whose provider records what it is sent, to the byte."""
    answer = {"created": 1, "data": [{"b64_json": base64.b64encode(png((8, 8))).decode()}]}
    with capture_server() as capture:
        capture.answers(json_reply(answer), **{"/v1/models": json_reply({"data": []})})
        async with held(client_of({**environment, "OPENAI_BASE_URL": capture.url})) as client:
            yield capture, client


async def test_the_model_gets_a_phone_s_photo_upright_and_the_caller_is_told(
    at_capture: tuple[CaptureServer, Client], work: Path
) -> None:
    capture, client = at_capture
    photo = encoded(corners().resize((1152, 768)), "JPEG", exif=exif(6))
    mask = alpha_mask((768, 1152), (100, 100, 400, 400))
    paths = [saved(work / "photo.jpg", photo), saved(work / "mask.png", mask)]
    result = await call(client, "edit_image", prompt="a hat", images=paths[:1], mask=paths[1])
    assert "images[0]: turned upright as its EXIF orientation says" in " ".join(result["warnings"])
    image, sent_mask = next(request for request in capture.seen if request.path == "/v1/images/edits").files
    assert (image.mime_type, image.name) == ("image/jpeg", "image-1.jpeg")
    assert opened(image.data).size == (768, 1152)
    assert seen_in(image.data) == SEEN[6]
    assert sent_mask.data == mask


async def test_an_upright_picture_reaches_the_model_byte_for_byte(
    at_capture: tuple[CaptureServer, Client], work: Path
) -> None:
    capture, client = at_capture
    photo = encoded(corners(), "JPEG", exif=exif(1, description="taken at home"))
    result = await call(client, "edit_image", prompt="a hat", images=[saved(work / "a.jpg", photo)])
    assert not any("images[0]" in warning for warning in result["warnings"])
    [image] = next(request for request in capture.seen if request.path == "/v1/images/edits").files
    assert image.data == photo


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_is_measured_by_its_header_as_it_is_seen(kind: str, orientation: int) -> None:
    """Also where a PNG names its orientation behind the pixels, which its header does not lead to."""
    data = turned(kind, orientation)
    pictures = [data, with_exif_at_the_end(data)] if kind == "PNG" else [data]
    loader = InputLoader(Roots((), (), Path("/")), max_pixels=LIMIT)
    for found in await loader.measure([in_url(one) for one in pictures], nothing_kept):
        assert (found.width, found.height) == (SIZE if orientation < 5 else SIZE[::-1])
        assert found.data is None


def with_exif_at_the_end(png: bytes) -> bytes:
    at = png.index(b"eXIf") - 4
    end = at + int.from_bytes(png[at : at + 4]) + 12
    last = len(png) - 12  # where the empty IEND begins
    return png[:at] + png[end:last] + png[at:end] + png[last:]
