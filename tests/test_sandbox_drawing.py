"""The parts that draw: lettering that fits, the label, frames, and the thread they run in."""

import asyncio
import base64
import io
import json
import threading
from xml.etree import ElementTree

import pytest
from PIL import Image
from sandbox_support import painted

from mcp_imagegen.sandbox.encoding import animated, unfinished
from mcp_imagegen.sandbox.inputs import Materials
from mcp_imagegen.sandbox.lettering import fitted, font
from mcp_imagegen.sandbox.models import IMAGE_MODELS
from mcp_imagegen.sandbox.options import Options
from mcp_imagegen.sandbox.painting import INK, PAPER, Brief, label_of
from mcp_imagegen.sandbox.painting import painted as drawn
from mcp_imagegen.sandbox.renderings import rendered
from mcp_imagegen.sandbox.scenery import KINDS
from mcp_imagegen.sandbox.scenes import scene
from mcp_imagegen.sandbox.shapes import PALETTES
from mcp_imagegen.sandbox.studio import in_studio
from mcp_imagegen.sandbox.vectors import written
from mcp_imagegen.sandbox.wire import SLICE, Base64, event, pieces

SIZES = [(1024, 1024), (1536, 1024), (512, 1536), (1536, 512), (3840, 2160)]
PROMPTS = ["Cat", "A lighthouse keeper's kitchen with a cat on the sill", "word " * 90, "x" * 400, "ein Zug, ein Café"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_prompt_fits_its_label_in_a_readable_size(prompt: str, size: tuple[int, int]) -> None:
    left, top, right, bottom = label_of(size)
    box = right - left, bottom - top
    lettering = fitted(prompt, box, largest=round(box[1] * 0.4), smallest=11)
    face = font(lettering.size, lettering.family)
    assert all(face.getlength(line) <= box[0] for line in lettering.lines)
    assert lettering.height <= box[1]
    assert lettering.size >= 11
    assert "".join(lettering.lines).replace(" ", "") == prompt.replace(" ", "")


def test_a_prompt_that_is_too_long_ends_in_an_ellipsis() -> None:
    lettering = fitted("word " * 500, (300, 60), largest=30, smallest=12)
    assert lettering.lines[-1].endswith("…")
    assert all(font(12).getlength(line) <= 300 for line in lettering.lines)
    assert lettering.height <= 60


def test_letters_that_a_font_lacks_do_not_become_boxes_where_another_way_is_known() -> None:
    said = " ".join(fitted("Crème brûlée", (900, 200), 40, 12).lines)
    assert said in {"Crème brûlée", "Creme brulee"}


@pytest.mark.parametrize("size", SIZES)
def test_the_label_is_ink_on_paper(size: tuple[int, int]) -> None:
    label = drawn(Brief("Hello there", "small print", "seed", size)).crop(label_of(size))
    inside = label.crop((label.width // 10, label.height // 10, label.width * 9 // 10, label.height * 9 // 10))
    colours = {colour: count for count, colour in inside.getcolors(2**24)}
    assert colours[PAPER] > 0.5 * inside.width * inside.height
    assert colours[INK] > 0.002 * inside.width * inside.height
    assert contrast(INK, PAPER) > 12


def contrast(first: tuple[int, int, int], second: tuple[int, int, int]) -> float:
    """Of two colours by WCAG 2, 1 to 21."""

    def luminance(colour: tuple[int, int, int]) -> float:
        parts = [value / 255 for value in colour]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_seeds_reach_every_kind_of_scene_and_every_palette() -> None:
    scenes = [scene(f"seed {index}", (1024, 640), 3) for index in range(200)]
    assert {one.name for one in scenes} == set(KINDS)
    assert {one.palette for one in scenes} == set(PALETTES)
    assert scene("seed 1", (1024, 640), 3) == scenes[1]


def test_a_mask_that_frees_nothing_changes_nothing() -> None:
    base = Image.new("RGB", (640, 480), "teal")
    nothing = Image.new("L", base.size, 0)
    assert drawn(Brief("x", "x", "x", base.size, base=base, mask=nothing)).tobytes() == base.tobytes()


@pytest.mark.parametrize("hole", [(0, 0, 1, 1), (5, 5, 30, 8), (0, 0, 79, 400)])
def test_even_the_smallest_hole_is_painted(hole: tuple[int, int, int, int]) -> None:
    base = Image.new("RGB", (640, 480), "#00ff00")
    free = Image.new("L", base.size, 0)
    free.paste(255, hole)
    after = drawn(Brief("Words", "small", "x", base.size, base=base, mask=free))
    assert (0, 255, 0) not in {colour for _, colour in after.crop(hole).getcolors(10**6)}


def test_frames_that_come_first_have_the_pictures_size_and_mode() -> None:
    image = Image.new("RGBA", (101, 67), (9, 9, 9, 0))
    assert {(frame.size, frame.mode) for frame in unfinished(image, 3)} == {((101, 67), "RGBA")}


@pytest.mark.parametrize(("asked", "encoded"), [(1, 10), (204, 200), (206, 210), (10**9, 655_350)])
def test_a_gif_rounds_its_delay_to_hundredths_of_a_second(asked: int, encoded: int) -> None:
    frames = [Image.linear_gradient("L").rotate(turn).convert("RGB") for turn in (0, 90)]
    assert Image.open(io.BytesIO(animated(frames, asked))).info["duration"] == encoded


def test_an_svg_is_well_formed_whatever_the_prompt() -> None:
    for prompt in ("<script>&]]>\x00\x0b", "\ud800", "猫"):
        ElementTree.fromstring(written(Brief(prompt, "a & b", "seed", (1024, 640))))


def test_a_body_in_pieces_is_the_json_with_base64_in_it() -> None:
    data = painted() * 40
    body = {"text": "é \ud800 \n", "items": [{"b64": Base64(data)}, {"b64": Base64(b"ab")}], "none": None}
    parts = pieces(body)
    read = json.loads(b"".join(parts))
    assert [base64.b64decode(item["b64"]) for item in read["items"]] == [data, b"ab"]
    assert read["text"] == body["text"]
    assert max(len(part) for part in parts) <= SLICE * 4 // 3
    assert b"".join(event({"type": "x", "data": Base64(b"ab")})) == b'event: x\ndata: {"type":"x","data":"YWI="}\n\n'


async def test_one_thing_at_a_time_is_done_in_the_studio_and_never_in_the_loop() -> None:
    meeting = threading.Barrier(2)

    def work() -> tuple[int, bool]:
        try:
            meeting.wait(timeout=0.1)
        except threading.BrokenBarrierError:
            return threading.get_ident(), False
        return threading.get_ident(), True

    done = await asyncio.gather(in_studio(work), in_studio(work))
    assert [met for _, met in done] == [False, False]
    assert threading.get_ident() not in {thread for thread, _ in done}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_scene_has_more_shapes_at_more_detail(kind: str) -> None:
    seed = next(str(seed) for seed in range(100) if scene(str(seed), (1024, 640), 1).name == kind)
    counts = [len(scene(seed, (1024, 640), detail).shapes) for detail in range(1, 6)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_gif_has_as_many_frames_as_asked_for_whatever_moves(kind: str) -> None:
    size = (1024, 640)
    prompt = next(str(word) for word in range(100) if scene(f"{word}\n0", size, 1).name == kind)
    options = Options(
        IMAGE_MODELS["gpt-image-2"], prompt, size="1024x640", quality="low", output_format="gif", frame_count=2
    )
    assert Image.open(io.BytesIO(rendered(options, Materials()).data)).n_frames == 2
