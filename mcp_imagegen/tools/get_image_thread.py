"""get_image_thread: look at a thread, collect what a handed-over call made, or find recent threads."""

import time
from typing import TYPE_CHECKING, Any

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from ..operations import Caller, GetImageThread
from ..threads.drawing import drawing
from . import results
from .answers import ThreadAnswer, ThreadRow, ThreadsAnswer, TurnAnswer
from .paid import Standing, Where, error_answer, image_answer, reporting, where_of
from .paid import answer as paid_answer
from .tool import READS, Backend, Tool

if TYPE_CHECKING:
    from ..services import Services
    from ..threads.values import Thread, ThreadSummary, Turn

TREE = "The turns; each goes on from the one above it, a branch is indented under the turn it starts from:"
NO_THREADS = "There are no threads yet; generate_image and edit_image open them."


async def get_image_thread(operation: GetImageThread, context: Context[Any, Any], backend: Backend) -> CallToolResult:
    """Raises ThreadNotFound, also for somebody else's thread."""
    services, caller = await backend.services(), backend.caller(context)
    structured = backend.settings.structured_output
    if operation.thread_id is None:
        rows = [thread_row(summary) for summary in await services.looking.recent(caller)]
        headline = results.SANDBOX if any(row.provider == "sandbox" for row in rows) else ""
        answer = ThreadsAnswer(threads=rows, warnings=[headline] if headline else [])
        return results.answered(answer, structured=structured, headline=headline or ("" if rows else NO_THREADS))
    thread = await services.looking.thread(operation.thread_id, caller)
    if operation.wait:
        await _wait(thread, context, backend)
        thread = await services.looking.thread(operation.thread_id, caller)
    await services.callers.collected(thread)
    warnings = [*_sandbox(thread), *await services.looking.gone([one for turn in thread.turns for one in turn.finals])]
    newest, left = (thread.turns[-1], await _left(thread, services, caller)) if operation.wait else (None, None)
    finals = newest.finals if newest else ()
    return results.answered(
        ThreadsAnswer(
            thread=thread_answer(thread, where_of(services, backend)),
            result=paid_answer(newest, services, backend, Standing(left_nano=left)) if newest else None,
            warnings=warnings,
        ),
        structured=structured,
        headline="\n".join([*warnings, TREE, *drawing(thread), ""]),
        previews=await services.looking.previews(finals) if backend.settings.preview else [],
        originals=finals,
    )


async def _wait(thread: "Thread", context: Context[Any, Any], backend: Backend) -> None:
    """Wait for the running turns as a paid call would for its own."""
    services, report = await backend.services(), reporting(context)
    deadline = time.monotonic() + backend.settings.max_wait_s
    for turn in thread.turns:
        if turn.status == "in_progress":
            key = (turn.thread_id, turn.number)
            await services.callers.wait(key, report, give_up_s=max(0.0, deadline - time.monotonic()))


async def _left(thread: "Thread", services: "Services", caller: Caller) -> int | None:
    """What the budgets leave, in 10^-9 USD."""
    limits, provider = services.quoting.limits, thread.turns[-1].provider
    return await limits.left(owner=caller.owner, provider=provider, thread_id=thread.thread_id)


def _sandbox(thread: "Thread") -> list[str]:
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
