"""Hold on to a turn while this process works on it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..database.engine import Database
from ..errors import StorageFailed
from ..jobs import Job, TurnKey
from ..threads import leases
from .processes import Process, Standing
from .running import Running

LEASE = timedelta(seconds=60)  # a turn of another machine whose lease has run out is nobody's
BEAT_S = 5.0  # between two renewals, by which a process also learns that it is to stop
log = logging.getLogger(__name__)


def is_left(lease: leases.Lease, standing: Standing, at: datetime) -> bool:
    """Whether nobody works on a turn in progress, by what is known of its process. A living one keeps its own, also
    when its computer slept; one of another machine, of which only the lease is known, loses them with it. What was let
    go of is nobody's whatever the time, which another computer's clock may have set."""
    return lease.owner == leases.NOBODY or standing == "dead" or (standing == "unknown" and lease.until < at)


async def in_progress(database: Database, process: Process, at: datetime) -> dict[leases.Lease, bool]:
    """The turns in progress, and whether each is nobody's. Raises StorageFailed."""
    async with database.reading() as connection:
        found = await leases.in_progress(connection)
    return {lease: is_left(lease, await asyncio.to_thread(process.standing, lease.owner), at) for lease in found}


@dataclass(frozen=True)
class Leasing:
    """Renews the leases of this process."""

    database: Database
    process: Process
    now: Callable[[], datetime]

    @asynccontextmanager
    async def held(self, running: Running, job: Job) -> AsyncIterator[None]:
        """Keep the turn's lease from running out, and stop the job when another process's caller wants it stopped.

        A cancellation, by which the server ends, leaves the turn to the server that next looks at the state: what came
        so far is on disk, and settling takes longer than many clients let a server live."""
        renewing = asyncio.create_task(self._renew(running, job))
        try:
            yield
        except asyncio.CancelledError:
            await self._extend(running, self.now())
        finally:
            renewing.cancel()

    async def let_go(self, key: TurnKey) -> None:
        """Leave the turn to whoever looks next, while this process goes on with others."""
        try:
            async with self.database.writing() as connection:
                await leases.let_go(connection, *key, self.process.name, self.now())
        except StorageFailed as error:
            log.warning("a turn could not be let go of: %s", error)

    async def _renew(self, running: Running, job: Job) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            if await self._extend(running, self.now() + LEASE):
                job.abort()

    async def _extend(self, running: Running, until: datetime) -> bool:
        """Whether the work is to stop."""
        try:
            async with self.database.writing() as connection:
                await leases.renew(connection, *running.key, self.process.name, until)
                return await leases.is_to_stop(connection, *running.key)
        except StorageFailed as error:
            log.warning("a lease could not be set, and will be tried again: %s", error)
            return False
