"""Arguments of a call → the frozen operation, or one readable sentence about the first thing wrong."""

import difflib
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import InvalidArgument
from ..operations import Operation
from .tool import Tool

# By pydantic's type of the error: what is wrong with the argument, and what to do about it. Without the first word of
# the sentence, which is the argument's name; {} are filled from the error's context.
_WORDS = {
    "missing": ("is missing", "give"),
    "string_too_short": ("is empty", "give a text for"),
    "string_too_long": ("is over {max_length:,} characters", "shorten"),
    "less_than_equal": ("is above {le}", "choose {le} or less for"),
    "greater_than_equal": ("is below {ge}", "choose {ge} or more for"),
    "finite_number": ("is no number", "give a number for"),
    "greater_than": ("must be above {gt}", "choose a larger value for"),
    "too_short": ("is empty", "name at least one item in"),
    "too_long": ("has over {max_length} items", "leave some out of"),
    "literal_error": ("must be {expected}", "choose one of these for"),
    "string_type": ("is no text", "give a text for"),
    "list_type": ("is no list", "give a list of texts for"),
}
_NUMBER = ("is no whole number", "give a number for")
_KINDS = {"int": _NUMBER, "float": ("is no number", "give a number for"), "bool": ("must be true or false", "correct")}
_OTHERWISE = ("cannot be read", "correct")
# Arguments whose form an example shows best, whatever is wrong with it.
_BY_EXAMPLE = {
    "extra": ("must be a JSON object of options by their names", 'write it like extra={"complexity": "high"}'),
    "max_cost_usd": ("must be a number of USD, 0.000000001 or more", "write it like max_cost_usd=0.25, without quotes"),
}


def operation_of(tool: Tool, arguments: dict[str, Any]) -> Operation:
    """The checked arguments; `null` means not given. Raises InvalidArgument, which never repeats a value."""
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return tool.operation.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        # A misspelt name explains why another one is missing.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        raise _explained(first, tool) from None


def _explained(error: ErrorDetails, tool: Tool) -> InvalidArgument:
    argument = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        names = list(tool.operation.model_fields)
        near = difflib.get_close_matches(argument, names, n=1, cutoff=0.5)
        guess = f"; did you mean '{near[0]}'?" if near else ""
        return InvalidArgument(f"unknown argument '{argument[:80]}'{guess}", f"{tool.name} takes {', '.join(names)}")
    if argument in _BY_EXAMPLE:
        wrong, example = _BY_EXAMPLE[argument]
        return InvalidArgument(f"'{argument}' {wrong}", example)
    kind = error["type"].split("_", 1)[0]
    wrong, remedy = _WORDS.get(error["type"]) or _KINDS.get(kind) or _OTHERWISE
    context = error.get("ctx", {})
    return InvalidArgument(f"'{argument}' {wrong.format(**context)}", f"{remedy.format(**context)} '{argument}'")
