"""HEIC, which phones write: converted and told of where the extra `heic` is installed, else refused with a way out."""

import io
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from capture_server import CaptureServer, capture_server, json_reply
from conftest import held
from doors import call, client_of, refusal
from mcp import Client
from pictures import alpha_mask, encoded, opened, saved
from PIL import Image
from pillow_heif import HeifFile, from_pillow
from stand_in import GOOD
from test_inputs_orientation import SEEN, SIZE, corners, exif, seen_in

from mcp_imagegen.errors import InputRejected
from mcp_imagegen.images.decoding import eight_bit
from mcp_imagegen.inputs.sendable import sendable

LIMIT = 40_000_000


def heic(picture: Image.Image, orientation: int = 1, **options: object) -> bytes:
    """As a phone writes it: the orientation is in the EXIF data, and again as an instruction to whoever decodes it."""
    data = io.BytesIO()
    from_pillow(picture).save(data, quality=95, exif=exif(orientation).tobytes(), **options)
    return data.getvalue()


@pytest.fixture
async def at_capture(environment: dict[str, str]) -> AsyncIterator[tuple[CaptureServer, Client]]:
    with capture_server() as capture:
        capture.answers(json_reply(GOOD), **{"/v1/models": json_reply({"data": []})})
        async with held(client_of({**environment, "OPENAI_BASE_URL": capture.url})) as client:
            yield capture, client


async def test_a_phone_s_heic_photo_reaches_the_model_upright_as_jpeg_and_the_caller_is_told(
    at_capture: tuple[CaptureServer, Client], work: Path
) -> None:
    capture, client = at_capture
    image = saved(work / "photo.heic", heic(corners().resize((288, 192)), 6))
    mask = saved(work / "mask.png", alpha_mask((192, 288), (20, 20, 90, 90)))
    result = await call(client, "edit_image", prompt="a hat", images=[image], mask=mask)
    assert "images[0]: a HEIC picture; it is sent as JPEG" in result["warnings"]
    sent, _ = next(request for request in capture.seen if request.path == "/v1/images/edits").files
    assert (sent.mime_type, sent.name) == ("image/jpeg", "image-1.jpeg")
    assert (opened(sent.data).format, opened(sent.data).size) == ("JPEG", (192, 288))
    assert seen_in(sent.data) == SEEN[6]


@pytest.mark.parametrize("orientation", SEEN)
def test_every_orientation_is_turned_upright_once(orientation: int) -> None:
    sent = sendable(heic(corners(), orientation), max_pixels=LIMIT)
    assert seen_in(sent.data) == SEEN[orientation]
    assert (sent.width, sent.height) == opened(sent.data).size == (SIZE if orientation < 5 else SIZE[::-1])
    assert opened(sent.data).getexif() == {}


def test_a_heic_picture_with_transparency_is_sent_as_png() -> None:
    clear = corners()
    clear.putalpha(100)
    sent = sendable(heic(clear), max_pixels=LIMIT)
    assert sent.done == ("a HEIC picture; it is sent as PNG",)
    assert all(abs(level - 100) < 4 for level in opened(sent.data).getchannel("A").getextrema())


def test_more_than_8_bits_a_channel_become_8() -> None:
    grey = Image.linear_gradient("L")
    deep = Image.frombytes("I;16", grey.size, b"".join(bytes((level, level)) for level in grey.tobytes()))
    sent = opened(sendable(heic(deep), max_pixels=LIMIT).data)
    assert sent.mode == "L"
    assert all(abs(sent.getpixel((9, y)) - eight_bit(deep).getpixel((9, y))) < 4 for y in range(0, 256, 16))


def test_of_several_pictures_the_one_that_is_shown_first_is_sent() -> None:
    album = HeifFile()
    for color in ("red", "blue"):
        album.add_from_pillow(Image.new("RGB", (64, 64), color))
    data = io.BytesIO()
    album.save(data, primary_index=1)
    sent = sendable(data.getvalue(), max_pixels=LIMIT)
    assert opened(sent.data).getpixel((9, 9))[2] > 200
    assert sent.done == ("a HEIC picture; it is sent as JPEG",)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    with pytest.raises(InputRejected, match=r"96x64 pixels, more than 0\.006 million"):
        sendable(heic(corners()), max_pixels=6_000)


@pytest.mark.parametrize("kept", [40, 300, -10])
def test_a_damaged_heic_is_called_damaged(kept: int) -> None:
    with pytest.raises(InputRejected, match="damaged or cut off"):
        sendable(heic(corners())[:kept], max_pixels=LIMIT)


async def test_without_the_extra_heic_is_refused_before_anything_is_sent(
    at_capture: tuple[CaptureServer, Client], work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture, client = at_capture
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    path = saved(work / "photo.heic", heic(corners()))
    refused = await refusal(client, "edit_image", prompt="a hat", images=[path])
    assert refused.startswith(
        "input_rejected: images[0]: this is a HEIC picture, and what reads those is not installed"
    )
    assert "To fix: convert it to JPEG or PNG first, or run pip install 'mcp-imagegen[heic]'" in refused
    assert [request for request in capture.seen if request.method == "POST"] == []


def test_the_plugin_is_loaded_with_the_first_heic_picture_and_not_before(tmp_path: Path) -> None:
    png, photo = saved(tmp_path / "a.png", encoded(corners())), saved(tmp_path / "a.heic", heic(corners()))
    program = (
        "import sys; from pathlib import Path; from mcp_imagegen.inputs.sendable import sendable\n"
        "for path in sys.argv[1:]:\n"
        "    sendable(Path(path).read_bytes(), max_pixels=10**6); print('pillow_heif' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program, png, photo], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "True"]
