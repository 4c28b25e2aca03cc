"""The runtime fixture, for brains that need a whole one."""

from tests.runtime.conftest import clock, open_runtime

__all__ = ["clock", "open_runtime"]
