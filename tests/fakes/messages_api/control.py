"""What a test may tell the server while it runs: the same commands in the process and as JSON over HTTP."""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from tests.fakes.messages_api.faults import Fault, Limit, Refuse, RetryForm, Rule
from tests.fakes.messages_api.stats import Call, Report, Stats, Violation

__all__ = [
    "AddRule",
    "Advance",
    "Calls",
    "Clear",
    "Command",
    "Controls",
    "GetReport",
    "Release",
    "ResetStats",
    "SetLimit",
    "SetPace",
    "Wait",
]


class AddRule(msgspec.Struct, frozen=True, tag_field="do", tag="rule", forbid_unknown_fields=True):
    """From now on these requests meet this fault."""

    rule: Rule


class SetLimit(msgspec.Struct, frozen=True, tag_field="do", tag="limit", forbid_unknown_fields=True):
    """From now on the rate is limited, with a full bucket."""

    limit: Limit


class SetPace(msgspec.Struct, frozen=True, tag_field="do", tag="pace", forbid_unknown_fields=True):
    """From now on every reply takes this long."""

    latency_s: float = 0.0
    tokens_per_s: float | None = None


class Clear(msgspec.Struct, frozen=True, tag_field="do", tag="clear", forbid_unknown_fields=True):
    """No rules and no limits any more; what hangs goes on."""


class Release(msgspec.Struct, frozen=True, tag_field="do", tag="release", forbid_unknown_fields=True):
    """What hangs now goes on."""


class ResetStats(msgspec.Struct, frozen=True, tag_field="do", tag="reset_stats", forbid_unknown_fields=True):
    """Forget what was counted."""


class Advance(msgspec.Struct, frozen=True, tag_field="do", tag="advance", forbid_unknown_fields=True):
    """Let the clock of caches and limits jump."""

    seconds: float


class Wait(msgspec.Struct, frozen=True, tag_field="do", tag="wait", forbid_unknown_fields=True):
    """Wait until at least so many have come, were answered, were read or not read, had these outcomes, and until at
    least so many hang now (all that are given); the answer is the report. Fails after `timeout_s`."""

    requests: int = 0
    answered: int = 0
    read: int = 0
    unread: int = 0
    hanging: int = 0
    in_flight: int = 0
    outcomes: dict[str, int] = {}
    timeout_s: float = 30.0

    def is_reached(self, stats: Stats) -> bool:
        """Whether all of it is so."""
        return (
            stats.requests >= self.requests
            and stats.answered >= self.answered
            and stats.read >= self.read
            and stats.unread >= self.unread
            and stats.hanging >= self.hanging
            and stats.in_flight >= self.in_flight
            and all(stats.outcomes[outcome] >= count for outcome, count in self.outcomes.items())
        )


class GetReport(msgspec.Struct, frozen=True, tag_field="do", tag="report", forbid_unknown_fields=True):
    """The sums."""

    all_digests: bool = False


class Calls(msgspec.Struct, frozen=True, tag_field="do", tag="calls", forbid_unknown_fields=True):
    """The records, oldest first."""


Command = AddRule | SetLimit | SetPace | Clear | Release | ResetStats | Advance | Wait | GetReport | Calls


class Controls(ABC):
    """A server's address, and the commands as methods; for one in this process and one in another. Thread-safe."""

    port: int
    api_key: str

    @property
    def url(self) -> str:
        """What a client is given as `base_url`."""
        return f"http://127.0.0.1:{self.port}"

    @abstractmethod
    def control(self, command: Command) -> Any:
        """Carry the command out; gives its answer in JSON's form."""

    def rule(self, fault: Fault, **which: Any) -> None:
        """Requests meet this fault; `which` are the other fields of `Rule`."""
        self.control(AddRule(Rule(fault, **which)))

    def refuse(
        self, status: int, retry_after_s: float | None = None, form: RetryForm = "seconds", **which: Any
    ) -> None:
        """Requests are refused with this status; `which` are fields of `Rule`."""
        self.control(AddRule(Rule(Refuse(status, retry_after_s=retry_after_s, form=form), **which)))

    def limit(self, requests_per_minute: float, burst: int = 1, **which: Any) -> None:
        """Limit the rate of each model; `which` are the other fields of `Limit`."""
        self.control(SetLimit(Limit(requests_per_minute, burst, **which)))

    def pace(self, latency_s: float = 0.0, tokens_per_s: float | None = None) -> None:
        """Every reply takes this long."""
        self.control(SetPace(latency_s, tokens_per_s))

    def clear(self) -> None:
        """No rules and no limits any more; what hangs goes on."""
        self.control(Clear())

    def release(self) -> None:
        """What hangs now goes on."""
        self.control(Release())

    def reset_stats(self) -> None:
        """Forget what was counted."""
        self.control(ResetStats())

    def advance(self, seconds: float) -> None:
        """Let the clock of caches and limits jump."""
        self.control(Advance(seconds))

    def wait(self, **until: Any) -> Report:
        """Wait (see `Wait` for what for). Raises TimeoutError."""
        answer = self.control(Wait(**until))
        if answer is None:
            raise TimeoutError(f"the server waited in vain for {until}")
        return msgspec.convert(answer, Report)

    def report(self, *, all_digests: bool = False) -> Report:
        """The sums now."""
        return msgspec.convert(self.control(GetReport(all_digests)), Report)

    def calls(self) -> list[Call]:
        """The records of requests, oldest first."""
        return msgspec.convert(self.control(Calls()), list[Call])

    @property
    def violations(self) -> list[Violation]:
        """The requests that broke a rule; tests assert that there are none."""
        return self.report().violations
