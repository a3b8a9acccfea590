"""The report of `mcp-imagegen spend` for people: a table with bars, as wide as the terminal."""

import shutil
import sys
import unicodedata
from dataclasses import dataclass
from datetime import datetime

import click

from ..ledger.accuracy import LATELY, Accuracy
from ..ledger.reports import By, Group, Report, Sums, together
from ..ledger.statement import zone_of
from ..pricing.amounts import shown

ROWS = 40  # days or others in a table; the rest is put together in one row
LEAST_BAR = 8  # cells; a bar that could not be longer is left out
LONGEST_KEY = 40  # cells
SANDBOX = "at OpenAI's prices and not billed"


@dataclass(frozen=True)
class Row:
    key: str
    sums: Sums
    drawn: bool = True  # with a bar


@dataclass(frozen=True)
class Chart:
    """`sandbox`: its calls, in place of those that cost money. `unsettled` are calls that ended with their server."""

    report: Report
    by: By
    now: datetime
    since: datetime | None
    sandbox: bool
    unsettled: int = 0

    def show(self) -> None:
        section, other = self.report.money, self.report.sandbox
        if self.sandbox:
            section, other = other, section
        groups = section.groups[self.by]
        if groups:
            click.secho(f"{self._heading()}\n", bold=True)
            _table(self.by, self._rows(groups), section.total)
        else:
            click.echo(f"No calls {'of the sandbox' if self.sandbox else 'that cost money'}{self._period()}.")
        remarks = [*_remarks(section.total), *self._left(), *self._elsewhere(other.total)]
        if remarks:
            click.echo("\n" + "\n".join(remarks))
        if section.estimates:
            _estimates(section.estimates)

    def _heading(self) -> str:
        days = f" in {zone_of(self.now)}" if self.by == "day" else ""
        what = f"Sandbox, {SANDBOX}:" if self.sandbox else "Spent"
        return f"{what} by {self.by}{days}{self._period()}"

    def _period(self) -> str:
        return "" if self.since is None else f" since {self.since.date()}"

    def _rows(self, groups: tuple[Group, ...]) -> list[Row]:
        """The latest days or the dearest others, and one row for the rest."""
        if len(groups) <= ROWS:
            return [Row(_name(group, self.by), group.sums) for group in groups]
        kept, rest = (groups[-ROWS:], groups[:-ROWS]) if self.by == "day" else (groups[:ROWS], groups[ROWS:])
        rows = [Row(_name(group, self.by), group.sums) for group in kept]
        if self.by == "day":
            return [Row("earlier", together(rest), drawn=False), *rows]
        return [*rows, Row(f"{len(rest)} more", together(rest), drawn=False)]

    def _left(self) -> list[str]:
        if not self.unsettled:
            return []
        whose = f"{_counted(self.unsettled, 'call')} of a server that ended"
        return [f"{whose} not settled yet: what came of them is looked for when a server is next used."]

    def _elsewhere(self, other: Sums) -> list[str]:
        """That there is more which is not shown, since it must not be added."""
        amount = f"{_counted(other.calls, 'call')}, {shown(other.spent_nano)}"
        if other == Sums():
            return []
        if self.sandbox:
            return [f"Money: {amount}. Leave out --sandbox to see it."]
        return [f"Sandbox: {amount} {SANDBOX}; --sandbox shows it."]


def _table(by: By, rows: list[Row], total: Sums) -> None:
    """As many columns as the terminal has room for, and bars in what is left."""
    lines = [[by, "calls", "images", "tokens in", "tokens out", "spent"]]
    lines += [[row.key, *_figures(row.sums)] for row in rows]
    lines += [["together", *_figures(total)]]
    columns, width = list(range(len(lines[0]))), shutil.get_terminal_size().columns - 1
    widths = [max(_cells(line[column]) for line in lines) for column in columns]
    for dropped in (3, 4, 2):  # the tokens first, then the images
        if sum(widths[column] + 2 for column in columns) + LEAST_BAR > width:
            columns.remove(dropped)
    widths[0] = max(4, min(widths[0], width - sum(widths[column] + 2 for column in columns[1:])))
    room = width - sum(widths[column] + 2 for column in columns)
    most = max((row.sums.spent_nano for row in rows if row.drawn), default=0)
    heading, *body = ["  ".join(_placed(line, column, widths[column]) for column in columns) for line in lines]
    click.secho(heading.rstrip(), bold=True)
    for text, row in zip(body, rows, strict=False):
        bar = _bar(room, row.sums.spent_nano, most) if row.drawn and room >= LEAST_BAR else ""
        click.echo(f"{text}  {click.style(bar, fg='cyan')}" if bar else text)
    click.secho(body[-1], bold=True)


