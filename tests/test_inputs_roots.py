"""Which files may be read: inside the roots, regular, small enough, and never by way of a link."""

import os
import socket
import threading
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from mcp_imagegen.errors import ImagegenError, InputNotFound, InputRejected, PathNotAllowed
from mcp_imagegen.inputs.opening import opened_file
from mcp_imagegen.inputs.roots import Roots, on_another_host, read_file, roots_of
from mcp_imagegen.settings import Settings, from_environment, system_folders

LIMIT = 1_000_000


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "cat.png").write_bytes(b"a cat")
    return folder.resolve()


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the root, whose name begins like the root's."""
    folder = tmp_path / "root-of-others"
    folder.mkdir()
    (folder / "cat.png").write_bytes(b"a secret")
    return folder.resolve()


@pytest.fixture
def roots(root: Path) -> Roots:
    return Roots(reading=(root,), writing=(root,), working=root)


def refusal(path_text: str, roots: Roots, max_bytes: int = LIMIT) -> ImagegenError:
    with pytest.raises(ImagegenError) as refused:
        read_file(path_text, roots, max_bytes=max_bytes)
    assert "secret" not in f"{refused.value}{refused.value.fix}"
    return refused.value


def test_a_file_is_read_by_relative_absolute_and_winding_names(root: Path, roots: Roots) -> None:
    (root / "folder").mkdir()
    for name in ("cat.png", str(root / "cat.png"), "folder/../cat.png", "./folder/.././cat.png"):
        assert read_file(name, roots, max_bytes=LIMIT) == b"a cat"


def test_a_link_that_stays_inside_is_followed(root: Path, roots: Roots) -> None:
    (root / "link.png").symlink_to(root / "cat.png")
    assert read_file("link.png", roots, max_bytes=LIMIT) == b"a cat"


@pytest.mark.parametrize(
    "path_text",
    [
        "../root-of-others/cat.png",
        "folder/../../root-of-others/cat.png",
        "{outside}/cat.png",
        "{root}/../root-of-others/cat.png",
        "link.png",
        "links/cat.png",
        "chain/cat.png",
        "loop",
        "..",
        "/",
        "/etc/passwd",
        "/proc/self/environ",
        "~/cat.png",
        "~nobody-of-this-name/cat.png",
        "/dev/stdin",
    ],
)
def test_what_lies_outside_is_refused(root: Path, outside: Path, roots: Roots, path_text: str) -> None:
    (root / "folder").mkdir()
    (root / "link.png").symlink_to(outside / "cat.png")
    (root / "links").symlink_to(outside)
    (root / "chain").symlink_to(root / "links")
    (root / "loop").symlink_to(root / "loop")
    error = refusal(path_text.format(root=root, outside=outside), roots)
    assert isinstance(error, PathNotAllowed)
    assert "MCP_IMAGEGEN_ROOTS" in error.fix


def test_a_refusal_does_not_tell_whether_the_file_exists(outside: Path, root: Path, roots: Roots) -> None:
    (root / "there.png").symlink_to(outside / "cat.png")
    (root / "gone.png").symlink_to(outside / "no.png")
    pairs = [
        (str(outside / "cat.png"), str(outside / "no.png")),
        ("there.png", "gone.png"),
        ("~root/cat.png", "~nobody-of-this-name/cat.png"),
        (str(outside), str(outside / "cat.png" / "below")),
        (f"{outside}/cat.png/..", f"{outside}/no/.."),
    ]
    for existing, missing in pairs:
        one, other = refusal(existing, roots), refusal(missing, roots)
        assert (str(one), one.fix, one.code) == (str(other), other.fix, other.code)


def test_a_missing_file_inside_is_not_found(roots: Roots) -> None:
    assert isinstance(refusal("no.png", roots), InputNotFound)
    assert isinstance(refusal("cat.png/below.png", roots), InputNotFound)


