"""What is asked for instead when a provider refuses a stream or the background: the same call without."""

import asyncio
import logging
from dataclasses import dataclass, replace

from ..errors import ImagegenError
from .requests import Outgoing, OwnFields, written
from .retries import NOT_STREAMED, BackgroundRefused, StreamFailed, StreamingRefused, Tries
from .values import ImageCall, ResponsesCall

log = logging.getLogger(__name__)


@dataclass
class Fallback:
    """One call as it is asked for now. `streams`: the provider does stream, so that its server errors have other
    causes."""

    call: ImageCall | ResponsesCall
    own: OwnFields
    tries: Tries
    streams: bool
    not_streamed: str = NOT_STREAMED  # what is said of frames that did not come
    of_background: BackgroundRefused | None = None  # its refusal

    async def written(self) -> Outgoing:
        """The request. Raises as `requests.written` does."""
        return await asyncio.to_thread(written, self.call, self.own)

    def without(self, refused: StreamingRefused | BackgroundRefused) -> bool:
        """Ask for no more than the provider has; whether that is another request."""
        if refused.may_be_billed:
            return False
        before = self.call
        if isinstance(refused, BackgroundRefused):
            log.info("the provider does not work in the background: %s", refused)
            self.of_background = refused
            self.leave_background()
        else:
            self.not_streamed = refused.told
            self._leave_stream()
        return self.call != before

    async def after(self, failed: StreamFailed) -> Outgoing | None:
        """The last request without a stream, since gateways that cannot stream answer with a server error; None while
        the same request is as good."""
        if self.streams or not failed.welcome_again or self.tries.left != 1:
            return None
        self._leave_stream()
        return await self.written()

    def acquits_background(self, refused: ImagegenError) -> bool:
        """Whether the call without the background is refused in the same words, which so were not about that."""
        return self.of_background is not None and self.of_background.sentence == refused.sentence

    def leave_background(self) -> None:
        if isinstance(self.call, ResponsesCall):
            self.call = replace(self.call, background=False)

    def _leave_stream(self) -> None:
        self.tries.tell(self.not_streamed)
        self.tries.without_frames = True
        self.call = replace(self.call, partial_images=0)
