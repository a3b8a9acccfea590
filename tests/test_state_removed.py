"""Somebody removes the state while a server runs: what is paid for is kept and told of, and the next call works."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Upstream
from doors import Transport, call, client_of, text_of
from state_file import rows
from test_joining import ASK, begun

DATABASE = "imagegen.sqlite3"
ANOTHER = {**ASK, "prompt": "a well"}


def remove_the_database(home: Path) -> None:
    (home / DATABASE).unlink()


def remove_it_with_its_journals(home: Path) -> None:
    for path in home.glob(f"{DATABASE}*"):
        path.unlink()


def put_an_empty_one_in_its_place(home: Path) -> None:
    (home / "empty").touch()
    (home / "empty").replace(home / DATABASE)


def remove_everything(home: Path) -> None:
    shutil.rmtree(home)


WAYS: list[Callable[[Path], None]] = [
    remove_the_database,
    remove_it_with_its_journals,
    put_an_empty_one_in_its_place,
    remove_everything,
]


# In one of the ways a real process finds that its state is gone, in the others a server in memory does.
DOORS_AND_WAYS: list[tuple[Transport, Callable[[Path], None]]] = [
    ("stdio" if way is remove_everything else "memory", way) for way in WAYS
]


@pytest.fixture
def home(environment: dict[str, str]) -> Path:
    return Path(environment["MCP_IMAGEGEN_HOME"])


@pytest.mark.parametrize(("door", "removed"), DOORS_AND_WAYS)
async def test_a_picture_whose_record_went_while_it_was_drawn_is_kept_and_told_of(
    environment: dict[str, str], upstream: Upstream, home: Path, door: Transport, removed: Callable[[Path], None]
) -> None:
    async with client_of(environment, door) as client:
        upstream.open.clear()
        calling = await begun(client, {**ASK, "n": 2})
        await upstream.drew.wait()
        removed(home)
        upstream.open.set()
        result = await calling
        text = text_of(result)
        kept = [Path(found) for found in re.findall(r"is kept at (\S+?)(?:;|\n|$)", text)]
        after = await call(client, "generate_image", **ANOTHER)
        listed = (await call(client, "get_image_thread"))["threads"]
    assert result.is_error
    assert text.startswith("storage_failed: ")
    assert "may have been billed" in text
    assert [path.read_bytes()[:4] for path in kept] == [b"\x89PNG"] * 2
    assert [row["thread_id"] for row in listed] == [after["thread_id"]]
    assert upstream.seen == ["POST /v1/images/generations"] * 2


@pytest.mark.parametrize(("door", "removed"), DOORS_AND_WAYS)
async def test_a_call_after_the_state_went_is_recorded_where_the_next_server_finds_it(
    environment: dict[str, str], home: Path, door: Transport, removed: Callable[[Path], None]
) -> None:
    async with client_of(environment, door) as client:
        before = await call(client, "generate_image", **ASK)
        removed(home)
        after = await call(client, "generate_image", **ANOTHER)
        on = await call(client, "continue_image_thread", thread_id=after["thread_id"], prompt="at night", quality="low")
    async with client_of(environment) as client:
        listed = (await call(client, "get_image_thread"))["threads"]
    assert [row["thread_id"] for row in listed] == [after["thread_id"]]
    assert [on["status"], listed[0]["turns"]] == ["completed", 2]
    assert rows(home, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert Path(before["images"][0]["path"]).exists() == (removed is not remove_everything)


async def test_what_stands_in_the_databases_place_is_told_of_and_costs_nothing_more(
    environment: dict[str, str], upstream: Upstream, home: Path
) -> None:
    """While a call runs somebody puts another file there: its picture is told of, and the next call is not sent."""
    async with client_of(environment) as client:
        upstream.open.clear()
        calling = await begun(client)
        await upstream.drew.wait()
        (home / "other").write_text("no database, but a longer text than the header of one " * 40)
        (home / "other").replace(home / DATABASE)
        upstream.open.set()
        paid = text_of(await calling)
        refused = text_of(await client.call_tool("generate_image", ANOTHER))
    [kept] = re.findall(r"is kept at (\S+?)(?:;|\n|$)", paid)
    assert [text.partition(":")[0] for text in (paid, refused)] == ["storage_failed"] * 2
    assert ["billed" in text for text in (paid, refused)] == [True, False]
    assert Path(kept).read_bytes()[:4] == b"\x89PNG"
    assert "is no SQLite database" in refused
    assert upstream.seen == ["POST /v1/images/generations"]


async def test_two_servers_whose_database_goes_both_go_on(environment: dict[str, str], home: Path) -> None:
    async with client_of(environment, "stdio") as one, client_of(environment) as other:
        for client in (one, other):
            await call(client, "generate_image", **ASK)
        remove_the_database(home)
        made = [await call(client, "generate_image", **ANOTHER) for client in (one, other, one, other)]
        listed = [(await call(client, "get_image_thread"))["threads"] for client in (one, other)]
    assert listed[0] == listed[1]
    assert {row["thread_id"] for row in listed[0]} == {answer["thread_id"] for answer in made}
    assert len(made) == len({answer["thread_id"] for answer in made})
    assert rows(home, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
