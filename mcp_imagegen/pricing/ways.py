"""Ways out of a refusal for money: what to change so that a call costs less, or so that its price is known."""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from .amounts import shown
from .table import FILE
from .values import Alternative, Estimate, NoRow


def cheaper(ways: Sequence[Alternative], most: int | None) -> str | None:
    """The first way that stays under a limit in 10^-9 USD (None: there is none), as a way out."""
    for other in ways:
        if other.high is not None and (most is None or other.high <= most):
            does = "make the call" if other.change.startswith("without ") else "set"
            return f"{does} {other.change}: that would cost about {shown(other.expected)}"
    return None


def to_a_known_price(price: Estimate, most: int | None, home: Path, today: date) -> list[str]:
    """What to do about a call whose price nothing bounds: a row where one is missing, and the way that changes least
    and stays under the limit."""
    ways = [] if price.no_row is None else [_row(price.no_row, home, today)]
    other = cheaper(price.alternatives[::-1], most)
    return [*ways, other] if other else ways


def _row(missing: NoRow, home: Path, today: date) -> str:
    """The row of a user's own that a model needs."""
    name, checked = json.dumps(missing.model), f"checked = {today}"
    row = f'[[flat]] with model = {name}, {checked} and sizes = {{ any = "USD an image" }}'
    if missing.hosts:
        row = f"[[host]] with models = [{name}], {checked}, and input, cached and output in USD per million tokens"
    return f"tell its price in {home / FILE}, which is read when the server starts: {row}"
