"""Where a paid picture goes that its folder refuses: the system's temporary folder, by names that say whose it is.

By them a server that comes later finds the pictures of a turn whose end could not be recorded.
"""

import logging
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

log = logging.getLogger(__name__)
_PREFIX = "mcp-imagegen-"


def put(key: str, data: bytes) -> Path:
    """Keep a picture whose name in the image store is `key`; where it lies. One that lies there already is not kept
    twice. Blocks; raises OSError."""
    thread_id, _, name = key.rpartition("/")
    folders = list(_folders(thread_id))
    with suppress(FileNotFoundError):  # a folder goes with its last picture
        for path in (path for folder in folders for path in folder.iterdir()):
            if place_in(path.name) == place_in(name) and path.read_bytes() == data:
                return path
        if folders:
            return _written(folders[0] / name, data)
    return _written(Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{thread_id}-")) / name, data)


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


def drop(path: Path, data: bytes) -> None:
    """Remove a picture that lies there, where it holds these bytes, and its folder after the last one. What cannot be
    removed is logged. Blocks."""
    try:
        if path.read_bytes() == data:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()
    except OSError as error:
        log.warning("%s, which is saved in the image folder, could not be removed: %s", path, error)


def remove(thread_id: str) -> None:
    """Remove what lies there of a thread. Blocks."""
    for folder in _folders(thread_id):
        shutil.rmtree(folder, ignore_errors=True)


def _written(path: Path, data: bytes) -> Path:
    partial = path.with_name(f"{path.name}#")
    partial.write_bytes(data)
    return partial.replace(path)


def _folders(thread_id: str) -> Iterator[Path]:
    """Those that this user made: the temporary folder may be everybody's."""
    with suppress(OSError):
        for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}{thread_id}-*")):
            if folder.is_dir() and (sys.platform == "win32" or folder.lstat().st_uid == getuid()):
                yield folder
