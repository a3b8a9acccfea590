"""Stop a call because its caller wants it stopped, and keep what had come of it by then."""

import asyncio
import logging

from ..errors import CallCancelled, ImagegenError
from .receiving import Receiving
from .running import Running

log = logging.getLogger(__name__)

STOPPING_S = 20.0  # seconds to cancel a response, and to fetch one that had ended at the provider before that


async def stopped(running: Running, receiving: Receiving) -> CallCancelled:
    """End the turn's response at the provider, if it has one, and save what had arrived of it; one that had ended there
    is billed whole, so that it is fetched. The error that the turn is closed with."""
    try:
        await receiving.take_again(running)
    except ImagegenError as failure:
        log.info("a cancelled call would have failed: %s", failure)
    if not running.may_be_billed:
        return CallCancelled(
            "the caller cancelled the call before the provider had taken it on; nothing was billed",
            "ask again if the image is still wanted",
        )
    if running.finished is None and running.response_id is not None:
        await _end(running, running.response_id, receiving)
    return CallCancelled(
        "the caller cancelled the call after it was sent; it may have been billed",
        "ask again if the image is still wanted",
        may_be_billed=True,
    )


async def _end(running: Running, response_id: str, receiving: Receiving) -> None:
    try:
        async with asyncio.timeout(STOPPING_S):
            if not await receiving.client.cancel(response_id):
                await receiving.take_kept(running)
    except TimeoutError:
        log.warning("what became of the response of a cancelled call was not told within %.0f s", STOPPING_S)
    except ImagegenError as error:
        log.warning("a response may go on at the provider: %s", error)
