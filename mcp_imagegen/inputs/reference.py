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
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: `C:` is a drive
TAKEN = "name an image by path, file://, https://, data: URL, OpenAI file id, or image_id"


@dataclass(frozen=True)
class Reference:
    """A reference that was read, not yet followed. `value` is an id, a URL, or a path as the caller wrote it."""

    kind: Kind
    value: str


def parse(text: str) -> Reference:
    """Read a reference: ids by their exact patterns, then a URL scheme, else a path.

    Raises InvalidArgument for what can be none of them, FetchBlocked for plain http. Neither repeats a long value.
    """
    if not text.strip():
        raise InvalidArgument("the reference is empty", TAKEN)
    if "\0" in text or not text.isprintable():
        raise InvalidArgument("the reference holds characters that no path or URL has", TAKEN)
    if _IMAGE_ID.fullmatch(text):
        return Reference("image_id", text)
    if _FILE_ID.fullmatch(text):
        return Reference("file_id", text)
    if scheme := _SCHEME.match(text):
        return _url(scheme[1].lower(), text)
    return _path(text)


def _url(scheme: str, text: str) -> Reference:
    if scheme == "data":
        return Reference("data", text)
    if len(text) > URL_LIMIT:
        raise InvalidArgument("the URL is too long", TAKEN)
    if scheme == "https":
        return Reference("https", text)
    if scheme == "http":
        raise FetchBlocked("plain http is not fetched", "use an https:// URL, or save the picture and give its path")
    if scheme == "file":
        return _path(_path_of(text))
    raise InvalidArgument(f"a URL with {scheme[:20]}: is not taken", TAKEN)


def _path_of(url: str) -> str:
    """The path of a file:// URL on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidArgument("the file:// URL cannot be read", TAKEN) from None
    if parts.netloc not in ("", "localhost"):
        raise InvalidArgument("a file:// URL of another host is not taken", "use file:///path/on/this/machine")
    path = unquote(parts.path)
    if "\0" in path:
        raise InvalidArgument("the reference holds characters that no path or URL has", TAKEN)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _path(text: str) -> Reference:
    if not text or len(text) > PATH_LIMIT:
        raise InvalidArgument("this can be no path: it is empty or too long", TAKEN)
    return Reference("path", text)
