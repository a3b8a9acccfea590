"""Threads, turns and images as they are stored: plain frozen values, importable without a database.

A thread is a tree. A turn points with `from_image` at the image it started from, and so at the turn that made that
image; continuing or branching copies nothing. Amounts are integers of 10^-9 USD ("nano"), times are UTC.
"""

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

TITLE_LIMIT = 80  # characters
_TURNING = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})  # the direction of writing

TurnKind = Literal["generate", "edit", "continue"]
Outcome = Literal["completed", "text_only", "failed", "cancelled", "lost"]
TurnStatus = Literal["in_progress", Outcome]
Api = Literal["image", "responses"]
CostBasis = Literal["billed", "estimated"]


@dataclass(frozen=True)
class StoredImage:
    """A saved picture, width x height in pixels. `index` counts from 0 within its call, `frame` (partial images only)
    from 0 within its picture; `key` names the file in the image store. Since `forgotten_at` the API is known not to
    know `call_id`."""

    image_id: str
    thread_id: str
    turn: int
    index: int
    role: Literal["final", "frame"]
    frame: int | None
    key: str
    mime_type: str
    width: int
    height: int
    bytes: int
    sha256: str
    call_id: str | None
    revised_prompt: str | None
    action: str | None
    created_at: datetime
    forgotten_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One call of a thread, numbered from 1.

    While it is in progress it belongs to `owner_process` until `lease_until`. `options` are the caller's, `resolved`
    what the API made of them. `error` has code, sentence, fix, request_id and may_be_billed. `images` are the
    pictures by index, then the partial frames. `fingerprint` is the same for the same call made again. `waiter` is the
    process whose caller waits for the turn; since `abandoned_at` nobody does, and nobody was given what became of it.
    Since `stop_at` its owner is asked to stop. Since `forgotten_at` the API is known not to know `response_id`, nor the
    calls in it.
    `account` tells with which settings the provider was asked.
    """

    thread_id: str
    number: int
    kind: TurnKind
    prompt: str
    status: TurnStatus
    from_image: str | None
    provider: str
    api: Api
    model: str
    host_model: str | None
    options: dict[str, Any]
    resolved: dict[str, Any] | None = None
    text: str | None = None
    error: dict[str, Any] | None = None
    response_id: str | None = None
    request_id: str | None = None
    estimate_nano: int | None
    cost_nano: int | None = None
    cost_basis: CostBasis | None = None
    prices_as_of: date | None = None
    usage: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    owner_process: str
    lease_until: datetime
    created_at: datetime
    finished_at: datetime | None = None
    images: tuple[StoredImage, ...] = ()
    fingerprint: str | None = None
    abandoned_at: datetime | None = None
    waiter: str | None = None
    stop_at: datetime | None = None
    forgotten_at: datetime | None = None
    account: str | None = None

    @property
    def finals(self) -> tuple[StoredImage, ...]:
        """The pictures, without the partial frames."""
        return tuple(image for image in self.images if image.role == "final")

    @property
    def is_given(self) -> bool:
        """Whether somebody was given what became of it."""
        return self.waiter is None and self.abandoned_at is None

    @property
    def never_kept(self) -> bool:
        """Whether the API is known to keep nothing for the account that made it."""
        return self.forgotten_at is not None and self.forgotten_at < self.created_at


@dataclass(frozen=True)
class Thread:
    """A thread with all its turns, oldest first. `label` names the client session it was opened in."""

    thread_id: str
    owner: str
    label: str | None
    title: str
    created_at: datetime
    updated_at: datetime
    provider: str
    turns: tuple[Turn, ...]

    @property
    def parents(self) -> dict[int, int]:
        """By the number of a turn: that of the turn whose image it started from, for those that started from one."""
        makers = {image.image_id: turn.number for turn in self.turns for image in turn.images}
        return {turn.number: makers[turn.from_image] for turn in self.turns if turn.from_image in makers}

    @property
    def cost_nano(self) -> int:
        """What the turns cost together; a turn whose cost is not known counts nothing."""
        return sum(turn.cost_nano or 0 for turn in self.turns)


@dataclass(frozen=True)
class ThreadSummary:
    """A thread in a list: how many turns and pictures (without partial frames) it has, what they cost, and how many
    bytes its files have (with partial frames)."""

    thread_id: str
    title: str
    label: str | None
    created_at: datetime
    updated_at: datetime
    turns: int
    images: int
    cost_nano: int
    provider: str
    owner: str
    bytes: int


def title_of(prompt: str) -> str:
    """The prompt as a title: one line of at most 80 characters, without control characters."""
    return one_line(prompt, TITLE_LIMIT)


def one_line(text: str, limit: int) -> str:
    """The text in one line of at most `limit` characters, without control characters."""
    line = " ".join("".join(" " if _controls(char) else char for char in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _controls(char: str) -> bool:
    return unicodedata.category(char) == "Cc" or unicodedata.bidirectional(char) in _TURNING
