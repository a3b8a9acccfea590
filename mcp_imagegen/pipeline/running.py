"""A turn that was opened, and what it has got so far: on its way to the provider, or found again after a crash."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from ..errors import StorageFailed
from ..inputs.destination import Destination
from ..ledger.entries import Attempt
from ..openai_api.retries import Tries
from ..openai_api.values import Finished, Made
from ..pricing.table import day_of
from ..pricing.values import Estimate, Work
from ..threads.values import StoredImage, Turn

Part = tuple[int, int | None]  # index of a picture, and of its partial frame (None: the finished picture)


@dataclass
class Found:
    """What a turn has already, most of all one that is taken up again: recorded pictures, files without a record by
    their keys, and those that had to be kept elsewhere than in the image store."""

    recorded: dict[Part, StoredImage] = field(default_factory=dict)
    files: dict[Part, str] = field(default_factory=dict)
    elsewhere: dict[Part, Path] = field(default_factory=dict)


@dataclass
class Running:
    """`entry` is the ledger's, of the request under way, and `price` the estimate of `work` that is held for it.
    `images` are the finished pictures that are saved and recorded, `unsaved` those that could not be, each with why.
    `tries` are the requests of this process, once it made one. Copies go to `destination`; for the pictures with the
    ids in `copied` they were written, or tried to be. `hurry`: there is no time to wait for room."""

    turn: Turn
    entry: Attempt | None
    price: Estimate | None = None
    work: Work | None = None
    images: list[tuple[Made, StoredImage]] = field(default_factory=list)
    unsaved: list[tuple[Made, StorageFailed]] = field(default_factory=list)
    finished: Finished | None = None
    response_id: str | None = None
    found: Found = field(default_factory=Found)
    warnings: list[str] = field(default_factory=list)
    tries: Tries | None = None
    destination: Destination | None = None
    copied: set[str] = field(default_factory=set)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def may_be_billed(self) -> bool:
        """Whether a request of the turn is being answered, as far as is known; between two, the last one was
        refused."""
        return self.tries is None or self.tries.under_way

    @property
    def priced_on(self) -> date:
        """The day whose prices the request under way has."""
        return day_of(self.entry.created_at if self.entry else self.turn.created_at)

    @property
    def key(self) -> tuple[str, int]:
        return self.turn.thread_id, self.turn.number

    @property
    def name(self) -> str:
        return name_of(*self.key)

    def count_recorded(self) -> None:
        """Let `images` be the recorded pictures, each once and in order, however often their answer was read."""
        made = {image.image_id: one for one, image in self.images}
        finals = [image for image in self.found.recorded.values() if image.role == "final"]
        finals.sort(key=lambda image: image.index)
        self.images = [(made.get(image.image_id, Made(b"", image.index)), image) for image in finals]

    def warn_of(self, index: int, wrong: str | None) -> None:
        """Tell, once, what is wrong with the picture of this index; it is kept all the same, since it is paid for."""
        if wrong is not None:
            warning = wrong if self.option("n") in (None, 1) else f"image {index + 1}: {wrong}"
            self.warnings += [warning] if warning not in self.warnings else []

    @property
    def asked_for(self) -> Work | None:
        """`work` as the request under way has it: without partial images where the provider refused to stream."""
        if self.work is None or self.tries is None or not self.tries.without_frames:
            return self.work
        return replace(self.work, partial_images=0)

    def warn_of_copies(self) -> None:
        """Tell that a call whose server ended before has its pictures, and not the copies that it asked for."""
        if self.images and (where := self.option("save_to")) is not None:
            self.warnings.append(
                f"no copy was written to {where}: the server ended before; the images are in the thread"
            )

    def option(self, name: str) -> Any:
        """An option as the caller gave it."""
        return self.turn.options.get(name)


def name_of(thread_id: str, number: int) -> str:
    """What a turn's copied answers are called: safe as a file name, and the turn can be told by it."""
    return f"{thread_id}-{number:03d}"
