"""Advice of OpenAI's guide: said in a result only where the request makes it matter, listed whole with the models."""

import json
import random
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal
from mcp import Client
from mcp.types import TextResourceContents
from pictures import alpha_mask, encoded, png, saved
from PIL import Image

from mcp_imagegen.catalog.check import check
from mcp_imagegen.catalog.hints import CONDITIONS, MASK_FORMAT, hints, hints_of
from mcp_imagegen.catalog.loading import packaged
from mcp_imagegen.operations import ContinueImageThread, EditImage, GenerateImage

TODAY = date(2026, 11, 20)
TEXTS = {hint.name: hint.text for hint in hints()}
SMALL = {"size": "1024x640", "quality": "low"}


def said(model: str = "gpt-image-2", *, images: int = 0, continues: bool = False, **options: Any) -> list[str]:
    """The names of the hints in the warnings of a call."""
    wanted: Any
    if continues:
        wanted = ContinueImageThread(**{"prompt": "go on", "thread_id": "t", "images": ["a.png"] * images, **options})
    elif images:
        wanted = EditImage(**{"prompt": "a hat", "images": ["a.png"] * images, **options})
    else:
        wanted = GenerateImage(**{"prompt": "a kite", **options})
    warnings = check(
        wanted,
        model=model,
        provider="compatible",
        today=TODAY,
        api="responses" if continues else "image",
        edits=continues or images > 0,
    ).warnings
    return [name for name, text in TEXTS.items() if text in warnings]


def test_a_plain_call_of_any_model_is_given_no_advice() -> None:
    for model in packaged().models:
        assert said(model.name) == []
        assert said(model.name, quality=model.qualities[-1], output_format="png") == []
        if "edits" in model.endpoints:
            assert said(model.name, images=1) == []
        if "responses" in model.endpoints:
            assert said(model.name, images=1, continues=True) == []


@pytest.mark.parametrize(
    ("model", "images", "fidelity", "named"),
    [
        ("gpt-image-1", 1, "high", []),
        ("gpt-image-1", 2, "high", ["first-input"]),
        ("gpt-image-1", 2, "low", []),
        ("gpt-image-1.5", 5, "high", []),
        ("gpt-image-1.5", 6, "high", ["first-five-inputs"]),
        ("gpt-image-1.5", 6, None, []),
        ("gpt-image-2", 16, None, []),
    ],
)
def test_which_inputs_keep_their_detail_is_said_when_there_are_more(
    model: str, images: int, fidelity: str | None, named: list[str]
) -> None:
    given = {"input_fidelity": fidelity} if fidelity else {}
    assert said(model, images=images, **given) == named


def test_the_image_that_a_continuation_starts_from_counts_among_the_inputs() -> None:
    assert said("gpt-image-1.5", images=4, continues=True, input_fidelity="high") == []
    assert said("gpt-image-1.5", images=5, continues=True, input_fidelity="high") == ["first-five-inputs"]


def test_a_mask_is_guidance_for_the_gpt_image_models_only() -> None:
    assert said("gpt-image-2", images=1, mask="m.png") == ["mask-is-guidance"]
    assert said("chatgpt-image-latest", images=1, mask="m.png") == ["mask-is-guidance"]
    assert said("dall-e-2", images=1, mask="m.png") == []


def test_transparency_at_low_quality_is_advised_against() -> None:
    transparent = {"background": "transparent"}
    assert said("gpt-image-2.5-flare", quality="low", **transparent) == ["transparency-quality"]
    for quality in ("auto", "medium", "high", "max"):
        assert said("gpt-image-2.5-flare", quality=quality, **transparent) == []
    assert said("gpt-image-2.5-flare", quality="low", background="opaque") == []


def test_a_size_over_2560x1440_is_called_experimental() -> None:
    assert said(size="2560x1440") == []
    assert said(size="3840x2160") == ["experimental-size"]
    assert said("gpt-image-2.6-flare", size="3840x2160") == ["experimental-size"]


def test_combining_images_in_a_continuation_is_better_called_editing() -> None:
    for prompt in ("combine the two", "Merge both into one", "a version combining them"):
        assert said(images=1, continues=True, prompt=prompt) == ["draw-and-edit"]
    assert said(images=1, continues=True, prompt="edit the first image, combining it with the second") == []
    assert said(images=0, continues=True, prompt="combine the two halves") == []
    assert said(images=2, prompt="combine the two") == [], "the Image API needs no such word"


def test_the_prefix_against_rewriting_is_offered_where_a_prompt_wants_to_be_taken_literally() -> None:
    literal = "a red circle, exactly this and no other detail"
    assert said("dall-e-3", prompt=literal) == ["as-is-prefix"]
    assert said("dall-e-3", prompt=TEXTS["as-is-prefix"].partition("with: ")[2] + " " + literal) == []
    assert said("dall-e-3", prompt="a red circle") == []
    assert said("gpt-image-2", prompt=literal) == []


