"""Standard output, for a client that may be gone.

The SDK's own writer fails when nobody reads any more, which is how a killed client shows itself, and takes the server
down in the middle of its running calls. Here it is an end of input, and what is still said is said to nobody.
"""

import logging
import os
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

import anyio

log = logging.getLogger(__name__)


def lines_to_the_client(gone: Callable[[], None]) -> "anyio.AsyncFile[str]":
    """What the SDK is to write to. From now on descriptor 1 is stderr, so that stray prints stay out of the protocol.

    `gone` is called once, in any thread, when nobody reads any more."""
    wire = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:  # started without stderr
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)
    return anyio.wrap_file(_Lines(wire, gone))


class _Lines(TextIOWrapper):
    def __init__(self, wire: int, gone: Callable[[], None]) -> None:
        super().__init__(os.fdopen(wire, "wb"), encoding="utf-8")
        self._gone = gone
        self._is_gone = False

    def write(self, text: str, /) -> int:
        if not self._is_gone:
            try:
                super().write(text)
                super().flush()
            except OSError as error:
                self._is_gone = True
                log.warning("nobody reads what the server says (%s), so it ends", error.strerror)
                self._gone()
        return len(text)

    def flush(self) -> None:
        """Each line is flushed where it is written."""
