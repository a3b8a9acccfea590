"""Which server processes live: so that a turn whose process was killed is settled at once, and a living one's never.

Several servers may share a home folder (two editors, each with its own). Each holds a lock on a file there, which the
system lets go of however the process ends; a lease alone would leave the turns of a killed process waiting, and give
away those of a computer that slept.
"""

import os
import secrets
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Literal

from ..errors import StorageFailed

if sys.platform != "win32":  # there only the lease tells
    import fcntl

Standing = Literal["lives", "dead", "unknown"]


class Process:
    """This process among those that share `folder`; what holds its lock is closed with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = secrets.token_hex(8)
        self._lock: int | None = None
        self._begun = False
        self.owes = False  # whether turns in progress still have this process's name
        self._beginning = threading.Lock()
        self.name = f"{socket.gethostname()}:{os.getpid()}:{self._token}"

    @property
    def begun(self) -> bool:
        """Whether others can tell that this process lives."""
        return self._begun

    def begin(self) -> None:
        """Take the lock, before anything in the database has this process's name. Blocks on the disk; raises
        StorageFailed."""
        with self._beginning:
            if self._begun:
                return
            if sys.platform != "win32":
                try:
                    self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._lock = self._locked()
                except OSError as error:
                    raise StorageFailed(
                        f"the state folder cannot be written: {error.strerror}",
                        "set MCP_IMAGEGEN_HOME to another folder",
                    ) from error
            self._begun = True

    def _locked(self) -> int:
        file = self._file(self._token)
        while True:
            lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if sys.platform != "win32":
                with suppress(OSError):  # a disk without locks: the lease tells
                    fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_at(file, lock):
                return lock
            os.close(lock)  # it was swept before it was locked

    def end(self) -> None:
        """Let go of the lock, which stays as a dead process's where this one `owes`. Blocks on the disk."""
        if self._lock is not None:
            if not self.owes:
                self._file(self._token).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def standing(self, name: str) -> Standing:
        """Whether another process of this name still runs; unknown for one of another machine. Blocks on the disk."""
        if name == self.name:
            return "lives"
        file = self._file(token_of(name))
        if sys.platform == "win32":
            return "unknown"
        try:
            lock = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return "unknown"
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return "lives"
        except OSError:
            return "unknown"
        finally:
            os.close(lock)
        return "dead"

    def dead(self) -> frozenset[str]:
        """The tokens of the dead processes that have left something here. Blocks on the disk."""
        try:
            tokens = [file.stem for file in self._folder.glob("*.lock")]
        except OSError:
            return frozenset()
        return frozenset(token for token in tokens if self.standing(f":{token}") == "dead")

    def bury(self, token: str) -> None:
        """Remove what a dead process has left, once nothing is its own any more. Blocks on the disk."""
        if sys.platform == "win32":
            return
        file = self._file(token)
        with suppress(OSError):  # gone already, or of a process that is only beginning
            lock = os.open(file, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(lock)

    def _file(self, token: str) -> Path:
        return self._folder / f"{token}.lock"


def token_of(name: str) -> str:
    """What a process's lock is called by."""
    return name.rpartition(":")[2]


def _is_at(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