def _figures(sums: Sums) -> list[str]:
    counts = [sums.calls, sums.images, sums.input_tokens, sums.output_tokens]
    return [*(f"{count:,}" for count in counts), shown(sums.spent_nano)]


def _remarks(total: Sums) -> list[str]:
    """What the amounts do not say by themselves."""
    estimated = f"{shown(total.estimated_nano)} of it is estimated: what was used was not told, or not heard."
    reserved = f"{shown(total.reserved_nano)} more at most, by calls whose end is not known yet."
    said = {
        estimated: total.estimated_nano,
        reserved: total.reserved_nano,
        f"{_counted(total.unpriced, 'call')} without a known price, counted as nothing.": total.unpriced,
        f"{_counted(total.refused, 'request')} refused, at no cost.": total.refused,
    }
    return [text for text, amount in said.items() if amount]


def _estimates(found: tuple[Accuracy, ...]) -> None:
    """How far estimates were off, and in yellow where the last calls were time and again."""
    lines = [["model", "calls", "median", "worst", "outside of the estimate"]]
    for one in found:
        name = _printable(f"{one.model} ({one.provider})")
        lines.append([name, f"{one.calls:,}", f"{one.median:+.1%}", f"{one.worst:+.1%}", f"{one.outside:,}"])
    widths = [max(_cells(line[column]) for line in lines) for column in range(len(lines[0]))]
    heading, *body = ["  ".join(_placed(line, column, widths[column]) for column in range(len(line))) for line in lines]
    click.secho(f"\nBilled against estimated\n{heading}", bold=True)
    for text, one in zip(body, found, strict=True):
        click.secho(text, fg="yellow" if one.drifts else None)
    for one in found:
        if one.drifts and one.lately is not None:
            than = "above the highest" if one.lately > 0 else "below the lowest"
            several = len({other.provider for other in found}) > 1
            name = _printable(f"{one.model} ({one.provider})" if several else one.model)
            off = f"The last {LATELY} calls of {name} lay {abs(one.lately):.0%} {than} price estimated"
            click.secho(f"{off} (median): check its row in prices.toml.", fg="yellow")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _name(group: Group, by: By) -> str:
    """A thread by the beginning of its id and by its title."""
    if group.key is None:
        return "(none)"
    if by == "thread":
        return _fitting(f"{str(group.key)[:12]} {_printable(group.title or '(deleted)')}", LONGEST_KEY)
    return _fitting(_printable(str(group.key)), LONGEST_KEY)


def _printable(text: str) -> str:
    """Names come from callers and must not steer the terminal."""
    return "".join(char if char.isprintable() else " " for char in text)


def _bar(room: int, amount: int, most: int) -> str:
    """As long as the share of the largest amount, and never nothing for something."""
    try:
        "█".encode(sys.stdout.encoding or "ascii")
        block = "█"
    except UnicodeEncodeError:
        block = "#"
    return block * max(1, room * amount // most) if amount else ""


def _placed(line: list[str], column: int, width: int) -> str:
    """The first column to the left, figures to the right."""
    cell = _fitting(line[column], width)
    room = " " * (width - _cells(cell))
    return cell + room if column == 0 else room + cell


def _fitting(text: str, width: int) -> str:
    if _cells(text) <= width:
        return text
    while text and _cells(text) > width - 1:
        text = text[:-1]
    return f"{text}…"


def _cells(text: str) -> int:
    """How wide a terminal shows it: ideographs and emoji take two cells, combining marks none."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
