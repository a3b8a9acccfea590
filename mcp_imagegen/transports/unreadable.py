"""Lines that are no message to the SDK, which says nothing to them: mended where they can be, else answered.

JavaScript writes text that was cut in the middle of an emoji with half of it, as an escape that is no Unicode. Such a
half becomes U+FFFD, as in every decoder, and the message goes on. Only lines that were refused are looked at twice.
"""

import json
import logging
import re
from contextlib import suppress
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, PARSE_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

log = logging.getLogger(__name__)

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BRACKET_OR_MEMBER = re.compile(rf"[\[{{]|[\]}}]|({_STRING})(?:\s*+:\s*+({_STRING}|-?[0-9]+))?", re.DOTALL)


async def answered(read: Any, write: Any, sink: Any) -> None:
    """Hand on to `sink` what `read`, the SDK's stream of messages and failures, has; a line that failed is mended, or
    answered over `write`. Returns at the end of either stream."""
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with sink:
            async for item in read:
                if not isinstance(item, ValidationError):
                    await sink.send(item)
                    continue
                message = await anyio.to_thread.run_sync(_mended, item)
                if message is None:
                    continue
                if isinstance(message, JSONRPCError):
                    log.warning("a line of input is no message: %s", message.error.message)
                    await write.send(SessionMessage(message))
                else:
                    await sink.send(SessionMessage(message))


def _mended(failure: ValidationError) -> JSONRPCMessage | None:
    """The message that the line is when its halves of characters are replaced, or the error that answers it; None for
    an empty line."""
    line = next((said["input"] for said in failure.errors() if said["type"] == "json_invalid"), None)
    if line is None:
        whole = next((said["input"] for said in failure.errors() if said["type"] == "missing"), None)
        return _error(INVALID_REQUEST, "this is no JSON-RPC 2.0 message", whole)
    if not line.strip():
        return None
    try:
        message = json.loads(line)
        whole_characters = json.dumps(message, ensure_ascii=False).encode("utf-16", "surrogatepass")
        return jsonrpc_message_adapter.validate_json(whole_characters.decode("utf-16", "replace"), by_name=False)
    except ValidationError as still:
        deep = any(said["type"] == "json_invalid" for said in still.errors())
        return _error(INVALID_REQUEST, "nested too deeply" if deep else "this is no JSON-RPC 2.0 message", message)
    except RecursionError:
        return _error(INVALID_REQUEST, "nested too deeply", _outermost(line))
    except ValueError:
        return _error(PARSE_ERROR, "this is no JSON", _outermost(line))


def _error(code: int, said: str, message: Any) -> JSONRPCError:
    """The answer to a request; an answer that cannot be read has an id of the server's own, which none is given."""
    request_id = message.get("id") if isinstance(message, dict) and not {"result", "error"} & set(message) else None
    told = request_id if isinstance(request_id, int | str) and not isinstance(request_id, bool) else None
    return JSONRPCError(jsonrpc="2.0", id=told, error=ErrorData(code=code, message=said))


def _outermost(line: str) -> dict[str, Any]:
    """The members of the outermost object of JSON that cannot be read: texts and whole numbers, None for the rest."""
    members: dict[str, Any] = {}
    depth = 0
    for found in _BRACKET_OR_MEMBER.finditer(line):
        name, value = found.groups()
        if name is None:
            depth += 1 if found[0] in "[{" else -1
        elif depth == 1:
            with suppress(ValueError):
                members[json.loads(name)] = json.loads(value) if value else None
    return members