@pytest.mark.parametrize("name", [".env", ".ssh/id.png", "folder/.hidden/cat.png", "link-to-hidden.png", "...", ".."])
def test_dot_files_and_dot_folders_are_refused(root: Path, roots: Roots, name: str) -> None:
    for folder in (".ssh", "folder/.hidden"):
        (root / folder).mkdir(parents=True)
    for file in (".env", ".ssh/id.png", "folder/.hidden/cat.png"):
        (root / file).write_bytes(b"a secret")
    (root / "link-to-hidden.png").symlink_to(root / ".env")
    assert isinstance(refusal(name, roots), PathNotAllowed)


def test_a_root_may_itself_lie_in_a_dot_folder(tmp_path: Path) -> None:
    folder = tmp_path.resolve() / ".local" / "images"
    folder.mkdir(parents=True)
    (folder / "cat.png").write_bytes(b"a cat")
    assert read_file("cat.png", Roots((folder,), (folder,), folder), max_bytes=LIMIT) == b"a cat"


@pytest.mark.parametrize("swapped", ["deep/folder", "deep", "deep/folder/cat.png"])
def test_a_link_swapped_in_after_the_check_is_not_followed(
    root: Path, outside: Path, roots: Roots, swapped: str
) -> None:
    for top in (root, outside):
        (top / "deep" / "folder").mkdir(parents=True)
        (top / "deep" / "folder" / "cat.png").write_bytes(b"a secret" if top == outside else b"a cat")
    checked = roots.allowed_to_read("deep/folder/cat.png")
    with opened_file(checked) as descriptor:
        assert os.read(descriptor, 100) == b"a cat"
    (root / swapped).rename(root / "moved away")
    (root / swapped).symlink_to(outside / swapped)
    assert checked.read_bytes() == b"a secret"
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"), opened_file(checked):
        pass


def test_a_folder_that_keeps_changing_places_with_a_link_never_gives_what_is_outside(
    root: Path, outside: Path, roots: Roots
) -> None:
    (root / "folder").mkdir()
    (root / "folder" / "cat.png").write_bytes(b"a cat")
    (root / "link").symlink_to(outside)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (root / "folder").rename(root / "away")
            (root / "link").rename(root / "folder")
            (root / "folder").rename(root / "link")
            (root / "away").rename(root / "folder")

    swapping = threading.Thread(target=swap)
    swapping.start()
    seen = set()
    try:
        for _ in range(3_000):
            try:
                seen.add(read_file("folder/cat.png", roots, max_bytes=LIMIT))
            except (PathNotAllowed, InputNotFound) as error:
                seen.add(error.code.encode())
    finally:
        done.set()
        swapping.join()
    assert b"a secret" not in seen
    assert seen <= {b"a cat", b"path_not_allowed", b"input_not_found"}


