"""Steps that cost money: set aside before they are made, and recorded with what they have used.

Its rule: whatever happens to a call, what it has cost is counted once. Its start is durable before it is made; when
nobody knows what it has cost, it counts with the most it can have.
"""

import contextlib
from collections.abc import Callable
from typing import Any

from fleetlog.domain import commands as c
from fleetlog.domain.budget import check_usage
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Usage
from fleetlog.runtime.brains.run import Run, RunStopped, RunSuspended

__all__ = ["PaidCalls", "Uncharged"]


class Uncharged(Exception):
    """Raised by a paid call that has certainly cost nothing: it was refused, or never arrived. Nothing is spent, and
    the step may be made again."""


class PaidCalls:
    """The paid calls of one run, one after another. The thread that runs the brain."""

    def __init__(self, run: Run, calls: int) -> None:
        """`calls` is how many calls of the agent were over before the run."""
        self._run, self._calls = run, calls

    def make(self, index: int, name: str, bound: Usage, call: Callable[[], tuple[Any, Usage]]) -> c.CompleteStep:
        """Make the call, when the budgets admit it; what is to be recorded of it. Raises what the call raises,
        `RunSuspended` when the budgets do not, and `InvalidArgument` for a usage that is none."""
        bound = check_usage("bound", bound)
        number = self._admitted(index, name, bound)
        used: Usage | None = None
        try:
            value, given = call()
            used = check_usage("usage", given)
            stored = self._run.artifacts.store_value(value)
        except Uncharged:
            self._end(c.ReleaseCall(number))
            raise
        except BaseException as error:
            self._end(c.LoseCall(number, used or _usage_bound(error)))
            raise
        self._calls = number
        return c.CompleteStep(index, name, "pure", stored, used)

    def _admitted(self, index: int, name: str, bound: Usage) -> int:
        """The call's number, once its fleet has set its bound aside and its start is recorded."""
        number = self._calls + 1
        self._run.reserve(number, bound)
        if not self._run.record(c.StartCall(index, name, number, bound)).outcome:
            raise RunSuspended
        return number

    def _end(self, command: c.ReleaseCall | c.LoseCall) -> None:
        """Record how the call ended. A run that may record nothing any more leaves that to its agent's actor."""
        self._calls = command.number
        with contextlib.suppress(RunStopped):
            self._run.record(command)


def _usage_bound(error: BaseException) -> Usage | None:
    """The most that a failed call can have used, if whoever made it knew better than its bound: the exception says it
    in an attribute of that name."""
    with contextlib.suppress(AttributeError, InvalidArgument):
        return check_usage("usage_bound", error.usage_bound)  # type: ignore[attr-defined]
    return None
