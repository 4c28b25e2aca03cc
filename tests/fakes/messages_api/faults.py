"""What can go wrong on purpose: faults, the rules that say which requests meet them, and the rate limit."""

import email.utils
import math
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from tests.fakes.messages_api.refusals import Refusal

__all__ = [
    "Break",
    "Bucket",
    "Fault",
    "Garbage",
    "Hang",
    "Limit",
    "Refuse",
    "RetryForm",
    "Rule",
    "Rules",
    "Slow",
    "retry_header",
]

RetryForm = Literal["seconds", "ms", "date"]


class Refuse(msgspec.Struct, frozen=True, tag="refuse", forbid_unknown_fields=True):
    """An error status. `kind` None means the error type that belongs to the status; `retry_after_s` is told in the
    header `retry-after` (seconds, or an HTTP date, rounded up) or `retry-after-ms`."""

    status: int = 429
    kind: str | None = None
    message: str | None = None
    retry_after_s: float | None = None
    form: RetryForm = "seconds"
    should_retry: bool | None = None

    def refusal(self) -> Refusal:
        """The error to answer with."""
        headers = {} if self.retry_after_s is None else retry_header(self.retry_after_s, self.form)
        if self.should_retry is not None:
            headers["x-should-retry"] = str(self.should_retry).lower()
        return Refusal(self.status, self.message or f"refused on purpose with {self.status}", self.kind, headers)


class Break(msgspec.Struct, frozen=True, tag="break", forbid_unknown_fields=True):
    """A reply that ends too soon, after its first `after_events` events (without a stream: in the middle of the body).

    error: an error event of type `kind`, then a clean end. eof: a clean end, nothing said. chunk: the connection is
    closed within a chunk. reset: the connection is reset. drop: it is closed before any head.
    """

    how: Literal["error", "eof", "chunk", "reset", "drop"]
    after_events: int = 4
    kind: str = "overloaded_error"


class Hang(msgspec.Struct, frozen=True, tag="hang", forbid_unknown_fields=True):
    """Silence before the head or after `after_events` events: for `seconds`, or until it is released; then the reply
    goes on."""

    where: Literal["headers", "stream"] = "headers"
    after_events: int = 4
    seconds: float | None = None


class Garbage(msgspec.Struct, frozen=True, tag="garbage", forbid_unknown_fields=True):
    """Status 200, and then what is no reply. body: no JSON where JSON is due. event: an event whose data is no JSON,
    after `after_events` good ones."""

    what: Literal["body", "event"] = "body"
    after_events: int = 4


class Slow(msgspec.Struct, frozen=True, tag="slow", forbid_unknown_fields=True):
    """A good reply that takes its time."""

    latency_s: float = 0.0
    tokens_per_s: float | None = None


Fault = Refuse | Break | Hang | Garbage | Slow


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests meet a fault: of those of this endpoint, model, script and turn (None: any) it leaves the first
    `skip` alone, then takes every `every`-th, `times` in all (None: without end)."""

    fault: Fault
    times: int | None = None
    every: int = 1
    skip: int = 0
    endpoint: Literal["messages", "count_tokens", "models"] = "messages"
    model: str | None = None
    script: str | None = None
    turn: int | None = None


class Rules:
    """The rules in force, in the order they were given; the first that takes a request decides (slowness adds up)."""

    def __init__(self) -> None:
        self._rules: list[tuple[Rule, list[int]]] = []  # with how many requests each has seen and taken

    def add(self, rule: Rule) -> None:
        self._rules.append((rule, [0, 0]))

    def clear(self) -> None:
        self._rules.clear()

    def faults(self, endpoint: str, model: str = "", script: str = "", turn: int = 0) -> list[Fault]:
        """What this request meets: any number of `Slow`, then at most one other fault."""
        met: list[Fault] = []
        for rule, counts in self._rules:
            if _concerns(rule, endpoint, model, script, turn) and _takes(rule, counts):
                met.append(rule.fault)
                if not isinstance(rule.fault, Slow):
                    break
        return met


def _concerns(rule: Rule, endpoint: str, model: str, script: str, turn: int) -> bool:
    return (
        rule.endpoint == endpoint
        and rule.model in (None, model)
        and rule.script in (None, script)
        and rule.turn in (None, turn)
    )


def _takes(rule: Rule, counts: list[int]) -> bool:
    """Whether the rule takes the request that it now sees; `counts` are how many it has seen and taken."""
    if rule.times is not None and counts[1] >= rule.times:
        return False
    counts[0] += 1
    past = counts[0] - rule.skip
    takes = past > 0 and past % rule.every == 0
    counts[1] += takes
    return takes


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rate limit. Every model has its own bucket; `model` None sets it for all models that have no own limit."""

    requests_per_minute: float
    burst: int = 1
    model: str | None = None
    form: RetryForm = "seconds"


class Bucket:
    """A token bucket of one model."""

    def __init__(self, limit: Limit, clock: Callable[[], float]) -> None:
        self.limit, self._clock = limit, clock
        self._rate = limit.requests_per_minute / 60
        self._tokens, self._at = float(limit.burst), clock()

    def take(self) -> float | None:
        """None when the request may pass, else the seconds until the next one may."""
        now = self._clock()
        self._tokens = min(float(self.limit.burst), self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        return (1 - self._tokens) / self._rate


def retry_header(seconds: float, form: RetryForm) -> dict[str, str]:
    """When to come again, never too early: rounded up to a millisecond, a date to a second."""
    milliseconds = math.ceil(seconds * 1_000)
    if form == "ms":
        return {"retry-after-ms": str(milliseconds)}
    if form == "date":
        return {"retry-after": email.utils.formatdate(math.ceil(time.time() + seconds), usegmt=True)}
    return {"retry-after": f"{milliseconds / 1_000:g}"}
