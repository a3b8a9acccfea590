"""`mcp-imagegen spend`: what calls cost, from the ledger in the state folder; no provider is asked."""

import asyncio
import csv
import io
import json
import re
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import click

from .. import logs, settings
from ..database.engine import Database
from ..errors import ImagegenError
from ..ledger.reports import EVERY, By, Report, Section, Sums, report
from ..ledger.statement import statement
from ..operations import LOCAL_OWNER
from ..pipeline.leasing import in_progress
from ..pipeline.processes import Process
from ..pipeline.shelf import DATABASE, PROCESSES
from ..pricing.amounts import NANO
from ..settings import Settings
from . import output
from .spend_chart import Chart

_DAYS = re.compile(r"([1-9]\d{0,3})d")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COUNTS = ("calls", "refused", "images")
_AMOUNTS = ("spent_nano", "billed_nano", "estimated_nano", "reserved_nano")


def beginning(text: str, now: datetime) -> datetime:
    """The local midnight at which a period begins: of a day such as 2026-11-01, or of the first of the last days, today
    included, as in 7d. Raises BadParameter."""
    days = _DAYS.fullmatch(text)
    try:
        first = now.astimezone().date() - timedelta(days=int(days[1]) - 1) if days else date.fromisoformat(text)
        return datetime.combine(first, time()).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter("give a day such as 2026-11-01, or a number of days such as 7d") from None


def _since(_: click.Context, __: click.Parameter, text: str | None) -> datetime | None:
    return None if text is None else beginning(text, datetime.now(UTC))


@click.command(name="spend")
@click.option("--since", metavar="DATE|DAYS", callback=_since, help="From a day on, or the last days: 2026-11-01, 7d.")
@click.option("--by", type=click.Choice(EVERY), default="day", show_default=True, help="What to add up by.")
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON, exact.")
@click.option("--csv", "as_csv", is_flag=True, help="A line for each day, model, thread or client; in UTF-8.")
@click.option("--sandbox", is_flag=True, help="What the sandbox's calls would have cost, in place of money.")
def command(since: datetime | None, by: By, as_json: bool, as_csv: bool, sandbox: bool) -> None:
    """What your calls cost, by the ledger in MCP_IMAGEGEN_HOME; nothing is sent. Days are those of your time zone.

    Also says how far estimates were off from what the API's own token counts came to.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two forms of the same report: give one of them")
    output.for_people()
    try:
        configured = settings.from_environment()
        logs.configure(configured.log_level, causes=False)
        found, unsettled = asyncio.run(_read(configured, by, since))
    except ImagegenError as error:
        raise click.ClickException(f"{error}\nTo fix: {error.fix}") from None
    now = datetime.now(UTC)
    if as_json:
        told = statement(found, now=now, since=since) | ({"unsettled_calls": unsettled} if unsettled else {})
        click.echo(json.dumps(told, indent=1))
    elif as_csv:
        _show_csv(_csv(found.sandbox if sandbox else found.money, by, sandbox))
    else:
        Chart(found, by, now=now, since=since, sandbox=sandbox, unsettled=unsettled).show()


async def _read(configured: Settings, by: By, since: datetime | None) -> tuple[Report, int]:
    """What was spent, and how many calls servers have left that ended; nothing is made where there is no state yet.
    Raises StorageFailed."""
    file = configured.home / DATABASE
    if not await asyncio.to_thread(file.exists):
        return Report(Section({by: ()}), Section({by: ()})), 0
    database = Database(file)
    try:
        async with database.reading() as connection:
            found = await report(connection, owner=LOCAL_OWNER, groupings=(by,), since=since)
        running = await in_progress(database, Process(configured.home / PROCESSES), datetime.now(UTC))
        return found, sum(running.values())
    finally:
        await database.aclose()


def _csv(section: Section, by: By, sandbox: bool) -> str:
    amounts = [name.replace("_nano", "_usd") for name in _AMOUNTS]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([by, "sandbox", *_COUNTS, "input_tokens", "output_tokens", *amounts, "unpriced"])
    for group in section.groups[by]:
        key = "" if group.key is None else str(group.key)
        rows.writerow([_harmless(key), "yes" if sandbox else "no", *_cells(group.sums)])
    return text.getvalue()


def _show_csv(text: str) -> None:
    """To a terminal, which names that come from callers must not steer, without control characters; else exactly."""
    if sys.stdout.isatty():
        text = "".join(char if char.isprintable() or char == "\n" else " " for char in text)
    output.for_programs()
    click.echo(text, nl=False, color=True)  # else click takes escape codes out of what goes to a pipe


def _harmless(key: str) -> str:
    """Names come from callers; a spreadsheet takes a cell that begins so for a formula, after a quote for text."""
    return f"'{key}" if key.startswith(_FORMULA) else key


def _cells(sums: Sums) -> list[str]:
    counts = [getattr(sums, name) for name in _COUNTS]
    amounts = [f"{Decimal(getattr(sums, name)) / NANO:f}" for name in _AMOUNTS]
    return [str(cell) for cell in (*counts, sums.input_tokens, sums.output_tokens, *amounts, sums.unpriced)]
