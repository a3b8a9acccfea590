"""Turns whose process ended without recording how: settled when the state is next looked at.

A living turn renews its lease; one whose lease has run out is nobody's. What became of its request cannot be known, so
it is `lost`, counted at its expected price. Images that it had saved and recorded stay its own.
"""

from datetime import datetime

from ..database.engine import Database
from ..errors import UpstreamTimeout
from ..ledger import entries as ledger
from ..threads import store as threads
from ..threads.values import Turn
from .recording import recorded

LOST = UpstreamTimeout(
    "the server ended while the call ran; the image may have been made and billed",
    "ask again if the image is still wanted",
    may_be_billed=True,
)


async def settle_lapsed(database: Database, at: datetime) -> None:
    """Close every turn whose lease has run out. Raises StorageFailed."""
    async with database.reading() as connection:
        found = await threads.lapsed(connection, at)
    for turn in found:
        await _settle(database, turn, at)


async def _settle(database: Database, turn: Turn, at: datetime) -> None:
    async with database.writing() as connection:
        complete = (await threads.turn(connection, turn.thread_id, turn.number)).finals
        closed = await threads.close_turn(
            connection,
            turn.thread_id,
            turn.number,
            status="completed" if complete else "lost",
            text=None,
            error=None if complete else recorded(LOST),
            resolved=None,
            response_id=None,
            request_id=None,
            cost_nano=turn.estimate_nano,
            cost_basis="estimated",
            usage=None,
            warnings=("the server ended before this call did; other images of it may be lost",) if complete else (),
            at=at,
        )
        entry = await ledger.open_entry(connection, turn.thread_id, turn.number)
        if closed and entry is not None:
            await ledger.settle(
                connection,
                entry,
                nano=turn.estimate_nano,
                basis="estimated",
                prices_as_of=turn.prices_as_of,
                tokens={},
                request_id=None,
                at=at,
            )
