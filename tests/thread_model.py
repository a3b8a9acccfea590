"""What threads should come to: a plain model of calls, turns, pictures and ids that knows nothing of the server.

A call is an `Ask`. `Model.open` says what the server should do with it: refuse it, or open a `Turn` and send so many
requests; `finish`, `orphan` and `settle` say how the turn should end. Time is counted in minutes.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal

# Where an answer may be held: not begun, not sent, sent by half, whole with its first picture saved and not recorded.
Place = Literal["drawing", "answer", "middle", "saved"]
Status = Literal["in_progress", "completed", "text_only", "failed", "cancelled", "lost"]
Price = Literal["billed", "estimated"]
WORTH = 10  # minutes for which what nobody was given answers the same call made again
MOST = 3  # requests that a fault may cost


@dataclass(eq=False)
class Id:
    """An id of the API's: whether it still `known`s it, and whether the server has found out that it does not."""

    known: bool
    dead: bool = False


@dataclass(eq=False)
class Picture:
    turn: "Turn" = field(repr=False)
    index: int
    call: Id | None
    gone: bool = False  # its file was deleted


@dataclass(frozen=True)
class Setting:
    """What a server is started with; `abort`: it ends a call whose caller leaves."""

    store: bool = True
    api: Literal["image", "responses"] = "image"
    abort: bool = False


@dataclass(frozen=True)
class Ask:
    """A call's arguments. `trouble` is what the sandbox is told to do by a word in the prompt; with `frames`, partial
    images, the answer is streamed."""

    tool: Literal["generate", "edit", "continue"]
    number: int
    trouble: str = ""
    n: int = 1
    thread: "Thread | None" = None
    start: Picture | None = None
    history: Literal["image", "full"] = "image"
    references: tuple[Picture, ...] = ()
    mask: bool = False
    frames: int = 0

    @property
    def prompt(self) -> str:
        return f"scene {self.number}." + (f" sandbox:{self.trouble}" if self.trouble else "")


@dataclass(eq=False)
class Turn:
    """`told` are the prompts that its request tells again in words; `posts` the requests it takes; `owner` the server
    that works on it (None: it has died); `left` whether nobody waits for it or was given it, and `deserted` whether
    who waited was killed, which nobody has noticed yet."""

    ask: Ask
    thread: "Thread" = field(repr=False)
    number: int
    parent: Picture | None
    api: Literal["image", "responses"]
    background: bool
    owner: int | None
    told: tuple[str, ...] = ()
    posts: int = 0
    status: Status = "in_progress"
    price: Price | None = None
    pictures: list[Picture] = field(default_factory=list)
    response: Id | None = None
    left: bool = False
    deserted: bool = False
    ended: int = 0
    named: bool = False  # the server has the id of its response
    whole: bool = False  # its answer has come to its end
    after: tuple["Turn", ...] = ()  # those of its thread that had ended when it began

    @property
    def given(self) -> bool:
        return self.status != "in_progress" and not self.left and not self.deserted

    @property
    def draws_nothing(self) -> bool:
        return self.ask.trouble == "text-only" and self.api == "responses"


@dataclass(eq=False)
class Thread:
    turns: list[Turn] = field(default_factory=list, repr=False)
    deleted: bool = False

    @property
    def pictures(self) -> list[Picture]:
        return [picture for turn in self.turns for picture in turn.pictures]


