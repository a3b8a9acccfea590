"""Send a quoted call and keep what comes back: bytes on disk first, then the record, then the answer."""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from ..database.engine import Database
from ..errors import ImagegenError, InternalError, StorageFailed, UpstreamTimeout
from ..images.store import ImageStore
from ..inputs.destination import write_copy
from ..jobs import Job, Jobs, Tell
from ..ledger import entries as ledger
from ..openai_api.values import Finished
from ..pricing.cost import Cost, cost
from ..threads import store as threads
from .quoting import Quoting
from .receiving import Receiving, Running
from .recording import counts, recorded, resolved
from .values import Quote

LEASE = timedelta(seconds=60)  # a turn whose lease has run out is nobody's
log = logging.getLogger(__name__)


def _process_name() -> str:
    """Names this process among those that share a database."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Spending:
    """Opens turns, sends their calls, and closes them."""

    database: Database
    store: ImageStore
    jobs: Jobs
    quoting: Quoting
    receiving: Receiving
    now: Callable[[], datetime]
    process: str = field(default_factory=_process_name)

    async def start(self, quote: Quote) -> Job:
        """Reserve the price, open the turn, and send the call in a task of its own.

        Raises StorageFailed, before anything is sent, when the image folder or the database cannot be written.
        """
        await self.store.prepare()
        running = await self._open(quote)
        return self.jobs.start((running.thread_id, running.number), lambda tell: self._work(running, tell))

    async def _open(self, quote: Quote) -> Running:
        at, caller, price, provider = self.now(), quote.caller, quote.estimate, self.quoting.provider
        prompt = quote.operation.prompt or ""
        async with self.database.writing() as connection:
            thread_id = quote.thread_id or await threads.open_thread(
                connection,
                owner=caller.owner,
                label=caller.client,
                title=prompt or "Variations",
                provider=provider,
                at=at,
            )
            turn = await threads.open_turn(
                connection,
                thread_id=thread_id,
                kind=quote.kind,
                prompt=prompt,
                from_image=quote.parent.image.image_id if quote.parent else None,
                provider=provider,
                api=quote.api,
                model=quote.call.model,
                host_model=quote.host_model,
                options=quote.operation.model_dump(mode="json", exclude={"prompt", "images", "mask", "thread_id"}),
                estimate_nano=price.expected,
                owner_process=self.process,
                lease_until=at + LEASE,
                at=at,
                prices_as_of=price.prices_as_of,
            )
            entry = await ledger.reserve(
                connection,
                owner=caller.owner,
                client=caller.client,
                thread_id=thread_id,
                turn=turn.number,
                operation=quote.kind,
                provider=provider,
                api=quote.api,
                model=quote.call.model,
                host_model=quote.host_model,
                low_nano=price.low,
                expected_nano=price.expected,
                high_nano=price.high,
                at=at,
            )
        return Running(quote, thread_id, turn.number, entry, warnings=list(quote.warnings))

    async def _work(self, running: Running, tell: Tell) -> None:
        """The whole life of a turn after it was opened; it ends recorded, whatever happens."""
        renewing = asyncio.create_task(self._renew(running))
        try:
            error, status = await self._outcome(running, tell)
            await self._close(running, error, status)
            if status != "lost":
                self.quoting.availability.ask()
        except ImagegenError as failure:
            log.error("turn %d of %s could not be recorded: %s", running.number, running.thread_id, failure)
        finally:
            renewing.cancel()

    async def _outcome(
        self, running: Running, tell: Tell
    ) -> tuple[ImagegenError | None, Literal["failed", "lost"] | None]:
        """What the call came to; a cancellation means that the server stops."""
        try:
            await self.receiving.receive(running, tell)
            await self._copy(running)
        except StorageFailed as error:
            error.may_be_billed = True  # the provider has done its part
            return error, "failed"
        except ImagegenError as error:
            return error, "failed"
        except asyncio.CancelledError:
            stopped = "the server was stopped while the call ran; it may have been billed"
            return UpstreamTimeout(stopped, "ask again if the image is still wanted", may_be_billed=True), "lost"
        except Exception:
            log.exception("turn %d of %s failed", running.number, running.thread_id)
            fault = "the call failed inside the server; the cause is in its log"
            return InternalError(fault, "try again, and report it if it stays", may_be_billed=True), "failed"
        return None, None

    async def _copy(self, running: Running) -> None:
        """Copies for `save_to`. The images are safe by now, so a failure here is only a warning."""
        destination = running.quote.destination
        if destination is None:
            return
        for made, image in running.images:
            try:
                path = await asyncio.to_thread(write_copy, destination, made.index, made.data, image.key)
            except ImagegenError as error:
                running.warnings.append(f"no copy was written: {error.sentence}")
            else:
                running.warnings.append(f"a copy was saved to {path}")

    async def _close(
        self, running: Running, error: ImagegenError | None, status: Literal["failed", "lost"] | None
    ) -> None:
        """Close the turn and settle its price in one transaction."""
        finished, at = running.finished or Finished(), self.now()
        if error is not None and running.images:
            running.warnings.append(f"the call ended early: {error.sentence}")
            error, status = None, None
        price = self._price(running, error)
        outcome = status or ("completed" if running.images else "text_only")
        async with self.database.writing() as connection:
            closed = await threads.close_turn(
                connection,
                running.thread_id,
                running.number,
                status=outcome,
                text=finished.text,
                error=recorded(error),
                resolved=resolved(running.images[0][0] if running.images else None, finished.resolved),
                response_id=finished.response_id,
                request_id=finished.request_id or (error.request_id if error else None),
                cost_nano=price.nano if price else None,
                cost_basis=price.basis if price else None,
                usage=counts(finished.usage) if price else None,
                warnings=tuple(running.warnings),
                at=at,
                prices_as_of=price.prices_as_of if price else None,
            )
            if not closed:
                log.warning("turn %d of %s was closed by somebody else", running.number, running.thread_id)
            if price is None:
                await ledger.release(connection, running.entry, reason=str(error), at=at)
            else:
                await ledger.settle(
                    connection,
                    running.entry,
                    nano=price.nano,
                    basis=price.basis,
                    prices_as_of=price.prices_as_of,
                    tokens=counts(finished.usage),
                    request_id=finished.request_id,
                    at=at,
                )

    def _price(self, running: Running, error: ImagegenError | None) -> Cost | None:
        """What the call cost by the API's own figures, else by the estimate; None when nothing was billed."""
        if error is not None and not error.may_be_billed:
            return None
        quote, usage = running.quote, (running.finished or Finished()).usage
        billed = cost(
            usage,
            model=quote.call.model,
            host_model=quote.host_model,
            on=self.now().date(),
            images=len(running.images),
            size=quote.operation.size,
            quality=quote.operation.quality,
            output_format=quote.operation.output_format,
            prices=self.quoting.prices,
        )
        if billed.nano is not None:
            return billed
        return Cost(quote.estimate.expected, "estimated", quote.estimate.prices_as_of, ())

    async def _renew(self, running: Running) -> None:
        """Keep the lease of a living turn from running out."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            until = self.now() + LEASE
            try:
                async with self.database.writing() as connection:
                    await threads.renew_lease(connection, running.thread_id, running.number, self.process, until)
            except StorageFailed as error:
                log.warning("a lease could not be renewed, and will be tried again: %s", error)
