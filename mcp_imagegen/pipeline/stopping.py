"""Stop a call because its caller wants it stopped."""

import logging

from ..errors import CallCancelled, ImagegenError
from ..openai_api.client import OpenAIClient
from .running import Running

log = logging.getLogger(__name__)


async def stopped(running: Running, client: OpenAIClient) -> CallCancelled:
    """End the turn's response at the provider, if it has one; the error that the turn is closed with."""
    if not running.may_be_billed:
        return CallCancelled(
            "the caller cancelled the call before the provider had taken it on; nothing was billed",
            "ask again if the image is still wanted",
        )
    if running.response_id is not None:
        try:
            await client.cancel(running.response_id)
        except ImagegenError as error:
            log.warning("a response may go on at the provider: %s", error)
    return CallCancelled(
        "the caller cancelled the call after it was sent; it may have been billed",
        "ask again if the image is still wanted",
        may_be_billed=True,
    )
