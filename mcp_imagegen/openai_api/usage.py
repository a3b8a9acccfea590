"""The API's usage figures as token counts by model and kind.

In the Image API `usage` counts the image model. In the Responses API `usage` counts the host model, and
`tool_usage.image_gen` the image model. What a text model used to write an SVG stands apart in `svg_usage`, of the
answer or of the image call. Totals, reasoning tokens and how long a cache keeps what is written to it are sums or parts
of what is read, and have no prices of their own.
"""

from dataclasses import fields

from .values import Authored, Tokens
from .wire import CachedDetails, InputDetails, OutputDetails, SvgUsage, TokenUsage


def image_tokens(usage: TokenUsage | None) -> Tokens | None:
    """The image model's tokens; None where the answer says nothing or counts nothing at all.

    Input without a breakdown is taken as text, output without one as image, which it always was before text output
    existed. What a breakdown leaves out of its total is kept apart. Cached tokens without a breakdown are taken as text
    first: of the two that is the smaller discount.
    """
    if usage is None:
        return None
    told = usage.input_tokens_details or InputDetails()
    made = usage.output_tokens_details or OutputDetails()
    images = told.image_tokens or 0
    text = told.text_tokens if told.text_tokens is not None else max((usage.input_tokens or 0) - images, 0)
    text_output = made.text_tokens or 0
    image_output = made.image_tokens
    if image_output is None:
        image_output = max((usage.output_tokens or 0) - text_output, 0)
    cached_text, cached_image = _cached(usage, told, text)
    sent, came = usage.input_tokens or 0, usage.output_tokens or 0
    tokens = Tokens(
        text_input=text,
        image_input=images,
        cached_text=min(cached_text, text),
        cached_image=min(cached_image, images),
        text_output=text_output,
        image_output=image_output,
        cache_write=told.cache_write_tokens or 0,
        other_input=max(sent - text - images, 0),
        other_output=max(came - text_output - image_output, 0),
    )
    return tokens if tokens != Tokens() else None


def host_tokens(usage: TokenUsage | None) -> Tokens | None:
    """The host model's tokens; images among its input are counted and priced as its text is."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    told = usage.input_tokens_details or InputDetails()
    sent = usage.input_tokens or 0
    return Tokens(
        text_input=sent,
        cached_text=min(told.cached_tokens or 0, sent),
        text_output=usage.output_tokens or 0,
        cache_write=told.cache_write_tokens or 0,
    )


def authored(usage: SvgUsage | None) -> Authored | None:
    """What was used to write an SVG; None where the answer says nothing of it."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    return Authored(usage.model, Tokens(text_input=usage.input_tokens or 0, text_output=usage.output_tokens or 0))


def together(one: Tokens | None, other: Tokens | None) -> Tokens | None:
    """The sum, kind by kind: a stream of several images reports each by itself."""
    if one is None or other is None:
        return one or other
    return Tokens(**{kind.name: getattr(one, kind.name) + getattr(other, kind.name) for kind in fields(Tokens)})


def _cached(usage: TokenUsage, told: InputDetails, text: int) -> tuple[int, int]:
    split = usage.cached_tokens_details or told.cached_tokens_details or CachedDetails()
    cached_text = split.cached_text_tokens if split.cached_text_tokens is not None else split.text_tokens
    cached_image = split.cached_image_tokens if split.cached_image_tokens is not None else split.image_tokens
    if cached_text is not None or cached_image is not None:
        return cached_text or 0, cached_image or 0
    cached = usage.cached_tokens if usage.cached_tokens is not None else told.cached_tokens or 0
    return min(cached, text), max(cached - text, 0)
