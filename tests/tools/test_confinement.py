"""Nothing outside the workspace is ever read or written, however it is spelled or linked, also in a race."""

import ctypes
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.sandbox import NoSandbox
from fleetlog.runtime.tools.tool import ToolError
from fleetlog.runtime.tools.workspace import WorkspacePolicy, workspace_tools
from tests.tools.desk import Desk

SECRET = "the secret outside"
FILE_CALLS: dict[str, dict[str, Any]] = {
    "read_file": {},
    "write_file": {"content": "taken over"},
    "edit_file": {"old": "secret", "new": "taken over"},
}


@pytest.fixture(params=list(FILE_CALLS))
def tool(request: pytest.FixtureRequest) -> str:
    """Each tool that opens a file."""
    name: str = request.param
    return name


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the workspace; after the test it is as it was."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET)
    yield folder
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"secret.txt": SECRET}


SPELLINGS = [
    ("../outside/secret.txt", "has '..', which is not allowed"),
    ("a/../../outside/secret.txt", "has '..', which is not allowed"),
    ("..", "has '..', which is not allowed"),
    ("/etc/passwd", "is outside the workspace"),
    ("//etc/passwd", "is outside the workspace"),
    ("/proc/self/environ", "is outside the workspace"),
    ("/dev/zero", "is outside the workspace"),
    ("~/.ssh/id_rsa", "begins with '~', which is not expanded"),
    ("~root", "begins with '~', which is not expanded"),
    ("a\0b", "has a NUL character"),
    ("a\nb", "has control characters"),
    ("a\x1b[2Jb", "has control characters"),
    ("a\x85b", "has control characters"),
    ("\ud800", "half a surrogate pair"),
    ("x" * 256, "is too long: 256 bytes"),
    ("x/" * 2500, "is too long: 5000 bytes"),
    (".fleetlog/log.db", "belongs to the runtime"),
    ("./.fleetlog//log.db", "belongs to the runtime"),
    (".fleetlog", "belongs to the runtime"),
]


@pytest.mark.parametrize(("path", "sentence"), SPELLINGS, ids=[ascii(path)[:30] for path, _ in SPELLINGS])
def test_a_path_that_leads_elsewhere_is_refused_in_one_sentence(
    desk: Desk, outside: Path, tool: str, path: str, sentence: str
) -> None:
    (desk.root / ".fleetlog").mkdir()
    (desk.root / ".fleetlog" / "log.db").write_text("the secret log")
    refusal = desk.refusal(tool, path=path, **FILE_CALLS[tool])
    assert sentence in refusal
    assert "\n" not in refusal
    assert (desk.root / ".fleetlog" / "log.db").read_text() == "the secret log"


@pytest.mark.parametrize("path", ["a.txt", "./a.txt", "sub/.././a.txt".replace("sub/../", ""), "ABSOLUTE"])
def test_a_path_inside_is_accepted_also_when_it_is_absolute(desk: Desk, path: str) -> None:
    (desk.root / "a.txt").write_text("inside")
    path = str(desk.root / "a.txt") if path == "ABSOLUTE" else path
    assert "     1\tinside" in desk.text("read_file", path=path)


def test_a_folder_that_only_begins_like_the_workspace_is_outside(desk: Desk, tool: str) -> None:
    beside = Path(f"{desk.root}-beside")
    beside.mkdir()
    (beside / "a.txt").write_text(SECRET)
    assert "is outside" in desk.refusal(tool, path=str(beside / "a.txt"), **FILE_CALLS[tool])
    assert (beside / "a.txt").read_text() == SECRET


@pytest.mark.parametrize("target", ["../outside/secret.txt", "ABSOLUTE"])
def test_a_link_that_leads_out_is_refused(desk: Desk, outside: Path, tool: str, target: str) -> None:
    (desk.root / "link").symlink_to(outside / "secret.txt" if target == "ABSOLUTE" else target)
    (desk.root / "second").symlink_to("link")
    for path in ("link", "second"):
        refusal = desk.refusal(tool, path=path, **FILE_CALLS[tool])
        assert "is a link that leads out of the workspace" in refusal


