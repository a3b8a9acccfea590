"""A request against the catalog: what is refused, with which way out, what passes with a warning, what is sent."""

from datetime import date
from typing import Any

import pytest
from openai.types.image_edit_params import ImageEditParamsBase
from openai.types.image_generate_params import ImageGenerateParamsBase
from openai.types.responses.tool import ImageGeneration

from mcp_imagegen.catalog.check import Checked, check
from mcp_imagegen.catalog.loading import packaged
from mcp_imagegen.catalog.sizes import legal_sizes, written
from mcp_imagegen.errors import ImagegenError, InvalidArgument, ModelRetired, UnsupportedOption
from mcp_imagegen.operations import ContinueImageThread, EditImage, EstimateCost, GenerateImage

TODAY = date(2026, 11, 20)


def generate(model: str = "gpt-image-2", provider: Any = "openai", today: date = TODAY, **options: Any) -> Checked:
    wanted = GenerateImage(**{"prompt": "a kite", **options})
    return check(wanted, model=model, provider=provider, today=today, api="image", edits=False)


def edit(model: str = "gpt-image-2", provider: Any = "openai", today: date = TODAY, **options: Any) -> Checked:
    wanted = EditImage(**{"prompt": "a kite", "images": ["a.png"], **options})
    return check(wanted, model=model, provider=provider, today=today, api="image", edits=True)


def continued(model: str = "gpt-image-2", provider: Any = "openai", today: date = TODAY, **options: Any) -> Checked:
    wanted = ContinueImageThread(**{"prompt": "a kite", "thread_id": "thr_1", **options})
    return check(wanted, model=model, provider=provider, today=today, api="responses", edits=True)


def refused(kind: type[ImagegenError], call: Any, *args: Any, **options: Any) -> ImagegenError:
    with pytest.raises(kind) as caught:
        call(*args, **options)
    return caught.value


def test_a_plain_call_sends_no_option_and_warns_of_nothing() -> None:
    for call in (generate, edit, continued):
        checked = call()
        assert checked.model is not None
        assert (checked.options, checked.warnings) == ({}, ())


def test_defaults_of_the_api_are_not_sent() -> None:
    checked = generate(
        size="auto", quality="auto", background="auto", output_format="png", output_compression=100, moderation="auto"
    )
    assert checked.options == {}


def test_options_are_sent_by_the_apis_own_names() -> None:
    checked = generate(
        size="1536 X 1024",
        quality="low",
        background="opaque",
        output_format="webp",
        output_compression=80,
        moderation="low",
        extra={"complexity": "high", "safety_identifier": "b1946ac92492d2347c6235b4d2611184"},
    )
    assert checked.options == {
        "size": "1536x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "complexity": "high",
        "safety_identifier": "b1946ac92492d2347c6235b4d2611184",
    }


def test_every_name_that_may_be_sent_is_a_name_of_the_api() -> None:
    rendering: dict[str, Any] = {
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "jpeg",
        "output_compression": 10,
        "moderation": "low",
    }
    sent = generate("gpt-image-1.5", **rendering).options.keys()
    assert sent <= ImageGenerateParamsBase.__annotations__.keys()
    sent = edit("gpt-image-1.5", **rendering, input_fidelity="high").options.keys()
    # OpenAI's published description of edits as JSON has moderation, its package forgets it.
    assert sent <= ImageEditParamsBase.__annotations__.keys() | {"moderation"}
    sent = continued("gpt-image-1.5", **rendering, input_fidelity="high").options.keys()
    assert sent <= ImageGeneration.model_fields.keys()
    names = {name for model in packaged().models for name in model.extra}
    assert names <= ImageGenerateParamsBase.__annotations__.keys() | ImageEditParamsBase.__annotations__.keys()


def test_a_size_that_cannot_be_drawn_is_refused_with_the_nearest_that_can() -> None:
    error = refused(InvalidArgument, generate, size="1537x864")
    assert error.sentence == "the size 1537x864 cannot be drawn: width and height must be multiples of 16"
    assert error.fix == "use 1536x864, the nearest that fits"


