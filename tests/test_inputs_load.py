"""From references to checked images: in order, named in errors, and each by the way its kind allows."""

import asyncio
import base64
from dataclasses import replace
from pathlib import Path

import pytest
from pictures import alpha_mask, encoded, opened, png, saved
from PIL import Image

from mcp_imagegen.errors import (
    FetchBlocked,
    ImageNotFound,
    InputNotFound,
    InputRejected,
    InvalidArgument,
    MaskRejected,
    PathNotAllowed,
)
from mcp_imagegen.inputs.load import InputLoader
from mcp_imagegen.inputs.roots import Roots

IMAGE_ID = "img_" + "0123456789abcdef" * 2
UNKNOWN = "img_" + "f" * 32
FILE_ID = "file-Abc123"
KEPT = png((24, 16), "green")


async def kept(image_id: str) -> tuple[bytes, str]:
    """The images that were made before: one."""
    if image_id != IMAGE_ID:
        raise ImageNotFound(f"there is no image {image_id}", "name another")
    return KEPT, "image/png"


@pytest.fixture
def loader(tmp_path: Path) -> InputLoader:
    root = tmp_path.resolve()
    return InputLoader(Roots((root,), (root,), root), max_pixels=40_000_000)


def in_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


async def test_images_of_every_kind_come_in_the_order_they_were_named(loader: InputLoader, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", encoded(Image.new("RGB", (8, 9), "red"), "JPEG"))
    webp = encoded(Image.new("RGBA", (3, 4)), "WEBP")
    loaded = await loader.load([path, IMAGE_ID, in_url(webp), FILE_ID, "a.jpg", Path(path).as_uri()], None, kept)
    assert [(image.width, image.height) for image in loaded.images] == [
        (8, 9),
        (24, 16),
        (3, 4),
        (None, None),
        (8, 9),
        (8, 9),
    ]
    names = ["image-1.jpeg", "image-2.png", "image-3.webp", FILE_ID, "image-5.jpeg", "image-6.jpeg"]
    assert [image.name for image in loaded.images] == names
    types = ["image/jpeg", "image/png", "image/webp", None, "image/jpeg", "image/jpeg"]
    assert [image.mime_type for image in loaded.images] == types
    assert [image.data for image in loaded.images[:3]] == [Path(path).read_bytes(), KEPT, webp]
    assert [image.image_id for image in loaded.images] == [None, IMAGE_ID, None, None, None, None]
    assert (loaded.mask, loaded.warnings) == (None, ())


async def test_a_file_id_passes_through_without_being_looked_at(loader: InputLoader) -> None:
    [image] = (await loader.load([FILE_ID], None, kept)).images
    assert (image.file_id, image.data, image.mime_type) == (FILE_ID, None, None)


async def test_the_name_that_is_sent_says_nothing_about_this_machine(loader: InputLoader, tmp_path: Path) -> None:
    path = saved(tmp_path / "my secret plan.png", png((8, 8)))
    [image] = (await loader.load([path], None, kept)).images
    assert image.name == "image-1.png"


async def test_the_type_is_told_by_content_and_not_by_the_ending(loader: InputLoader, tmp_path: Path) -> None:
    path = saved(tmp_path / "really-a-jpeg.png", encoded(Image.new("RGB", (8, 9)), "JPEG"))
    [image] = (await loader.load([path], None, kept)).images
    assert (image.mime_type, image.name) == ("image/jpeg", "image-1.jpeg")


async def test_the_first_frame_of_a_gif_is_sent_as_png_with_a_warning(loader: InputLoader) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    loaded = await loader.load([IMAGE_ID, in_url(gif)], None, kept)
    image = loaded.images[1]
    assert (image.mime_type, image.name) == ("image/png", "image-2.png")
    assert image.data is not None
    assert opened(image.data).convert("RGB").getpixel((4, 4)) == (255, 0, 0)
    assert loaded.warnings == image.warnings
    assert ["images[1]: a GIF; its first frame" in warning for warning in loaded.warnings] == [True]


async def test_an_image_to_continue_from_goes_first_and_leaves_the_callers_own_their_numbers(
    loader: InputLoader,
) -> None:
    gif = in_url(encoded(Image.new("RGB", (8, 8)), "GIF"))

    async def kept_as_gif(_: str) -> tuple[bytes, str]:
        return encoded(Image.new("RGB", (6, 6)), "GIF"), "image/gif"

    loaded = await loader.load([gif], None, kept_as_gif, parent=IMAGE_ID)
    assert [image.width for image in loaded.images] == [6, 8]
    assert [warning.split(":")[0] for warning in loaded.warnings] == ["from_image", "images[0]"]
    with pytest.raises(InputNotFound, match=r": images\[0\]: "):
        await loader.load(["no.png"], None, kept, parent=IMAGE_ID)
    with pytest.raises(ImageNotFound, match=": from_image: "):
        await loader.load(["no.png"], None, kept, parent=UNKNOWN)


async def test_a_photo_of_a_camera_is_sent_as_the_jpeg_it_is(loader: InputLoader) -> None:
    photo = encoded(Image.new("RGB", (8, 8)), "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    [image] = (await loader.load([in_url(photo)], None, kept)).images
    assert (image.mime_type, image.data) == ("image/jpeg", photo)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("no.png", InputNotFound),
        ("/etc/passwd", PathNotAllowed),
        ("text.png", InputRejected),
        ("data:image/png;base64,@@@", InputRejected),
        ("http://a.example/a.png", FetchBlocked),
        ("https://127.0.0.1/a.png", FetchBlocked),
        ("ftp://a.example/a.png", InvalidArgument),
        ("", InvalidArgument),
        (UNKNOWN, ImageNotFound),
    ],
)
async def test_an_error_names_the_image_or_the_mask(
    loader: InputLoader, tmp_path: Path, wrong: str, error: type[Exception]
) -> None:
    saved(tmp_path / "text.png", b"text" * 100)
    with pytest.raises(error, match=r": images\[1\]: "):
        await loader.load([IMAGE_ID, wrong, IMAGE_ID], None, kept)
    with pytest.raises(error, match=": mask: "):
        await loader.load([IMAGE_ID], wrong, kept)


