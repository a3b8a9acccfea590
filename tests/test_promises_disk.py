"""What is promised about paid pictures: they are on the disk, whole and private, before they are recorded."""

import base64
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal
from mcp import Client
from sqlalchemy import Engine, event
from stand_in import GOOD, Said, picture, standing_in
from state_file import execute, rows

SMALL = {"size": "1024x640", "quality": "low"}


@dataclass(frozen=True)
class Recorded:
    """A picture's row, with what lay under its key at the moment at which the row was written."""

    key: str
    size_in_row: int
    size_on_disk: int | None
    mode: int | None
    forced: bool  # the file was forced to the disk, whole, and after it the folder that names it


@dataclass
class Watch:
    """Looks at the folder of the images whenever a picture is recorded in this process."""

    folder: Path
    seen: list[Recorded] = field(default_factory=list)
    forced: list[tuple[int, int]] = field(default_factory=list)  # inode and size of all that was forced to the disk

    def fsync(self, descriptor: int) -> None:
        told = os.fstat(descriptor)
        self.forced.append((told.st_ino, told.st_size))

    def on_statement(
        self, _connection: Any, _cursor: Any, statement: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        if statement.startswith("INSERT INTO images "):
            self.seen += [self._look(row) for row in context.compiled_parameters]

    def _look(self, row: dict[str, Any]) -> Recorded:
        path = self.folder / row["key"]
        if not path.exists():
            return Recorded(row["key"], row["bytes"], None, None, False)
        told, folder = path.stat(), path.parent.stat().st_ino
        file = (told.st_ino, told.st_size)
        after = self.forced[self.forced.index(file) :] if file in self.forced else []
        forced = folder in [inode for inode, _ in after]
        return Recorded(row["key"], row["bytes"], told.st_size, told.st_mode & 0o777, forced)


@pytest.fixture
def watch(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch(Path(environment["MCP_IMAGEGEN_HOME"]) / "images")
    monkeypatch.setattr(os, "fsync", watch.fsync)
    event.listen(Engine, "before_cursor_execute", watch.on_statement)
    yield watch
    event.remove(Engine, "before_cursor_execute", watch.on_statement)


async def test_a_picture_is_whole_private_and_forced_to_the_disk_before_it_is_recorded(
    watch: Watch, client: Client
) -> None:
    """For a generation of several, partial frames, an edit and a continuation alike."""
    first = await call(client, "generate_image", prompt="a mill", n=2, **SMALL)
    image = first["images"][0]["image_id"]
    await call(client, "edit_image", prompt="a moon", images=[image], partial_images=1, **SMALL)
    await call(client, "continue_image_thread", thread_id=first["thread_id"], prompt="at night", **SMALL)

    assert len(watch.seen) == 5  # two, a frame and its picture, one
    for recorded in watch.seen:
        assert recorded.size_on_disk == recorded.size_in_row, recorded
        assert recorded.mode == 0o600, recorded
        assert recorded.forced, recorded


async def test_the_folders_of_pictures_and_state_are_private(client: Client, environment: dict[str, str]) -> None:
    await call(client, "get_image_thread")  # so that the database comes first and makes the folder of the state
    first = await call(client, "generate_image", prompt="a mill", **SMALL)
    home, path = Path(environment["MCP_IMAGEGEN_HOME"]), Path(first["images"][0]["path"])
    assert path.is_relative_to(home / "images")
    for folder in (path.parent, home / "images", home):
        assert folder.stat().st_mode & 0o777 == 0o700, folder
    for file in home.rglob("*"):
        assert file.is_dir() or file.stat().st_mode & 0o777 == 0o600, file


async def test_a_paid_picture_that_cannot_be_recorded_is_on_disk_whole(tmp_path: Path) -> None:
    """The database fails at the very statement that records the picture."""
    home, data = tmp_path / "state", picture(size=(200, 100))
    answer = Said({**GOOD, "data": [{"b64_json": base64.b64encode(data).decode()}]})
    async with standing_in(answer) as provider:
        environment = provider.environment(MCP_IMAGEGEN_PROVIDER="openai", MCP_IMAGEGEN_HOME=str(home))
        async with client_of(environment) as client:
            await call(client, "get_image_thread")  # makes the database
            execute(home, "CREATE TRIGGER no BEFORE INSERT ON images BEGIN SELECT RAISE(ABORT, 'no'); END")
            text = await refusal(client, "generate_image", prompt="a mill", **SMALL)
            unrecorded = rows(home, "SELECT * FROM images")
            execute(home, "DROP TRIGGER no")
        # the server tries it once more when it ends
    (entry,) = rows(home, "SELECT * FROM ledger_entries")
    assert text.startswith("storage_failed: ")
    assert "may have been billed" in text
    assert [file.read_bytes() for file in (home / "images").rglob("*.png")] == [data]
    assert unrecorded == []
    assert [row["bytes"] for row in rows(home, "SELECT * FROM images")] == [len(data)]
    assert [entry["status"], entry["nano"]] == ["settled", entry["expected_nano"]]


async def test_nothing_is_sent_while_the_state_cannot_be_written(
    environment: dict[str, str], upstream: Upstream
) -> None:
    async with client_of(environment) as client:
        await call(client, "get_image_thread")
        home = Path(environment["MCP_IMAGEGEN_HOME"])
        execute(home, "CREATE TRIGGER no BEFORE INSERT ON ledger_entries BEGIN SELECT RAISE(ABORT, 'no'); END")
        text = await refusal(client, "generate_image", prompt="a mill", **SMALL)
    assert text.startswith("storage_failed: ")
    assert "may have been billed" not in text
    assert upstream.seen == []
    assert rows(home, "SELECT * FROM turns") == []
