"""`extra`: which further options pass, and with which values."""

from datetime import date
from typing import Any

import pytest

from mcp_imagegen.catalog.check import Checked, check
from mcp_imagegen.errors import ImagegenError, InvalidArgument, UnsupportedOption
from mcp_imagegen.operations import ContinueImageThread, EditImage, GenerateImage

TODAY = date(2026, 11, 20)
ANY_MODEL = pytest.mark.parametrize("model", ["gpt-image-2", "nobody-knows-me"])


def generate(extra: Any, model: str = "gpt-image-2", **options: Any) -> Checked:
    wanted = GenerateImage(prompt="a kite", extra=extra, **options)
    return check(wanted, model=model, provider="compatible", today=TODAY, api="image", edits=False)


def edit(extra: Any, model: str = "gpt-image-2.5-flare", **options: Any) -> Checked:
    wanted = EditImage(prompt="a kite", images=["a.png"], extra=extra, **options)
    return check(wanted, model=model, provider="openai", today=TODAY, api="image", edits=True)


def continued(extra: Any, model: str = "gpt-image-2") -> Checked:
    wanted = ContinueImageThread(prompt="a kite", thread_id="thr_1", extra=extra)
    return check(wanted, model=model, provider="openai", today=TODAY, api="responses", edits=True)


def refused(kind: type[ImagegenError], call: Any, *args: Any, **options: Any) -> ImagegenError:
    with pytest.raises(kind) as caught:
        call(*args, **options)
    return caught.value


@ANY_MODEL
@pytest.mark.parametrize(
    "name", ["size", "quality", "background", "output_format", "n", "model", "prompt", "images", "mask", "action"]
)
def test_a_name_with_an_argument_of_its_own_is_refused(model: str, name: str) -> None:
    error = refused(InvalidArgument, generate, {name: "x"}, model)
    assert error.fix == f"give {name} as an argument of its own"


@ANY_MODEL
@pytest.mark.parametrize(
    "name", ["stream", "tools", "tool_choice", "input", "image", "response_format", "store", "metadata"]
)
def test_a_name_that_shapes_the_request_is_refused(model: str, name: str) -> None:
    error = refused(InvalidArgument, generate, {name: "x"}, model)
    assert "shapes the request" in error.sentence
    assert name in error.fix


@ANY_MODEL
def test_user_is_refused_for_what_replaced_it(model: str) -> None:
    assert "safety_identifier" in refused(InvalidArgument, generate, {"user": "me"}, model).fix


@ANY_MODEL
def test_any_other_name_is_refused_with_those_that_pass(model: str) -> None:
    error = refused(UnsupportedOption, generate, {"seed": 1}, model)
    assert error.sentence == f"{model} has no option 'seed'"
    assert "complexity" in error.fix
    assert "frame_count" in error.fix


def test_a_name_of_another_model_is_refused() -> None:
    assert "markup" in refused(UnsupportedOption, edit, {"markup": "data:,"}, "gpt-image-2").sentence
    assert refused(UnsupportedOption, generate, {"complexity": "low"}, "dall-e-2").fix == "leave out extra"
    assert generate({"style": "natural"}, "dall-e-3").options == {"style": "natural"}


def test_a_name_that_is_null_is_not_given() -> None:
    assert generate({"complexity": None, "size": None}).options == {}
    assert generate({"complexity": None}, "nobody-knows-me").options == {}


def test_a_continuation_refuses_what_the_image_tool_has_no_place_for() -> None:
    name = "markup"
    for model in ("gpt-image-2.5-flare", "nobody-knows-me"):
        error = refused(UnsupportedOption, continued, {name: "x"}, model)
        assert error.sentence == f"{model} has no option {name!r} in a continuation"
        assert name not in error.fix
    assert continued({"complexity": "low", "safety_identifier": "x"}).options == {
        "complexity": "low",
        "safety_identifier": "x",
    }


@pytest.mark.parametrize(
    ("extra", "output_format"),
    [
        ({"complexity": "extreme"}, "png"),
        ({"complexity": {}}, "png"),
        ({"frame_count": 9}, "png"),
        ({"frame_duration_ms": 100}, "webp"),
        ({"frame_count": 1}, "gif"),
        ({"frame_count": 17}, "gif"),
        ({"frame_count": 4.5}, "gif"),
        ({"frame_count": True}, "gif"),
        ({"frame_duration_ms": -10}, "gif"),
        ({"frame_duration_ms": "fast"}, "gif"),
        ({"frame_duration_ms": True}, "gif"),
        ({"svg": {"model": "gpt-5.4"}}, "png"),
        ({"svg": "gpt-5.4"}, "svg"),
        ({"svg": {}}, "svg"),
        ({"svg": {"model": None}}, "svg"),
        ({"svg": {"reasoning": {}}}, "svg"),
        ({"svg": {"author": "me"}}, "svg"),
        ({"svg": {"model": 5}}, "svg"),
        ({"svg": {"reasoning": "low"}}, "svg"),
        ({"svg": {"reasoning": {"effort": "huge"}}}, "svg"),
        ({"safety_identifier": ""}, "png"),
        ({"safety_identifier": "x" * 65}, "png"),
        ({"safety_identifier": 7}, "png"),
    ],
)
def test_a_value_that_the_reference_rules_out_is_refused(extra: dict[str, Any], output_format: str) -> None:
    error = refused(InvalidArgument, generate, extra, output_format=output_format)
    assert next(iter(extra)) in error.sentence + error.fix


@pytest.mark.parametrize(
    ("extra", "output_format"),
    [
        ({"complexity": "high"}, "png"),
        ({"frame_count": 2, "frame_duration_ms": 1_000_000}, "gif"),
        ({"frame_duration_ms": 0}, "gif"),
        ({"frame_count": 16}, "gif"),
        ({"svg": {"model": "gpt-5.4", "reasoning": {"effort": "xhigh"}}}, "svg"),
        ({"svg": {"model": "gpt-5.4", "reasoning": None}}, "svg"),
        ({"safety_identifier": "x" * 64}, "png"),
    ],
)
def test_a_value_of_the_reference_passes(extra: dict[str, Any], output_format: str) -> None:
    options = generate(extra, output_format=output_format).options
    assert {name: options[name] for name in extra} == extra


def test_markup_lies_on_an_image_and_excludes_a_mask() -> None:
    markup = {"markup": "data:image/png;base64,AA=="}
    assert edit(markup).options == markup
    assert "mask and markup" in refused(InvalidArgument, edit, markup, mask="mask.png").sentence
    assert "edit_image" in refused(InvalidArgument, generate, markup, "gpt-image-2.5-flare").fix
