"""Where copies of results go: decided and checked before anything is spent, and never over what is there."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mcp_imagegen.errors import InvalidArgument, PathNotAllowed, StorageFailed
from mcp_imagegen.inputs.destination import ENDINGS, check_destination, write_copy
from mcp_imagegen.inputs.roots import Roots

OWN = "thr_1/001-1-img_1.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = (tmp_path / "root").resolve()
    folder.mkdir()
    return folder


@pytest.fixture
def roots(root: Path) -> Roots:
    return Roots(reading=(root, root.parent), writing=(root,), working=root)


def copies(save_to: str, roots: Roots, n: int = 1, output_format: str = "png", own: str = OWN) -> list[str]:
    """The paths, seen from the root, of `n` copies."""
    destination = check_destination(save_to, roots, output_format, n)
    paths = [write_copy(destination, index, f"picture {index}".encode(), own) for index in range(n)]
    for index, path in enumerate(paths):
        assert path.read_bytes() == f"picture {index}".encode()
    return [str(path.relative_to(roots.working)) for path in paths]


@pytest.mark.parametrize(
    ("save_to", "n", "expected"),
    [
        ("cat.png", 1, ["cat.png"]),
        ("cat.PNG", 1, ["cat.PNG"]),
        ("cat", 1, ["cat.png"]),
        ("cat.png", 3, ["cat-1.png", "cat-2.png", "cat-3.png"]),
        ("cat", 2, ["cat-1.png", "cat-2.png"]),
        ("new/deep/cat.png", 1, ["new/deep/cat.png"]),
        ("new/", 1, ["new/001-1-img_1.png"]),
        ("there", 1, ["there/001-1-img_1.png"]),
        ("there.png", 1, ["there.png/001-1-img_1.png"]),
        (".", 1, ["001-1-img_1.png"]),
        ("there/../cat.png", 1, ["cat.png"]),
        ("{root}/cat.png", 1, ["cat.png"]),
    ],
)
def test_a_name_or_a_folder_says_where_copies_go(
    root: Path, roots: Roots, save_to: str, n: int, expected: list[str]
) -> None:
    (root / "there").mkdir()
    (root / "there.png").mkdir()
    assert copies(save_to.format(root=root), roots, n) == expected


def test_nothing_that_exists_is_overwritten(root: Path, roots: Roots) -> None:
    (root / "cat.png").write_bytes(b"mine")
    (root / "cat-2.png").symlink_to(root.parent / "dangling.png")
    (root / "cat-3.png").mkdir()
    os.mkfifo(root / "cat-4.png")
    assert copies("cat.png", roots) == ["cat-5.png"]
    assert copies("cat.png", roots) == ["cat-6.png"]
    assert (root / "cat.png").read_bytes() == b"mine"
    assert not (root.parent / "dangling.png").exists()


def test_several_copies_keep_their_numbers_beside_names_that_are_taken(root: Path, roots: Roots) -> None:
    (root / "cat-1.png").write_bytes(b"mine")
    assert copies("cat.png", roots, n=2) == ["cat-1-2.png", "cat-2.png"]
    assert (root / "cat-1.png").read_bytes() == b"mine"


def test_own_names_are_not_overwritten_either(roots: Roots) -> None:
    assert copies("new/", roots) == ["new/001-1-img_1.png"]
    assert copies("new/", roots) == ["new/001-1-img_1-2.png"]


@pytest.mark.parametrize("output_format", ENDINGS)
def test_an_ending_that_does_not_fit_the_format_is_refused(roots: Roots, output_format: str) -> None:
    for kind, endings in ENDINGS.items():
        for ending in endings:
            if kind == output_format:
                check_destination(f"cat{ending}", roots, output_format, 1)
            else:
                with pytest.raises(InvalidArgument) as refused:
                    check_destination(f"cat{ending}", roots, output_format, 1)
                assert ENDINGS[output_format][0] in refused.value.fix


@pytest.mark.parametrize("save_to", ["cat.sh", "cat.png.exe", "x.bashrc", "cat.html"])
def test_no_other_ending_is_written(roots: Roots, save_to: str) -> None:
    with pytest.raises(InvalidArgument):
        copies(save_to, roots)


@pytest.mark.parametrize(
    "save_to",
    [
        "../cat.png",
        "{beside}/cat.png",
        "/cat.png",
        "/etc/cron.d/cat.png",
        "link/cat.png",
        "dangling/cat.png",
        "dangling",
        ".hidden/cat.png",
        ".png",
        "~/cat.png",
    ],
)
def test_what_lies_outside_or_is_hidden_is_refused(root: Path, roots: Roots, save_to: str) -> None:
    beside = root.parent / "root-of-others"
    beside.mkdir()
    (root / "link").symlink_to(beside)
    (root / "dangling").symlink_to(beside / "new")
    with pytest.raises(PathNotAllowed):
        check_destination(save_to.format(beside=beside), roots, "png", 1)
    assert list(beside.iterdir()) == []


def test_a_root_that_does_not_exist_yet_is_a_folder_and_no_name_beside_it(tmp_path: Path) -> None:
    images = tmp_path.resolve() / "state" / "images"
    roots = Roots((images,), (images,), images)
    for save_to in (str(images), "."):
        assert copies(save_to, roots)[0].startswith("001-1-img_1")
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["images"]


def test_clients_that_do_not_share_the_disk_may_not_write() -> None:
    with pytest.raises(PathNotAllowed) as refused:
        check_destination("cat.png", None, "png", 1)
    assert "image://" in refused.value.fix


@pytest.mark.parametrize(
    "save_to", ["", "  ", "a\0.png", "a\n.png", "a\x1b[2J.png", "x" * 300 + ".png", "x" * 300 + "/"]
)
def test_names_that_no_file_should_have_are_refused_before_anything_is_spent(roots: Roots, save_to: str) -> None:
    with pytest.raises(InvalidArgument):
        check_destination(save_to, roots, "png", 1)


def test_the_longest_name_that_is_taken_can_be_written(roots: Roots) -> None:
    longest = "é" * 118 + ".png"
    assert len(os.fsencode(longest)) == 240
    assert copies(longest, roots, n=10)
    assert copies(longest, roots, n=10)
    with pytest.raises(InvalidArgument):
        check_destination("é" + longest, roots, "png", 1)


@pytest.mark.parametrize("save_to", ["file.png/cat.png", "file.png/new/", "file.png/new/cat"])
def test_a_way_through_a_file_is_refused_before_anything_is_spent(root: Path, roots: Roots, save_to: str) -> None:
    (root / "file.png").write_bytes(b"mine")
    with pytest.raises(InvalidArgument):
        check_destination(save_to, roots, "png", 1)


@pytest.mark.parametrize("swapped", ["folder", "folder/inner"])
def test_a_link_put_in_place_of_the_folder_after_the_check_is_not_followed(
    root: Path, roots: Roots, swapped: str
) -> None:
    outside = root.parent / "outside"
    (outside / "inner").mkdir(parents=True)
    (root / "folder" / "inner").mkdir(parents=True)
    destination = check_destination("folder/inner/new/cat.png", roots, "png", 1)
    (root / swapped).rename(root / "away")
    (root / swapped).symlink_to(outside / "inner" if swapped.endswith("inner") else outside)
    with pytest.raises(StorageFailed) as failed:
        write_copy(destination, 0, b"picture", OWN)
    assert "save_to" in failed.value.fix
    assert [path for path in outside.rglob("*") if path.name != "inner"] == []


def test_a_copy_that_does_not_fit_on_the_disk_fails_and_leaves_nothing(root: Path) -> None:
    """A limit on the size of files stands for a full disk: the write begins, and then fails."""
    script = """
        import resource, sys
        from pathlib import Path
        from mcp_imagegen.errors import StorageFailed
        from mcp_imagegen.inputs.destination import check_destination, write_copy
        from mcp_imagegen.inputs.roots import Roots

        root = Path(sys.argv[1])
        destination = check_destination("cat.png", Roots((root,), (root,), root), "png", 1)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_copy(destination, 0, b"x" * 1_000_000, "own.png")
        except StorageFailed as error:
            print(error, "|", error.fix)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(root)], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("storage_failed: ")
    assert "another save_to" in ran.stdout
    assert list(root.iterdir()) == []


def test_no_descriptor_is_left_open(root: Path, roots: Roots) -> None:
    (root / "cat.png").write_bytes(b"mine")
    before = len(list(Path("/dev/fd").iterdir()))
    copies("cat.png", roots)
    copies("new/deep/cat.png", roots)
    destination = check_destination("gone/cat.png", roots, "png", 1)
    (root / "gone").symlink_to(root)
    with pytest.raises(StorageFailed):
        write_copy(destination, 0, b"picture", OWN)
    assert len(list(Path("/dev/fd").iterdir())) == before
