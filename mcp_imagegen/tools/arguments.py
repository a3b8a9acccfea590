"""Arguments of a call → the frozen operation, or one readable sentence about the first thing wrong."""

import difflib
from typing import Any

from pydantic import ValidationError

from ..errors import InvalidArgument
from ..operations import Operation
from .tool import Tool


def operation_of(tool: Tool, arguments: dict[str, Any]) -> Operation:
    """The checked arguments; `null` means not given. Raises InvalidArgument, which never repeats a value."""
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return tool.operation.model_validate(given)
    except ValidationError as error:
        raise _explained(error, tool) from None


def _explained(error: ValidationError, tool: Tool) -> InvalidArgument:
    found = error.errors(include_url=False, include_input=False)
    unknown = [one for one in found if one["type"] == "extra_forbidden"]
    first = (unknown or found)[0]  # a misspelt name explains why another one is missing
    names = list(tool.operation.model_fields)
    argument = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(argument, names, n=1, cutoff=0.5)
            guess = f"; did you mean '{near[0]}'?" if near else ""
            return InvalidArgument(
                f"unknown argument '{argument[:80]}'{guess}", f"{tool.name} takes {', '.join(names)}"
            )
        case "missing":
            return InvalidArgument(f"'{argument}' is missing", f"call {tool.name} with '{argument}'")
        case "string_too_short":
            return InvalidArgument(f"'{argument}' is empty", f"give '{argument}' a text")
        case "string_too_long":
            limit = first["ctx"]["max_length"]
            return InvalidArgument(f"'{argument}' is over {limit:,} characters", f"shorten '{argument}'")
        case _:
            said = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
            said = said[0].lower() + said[1:200]
            return InvalidArgument(f"'{argument}' {said}", f"correct '{argument}'")
