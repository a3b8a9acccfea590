"""What of a finished call is written down with its turn, as plain JSON values."""

from dataclasses import asdict
from typing import Any

from ..errors import ImagegenError
from ..openai_api.values import Made, Resolved, Usage
from ..pricing.used import rows_used
from ..pricing.values import Estimate


def recorded(error: ImagegenError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "code": error.code,
        "sentence": error.sentence,
        "fix": error.fix,
        "request_id": error.request_id,
        "may_be_billed": error.may_be_billed,
    }


def counts(usage: Usage) -> dict[str, Any]:
    """Token counts by model and kind, without the kinds that were not used."""
    models = {"image_model": usage.image, "host_model": usage.host, "svg_model": usage.svg and usage.svg.tokens}
    used: dict[str, Any] = {
        name: {kind: count for kind, count in asdict(tokens).items() if count}
        for name, tokens in models.items()
        if tokens is not None
    }
    if usage.svg is not None and usage.svg.model is not None:
        used["svg_model"]["model"] = usage.svg.model
    return used


def resolved(first: Made | None, whole: Resolved) -> dict[str, Any]:
    """The options as the API resolved them: those of the first image, else of the whole answer."""
    own = first.resolved if first else Resolved()
    named = {name: value or asdict(whole)[name] for name, value in asdict(own).items()}
    return {name: value for name, value in named.items() if value is not None}


def amounts(price: Estimate) -> dict[str, Any]:
    """A price as an entry of the ledger is reserved at it."""
    nano = {"low_nano": price.low, "expected_nano": price.expected, "high_nano": price.high}
    return {**nano, "price_rows": rows_used(price.rows)}
