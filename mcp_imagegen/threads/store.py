"""Threads, turns and images in the database.

Every function works in the caller's transaction, so that a turn, its images and its price are recorded together or
not at all. Whatever takes an `owner` finds only that principal's threads and does not tell somebody else's from none.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Any

from sqlalchemy import BigInteger, Row, Select, Update, cast, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import IMAGES, THREADS, TURNS
from ..errors import ImageNotFound, ThreadNotFound
from .ids import is_image_id, is_thread_id, new_thread_id
from .parents import in_view, is_still_meant, parent_for, texts_after
from .values import (
    Api,
    CostBasis,
    Outcome,
    StoredImage,
    Thread,
    ThreadSummary,
    Turn,
    TurnKind,
    title_of,
)

__all__ = [
    "add_image",
    "close_turn",
    "host_usage",
    "image",
    "in_view",
    "is_still_meant",
    "note_response",
    "open_thread",
    "open_turn",
    "parent_for",
    "recent",
    "texts_after",
    "thread",
    "turn",
]

# What a thread has beside its turns, under names that are apart from those of a turn.
_HEADS = {
    name: THREADS.c[name].label(f"thread_{name}")
    for name in ("thread_id", "owner", "label", "title", "created_at", "updated_at", "provider")
}


async def open_thread(
    connection: AsyncConnection, *, owner: str, label: str | None, title: str, provider: str, at: datetime
) -> str:
    """A new thread without turns; its id. `title` is the first prompt, of which one line is kept."""
    thread_id = new_thread_id()
    values = {"thread_id": thread_id, "owner": owner, "label": label, "title": title_of(title), "provider": provider}
    await connection.execute(insert(THREADS).values(**values, last_turn=0, created_at=at, updated_at=at))
    return thread_id


async def open_turn(
    connection: AsyncConnection,
    *,
    thread_id: str,
    kind: TurnKind,
    prompt: str,
    from_image: str | None,
    provider: str,
    api: Api,
    model: str,
    host_model: str | None,
    options: dict[str, Any],
    estimate_nano: int | None,
    owner_process: str,
    lease_until: datetime,
    at: datetime,
    prices_as_of: date | None = None,
    fingerprint: str | None = None,
    account: str | None = None,
    forgotten_at: datetime | None = None,
) -> Turn:
    """The next turn of a thread, in progress and leased to `owner_process`, whose caller waits for it. Raises
    ThreadNotFound."""
    turn = Turn(
        thread_id=thread_id,
        number=await _next_number(connection, thread_id, at),
        kind=kind,
        prompt=prompt,
        status="in_progress",
        from_image=from_image,
        provider=provider,
        api=api,
        model=model,
        host_model=host_model,
        options=options,
        estimate_nano=estimate_nano,
        prices_as_of=prices_as_of,
        owner_process=owner_process,
        lease_until=lease_until,
        created_at=at,
        fingerprint=fingerprint,
        waiter=owner_process,
        account=account,
        forgotten_at=forgotten_at,
    )
    columns = {column.name: getattr(turn, column.name) for column in TURNS.columns}
    await connection.execute(insert(TURNS).values(columns))
    return turn


async def _next_number(connection: AsyncConnection, thread_id: str, at: datetime) -> int:
    """Counting up locks the thread's row, so that no other turn gets the same number."""
    count = update(THREADS).where(THREADS.c.thread_id == thread_id)
    counted = await connection.execute(count.values(last_turn=THREADS.c.last_turn + 1, updated_at=at))
    if counted.rowcount == 0:
        raise _no_thread(thread_id)
    number = await connection.scalar(select(THREADS.c.last_turn).where(THREADS.c.thread_id == thread_id))
    assert isinstance(number, int)
    return number


async def add_image(connection: AsyncConnection, image: StoredImage) -> None:
    """Record a saved picture or partial frame, also of a turn that is closed by now."""
    columns = {column.name: getattr(image, column.name) for column in IMAGES.columns}
    await connection.execute(insert(IMAGES).values(columns))


async def note_response(connection: AsyncConnection, thread_id: str, number: int, response_id: str) -> None:
    """Record the API's id of the answer as soon as it is known: by it, an answer that was cut off can be fetched."""
    await connection.execute(_one_turn(thread_id, number).values(response_id=response_id))


async def close_turn(
    connection: AsyncConnection,
    thread_id: str,
    number: int,
    *,
    status: Outcome,
    text: str | None,
    error: dict[str, Any] | None,
    resolved: dict[str, Any] | None,
    response_id: str | None,
    request_id: str | None,
    cost_nano: int | None,
    cost_basis: CostBasis | None,
    usage: dict[str, Any] | None,
    warnings: tuple[str, ...],
    at: datetime,
    prices_as_of: date | None = None,
) -> bool:
    """Record how a turn ended; False, and nothing is changed, when it was closed before.

    A `response_id` or `prices_as_of` of None keeps what was recorded earlier. `error` has code, sentence, fix,
    request_id and may_be_billed.
    """
    closing = _one_turn(thread_id, number).where(TURNS.c.status == "in_progress")
    closed = await connection.execute(
        closing.values(
            status=status,
            text=text,
            error=error,
            resolved=resolved,
            response_id=TURNS.c.response_id if response_id is None else response_id,
            request_id=request_id,
            cost_nano=cost_nano,
            cost_basis=cost_basis,
            prices_as_of=TURNS.c.prices_as_of if prices_as_of is None else prices_as_of,
            usage=usage,
            warnings=list(warnings),
            finished_at=at,
        )
    )
    if closed.rowcount == 0:
        return False
    await connection.execute(update(THREADS).where(THREADS.c.thread_id == thread_id).values(updated_at=at))
    return True