def test_a_size_outside_a_closed_list_is_refused_with_the_nearest_of_it() -> None:
    error = refused(UnsupportedOption, generate, "gpt-image-1.5", size="1920x1088")
    assert error.sentence == "gpt-image-1.5 has no size 1920x1088"
    assert error.fix == "use 1536x1024, the nearest of 1024x1024, 1536x1024 or 1024x1536"


def test_a_size_that_cannot_be_read_is_refused() -> None:
    assert "WIDTHxHEIGHT" in refused(InvalidArgument, generate, size="big").fix


def test_a_size_outside_rules_that_are_only_assumed_passes_with_a_warning() -> None:
    checked = generate("gpt-image-2.6-flare", size="1000x1000")
    assert checked.options == {"size": "1000x1000"}
    assert "not documented" in checked.warnings[0]


def test_a_very_large_size_is_called_experimental() -> None:
    assert generate(size="2560x1440").warnings == ()
    assert "experimental" in generate(size="2576x1440").warnings[0]


@pytest.mark.parametrize(
    ("model", "quality", "fix"),
    [
        ("gpt-image-2", "xhigh", "use auto, low, medium or high"),
        ("gpt-image-2.5-flare", "hd", "use auto, low, medium, high, xhigh or max"),
        ("gpt-image-1-mini", "ultra", "use auto, low, medium or high"),
    ],
)
def test_a_quality_that_the_model_lacks_is_refused_with_those_it_has(model: str, quality: str, fix: str) -> None:
    error = refused(UnsupportedOption, generate, model, quality=quality)
    assert error.sentence == f"{model} has no quality {quality!r}"
    assert error.fix == fix


def test_a_quality_beyond_what_is_assumed_passes_with_a_warning() -> None:
    assert generate("gpt-image-2.6-sunburst", quality="max").warnings == ()
    checked = generate("gpt-image-2.6-sunburst", quality="ultra")
    assert checked.options == {"quality": "ultra"}
    assert "sent as it is" in checked.warnings[0]


@pytest.mark.parametrize("output_format", ["gif", "svg"])
def test_a_format_in_preview_passes_with_a_warning(output_format: str) -> None:
    checked = generate(output_format=output_format)
    assert checked.options == {"output_format": output_format}
    assert "preview" in checked.warnings[0]


def test_a_format_that_the_model_lacks_is_refused() -> None:
    error = refused(UnsupportedOption, generate, "dall-e-3", "compatible", output_format="webp")
    assert (error.sentence, error.fix) == ("dall-e-3 cannot make webp", "set output_format to png")


@pytest.mark.parametrize("output_format", ["png", "gif", "svg"])
def test_compression_is_only_for_jpeg_and_webp(output_format: str) -> None:
    error = refused(InvalidArgument, generate, output_compression=80, output_format=output_format)
    assert "leave out output_compression" in error.fix
    assert generate(output_compression=80, output_format="jpeg").options["output_compression"] == 80
    assert generate(output_compression=0, output_format="webp").options["output_compression"] == 0


@pytest.mark.parametrize("output_format", ["gif", "svg"])
def test_moving_and_drawn_formats_have_no_partial_images(output_format: str) -> None:
    assert refused(InvalidArgument, generate, output_format=output_format, partial_images=1).fix == (
        "set partial_images to 0"
    )


def test_gif_takes_no_mask_and_svg_makes_one_image() -> None:
    assert "leave out the mask" in refused(InvalidArgument, edit, output_format="gif", mask="mask.png").fix
    assert refused(InvalidArgument, generate, output_format="svg", n=2).fix == "set n to 1"
    assert "mask" not in edit(mask="mask.png").options


@pytest.mark.parametrize("output_format", ["jpeg", "gif", "svg"])
def test_a_transparent_background_needs_png_or_webp(output_format: str) -> None:
    error = refused(
        InvalidArgument, generate, "gpt-image-2.5-flare", background="transparent", output_format=output_format
    )
    assert "png or webp" in error.fix


def test_transparency_passes_with_what_is_known_of_it() -> None:
    options: dict[str, Any] = {"background": "transparent", "quality": "high"}
    assert generate("gpt-image-2.5-flare", **options).warnings == ()
    assert generate("gpt-image-2", **options).warnings == ("transparent backgrounds are a preview on gpt-image-2",)
    assert "not documented" in generate("gpt-image-2.6-flare", **options).warnings[0]
    assert generate("gpt-image-2.5-flare", **options).options["background"] == "transparent"


