"""Check a request against what is known of its model, before anything is read or sent.

What is known to be false is refused with the way out; what is doubtful passes with a warning; an unknown model passes
whole, because models appear faster than catalogs.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from ..errors import UnsupportedOption
from . import extra
from .loading import packaged
from .models import Catalog, Model
from .request import FULL_COMPRESSION, Api, Provider, Request, Wanted, or_by_the_image_api
from .rules import RULES
from .sizes import parse, written
from .variations import check_variations


@dataclass(frozen=True)
class Checked:
    """A request that can be sent: `options` are the body's fields by the API's own names, without its defaults."""

    model: Model | None
    options: dict[str, Any]
    warnings: tuple[str, ...]


def check(
    wanted: Wanted,
    *,
    model: str,
    provider: Provider,
    today: date,
    api: Api,
    edits: bool,
    catalog: Catalog | None = None,
) -> Checked:
    """Check a request for a model of a catalog, by default the packaged one.

    `edits`: images go along, so that the edits endpoint is meant. `api` is where it is sent: a continuation goes to the
    Responses API. Raises InvalidArgument, UnsupportedOption or ModelRetired.
    """
    if api == "responses" and getattr(wanted, "n", 1) > 1:
        raise UnsupportedOption(
            "the Responses API makes one image a call", or_by_the_image_api("set n to 1", wanted, api)
        )
    if provider == "azure" and wanted.output_format == "webp":
        raise UnsupportedOption("Azure makes no webp", "set output_format to png or jpeg")
    catalog = catalog or packaged()
    known = catalog.find(model)
    given = {name: value for name, value in (wanted.extra or {}).items() if value is not None}
    extra.check_names(given, model, catalog, wanted, api)
    if known is None:
        check_variations(wanted, None, provider=provider, api=api, further=catalog.further_extra)
        return Checked(
            None, {**_options(wanted, edits), **given}, (f"{model} is not a known model: nothing is checked",)
        )
    request = Request(wanted, known, provider, today, api, edits)
    warnings = tuple(warning for rule in RULES for warning in rule(request))
    check_variations(wanted, known, provider=provider, api=api, further=catalog.further_extra)
    options = _options(wanted, edits)
    if size := parse(wanted.size):
        options["size"] = written(size)
    if options.get("input_fidelity") == "low" and known.input_fidelity:
        del options["input_fidelity"]  # the default of the models that have it
    return Checked(known, {**options, **given}, warnings)


def _options(wanted: Wanted, edits: bool) -> dict[str, Any]:
    """The options that differ from the API's defaults."""
    defaults: dict[str, Any] = {
        "size": "auto",
        "quality": "auto",
        "background": "auto",
        "output_format": "png",
        "output_compression": FULL_COMPRESSION,
        "moderation": "auto",
    }
    names = [*defaults, "input_fidelity"] if edits else [*defaults]
    given = {name: getattr(wanted, name, None) for name in names}
    return {name: value for name, value in given.items() if value is not None and value != defaults.get(name)}
