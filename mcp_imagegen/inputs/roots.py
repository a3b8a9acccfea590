"""The folders that files may be read from and written to, and reading from them without being led astray."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from ..errors import InputNotFound, InputRejected, PathNotAllowed
from ..settings import Settings, system_folders

_FOLLOW_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0)
_PASS_THROUGH = getattr(os, "O_PATH", os.O_RDONLY)  # a folder on the way need not be readable
_DO_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a pipe without a writer would wait for one
_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class Roots:
    """Resolved folders. What a caller names relatively lies in `working`."""

    reading: tuple[Path, ...]
    writing: tuple[Path, ...]
    working: Path

    def allowed_to_read(self, path_text: str) -> Path:
        """The resolved path, of a file that need not exist. Raises PathNotAllowed."""
        return self._allowed(path_text, self.reading, "read from")

    def allowed_to_write(self, path_text: str) -> Path:
        """The resolved path, of a file that need not exist. Raises PathNotAllowed."""
        return self._allowed(path_text, self.writing, "written to")

    def _allowed(self, path_text: str, roots: tuple[Path, ...], purpose: str) -> Path:
        try:
            path = (self.working / Path(path_text).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, an unknown ~user
            raise self._refused(roots, purpose) from None
        root = next((root for root in roots if path.is_relative_to(root)), None)
        if root is None:
            raise self._refused(roots, purpose)
        if any(part.startswith(".") for part in path.relative_to(root).parts):
            raise PathNotAllowed(
                "dot-files and dot-folders are not touched", "use a file or folder without a leading dot"
            )
        return path

    def _refused(self, roots: tuple[Path, ...], purpose: str) -> PathNotAllowed:
        listed = ", ".join(str(root) for root in roots)
        return PathNotAllowed(
            f"the path lies outside the folders that may be {purpose}: {listed}",
            "move the file there, or name its folder in MCP_IMAGEGEN_ROOTS",
        )


def roots_of(settings: Settings, working: Path) -> Roots:
    """The roots by the settings. The image folder always belongs to them; the working folder unless it is the home
    folder or a system folder, where clients may happen to start a server."""
    working, images = working.resolve(), settings.images.resolve()
    if settings.roots:
        named = tuple(root.resolve() for root in settings.roots)
        return Roots((*named, images), (*named, images), named[0])
    own = () if working in system_folders() else (working,)
    known = (
        platformdirs.user_pictures_path(),
        platformdirs.user_downloads_path(),
        platformdirs.user_desktop_path(),
        platformdirs.user_documents_path(),
    )
    # Where a system has no such folder it names the home folder instead.
    personal = tuple(folder.resolve() for folder in known if folder.resolve() not in system_folders())
    return Roots((*own, images, *personal), (*own, images), own[0] if own else images)


def read_file(path_text: str, roots: Roots, *, max_bytes: int) -> bytes:
    """The bytes of a regular file inside a root. To be called in a thread.

    The path is resolved before it is checked, and opened without following a link that was put there since. Raises
    PathNotAllowed, InputNotFound, or InputRejected for what is no file or larger than `max_bytes`.
    """
    path = roots.allowed_to_read(path_text)
    try:
        with _opened(path) as descriptor:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise InputRejected(f"{path.name} is no regular file", "name an image file")
            if status.st_size > max_bytes:
                raise _too_large(path, max_bytes)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                data = file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, error) from None
    if len(data) > max_bytes:
        raise _too_large(path, max_bytes)
    return data


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of the file, reached folder by folder without following links; the path is resolved, so that any
    link on it was put there afterwards."""
    flags = os.O_RDONLY | _FOLLOW_NO_LINK | _DO_NOT_WAIT | _BINARY
    if os.open not in os.supports_dir_fd or not _FOLDER:
        descriptor = os.open(path, flags)
    else:
        folder = os.open(path.anchor, _PASS_THROUGH | _FOLDER)
        try:
            for part in path.parts[1:-1]:
                inner = os.open(part, _PASS_THROUGH | _FOLDER | _FOLLOW_NO_LINK, dir_fd=folder)
                os.close(folder)
                folder = inner
            descriptor = os.open(path.name or ".", flags, dir_fd=folder)
        finally:
            os.close(folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _too_large(path: Path, max_bytes: int) -> InputRejected:
    return InputRejected(f"{path.name} is larger than {max_bytes // 1_000_000} MB", "scale it down or compress it")


def _unreadable(path: Path, error: OSError) -> InputNotFound | InputRejected | PathNotAllowed:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputNotFound(f"there is no file {path}", "check the path")
    if error.errno == errno.ELOOP:
        return PathNotAllowed(f"{path} became a link while it was read", "name the file itself")
    return InputRejected(f"{path} cannot be read: {error.strerror}", "make it readable, or copy it elsewhere")
