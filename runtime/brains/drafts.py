"""Replies in the making: what a live view shows of a model call that is not finished. Nothing here is durable."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Drafts"]

_KEPT_CHARS = 2_000


class Drafts:
    """The end of each agent's unfinished reply. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _texts
        self._texts: dict[str, str] = {}

    @contextmanager
    def of(self, agent_id: str) -> Iterator[Callable[[str], None]]:
        """What takes the pieces of the agent's reply, while it is made."""

        def add(piece: str) -> None:
            with self._lock:
                self._texts[agent_id] = (self._texts.get(agent_id, "") + piece)[-_KEPT_CHARS:]

        try:
            yield add
        finally:
            with self._lock:
                self._texts.pop(agent_id, None)

    def texts(self) -> dict[str, str]:
        """Agent id -> the last characters of what is being written."""
        with self._lock:
            return dict(self._texts)