def test_transparency_at_low_quality_comes_with_advice() -> None:
    assert "medium or high" in generate("gpt-image-2.5-flare", background="transparent", quality="low").warnings[0]


def test_a_model_without_transparency_refuses_it() -> None:
    error = refused(UnsupportedOption, generate, "dall-e-3", "compatible", background="transparent")
    assert error.fix == "leave out background"


@pytest.mark.parametrize("model", ["gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-sunburst"])
def test_input_fidelity_must_be_left_out_where_the_model_has_none(model: str) -> None:
    for call in (edit, continued):
        error = refused(UnsupportedOption, call, model, input_fidelity="high")
        assert error.sentence == f"{model} does not take input_fidelity"
        assert error.fix == "leave out input_fidelity"


def test_input_fidelity_is_sent_where_it_changes_something() -> None:
    assert edit("gpt-image-1.5", input_fidelity="high").options == {"input_fidelity": "high"}
    assert edit("gpt-image-1.5", input_fidelity="low").options == {}
    assert edit("gpt-image-1-mini", input_fidelity="low").options == {}
    assert refused(UnsupportedOption, edit, "gpt-image-1-mini", input_fidelity="high").fix == (
        "set input_fidelity to low, or leave it out"
    )
    unknown = edit("gpt-image-2.6-flare", input_fidelity="low")
    assert unknown.options == {"input_fidelity": "low"}
    assert "not documented" in unknown.warnings[0]


def test_more_images_than_the_model_takes_are_refused() -> None:
    assert edit(images=["a.png"] * 16).warnings == ()
    error = refused(UnsupportedOption, edit, "dall-e-2", "compatible", images=["a.png", "b.png", "c.png"])
    assert error.sentence == "dall-e-2 takes 1 image a call, not 3"
    assert error.fix == "leave out 2 images"


def test_the_image_that_a_continuation_starts_from_is_counted() -> None:
    assert continued(images=["a.png"] * 15).warnings == ()
    wanted = EstimateCost(operation="continue", images=["a.png"] * 16)
    with pytest.raises(UnsupportedOption) as caught:
        check(wanted, model="gpt-image-2", provider="openai", today=TODAY, api="responses", edits=True)
    assert caught.value.sentence == "gpt-image-2 takes 16 images a call, not 17"


def test_more_images_than_the_model_makes_are_refused() -> None:
    error = refused(UnsupportedOption, generate, "dall-e-3", "compatible", n=2)
    assert (error.sentence, error.fix) == ("dall-e-3 makes 1 image a call, not 2", "set n to 1")
    assert generate(n=10).warnings == ()


def test_a_prompt_over_the_models_limit_is_refused() -> None:
    error = refused(UnsupportedOption, generate, "dall-e-2", "compatible", prompt="x" * 1_250)
    assert error.sentence == "the prompt has 1,250 characters, and dall-e-2 takes 1,000"
    assert error.fix.startswith("shorten it by 250 characters")
    assert generate(prompt="x" * 32_000).warnings == ()


def test_an_endpoint_that_the_model_lacks_is_refused() -> None:
    assert refused(UnsupportedOption, edit, "dall-e-3", "compatible").sentence == "dall-e-3 cannot change images"
    error = refused(UnsupportedOption, continued, "dall-e-3", "compatible")
    assert (error.sentence, error.fix) == ("dall-e-3 cannot continue a thread", "use gpt-image-2")


def test_a_compatible_server_may_continue_through_edits() -> None:
    assert continued("dall-e-2", "compatible").model is not None


@pytest.mark.parametrize("option", [{"moderation": "low"}, {"partial_images": 1}, {"background": "opaque"}])
def test_options_that_a_whole_line_lacks_are_refused(option: dict[str, Any]) -> None:
    (name,) = option
    error = refused(UnsupportedOption, generate, "dall-e-3", "compatible", **option)
    assert (error.sentence, error.fix) == (f"dall-e-3 does not take {name}", f"leave out {name}")