def test_a_link_to_a_file_that_is_not_there_yet_makes_none_outside(desk: Desk, outside: Path) -> None:
    (desk.root / "link").symlink_to(outside / "new.txt")
    assert "leads out" in desk.refusal("write_file", path="link", content="x")


@pytest.mark.parametrize("path", ["folder/secret.txt", "folder/new.txt", "folder/below/new.txt"])
def test_a_parent_that_is_a_link_out_is_refused(desk: Desk, outside: Path, tool: str, path: str) -> None:
    (desk.root / "folder").symlink_to(outside)
    assert "leads out of the workspace" in desk.refusal(tool, path=path, **FILE_CALLS[tool])


def test_listing_and_searching_do_not_follow_a_link_out(desk: Desk, outside: Path) -> None:
    (desk.root / "folder").symlink_to(outside)
    (desk.root / "link").symlink_to(outside / "secret.txt")
    assert SECRET not in desk.text("search_files", pattern="secret")
    assert "secret.txt" not in desk.text("list_files", recursive=True, include_ignored=True)
    for name in ("list_files", "search_files"):
        assert "leads out of the workspace" in desk.refusal(name, path="folder", pattern="secret")
    assert "leads out of the workspace" in desk.refusal("search_files", path="link", pattern="secret")


def test_a_link_that_stays_inside_is_followed_and_stays_a_link(desk: Desk) -> None:
    (desk.root / "real").mkdir()
    (desk.root / "real" / "a.txt").write_text("one")
    (desk.root / "folder").symlink_to("real")
    (desk.root / "file").symlink_to(desk.root / "real" / "a.txt")
    assert "\tone" in desk.text("read_file", path="folder/a.txt")
    desk.call("edit_file", path="file", old="one", new="two")
    assert (desk.root / "real" / "a.txt").read_text() == "two"
    assert (desk.root / "file").is_symlink()


def test_links_in_a_circle_are_refused(desk: Desk, tool: str) -> None:
    (desk.root / "a").symlink_to("b")
    (desk.root / "b").symlink_to("a")
    assert '"' in desk.refusal(tool, path="a", **FILE_CALLS[tool])
    assert (desk.root / "a").is_symlink()


def test_pipes_sockets_devices_and_folders_are_refused_and_never_waited_for(desk: Desk, tool: str) -> None:
    os.mkfifo(desk.root / "pipe")
    (desk.root / "folder").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(desk.root / "socket"))
        for path, kind in [("pipe", "a pipe"), ("socket", "a socket"), ("folder", "a folder")]:
            assert f'"{path}" is {kind}, not a file' in desk.refusal(tool, path=path, **FILE_CALLS[tool])


