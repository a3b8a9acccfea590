"""Every attempt of a call at a provider is one entry: reserved before it is sent, then settled or released, once.

A request that is refused and sent again is two attempts. Amounts are integers of 10^-9 USD ("nano"); None where no
price is known. What the sandbox "costs" is entered under its own provider name and never added to real money.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..database.tables import LEDGER_ENTRIES as ENTRIES

SANDBOX = "sandbox"  # the provider whose amounts are no money

Outcome = Literal["completed", "text_only", "failed", "cancelled", "lost"]  # how an attempt ended, as a turn's status

# What an attempt shares with the one that follows it.
_OF_THE_CALL = (
    "owner", "client", "thread_id", "turn", "operation", "provider", "api", "model", "host_model",
    "low_nano", "expected_nano", "high_nano", "price_rows",
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """An entry that is reserved: the models that are paid are the turn's and this `host_model`, by the prices of the
    day of `created_at`."""

    entry_id: int
    host_model: str | None
    expected_nano: int | None
    created_at: datetime


@dataclass(frozen=True)
class Spent:
    """A total. `reserved_nano` is the most that calls still running may cost; `unpriced` of the `calls` have no known
    price and count nothing. What was released is in none of them."""

    billed_nano: int
    reserved_nano: int
    calls: int
    unpriced: int


async def reserve(
    connection: AsyncConnection,
    *,
    owner: str,
    client: str | None,
    thread_id: str | None,
    turn: int | None,
    operation: str,
    provider: str,
    api: str,
    model: str,
    host_model: str | None,
    low_nano: int | None,
    expected_nano: int | None,
    high_nano: int | None,
    at: datetime,
    price_rows: list[dict[str, Any]] | None = None,
) -> int:
    """Enter what a call may cost, before it is sent; the id of the entry. The one place to hold a limit."""
    entered = await connection.execute(
        insert(ENTRIES).values(
            owner=owner,
            client=client,
            thread_id=thread_id,
            turn=turn,
            operation=operation,
            provider=provider,
            api=api,
            model=model,
            host_model=host_model,
            status="reserved",
            low_nano=low_nano,
            expected_nano=expected_nano,
            high_nano=high_nano,
            price_rows=price_rows,
            created_at=at,
        )
    )
    (entry_id,) = entered.inserted_primary_key or (None,)
    assert isinstance(entry_id, int)
    return entry_id


async def settle(
    connection: AsyncConnection,
    entry_id: int,
    *,
    nano: int | None,
    basis: Literal["billed", "estimated"],
    prices_as_of: date | None,
    tokens: dict[str, Any],
    request_id: str | None,
    ending: Outcome,
    images: int,
    at: datetime,
    reason: str | None = None,
    price_rows: list[dict[str, Any]] | None = None,
    judged: dict[str, Any] | None = None,
) -> bool:
    """Enter what the call cost; False, and nothing is changed, when the entry was settled or released before.

    `basis`: billed when it follows from the API's own usage figures. `tokens` are those figures by model and kind,
    `images` the pictures that were had, `reason` why there are not more of them. `price_rows` are those of the amount,
    None leaves those of the estimate; `judged` is by what the estimate is judged, where not by the whole amount.
    """
    rows = {} if price_rows is None else {"price_rows": price_rows}
    values = {"nano": nano, "basis": basis, "prices_as_of": prices_as_of, "tokens": tokens, "images": images}
    ended = {"ending": ending, "reason": reason, "request_id": request_id}
    return await _close(connection, entry_id, at, status="settled", judged=judged, **rows, **values, **ended)


async def release(
    connection: AsyncConnection,
    entry_id: int,
    *,
    reason: str,
    at: datetime,
    request_id: str | None = None,
    ending: Outcome = "failed",
) -> bool:
    """Give back what was reserved, because nothing was billed; False when the entry was settled or released before."""
    ended = {"ending": ending, "reason": reason, "request_id": request_id}
    return await _close(connection, entry_id, at, status="released", **ended)


async def follow(
    connection: AsyncConnection,
    entry_id: int,
    *,
    reason: str,
    request_id: str | None,
    at: datetime,
    hold: Callable[[str], Awaitable[None]],
    changed: Mapping[str, Any] | None = None,
) -> int | None:
    """Release a refused attempt and reserve the same for the one that follows, whose id is answered, but for what is
    `changed`, as `reserve` names it; None, and nothing is done, when the entry was settled or released before.

    In between `hold` is asked whether the owner has room for it: it counts for its own day, which may be another. What
    it raises is raised, and is to undo the transaction.
    """
    if not await release(connection, entry_id, reason=reason, request_id=request_id, at=at):
        return None
    refused = (await connection.execute(select(ENTRIES).where(ENTRIES.c.entry_id == entry_id))).one()
    await hold(refused.owner)
    same = {name: refused._mapping[name] for name in _OF_THE_CALL}
    return await reserve(connection, **{**same, **(changed or {})}, at=at)


async def reroute(connection: AsyncConnection, entry_id: int, changed: Mapping[str, Any]) -> None:
    """The call goes another way than it was reserved for: `changed`, as `reserve` names it. To be called before it is
    sent."""
    await connection.execute(update(ENTRIES).where(_reserved(entry_id)).values(**changed))


async def open_entry(connection: AsyncConnection, thread_id: str, turn: int) -> Attempt | None:
    """The attempt of a turn that is still reserved."""
    of_turn = (ENTRIES.c.thread_id == thread_id) & (ENTRIES.c.turn == turn) & (ENTRIES.c.status == "reserved")
    columns = ENTRIES.c["entry_id", "host_model", "expected_nano", "created_at"]
    found = (await connection.execute(select(*columns).where(of_turn))).one_or_none()
    return None if found is None else Attempt(**found._mapping)


async def spent(
    connection: AsyncConnection, *, owner: str, provider: str | None = None, since: datetime | None = None
) -> Spent:
    """What the owner's calls that were reserved at or after `since` cost.

    Without `provider` that is real money: every provider but the sandbox.
    """
    amount = case((ENTRIES.c.status == "settled", ENTRIES.c.nano), else_=ENTRIES.c.high_nano)
    chosen = ENTRIES.c.provider != SANDBOX if provider is None else ENTRIES.c.provider == provider
    query = (
        select(ENTRIES.c.status, func.count(), func.count(amount), cast(func.coalesce(func.sum(amount), 0), BigInteger))
        .where(ENTRIES.c.owner == owner, ENTRIES.c.status != "released", chosen)
        .group_by(ENTRIES.c.status)
    )
    if since is not None:
        query = query.where(ENTRIES.c.created_at >= since)
    rows = (await connection.execute(query)).all()
    sums = {status: int(nano) for status, _, _, nano in rows}
    return Spent(
        billed_nano=sums.get("settled", 0),
        reserved_nano=sums.get("reserved", 0),
        calls=sum(calls for _, calls, _, _ in rows),
        unpriced=sum(calls - priced for _, calls, priced, _ in rows),
    )


async def _close(connection: AsyncConnection, entry_id: int, at: datetime, **values: Any) -> bool:
    closed = await connection.execute(update(ENTRIES).where(_reserved(entry_id)).values(**values, closed_at=at))
    return closed.rowcount == 1


def _reserved(entry_id: int) -> ColumnElement[bool]:
    return (ENTRIES.c.entry_id == entry_id) & (ENTRIES.c.status == "reserved")
