"""Copies of paid answers on disk, written as the answers arrive, so that little is ever only in memory."""

import re
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


@dataclass(frozen=True)
class Spool:
    """A folder of copies, by the names that were given to them."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, for its owner alone (0700). Blocks: call it in a thread. Raises StorageFailed."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """The names that copies lie under, in order. Blocks: call it in a thread. Raises StorageFailed."""
        raise NotImplementedError

    def copy(self, name: str) -> "Copy":
        """The copies of one call, those that lie there and those to come. `name`: letters, digits, `_` and `-`.

        Touches nothing yet. Raises ValueError for another name.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a copy")
        return Copy(self.folder, name)


class Copy:
    """The answers of one call: files `{name}.0`, `{name}.1` and so on, each a line of JSON and then the body."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    async def discard(self) -> None:
        """Remove the files of this name; what cannot be removed is logged."""
        raise NotImplementedError
