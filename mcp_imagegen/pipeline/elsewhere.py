"""Where a paid picture goes that its folder refuses: the system's temporary folder, by names that say whose it is.

By them a server that comes later finds the pictures of a turn whose end could not be recorded.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..jobs import TurnKey
from .naming import part_in, place_in
from .running import Part

if sys.platform != "win32":  # there the temporary folder is the user's own
    from os import getuid

_PREFIX = "mcp-imagegen-"


def put(key: str, data: bytes) -> Path:
    """Keep a picture whose name in the image store is `key`; where it lies. One that lies there already is not kept
    twice. Blocks; raises OSError."""
    thread_id, _, name = key.rpartition("/")
    folders = list(_folders(thread_id))
    for path in (path for folder in folders for path in folder.iterdir()):
        if place_in(path.name) == place_in(name) and path.read_bytes() == data:
            return path
    folder = folders[0] if folders else Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{thread_id}-"))
    partial = folder / f"{name}#"
    partial.write_bytes(data)
    return partial.replace(folder / name)


def found(turn: TurnKey) -> dict[Part, Path]:
    """The pictures of a turn that lie there whole, by their parts. Blocks."""
    thread_id, number = turn
    paths: dict[Part, Path] = {}
    with suppress(OSError):
        for path in (path for folder in _folders(thread_id) for path in sorted(folder.iterdir())):
            part = part_in(path.name, number)
            if part is not None:
                paths[part] = path
    return paths


def remove(thread_id: str) -> None:
    """Remove what lies there of a thread. Blocks."""
    for folder in _folders(thread_id):
        shutil.rmtree(folder, ignore_errors=True)


def _folders(thread_id: str) -> Iterator[Path]:
    """Those that this user made: the temporary folder may be everybody's."""
    with suppress(OSError):
        for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}{thread_id}-*")):
            if folder.is_dir() and (sys.platform == "win32" or folder.lstat().st_uid == getuid()):
                yield folder
