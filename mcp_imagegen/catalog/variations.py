"""Variations: an edit without a prompt. OpenAI has retired their endpoint, which other servers still have."""

from ..errors import InvalidArgument, UnsupportedOption
from ..operations import EditImage
from .models import Model
from .request import FULL_COMPRESSION, Api, Provider, Wanted, listed, or_by_the_image_api

# What the endpoint has no field for, by the value that stands for not given: it takes image, model, n, response_format,
# size and user (openai 3.52.0, ImageCreateVariationParams).
_NO_FIELD = {
    "mask": None,
    "quality": "auto",
    "background": "auto",
    "output_format": "png",
    "output_compression": None,
    "moderation": "auto",
    "partial_images": 0,
    "input_fidelity": None,
}
_FIX = 'say in prompt what to change, such as "make a variation of this"'


def check_variations(
    wanted: Wanted, model: Model | None, *, provider: Provider, api: Api, further: frozenset[str]
) -> None:
    """Refuse an edit without a prompt where nobody makes variations, and with options that their endpoint has no field
    for; `further` are names that the settings let `extra` take. Raises InvalidArgument or UnsupportedOption."""
    if not isinstance(wanted, EditImage) or wanted.prompt is not None:
        return
    missing = "'prompt' is missing"
    elsewhere = provider in ("azure", "compatible")
    if api == "responses":
        fix = or_by_the_image_api(_FIX, wanted, api) if elsewhere else _FIX
        raise InvalidArgument(f"{missing}: the Responses API makes no variations", fix)
    if not elsewhere:
        raise InvalidArgument(f"{missing}: OpenAI has retired variations, which an edit without one asks for", _FIX)
    if model is not None and "variations" not in model.endpoints:
        raise InvalidArgument(f"{missing}: {model.name} makes no variations", _FIX)
    given = [name for name, default in _NO_FIELD.items() if getattr(wanted, name) not in (default, _harmless(name))]
    given += sorted(name for name, value in (wanted.extra or {}).items() if value is not None and name not in further)
    if given:
        raise UnsupportedOption(
            f"variations, which an edit without a prompt asks for, take no {listed(given)}",
            f"leave out {' and '.join(given)}, or say in prompt what to change",
        )


def _harmless(name: str) -> object:
    """A value that changes nothing."""
    return FULL_COMPRESSION if name == "output_compression" else None
