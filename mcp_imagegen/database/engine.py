"""Opening the database: transactions that wait for each other instead of failing, and the schema brought up to date.

Everything that is particular to SQLite is in this file; the tables and the statements of the other rooms also suit
PostgreSQL. Importing SQLAlchemy takes about 0.3 s, so this module is imported late and off the event loop.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..errors import InvalidArgument, StorageFailed
from .failures import folder_failed, is_busy, storage_failures
from .lookback import check_newest, connect_to_read, only_read
from .schema import bring_to_newest, standing

log = logging.getLogger(__name__)
Identity = tuple[int, int]
BUSY_S = 30.0  # seconds that a transaction waits for another one before it fails
_WAL_ATTEMPT_S = 0.02  # seconds
_ENDING_S = 1.0  # seconds: what is cancelled ends at once, and a client may kill a server that takes 2 s to end

# How a transaction begins. A writer takes its lock at once: one that reads first and then writes would fail whenever
# another writer came between. A table can only be rebuilt with foreign keys off, which is set before the transaction.
_BEGIN = "begin_with"
_NOTHING: tuple[str, ...] = ()
_READING = ("BEGIN",)
_WRITING = ("BEGIN IMMEDIATE",)
_RESHAPING = ("PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE")


class Database:
    """One database, opened on first use.

    `location` is the path of an SQLite file, or a URL such as `sqlite:////home/me/imagegen.sqlite3`. Raises
    InvalidArgument for any other URL. `busy_s` is in seconds.
    """

    def __init__(self, location: Path | str, *, busy_s: float = BUSY_S) -> None:
        self.file = _file_of(location)
        self._busy_s = busy_s
        self._engine: AsyncEngine | None = None
        self._opened: Identity | None = None
        self._only_read = False
        self._transactions = 0  # that run
        self._idle = asyncio.Event()
        self._idle.set()
        self._preparing = asyncio.Lock()
        self._writers = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Database({str(self.file)!r})"

    async def prepare(self) -> None:
        """Open the database and bring its schema to the newest revision; does nothing when that is done.

        A missing file is created (mode 0600, its folder 0700). One that somebody has removed or replaced since it was
        opened is left, and what lies in its place opened. One that cannot be written is opened anew each time, since
        its disk may be writable by then. Raises StorageFailed.
        """
        async with self._preparing:
            if self._engine is not None and not self._is_replaced() and not (self._only_read and self._idle.is_set()):
                return
            await self._leave()
            self._only_read = await asyncio.to_thread(only_read, self.file)
            if not self._only_read:
                await asyncio.to_thread(_make_file, self.file)
            engine = _open(self.file, self._busy_s)
            if self._only_read:
                connect_to_read(engine, self.file)
            try:
                with storage_failures(str(self.file)):
                    await self._bring_to_newest(engine)
            except BaseException:
                await engine.dispose()
                raise
            self._engine, self._opened = engine, _identity(self.file)

    def _is_replaced(self) -> bool:
        """Whether what is written would go into a file that nobody finds any more."""
        return _identity(self.file) != self._opened

    async def _leave(self) -> None:
        """Close a file that is opened anew, as one that is gone from its place, when its last transaction has ended.
        Raises StorageFailed."""
        if self._engine is None:
            return
        if self._is_replaced():
            log.error("the database %s was removed or replaced while it was in use", self.file)
        try:
            async with asyncio.timeout(self._busy_s):
                await self._idle.wait()
        except TimeoutError:
            raise StorageFailed(f"the database {self.file} is busy", "try again") from None
        await self.aclose()
        await asyncio.to_thread(_remove_journals, self.file)

    async def exists(self) -> bool:
        """Whether there is anything to read: who only looks should not make a database."""
        return self._engine is not None or await asyncio.to_thread(self.file.exists)

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that sees one state of the database throughout and waits for nobody. Raises StorageFailed."""
        return self._transaction(_READING)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that writes, committed at the end, undone by any exception. Raises StorageFailed.

        Writers come one after the other: those of this process in the order in which they asked (and none of them
        holds a connection while it waits), those of other processes as SQLite lets them. Never open one inside another.
        """
        try:
            async with asyncio.timeout(self._busy_s):
                await self._writers.acquire()
        except TimeoutError:
            raise StorageFailed(f"the database {self.file} is busy", "try again") from None
        try:
            async with self._transaction(_WRITING) as connection:
                yield connection
            if self._is_replaced():
                raise StorageFailed(
                    f"the database {self.file} was removed or replaced while it was written",
                    "put it back while no server runs, or go on with a new one",
                )
        finally:
            self._writers.release()

    async def aclose(self) -> None:
        """Close every connection, once the transactions that run have ended. A later use opens the database again."""
        with suppress(TimeoutError):  # whoever holds one for long has closed it by itself when it ends
            async with asyncio.timeout(_ENDING_S):
                await self._idle.wait()  # a connection that is in use when the pool is left is never closed
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    @asynccontextmanager
    async def _transaction(self, begin_with: tuple[str, ...]) -> AsyncIterator[AsyncConnection]:
        await self.prepare()
        assert self._engine is not None
        self._transactions += 1
        self._idle.clear()
        try:
            with storage_failures(str(self.file)):
                async with _begun(self._engine, begin_with) as connection:
                    yield connection
        finally:
            self._transactions -= 1
            if not self._transactions:
                self._idle.set()

    async def _bring_to_newest(self, engine: AsyncEngine) -> None:
        async with _begun(engine, _READING) as connection:
            found = await connection.run_sync(standing)
        if self._only_read:
            check_newest(self.file, found)
        else:
            await self._enter_wal(engine)
        if found == "newest":
            return
        async with _begun(engine, _RESHAPING) as connection:
            if await connection.run_sync(standing) == "older":  # still, now that every other writer is kept out
                await asyncio.to_thread(_back_up, self.file)
            await connection.run_sync(bring_to_newest)
        await engine.dispose()  # that connection has foreign keys off

    async def _enter_wal(self, engine: AsyncEngine) -> None:
        """Write-ahead logging: readers do not wait for writers. The file remembers it.

        SQLite does not always wait for the lock that the change needs, so where two processes open a new file at the
        same time one of them has to ask again by itself.
        """
        deadline = asyncio.get_running_loop().time() + self._busy_s
        async with engine.connect() as connection:
            await connection.execution_options(**{_BEGIN: _NOTHING})
            while True:
                try:
                    await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                except OperationalError as error:
                    if not is_busy(error) or asyncio.get_running_loop().time() >= deadline:
                        raise
                    await asyncio.sleep(_WAL_ATTEMPT_S)
                else:
                    return


@asynccontextmanager
async def _begun(engine: AsyncEngine, begin_with: tuple[str, ...]) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        await connection.execution_options(**{_BEGIN: begin_with})
        async with connection.begin():
            yield connection


def _file_of(location: Path | str) -> Path:
    if isinstance(location, Path):
        return location
    if "://" not in location:
        return Path(location)
    fix = "name an SQLite file, as in sqlite:////home/me/imagegen.sqlite3"
    try:
        url = make_url(location)
    except ArgumentError:
        raise InvalidArgument("the URL of the database cannot be read", fix) from None
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        raise InvalidArgument(f"the database {url.render_as_string()} is not an SQLite file", fix)
    return Path(str(url.database))


def _identity(file: Path) -> Identity | None:
    """Which file lies there, whatever its name: device and number. So quick that it needs no thread."""
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_dev, told.st_ino


def _remove_journals(file: Path) -> None:
    """What a database that was removed has left beside it would be taken for the new one's."""
    if _identity(file) is None:
        for ending in ("-wal", "-shm"):
            with suppress(OSError):
                file.with_name(file.name + ending).unlink()


def _make_file(file: Path) -> None:
    """SQLite would create the file readable for everybody; its journal files take over the file's mode."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise folder_failed(file, error) from error


def _back_up(file: Path) -> None:
    from .backup import back_up  # late: only an upgrade needs it

    back_up(file)


def _open(file: Path, busy_s: float) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(file)),
        connect_args={"timeout": busy_s},
        hide_parameters=True,  # prompts do not belong into logs
    )

    @event.listens_for(engine.sync_engine, "connect")
    def settle(connection: Any, _: object) -> None:
        connection.isolation_level = None  # `begin` below begins transactions, not the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA synchronous = FULL")  # a committed row survives a power cut
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        for statement in connection.get_execution_options()[_BEGIN]:
            connection.exec_driver_sql(statement)

    return engine
