"""Files of one folder and nothing beyond it, also while somebody else moves links and folders about.

A path is resolved first, which finds out what it means; then it is walked from the folder's descriptor, part by part,
following no link. What was resolved and is a link by then is refused, so nothing outside can ever be opened.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.tools.tool import ToolError

__all__ = ["ConfinedFolder"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_MAX_PATH_BYTES, _MAX_NAME_BYTES = 4_000, 255
_SYSTEM = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}
)
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFLNK: "a symbolic link",
}
_TROUBLE = {
    errno.ENOENT: "There is no {path} in the workspace; list_files shows what there is.",
    errno.ENOTDIR: "{path} is not a folder, or goes through something that is not one.",
    errno.EACCES: "{path} may not be accessed: its permissions forbid it.",
    errno.ELOOP: "{path} is a link that leads nowhere but to links.",
}


class ConfinedFolder:
    """`root` is fixed when this is made. Paths given to it are what an agent wrote; every refusal is a `ToolError`.
    Any thread may call. Raises `InvalidArgument` when the root is no folder, or a folder of the system."""

    def __init__(self, root: Path, hidden: Sequence[str] = ()) -> None:
        self.root = os.path.realpath(root)
        if not os.path.isdir(self.root):
            raise InvalidArgument(f'The workspace "{root}" is not a folder that exists; make it first.')
        if self.root in _SYSTEM or self.root.startswith(("/proc/", "/sys/")):
            raise InvalidArgument(
                f'"{self.root}" cannot be a workspace: it is the system\'s. Give a folder of its own.'
            )
        inside = (os.path.realpath(os.path.join(self.root, path)) for path in hidden)
        self.hidden = tuple(path for path in inside if path.startswith(self.root + "/"))

    def locate(self, path: str) -> str:
        """The path that is meant, relative to the root, free of links; empty for the root itself."""
        _check_spelling(path)
        with _told(path):
            real = os.path.realpath(os.path.join(self.root, path))
        if real != self.root and not real.startswith(self.root + "/"):
            reason = "is outside the workspace" if path.startswith("/") else "is a link that leads out of the workspace"
            raise ToolError(f"{_quoted(path)} {reason}; use paths below the workspace, such as src/main.py.")
        if any(real == place or real.startswith(place + "/") for place in self.hidden):
            raise ToolError(f"{_quoted(path)} belongs to the runtime and is not the agents' to see or change.")
        return real[len(self.root) + 1 :]

    @contextmanager
    def folder(self, relative: str) -> Iterator[int]:
        """A descriptor of the located folder."""
        with _told(relative), self._walked(relative.split("/") if relative else ()) as fd:
            yield fd

    def read(self, relative: str, max_bytes: int) -> tuple[bytes, os.stat_result]:
        """All of a located regular file, or its first `max_bytes`, with its status."""
        *folders, name = relative.split("/")
        with _told(relative), self._walked(folders) as folder:
            _check_regular(relative, os.stat(name or ".", dir_fd=folder, follow_symlinks=False))
            with open(os.open(name, _FILE, dir_fd=folder), "rb") as file:
                status = os.fstat(file.fileno())
                _check_regular(relative, status)  # it may be another one than a moment ago
                return file.read(min(max_bytes, status.st_size)), status

    def write(self, relative: str, content: bytes, seen: os.stat_result | None = None) -> bool:
        """Replace or make a located file at once, with the parents it needs; True when it is new.

        Nobody ever sees half of it; it is on the disk when this returns. A replaced file keeps its permissions.
        With `seen`, the file must still be the one that was read.
        """
        *folders, name = relative.split("/")
        if not name:
            raise ToolError("The workspace itself is a folder; give the path of a file.")
        with _told(relative), self._walked(folders, make=True) as folder:
            before = _status(name, folder)
            if before is not None:
                _check_regular(relative, before)
                _check_writable(relative, before)
            if seen is not None and (before is None or _mark(before) != _mark(seen)):
                raise ToolError(f"{_quoted(relative)} was changed meanwhile by somebody else; read it again.")
            _place(folder, name, content, before)
        return before is None

    @contextmanager
    def _walked(self, folders: Sequence[str], make: bool = False) -> Iterator[int]:
        fd = os.open(self.root, _FOLDER)
        try:
            for part in folders:
                if make:
                    with suppress(FileExistsError):
                        os.mkdir(part, dir_fd=fd)
                below = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)


def _check_spelling(path: str) -> None:
    """Raise `ToolError` for what is no path, or no path an agent may use."""
    try:
        raw = path.encode()
    except UnicodeEncodeError as error:
        raise ToolError("The path has half a surrogate pair, which no file name has; write it anew.") from error
    if "\0" in path:
        raise ToolError("The path has a NUL character, which no file name has; write it anew.")
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in path):
        raise ToolError(f"The path {ascii(path)[:200]} has control characters; only printable ones are allowed.")
    if len(raw) > _MAX_PATH_BYTES or any(len(part) > _MAX_NAME_BYTES for part in raw.split(b"/")):
        raise ToolError(
            f"The path is too long: {len(raw)} bytes; at most {_MAX_PATH_BYTES}, and {_MAX_NAME_BYTES} for each name."
        )
    if ".." in path.split("/"):
        raise ToolError(f"{_quoted(path)} has '..', which is not allowed; write the path from the workspace's root.")
    if path.startswith("~"):
        raise ToolError(f"{_quoted(path)} begins with '~', which is not expanded; write the path from the workspace.")


def _check_regular(relative: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ToolError(f"{_quoted(relative or '.')} is {kind}, not a file.")


def _check_writable(relative: str, status: os.stat_result) -> None:
    if not status.st_mode & 0o222:
        raise ToolError(f"{_quoted(relative)} is read-only (mode {stat.S_IMODE(status.st_mode):o}) and stays as it is.")


def _status(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _place(folder: int, name: str, content: bytes, before: os.stat_result | None) -> None:
    temporary = f".new-{secrets.token_hex(8)}"
    fd = os.open(temporary, _NEW, 0o666, dir_fd=folder)
    try:
        with open(fd, "wb") as file:
            file.write(content)
            file.flush()
            if before is not None:
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode) & 0o777)
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


@contextmanager
def _told(relative: str) -> Iterator[None]:
    """What the system says becomes a sentence for the agent."""
    try:
        yield
    except OSError as error:
        sentence = _TROUBLE.get(error.errno or 0, "{path} cannot be used: {reason}.")
        raise ToolError(sentence.format(path=_quoted(relative or "."), reason=error.strerror)) from error


def _quoted(path: str) -> str:
    return f'"{path if len(path) <= 200 else path[:200] + "..."}"'
