"""Tools about the runtime itself."""

import time
from typing import Annotated

from msgspec import Meta

from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.tool import Hints, Reading, Tool

__all__ = ["house_tools"]


class Nothing(Reading, frozen=True, kw_only=True):
    pass


class VerifyLedger(Reading, frozen=True, kw_only=True):
    since: Annotated[int, Meta(ge=0, description="Only say what is wrong behind this position of the log.")] = 0


def house_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _verify(door: Door, given: VerifyLedger) -> object:
    verdict = door.verify_ledger(since=given.since)
    findings = list(verdict.findings)
    return {
        "ok": verdict.ok,
        "errors": len(findings),
        "warnings": 0,
        "findings": findings,
        "events": verdict.events,
        "streams": verdict.streams,
    }


_READS = Hints(reads=True, repeats=True)
_TOOLS = (
    Tool("get_health", "Sizes, counts, up-time, lag, the models' gates.", Nothing, lambda d, _: d.health(), _READS),
    Tool(
        "ping",
        "Is anybody there?",
        Nothing,
        lambda _, __: {"status": "ok", "timestamp": time.time_ns() // 1_000_000},
        _READS,
    ),
    Tool("verify_ledger", "Check the whole log: gaps, changes, a broken chain.", VerifyLedger, _verify, _READS),
)
