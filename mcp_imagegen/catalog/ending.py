"""The end of a model: said of it beforehand, and refused once it has come."""

from collections.abc import Iterator
from datetime import date

from ..errors import ModelRetired
from .models import Host, Model
from .request import Provider, counted

WARN_DAYS = 60  # before a model ends


def until(model: Model | Host, fix: str, *, provider: Provider, today: date) -> Iterator[str]:
    """Warnings about the end of a model; `fix` says what to use then.

    Raises ModelRetired for one that OpenAI shut down, except where another server may still run it. A day that the
    provider names only warns: the provider itself refuses what it no longer has.
    """
    if model.ends is None:
        return
    elsewhere = provider in ("azure", "compatible")  # Azure ends models on days of its own
    if today < model.ends or model.ends_by == "provider":
        who = "the provider" if elsewhere and model.ends_by == "provider" else "OpenAI"
        yield from ending(model.name, model.ends, today, who=who, fix=fix)
    elif elsewhere:
        yield f"OpenAI shut {model.name} down on {model.ends}; this provider may still have it, else {fix}"
    else:
        raise ModelRetired(f"OpenAI shut {model.name} down on {model.ends}", fix)


def ending(
    model: str, ends: date, today: date, *, who: str = "the provider", fix: str = "name another model"
) -> Iterator[str]:
    """A warning where the end is near, or has come and the model may be served all the same."""
    days = (ends - today).days
    if days <= 0:
        yield f"{who} shut {model} down on {ends}, so that it may be refused; then {fix}"
    elif days <= WARN_DAYS:
        yield f"{who} shuts {model} down on {ends}, {counted('day', days)} from now; then {fix}"
