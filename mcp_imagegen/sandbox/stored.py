"""What the sandbox remembers, in memory: files, responses, and the images that response items carry."""

import asyncio
import secrets
import string
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from .event_log import EventLog

KEPT = 512 * 1024 * 1024  # bytes of each kind; the oldest are forgotten first
RETENTION = 30 * 24 * 3600  # seconds that a stored response is kept
Hold = Callable[[str], Awaitable[None]]
LETTERS = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """An id as OpenAI's look: `resp_`, `ig_`, `msg_`, `rs_` and 50 hexadecimal digits, or `file-` and 22 letters."""
    if prefix == "file":
        return "file-" + "".join(secrets.choice(LETTERS) for _ in range(22))
    return f"{prefix}_{secrets.token_hex(25)}"


class Kept(Protocol):
    """Something with an id, a size in bytes and perhaps an end (Unix seconds)."""

    @property
    def id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def expires_at(self) -> float | None: ...


K = TypeVar("K", bound=Kept)


class Shelf(Generic[K]):
    """Things by id, in order of arrival, until they expire, are removed, or make room for newer ones."""

    def __init__(self, clock: Callable[[], float], room: int = KEPT) -> None:
        self._clock = clock
        self._room = room
        self._things: OrderedDict[str, K] = OrderedDict()

    def put(self, thing: K) -> None:
        self._things[thing.id] = thing
        taken = sum(one.size for one in self._things.values())
        while taken > self._room and len(self._things) > 1:
            taken -= self._things.popitem(last=False)[1].size

    def get(self, thing_id: str) -> K | None:
        thing = self._things.get(thing_id)
        if thing is not None and thing.expires_at is not None and thing.expires_at <= self._clock():
            del self._things[thing_id]
            return None
        return thing

    def pop(self, thing_id: str) -> K | None:
        return None if self.get(thing_id) is None else self._things.pop(thing_id)

    def all(self) -> list[K]:
        return [thing for thing_id in list(self._things) if (thing := self.get(thing_id)) is not None]


@dataclass(frozen=True)
class StoredFile:
    id: str
    filename: str
    purpose: str
    created_at: int
    expires_at: int | None
    data: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.data)

    def body(self) -> dict[str, Any]:
        """The file object."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created_at,
            "expires_at": self.expires_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "status_details": None,
        }


@dataclass(frozen=True)
class ContextImage:
    """An image of a conversation: one that was sent, or one that an image_generation_call made (`call_id`)."""

    data: bytes = field(repr=False)
    call_id: str | None = None


@dataclass(frozen=True)
class StoredItem:
    """An output item that can be referred to by its id alone; an image_generation_call has its image."""

    id: str
    image: ContextImage | None
    expires_at: float | None

    @property
    def size(self) -> int:
        return len(self.image.data) if self.image else 0


@dataclass(frozen=True)
class StoredResponse:
    """A response with its body, the images of its conversation so far, oldest first, and the ids of its own items;
    the log of its events where it is streamed in the background."""

    id: str
    body: dict[str, Any]
    images: tuple[ContextImage, ...]
    items: tuple[str, ...]
    expires_at: float | None
    events: EventLog | None = None

    @property
    def under_way(self) -> bool:
        """Whether it is still being made, which only one in the background is."""
        return self.body["status"] in {"queued", "in_progress"}

    @property
    def size(self) -> int:
        return sum(len(image.data) for image in self.images) + (self.events.size if self.events else 0)


class State:
    """Everything of one key that outlives a request: each key is an organization of its own.

    `before_drawing` is awaited with the prompt before each picture. `retains` is False with zero data retention.
    `tasks` make the responses in the background, by their ids.
    """

    def __init__(
        self, clock: Callable[[], float], seconds_per_image: float, before_drawing: Hold, *, retains: bool = True
    ) -> None:
        self.clock = clock
        self.retains = retains
        self.seconds_per_image = seconds_per_image
        self.before_drawing = before_drawing
        self.files: Shelf[StoredFile] = Shelf(clock)
        self.items: Shelf[StoredItem] = Shelf(clock)
        self.responses: Shelf[StoredResponse] = Shelf(clock)
        self.struck: set[tuple[str, str]] = set()
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def forget(self, *ids: str) -> None:
        """Forget the responses, items and files with these ids; without ids all of them."""
        shelves: tuple[Shelf[Any], ...] = (self.files, self.items, self.responses)
        for shelf in shelves:
            for thing_id in ids or [thing.id for thing in shelf.all()]:
                shelf.pop(thing_id)

    def file_data(self, file_id: str) -> bytes | None:
        file = self.files.get(file_id)
        return None if file is None else file.data
