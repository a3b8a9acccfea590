"""Masks: what is taken as it is, what is converted to the API's form, and what would mark nothing."""

import random
import struct
from typing import Any

import pytest
from pictures import alpha_mask, encoded, opened, png
from PIL import Image, ImageDraw

from mcp_imagegen.errors import InputRejected, MaskRejected
from mcp_imagegen.inputs.masks import Mask, prepare_mask

SIZE = (96, 64)
HOLE = (16, 8, 47, 39)  # left, top, right, bottom, all inside
INSIDE, OUTSIDE = [(16, 8), (30, 20), (47, 39)], [(15, 8), (48, 39), (0, 0), (95, 63)]
LIMIT = 40_000_000


def black_and_white(mode: str = "L", hole: Any = 255, around: Any = 0) -> Image.Image:
    """White where to edit."""
    mask = Image.new("L", SIZE, around)
    ImageDraw.Draw(mask).rectangle(HOLE, fill=hole)
    return mask.convert(mode)


def deep() -> bytes:
    """Black and white in 16 bits: the dark part is far above 255 of 65,535, and still dark."""
    levels = [0xFFFF if level else 0x1FFF for level in black_and_white().tobytes()]
    return encoded(Image.frombytes("I;16", SIZE, struct.pack(f"<{len(levels)}H", *levels)))


def prepared(data: bytes, image_size: tuple[int, int] | None = SIZE) -> Mask:
    return prepare_mask(data, image_size=image_size, max_pixels=LIMIT)


def alpha_at(mask: Mask, points: list[tuple[int, int]]) -> set[Any]:
    picture = opened(mask.data)
    assert (picture.format, picture.size) == ("PNG", (mask.width, mask.height))
    return {picture.convert("RGBA").getchannel("A").getpixel(point) for point in points}


def refused(data: bytes, image_size: tuple[int, int] | None = SIZE) -> MaskRejected:
    with pytest.raises(MaskRejected) as error:
        prepared(data, image_size)
    assert error.value.fix
    return error.value


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_png_with_alpha_goes_byte_for_byte(mode: str) -> None:
    data = encoded(opened(alpha_mask(SIZE, HOLE)).convert(mode), compress_level=3)
    mask = prepared(data)
    assert mask.data == data
    assert (mask.width, mask.height, mask.warnings) == (*SIZE, ())


@pytest.mark.parametrize("kind", ["palette", "clear grey", "webp", "gif", "deep"])
def test_other_transparency_becomes_a_png_with_alpha(kind: str) -> None:
    made = {
        "palette": encoded(black_and_white("P"), transparency=255),
        "clear grey": encoded(black_and_white(), transparency=255),
        "webp": encoded(opened(alpha_mask(SIZE, HOLE)), "WEBP", lossless=True, exact=True),
        "gif": encoded(black_and_white("P"), "GIF", transparency=255),
        "deep": encoded(opened(deep()), transparency=0xFFFF),
    }
    mask = prepared(made[kind])
    assert opened(mask.data).mode in ("RGBA", "LA")
    assert alpha_at(mask, INSIDE) == {0}
    assert alpha_at(mask, OUTSIDE) == {255}


@pytest.mark.parametrize(
    "kind", ["L", "1", "RGB", "P", "JPEG", "grey JPEG", "WEBP", "deep", "opaque RGBA", "opaque LA"]
)
def test_black_and_white_is_converted_so_that_white_is_edited(kind: str) -> None:
    made = {
        "JPEG": lambda: encoded(black_and_white("RGB"), "JPEG", quality=90),
        "grey JPEG": lambda: encoded(black_and_white(), "JPEG", quality=90),
        "WEBP": lambda: encoded(black_and_white("RGB"), "WEBP", quality=90),
        "deep": deep,
        "opaque RGBA": lambda: encoded(black_and_white("RGBA")),
        "opaque LA": lambda: encoded(black_and_white("LA")),
    }
    mask = prepared(made[kind]() if kind in made else encoded(black_and_white(kind)))
    assert alpha_at(mask, INSIDE) == {0}
    assert alpha_at(mask, OUTSIDE) == {255}