async def test_of_several_errors_the_first_in_order_is_told(loader: InputLoader) -> None:
    with pytest.raises(ImageNotFound, match=r"images\[1\]"):
        await loader.load([IMAGE_ID, UNKNOWN, "/etc/passwd", ""], "no.png", kept)


async def test_clients_that_do_not_share_the_disk_may_not_name_paths(loader: InputLoader, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", png((8, 8)))
    remote = replace(loader, roots=None)
    for reference in (path, Path(path).as_uri(), "a.png"):
        with pytest.raises(PathNotAllowed) as refused:
            await remote.load([reference], None, kept)
        assert "data: URL" in refused.value.fix
    with pytest.raises(PathNotAllowed, match="mask"):
        await remote.load([IMAGE_ID], path, kept)
    assert len((await remote.load([in_url(KEPT), IMAGE_ID, FILE_ID], None, kept)).images) == 3


async def test_a_mask_is_compared_with_the_first_image_only(loader: InputLoader) -> None:
    mask = in_url(alpha_mask((24, 16), (2, 2, 5, 5)))
    other = in_url(png((8, 8)))
    loaded = await loader.load([IMAGE_ID, other], mask, kept)
    assert loaded.mask is not None
    assert (loaded.mask.name, loaded.mask.mime_type) == ("mask.png", "image/png")
    assert (loaded.mask.width, loaded.mask.height) == (24, 16)
    with pytest.raises(MaskRejected, match="mask: the mask is 24x16 and the first image 8x8"):
        await loader.load([other, IMAGE_ID], mask, kept)


async def test_a_mask_beside_an_image_that_only_the_api_knows_comes_with_a_warning(loader: InputLoader) -> None:
    loaded = await loader.load([FILE_ID], in_url(alpha_mask((24, 16), (2, 2, 5, 5))), kept)
    assert ["could not be compared" in warning for warning in loaded.warnings] == [True]


async def test_a_mask_may_be_a_file_id_or_an_earlier_image(loader: InputLoader) -> None:
    by_id = await loader.load([IMAGE_ID], "file-mask", kept)
    assert by_id.mask is not None
    assert (by_id.mask.file_id, by_id.mask.data) == ("file-mask", None)
    with pytest.raises(MaskRejected, match="coloured"):
        await loader.load([IMAGE_ID], IMAGE_ID, kept)


async def test_a_picture_of_too_many_pixels_is_refused_wherever_it_comes_from(
    loader: InputLoader, tmp_path: Path
) -> None:
    small = replace(loader, max_pixels=24 * 16 - 1)
    for reference in (saved(tmp_path / "a.png", KEPT), in_url(KEPT), IMAGE_ID):
        with pytest.raises(InputRejected, match="24x16"):
            await small.load([reference], None, kept)


async def test_no_load_is_left_running_when_one_fails(loader: InputLoader) -> None:
    ended = []

    async def slow(image_id: str) -> tuple[bytes, str]:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ended.append(image_id)
        return KEPT, "image/png"

    with pytest.raises(InvalidArgument):
        await loader.load(["", IMAGE_ID, IMAGE_ID], None, slow)
    assert ended == [IMAGE_ID, IMAGE_ID]


async def test_a_fault_of_ours_is_not_taken_for_bad_input(loader: InputLoader) -> None:
    async def broken(_: str) -> tuple[bytes, str]:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await loader.load([IMAGE_ID], None, broken)


async def test_pictures_do_not_show_in_reprs(loader: InputLoader) -> None:
    loaded = await loader.load([IMAGE_ID], in_url(alpha_mask((24, 16), (2, 2, 5, 5))), kept)
    assert "IHDR" not in repr(loaded)
