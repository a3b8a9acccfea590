"""The usage figures of the sandbox against values that OpenAI publishes or that were recorded."""

from typing import Any

import pytest
from genai_prices import extract_usage
from sandbox_support import SMALL, connected, painted, png

from mcp_imagegen.sandbox.models import IMAGE_MODELS
from mcp_imagegen.sandbox.tokens import input_tokens, output_tokens

FREE = {
    "gpt-image-2": ("low", "medium", "high"),
    "gpt-image-2.5-flare": ("low", "medium", "high", "xhigh", "max"),
    "gpt-image-2.6-sunburst": ("low", "medium", "high", "xhigh", "max"),
    "gpt-image-1.5": ("low", "medium", "high"),
}


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-image-2", (1024, 1024), (196, 1756, 7024)),
        ("gpt-image-2", (1536, 1024), (158, 1372, 5488)),
        ("gpt-image-2", (1024, 1536), (158, 1372, 5488)),
        ("gpt-image-2", (2048, 2048), (397, 3568, 14272)),
        ("gpt-image-2", (2560, 1440), (205, 1843, 7370)),
        ("gpt-image-2", (3840, 2160), (371, 3336, 13342)),
        ("gpt-image-2.5-flare", (1024, 1024), (196, 439, 1756, 3122, 7024)),
        ("gpt-image-2.6-sunburst", (1024, 1024), (196, 439, 1756, 3122, 7024)),
        ("gpt-image-1.5", (1024, 1024), (272, 1056, 4160)),
        ("gpt-image-1.5", (1024, 1536), (408, 1584, 6240)),
        ("gpt-image-1.5", (1536, 1024), (400, 1568, 6208)),
    ],
)
def test_output_tokens_are_those_of_the_price_calculator(
    model: str, size: tuple[int, int], tokens: tuple[int, ...]
) -> None:
    assert tuple(output_tokens(IMAGE_MODELS[model], size, quality) for quality in FREE[model]) == tokens


def test_the_short_side_of_the_grid_rounds_halves_to_even() -> None:
    assert output_tokens(IMAGE_MODELS["gpt-image-2"], (528, 1536), "medium") == 540


@pytest.mark.parametrize(
    ("size", "tokens"),
    [
        ((1024, 1024), 1024),
        ((1536, 1024), 1536),
        ((256, 256), 256),
        ((2048, 2048), 1521),
        ((1, 5000), 157),
        ((10, 10), 1),
    ],
)
def test_input_images_count_in_patches(size: tuple[int, int], tokens: int) -> None:
    assert input_tokens(IMAGE_MODELS["gpt-image-2"], size) == tokens


@pytest.mark.parametrize(
    ("size", "tokens"), [((128, 128), 194), ((1024, 1024), 194), ((1024, 1536), 323), ((512, 511), 323)]
)
def test_input_images_of_older_models_count_in_tiles(size: tuple[int, int], tokens: int) -> None:
    assert input_tokens(IMAGE_MODELS["gpt-image-1.5"], size) == tokens


@pytest.mark.parametrize(("size", "extra"), [((512, 512), 4160), ((512, 768), 6240)])
def test_high_fidelity_adds_tokens(size: tuple[int, int], extra: int) -> None:
    low, high = (input_tokens(IMAGE_MODELS["gpt-image-1.5"], size, fidelity) for fidelity in ("low", "high"))
    assert high - low == extra


async def test_text_counts_a_quarter_of_its_characters_and_some_more_for_each_image() -> None:
    async with connected() as connection:
        client = connection.client
        prompt = "a" * 41
        made = await client.images.generate(prompt=prompt, model="gpt-image-2", size=SMALL)
        assert made.usage.input_tokens_details.text_tokens == 11 + 6
        images = [png(painted((64, 64)))] * 2
        for model, each in (("gpt-image-2", 1), ("gpt-image-1-mini", 16)):
            options: Any = {"model": model, "quality": "low", "size": "1024x1024"}
            edit = await client.images.edit(prompt=prompt, image=images, **options)
            assert edit.usage.input_tokens_details.text_tokens == 11 + 6 + 2 * each


async def test_another_reader_of_usage_finds_the_same_tokens() -> None:
    async with connected() as connection:
        await connection.client.images.edit(
            prompt="Snow", image=png(painted((512, 512))), model="gpt-image-1.5", size="1024x1024", quality="high"
        )
        body = connection.last.json
        read = extract_usage(body | {"model": "gpt-image-1.5"}, provider_id="openai", api_flavor="images")
        used = body["usage"]
        assert read.usage.input_tokens == used["input_tokens"]
        assert read.usage.output_tokens == used["output_tokens"]
        assert read.calc_price().total_price > 0
