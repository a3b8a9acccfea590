"""Logging to stderr, with anything that looks like a secret taken out; stdout is the protocol's."""

import logging
import re
import sys

_SECRETS = re.compile(
    r"(?P<key>\b(?:sk|sess|rk)-[A-Za-z0-9_\-]{6,})"
    r"|(?P<bearer>(?i:bearer|api-key)[\"':=\s]+)[A-Za-z0-9._~+/\-]{8,}=*"
    r"|(?P<data>data:[\w/+.\-]+;base64,)[A-Za-z0-9+/=]{16,}"
    r"|(?P<user>[a-z][a-z0-9+.\-]*://[^/\s:@]+:)[^@\s/]+(?=@)"
)


def redacted(text: str) -> str:
    """The text without keys, tokens, passwords in URLs, and image data."""

    def keep(match: re.Match[str]) -> str:
        return (match["bearer"] or match["data"] or match["user"] or "") + "[redacted]"

    return _SECRETS.sub(keep, text)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def configure(level: str) -> None:
    """Send all logging to stderr at `level`; replaces what an import may have set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
