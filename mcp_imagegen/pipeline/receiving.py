"""Send a call and take what comes: pictures are saved as they arrive, and what the API lacks is made up for."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from ..database.engine import Database
from ..errors import StorageFailed, UpstreamInvalid
from ..images.soundness import fault
from ..jobs import Tell, to_the_end
from ..openai_api.client import OpenAIClient
from ..openai_api.failures import EndpointMissing, IdForgotten, NothingKept
from ..openai_api.retries import Tries, unheard
from ..openai_api.spool import Spool
from ..openai_api.uploads import FilesMissing
from ..openai_api.values import Event, FileId, Finished, Frame, ImageCall, Made, Named, ResponsesCall
from ..threads import store as threads
from ..threads.forgotten import note_forgotten, note_nothing_kept
from .attempts import Attempts
from .calls import as_edit
from .continuing import sent_instead
from .keeping import Keeping
from .quoting import Quoting
from .running import Running
from .values import Quote

log = logging.getLogger(__name__)

ARRIVED_S = 1.0  # in which what has arrived is put away; what has not is not waited for
NO_RESPONSES = "the provider has no Responses API, so the saved image was edited: it does not see the earlier turns"
NO_TOOL = "no image came; if the server's Responses API has no image tool, edit_image edits the picture by its image_id"
NO_FILES = (
    "the provider stores no files, and the saved image is too large for its Responses API without, so the image was "
    "edited: it does not see the earlier turns"
)


@dataclass(frozen=True)
class Receiving:
    """Sends calls through the client and keeps their pictures."""

    client: OpenAIClient
    keeping: Keeping
    quoting: Quoting
    attempts: Attempts
    database: Database
    spool: Spool
    now: Callable[[], datetime]
    lacking: set[str] = field(default_factory=set)  # endpoints that this provider turned out not to have

    async def receive(self, running: Running, quote: Quote, tell: Tell) -> None:
        """Send the call and save each picture as it arrives, before it is recorded."""
        tell(f"rendering with {quote.call.model}")
        running.price, running.work = quote.estimate, quote.work
        async with aclosing(self._events(running, quote, tell)) as events:
            await self.take(running, events, tell)
        check_whole(running)
        if not running.images and running.turn.provider == "compatible":
            running.warnings.append(NO_TOOL)

    def keeps_answer(self, running: Running) -> bool:
        """Whether the API may have the turn's response, finished or still at work, and give it to this server. What the
        settings say now of storing need not be what they said when the turn was sent."""
        turn, quoting = running.turn, self.quoting
        ours = turn.provider == quoting.provider and turn.account in (None, quoting.account)
        return turn.api == "responses" and ours and running.response_id is not None

    async def take(self, running: Running, events: AsyncIterable[Event], tell: Tell = unheard) -> None:
        """Save what arrives; a picture that cannot be saved must not cost the others that come after it. One that is
        being saved when the call is cancelled is saved and recorded first; where its disk refuses it, that may lack the
        copied answer too, so that what had arrived with it is saved as well."""
        try:
            await self._take(running, events, tell)
        except asyncio.CancelledError:
            if running.unsaved:
                with suppress(TimeoutError):
                    async with asyncio.timeout(ARRIVED_S):
                        await self._take(running, events, tell)
            raise

    async def _take(self, running: Running, events: AsyncIterable[Event], tell: Tell) -> None:
        async for event in events:
            match event:
                case Named():
                    await self._name(running, event.response_id)
                case Frame():
                    await to_the_end(self._keep_frame(running, event, tell), running.hurry.set)
                case Made():
                    tell("saving")
                    await to_the_end(self._keep(running, event), running.hurry.set)
                case Finished():
                    running.finished = event
                    running.warnings += event.warnings

    async def take_again(self, running: Running) -> None:
        """Save what is whole in the copied answer. Raises ImagegenError for the failure that it tells, StorageFailed
        where it cannot be read."""
        async with aclosing(self.client.spooled(self.spool.copy(running.name))) as events:
            await self.take(running, events)

    async def take_kept(self, running: Running, tell: Tell = unheard) -> None:
        """Save what comes of the response that the provider keeps, waited for while it is worked on. Raises
        ImagegenError."""
        assert running.response_id is not None
        tell("fetching the answer that the provider keeps")
        answer = self.client.response(running.response_id, tell=tell, copy=self.spool.copy(running.name))
        async with aclosing(answer) as events:
            await self.take(running, events, tell)

    async def save_again(self, running: Running) -> None:
        """Try once more to save what could not be saved; after one that fails, the others are not tried."""
        unsaved, running.unsaved = running.unsaved, []
        try:
            while unsaved and not running.unsaved:
                made, _ = unsaved.pop(0)
                await to_the_end(self._keep(running, made), running.hurry.set)
        finally:
            running.unsaved += unsaved
        if not running.unsaved:
            running.count_recorded()

    async def _name(self, running: Running, response_id: str) -> None:
        if response_id == running.response_id:
            return
        running.response_id = response_id
        try:
            async with self.database.writing() as connection:
                await threads.note_response(connection, *running.key, response_id)
        except StorageFailed as error:
            log.warning("the id of a response was not recorded: %s", error)

    async def _keep(self, running: Running, made: Made) -> None:
        try:
            image = await self.keeping.keep(made, running)
        except StorageFailed as error:
            running.unsaved.append((made, error))
        else:
            running.images.append((made, image))
            running.warn_of(made.index, await asyncio.to_thread(fault, made.data))

    async def _keep_frame(self, running: Running, frame: Frame, tell: Tell) -> None:
        """A frame is only a foretaste: one that cannot be saved is told of, and the picture is waited for. What is no
        picture, or beyond those that were asked for, is left out."""
        of = running.option("partial_images") or 0
        wrong = "more than were asked for" if frame.frame >= of else await asyncio.to_thread(fault, frame.data)
        if wrong is not None:
            log.info("partial image %d of %s was left out: %s", frame.frame + 1, running.name, wrong)
            return
        try:
            image = await self.keeping.keep(frame, running)
        except StorageFailed as error:
            running.warnings.append(f"a partial image was not saved: {error.sentence}")
        else:
            tell(f"frame {frame.frame + 1} of {of}: image://{image.image_id}")

    async def _events(self, running: Running, quote: Quote, tell: Tell) -> AsyncGenerator[Event]:
        """The events of the call; where the API lacks what a continuation names, of another one with the saved image.

        A refusal for that reason costs nothing, so that this is no second payment.
        """
        call: ImageCall | ResponsesCall = quote.call
        copy = self.spool.copy(running.name)
        running.tries = tries = Tries(tell, partial(self.attempts.refused, running))
        if self.lacking and quote.parent is not None:
            call = await self._as_edit(running, quote, tries, NO_RESPONSES)
        while True:
            try:
                async with aclosing(self.client.send(call, tries, copy)) as events:
                    async for event in events:
                        yield event
                return
            except (IdForgotten, EndpointMissing, FilesMissing) as error:
                if quote.parent is None or not isinstance(call, ResponsesCall) or error.may_be_billed:
                    raise
                log.info("a turn goes on from its saved image: %s", error)
                tries.without_frames = False  # the other call asks for them again
                call = await self._otherwise(running, quote, call, tries, error)
            await copy.withdraw()  # what it says of the refused call is no end of this one

    async def _otherwise(
        self,
        running: Running,
        quote: Quote,
        refused: ResponsesCall,
        tries: Tries,
        error: IdForgotten | EndpointMissing | FilesMissing,
    ) -> ImageCall | ResponsesCall:
        """The same continuation in a form that the API may take. Raises `error` where there is none."""
        by_id = refused.call_id is not None or refused.previous_response_id is not None
        if isinstance(error, EndpointMissing):
            if not any(isinstance(named, FileId) for named in (*refused.images, refused.mask)):
                self.lacking.add("responses")  # else a file may be what was not found
            return await self._as_edit(running, quote, tries, NO_RESPONSES)
        if isinstance(error, FilesMissing):
            saved = () if by_id and refused.mask is None else refused.images[:1]
            if error.picture not in saved:
                raise error
            return await self._as_edit(running, quote, tries, NO_FILES)
        if not by_id:
            raise error
        tries.refusal = error
        nothing_kept = isinstance(error, NothingKept)
        call = await self._without_ids(running, quote, refused, tries.tell, nothing_kept=nothing_kept)
        if nothing_kept:
            self.quoting.keep_nothing.add(running.turn.provider)
            call = replace(call, background=False)  # which may be refused for the same reason, and this one is the last
        return call

    async def _without_ids(
        self, running: Running, quote: Quote, refused: ResponsesCall, tell: Tell, *, nothing_kept: bool
    ) -> ResponsesCall:
        """The same continuation with the saved image; the thread remembers which id is of no use any more, or that none
        is. Raises InputRejected and ImageNotFound where the image cannot be sent."""
        assert quote.parent is not None
        turn, said = running.turn, sent_instead(quote.parent)
        try:
            async with self.database.writing() as connection:
                for upstream_id in filter(None, (refused.call_id, refused.previous_response_id)):
                    await note_forgotten(connection, turn.thread_id, upstream_id, self.now())
                if nothing_kept:
                    await note_nothing_kept(connection, turn.thread_id, turn.provider, turn.account)
        except StorageFailed as error:
            log.warning("that an id is forgotten was not recorded: %s", error)
        call, warnings = await self.quoting.with_saved_image(quote)
        running.warnings += (said, *warnings)
        tell(said)
        return call

    async def _as_edit(self, running: Running, quote: Quote, tries: Tries, why: str) -> ImageCall:
        """The same continuation through the Image API. The refusal before it is recorded with the price of that."""
        refused, tries.refusal = tries.refusal, None
        await self.attempts.as_edit(running, refused)
        call, warnings = await self.quoting.with_saved_image(quote)
        running.warnings += (why, *warnings)
        tries.tell(why)
        return as_edit(call)


def check_whole(running: Running) -> None:
    """Raises StorageFailed when a picture could not be saved, UpstreamInvalid when there is nothing to answer with."""
    if running.unsaved:
        errors = [error for _, error in running.unsaved]
        raise StorageFailed("; ".join(error.sentence for error in errors), errors[0].fix)
    if running.finished is None:
        raise UpstreamInvalid("the provider's answer ended too early", "try again", may_be_billed=True)
    if not running.images and not running.finished.text:
        raise UpstreamInvalid("the provider's answer holds no image", "try again", may_be_billed=True)
