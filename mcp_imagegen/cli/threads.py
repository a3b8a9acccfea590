"""`mcp-imagegen threads`: list, show and delete the threads in this home folder, also while servers run."""

import asyncio
import json
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from .. import logs, settings
from ..errors import ImagegenError, InvalidArgument, StorageFailed, ThreadNotFound
from ..ledger.entries import SANDBOX
from ..pipeline.shelf import Shelf, open_shelf
from ..pricing.amounts import shown
from ..threads.drawing import drawing
from ..threads.ids import is_thread_id
from ..threads.values import Thread, ThreadSummary, one_line
from . import output

T = TypeVar("T")
LONGEST_DAYS = 36_500
FETCHABLE = (
    "a call of it was cut off, and the provider may still have its picture, which a server fetches when the thread is "
    "looked at (get_image_thread); deleted with the thread, it is lost and may have been billed."
)
LEFT = (
    "a call of it was cut off; what lies on the disk of its answer goes too, which a server saves when the thread is "
    "looked at (get_image_thread). The call may have been billed."
)
_TITLE_LEAST = 24  # characters


def _age(_: click.Context, __: click.Parameter, days: float | None) -> timedelta | None:
    """Raises BadParameter for what is no number of days, as nan, which passes every comparison of a range."""
    if days is not None and not 0 <= days <= LONGEST_DAYS:
        raise click.BadParameter(f"give a number of days from 0 to {LONGEST_DAYS}")
    return None if days is None else timedelta(days=days)


@click.group(name="threads")
def command() -> None:
    """List, show and delete threads with their images.

    Uses the server's settings (MCP_IMAGEGEN_HOME, MCP_IMAGEGEN_IMAGES) and connects to no provider.
    """


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in the form of get_image_thread.")
def list_threads(as_json: bool) -> None:
    """List all threads, the one changed last first."""
    output.for_people()
    found = _on_shelf(lambda shelf: shelf.threads())
    if as_json:
        from ..tools.answers import ThreadsAnswer, facts  # late: it imports the server's side
        from ..tools.get_image_thread import thread_row

        _print_json(facts(ThreadsAnswer(threads=[thread_row(summary) for summary in found])))
    elif found:
        _print_table(found)
    else:
        click.echo("There are no threads yet.")


@command.command()
@click.argument("thread_id")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in the form of get_image_thread.")
def show(thread_id: str, as_json: bool) -> None:
    """Show the turns of a thread and its images."""
    output.for_people()
    thread, paths = _on_shelf(lambda shelf: shelf.thread(thread_id))
    if as_json:
        from ..tools.answers import ThreadsAnswer, facts  # late: it imports the server's side
        from ..tools.get_image_thread import thread_answer

        _print_json(facts(ThreadsAnswer(thread=thread_answer(thread, lambda image: paths[image.image_id]))))
    else:
        _print_thread(thread, paths)