def test_pipes_folders_sockets_and_devices_are_refused_without_waiting(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = Roots((root, Path("/dev")), (), root)
    os.mkfifo(root / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(root)  # the name of a socket may have about a hundred bytes only
        listener.bind("socket.png")
        for name in ("pipe.png", "socket.png", ".", "/dev/zero", "/dev/null", "/dev"):
            assert isinstance(refusal(name, roots), InputRejected)


def test_a_file_over_the_limit_is_refused_by_its_size_without_reading_it(root: Path, roots: Roots) -> None:
    (root / "at.png").write_bytes(b"x" * 1_000)
    assert len(read_file("at.png", roots, max_bytes=1_000)) == 1_000
    with (root / "huge.png").open("wb") as file:
        file.truncate(1 << 40)  # a terabyte, none of it on the disk
    assert "larger than" in str(refusal("huge.png", roots, max_bytes=(1 << 40) - 1))  # more than can be read
    (root / "over.png").write_bytes(b"x" * 1_001)
    assert isinstance(refusal("over.png", roots, max_bytes=1_000), InputRejected)


def test_a_file_that_gives_more_than_its_size_says_is_refused() -> None:
    """Files of /proc are regular and say 0 bytes: like a file that grows after it was measured."""
    proc = Path("/proc/self").resolve()
    roots = Roots((proc,), (), proc)
    assert (proc / "status").stat().st_size == 0
    assert isinstance(refusal("status", roots, max_bytes=10), InputRejected)
    assert read_file("status", roots, max_bytes=LIMIT).startswith(b"Name:")


def test_no_descriptor_is_left_open(root: Path, roots: Roots) -> None:
    os.mkfifo(root / "pipe.png")
    (root / "big.png").write_bytes(b"x" * 100)
    before = len(list(Path("/dev/fd").iterdir()))
    assert read_file("cat.png", roots, max_bytes=LIMIT)
    for name in ("no.png", "no/no.png", "cat.png/no", "pipe.png", ".", "big.png", "x" * 300):
        refusal(name, roots, max_bytes=50)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_long_paths_are_cut_in_errors(roots: Roots) -> None:
    for name in ("x" * 300, "/".join(["folder"] * 500)):
        assert len(str(refusal(name, roots))) < 300


def settings(tmp_path: Path, **values: str) -> Settings:
    return from_environment({"MCP_IMAGEGEN_HOME": str(tmp_path / "state"), **values})


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr", "/home", "/var", "/proc", "{home}", "{tmp}", "{above home}"])
def test_a_folder_that_is_nobodys_is_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    home = tmp_path / "people" / "me"
    (tmp_path / "tmp").mkdir()
    home.mkdir(parents=True)
    (tmp_path / "home link").symlink_to(home)
    monkeypatch.setenv("HOME", str(tmp_path / "home link"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert tmp_path / "tmp" in system_folders()
    places = {"{home}": home, "{tmp}": tmp_path / "tmp", "{above home}": home.parent}
    working = places.get(folder, Path(folder))
    found = roots_of(settings(tmp_path), working)
    images = (tmp_path / "state" / "images").resolve()
    assert working.resolve() not in found.reading
    assert found.writing == (images,)
    assert found.working == images


def test_a_project_folder_is_read_and_written_and_personal_folders_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    for name in ("Pictures", "Downloads", "Desktop", "Documents"):
        monkeypatch.delenv(f"XDG_{name.upper().removesuffix('S')}_DIR", raising=False)
        (tmp_path / "me" / name).mkdir(parents=True)
    project = tmp_path / "me" / "project"
    project.mkdir()
    found = roots_of(settings(tmp_path), project)
    assert found.working == project.resolve()
    images = (tmp_path / "state" / "images").resolve()
    assert found.writing == (project.resolve(), images)
    personal = {(tmp_path / "me" / name).resolve() for name in ("Pictures", "Downloads", "Desktop", "Documents")}
    assert set(found.reading) == {project.resolve(), images, *personal}


def test_named_roots_replace_the_list(tmp_path: Path) -> None:
    one, two, project = (tmp_path / name for name in ("one", "two", "project"))
    for folder in (two, project):
        folder.mkdir()
    one.symlink_to(two)
    found = roots_of(settings(tmp_path, MCP_IMAGEGEN_ROOTS=f"{one}{os.pathsep}{tmp_path / 'three'}"), project)
    expected = (two.resolve(), (tmp_path / "three").resolve(), (tmp_path / "state" / "images").resolve())
    assert found.reading == found.writing == expected
    assert found.working == two.resolve()


def test_network_paths_of_windows_are_known_without_asking_the_network() -> None:
    for text in (r"\\evil.example\share\cat.png", "//evil.example/share/cat.png", r"\\?\UNC\evil.example\share\a.png"):
        assert on_another_host(PureWindowsPath(text))
    assert not on_another_host(PureWindowsPath(r"C:\cats\cat.png"))
    assert not on_another_host(PurePosixPath("//cats/cat.png"))
