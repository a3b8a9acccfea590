"""Copies of results where the caller wants them: checked before anything is spent, and never over an existing file."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgument, PathNotAllowed, StorageFailed
from .opening import opened_folder, write_new
from .reference import has_control
from .roots import Roots

ENDINGS = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "webp": (".webp",),
    "gif": (".gif",),
    "svg": (".svg",),
}
_TRIES = 10_000  # names that are tried beside one that is taken
_NAME_BYTES = 240  # file systems take 255, and a number may be added


@dataclass(frozen=True)
class Destination:
    """Where copies go: a folder, and the name of the file, or None to take the image's own."""

    folder: Path
    stem: str | None
    ending: str | None
    numbered: bool  # several images under one name

    def name(self, index: int, own_name: str) -> tuple[str, str]:
        """Stem and ending of the copy of image `index` (from 0), whose own name has the ending of its real type: a
        provider may answer in another format than was asked for."""
        own = Path(own_name)
        if self.stem is None:
            return own.stem, own.suffix
        asked = (self.ending or "").lower()
        fits = any(asked in endings and own.suffix in endings for endings in ENDINGS.values())
        ending = self.ending if self.ending and fits else own.suffix
        return f"{self.stem}-{index + 1}" if self.numbered else self.stem, ending


def check_destination(save_to: str, roots: Roots | None, output_format: str, n: int) -> Destination:
    """Read `save_to`: a folder (it exists, or ends in a separator) or a file name. To be called in a thread.

    Raises PathNotAllowed outside the writing roots, InvalidArgument where the ending does not fit the format.
    """
    if roots is None:
        raise PathNotAllowed(
            "save_to would write to the server's disk, which a client over HTTP does not see",
            "leave save_to out and read the image:// resource of the result",
        )
    if not save_to.strip() or has_control(save_to):
        raise InvalidArgument("'save_to' is empty or holds characters that no path has", "name a folder or file")
    path = roots.allowed_to_write(save_to)
    # A root may not exist yet; it is a folder all the same, and what lies beside it is outside.
    is_folder = save_to.endswith(("/", os.sep)) or path in roots.writing
    try:
        is_folder = is_folder or path.is_dir()
        _check_way(path if is_folder else path.parent)
    except OSError as error:
        raise InvalidArgument(f"'save_to' cannot be used: {error.strerror}", "name another folder or file") from None
    if is_folder:
        return Destination(folder=path, stem=None, ending=None, numbered=n > 1)
    if len(os.fsencode(path.name)) > _NAME_BYTES:
        raise InvalidArgument("the file name in 'save_to' is too long", "shorten it")
    if path.suffix == "":
        return Destination(folder=path.parent, stem=path.name, ending=None, numbered=n > 1)
    if path.suffix.lower() not in ENDINGS[output_format]:
        wanted = ENDINGS[output_format][0]
        raise InvalidArgument(
            f"'save_to' ends in {path.suffix[:20]}, but the image will be {output_format}",
            f"end it in {wanted}, or set output_format",
        )
    return Destination(folder=path.parent, stem=path.stem, ending=path.suffix, numbered=n > 1)


def _check_way(folder: Path) -> None:
    """Raises NotADirectoryError where a file stands in the place of the folder or on the way to it."""
    nearest = next(one for one in (folder, *folder.parents) if one.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{nearest.name} is no folder")


def write_copy(destination: Destination, index: int, data: bytes, own_name: str) -> Path:
    """Write one copy under the first free name and return its path. To be called in a thread. Raises StorageFailed."""
    stem, ending = destination.name(index, own_name)
    try:
        with opened_folder(destination.folder, make=True) as folder:
            for number in range(1, _TRIES + 1):
                path = destination.folder / (f"{stem}{ending}" if number == 1 else f"{stem}-{number}{ending}")
                try:
                    write_new(path, data, folder)
                except FileExistsError:
                    continue
                return path
    except OSError as error:
        raise StorageFailed(
            f"{destination.folder} cannot be written: {error.strerror}", "choose another save_to"
        ) from None
    raise StorageFailed(f"{_TRIES:,} names like {stem}{ending} are taken", "choose another save_to")
