"""get_image_thread: look at a thread, collect what a handed-over call made, or find recent threads."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from ..errors import InvalidArgument
from ..operations import Caller, GetImageThread
from ..threads.drawing import drawing, left_out, shown
from . import results
from .answers import ThreadAnswer, ThreadRow, ThreadsAnswer, TurnAnswer
from .paid import Standing, Where, error_answer, image_answer, where_of
from .paid import answer as paid_answer
from .progress import Patience, patience
from .sending import when_sent
from .tool import READS, Backend, Tool

if TYPE_CHECKING:
    from ..services import Services
    from ..threads.values import Thread, ThreadSummary, Turn

_NAMED = 10  # turns that a warning names
TREE = "The turns; each goes on from the one above it, a branch is indented under the turn it starts from:"
OWN_S = 20.0  # seconds that who only looks waits for what a dead server has left of the thread
FIRST_S = 2.0  # the same for who then waits for running turns
NO_THREADS = "There are no threads yet; generate_image and edit_image open them."


async def get_image_thread(operation: GetImageThread, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Raises ThreadNotFound, also for somebody else's thread, and InvalidArgument for a turn that it does not have."""
    async with patience(context, backend.settings.max_wait_s) as waiting:
        services, caller = await backend.services(), backend.caller(context)
        if operation.thread_id is None:
            return await _recent(operation, services, caller, backend)
        at_first = min(FIRST_S if operation.wait else OWN_S, waiting.left_s)
        before = thread = await services.looking.thread(operation.thread_id, caller, patience_s=at_first)
        _told(thread, operation)  # a turn that is not there is not waited for
        if operation.wait:
            await _wait(before, operation.turn, waiting, services)
            thread = await services.looking.thread(operation.thread_id, caller, patience_s=waiting.left_s)
        result = await _shown(operation, before, thread, caller=caller, services=services, backend=backend)
        given = replace(thread, turns=shown(thread, operation.turn))
        await when_sent(context, lambda: services.callers.collected(given))
        return result


async def _shown(
    operation: GetImageThread,
    before: "Thread",
    thread: "Thread",
    *,
    caller: Caller,
    services: "Services",
    backend: Backend,
) -> CallToolResult:
    """The tree, and the result of the turn that is asked for as the call that made it would have given it."""
    told, turns = _told(thread, operation), shown(thread, operation.turn)
    warnings = [
        *_sandbox(thread),
        *await services.looking.gone([one for turn in turns for one in turn.finals]),
        *_left_out(thread, turns),
        *_ended_too(before, turns, told),
    ]
    finals = told.finals if told else ()
    standing = Standing(left_nano=await _left(thread, services, caller) if told else None)
    return results.answered(
        ThreadsAnswer(
            thread=thread_answer(thread, where_of(services, backend), turns),
            result=paid_answer(told, services, backend, standing) if told else None,
            warnings=warnings,
        ),
        structured=backend.settings.structured_output,
        headline="\n".join([*warnings, TREE, *drawing(thread, turns), ""]),
        previews=await services.looking.previews(finals) if backend.settings.preview else [],
        originals=finals,
    )


async def _recent(operation: GetImageThread, services: "Services", caller: Caller, backend: Backend) -> CallToolResult:
    if operation.turn is not None:
        raise InvalidArgument("turn is one of a thread", "give the thread_id too")
    rows = [thread_row(summary) for summary in await services.looking.recent(caller)]
    headline = results.SANDBOX if any(row.provider == "sandbox" for row in rows) else ""
    return results.answered(
        ThreadsAnswer(threads=rows, warnings=[headline] if headline else []),
        structured=backend.settings.structured_output,
        headline=headline or ("" if rows else NO_THREADS),
    )


def _told(thread: "Thread", operation: GetImageThread) -> "Turn | None":
    """The turn whose result is told: the one that is named, or the newest for who waits."""
    if operation.turn is None:
        return thread.turns[-1] if operation.wait else None
    for turn in thread.turns:
        if turn.number == operation.turn:
            return turn
    raise InvalidArgument(
        f"the thread {thread.thread_id} has no turn {operation.turn}",
        f"its turns are 1 to {thread.turns[-1].number}; leave out turn for the newest",
    )


