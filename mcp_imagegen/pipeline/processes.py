"""Which server processes live: so that a turn whose process was killed is settled at once, and a living one's never.

Several servers may share a home folder (two editors, each with its own). Each holds a lock on a file there, which the
system lets go of however the process ends; a lease alone would leave the turns of a killed process waiting, and give
away those of a computer that slept.
"""

import os
import secrets
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Literal

if sys.platform != "win32":  # there only the lease tells
    import fcntl

Standing = Literal["lives", "dead", "unknown"]


class Process:
    """This process among those that share `folder`; what holds its lock is closed with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = secrets.token_hex(8)
        self._lock: int | None = None
        self.name = f"{socket.gethostname()}:{os.getpid()}:{self._token}"

    def begin(self) -> None:
        """Take the lock, before the first turn is opened. Blocks on the disk; raises OSError."""
        if self._lock is not None or sys.platform == "win32":
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._file(self._token), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with suppress(OSError):  # a disk without locks: the lease tells
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._lock = lock

    def end(self) -> None:
        """Let go of the lock. Blocks on the disk."""
        if self._lock is not None:
            self._file(self._token).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def standing(self, name: str) -> Standing:
        """Whether another process of this name still runs; unknown for one of another machine. Blocks on the disk."""
        if name == self.name:
            return "lives"
        file = self._file(name.rpartition(":")[2])
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

    def bury(self, name: str) -> None:
        """Remove what a dead process has left, once nothing is its own any more. Blocks on the disk."""
        with suppress(OSError):
            self._file(name.rpartition(":")[2]).unlink()

    def _file(self, token: str) -> Path:
        return self._folder / f"{token}.lock"
