"""The folder of the pictures breaks while a call runs: what is paid for is kept elsewhere, and accounted for."""

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import stamina
from doors import call, client_of, text_of
from stand_in import PICTURE, Said, picture, standing_in
from state_file import rows, until
from test_threads_command import ran


@pytest.fixture
def between_attempts() -> Iterator[list[Callable[[], None]]]:
    """What happens before something is tried again."""
    happens: list[Callable[[], None]] = []
    hooks = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda _: [one() for one in happens] and None])
    yield happens
    stamina.instrumentation.set_on_retry_hooks(hooks)


THREE = {"created": 1, "data": [{"b64_json": PICTURE}] * 3}


async def test_every_picture_of_a_call_is_kept_elsewhere_when_the_folder_breaks_and_comes_back_to_its_thread(
    tmp_path: Path, between_attempts: list[Callable[[], None]]
) -> None:
    images, waits = tmp_path / "images", list[int]()
    between_attempts.append(lambda: waits.append(1))

    def breaks() -> None:
        images.rename(tmp_path / "gone")
        images.write_text("no folder any more")

    async with standing_in(Said(THREE)) as stand_in:
        stand_in.meanwhile = breaks
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            result = await client.call_tool("generate_image", {"prompt": "a cat", "n": 3, "quality": "low"})
            assert len(waits) == 2, "the first picture is waited with, and the others are put elsewhere at once"
            text = text_of(result)
            kept = [Path(found) for found in re.findall(r"is kept at (\S+?)(?:;|\n|$)", text)]
            [thread] = (await call(client, "get_image_thread"))["threads"]
            contents = [path.read_bytes() for path in kept]
            kept[0].write_bytes(b"painted over")
            images.unlink()
            collected = await call(client, "get_image_thread", thread_id=thread["thread_id"], wait=True)
    assert text.startswith("storage_failed: ")
    assert "may have been billed" in text
    assert contents == [picture()] * 3
    assert [Path(image["path"]).read_bytes() for image in collected["result"]["images"]] == [picture()] * 3
    assert [collected["result"]["status"], collected["result"]["warnings"]] == ["completed", []]
    assert collected["thread"]["cost_usd"] > 0
    assert [row["status"] for row in rows(tmp_path, "SELECT status FROM ledger_entries")] == ["settled"]
    assert [path.exists() for path in kept] == [True, False, False], "what somebody has changed is left to him"
    await ran(environment, "delete", thread["thread_id"], "--yes")
    assert not any(path.parent.exists() for path in kept)


async def test_a_server_that_ends_while_it_waits_for_room_keeps_every_picture_elsewhere(
    tmp_path: Path, between_attempts: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk takes no copy of the answer."""
    images, answers, waits = tmp_path / "images", tmp_path / "answers", list[int]()
    between_attempts.append(lambda: waits.append(1))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def breaks() -> None:
        for folder in (images, answers):
            folder.rmdir()
            folder.write_text("no folder any more")

    async with standing_in(Said(THREE)) as stand_in:
        stand_in.meanwhile = breaks
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path))
        stamina.set_testing(False)  # it really waits, and for longer than the test
        async with client_of({**environment, "MCP_IMAGEGEN_DRAIN_S": "0", "MCP_IMAGEGEN_MAX_WAIT_S": "0.05"}) as client:
            handed = await call(client, "generate_image", prompt="a cat", n=3, quality="low")
            await until(lambda: bool(waits))
        for folder in (images, answers):
            folder.unlink()
        async with client_of(environment) as client:
            collected = await call(client, "get_image_thread", thread_id=handed["thread_id"], wait=True)
    assert waits == [1]
    assert [collected["result"]["status"], collected["result"]["warnings"]] == ["completed", []]
    assert [Path(image["path"]).read_bytes() for image in collected["result"]["images"]] == [picture()] * 3


async def test_pictures_that_could_not_be_saved_are_paid_for_by_image(tmp_path: Path) -> None:
    images = tmp_path / "images"

    def breaks() -> None:
        images.rename(tmp_path / "gone")
        images.write_text("no folder any more")

    async with standing_in(Said(THREE)) as stand_in:
        stand_in.meanwhile = breaks
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path), MCP_IMAGEGEN_PROVIDER="compatible")
        async with client_of(environment) as client:
            ask = {"prompt": "a cat", "n": 3, "model": "dall-e-2", "size": "256x256"}
            assert (await client.call_tool("generate_image", ask)).is_error
            images.unlink()
            await call(client, "get_image_thread")
    (entry,) = rows(tmp_path, "SELECT nano, basis FROM ledger_entries")
    assert entry == {"nano": 48_000_000, "basis": "billed"}


async def test_a_picture_is_held_in_memory_while_its_folder_is_gone_for_a_moment(
    tmp_path: Path, between_attempts: list[Callable[[], None]]
) -> None:
    images, gone = tmp_path / "images", tmp_path / "gone"
    tried: list[str] = []

    def breaks() -> None:
        images.rename(gone)
        images.write_text("no folder any more")

    def comes_back() -> None:
        tried.append("again")
        if not images.is_dir():
            images.unlink()
            gone.rename(images)

    between_attempts.append(comes_back)
    async with standing_in(Said({"created": 1, "data": [{"b64_json": PICTURE}]})) as stand_in:
        stand_in.meanwhile = breaks
        environment = stand_in.environment(MCP_IMAGEGEN_HOME=str(tmp_path))
        async with client_of(environment) as client:
            answer = await call(client, "generate_image", prompt="a cat", quality="low")
    assert tried == ["again"]
    assert answer["status"] == "completed"
    assert Path(answer["images"][0]["path"]).read_bytes() == picture()
