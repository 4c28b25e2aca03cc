"""Large things, stored once by their SHA-256, beside the log. An artifact is whole or not there."""

import hashlib
import io
from pathlib import Path
from typing import IO

from fleetlog.domain.errors import InvalidArgument, LogCorrupt, NotFound
from fleetlog.domain.values import Artifact, Stored
from fleetlog.runtime import codec
from fleetlog.runtime.shelves import FolderShelf, MemoryShelf, Shelf

__all__ = ["INLINE_LIMIT_BYTES", "ArtifactStore"]

INLINE_LIMIT_BYTES = 262_144
"""A step's value or a result above this is stored as an artifact instead of in its event."""

_PREVIEW_CHARS = 200


class ArtifactStore:
    """What lies on a shelf: in a folder, in memory for `None`, or on the log's own. Any thread may call."""

    def __init__(self, shelf: Path | Shelf | None) -> None:
        if isinstance(shelf, Path):
            self.shelf: Shelf = FolderShelf(shelf)
        else:
            self.shelf = MemoryShelf() if shelf is None else shelf

    def put(self, content: bytes) -> Artifact:
        """Store; it is durable when this returns. Storing the same again costs nothing."""
        digest = hashlib.sha256(content).hexdigest()
        if not self.shelf.holds(digest):
            self.shelf.keep(digest, io.BytesIO(content))
        return Artifact(digest, len(content), content[:_PREVIEW_CHARS].decode(errors="replace"))

    def put_file(self, file: IO[bytes]) -> Artifact:
        """Store what is in an open file, from its beginning, however large; see `put`."""
        file.seek(0)
        preview = file.read(_PREVIEW_CHARS).decode(errors="replace")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        artifact = Artifact(digest, file.tell(), preview)
        if not self.shelf.holds(digest):
            file.seek(0)
            self.shelf.keep(digest, file)
        return artifact

    def get(self, sha256: str) -> bytes:
        """The content; raises `NotFound`, or `LogCorrupt` when it is not what was stored."""
        if len(sha256) != 64 or not sha256.isalnum():
            raise InvalidArgument(f"'sha256' must be 64 hexadecimal digits, got \"{sha256[:80]}\"")
        content = self.shelf.take(sha256)
        if content is None:
            raise NotFound(f"No such artifact: {sha256}")
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