def test_device_files_are_refused(desk: Desk, tool: str) -> None:
    try:
        os.mknod(desk.root / "zero", 0o020666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    assert '"zero" is a device, not a file' in desk.refusal(tool, path="zero", **FILE_CALLS[tool])


@pytest.mark.parametrize("root", ["/", "/tmp", "/etc", "/proc/self", "/nowhere/at/all"])
def test_a_folder_of_the_system_is_no_workspace(root: str) -> None:
    with pytest.raises(InvalidArgument, match="workspace"):
        workspace_tools(Path(root), WorkspacePolicy())


NAMES = st.sampled_from(
    ["..", ".", "~", "", "a", "in", "out", "up", "abs", "secret.txt", "inside.txt", "\0", "/", "outside", "\n", "é"]
)
PATHS = st.one_of(st.lists(NAMES, max_size=6).map("/".join), st.text(max_size=12))


@settings(max_examples=150, deadline=None)
@given(path=PATHS, absolute=st.booleans())
def test_no_path_reads_or_writes_outside(path: str, absolute: bool) -> None:
    with TemporaryDirectory() as folder:
        base = Path(folder)
        root, outside = base / "workspace", base / "outside"
        (root / "in").mkdir(parents=True)
        outside.mkdir()
        (outside / "secret.txt").write_text(SECRET)
        (root / "inside.txt").write_text("inside, no secret")
        (root / "out").symlink_to("../outside")
        (root / "up").symlink_to("..")
        (root / "abs").symlink_to(outside)
        (root / "in" / "a").symlink_to("../..")
        desk = Desk(root, NoSandbox("not needed"))
        path = f"{root}/{path}" if absolute else path
        for tool, more in {**FILE_CALLS, "list_files": {}, "search_files": {"pattern": "secret"}}.items():
            with suppress(ToolError):
                assert SECRET not in desk.text(tool, path=path, **more)
        assert sorted(one.name for one in base.iterdir()) == ["outside", "workspace"]
        assert {one.name: one.read_text() for one in outside.iterdir()} == {"secret.txt": SECRET}


def exchange(one: Path, other: Path) -> None:
    """Swap two names at once; Python has no call for it."""
    here, flag = -100, 2
    assert ctypes.CDLL(None).renameat2(here, bytes(one), here, bytes(other), flag) == 0


def test_what_became_a_link_after_it_was_located_is_neither_read_nor_written(root: Path, outside: Path) -> None:
    workspace = ConfinedFolder(root)
    (root / "folder" / "below").mkdir(parents=True)
    for located in ("folder/secret.txt", "folder/below/secret.txt"):
        (root / located).write_text("inside")
        assert workspace.locate(located) == located
    (root / "folder").rename(root / "moved")
    (root / "folder").symlink_to(outside)
    (outside / "below").symlink_to(".")
    try:
        for located in ("folder/secret.txt", "folder/below/secret.txt", "folder/new/secret.txt"):
            with pytest.raises(ToolError, match="not a folder"):
                workspace.read(located, 100)
            with pytest.raises(ToolError, match="not a folder"):
                workspace.write(located, b"taken over")
        with pytest.raises(ToolError, match="not a folder"), workspace.folder("folder"):
            raise AssertionError("the link was followed")
    finally:
        (outside / "below").unlink()
    (root / "file").symlink_to(outside / "secret.txt")
    with pytest.raises(ToolError, match="is a symbolic link, not a file"):
        workspace.read("file", 100)
    with pytest.raises(ToolError, match="is a symbolic link, not a file"):
        workspace.write("file", b"taken over")


def test_a_file_that_becomes_a_link_or_a_pipe_while_it_is_opened_is_never_followed(root: Path, outside: Path) -> None:
    """Faster than any tool: the very moment between looking and opening is hit."""
    workspace, is_over = ConfinedFolder(root), threading.Event()
    (root / "file").write_text("inside")
    (root / "link").symlink_to(outside / "secret.txt")
    os.mkfifo(root / "pipe")

    def swap() -> None:
        while not is_over.is_set():
            for other in ("link", "pipe"):
                exchange(root / "file", root / other)
                exchange(root / "file", root / other)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(4_000):
            with suppress(ToolError):
                seen.add(workspace.read("file", 100)[0])
    finally:
        is_over.set()
        swapper.join()
    assert seen == {b"inside"}


def test_a_folder_that_becomes_a_link_while_it_is_used_never_leads_out(desk: Desk, outside: Path) -> None:
    """Somebody swaps `folder` and a link to the outside as fast as he can; reads and writes go inside or fail."""
    inside, link = desk.root / "folder", desk.root / "link"
    inside.mkdir()
    (inside / "secret.txt").write_text("inside")
    link.symlink_to(outside)
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            exchange(inside, link)

    swapper = threading.Thread(target=swap)
    swapper.start()
    refusals = []
    try:
        for at in range(400):
            try:
                assert SECRET not in desk.text("read_file", path="folder/secret.txt")
                desk.call("write_file", path="folder/secret.txt", content=f"inside {at}")
            except ToolError as error:
                refusals.append(str(error))
    finally:
        is_over.set()
        swapper.join()
    assert any(re.search("leads out|not a folder", refusal) for refusal in refusals)
