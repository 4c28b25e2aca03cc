"""What the brain called `command` needs in one runtime: a folder for its runs' files, a way into the mesh.

Its rule: nothing is made before an agent needs it, and nothing is left when the runtime is closed.
"""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetlog.runtime.brains.command.mesh import MeshAccess
from fleetlog.runtime.brains.command.run import scratch_folder

if TYPE_CHECKING:
    from fleetlog.runtime.brains.command.brain import CommandBrain

__all__ = ["CommandRoom"]


class CommandRoom:
    """One runtime's. Any thread. `words` gives the prompt of an agent's definition for (name, workspace);
    `has_replied` says whether an agent has answered a question of a peer's: (agent id, peer, question's id)."""

    def __init__(
        self,
        directory: Path | None,
        mesh: MeshAccess | None,
        words: Callable[[str, str | None], str],
        has_replied: Callable[[str, str, str], bool],
    ) -> None:
        self.mesh, self.words, self.has_replied = mesh, words, has_replied
        self._directory = directory
        self._lock = threading.Lock()  # guards _made
        self._made: Path | None = None

    def brain(self) -> "CommandBrain":
        """The brain; it holds no state."""
        from fleetlog.runtime.brains.command.brain import CommandBrain

        return CommandBrain(self)

    def folder(self) -> Path:
        """Where runs have their files."""
        with self._lock:
            if self._made is None:
                self._made = scratch_folder(self._directory)
            return self._made

    def close(self) -> None:
        """Take the folder away."""
        with self._lock:
            if self._made is not None:
                shutil.rmtree(self._made, ignore_errors=True)
