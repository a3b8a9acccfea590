"""The state refuses every write while a paid answer arrives: the pictures are told of, and belong to their turn as soon
as it can be written again."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import stamina
from doors import call, client_of, refusal
from mcp import Client
from stand_in import PICTURE, Said, StandIn, picture, standing_in
from state_file import execute, rows, until
from test_unsaved import between_attempts

from mcp_imagegen.pipeline import elsewhere, recovery

USAGE = {"input_tokens": 20, "output_tokens": 272, "input_tokens_details": {"text_tokens": 20, "image_tokens": 0}}
ANSWER = {"data": [{"b64_json": PICTURE, "revised_prompt": "a grey cat"}, {"b64_json": PICTURE}], "usage": USAGE}
ASK = {"prompt": "a cat", "n": 2, "quality": "low", "size": "1024x1024"}
__all__ = ["between_attempts"]  # a fixture
TABLES = {"images": "INSERT", "turns": "UPDATE", "ledger_entries": "UPDATE"}


@dataclass
class Disk:
    """What the state lies on: it can refuse every write, and take them again."""

    home: Path
    folder: bool = True  # whether that of the pictures refuses too
    tables: dict[str, str] = field(default_factory=lambda: dict(TABLES))
    only: str = ""  # a condition of the refusals
    temporary: bool = False  # whether the temporary folder refuses too

    def fills(self) -> None:
        if self.temporary:
            (self.home.parent / "temporary").rmdir()
        for table, what in self.tables.items():
            refuse = f"{self.only} BEGIN SELECT RAISE(ABORT, 'no room'); END"
            execute(self.home, f"CREATE TRIGGER full_{table} BEFORE {what} ON {table} {refuse}")
        if self.folder:
            (self.home / "images").rename(self.home / "gone")
            (self.home / "images").write_text("no folder any more")

    def has_room(self) -> None:
        for table in self.tables:
            execute(self.home, f"DROP TRIGGER full_{table}")
        if self.temporary:
            (self.home.parent / "temporary").mkdir()
        if self.folder:
            (self.home / "images").unlink()
            (self.home / "gone").rename(self.home / "images")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    for name in ("state", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return Disk(tmp_path / "state")


@asynccontextmanager
async def paid(
    disk: Disk, answer: Any, asked: dict[str, Any] = ASK, **settings: str
) -> AsyncIterator[tuple[Client, StandIn, str]]:
    """A server whose disk filled while the answer came, and what it said of that."""
    async with standing_in(Said(answer)) as provider:
        provider.meanwhile = disk.fills
        settings = provider.environment(MCP_IMAGEGEN_HOME=str(disk.home), **settings)
        async with client_of(settings) as client:
            yield client, provider, await refusal(client, "generate_image", **asked)


def kept(said: str) -> list[Path]:
    return [Path(found) for found in re.findall(r"is kept at (\S+?)(?:;|\n|$)", said)]


def thread_id(disk: Disk) -> str:
    return str(rows(disk.home, "SELECT thread_id FROM threads")[0]["thread_id"])


async def collected(client: Client, disk: Disk) -> dict[str, Any]:
    answer = await call(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
    return dict(answer["result"])


def early(result: dict[str, Any]) -> list[str]:
    """The warnings of a call that did not come to its end."""
    return [warning for warning in result["warnings"] if "ended" in warning or "lost" in warning]


@pytest.mark.parametrize("folder", [True, False])
async def test_pictures_that_cannot_be_recorded_are_told_of_where_they_are_and_collected_when_there_is_room(
    disk: Disk, folder: bool
) -> None:
    disk.folder = folder
    async with paid(disk, ANSWER) as (client, provider, said):
        places = kept(said)
        contents = [path.read_bytes() for path in places]
        disk.has_room()
        result = await collected(client, disk)
    assert said.startswith("storage_failed: ")
    assert "may have been billed" in said
    assert f"get_image_thread(thread_id='{thread_id(disk)}', wait=true)" in said
    assert contents == [picture()] * 2
    assert {path.is_relative_to(disk.home / "images") for path in places} == {not folder}
    assert [result["status"], result["cost"]["basis"]] == ["completed", "billed"]
    assert [image.get("revised_prompt") for image in result["images"]] == ["a grey cat", None]
    assert [Path(image["path"]).read_bytes() for image in result["images"]] == [picture()] * 2
    assert not early(result)
    assert [row["status"] for row in rows(disk.home, "SELECT status FROM ledger_entries")] == ["settled"]
    assert list((disk.home / "answers").iterdir()) == []
    assert len(provider.seen) == 1


async def test_while_there_is_no_room_the_turn_runs_on_and_who_waits_for_it_is_told_where_the_pictures_are(
    disk: Disk,
) -> None:
    async with paid(disk, ANSWER) as (client, _, said):
        waited = await refusal(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
        shown = await call(client, "get_image_thread", thread_id=thread_id(disk))
    assert [turn["status"] for turn in shown["thread"]["turns"]] == ["in_progress"]
    assert waited.startswith("storage_failed: ")
    assert kept(waited) == kept(said)


async def test_what_is_held_is_recorded_as_soon_as_there_is_room_though_nobody_uses_its_server(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "AGAIN_S", 0.01)
    async with paid(disk, ANSWER) as (_, provider, _):
        disk.has_room()
        await until(lambda: rows(disk.home, "SELECT status FROM turns") == [{"status": "completed"}])
        async with client_of(provider.environment(MCP_IMAGEGEN_HOME=str(disk.home))) as other:
            result = await collected(other, disk)
    assert [result["status"], len(result["images"]), result["cost"]["basis"]] == ["completed", 2, "billed"]


async def test_where_only_the_pictures_have_no_room_yet_the_turn_waits_for_them(disk: Disk) -> None:
    async with paid(disk, ANSWER) as (client, _, said):
        for table in TABLES:
            execute(disk.home, f"DROP TRIGGER full_{table}")
        waited = await refusal(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
        (disk.home / "images").unlink()
        result = await collected(client, disk)
    assert kept(waited) == kept(said)
    assert [result["status"], len(result["images"])] == ["completed", 2]


async def test_pictures_stay_elsewhere_until_they_are_recorded_at_home(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """One that cannot be removed then is no failure: here it is gone already."""
    disk.tables = {"images": "INSERT"}
    async with paid(disk, ANSWER) as (client, _, said):
        places = kept(said)
        (disk.home / "images").unlink()  # there is room for pictures again, and not yet for what is recorded
        await refusal(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
        stayed = [path.read_bytes() for path in places]
        places[0].unlink()
        disk.folder = False
        disk.has_room()
        result = await collected(client, disk)
    assert stayed == [picture()] * 2
    assert [Path(image["path"]).read_bytes() for image in result["images"]] == [picture()] * 2
    assert list((disk.home.parent / "temporary").iterdir()) == []
    assert [str(places[0]) in it.message for it in caplog.records if "could not be removed" in it.message] == [True]


@pytest.fixture
def pictures_have_no_room(disk: Disk) -> Disk:
    """Neither their folder nor the temporary one takes a picture; the database and the copied answers are elsewhere."""
    disk.tables, disk.temporary = {}, True
    return disk


async def test_pictures_that_could_be_saved_nowhere_are_collected_when_there_is_room(
    pictures_have_no_room: Disk,
) -> None:
    disk = pictures_have_no_room
    async with paid(disk, ANSWER) as (client, provider, said):
        shown = await call(client, "get_image_thread", thread_id=thread_id(disk))
        waited = await refusal(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
        disk.has_room()
        result = await collected(client, disk)
    for text in (said, waited):
        assert text.startswith("storage_failed: ")
        assert text.count("could be saved nowhere") == 2
        assert "ask again" not in text
        assert "free some space), then collect what it made with get_image_thread(thread_id='thr_" in text
    assert [turn["status"] for turn in shown["thread"]["turns"]] == ["in_progress"]
    assert [result["status"], result["cost"]["basis"], early(result)] == ["completed", "billed", []]
    assert [Path(image["path"]).read_bytes() for image in result["images"]] == [picture()] * 2
    assert list((disk.home / "answers").iterdir()) == []
    assert len(provider.seen) == 1


async def test_the_next_server_finds_pictures_that_could_be_saved_nowhere_in_the_copied_answer(
    pictures_have_no_room: Disk, between_attempts: list[Callable[[], None]]
) -> None:
    disk, waits = pictures_have_no_room, list[int]()
    async with paid(disk, ANSWER) as (_, provider, _):
        between_attempts.append(lambda: waits.append(1))
    assert waits == [], "a server that ends tries once and does not wait"
    disk.has_room()
    async with client_of(provider.environment(MCP_IMAGEGEN_HOME=str(disk.home))) as client:
        result = await collected(client, disk)
    assert [result["status"], result["cost"]["basis"], len(result["images"])] == ["completed", "billed", 2]


async def test_a_picture_that_is_tried_again_when_the_server_ends_is_left_to_the_next_one(
    pictures_have_no_room: Disk, between_attempts: list[Callable[[], None]]
) -> None:
    disk, waits, one = pictures_have_no_room, list[int](), {**ANSWER, "data": ANSWER["data"][:1]}
    async with paid(disk, one, {**ASK, "n": 1}, MCP_IMAGEGEN_DRAIN_S="0") as (client, provider, _):
        stamina.set_testing(False)  # it really waits, and for longer than the test
        between_attempts.append(lambda: waits.append(1))
        waiting = asyncio.create_task(collected(client, disk))
        await until(lambda: bool(waits))
        waiting.cancel()
    disk.has_room()
    async with client_of(provider.environment(MCP_IMAGEGEN_HOME=str(disk.home))) as client:
        result = await collected(client, disk)
    assert waits == [1]
    assert [result["status"], len(result["images"])] == ["completed", 1]


async def test_copies_are_written_once_when_there_is_room(disk: Disk) -> None:
    disk.tables, copies = {"ledger_entries": "UPDATE"}, disk.home.parent / "copies"
    asked = {**ASK, "save_to": f"{copies}/"}
    async with paid(disk, ANSWER, asked, MCP_IMAGEGEN_ROOTS=str(copies)) as (client, _, _):
        before = copies.exists()
        (disk.home / "images").unlink()  # there is room for pictures again, and not yet for what is recorded
        await refusal(client, "get_image_thread", thread_id=thread_id(disk), wait=True)
        disk.folder = False
        disk.has_room()
        result = await collected(client, disk)
    written = sorted(copies.iterdir())
    assert [before, early(result)] == [False, []]
    assert [path.read_bytes() for path in written] == [picture()] * 2
    assert sorted(one for one in result["warnings"] if "copy" in one) == [f"a copy was saved to {it}" for it in written]


async def test_where_some_pictures_were_saved_the_turn_waits_for_the_others(disk: Disk) -> None:
    disk.folder, disk.tables, disk.only = False, {"images": "INSERT"}, 'WHEN NEW."index" = 0'
    async with paid(disk, ANSWER) as (client, _, said):
        disk.has_room()
        result = await collected(client, disk)
    assert len(kept(said)) == 2
    assert [result["status"], early(result)] == ["completed", []]
    assert [image.get("revised_prompt") for image in result["images"]] == ["a grey cat", None]


async def test_the_same_call_made_again_gets_what_could_not_be_recorded(disk: Disk) -> None:
    async with paid(disk, ANSWER) as (client, provider, _):
        disk.has_room()
        again = await call(client, "generate_image", **ASK)
    assert [again["status"], again["reused"], len(again["images"])] == ["completed", True, 2]
    assert len(provider.seen) == 1


async def test_a_server_that_ends_tries_to_record_it_a_last_time(disk: Disk) -> None:
    async with paid(disk, ANSWER):
        disk.has_room()
    [turn] = rows(disk.home, "SELECT status, cost_basis FROM turns")
    assert [turn["status"], turn["cost_basis"]] == ["completed", "billed"]
    assert list((disk.home / "answers").iterdir()) == []


async def collected_by_the_next_server(disk: Disk) -> tuple[dict[str, Any], list[Path]]:
    """The copy of the answer is gone too, as where the disk was full before it began. And what the first one said of
    where the pictures are."""
    async with paid(disk, ANSWER) as (_, provider, said):
        pass
    disk.has_room()
    for copy in (disk.home / "answers").iterdir():
        copy.unlink()
    async with client_of(provider.environment(MCP_IMAGEGEN_HOME=str(disk.home))) as client:
        return await collected(client, disk), kept(said)


async def test_the_next_server_finds_pictures_that_were_kept_elsewhere(disk: Disk) -> None:
    result, places = await collected_by_the_next_server(disk)
    assert [result["status"], result["cost"]["basis"]] == ["completed", "estimated"]
    assert [Path(image["path"]).name for image in result["images"]] == [path.name for path in places]
    assert [Path(image["path"]).read_bytes() for image in result["images"]] == [picture()] * 2
    assert list((disk.home.parent / "temporary").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there the temporary folder is the user's own")
async def test_pictures_that_somebody_else_put_into_the_temporary_folder_are_not_the_turns(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To this user they look like another's."""
    somebody = os.getuid() + 1
    monkeypatch.setattr(elsewhere, "getuid", lambda: somebody)
    result, places = await collected_by_the_next_server(disk)
    assert [result["status"], result["images"]] == ["lost", []]
    assert [path.read_bytes() for path in places] == [picture()] * 2


async def test_a_call_that_failed_for_another_reason_says_so_and_is_recorded_so(disk: Disk) -> None:
    refused = {"data": [], "error": {"message": "no", "code": "moderation_blocked", "type": "error"}}
    async with paid(disk, refused) as (client, _, said):
        disk.has_room()
        result = await collected(client, disk)
    assert said.startswith("moderation_blocked: ")
    assert [result["status"], result["error"]["code"]] == ["failed", "moderation_blocked"]
