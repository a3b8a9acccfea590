"""Send a quoted call and keep what comes back: bytes on disk first, then the record, then the answer."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.engine import Database
from ..errors import ImagegenError, InternalError, StorageFailed, ThreadNotFound
from ..images.store import ImageStore
from ..jobs import Job, Jobs
from ..ledger import entries as ledger
from ..ledger.budgets import Payer
from ..ledger.entries import Attempt
from ..openai_api.spool import Spool
from ..threads import store as threads
from ..threads.forgotten import NEVER_KEPT
from ..threads.values import Turn
from .closing import Closing, Ending
from .copies import write_copies
from .leasing import LEASE, Leasing
from .processes import Process
from .quoting import Quoting
from .receiving import Receiving
from .recording import amounts
from .retention import Retention
from .running import Running
from .stopping import stopped
from .unclosed import Unclosed
from .values import Quote
from .work import recorded_options

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spending:
    """Opens turns, sends their calls, and closes them."""

    database: Database
    store: ImageStore
    spool: Spool
    jobs: Jobs
    quoting: Quoting
    receiving: Receiving
    closing: Closing
    leasing: Leasing
    retention: Retention
    unclosed: Unclosed
    process: Process
    now: Callable[[], datetime]

    async def start(self, quote: Quote, fingerprint: str) -> Job:
        """Reserve the price, open the turn, and send the call in a task of its own.

        Raises, before anything is sent, NotSpent when there is no room for the price, and StorageFailed when the image
        folder or the state cannot be written.
        """
        await self.store.prepare()
        await asyncio.to_thread(self._prepare)
        quote = await self.quoting.brought_up_to_date(quote)
        running = await self._open(quote, fingerprint)
        return self.jobs.start(running.key, lambda job: self._work(running, quote, job))

    def _prepare(self) -> None:
        self.spool.prepare()
        self.process.begin()

    async def _open(self, quote: Quote, fingerprint: str) -> Running:
        at, caller, price, provider = self.now(), quote.caller, quote.estimate, self.quoting.provider
        async with self.database.writing() as connection:
            await self.quoting.limits.hold(connection, price, Payer(caller.owner, provider, quote.thread_id))
            thread_id = quote.thread_id or await threads.open_thread(
                connection,
                owner=caller.owner,
                label=caller.client,
                title=quote.operation.prompt or "Variations",
                provider=provider,
                at=at,
            )
            turn = await self._turn(connection, quote, thread_id, fingerprint, at)
            entry = await self._entry(connection, quote, turn)
        attempt = Attempt(entry, quote.host_model, price.expected, at)
        return Running(turn, attempt, warnings=list(quote.warnings), destination=quote.destination)

    async def _turn(
        self, connection: AsyncConnection, quote: Quote, thread_id: str, fingerprint: str, at: datetime
    ) -> Turn:
        return await threads.open_turn(
            connection,
            thread_id=thread_id,
            kind=quote.kind,
            prompt=quote.operation.prompt or "",
            from_image=quote.parent.image.image_id if quote.parent and quote.parent.image else None,
            provider=self.quoting.provider,
            api=quote.api,
            model=quote.call.model,
            host_model=quote.host_model,
            options=recorded_options(quote.operation),
            estimate_nano=quote.estimate.expected,
            owner_process=self.process.name,
            lease_until=at + LEASE,
            at=at,
            prices_as_of=quote.estimate.prices_as_of,
            fingerprint=fingerprint,
            account=self.quoting.account,
            forgotten_at=self._forgotten(quote, at),
        )

    def _forgotten(self, quote: Quote, at: datetime) -> datetime | None:
        """Since when the turn's ids are of no use, where that is known before it has any."""
        if not self.quoting.keeps(quote.parent):
            return NEVER_KEPT
        return None if self.quoting.settings.store else at

    async def _entry(self, connection: AsyncConnection, quote: Quote, turn: Turn) -> int:
        """Reserve the price; the id of its entry in the ledger."""
        caller, price = quote.caller, quote.estimate
        return await ledger.reserve(
            connection,
            owner=caller.owner,
            client=caller.client,
            thread_id=turn.thread_id,
            turn=turn.number,
            operation=turn.kind,
            provider=turn.provider,
            api=turn.api,
            model=turn.model,
            host_model=turn.host_model,
            **amounts(price),
            at=turn.created_at,
        )

    async def _work(self, running: Running, quote: Quote, job: Job) -> None:
        """The whole life of a turn after it was opened; it ends recorded, is held in memory until it can be, or is left
        to the next server."""
        async with self.leasing.held(running, job):
            error, ending = await self._outcome(running, quote, job)
            job.failure = await self._close(running, error, ending)
            self.quoting.availability.ask()
            self.retention.begin()

    async def _close(
        self, running: Running, error: ImagegenError | None, ending: Ending | None
    ) -> ImagegenError | None:
        """Record how the call ended; what to tell its caller where that fails."""
        try:
            closed = await self.closing.close(running, error, ending)
        except ImagegenError as failure:
            return self.unclosed.hold(running, error, ending, failure)
        except Exception:  # whatever it is: the pictures are paid for, and their caller must hear where they are
            log.exception("turn %d of %s could not be recorded", *reversed(running.key))
            fault = InternalError("a fault inside the server, whose cause is in its log", "report it if it stays")
            return self.unclosed.hold(running, error, ending, fault)
        await self.spool.copy(running.name).discard()
        return None if closed else await self._removed(running, error)

    async def _removed(self, running: Running, error: ImagegenError | None) -> ImagegenError | None:
        """What to tell the caller of a turn that is not there any more, because somebody removed or replaced the
        database under it; None where it is there, and somebody else closed it."""
        try:
            async with self.database.reading() as connection:
                await threads.turn(connection, *running.key)
        except ThreadNotFound:
            lost = StorageFailed(
                "the record of the call was removed while it ran",
                "take the pictures from there; their price is not known",
            )
            return self.unclosed.without_record(running, error, lost)
        except StorageFailed as failure:
            return self.unclosed.without_record(running, error, failure)
        return None

    async def _outcome(self, running: Running, quote: Quote, job: Job) -> tuple[ImagegenError | None, Ending | None]:
        """What the call came to; a cancellation means that its caller or the server stops it."""
        try:
            await self.receiving.receive(running, quote, job.tell)
            await write_copies(running)
        except StorageFailed as error:
            error.may_be_billed = True  # the provider has done its part
            return error, "failed"
        except ImagegenError as error:
            return error, "failed"
        except asyncio.CancelledError:
            if not job.aborted:
                raise
            return await self._aborted(running), "cancelled"
        except Exception:  # whatever it is: the call is paid for, and must be closed with what came of it
            log.exception("turn %d of %s failed", running.turn.number, running.turn.thread_id)
            fault = "the call failed inside the server; the cause is in its log"
            return InternalError(fault, "try again, and report it if it stays", may_be_billed=True), "failed"
        return None, None

    async def _aborted(self, running: Running) -> ImagegenError:
        """Stop the call, and keep what had arrived of its pictures."""
        error = await stopped(running, self.receiving)
        running.count_recorded()
        return error
