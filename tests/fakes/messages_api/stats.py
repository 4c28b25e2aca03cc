"""What came and what became of it: one record for every request, and the sums.

`answered` is a reply that was sent to its last byte. Whether the client read it is known later, if at all: it did when
it uses or closes the connection in good order, it did not when the connection is reset with the reply in it.
"""

from collections import Counter, deque
from collections.abc import Callable

import msgspec

from tests.fakes.messages_api.refusals import Invalid, Json

__all__ = [
    "ABANDONED",
    "ANSWERED",
    "BROKEN",
    "GARBAGE",
    "Call",
    "DigestCount",
    "ModelCount",
    "Report",
    "Stats",
    "Tokens",
    "Violation",
    "tokens_of",
]

KEPT_CALLS = 100_000
KEPT_VIOLATIONS = 1_000
MESSAGES = "messages"
ANSWERED, BROKEN, GARBAGE, ABANDONED = "answered", "broken", "garbage", "abandoned"


class Tokens(msgspec.Struct):
    """Tokens by how they are charged, and the searches made."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    web_searches: int = 0

    def add(self, other: "Tokens") -> None:
        self.input += other.input
        self.output += other.output
        self.cache_read += other.cache_read
        self.cache_write_5m += other.cache_write_5m
        self.cache_write_1h += other.cache_write_1h
        self.web_searches += other.web_searches

    @property
    def prompt(self) -> int:
        """All input tokens, cached ones too."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


class Call(msgspec.Struct):
    """One request. `at` (it had come) and `done_at` (it was answered) are seconds of the wall clock; `outcome` is
    "answered", the status of an error ("429"), "broken", "garbage", "abandoned" (the client went away), or "" while it
    is under way. `is_read` None: not known."""

    at: float
    endpoint: str
    done_at: float = 0.0
    model: str = ""
    script: str = ""
    digest: str = ""
    turn: int = 0
    outcome: str = ""
    tokens: Tokens | None = None
    is_read: bool | None = None


class DigestCount(msgspec.Struct):
    """How often one prompt was answered in full; `read` and `unread` as far as it is known."""

    answered: int = 0
    read: int = 0
    unread: int = 0


class ModelCount(msgspec.Struct):
    """The requests of one model."""

    requests: int = 0
    outcomes: dict[str, int] = {}
    billed: Tokens = msgspec.field(default_factory=Tokens)


class Violation(msgspec.Struct, frozen=True):
    """A request that broke a rule. `rule` is its short name, `message` the API's words."""

    rule: str
    message: str
    model: str
    script: str


class Report(msgspec.Struct):
    """All sums, of /v1/messages alone but for `others`, the requests of other endpoints.

    `digests` holds the prompts answered more than once (all of them, where that was asked for), `distinct` counts the
    prompts answered at all. `billed` are the tokens of replies that were answered in full, `at_risk` those of replies
    that were made and did not end. `during_limit` counts requests that came between a 429 and the end of its
    retry-after, `during_limit_late` those of them that came after the grace for what was on its way. `hanging` waits
    for its release, `in_flight` is under way, both now.
    """

    requests: int
    answered: int
    read: int
    unread: int
    distinct: int
    outcomes: dict[str, int]
    models: dict[str, ModelCount]
    digests: dict[str, DigestCount]
    billed: Tokens
    at_risk: Tokens
    violations: list[Violation]
    violation_count: int
    others: dict[str, int]
    during_limit: int
    during_limit_late: int
    in_flight: int
    max_concurrent: int
    hanging: int
    connections: int


