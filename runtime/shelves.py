"""Where artifacts lie: a shelf keeps content under its digest, whole or not at all."""

import logging
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol, TypeVar

from fleetlog.domain.errors import StoreUnavailable

__all__ = ["FolderShelf", "MemoryShelf", "PatientShelf", "Shelf"]

logger = logging.getLogger("fleetlog.artifacts")

DIGEST_CHARS = 64
RETRY_BASE_S, RETRY_MAX_S = 0.1, 5.0

T = TypeVar("T")


class Shelf(Protocol):
    """Any thread may call. What it cannot do, it says with `StoreUnavailable`."""

    def holds(self, digest: str) -> bool:
        """Is there something under this digest?"""

    def keep(self, digest: str, content: IO[bytes]) -> None:
        """Keep what is read from `content`; durable when this returns. Twice the same is no harm."""

    def take(self, digest: str) -> bytes | None:
        """The content; None where there is none."""

    def digests(self) -> list[str]:
        """Of all that lies here."""


class PatientShelf:
    """A shelf as somebody uses it who has what is to be kept in memory and nowhere else: while it cannot be reached, he
    waits."""

    def __init__(self, shelf: Shelf, bide: Callable[[float], None]) -> None:
        """`bide` waits so many seconds, and raises when there is nothing more to wait for."""
        self._shelf, self._bide = shelf, bide

    def holds(self, digest: str) -> bool:
        """See `Shelf`."""
        return self._patiently(lambda: self._shelf.holds(digest))

    def keep(self, digest: str, content: IO[bytes]) -> None:
        """See `Shelf`."""

        def from_its_beginning() -> None:
            content.seek(0)
            self._shelf.keep(digest, content)

        self._patiently(from_its_beginning)

    def take(self, digest: str) -> bytes | None:
        """See `Shelf`."""
        return self._patiently(lambda: self._shelf.take(digest))

    def digests(self) -> list[str]:
        """See `Shelf`."""
        return self._patiently(self._shelf.digests)

    def _patiently(self, call: Callable[[], T]) -> T:
        delay = RETRY_BASE_S
        while True:
            try:
                return call()
            except StoreUnavailable as error:
                logger.warning("action=artifact_retried error=%s", error)
            self._bide(delay)
            delay = min(RETRY_MAX_S, delay * 2)


class MemoryShelf:
    """For a runtime that leaves nothing."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def holds(self, digest: str) -> bool:
        """See `Shelf`."""
        return digest in self._contents

    def keep(self, digest: str, content: IO[bytes]) -> None:
        """See `Shelf`."""
        self._contents[digest] = content.read()

    def take(self, digest: str) -> bytes | None:
        """See `Shelf`."""
        return self._contents.get(digest)

    def digests(self) -> list[str]:
        """See `Shelf`."""
        return sorted(self._contents)


class FolderShelf:
    """A folder of files named by digest, beside the log."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest

    def holds(self, digest: str) -> bool:
        """See `Shelf`."""
        return self._path(digest).exists()

    def take(self, digest: str) -> bytes | None:
        """See `Shelf`."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(f"the artifact {digest} cannot be read: {error}") from error

    def digests(self) -> list[str]:
        """See `Shelf`."""
        return sorted(path.name for path in self._folder.glob("??/*") if len(path.name) == DIGEST_CHARS)

    def keep(self, digest: str, content: IO[bytes]) -> None:
        """See `Shelf`. The content, its name and its folder's name are on the disk when this returns; else nothing is
        left."""
        path = self._path(digest)
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            for folder in (path.parent, path.parent.parent):
                _sync(folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise StoreUnavailable(f"the artifact {path.name} could not be stored: {error}") from error


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