@command.command()
@click.argument("thread_ids", nargs=-1, metavar="[THREAD_ID]...")
@click.option(
    "--older-than",
    type=float,
    callback=_age,
    metavar="DAYS",
    help="All whose last change is more than so many days ago.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(thread_ids: tuple[str, ...], older_than: timedelta | None, yes: bool) -> None:
    """Delete threads with their images, for good. What they cost stays in the ledger."""
    if bool(thread_ids) == (older_than is not None):
        raise click.UsageError("Name threads, or give --older-than.")
    since = None if older_than is None else _now() - older_than
    chosen, left = _on_shelf(lambda shelf: _chosen(shelf, thread_ids, since))
    if not chosen:
        click.echo("There is nothing to delete.")
        return
    _print_table(chosen)
    for thread_id in sorted({one.thread_id for one in chosen} & left.keys()):
        click.echo(f"{thread_id}: {FETCHABLE if left[thread_id] else LEFT}")
    click.echo(f"{_total(chosen)} will be deleted for good; what they cost stays in the ledger.")
    if not yes:
        click.confirm("Delete?", abort=True)
    gone = _on_shelf(lambda shelf: _delete(shelf, chosen, since))
    click.echo(f"{_total(gone)} deleted.")


async def _chosen(
    shelf: Shelf, thread_ids: Sequence[str], since: datetime | None
) -> tuple[list[ThreadSummary], dict[str, bool]]:
    """The threads to delete, and those that may still get a picture, as `Deleting.left` has them. Raises ThreadNotFound
    for a name of none, InvalidArgument for one that is worked on."""
    if not await shelf.database.exists():
        if thread_ids:
            raise _unknown(thread_ids[0])
        return [], {}
    try:
        await shelf.deleting.sweep()  # what a deletion before has left was agreed to then
    except StorageFailed as error:  # an image folder that never comes back must not keep a thread
        click.echo(f"What deletions before have left stays for now: {error.sentence}.", err=True)
    found = {summary.thread_id: summary for summary in await shelf.threads()}
    busy = await shelf.deleting.busy()
    if since is not None:
        old = [summary for summary in found.values() if summary.updated_at < since]
        for summary in old:
            if summary.thread_id in busy:
                click.echo(f"{summary.thread_id} stays: a call of it still runs.", err=True)
        chosen = [summary for summary in old if summary.thread_id not in busy]
    else:
        chosen = [_named(found, busy, thread_id) for thread_id in dict.fromkeys(thread_ids)]
    return chosen, await shelf.deleting.left()


def _named(found: Mapping[str, ThreadSummary], busy: frozenset[str], thread_id: str) -> ThreadSummary:
    if thread_id not in found:
        raise _unknown(thread_id)
    if thread_id in busy:
        raise _running(thread_id)
    return found[thread_id]


async def _delete(shelf: Shelf, chosen: Sequence[ThreadSummary], since: datetime | None) -> list[ThreadSummary]:
    """Those that are gone; one that somebody went on with meanwhile stays."""
    gone = []
    for summary in chosen:
        settled = await shelf.deleting.give_up(summary.thread_id)  # which is a change of the thread
        if await shelf.deleting.delete(summary.thread_id, None if settled else since):
            gone.append(summary)
        else:
            click.echo(f"{summary.thread_id} stays: it is gone already, or in use again.", err=True)
    return gone


def _on_shelf(work: Callable[[Shelf], Awaitable[T]]) -> T:
    """Do something with what there is. Raises ClickException."""

    async def done(configured: settings.Settings) -> T:
        async with open_shelf(configured, now=_now) as shelf:
            return await work(shelf)

    try:
        configured = settings.from_environment()
        logs.configure(configured.log_level, causes=False)
        return asyncio.run(done(configured))
    except ImagegenError as error:
        raise click.ClickException(f"{error}\nTo fix: {error.fix}") from None


def _now() -> datetime:
    return datetime.now(UTC)


def _unknown(thread_id: str) -> ThreadNotFound:
    named = f"there is no thread {thread_id}" if is_thread_id(thread_id) else f"{thread_id!r} is not a thread_id"
    return ThreadNotFound(named, "use an id that `mcp-imagegen threads list` shows")


def _running(thread_id: str) -> InvalidArgument:
    return InvalidArgument(
        f"a call of the thread {thread_id} still runs in a server",
        "wait until it has ended, or end that server; then delete the thread",
    )


def _print_json(values: dict[str, Any]) -> None:
    output.for_programs()
    click.echo(json.dumps(values, ensure_ascii=False, indent=1))


def _print_table(summaries: Sequence[ThreadSummary]) -> None:
    """One line for each; on a terminal, titles are cut to what is left of its line, and to no less than is of use."""
    head = f"{'thread':<36}  last change  turns  images     size      cost  "
    room = None
    if sys.stdout.isatty():
        room = max(_TITLE_LEAST, shutil.get_terminal_size().columns - len(head))
    click.secho(f"{head}title", bold=True)
    for one in summaries:
        facts = f"{one.thread_id}  {one.updated_at.astimezone():%Y-%m-%d} {one.turns:>6}  {one.images:>6}"
        click.echo(f"{facts}  {_size(one.bytes):>7}  {_cost(one):>8}  {one.title[:room]}")


def _print_thread(thread: Thread, paths: dict[str, str]) -> None:
    click.secho(thread.title, bold=True)
    said = [thread.thread_id, thread.provider, one_line(thread.owner, 80), one_line(thread.label or "", 80)]
    click.echo("  ".join(filter(None, said)))
    click.echo(f"{_cost(thread)}  from {_when(thread.created_at)} to {_when(thread.updated_at)}")
    click.echo()
    for line in drawing(thread):
        click.echo(line)
    pictures = [image for turn in thread.turns for image in turn.finals]
    if pictures:
        click.echo()
    for image in pictures:
        click.echo(f"{image.image_id}  {image.width}x{image.height}  {_size(image.bytes)}  {paths[image.image_id]}")


def _total(summaries: Sequence[ThreadSummary]) -> str:
    counts = [
        (len(summaries), "thread"),
        (sum(one.turns for one in summaries), "turn"),
        (sum(one.images for one in summaries), "image"),
    ]
    said = [f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts]
    return ", ".join([*said, _size(sum(one.bytes for one in summaries))])


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def _cost(thread: Thread | ThreadSummary) -> str:
    """What the sandbox "costs" is no money."""
    return "sandbox" if thread.provider == SANDBOX else shown(thread.cost_nano)


def _size(count: int) -> str:
    """Bytes as people read them."""
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.0f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
