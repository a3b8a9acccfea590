"""Originals are kept byte for byte, for their owner alone, under keys that lead nowhere else."""

import asyncio
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_imagegen.errors import ImageNotFound, StorageFailed
from mcp_imagegen.images.store import ImageStore

KEY = "thr_0123/001-1-img_4567.png"
OPEN_FOR_ALL = 0o000


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "state" / "images")


def modes(top: Path) -> dict[str, int]:
    return {str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in (top, *top.rglob("*"))}


@pytest.mark.parametrize("data", [b"", b"\0\xff\r\n", os.urandom(3_000_000)], ids=["empty", "odd", "3 MB"])
async def test_what_is_kept_comes_back_byte_for_byte(store: ImageStore, data: bytes) -> None:
    await store.prepare()
    await store.save(KEY, data)
    assert await store.load(KEY) == data
    assert store.path(KEY).read_bytes() == data
    again = ImageStore(store.folder)
    assert await again.load(KEY) == data


async def test_files_and_folders_are_their_owners_alone(store: ImageStore) -> None:
    before = os.umask(OPEN_FOR_ALL)
    try:
        await store.prepare()
        await store.save("thr_0123/deep/er/a.png", b"picture")
    finally:
        os.umask(before)
    found = modes(store.folder.parent)
    assert found.pop("images/thr_0123/deep/er/a.png") == 0o600
    assert set(found) == {".", "images", "images/thr_0123", "images/thr_0123/deep", "images/thr_0123/deep/er"}
    assert set(found.values()) == {0o700}


async def test_a_save_without_preparation_makes_private_folders_too(store: ImageStore) -> None:
    await store.save(KEY, b"picture")
    assert {mode for name, mode in modes(store.folder.parent).items() if not name.endswith(".png")} == {0o700}


async def test_looking_for_an_image_makes_no_folder(store: ImageStore) -> None:
    with pytest.raises(ImageNotFound):
        await store.load(KEY)
    assert not store.folder.exists()


async def test_a_file_that_is_gone_is_said_to_be_gone(store: ImageStore) -> None:
    await store.save(KEY, b"picture")
    store.path(KEY).unlink()
    with pytest.raises(ImageNotFound) as missing:
        await store.load(KEY)
    assert "001-1-img_4567.png" in str(missing.value)
    assert str(store.folder) not in str(missing.value)


BAD_KEYS = [
    "",
    "a",
    "/a.png",
    "../a.png",
    "thr/../../a.png",
    "thr/..png",
    "thr/a..png",
    "thr//a.png",
    "thr/a.png/",
    "./a.png",
    ".hidden.png",
    "thr/.a.png",
    "thr\\a.png",
    "C:a.png",
    "thr/A.png",
    "thr/a b.png",
    "thr/a.png\n",
    "thr/a\0.png",
    "thr/ä.png",
    "thr/a%2e.png/%2e%2e",
    "thr/a.png#1",
]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_a_key_that_could_lead_elsewhere_is_an_error_of_ours(store: ImageStore, key: str) -> None:
    await store.prepare()
    for attempt in (store.save(key, b"x"), store.load(key)):
        with pytest.raises(ValueError, match="not a key"):
            await attempt
    assert list(store.folder.iterdir()) == []


@given(st.text(alphabet=st.sampled_from("ab._-/\\:~%0 "), max_size=20).map(lambda text: text + ".png"))
def test_whatever_key_is_taken_lies_inside_the_folder_and_is_not_hidden(key: str) -> None:
    store = ImageStore(Path("/images"))
    try:
        path = store.path(key)
    except ValueError:
        return
    assert Path(os.path.normpath(path)) == path
    assert path.is_relative_to("/images")
    assert not any(part.startswith(".") for part in path.parts[1:])


async def test_several_saves_at_once_keep_their_own_bytes(store: ImageStore) -> None:
    pictures = {f"thr_{i % 3}/{i}.png": bytes([i]) * 200_000 for i in range(12)}
    await asyncio.gather(*(store.save(key, data) for key, data in pictures.items()))
    assert [await store.load(key) for key in pictures] == list(pictures.values())


async def test_no_traces_of_writing_are_left_beside_a_file(store: ImageStore) -> None:
    await store.prepare()
    await store.save(KEY, b"first")
    await store.save(KEY, b"second")
    assert [path.name for path in store.folder.rglob("*") if path.is_file()] == ["001-1-img_4567.png"]
    assert store.path(KEY).read_bytes() == b"second"


@pytest.mark.parametrize("place", ["file", "file/images"])
async def test_a_file_in_place_of_the_folder_is_a_failure_with_a_way_out(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    store = ImageStore(tmp_path / place)
    for attempt in (store.prepare(), store.save(KEY, b"x"), store.load(KEY)):
        with pytest.raises(StorageFailed) as failed:
            await attempt
        assert "a file stands in its place" in str(failed.value)
        assert "MCP_IMAGEGEN_IMAGES" in failed.value.fix
    assert (tmp_path / "file").read_bytes() == b"mine"


async def test_a_folder_in_place_of_the_file_is_a_failure(store: ImageStore) -> None:
    store.path(KEY).mkdir(parents=True)
    with pytest.raises(StorageFailed):
        await store.save(KEY, b"x")


RAN = """
    import asyncio, resource, sys
    from pathlib import Path
    from mcp_imagegen.errors import StorageFailed
    from mcp_imagegen.images.store import ImageStore

    async def main():
        store = ImageStore(Path(sys.argv[1]))
        LIMITED
        try:
            await store.prepare()
            await store.save("thr_1/a.png", b"x" * 1_000_000)
        except StorageFailed as error:
            print(error, "| To fix:", error.fix)

    asyncio.run(main())
"""


def ran(limited: str, folder: Path) -> str:
    """What a process of its own prints that saves a megabyte under a limit."""
    script = textwrap.dedent(RAN.replace("LIMITED", limited))
    return subprocess.run(
        [sys.executable, "-B", "-c", script, str(folder)], capture_output=True, text=True, check=True, timeout=60
    ).stdout


def test_without_a_limit_the_process_of_these_tests_saves(tmp_path: Path) -> None:
    assert ran("pass", tmp_path) == ""
    assert (tmp_path / "thr_1" / "a.png").stat().st_size == 1_000_000


def test_a_write_that_breaks_off_is_a_failure_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the write begins, and then fails."""
    said = ran("resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))", tmp_path)
    assert said.startswith("storage_failed: ")
    assert "MCP_IMAGEGEN_IMAGES" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_place_where_no_folder_can_be_is_found_out_before_anything_is_spent() -> None:
    with pytest.raises(StorageFailed) as failed:
        await ImageStore(Path("/dev/null/images")).prepare()
    assert "MCP_IMAGEGEN_IMAGES" in failed.value.fix
