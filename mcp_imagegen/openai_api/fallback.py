"""What is asked for instead when a provider refuses a stream or the background: the same call without."""

import asyncio
import logging
from dataclasses import dataclass, replace

from ..errors import ImagegenError
from .requests import Outgoing, OwnFields, written
from .retries import ATTEMPTS, NOT_STREAMED, BackgroundRefused, StreamFailed, StreamingRefused, Tell
from .values import ImageCall, ResponsesCall

log = logging.getLogger(__name__)


@dataclass
class Fallback:
    """One call as it is asked for now. `streams`: the provider does stream, so that its server errors have other
    causes."""

    call: ImageCall | ResponsesCall
    own: OwnFields
    streams: bool
    in_foreground: bool = False  # the background was refused

    def leave_background(self) -> None:
        if isinstance(self.call, ResponsesCall):
            self.call = replace(self.call, background=False)

    async def written(self) -> Outgoing:
        """The request. Raises as `requests.written` does."""
        return await asyncio.to_thread(written, self.call, self.own)

    async def after(self, error: ImagegenError, attempt: int, tell: Tell) -> Outgoing | None:
        """What to send after `attempt` failed so; None where the same request is as good."""
        if isinstance(error, BackgroundRefused):
            log.info("the provider does not work in the background: %s", error)
            self.in_foreground = True
            self.leave_background()
        elif self._streams_no_more(error, attempt):
            tell(NOT_STREAMED)
            self.call = replace(self.call, partial_images=0)
        else:
            return None
        return await self.written()

    def _streams_no_more(self, error: ImagegenError, attempt: int) -> bool:
        if isinstance(error, StreamingRefused):
            return attempt < ATTEMPTS
        return isinstance(error, StreamFailed) and not self.streams and error.welcome_again and attempt == ATTEMPTS - 1