async def _wait(thread: "Thread", number: int | None, waiting: Patience, services: "Services") -> None:
    """Wait for the running turns, or that of this number alone, as a paid call would for its own."""
    for turn in thread.turns:
        if turn.status == "in_progress" and number in (None, turn.number):
            key = (turn.thread_id, turn.number)
            await services.callers.wait(key, waiting.tell, give_up_s=waiting.left_s)


async def _left(thread: "Thread", services: "Services", caller: Caller) -> int | None:
    """What the budgets leave, in 10^-9 USD."""
    limits, provider = services.quoting.limits, thread.turns[-1].provider
    return await limits.left(owner=caller.owner, provider=provider, thread_id=thread.thread_id)


def _left_out(thread: "Thread", turns: "Sequence[Turn]") -> list[str]:
    earlier, later = left_out(thread, turns)
    if not earlier:
        return [f"{later} later turns are left out"] if later else []
    how = f"get_image_thread(thread_id, turn={turns[0].number - 1}) shows the turns before these"
    return [f"{earlier} earlier and {later} later turns are left out; {how}"]


def _ended_too(before: "Thread", turns: "Sequence[Turn]", told: "Turn | None") -> list[str]:
    """Which others have ended that nobody was told of, among those that are shown."""
    untold = {one.number for one in before.turns if one.abandoned_at is not None or one.status == "in_progress"}
    ended = [one.number for one in turns if one.status != "in_progress" and one is not told and one.number in untold]
    if told is None or not ended:
        return []
    named = ", ".join(map(str, ended[-_NAMED:]))
    how = f"get_image_thread(thread_id, turn={ended[-1]})"
    return [f"ended as well since anybody looked: turn {named}; {how} tells the result of one"]


def _sandbox(thread: "Thread") -> list[str]:
    return [results.SANDBOX] if thread.provider == "sandbox" else []


def thread_answer(thread: "Thread", where: Where | None, turns: "Sequence[Turn] | None" = None) -> ThreadAnswer:
    """The thread with these turns (None: with all). `where` is told where pictures lie only if the reader sees the same
    disk."""
    parents = thread.parents
    return ThreadAnswer(
        thread_id=thread.thread_id,
        title=thread.title,
        owner=thread.owner,
        label=thread.label,
        created_at=thread.created_at.isoformat(timespec="seconds"),
        updated_at=thread.updated_at.isoformat(timespec="seconds"),
        cost_usd=results.usd(thread.cost_nano) or 0.0,
        provider=thread.provider,
        turn_count=len(thread.turns),
        turns=[
            _turn_answer(turn, parents.get(turn.number), where) for turn in (thread.turns if turns is None else turns)
        ],
    )


def _turn_answer(turn: "Turn", parent: int | None, where: Where | None) -> TurnAnswer:
    return TurnAnswer(
        turn=turn.number,
        parent_turn=parent,
        from_image=turn.from_image,
        kind=turn.kind,
        prompt=turn.prompt,
        status=turn.status,
        images=[image_answer(image, where) for image in turn.finals],
        text=turn.text,
        cost_usd=results.usd(turn.cost_nano),
        response_id=turn.response_id,
        error=error_answer(turn),
    )


def thread_row(summary: "ThreadSummary") -> ThreadRow:
    return ThreadRow(
        thread_id=summary.thread_id,
        title=summary.title,
        created_at=summary.created_at.isoformat(timespec="seconds"),
        updated_at=summary.updated_at.isoformat(timespec="seconds"),
        turns=summary.turns,
        images=summary.images,
        cost_usd=results.usd(summary.cost_nano) or 0.0,
        provider=summary.provider,
        label=summary.label,
    )


TOOL = Tool("get_image_thread", "Show an image thread", GetImageThread, ThreadsAnswer, get_image_thread, READS)
