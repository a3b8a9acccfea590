"""How `mcp-imagegen spend` shows what calls cost to people: on terminals of any width, and in pipes."""

import asyncio
import fcntl
import json
import os
import pty
import re
import shlex
import struct
import sys
import termios
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from conftest import held
from doors import call, clean_environment, client_of
from spend_support import Used, run, used_server
from state_file import execute, rows

pytestmark = pytest.mark.asyncio(loop_scope="module")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
SAME = "owner, operation, provider, api, model, status, basis, ending"
MANY = (
    f"INSERT INTO ledger_entries ({SAME}, nano, created_at, thread_id) "
    "WITH RECURSIVE day(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM day WHERE n < 60) "
    f"SELECT {SAME}, 1000000 * n, created_at - n * 86400000000, 'many-' || n "
    "FROM ledger_entries, day WHERE entry_id = 1"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def used(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Used]:
    async with held(used_server(tmp_path_factory.mktemp("shown") / "state")) as one:
        yield one


def cells(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


async def on_terminal(used: Used, columns: int, *arguments: str) -> str:
    """What a terminal of that width is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    reading = asyncio.create_task(asyncio.to_thread(whole, ours))
    _, _, code = await run(*arguments, environment={**used.environment, "TERM": "xterm-256color"}, stdout=theirs)
    os.close(theirs)
    assert code == 0
    return await reading


def whole(terminal: int) -> str:
    data = b""
    with os.fdopen(terminal, "rb", buffering=0) as source, suppress(OSError):  # which is how it tells its end
        while more := source.read(4_096):
            data += more
    return data.decode()


def drawn(text: str) -> list[str]:
    """The lines with bars."""
    return [line for line in STYLE.sub("", text).splitlines() if "█" in line]


@pytest.mark.parametrize("columns", [52, 200])
async def test_a_terminal_gets_colours_and_bars_that_fit(used: Used, columns: int) -> None:
    text = await on_terminal(used, columns, "--by", "model")
    bars = drawn(text)
    assert STYLE.search(text)
    assert [line.split()[0] for line in bars] == ["gpt-image-2", "gpt-image-2.5-flare"]
    assert all(cells(line) < columns for line in bars)
    assert columns - 10 < max(cells(line) for line in bars)


async def test_a_narrow_terminal_is_told_the_amounts_without_bars(used: Used) -> None:
    lines = STYLE.sub("", await on_terminal(used, 24)).splitlines()
    table = lines[2 : lines.index("", 2)]
    assert [line.split()[0] for line in (table[0], table[-1])] == ["day", "together"]
    assert "$" in table[-1]
    assert all(cells(line) < 24 for line in table)
    assert drawn("\n".join(lines)) == []


async def test_a_pipe_gets_neither_colours_nor_what_a_client_smuggles_in(used: Used) -> None:
    """And what the amounts do not say is said."""
    execute(used.home, "UPDATE ledger_entries SET status = 'reserved', high_nano = 2000000000 WHERE entry_id = 1")
    text = await used.told("--by", "client")
    execute(used.home, "UPDATE ledger_entries SET status = 'settled' WHERE entry_id = 1")
    assert "an editor" in text
    assert all(char.isprintable() or char == "\n" for char in text)
    assert max(map(cells, drawn(text))) < 80
    assert f"${used.answers[2]['cost']['usd']:.4f} of it is estimated" in text
    assert "$2.00 more at most, by calls whose end is not known yet" in text
    assert "1 request refused, at no cost" in text
    assert "Sandbox" not in text


async def test_a_client_s_name_is_exact_for_programs_and_steers_no_terminal(used: Used) -> None:
    (paid, *_) = rows(used.home, "SELECT client FROM ledger_entries")
    execute(used.home, "UPDATE ledger_entries SET client = 'an\x1b[31m \x07editor'")
    lines, table, told = await asyncio.gather(
        used.told("--csv", "--by", "client"),
        on_terminal(used, 80, "--csv", "--by", "client"),
        used.told("--json", "--by", "client"),
    )
    execute(used.home, f"UPDATE ledger_entries SET client = '{paid['client']}'")
    assert lines.splitlines()[1].startswith("an\x1b[31m \x07editor,no,")
    assert table.splitlines()[1].startswith("an [31m  editor,no,")
    assert json.loads(told)["money"]["by_client"][0]["client"] == "an\x1b[31m \x07editor"


async def test_a_name_outside_of_the_encoding_of_a_pipe_is_exact_for_programs(used: Used) -> None:
    """As on Windows, where a pipe has the letters of one region."""
    (paid, *_) = rows(used.home, "SELECT client FROM ledger_entries")
    execute(used.home, "UPDATE ledger_entries SET client = 'Größe 絵 🙂'")
    lines = await used.told("--by", "client", "--csv", PYTHONIOENCODING="latin-1")
    execute(used.home, f"UPDATE ledger_entries SET client = '{paid['client']}'")
    assert lines.splitlines()[1].startswith("Größe 絵 🙂,no,")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("--csv >&-", "standard output is closed: there is nowhere to write to"),
        (">/dev/full", "the output cannot be written: No space left on device"),
    ],
)
async def test_where_nothing_can_be_written_a_sentence_says_so(tmp_path: Path, where: str, said: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m mcp_imagegen spend {where}"
    environment = clean_environment({"MCP_IMAGEGEN_HOME": str(tmp_path)})
    process = await asyncio.create_subprocess_shell(command, env=environment, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert [err.decode(), process.returncode] == [f"Error: {said}\n", 1]


async def test_of_many_rows_the_latest_or_dearest_are_shown_and_the_rest_together(used: Used) -> None:
    execute(used.home, MANY)
    days, threads = await asyncio.gather(used.told(), used.told("--by", "thread"))
    shown = (await used.resource())["money"]
    execute(used.home, "DELETE FROM ledger_entries WHERE thread_id LIKE 'many-%'")
    by_day, by_thread = (
        [line.split() for line in text.partition("\n\n")[2].partition("\n\n")[0].splitlines()[1:]]
        for text in (days, threads)
    )
    assert [len(by_day), len(by_thread)] == [42, 42]
    assert by_day[0][:2] == ["earlier", "21"]
    assert by_day[0][-1].startswith("$"), "a bar of all that was earlier would dwarf the others"
    assert by_thread[0][0] == "many-60"
    assert by_thread[-2][:3] == ["24", "more", "23"]
    assert by_day[-1] == by_thread[-1] == ["together", "63", *by_day[-1][2:]]
    assert [len(shown["by_thread"]), shown["by_thread_left_out"], shown["by_thread"][0]["thread"]] == [
        31,
        33,
        "many-60",
    ]
    assert [len(shown["by_day"]), shown["by_day_left_out"]] == [31, 30]
    assert [shown["by_day"][at]["day"] for at in (-31, -1)] == [by_day[at][0] for at in (-32, -2)]


async def test_where_no_call_was_made_that_is_said_and_nothing_is_written(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    said = await run(environment={"MCP_IMAGEGEN_HOME": str(nowhere)})
    assert said == ("No calls that cost money.\n", "", 0)
    assert not nowhere.exists()


async def test_a_ledger_that_cannot_be_read_is_told_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "imagegen.sqlite3").write_bytes(b"no database" * 100)
    _, err, code = await run(environment={"MCP_IMAGEGEN_HOME": str(tmp_path)})
    assert code == 1
    assert "storage_failed: " in err
    assert "To fix: " in err


async def test_sandbox_amounts_stand_apart(tmp_path: Path) -> None:
    environment = {"MCP_IMAGEGEN_PROVIDER": "sandbox", "MCP_IMAGEGEN_HOME": str(tmp_path)}
    async with client_of(environment) as client:
        made = await call(client, "generate_image", prompt="a mill", size="1024x640", quality="low")
    texts = await asyncio.gather(
        *(run(*arguments, environment=environment) for arguments in ((), ("--sandbox",), ("--csv", "--sandbox")))
    )
    money, sandbox, lines = (out for out, _, _ in texts)
    price = f"${made['cost']['usd']:.4f}"
    assert money.splitlines()[0] == "No calls that cost money."
    assert f"Sandbox: 1 call, {price} at OpenAI's prices and not billed" in money
    assert sandbox.startswith("Sandbox, at OpenAI's prices and not billed")
    assert [line.split()[-1] for line in sandbox.splitlines() if line.startswith("together")] == [price]
    assert [line.split(",")[1:3] for line in lines.splitlines()[1:]] == [["yes", "1"]]
