"""Copies of results where the caller wants them: checked before anything is spent, and never over an existing file."""

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..errors import InvalidArgument, PathNotAllowed, StorageFailed
from .roots import Roots

ENDINGS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "webp": (".webp",),
    "gif": (".gif",),
    "svg": (".svg",),
}
_TRIES = 10_000  # names that are tried beside one that is taken
_FOLLOW_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Destination:
    """Where copies go: a folder, and the name of the file, or None to take the image's own."""

    folder: Path
    stem: str | None
    ending: str | None
    numbered: bool  # several images under one name

    def name(self, index: int, own_name: str) -> tuple[str, str]:
        """Stem and ending of the copy of image `index` (from 0)."""
        if self.stem is None:
            own = Path(own_name)
            return own.stem, own.suffix
        return f"{self.stem}-{index + 1}" if self.numbered else self.stem, self.ending or Path(own_name).suffix


def check_destination(save_to: str, roots: Roots | None, output_format: str, n: int) -> Destination:
    """Read `save_to`: a folder (it exists, or ends in a separator) or a file name. To be called in a thread.

    Raises PathNotAllowed outside the writing roots, InvalidArgument where the ending does not fit the format.
    """
    if roots is None:
        raise PathNotAllowed(
            "save_to would write to the server's disk, which a client over HTTP does not see",
            "leave save_to out and read the image:// resource of the result",
        )
    if not save_to.strip() or "\0" in save_to:
        raise InvalidArgument("'save_to' is empty or holds characters that no path has", "name a folder or file")
    path = roots.allowed_to_write(save_to)
    if path.is_dir() or save_to.endswith(("/", os.sep)):
        return Destination(folder=path, stem=None, ending=None, numbered=n > 1)
    if path.suffix == "":
        return Destination(folder=path.parent, stem=path.name, ending=None, numbered=n > 1)
    if path.suffix.lower() not in ENDINGS[output_format]:
        wanted = ENDINGS[output_format][0]
        raise InvalidArgument(
            f"'save_to' ends in {path.suffix[:20]}, but the image will be {output_format}",
            f"end it in {wanted}, or set output_format",
        )
    return Destination(folder=path.parent, stem=path.stem, ending=path.suffix, numbered=n > 1)


def write_copy(destination: Destination, index: int, data: bytes, own_name: str) -> Path:
    """Write one copy under the first free name and return its path. To be called in a thread. Raises StorageFailed."""
    stem, ending = destination.name(index, own_name)
    try:
        destination.folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = destination.folder / (f"{stem}{ending}" if number == 1 else f"{stem}-{number}{ending}")
            try:
                _write_new(path, data)
            except FileExistsError:
                if number == _TRIES:
                    raise
            else:
                return path
    except OSError as error:
        raise StorageFailed(
            f"{destination.folder} cannot be written: {error.strerror}", "choose another save_to"
        ) from None
    raise AssertionError("count() never ends")


def _write_new(path: Path, data: bytes) -> None:
    """Raises FileExistsError where anything has that name, a link included."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FOLLOW_NO_LINK | _BINARY, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
