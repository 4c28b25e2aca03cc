"""Brains that are plain Python functions: finding them by name, and calling them for one run.

A brain takes its context, and what it returns is its result (unless it has submitted one). How a run
ends becomes a command of the agent's: a result, a failed attempt, a wait; never an exception here.
"""

import importlib
import logging
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fleetlog.domain import commands as c
from fleetlog.domain.errors import FleetlogError, GivenUp, InvalidArgument, StepInDoubt, StepMismatch, StoreUnavailable
from fleetlog.runtime.brains.run import RunStopped, RunSuspended

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

__all__ = ["Brain", "Brains", "call_brain", "check_brain_names"]

logger = logging.getLogger("fleetlog.brains")

Brain = Callable[["Context"], Any]

_ERROR_CHARS = 2_000
_THIS_ROOM = str(Path(__file__).parent)


class Brains:
    """The functions a runtime knows by name (`built_in` makes its own when they are asked for); others are named
    `module:function` and imported."""

    def __init__(
        self, named: Mapping[str, Brain] | None = None, built_in: Mapping[str, Callable[[], Brain]] | None = None
    ) -> None:
        if "external" in (named or {}):
            raise InvalidArgument(
                "'brains' names \"external\", which is the name of agents that are worked from outside"
            )
        self._named, self._built_in = dict(named or {}), dict(built_in or {})

    def find(self, name: str) -> Brain:
        """The function of that name; raises `InvalidArgument` that says what is known."""
        if name in self._named:
            return self._named[name]
        if name in self._built_in:
            return self._built_in[name]()
        module_name, colon, attribute = name.partition(":")
        if not colon:
            known = ", ".join(sorted({*self._named, *self._built_in})) or "none"
            raise InvalidArgument(
                f"'brain': \"{name}\" is not known (known: {known}); give it to Runtime.open(brains=...) "
                "or name it as module:function"
            )
        try:
            found = getattr(importlib.import_module(module_name), attribute)
        except Exception as error:  # importing runs the module's own code, which may raise anything
            said = error if isinstance(error, ImportError | AttributeError) else f"{type(error).__name__}: {error}"
            raise InvalidArgument(f"'brain': \"{name}\" cannot be imported: {said}") from error
        if not callable(found):
            raise InvalidArgument(f"'brain': \"{name}\" is a {type(found).__name__}, not a function")
        brain: Brain = found
        return brain


def check_brain_names(named: Mapping[str, Brain] | None) -> None:
    """Refuses a function by the name of the agents that have none."""
    if "external" in (named or {}):
        raise InvalidArgument(
            "'brains' names \"external\", which is what agents are called that are worked from outside"
        )


def call_brain(brain: Brain, context: "Context", jitter: float) -> None:
    """Call the function once and record how it ended. Runs on a worker's thread.

    Waits (`RunSuspended`), stops (`RunStopped`) and a store that is away pass through: they are no endings of the
    brain's.
    """
    try:
        output = brain(context)
        context.finish(output)
    except StepInDoubt as doubt:
        context.record(c.SuspendInDoubt(doubt.index))
    except (StepMismatch, GivenUp) as error:
        context.record(c.FailRun(str(error), retryable=False))
    except (RunSuspended, RunStopped, StoreUnavailable):
        raise
    except BaseException as error:  # whatever a brain raises, `sys.exit()` too, is its attempt's failure
        logger.info("action=attempt_failed agent=%s", context.agent_id, exc_info=error)
        context.record(c.FailRun(_describe(error), jitter=jitter))


def _describe(error: BaseException) -> str:
    """One line a person can act on: what, and where in the brain's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    its_own = [frame for frame in frames if not frame.filename.startswith(_THIS_ROOM)] or list(frames)
    place = f" (at {its_own[-1].filename}:{its_own[-1].lineno} in {its_own[-1].name})" if its_own else ""
    kind = "" if isinstance(error, FleetlogError) else f"{type(error).__name__}: "
    return f"{kind}{error}"[:_ERROR_CHARS] + ("" if isinstance(error, FleetlogError) else place)
