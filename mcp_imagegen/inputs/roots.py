"""The folders that files may be read from and written to, and reading from them without being led astray."""

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePath

import platformdirs

from ..errors import InputNotFound, InputRejected, PathNotAllowed
from ..settings import Settings, system_folders
from .opening import opened_file

_SHOWN = 200  # characters of a path in an error


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
        if on_another_host(Path(path_text)) and not any(on_another_host(root) for root in roots):
            raise self._refused(roots, purpose)
        try:
            path = (self.working / Path(path_text).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, an unknown ~user
            raise self._refused(roots, purpose) from None
        inside = [path.relative_to(root).parts for root in roots if path.is_relative_to(root)]
        if not inside:
            raise self._refused(roots, purpose)
        if all(any(part.startswith(".") for part in parts) for parts in inside):  # a root may lie in a dot-folder
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
        inside = any(working.is_relative_to(root) for root in named)
        return Roots((*named, images), (*named, images), working if inside else named[0])
    own = () if _is_nobodys(working) else (working,)
    known = (
        platformdirs.user_pictures_path(),
        platformdirs.user_downloads_path(),
        platformdirs.user_desktop_path(),
        platformdirs.user_documents_path(),
    )
    # Where a system has no such folder it names the home folder instead.
    personal = tuple(folder.resolve() for folder in known if not _is_nobodys(folder.resolve()))
    return Roots((*own, images, *personal), (*own, images), own[0] if own else images)


def _is_nobodys(folder: Path) -> bool:
    """Whether a resolved folder is a system folder, the home folder, or holds it."""
    return folder in Path.home().resolve().parents or folder in {one.resolve() for one in system_folders()}


def on_another_host(path: PurePath) -> bool:
    """Whether this is a network path of Windows: only to resolve it would give the user's password hash to its host."""
    return path.drive.startswith(("\\\\", "//"))


def read_file(path_text: str, roots: Roots, *, max_bytes: int) -> bytes:
    """The bytes of a regular file inside a root. To be called in a thread.

    The path is resolved before it is checked, and opened without following a link that was put there since. Raises
    PathNotAllowed, InputNotFound, or InputRejected for what is no file or larger than `max_bytes`.
    """
    path = roots.allowed_to_read(path_text)
    try:
        with opened_file(path) as descriptor:
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


def _too_large(path: Path, max_bytes: int) -> InputRejected:
    return InputRejected(f"{path.name} is larger than {max_bytes // 1_000_000} MB", "scale it down or compress it")


def _unreadable(path: Path, error: OSError) -> InputNotFound | InputRejected | PathNotAllowed:
    shown = str(path) if len(str(path)) <= _SHOWN else f"…{str(path)[-_SHOWN:]}"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputNotFound(f"there is no file {shown}", "check the path")
    if error.errno == errno.ELOOP:
        return PathNotAllowed(f"{shown} became a link while it was read", "name the file itself")
    return InputRejected(f"{shown} cannot be read: {error.strerror}", "make it readable, or copy it elsewhere")