def soft_edged(width: int) -> Image.Image:
    """White on the left, black on the right, and every level of grey in `width` columns between."""
    mask = Image.new("L", (1024, 64))
    mask.paste(255, (0, 0, 512, 64))
    mask.paste(Image.linear_gradient("L").rotate(90).resize((width, 64)), (512 - width // 2, 0))
    return mask


@pytest.mark.parametrize(("width", "warned"), [(96, []), (512, ["38% of the mask is neither black nor white"])])
def test_every_pixel_of_a_converted_mask_is_either_edited_or_kept(width: int, warned: list[str]) -> None:
    """Soft edges pass, and wide ones are told of."""
    soft = soft_edged(width)
    mask = prepared(encoded(soft), soft.size)
    expected = soft.point(lambda level: 0 if level >= 128 else 255)
    assert opened(mask.data).getchannel("A").tobytes() == expected.tobytes()
    assert [warning.partition(";")[0] for warning in mask.warnings] == warned


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_grey_photo_is_no_mask(kind: str) -> None:
    """Sky above land: light and dark enough to pass for white and black, and hardly anything is either."""
    photo = Image.linear_gradient("L").point(lambda level: 60 + level * 2 // 3)
    error = refused(encoded(Image.blend(photo, Image.effect_noise(photo.size, 60), 0.3), kind), photo.size)
    assert "grey picture" in error.sentence
    assert "black and white picture that is white there" in error.fix


def test_a_mask_of_another_size_is_refused_with_both_sizes() -> None:
    error = refused(alpha_mask((64, 96), HOLE))
    assert "64x96" in str(error)
    assert "96x64" in str(error)
    assert "96x64" in error.fix
    refused(encoded(black_and_white()), (SIZE[0], SIZE[1] + 1))


@pytest.mark.parametrize(
    "data",
    [
        png(SIZE, (0, 0, 0, 255), "RGBA"),
        png(SIZE, (0, 0, 0)),
        png(SIZE, 0, "L"),
        png(SIZE, 0, "1"),
        png(SIZE, 127, "L"),
        encoded(Image.new("L", SIZE), "JPEG"),
    ],
    ids=["opaque black", "black", "grey black", "1 bit", "dark grey", "jpeg"],
)
def test_a_mask_that_marks_nothing_is_refused(data: bytes) -> None:
    assert "marks nothing" in str(refused(data))


@pytest.mark.parametrize("alpha", [1, 128, 254])
def test_a_mask_that_is_only_half_transparent_marks_nothing(alpha: int) -> None:
    """Of a mask the API edits what is fully transparent."""
    assert "fully transparent nowhere" in str(refused(png(SIZE, (0, 0, 0, alpha), "RGBA")))


def test_soft_edges_go_as_they_are() -> None:
    picture = Image.new("RGBA", SIZE, (0, 0, 0, 255))
    picture.putalpha(Image.linear_gradient("L").resize(SIZE).point(lambda level: max(0, level - 10)))
    assert prepared(encoded(picture)).data == encoded(picture)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_coloured_picture_without_transparency_is_refused(mode: str) -> None:
    picture = black_and_white("RGB")
    ImageDraw.Draw(picture).point((60, 60), fill=(200, 40, 40))
    error = refused(encoded(picture.convert(mode)))
    assert "coloured" in str(error)
    assert "white" in error.fix


def test_a_mask_for_an_image_that_only_the_api_knows_is_taken_with_a_warning() -> None:
    mask = prepared(alpha_mask(SIZE, HOLE), None)
    assert len(mask.warnings) == 1
    assert "could not be compared" in mask.warnings[0]


def test_a_mask_over_4_mb_is_taken_with_a_warning() -> None:
    size = (1200, 1000)
    picture = Image.frombytes("RGBA", size, random.Random(1).randbytes(size[0] * size[1] * 4))
    mask = prepared(encoded(picture, compress_level=0), size)
    assert len(mask.data) > 4_000_000
    assert ["4 MB" in warning for warning in mask.warnings] == [True]


@pytest.mark.parametrize("data", [b"", b"text", alpha_mask(SIZE, HOLE)[:-30]], ids=["empty", "text", "cut off"])
def test_what_is_no_picture_is_no_mask(data: bytes) -> None:
    with pytest.raises(InputRejected):
        prepared(data)


def test_a_mask_of_too_many_pixels_is_refused() -> None:
    with pytest.raises(InputRejected, match="96x64"):
        prepare_mask(alpha_mask(SIZE, HOLE), image_size=SIZE, max_pixels=6_143)


def test_what_a_mask_holds_does_not_show_in_its_repr() -> None:
    assert "data" not in repr(prepared(alpha_mask(SIZE, HOLE)))
