"""Whom a request went to, and how much of the answer's words may be repeated."""

import re
from dataclasses import dataclass, field

from ..logs import redacted
from .redaction import TAKEN_OUT, without

LONGEST_QUOTE = 500  # characters of a provider's own words
_LONGEST_READ = 2_000  # characters that are searched for secrets
_KEY_IN_TEXT = re.compile(r"(api[ _-]?key\b[^:=]{0,40}[:=]\s*)(?!//)\S+", re.IGNORECASE)
_MASKED = re.compile(r"\S\*{3}|\bsk-\S*\.\.\.", re.IGNORECASE)  # a key of which the middle is left out


@dataclass(frozen=True)
class Asked:
    """One request. `origin` is scheme, host and port, `endpoint` method and path, `secret` the key that was sent,
    `paid` whether it could cost money, `streamed` whether events were asked for, `background` whether the answer was to
    be worked on in the background, `by_id` whether for something that the id in the path names, `ids` those of earlier
    calls and responses in its body, `hosts` the names of the model that hosts the image tool, `of_openai` whether the
    account is one of OpenAI's own platform, `key_name` and `address_name` the settings that the two come from."""

    origin: str
    endpoint: str
    secret: str | None = field(repr=False)
    paid: bool
    streamed: bool = False
    background: bool = False
    by_id: bool = False
    ids: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    of_openai: bool = True
    key_name: str = "OPENAI_API_KEY"
    address_name: str = "OPENAI_BASE_URL"

    @property
    def key(self) -> str:
        """The key by where it came from, never by its value."""
        return f"the key in {self.key_name}" if self.secret else f"a call without a key ({self.key_name} is not set)"

    def repeats_a_key(self, text: str) -> bool:
        """Whether the provider's words hold a key, or part of one."""
        return any(key.search(text[:_LONGEST_READ]) for key in (_KEY_IN_TEXT, _MASKED))

    @property
    def on_azure(self) -> bool:
        return self.address_name == "AZURE_OPENAI_ENDPOINT"

    def quote(self, text: str) -> str:
        """The provider's words on one line, without the key or anything that looks like one, and not too long."""
        if self.secret and len(self.secret) >= 4:
            text = without(text.replace(self.secret, TAKEN_OUT), self.secret)
        text = redacted(_KEY_IN_TEXT.sub(r"\1[redacted]", " ".join(text[:_LONGEST_READ].split())))
        return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1].rstrip() + "…"
