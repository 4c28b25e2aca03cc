"""Temporary."""

from typing import Any


class Door:
    def __init__(self, runtime: Any, principal: Any) -> None:
        self._r = runtime
        self.principal = principal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._r, name)
