"""Large things, stored once by their SHA-256, beside the log. A file is whole or not there."""

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from fleetlog.domain.errors import InvalidArgument, LogCorrupt, NotFound, StoreUnavailable
from fleetlog.domain.values import Artifact, Stored
from fleetlog.runtime import codec

__all__ = ["INLINE_LIMIT_BYTES", "ArtifactStore"]

INLINE_LIMIT_BYTES = 262_144
"""A step's value or a result above this is stored as an artifact instead of in its event."""

_PREVIEW_CHARS = 200


class ArtifactStore:
    """A folder of files named by digest; in memory for `None`. Any thread may call."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, bytes] = {}

    def put(self, content: bytes) -> Artifact:
        """Store; the file is on disk when this returns. Storing the same again costs nothing."""
        digest = hashlib.sha256(content).hexdigest()
        artifact = Artifact(digest, len(content), content[:_PREVIEW_CHARS].decode(errors="replace"))
        if self._folder is None:
            self._memory[digest] = content
        else:
            path = self._path(self._folder, digest)
            if not path.exists():
                self._write(path, content)
        return artifact

    def put_file(self, file: IO[bytes]) -> Artifact:
        """Store what is in an open file, from its beginning, however large; see `put`."""
        file.seek(0)
        preview = file.read(_PREVIEW_CHARS).decode(errors="replace")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        artifact = Artifact(digest, file.tell(), preview)
        file.seek(0)
        if self._folder is None:
            self._memory[digest] = file.read()
        else:
            path = self._path(self._folder, digest)
            if not path.exists():
                self._write(path, file)
        return artifact

    def get(self, sha256: str) -> bytes:
        """The content; raises `NotFound`, or `LogCorrupt` when it is not what was stored."""
        if len(sha256) != 64 or not sha256.isalnum():
            raise InvalidArgument(f"'sha256' must be 64 hexadecimal digits, got \"{sha256[:80]}\"")
        try:
            if self._folder is None:
                return self._memory[sha256]
            content = self._path(self._folder, sha256).read_bytes()
        except (KeyError, FileNotFoundError) as error:
            raise NotFound(f"No such artifact: {sha256}") from error
        except OSError as error:
            raise StoreUnavailable(f"the artifact {sha256} cannot be read: {error}") from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise LogCorrupt(f"the artifact {sha256} is damaged: its content is not what was stored")
        return content

    def store_value(self, value: object) -> Stored:
        """A brain's value for an event: inline, or as an artifact when it is large. Raises `TypeError`
        for what msgpack cannot hold."""
        packed = codec.pack(value)
        if len(packed) <= INLINE_LIMIT_BYTES:
            return Stored(packed)
        return Stored(artifact=self.put(packed))

    def load_value(self, stored: Stored) -> object:
        """The value, fresh at every call."""
        if stored.artifact is None:
            return codec.unpack(stored)
        return codec.unpack(Stored(self.get(stored.artifact.sha256)))

    @staticmethod
    def _path(folder: Path, digest: str) -> Path:
        return folder / digest[:2] / digest

    @staticmethod
    def _write(path: Path, content: bytes | IO[bytes]) -> None:
        """The content, its name and its folder's name are on the disk when this returns; else nothing is left."""
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
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
