"""Which values of parameters are tried: all that the official package's types list, and rows in which two meet."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Literal, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

Row = dict[str, Any]
Rule = Mapping[str, Sequence[Any]]  # values that no row has together


def parameters(*kinds: type) -> dict[str, tuple[Any, ...]]:
    """The fields of typed dictionaries, each with the values that its type lists. A field of an object within another
    is named as in `svg.reasoning.effort`; the object has no entry of its own."""
    found: dict[str, tuple[Any, ...]] = {}
    for kind in kinds:
        for name, hint in get_type_hints(kind).items():
            for path, values in _below(name, hint).items():
                found[path] = tuple(dict.fromkeys([*found.get(path, ()), *values]))
    return found


def _below(name: str, hint: Any) -> dict[str, tuple[Any, ...]]:
    parts = _parts(hint)
    objects = [part for part in parts if is_typeddict(part)]
    if objects:
        return {f"{name}.{path}": values for path, values in parameters(*objects).items()}
    return {name: tuple(value for part in parts if get_origin(part) is Literal for value in get_args(part))}


def _parts(hint: Any) -> list[Any]:
    """The members of a union, however deep."""
    if get_origin(hint) is Literal or is_typeddict(hint) or not get_args(hint):
        return [hint]
    return [part for inner in get_args(hint) for part in _parts(inner)]


def alone(
    listed: Mapping[str, Sequence[Any]], more: Mapping[str, Sequence[Any]], but: Collection[str] = ()
) -> list[Row]:
    """Each value of each parameter `but` some, one in a row: those that its type lists, and `more`."""
    return [
        _nested(path, value)
        for path, values in listed.items()
        for value in dict.fromkeys([*values, *more.get(path, ())])
        if path not in but
    ]


def _nested(path: str, value: Any) -> Row:
    name, _, inner = path.partition(".")
    return {name: _nested(inner, value) if inner else value}


def uncompared(listed: Mapping[str, Sequence[Any]], rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """The fields, and the listed values as `field=value`, that are in no row."""
    wanted = {*listed, *(f"{name}={value}" for name, values in listed.items() for value in values)}
    return wanted - {said for row in rows for said in _said(row)}


def _said(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _said(inner, f"{path}.{name}" if path else name)
    else:
        yield path
        yield f"{path}={value}"


def pairwise(factors: Mapping[str, Sequence[Any]], apart: Sequence[Rule] = ()) -> list[Row]:
    """Few rows in which every two values that may meet do so, the same rows each time; None stands for not given."""
    waiting = dict.fromkeys(
        ((one, i), (other, j))
        for one, other in combinations(factors, 2)
        for i in range(len(factors[one]))
        for j in range(len(factors[other]))
    )
    rows = []
    while waiting:
        first = next(iter(waiting))
        del waiting[first]
        if (chosen := _filled(dict(first), factors, apart, waiting)) is None:
            continue
        for met in combinations(((name, chosen[name]) for name in factors), 2):
            waiting.pop(met, None)
        row = {name: factors[name][place] for name, place in chosen.items()}
        rows.append({name: row[name] for name in factors if row[name] is not None})
    return rows


def _filled(
    chosen: dict[str, int], factors: Mapping[str, Sequence[Any]], apart: Sequence[Rule], waiting: Mapping[Any, None]
) -> dict[str, int] | None:
    """The row with a place in every factor, preferring pairs that are still waiting; None where nothing fits."""
    if not fits({name: factors[name][place] for name, place in chosen.items()}, apart):
        return None
    if (name := next((name for name in factors if name not in chosen), None)) is None:
        return chosen
    order = list(factors)

    def gain(place: int) -> int:
        here = order.index(name)
        pairs = [
            ((other, at), (name, place)) if order.index(other) < here else ((name, place), (other, at))
            for other, at in chosen.items()
        ]
        return sum(pair in waiting for pair in pairs)

    for place in sorted(range(len(factors[name])), key=gain, reverse=True):
        if (whole := _filled({**chosen, name: place}, factors, apart, waiting)) is not None:
            return whole
    return None


def fits(row: Mapping[str, Any], apart: Sequence[Rule]) -> bool:
    """Whether the values may meet; a rule about a name that the row has not decided yet forbids nothing."""
    return not any(all(name in row and row[name] in values for name, values in rule.items()) for rule in apart)


def unmet(
    factors: Mapping[str, Sequence[Any]], apart: Sequence[Rule], rows: Sequence[Row], deciding: Sequence[str]
) -> list[Row]:
    """The pairs of values that are in none of the rows, although they may meet with some values of the factors that
    decide what goes with what."""
    missing = []
    for one, other in combinations(factors, 2):
        met = [(row.get(one), row.get(other)) for row in rows]
        open_still = [name for name in deciding if name not in (one, other)]
        settled = [dict(zip(open_still, values, strict=True)) for values in product(*map(factors.get, open_still))]
        for pair in product(factors[one], factors[other]):
            row = dict(zip((one, other), pair, strict=True))
            if pair not in met and any(fits(row | more, apart) for more in settled):
                missing.append(row)
    return missing


def named(row: Mapping[str, Any]) -> str:
    """A row as the name of its test."""
    return " ".join(f"{name}={_short(value)}" for name, value in row.items()) or "nothing"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} {'item' if len(value) == 1 else 'items'}"
    text = ascii(value).replace("'", "").replace("[", "(").replace("]", ")")
    return text if len(text) <= 30 else text[:27] + "..."
