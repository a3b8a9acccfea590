"""Calls that have ended and whose end or pictures the disk did not take: what came of them is held in memory until it
does."""

import logging
from dataclasses import dataclass, field

from ..errors import ImagegenError, StorageFailed
from ..images.store import ImageStore
from ..jobs import TurnKey
from ..openai_api.spool import Spool
from .closing import Closing, Ending
from .copies import write_copies
from .receiving import Receiving
from .running import Running

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """How a call ended, and what its caller was told instead."""

    running: Running
    error: ImagegenError | None
    ending: Ending | None
    told: ImagegenError


@dataclass(frozen=True)
class Unclosed:
    """Those of this process. They are closed when the state is next used, at the latest when the server ends."""

    store: ImageStore
    spool: Spool
    receiving: Receiving
    closing: Closing
    _ended: dict[TurnKey, Ended] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether any are held."""
        return bool(self._ended)

    def told(self, key: TurnKey) -> ImagegenError | None:
        """What the caller of the turn was told, if its end is still to be recorded."""
        ended = self._ended.get(key)
        return None if ended is None else ended.told

    def hold(
        self, running: Running, error: ImagegenError | None, ending: Ending | None, failure: ImagegenError
    ) -> ImagegenError:
        """Hold on to a call whose end could not be recorded because of `failure`; what to tell its caller."""
        wait = f"get_image_thread(thread_id={running.turn.thread_id!r}, wait=true)"
        lost = type(failure)(
            f"the call has ended, and its end could not be recorded: {failure.sentence}",
            f"mend that (where the disk is full, free some space), then collect what it made with {wait}",
        )
        told = self.without_record(running, error, lost)
        self._ended[running.key] = Ended(running, error, ending, told)
        return told

    def without_record(self, running: Running, error: ImagegenError | None, lost: ImagegenError) -> ImagegenError:
        """What to tell the caller of a call that nothing says the end of: `lost`, with the places of all pictures; its
        own `error`, where it made none."""
        kept = [f"a picture that was made is kept at {self.store.path(image.key)}" for _, image in running.images]
        kept += [unsaved.sentence for _, unsaved in running.unsaved]
        if not kept and error is not None:
            return error
        lost.sentence, lost.may_be_billed = "; ".join([lost.sentence, *kept]), True
        log.error("turn %d of %s: %s", *reversed(running.key), lost)
        return lost

    async def close(self, key: TurnKey) -> None:
        """Save what could not be saved, then record how the call ended. Raises ImagegenError where that fails again;
        the turn then waits on."""
        ended = self._ended[key]
        running, error, ending = ended.running, ended.error, ended.ending
        try:
            if running.unsaved:
                await self.receiving.save_again(running)
                if not running.unsaved and isinstance(error, StorageFailed):  # that they could not be saved
                    error = ending = None
            if error is None:
                await write_copies(running)
            await self.closing.close(running, error, ending)
        except ImagegenError as failure:
            raise self.hold(running, error, ending, failure) from failure
        await self.spool.copy(running.name).discard()
        del self._ended[key]

    async def close_all(self) -> None:
        """Try it once with each; what fails again is left to the next server, which finds the pictures."""
        for key in list(self._ended):
            self._ended[key].running.hurry.set()
            try:
                await self.close(key)
            except ImagegenError as failure:
                log.warning("turn %d of %s is left to the next server: %s", *reversed(key), failure)