def test_an_estimate_is_checked_like_the_call_it_prices() -> None:
    def priced(**fields: Any) -> Checked:
        wanted = EstimateCost(**fields)
        continues = wanted.operation == "continue"
        edits = wanted.operation != "generate"
        api: Any = "responses" if continues else "image"
        return check(wanted, model="gpt-image-2", provider="openai", today=TODAY, api=api, edits=edits)

    assert priced(size="1536x1024").options == {"size": "1536x1024"}
    assert refused(UnsupportedOption, priced, quality="max").code == "unsupported_option"
    assert refused(UnsupportedOption, priced, operation="continue", n=2).fix == "set n to 1"
    assert "takes no images" in priced(images=["a.png"]).warnings[0]
    assert refused(UnsupportedOption, priced, operation="edit", input_fidelity="low").fix == "leave out input_fidelity"
    assert priced(input_fidelity="low").options == {}, "a generation has no input to be true to"


@pytest.mark.parametrize("provider", ["openai", "sandbox"])
def test_a_model_past_its_end_is_refused_with_its_successor(provider: str) -> None:
    error = refused(ModelRetired, generate, "gpt-image-1", provider)
    assert error.sentence == "OpenAI shut gpt-image-1 down on 2026-10-23"
    assert error.fix == "use gpt-image-2.5-sunburst"


def test_a_model_past_its_end_passes_on_another_server_with_a_warning() -> None:
    (warning,) = generate("gpt-image-1", "compatible").warnings
    assert "2026-10-23" in warning
    assert "gpt-image-2.5-sunburst" in warning


def test_the_end_date_is_the_first_day_without_the_model() -> None:
    last_day = generate("gpt-image-1.5", today=date(2026, 11, 30))
    assert last_day.warnings == (
        "OpenAI shuts gpt-image-1.5 down on 2026-12-01, 1 day from now; then use gpt-image-2.5-sunburst",
    )
    refused(ModelRetired, generate, "gpt-image-1.5", today=date(2026, 12, 1))


def test_a_warning_comes_sixty_days_before_the_end() -> None:
    assert generate("gpt-image-1-mini", today=date(2026, 10, 1)).warnings == ()
    (warning,) = generate("gpt-image-1-mini", today=date(2026, 10, 2)).warnings
    assert "60 days from now" in warning
    assert "gpt-image-2.5-flare" in warning


def test_an_unknown_model_passes_everything_with_one_warning() -> None:
    checked = edit(
        "sd-cpp-local",
        size="2K",
        quality="ultra",
        background="transparent",
        output_format="jpeg",
        output_compression=5,
        input_fidelity="high",
        extra={"complexity": "extreme"},
    )
    assert checked.model is None
    assert checked.warnings == ("sd-cpp-local is not a known model: nothing is checked",)
    assert checked.options == {
        "size": "2K",
        "quality": "ultra",
        "background": "transparent",
        "output_format": "jpeg",
        "output_compression": 5,
        "input_fidelity": "high",
        "complexity": "extreme",
    }


def test_every_legal_size_is_accepted_by_the_models_that_take_any() -> None:
    sizes = [written(size) for size in legal_sizes()]
    assert len(sizes) == 29_146
    for size in sizes:
        assert generate(size=size).options == {"size": size}


@pytest.mark.parametrize(
    ("model", "sizes", "qualities"),
    [
        ("dall-e-2", ("256x256", "512x512", "1024x1024"), ("auto", "standard")),
        ("dall-e-3", ("1024x1024", "1792x1024", "1024x1792"), ("auto", "standard", "hd")),
    ],
)
def test_a_compatible_server_may_be_asked_for_all_that_dall_e_took_and_nothing_else(
    model: str, sizes: tuple[str, ...], qualities: tuple[str, ...]
) -> None:
    for size in ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792", "1536x1024"):
        for quality in ("auto", "standard", "hd", "low", "high"):
            if size in sizes and quality in qualities:
                assert generate(model, "compatible", size=size, quality=quality).options["size"] == size
            else:
                refused(UnsupportedOption, generate, model, "compatible", size=size, quality=quality)


def test_dall_e_2_alone_makes_variations() -> None:
    assert {model.name for model in packaged().models if "variations" in model.endpoints} == {"dall-e-2"}
    assert edit("dall-e-2", "compatible", prompt=None).model is not None
    assert edit("dall-e-2", "compatible", n=10).model is not None
