"""Send a call and take what comes: pictures are saved as they arrive, and what the API lacks is made up for."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field

from ..errors import StorageFailed, UpstreamInvalid
from ..jobs import Tell
from ..openai_api.client import OpenAIClient
from ..openai_api.failures import EndpointMissing, IdForgotten
from ..openai_api.values import Event, Finished, Frame, ImageCall, Made, ResponsesCall
from ..threads.values import StoredImage
from .calls import as_edit
from .keeping import Keeping
from .quoting import Quoting
from .values import Quote

log = logging.getLogger(__name__)


@dataclass
class Running:
    """A turn that was opened, and what it has got so far."""

    quote: Quote
    thread_id: str
    number: int
    entry: int  # of the ledger
    images: list[tuple[Made, StoredImage]] = field(default_factory=list)
    unsaved: list[StorageFailed] = field(default_factory=list)
    finished: Finished | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Receiving:
    """Sends calls through the client and keeps their pictures."""

    client: OpenAIClient
    keeping: Keeping
    quoting: Quoting
    lacking: set[str] = field(default_factory=set)  # endpoints that this provider turned out not to have

    async def receive(self, running: Running, tell: Tell) -> None:
        """Save each picture as it arrives, before it is recorded."""
        call = running.quote.call
        tell(f"rendering with {call.model}")
        async with aclosing(self._events(running, tell)) as events:
            async for event in events:
                match event:
                    case Frame():
                        await self._keep_frame(running, event, tell)
                    case Made():
                        tell("saving")
                        await self._keep(running, event)
                    case Finished():
                        running.finished = event
                        running.warnings += event.warnings
        if running.unsaved:
            raise StorageFailed("; ".join(error.sentence for error in running.unsaved), running.unsaved[0].fix)
        if running.finished is None:
            raise UpstreamInvalid("the provider's answer ended too early", "try again", may_be_billed=True)
        if not running.images and not running.finished.text:
            raise UpstreamInvalid("the provider's answer holds no image", "try again", may_be_billed=True)

    async def _keep(self, running: Running, made: Made) -> None:
        """One picture that cannot be saved must not cost the others that come after it."""
        try:
            image = await self.keeping.keep(made, running.thread_id, running.number)
        except StorageFailed as error:
            running.unsaved.append(error)
        else:
            running.images.append((made, image))

    async def _keep_frame(self, running: Running, frame: Frame, tell: Tell) -> None:
        """A frame is only a foretaste: one that cannot be saved is told of, and the picture is waited for."""
        try:
            image = await self.keeping.keep(frame, running.thread_id, running.number)
        except StorageFailed as error:
            running.warnings.append(f"a partial image was not saved: {error.sentence}")
        else:
            of = running.quote.call.partial_images
            tell(f"frame {frame.frame + 1} of {of}: image://{image.image_id}")

    async def _events(self, running: Running, tell: Tell) -> AsyncGenerator[Event]:
        """The events of the call; where the API lacks what a continuation names, of one more call with the saved image.

        A refusal for that reason costs nothing, so that this is no second payment.
        """
        quote = running.quote
        call: ImageCall | ResponsesCall = quote.call
        if self.lacking and quote.parent is not None:
            call = await self._without_responses(running, tell)
        try:
            async with aclosing(self.client.send(call, tell)) as events:
                async for event in events:
                    yield event
            return
        except (IdForgotten, EndpointMissing) as error:
            if quote.parent is None or not isinstance(call, ResponsesCall):
                raise
            log.info("a turn goes on from its saved image: %s", error)
            if isinstance(error, EndpointMissing):
                self.lacking.add("responses")
                call = await self._without_responses(running, tell)
            else:
                said = "the API no longer knows the earlier image by its id, so the saved image was sent"
                running.warnings.append(said)
                tell(said)
                call = await self.quoting.with_saved_image(quote)
        async with aclosing(self.client.send(call, tell)) as events:
            async for event in events:
                yield event

    async def _without_responses(self, running: Running, tell: Tell) -> ImageCall:
        said = "the provider has no Responses API, so the saved image was edited: it does not see the earlier turns"
        running.warnings.append(said)
        tell(said)
        return as_edit(await self.quoting.with_saved_image(running.quote))