class Model:
    def __init__(self) -> None:
        self.threads: list[Thread] = []  # with the deleted ones
        self.minutes = 0
        self.struck: set[Ask] = set()  # whose request has met its one server error
        self._opened: list[Turn] = []  # in the order in which they were

    @property
    def living(self) -> list[Thread]:
        return [thread for thread in self.threads if not thread.deleted]

    @property
    def turns(self) -> list[Turn]:
        return [turn for thread in self.threads for turn in thread.turns]

    @property
    def running(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.status == "in_progress"]

    @property
    def orphans(self) -> list[Turn]:
        return [turn for turn in self.running if turn.owner is None]

    def join(self, ask: Ask, setting: Setting) -> Turn | None:
        """The turn that the same call made again gets, from now on waited for. One whose pictures are gone from their
        folder is no answer, and is left at that."""
        api = "responses" if ask.tool == "continue" else setting.api
        for turn in reversed(self._opened):
            recent = turn.status in ("completed", "text_only") and self.minutes - turn.ended < WORTH
            same = turn.ask == ask and turn.api == api and turn.left and not turn.thread.deleted
            if same and _goes_on_from_there(turn) and (turn.status == "in_progress" or recent):
                turn.left = False
                if not any(picture.gone for picture in turn.pictures):
                    return turn
        return None

    def open(self, ask: Ask, setting: Setting, owner: int) -> Turn | None:
        """The turn that the call opens; None where it is refused and costs nothing."""
        thread = ask.thread or Thread()
        parent, texts = _start(ask)
        found, told = _way(ask, parent, texts, setting)
        needed = [*ask.references, *([parent] if parent and (found is None or ask.mask) else [])]
        unanswerable = ask.tool == "continue" and parent is None and not texts
        unanswerable |= ask.mask and parent is None and not ask.references  # a mask lies on a picture
        api: Literal["image", "responses"] = "responses" if ask.tool == "continue" else setting.api
        several = ask.n > 1 and api == "responses"
        if thread.deleted or unanswerable or several or any(one.gone or one.turn.thread.deleted for one in needed):
            return None
        background = api == "responses" and setting.store
        after = tuple(one for one in thread.turns if one.status != "in_progress")
        turn = Turn(ask, thread, len(thread.turns) + 1, parent, api, background, owner, told, after=after)
        if ask.thread is None:
            self.threads.append(thread)
        thread.turns.append(turn)
        self._opened.append(turn)
        self._send(turn, found, texts, setting)
        return turn

    def _send(self, turn: Turn, by: Id | None, texts: list[Turn], setting: Setting) -> None:
        """The requests up to the one that draws, if there is one."""
        ask = turn.ask
        if by is not None and not by.known:
            turn.posts = 1
            _dies(by, self.turns)
            turn.told = tuple(text.ask.prompt for text in texts)
            if turn.parent is not None and turn.parent.gone:
                self._end(turn, "failed")
                return
        if ask.trouble == "moderation":
            turn.posts += 1
            self._end(turn, "failed")
        elif ask.trouble == "server-error":
            turn.posts = MOST
            self._end(turn, "failed")
        else:
            turn.posts += 2 if ask.trouble == "server-error-once" and ask not in self.struck else 1
            self.struck |= {ask}
            turn.response = Id(known=setting.store, dead=not setting.store) if turn.api == "responses" else None

    def finish(self, turn: Turn, arrived: int) -> None:
        """The answer came as far as it comes, with so many whole pictures."""
        cut = turn.ask.trouble == "disconnect" and not turn.background
        self._made(turn, arrived)
        if turn.draws_nothing:
            self._end(turn, "text_only", "billed")
        elif arrived:
            self._end(turn, "completed", "estimated" if cut else "billed")
        else:
            self._end(turn, "failed", "estimated")

    def abort(self, turn: Turn, arrived: int, *, drawn: bool) -> None:
        """The turn is ended because its caller left: what had come is kept, and collected by the same call. A response
        that was `drawn` and that the API still has is fetched."""
        kept = drawn and turn.named and turn.response is not None and turn.response.known
        self._made(turn, 1 if kept else arrived)
        turn.left = True
        if turn.pictures:
            self._end(turn, "completed", "billed" if turn.whole or kept else "estimated")
        else:
            self._end(turn, "cancelled", "estimated")

    def orphan(self, owner: int, *, crashed: bool) -> None:
        """A server has ended: its running turns are nobody's. One that was killed has noted nothing of it; any other
        has recorded the picture that it was saving."""
        for turn in self.running:
            if turn.owner == owner:
                turn.owner = None
                turn.left |= not crashed
                if turn.whole and not crashed:
                    self._made(turn, 1)

    def settle(self, arrived: dict[Turn, int]) -> None:
        """A server has looked at what others left: of each turn so many whole pictures had come, and a response that
        the API still has is fetched."""
        for turn in self.turns:
            turn.left, turn.deserted = turn.left or turn.deserted, False
        for turn in self.orphans:
            turn.left = True
            kept = turn.named and turn.response is not None and turn.response.known
            self._made(turn, 1 if kept else arrived[turn])
            if kept or turn.whole:
                self._end(turn, "completed", "billed")
            else:
                self._end(turn, "completed" if turn.pictures else "lost", "estimated")

    def collect(self, thread: Thread) -> None:
        """Somebody was given what became of the thread's turns."""
        for turn in thread.turns:
            running = turn.status == "in_progress"
            turn.left, turn.deserted = turn.left and running, turn.deserted and running

    def forget(self, turns: Collection[Turn], *, response: bool = True, calls: bool = True) -> None:
        """The API no longer knows these turns' responses, or the calls that drew their pictures."""
        for turn in turns:
            ids = [turn.response] if response else []
            for one in [*ids, *([picture.call for picture in turn.pictures] if calls else [])]:
                if one is not None:
                    one.known = False

    def delete(self, thread: Thread) -> bool:
        """Whether the thread goes; one that a living server works on stays."""
        if any(turn.owner is not None and turn.status == "in_progress" for turn in thread.turns):
            return False
        for turn in thread.turns:
            if turn.status == "in_progress":
                self._end(turn, "lost", "estimated")
        thread.deleted = True
        return True

    def _made(self, turn: Turn, count: int) -> None:
        calls = [replace(turn.response) if turn.response else None for _ in range(count)]  # each has an id of its own
        turn.pictures += [Picture(turn, index, calls[index]) for index in range(len(turn.pictures), count)]

    def _end(self, turn: Turn, status: Status, price: Price | None = None) -> None:
        turn.status, turn.price, turn.ended = status, price, self.minutes