def test_every_hint_has_a_source_models_that_exist_and_a_condition_that_is_known() -> None:
    names = [hint.name for hint in hints()]
    assert len(names) == len(set(names))
    for hint in hints():
        assert hint.source
        assert any(hint.about(model) for model in packaged().models)
        assert hint.when is None or hint.when in {*CONDITIONS, MASK_FORMAT}
    assert {hint.when for hint in hints()} >= {*CONDITIONS, MASK_FORMAT}


def test_what_is_true_of_every_call_is_no_warning() -> None:
    general = {hint.name for hint in hints() if hint.when is None}
    assert general == {"jpeg-is-faster", "low-for-drafts"}


def test_patterns_of_names_tell_the_lines_apart() -> None:
    def named(model: str) -> set[str]:
        found = packaged().find(model)
        assert found is not None
        return {hint.name for hint in hints_of(found)}

    assert {"first-input", "experimental-size"} & named("gpt-image-1") == {"first-input"}
    assert "first-input" not in named("gpt-image-1-mini"), "which has no high input_fidelity"
    assert {"first-input", "first-five-inputs"} & named("gpt-image-1.5") == {"first-five-inputs"}
    assert "experimental-size" in named("gpt-image-2.5-flare-2026-09-08")
    assert named("dall-e-3") == {"as-is-prefix"}


async def test_a_mask_on_a_jpeg_is_said_to_be_of_another_format(client: Client, work: Path) -> None:
    mask = saved(work / "mask.png", alpha_mask((1024, 640), (10, 10, 400, 400)))
    jpeg = saved(work / "a.jpg", encoded(Image.new("RGB", (1024, 640), "red"), "JPEG"))
    as_png = saved(work / "a.png", png((1024, 640)))
    for image, expected in ((jpeg, True), (as_png, False)):
        edited = await call(client, "edit_image", prompt="a hat", images=[image], mask=mask, **SMALL)
        assert (TEXTS["mask-format"] in edited["warnings"]) == expected
        assert edited["warnings"].count(TEXTS["mask-is-guidance"]) == 1


async def test_the_models_resource_lists_the_advice_about_each_model(client: Client) -> None:
    content = (await client.read_resource("imagegen://models")).contents[0]
    assert isinstance(content, TextResourceContents)
    rows = {row["name"]: row for row in json.loads(content.text)["models"]}
    assert TEXTS["jpeg-is-faster"] in rows["gpt-image-2"]["hints"]
    assert TEXTS["low-for-drafts"] in rows["gpt-image-2"]["hints"]
    assert TEXTS["first-five-inputs"] in rows["gpt-image-1.5"]["hints"]
    assert rows["dall-e-3"]["hints"] == [TEXTS["as-is-prefix"]]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("wide.png", png((512, 256)), "the image is 512x256, and dall-e-2 takes square images"),
        ("a.jpg", encoded(Image.new("RGB", (512, 512), "red"), "JPEG"), "the image is jpeg, and dall-e-2 takes png"),
        (
            "large.png",
            encoded(Image.frombytes("RGB", (1200, 1200), random.Random(1).randbytes(1200 * 1200 * 3))),
            "MB, and dall-e-2 takes 4 MB",
        ),
    ],
)
async def test_dall_e_2_takes_square_png_files_under_4_mb(
    environment: dict[str, str], work: Path, name: str, data: bytes, says: str
) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_PROVIDER": "compatible"}) as client:
        text = await refusal(
            client, "edit_image", prompt="a hat", images=[saved(work / name, data)], model="dall-e-2", size="512x512"
        )
    assert text.startswith("input_rejected: ")
    assert says in text


async def test_a_mask_over_the_model_s_limit_is_refused_before_it_is_sent(
    environment: dict[str, str], work: Path, upstream: Upstream
) -> None:
    """dall-e-2 takes 4 MB; the GPT image models take more, with a warning."""
    mask = encoded(Image.new("RGBA", (1024, 1024), (0, 0, 0, 0)), compress_level=0)
    paths = [saved(work / "a.png", png()), saved(work / "mask.png", mask)]
    ask = {"prompt": "a hat", "images": paths[:1], "mask": paths[1], "size": "1024x1024"}
    async with client_of({**environment, "MCP_IMAGEGEN_PROVIDER": "compatible"}) as client:
        text = await refusal(client, "edit_image", **ask, model="dall-e-2")
        assert upstream.seen == []
        assert text.startswith("input_rejected: the mask has 4.2 MB, and dall-e-2 takes 4 MB")
        result = await call(client, "edit_image", **ask)
    assert "the mask has 4.2 MB; over 4 MB the API may refuse it" in " ".join(result["warnings"])
