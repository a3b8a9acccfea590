"""How an image can be named: an id of ours, a file id of OpenAI, a data URL, a web address, or a path."""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from ..errors import FetchBlocked, InvalidArgument

Kind = Literal["image_id", "file_id", "data", "https", "path"]
PATH_LIMIT = 4_096  # characters
URL_LIMIT = 8_192  # characters
_IMAGE_ID = re.compile(r"img_[0-9a-f]{32}")
_FILE_ID = re.compile(r"file-[A-Za-z0-9_-]{1,128}")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: `C:` is a drive
# What could forge a line of an error, or end a path early. Not `isprintable`: it refuses the narrow no-break space
# that macOS writes into the names of screenshots, and what joins emoji.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SCHEMES = ("https", "http", "file", "image", "ftp", "blob")  # what else has a colon may be a file name
TAKEN = "name an image by path, file://, https://, data: URL, OpenAI file id, or image_id"
_NO_PATH = "the reference holds characters that no path or URL has"


@dataclass(frozen=True)
class Reference:
    """A reference that was read, not yet followed. `value` is an id, a URL, or a path as the caller wrote it."""

    kind: Kind
    value: str

    @property
    def is_near(self) -> bool:
        """Whether the picture can be had without network."""
        return self.kind not in ("https", "file_id")


def parse(text: str) -> Reference:
    """Read a reference: ids by their exact patterns, then a URL scheme, else a path.

    Raises InvalidArgument for what can be none of them, FetchBlocked for plain http. Neither repeats a long value.
    """
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() == "data":  # megabytes, which decoding checks in a thread
        return Reference("data", text.strip())
    if not text or text.isspace():
        raise InvalidArgument("the reference is empty", TAKEN)
    if scheme and (scheme[1].lower() in _SCHEMES or text[scheme.end() :].startswith("//")):
        return _url(scheme[1].lower(), text.strip())
    bare = text.strip()
    if _IMAGE_ID.fullmatch(bare):
        return Reference("image_id", bare)
    if _FILE_ID.fullmatch(bare):
        return Reference("file_id", bare)
    return _path(text)


def has_control(text: str) -> bool:
    """Whether a text holds characters that no path or URL has: controls, line separators, halves of a character."""
    return _CONTROL.search(text) is not None


def _url(scheme: str, text: str) -> Reference:
    if len(text) > URL_LIMIT:
        raise InvalidArgument("the URL is too long", TAKEN)
    if has_control(text):
        raise InvalidArgument(_NO_PATH, TAKEN)
    if scheme == "https":
        return Reference("https", text)
    if scheme == "http":
        raise FetchBlocked("plain http is not fetched", "use an https:// URL, or save the picture and give its path")
    if scheme == "file":
        return _path(_path_of(text))
    if scheme == "image" and _IMAGE_ID.fullmatch(text.partition("//")[2]):  # the uri of our own results
        return Reference("image_id", text.partition("//")[2])
    raise InvalidArgument(f"a URL with {scheme[:20]}: is not taken", TAKEN)


def _path_of(url: str) -> str:
    """The path of a file:// URL on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidArgument("the file:// URL cannot be read", TAKEN) from None
    if parts.netloc not in ("", "localhost"):
        raise InvalidArgument("a file:// URL of another host is not taken", "use file:///path/on/this/machine")
    if not parts.path.startswith("/"):
        raise InvalidArgument("a file: URL names the whole path", "use file:///path/on/this/machine")
    path = unquote(parts.path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _path(text: str) -> Reference:
    if len(text) > PATH_LIMIT:
        raise InvalidArgument("this can be no path: it is too long", TAKEN)
    if has_control(text):
        raise InvalidArgument(_NO_PATH, TAKEN)
    return Reference("path", text)
