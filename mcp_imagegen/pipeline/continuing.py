"""How the API is told what a turn continues from: by an id that it keeps, or by the saved image."""

from dataclasses import dataclass

from ..operations import ContinueImageThread
from ..settings import Settings
from ..threads.values import StoredImage, Thread, Turn

FORGOTTEN = "the API no longer knows the earlier image by its id, so the saved image was sent"
FILE_GONE = "the file of the earlier image is gone from the image folder; this works while the API knows it by its id"
NOT_STORED = "the API keeps nothing (MCP_IMAGEGEN_STORE=off), so the saved image was sent instead of its id"
WORDS_FORGOTTEN = "the API no longer knows the earlier turn by its id, so its words were sent again"
WORDS_NOT_STORED = (
    "the API keeps nothing (MCP_IMAGEGEN_STORE=off), so the words of the earlier turn were sent instead of its id"
)

Exchange = tuple[str, str]  # what was asked, and what the model said instead of drawing


@dataclass(frozen=True)
class Parent:
    """The image a continuation starts from (None where the thread has words alone so far), the turn that made it, and
    the turns after it that the model answered with text alone, which this turn answers. `answered` and `conversation`
    are those whose words the host model reads again, with either history."""

    image: StoredImage | None
    turn: Turn
    warnings: tuple[str, ...] = ()
    texts: tuple[Turn, ...] = ()
    answered: tuple[Turn, ...] = ()
    conversation: tuple[Turn, ...] = ()

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple((turn.prompt, turn.text or "") for turn in self.texts)


def model_of(thread: Thread | None, parent: Parent | None, settings: Settings) -> str:
    """The model of a call that names none. A thread goes on with its parent's, by the name that was asked for: on Azure
    several deployments may have one model, and a thread keeps to its own. Where that name means something else by now,
    it is the model's."""
    if thread is None or parent is None:
        return settings.model
    turn = parent.turn
    makers = {image.image_id: maker for maker in thread.turns for image in maker.images}
    asked: Turn | None = turn
    while asked is not None and asked.options.get("model") is None:
        asked = makers.get(asked.from_image or "")
    for name in (asked.options["model"] if asked else None, settings.model):
        if isinstance(name, str) and settings.model_behind(name) == turn.model:
            return name
    return turn.model


@dataclass(frozen=True)
class Way:
    """At most one of the ids is set; without either, the saved image goes along. `exchanges` are told in words where no
    chain of responses has them."""

    call_id: str | None = None
    previous_response_id: str | None = None
    exchanges: tuple[Exchange, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def by_id(self) -> bool:
        return self.call_id is not None or self.previous_response_id is not None


def way_of(operation: ContinueImageThread, parent: Parent, *, provider: str, store: bool, keeps: bool = True) -> Way:
    """The cheapest way that can work: an id that is known to be forgotten is not tried again. `store` is the setting,
    `keeps` whether the provider keeps anything as far as is known."""
    image, text = parent.image, parent.texts[-1] if parent.texts else None
    turn = text or parent.turn
    if text is not None:
        named, forgotten = text.response_id, text.forgotten_at
    elif image is None:
        return Way()
    elif operation.history == "full":
        named, forgotten = turn.response_id if image.role == "final" else None, turn.forgotten_at
    else:
        named, forgotten = image.call_id, image.forgotten_at or turn.forgotten_at
    if named is None or turn.provider != provider:
        return Way(exchanges=parent.exchanges)
    if not store or not keeps or forgotten is not None:
        return Way(exchanges=parent.exchanges, warnings=(sent_instead(parent, store=store),))
    if text is None and operation.history == "image":
        return Way(call_id=named)
    return Way(previous_response_id=named)


def sent_instead(parent: Parent, *, store: bool = True) -> str:
    """What is told of a turn that names nothing by an id: what went in its place."""
    if parent.image is None:
        return WORDS_FORGOTTEN if store else WORDS_NOT_STORED
    return FORGOTTEN if store else NOT_STORED