def _dies(by: Id, turns: list[Turn]) -> None:
    """The server has found out that the API does not know an id: a response and its calls go together."""
    for turn in turns:
        ids = [turn.response, *(picture.call for picture in turn.pictures)]
        if by in ids:
            for one in ids:
                if one is not None:
                    one.dead = True


def _start(ask: Ask) -> tuple[Picture | None, list[Turn]]:
    """The picture that a call goes on from, and the turns since that were answered in words."""
    if ask.thread is None:
        return ask.start, []
    turns = ask.thread.turns
    if ask.start is not None:
        return ask.start, _texts_after(turns, ask.start)
    return _tip(turns)


def _goes_on_from_there(turn: Turn) -> bool:
    """Whether the same call would go on from what this turn does, as far as its caller knows the thread."""
    if turn.ask.tool != "continue" or turn.ask.start is not None:
        return True
    known = [one for one in turn.thread.turns if one is not turn and (one.given or one in turn.after)]
    parent, texts = _tip(known)
    return (parent is not None or bool(texts)) and parent is turn.parent and all(one in turn.after for one in texts)


def _tip(turns: list[Turn]) -> tuple[Picture | None, list[Turn]]:
    drawn = [turn for turn in turns if turn.pictures]
    tip = turns[-1] if turns else None
    if not drawn or tip is None:
        parent = None
    else:
        before = tip.parent if tip.parent and tip.parent.turn in turns else drawn[-1].pictures[0]
        parent = tip.pictures[0] if tip.pictures else before
    return parent, _texts_after(turns, parent)


def _texts_after(turns: list[Turn], parent: Picture | None) -> list[Turn]:
    texts: list[Turn] = []
    for turn in reversed(turns):
        if turn.parent is not parent:
            continue
        if turn.status == "text_only":
            texts.insert(0, turn)
        elif turn.pictures:
            break
    return texts


def _way(ask: Ask, parent: Picture | None, texts: list[Turn], setting: Setting) -> tuple[Id | None, tuple[str, ...]]:
    """The id that the call names its start by, and what it tells in words instead."""
    told = tuple(text.ask.prompt for text in texts)
    if texts:
        named = texts[-1].response
    elif parent is None or ask.tool != "continue":
        return None, ()
    else:
        named = parent.turn.response if ask.history == "full" else parent.call
        if ask.mask and ask.history == "image":
            return None, ()  # it refers to pixels, which are sent
    if named is None or named.dead or not setting.store:
        return None, told
    return named, ()
