"""The model that hosts the image tool of the Responses API, which a setting names: whether it can, and until when."""

from datetime import date
from typing import Any

from ..errors import UnsupportedOption
from ..settings import Settings
from .ending import until
from .loading import packaged
from .models import Catalog, Host, with_end
from .request import Provider

_SETTING = Settings.model_fields["responses_model"]


def check_host(name: str, *, named: date | None, provider: Provider, today: date, catalog: Catalog) -> tuple[str, ...]:
    """Warnings about the host model of a call; `named` is the end that the provider names for it.

    Raises UnsupportedOption for an image model of OpenAI's, which is never a host, and ModelRetired.
    """
    if packaged().find(name) is not None:
        raise UnsupportedOption(
            f"{_SETTING.alias} names {name}, and an image model cannot host the image tool", _fix(name)
        )
    host = with_end(catalog.host(name) or Host(name), named, today)
    return tuple(until(host, _fix(name), provider=provider, today=today))


def _fix(name: str) -> str:
    other = f"set {_SETTING.alias} to another model"
    return other if name == _SETTING.default else f"{other}, or leave it out for {_SETTING.default}"


def by_end(catalog: Catalog, chosen: Host) -> list[dict[str, Any]]:
    """The host models of which something is known, and the `chosen` one: a row for all that end on the same day."""
    rows: dict[tuple[Any, ...], list[str]] = {}
    for host in {host.name: host for host in (*catalog.hosts, chosen)}.values():
        rows.setdefault((host.ends, host.ends_by, host.source), []).append(host.name)
    return [
        {"names": names, "chosen": chosen.name in names, "ends": ends, "ends_by": ends_by, "source": source}
        for (ends, ends_by, source), names in rows.items()
    ]