class Stats:
    """For the server's loop alone; others get a `report`. `clock` gives seconds, `wall` those of the wall clock."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float], limit_grace_s: float) -> None:
        self._clock, self._wall, self._grace_s = clock, wall, limit_grace_s
        self.connections = 0
        self.in_flight = 0
        self.hanging = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but what is under way."""
        self.calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self.violations: deque[Violation] = deque(maxlen=KEPT_VIOLATIONS)
        self.requests = self.answered = self.read = self.unread = self.violation_count = 0
        self.during_limit = self.during_limit_late = 0
        self.max_concurrent = self.in_flight
        self._models: dict[str, ModelCount] = {}
        self._digests: dict[str, DigestCount] = {}
        self._limited: dict[str, tuple[float, float]] = {}
        self._billed, self._at_risk = Tokens(), Tokens()
        self.outcomes: Counter[str] = Counter()
        self._others: Counter[str] = Counter()

    def begin(self, endpoint: str) -> Call:
        """A request has come."""
        call = Call(self._wall(), endpoint)
        self.calls.append(call)
        if endpoint == MESSAGES:
            self.requests += 1
        else:
            self._others[endpoint] += 1
        self.in_flight += 1
        self.max_concurrent = max(self.max_concurrent, self.in_flight)
        return call

    def name(self, call: Call, model: str) -> None:
        """The request is of that model."""
        call.model = model
        if call.endpoint != MESSAGES:
            return
        if model:
            self._models.setdefault(model, ModelCount(outcomes={})).requests += 1
        begun, end = self._limited.get(model, (0.0, 0.0))
        now = self._clock()
        if now < end:
            self.during_limit += 1
            self.during_limit_late += now > begun + self._grace_s

    def limited(self, model: str, seconds: float) -> None:
        """The model's clients were told to wait."""
        now = self._clock()
        begun, end = self._limited.get(model, (now, now))
        self._limited[model] = (begun if end > now else now, max(end, now + seconds))

    def violated(self, call: Call, error: Invalid) -> None:
        """The request broke a rule."""
        self.violation_count += 1
        self.violations.append(Violation(error.rule, error.message, call.model, call.script))

    def end(self, call: Call, outcome: str, tokens: Tokens | None = None) -> None:
        """The request has its outcome; `tokens` are what its reply costs, or may cost when it did not end."""
        self.in_flight -= 1
        call.outcome, call.tokens, call.done_at = outcome, tokens, self._wall()
        if call.endpoint != MESSAGES:
            return
        self.outcomes[outcome] += 1
        if not call.model:
            return
        model = self._models.setdefault(call.model, ModelCount(outcomes={}))
        model.outcomes[outcome] = model.outcomes.get(outcome, 0) + 1
        if outcome == ANSWERED:
            self.answered += 1
        if tokens is not None:
            self._charge(call, tokens, model)

    def _charge(self, call: Call, tokens: Tokens, model: ModelCount) -> None:
        if call.outcome != ANSWERED:
            self._at_risk.add(tokens)
            return
        self._billed.add(tokens)
        model.billed.add(tokens)
        self._digests.setdefault(call.digest, DigestCount()).answered += 1

    def seen(self, call: Call, is_read: bool) -> None:
        """Whether the client read the answer has become known."""
        if call.outcome != ANSWERED or call.is_read is not None:
            return
        call.is_read = is_read
        self.read += is_read
        self.unread += not is_read
        count = self._digests.get(call.digest)
        if count is not None:
            count.read += is_read
            count.unread += not is_read

    def report(self, *, all_digests: bool = False) -> Report:
        """The sums now, in a copy."""
        least = 1 if all_digests else 2
        return msgspec.convert(
            msgspec.to_builtins(
                Report(
                    requests=self.requests,
                    answered=self.answered,
                    read=self.read,
                    unread=self.unread,
                    distinct=len(self._digests),
                    outcomes=dict(self.outcomes),
                    models=self._models,
                    digests={digest: count for digest, count in self._digests.items() if count.answered >= least},
                    billed=self._billed,
                    at_risk=self._at_risk,
                    violations=list(self.violations),
                    violation_count=self.violation_count,
                    others=dict(self._others),
                    during_limit=self.during_limit,
                    during_limit_late=self.during_limit_late,
                    in_flight=self.in_flight,
                    max_concurrent=self.max_concurrent,
                    hanging=self.hanging,
                    connections=self.connections,
                )
            ),
            Report,
        )


def tokens_of(usage: Json) -> Tokens:
    """The tokens of an API usage."""
    cached = usage["cache_creation"]
    return Tokens(
        input=usage["input_tokens"],
        output=usage["output_tokens"],
        cache_read=usage["cache_read_input_tokens"],
        cache_write_5m=cached["ephemeral_5m_input_tokens"],
        cache_write_1h=cached["ephemeral_1h_input_tokens"],
        web_searches=(usage["server_tool_use"] or {}).get("web_search_requests", 0),
    )
