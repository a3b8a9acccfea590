"""Logging to stderr, with anything that looks like a secret taken out; stdout is the protocol's."""

import logging
import re
import sys

LONGEST_LINE = 20_000  # characters; no line of ours is longer, and a provider's answer in one is no use
# Every repetition is bounded, so that a hostile text costs no more than its length.
_SECRETS = re.compile(
    r"\b(?:sk|sess|rk)-[A-Za-z0-9_\-]{6,}"
    r"|(?P<auth>(?i:\bbearer|\bbasic|\bapi-key)[\"':=\s]{1,8})[A-Za-z0-9._~+/\-]{8,}=*"
    r"|(?P<data>data:[\w/+.\-]{1,80};base64,)[A-Za-z0-9+/=]{16,}"
    r"|(?P<user>(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^/\s:@]{0,200}:)[^@\s/]{1,500}(?=@)"
)
_QUERIES = re.compile(r"(\bhttps?://[^\s?\"'<>]{1,2000}\?)[^\s\"'<>]{1,4000}")


def redacted(text: str) -> str:
    """The text without keys, tokens, passwords and queries of URLs, and image data."""

    def keep(match: re.Match[str]) -> str:
        return (match["auth"] or match["data"] or match["user"] or "") + "[redacted]"

    return _SECRETS.sub(keep, _QUERIES.sub(r"\1[redacted]", text))


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return redacted(line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "…")


def configure(level: str, *, causes: bool = True) -> None:
    """Send all logging to stderr at `level`; replaces what an import may have set up.

    Without `causes`, what is logged with a traceback is left out, except at DEBUG: for commands, whose user reads on
    the same screen in a sentence what has failed.
    """
    handler = logging.StreamHandler(sys.stderr)
    if not causes and level != "DEBUG":
        handler.addFilter(lambda record: not record.exc_info)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)  # at DEBUG it logs every value that is stored
    for name in ("httpcore2", "httpx2"):  # at DEBUG they log headers, and a provider may repeat a key in its own
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger().level))
