"""get_image_thread: look at a thread, collect what a handed-over call made, or find recent threads."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from ..operations import GetImageThread
from ..threads.drawing import drawing
from . import results
from .answers import ThreadAnswer, ThreadRow, ThreadsAnswer, TurnAnswer
from .paid import Where, error_answer, image_answer, where_of
from .paid import answer as paid_answer
from .progress import patience
from .tool import READS, Backend, Tool

if TYPE_CHECKING:
    from ..services import Services
    from ..threads.values import Thread, ThreadSummary, Turn

TREE = "The turns; each goes on from the one above it, a branch is indented under the turn it starts from:"
OWN_S = 20.0  # seconds that who only looks waits for what a dead server has left of the thread
NO_THREADS = "There are no threads yet; generate_image and edit_image open them."


async def get_image_thread(operation: GetImageThread, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Raises ThreadNotFound, also for somebody else's thread."""
    async with patience(context, backend.settings.max_wait_s) as waiting:
        services, caller = await backend.services(), backend.caller(context)
        if operation.thread_id is None:
            return _listed(await services.looking.recent(caller), backend)
        at_first = 0.0 if operation.wait else min(OWN_S, waiting.left_s)
        thread = await services.looking.thread(operation.thread_id, caller, patience_s=at_first)
        if operation.wait:
            for turn in thread.turns:
                if turn.status == "in_progress":
                    key = (turn.thread_id, turn.number)
                    await services.callers.wait(key, waiting.tell, give_up_s=waiting.left_s)
            thread = await services.looking.thread(operation.thread_id, caller, patience_s=waiting.left_s)
        await services.callers.collected(thread)
        if operation.wait:
            return await _collected(thread, services, backend)
        return results.answered(
            ThreadsAnswer(thread=thread_answer(thread, where_of(services, backend)), warnings=_warnings(thread)),
            structured=backend.settings.structured_output,
            headline=_headline(thread),
        )


def _listed(found: Sequence["ThreadSummary"], backend: Backend) -> CallToolResult:
    rows = [thread_row(summary) for summary in found]
    headline = results.SANDBOX if any(row.provider == "sandbox" for row in rows) else ""
    answer = ThreadsAnswer(threads=rows, warnings=[headline] if headline else [])
    structured = backend.settings.structured_output
    return results.answered(answer, structured=structured, headline=headline or ("" if rows else NO_THREADS))


async def _collected(thread: "Thread", services: "Services", backend: Backend) -> CallToolResult:
    """The tree, and the newest turn as the call that made it would have answered."""
    newest = thread.turns[-1]
    finals = newest.finals
    return results.answered(
        ThreadsAnswer(
            thread=thread_answer(thread, where_of(services, backend)),
            result=paid_answer(newest, services, backend),
            warnings=_warnings(thread),
        ),
        structured=backend.settings.structured_output,
        headline=_headline(thread),
        previews=await services.looking.previews(finals) if backend.settings.preview else [],
        originals=finals,
    )


def _headline(thread: "Thread") -> str:
    """The tree in a form that is read at a glance; the facts follow."""
    return "\n".join([*_warnings(thread), TREE, *drawing(thread), ""])


def _warnings(thread: "Thread") -> list[str]:
    return [results.SANDBOX] if thread.provider == "sandbox" else []


def thread_answer(thread: "Thread", where: Where | None) -> ThreadAnswer:
    """`where` is told where pictures lie only if the reader sees the same disk."""
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
        turns=[_turn_answer(turn, parents.get(turn.number), where) for turn in thread.turns],
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