async def thread(connection: AsyncConnection, thread_id: str, owner: str | None) -> Thread:
    """A thread with all its turns and images; of an `owner` of None, whoever owns it. Raises ThreadNotFound."""
    query = select(*_HEADS.values(), TURNS).select_from(THREADS).outerjoin(TURNS).order_by(TURNS.c.number)
    mine = query.where(THREADS.c.thread_id == thread_id)
    found = await connection.execute(mine if owner is None else mine.where(THREADS.c.owner == owner))
    rows: Sequence[Any] = found.all()
    if not rows:
        raise _no_thread(thread_id)
    pictures = await connection.execute(_images().where(IMAGES.c.thread_id == thread_id))
    by_turn = {number: _stored(group) for number, group in groupby(pictures, lambda row: row.turn)}
    return Thread(
        **{name: rows[0]._mapping[column] for name, column in _HEADS.items()},
        turns=tuple(_turn(row, by_turn.get(row.number, ())) for row in rows if row.number is not None),
    )


async def turn(connection: AsyncConnection, thread_id: str, number: int) -> Turn:
    """One turn with its images, whoever owns it. Raises ThreadNotFound."""
    this = (TURNS.c.thread_id == thread_id) & (TURNS.c.number == number)
    found = (await connection.execute(select(TURNS).where(this))).one_or_none()
    if found is None:
        raise _no_thread(thread_id)
    pictures = await connection.execute(_images().where(IMAGES.c.thread_id == thread_id, IMAGES.c.turn == number))
    return _turn(found, _stored(pictures))


async def recent(
    connection: AsyncConnection, owner: str | None, limit: int | None = 20, label: str | None = None
) -> tuple[ThreadSummary, ...]:
    """The owner's threads (None: everybody's) with the latest change first; with `label` only those opened in that
    client session."""
    turns = select(func.count()).select_from(TURNS).where(TURNS.c.thread_id == THREADS.c.thread_id)
    cost = select(cast(func.coalesce(func.sum(TURNS.c.cost_nano), 0), BigInteger))
    pictures = select(func.count()).select_from(IMAGES).where(IMAGES.c.role == "final")
    size = select(cast(func.coalesce(func.sum(IMAGES.c.bytes), 0), BigInteger))
    query = (
        select(
            *THREADS.c["thread_id", "owner", "title", "label", "created_at", "updated_at", "provider"],
            turns.scalar_subquery().label("turns"),
            pictures.where(IMAGES.c.thread_id == THREADS.c.thread_id).scalar_subquery().label("images"),
            cost.where(TURNS.c.thread_id == THREADS.c.thread_id).scalar_subquery().label("cost_nano"),
            size.where(IMAGES.c.thread_id == THREADS.c.thread_id).scalar_subquery().label("bytes"),
        )
        .order_by(THREADS.c.updated_at.desc(), THREADS.c.thread_id)
        .limit(limit)
    )
    if owner is not None:
        query = query.where(THREADS.c.owner == owner)
    if label is not None:
        query = query.where(THREADS.c.label == label)
    return tuple(ThreadSummary(**row._mapping) for row in await connection.execute(query))


async def host_usage(
    connection: AsyncConnection, *, owner: str, provider: str, host_model: str, history: str, limit: int = 20
) -> tuple[dict[str, int], ...]:
    """The host model's token counts of the owner's last turns that it had a part in, the latest first. `history`: how
    much of the conversation it was shown; single calls are shown none, as with `image`."""
    shown = func.coalesce(TURNS.c.options["history"].as_string(), "image")
    turns = await connection.scalars(
        select(TURNS.c.usage)
        .join(THREADS, THREADS.c.thread_id == TURNS.c.thread_id)
        .where(THREADS.c.owner == owner, TURNS.c.provider == provider, TURNS.c.host_model == host_model)
        .where(TURNS.c.status == "completed", TURNS.c.cost_basis == "billed", shown == history)
        .order_by(TURNS.c.created_at.desc())
        .limit(limit)
    )
    return tuple(usage["host_model"] for usage in turns if usage and usage.get("host_model"))


async def image(connection: AsyncConnection, image_id: str, owner: str) -> StoredImage:
    """One image of the owner's threads, a partial frame too. Raises ImageNotFound."""
    mine = select(IMAGES).join(THREADS, THREADS.c.thread_id == IMAGES.c.thread_id).where(THREADS.c.owner == owner)
    found = (await connection.execute(mine.where(IMAGES.c.image_id == image_id))).one_or_none()
    if found is None:
        named = f"there is no image {image_id}" if is_image_id(image_id) else "this is not an image_id"
        raise ImageNotFound(named, "use an image_id of an earlier result; get_image_thread lists them")
    return StoredImage(**found._mapping)


def _one_turn(thread_id: str, number: int) -> Update:
    return update(TURNS).where(TURNS.c.thread_id == thread_id, TURNS.c.number == number)


def _images() -> Select[Any]:
    """By turn; in a turn the pictures before the partial frames, each by index."""
    order = IMAGES.c["turn", "role", "index", "frame", "created_at", "image_id"]
    return select(IMAGES).order_by(*order)


def _stored(rows: Iterable[Row[Any]]) -> tuple[StoredImage, ...]:
    return tuple(StoredImage(**row._mapping) for row in rows)


def _turn(row: Row[Any], images: tuple[StoredImage, ...]) -> Turn:
    columns = {column.name: row._mapping[column] for column in TURNS.columns}
    return Turn(**{**columns, "warnings": tuple(row.warnings)}, images=images)


def _no_thread(thread_id: str) -> ThreadNotFound:
    named = f"there is no thread {thread_id}" if is_thread_id(thread_id) else "this is not a thread_id"
    return ThreadNotFound(named, "use the thread_id of an earlier result; get_image_thread without one lists yours")
