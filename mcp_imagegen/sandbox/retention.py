"""What is kept of a response, so that it can be fetched, chained to, and referred to by the ids of its items."""

from typing import Any

from .event_log import EventLog
from .renderings import Rendering
from .response_bodies import Exchange, response
from .stored import RETENTION, ContextImage, State, StoredItem, StoredResponse

POLLED = 600  # seconds that a response in the background can be fetched where nothing is stored


def open_for(state: State, exchange: Exchange, events: EventLog | None) -> None:
    """Keeps a response that is about to be made in the background, with the log of its events where it is streamed."""
    body = response(exchange, "queued")
    state.responses.put(StoredResponse(exchange.id, body, (), (), _ends(exchange), events))


def keep(state: State, exchange: Exchange, body: dict[str, Any], picture: Rendering | None = None) -> None:
    """Keeps the response as it stands now, unless it is not to be stored, or was forgotten while it was being made."""
    before = state.responses.get(exchange.id)
    if before is None and (exchange.background or not exchange.store):
        return
    images, ids = exchange.context.images, []
    for item in body["output"] if exchange.store else ():
        made = None
        if picture is not None and item["type"] == "image_generation_call":
            made = ContextImage(picture.raster or picture.data, item["id"])
            images = (*images, made)
        state.items.put(StoredItem(item["id"], made, _ends(exchange)))
        ids.append(item["id"])
    events = None if before is None else before.events
    state.responses.put(StoredResponse(exchange.id, body, images, tuple(ids), _ends(exchange), events))


def _ends(exchange: Exchange) -> int:
    """When it is forgotten, Unix seconds."""
    return exchange.created_at + (RETENTION if exchange.store else POLLED)
