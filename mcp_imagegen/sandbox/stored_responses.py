"""`/v1/responses/{id}`: a stored response, or one in the background, is fetched, followed, cancelled or deleted."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import Response

from .background import cancelled
from .bodies import Call
from .checking import Check, Flag, Whole, checked
from .errors import ApiError, no_such_response
from .event_log import Event
from .stored import State, StoredResponse
from .studio import in_studio
from .wire import event_stream, json_response, pieces

STREAMABLE = 300  # seconds after its creation that a response in the background can be followed
QUERY: Mapping[str, Check] = {"stream": Flag(), "starting_after": Whole(0, 10**9)}


async def one(state: State, call: Call) -> Response:
    """The response as it stands; with `stream` its events after the number `starting_after`, to the end."""
    stored = _found(state, call)
    query = checked({name: value for name, value in call.query.items() if name in QUERY}, QUERY, form=True)
    if query.get("stream"):
        return await event_stream(_followed(state, stored, query.get("starting_after", -1)))
    return json_response(await in_studio(pieces, stored.body))


async def cancel(state: State, call: Call) -> Response:
    return json_response(pieces(cancelled(state, _found(state, call))))


async def delete(state: State, call: Call) -> Response:
    stored = _found(state, call)
    if stored.under_way:
        raise ApiError("Cannot delete an in-flight response.")
    state.responses.pop(stored.id)
    for item_id in stored.items:
        state.items.pop(item_id)
    return json_response(pieces({"id": stored.id, "object": "response", "deleted": True}))


def _found(state: State, call: Call) -> StoredResponse:
    response_id = call.path["id"]
    if (stored := state.responses.get(response_id)) is None:
        raise no_such_response(response_id)
    return stored


def _followed(state: State, stored: StoredResponse, after: int) -> AsyncIterator[Event]:
    """Raises ApiError where there is nothing to follow."""
    if not stored.body["background"]:
        raise _not_streamed("cannot be streamed because it was not created with background=true.")
    if stored.events is None:
        raise _not_streamed("cannot be streamed because it was not created with stream=true.")
    if state.clock() >= stored.body["created_at"] + STREAMABLE:
        raise _not_streamed("can no longer be streamed because it is more than 5 minutes old.")
    return stored.events.after(after)


def _not_streamed(why: str) -> ApiError:
    return ApiError(f"This response {why}", code="invalid_request_error", param="stream")
