"""Everything a start does not need, built on first use: the one place where the heavy imports happen.

Importing this module imports the database, the image library, the image store and the HTTP client (about half a
second), so `server.py` does it in a thread, after the first answer or at the first call that needs it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from .catalog import loading as catalogs
from .catalog.hints import hints_of
from .catalog.hosts import by_end
from .catalog.models import Host, with_end
from .database.engine import Database
from .images.store import ImageStore
from .inputs.fetch import fetch, plain_hosts
from .inputs.load import InputLoader
from .inputs.roots import roots_of
from .jobs import Jobs
from .openai_api.client import OpenAIClient
from .openai_api.spool import Spool
from .pipeline.attempts import Attempts
from .pipeline.availability import Availability
from .pipeline.callers import Callers
from .pipeline.closing import Closing
from .pipeline.deleting import Deleting
from .pipeline.gathering import Gathering
from .pipeline.keeping import Keeping
from .pipeline.leasing import Leasing
from .pipeline.looking import Looking
from .pipeline.processes import Process
from .pipeline.quoting import Quoting
from .pipeline.receiving import Receiving
from .pipeline.recovery import Recovery
from .pipeline.retention import Retention
from .pipeline.settling import Settling
from .pipeline.shelf import ANSWERS, DATABASE, PROCESSES
from .pipeline.spending import Spending
from .pipeline.unclosed import Unclosed
from .pricing import table as price_tables
from .settings import Settings

LINKED_BYTES = 100_000_000  # of a picture that an answer links to


@dataclass(frozen=True)
class Services:
    """What the tools use: prepare and price; begin, join and wait for calls; look."""

    quoting: Quoting
    callers: Callers
    looking: Looking

    def models(self) -> dict[str, list[dict[str, Any]]]:
        """The catalog: a row for each image model, with the advice about it, and what the provider says of it: whether
        it lists the model to the key, and when the model ends. Then the host models, by their ends."""
        catalog, listed = self.quoting.models(), self.quoting.availability.listed
        models = [
            {**asdict(model), "hints": [hint.text for hint in hints_of(model)], "listed": listed(model.name)}
            for model in catalog.models
        ]
        settings, quoting = self.quoting.settings, self.quoting
        name = settings.model_behind(settings.responses_model)
        chosen = with_end(catalog.host(name) or Host(name), quoting.availability.ends(name), quoting.now().date())
        return {"models": models, "hosts": by_end(catalog, chosen)}

    def prices(self) -> list[dict[str, Any]]:
        """The price rows."""
        return self.quoting.prices.shown()


@asynccontextmanager
async def open_services(settings: Settings, *, local: bool, now: Callable[[], datetime]) -> AsyncIterator[Services]:
    """The services of one server process; on the way out running calls are stopped and recorded.

    `local`: the client sees the same disk (stdio), so that paths mean something to both sides. Raises InvalidArgument
    for a table of the user's that cannot be used, StorageFailed when the state cannot be opened.
    """
    catalog = await asyncio.to_thread(catalogs.load, settings.home, settings.extra)
    prices = await asyncio.to_thread(price_tables.load, settings.home)
    async with AsyncExitStack() as stack:
        client = await _client(settings, stack)
        stack.push_async_callback(client.aclose)
        database = Database(settings.home / DATABASE)
        stack.push_async_callback(database.aclose)  # opened by whoever reads or writes first
        store = ImageStore(settings.images)
        loader = InputLoader(
            roots=roots_of(settings, Path.cwd()) if local else None,
            max_pixels=settings.max_pixels,
            fetch_hosts=settings.fetch_hosts,
        )
        availability = Availability(client)
        stack.push_async_callback(availability.aclose)
        quoting = Quoting(settings, catalog, prices, availability, database, Gathering(database, store, loader), now)
        process = Process(settings.home / PROCESSES)
        stack.callback(process.end)
        callers, recovery, retention = _paid_calls(quoting, client, process)
        stack.push_async_callback(retention.aclose)
        stack.push_async_callback(callers.aclose, settings.drain_s)
        yield Services(
            quoting=quoting,
            callers=callers,
            looking=Looking(database, store, recovery, retention, settings.preview_edge, now),
        )


def _paid_calls(quoting: Quoting, client: OpenAIClient, process: Process) -> tuple[Callers, Recovery, Retention]:
    """What sends calls, what takes them up after a crash, and what deletes them in the end; they share how a turn is
    kept, closed and held."""
    settings, database, store, now = quoting.settings, quoting.database, quoting.gathering.store, quoting.now
    jobs, spool = Jobs(), Spool(settings.home / ANSWERS)
    keeping = Keeping(database, store, now)
    attempts = Attempts(database, quoting, now)
    receiving = Receiving(client, keeping, quoting, attempts, database, spool, now)
    closing = Closing(database, quoting.prices, now)
    leasing = Leasing(database, process, now)
    retention = Retention(Deleting(database, store, spool, process, closing, now), settings.keep_days, now)
    unclosed = Unclosed(store, spool, receiving, closing)
    spending = Spending(
        database, store, spool, jobs, quoting, receiving, closing, leasing, retention, unclosed, process, now
    )
    settling = Settling(database, store, spool, keeping, receiving, closing, leasing, now)
    recovery = Recovery(database, spool, jobs, settling, leasing, unclosed, process, now)
    return Callers(database, jobs, spending, recovery, process, settings.on_cancel, now), recovery, retention


async def _client(settings: Settings, stack: AsyncExitStack) -> OpenAIClient:
    """The client of the chosen provider; the sandbox is started inside this process, with a key of its own."""
    provider = settings.resolved_provider
    plain = plain_hosts(settings.base_url, settings.fetch_hosts) if provider == "compatible" else ()
    fetched = partial(fetch, max_bytes=LINKED_BYTES, allowed_hosts=settings.fetch_hosts, plain_hosts=plain)
    if provider == "azure":
        assert settings.azure_endpoint is not None  # the settings refuse azure without it
        return OpenAIClient(
            base_url=settings.azure_endpoint,
            api_key=settings.azure_api_key,
            dialect="azure",
            api_version=settings.api_version,
            fetch=fetched,
        )
    if provider != "sandbox":
        compatible = provider == "compatible"
        return OpenAIClient(
            base_url=settings.base_url,
            api_key=settings.api_key,
            organization=settings.organization,
            project=settings.project,
            dialect=provider,
            extra_fields=dict(settings.compatible_send) if compatible else {},
            dropped_fields=settings.compatible_drop if compatible else (),
            fetch=fetched,
        )
    from .sandbox.app import Sandbox
    from .sandbox.serving import running

    key = secrets.token_urlsafe(24)
    base_url = await stack.enter_async_context(running(Sandbox(keys=[key]).app))
    # A proxy of the environment would be asked to reach loopback.
    return OpenAIClient(base_url=base_url, api_key=SecretStr(key), trust_env=False)
