"""Responses in the background: each is made in a task of the sandbox's own, whoever listens, and can be cancelled."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

from .errors import ApiError
from .event_log import EventLog
from .response_bodies import Exchange, failed, response
from .response_stream import answered, events
from .retention import keep, open_for
from .situations import server_error
from .stored import State, StoredResponse
from .wire import event

log = logging.getLogger(__name__)


def begin(state: State, exchange: Exchange, request_id: str) -> EventLog | None:
    """Starts to make the response, and keeps it as queued. Gives the log of its events where it is streamed."""
    heard = EventLog() if exchange.streamed else None
    open_for(state, exchange, heard)
    task = asyncio.create_task(_made(state, exchange, request_id, heard), name=f"sandbox {exchange.id}")
    state.tasks[exchange.id] = task
    task.add_done_callback(lambda _: state.tasks.pop(exchange.id, None))
    return heard


async def _made(state: State, exchange: Exchange, request_id: str, heard: EventLog | None) -> None:
    keep(state, exchange, response(exchange, "in_progress"))
    try:
        if heard is None:
            ended = await answered(state, exchange)
            keep(state, exchange, ended.body, ended.picture)
        else:
            async for made in events(state, exchange, request_id):
                heard.add(made)
            heard.end()
    except ApiError as error:
        _end(state, exchange, failed(exchange, error, request_id), heard)
    except Exception:  # whatever a fault of the sandbox is, the response does not stay under way for ever
        log.exception("the sandbox failed on %s", exchange.id)
        _end(state, exchange, failed(exchange, server_error(), request_id), heard)


def _end(state: State, exchange: Exchange, body: dict[str, Any], heard: EventLog | None) -> None:
    keep(state, exchange, body)
    _tell(heard, body)


def _tell(heard: EventLog | None, body: dict[str, Any]) -> None:
    """The last event of a response that comes to nothing; there is none of its own for a cancelled one."""
    if heard is not None:
        heard.add(event({"type": "response.failed", "sequence_number": len(heard), "response": body}))
        heard.end()


def cancelled(state: State, stored: StoredResponse) -> dict[str, Any]:
    """The response once it is cancelled, now or before. Raises ApiError for one that has ended in another way."""
    if not stored.body["background"]:
        raise _not_cancelled("Cannot cancel a synchronous response.")
    status = stored.body["status"]
    if status == "cancelled":
        return stored.body
    if not stored.under_way:
        raise _not_cancelled(f"Cannot cancel {'an' if status == 'incomplete' else 'a'} {status} response.")
    if (task := state.tasks.get(stored.id)) is not None:
        task.cancel()
    body = stored.body | {"status": "cancelled", "output": []}
    state.responses.put(replace(stored, body=body))
    _tell(stored.events, body)
    return body


def _not_cancelled(text: str) -> ApiError:
    return ApiError(text, code="invalid_request_error", param="response_id")
