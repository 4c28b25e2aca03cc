"""The values that commands, events and read models share. Frozen; no behaviour beyond naming.

Ids are readable and sort by time: `fleet-261123-014647-k3f2q7` and, inside it,
`agent-261123-014647-k3f2q7-explorer`. The stamp names the fleet in every id of the fleet.
"""

from functools import lru_cache
from typing import Any, Literal, get_args

import msgspec

from fleetlog.domain.command_spec import CommandSpec

__all__ = [
    "AGENT_ENDED",
    "EFFECTS",
    "FLEET_ENDED",
    "MESSAGE_TYPES",
    "OPERATOR",
    "AgentSpec",
    "AgentStatus",
    "Artifact",
    "Budget",
    "CommandSpec",
    "DeliveryState",
    "DoubtPolicy",
    "Effect",
    "FleetSpec",
    "FleetStatus",
    "HelpPolicy",
    "McpServerSpec",
    "Member",
    "Message",
    "MessageType",
    "Now",
    "PauseKind",
    "Severity",
    "SilencePolicy",
    "Stored",
    "TemplateVariable",
    "TicketKind",
    "TicketStatus",
    "Usage",
    "Waiting",
    "agent_id_for",
    "fleet_id_of",
    "stamp_of",
]

MessageType = Literal["handoff", "question", "result", "alert", "request_help"]
Severity = Literal["info", "warning", "high", "critical"]
Effect = Literal["pure", "idempotent", "effectful"]
FleetStatus = Literal["running", "complete", "failed", "timed_out", "cancelled"]
AgentStatus = Literal["pending", "running", "waiting", "complete", "failed", "timed_out", "cancelled"]
DoubtPolicy = Literal["tell", "ask", "retry"]
DeliveryState = Literal["queued", "seen", "acknowledged"]
SilencePolicy = Literal["abstain", "approve"]
PauseKind = Literal["operator", "budget", "provider"]
TicketKind = Literal["help", "approval"]
TicketStatus = Literal["open", "answered", "expired", "cancelled"]

MESSAGE_TYPES: tuple[str, ...] = get_args(MessageType)
EFFECTS: tuple[str, ...] = get_args(Effect)
FLEET_ENDED = frozenset({"complete", "failed", "timed_out", "cancelled"})
AGENT_ENDED = frozenset({"complete", "failed", "timed_out", "cancelled"})

OPERATOR = "operator"
"""The sender and principal of what a person or a host program does."""


class Now(msgspec.Struct, frozen=True, gc=False):
    """The time a command enters with. `wall_ms` is UTC epoch milliseconds; `uptime_s` counts only
    the seconds in which this log's runtime was up, over all its processes."""

    wall_ms: int
    uptime_s: float


class Artifact(msgspec.Struct, frozen=True, gc=False):
    """Something large that is stored once beside the log, by its SHA-256."""

    sha256: str
    size_bytes: int
    preview: str


class Stored(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A value a brain produced: msgpack bytes here, or in the artifact when they are many."""

    inline: bytes = b""
    artifact: Artifact | None = None


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One message as its recipient sees it. `sender` is an agent's id or `operator`.

    `correlation_id` is the id of the message this one answers. `broadcast_size` is the number of
    recipients of a broadcast, else 0. `declined` marks the answer of a peer that ended unasked.
    """

    id: str
    sender: str
    type: MessageType
    payload: str
    correlation_id: str = ""
    broadcast_size: int = 0
    declined: bool = False


class McpServerSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """An outside MCP server whose tools an agent is given, as `NAME__TOOL`.

    Either `command` (a program and its arguments, spoken to over stdio) or `url` (streamable HTTP). Values of `env`
    and `headers` may hold `${VAR}`, taken from the runtime's environment when the server is started: the log has
    the name, never the secret. `effects` says by the server's own name of a tool what a call of it does, `*` for all
    others; what is not named is effectful. `tools` are the only ones given; none named means all. `timeout_s` bounds
    the start, and each call.
    """

    name: str
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    url: str = ""
    headers: dict[str, str] = {}
    effects: dict[str, Effect] = {}
    tools: tuple[str, ...] = ()
    timeout_s: float = 60.0


class Budget(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """How much may be spent; None is without limit. `cost_nusd` is nano-dollars, `turns` counts paid calls, `wall_s` is
    seconds of runtime uptime since the agent started, or the fleet was spawned."""

    tokens: int | None = None
    cost_nusd: int | None = None
    turns: int | None = None
    wall_s: float | None = None


class HelpPolicy(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What happens while a ticket (a request to a person) is open; seconds of wall time since it was opened.

    `remind_after_s`: one interval that repeats, or several, each counted from the reminder before. After
    `escalate_after_s` it is escalated to `escalate_to`, a name or an address. After `expire_after_s` it is closed
    without an answer, and its agent is told. What is None never happens.
    """

    remind_after_s: float | tuple[float, ...] | None = None
    escalate_after_s: float | None = None
    escalate_to: str = ""
    expire_after_s: float | None = None


class AgentSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What a fleet says of one agent.

    `brain` names the function that drives it (a name given to `Runtime.open`, or `module:function`); `command` is
    what the brain `command` runs. The brain `external`, or none, is a mailbox that is worked from outside.
    `depends_on` names agents of the fleet that must have completed first. `each` makes one agent for each item.
    `result_schema` is a JSON Schema its result must fit; it may be rejected `max_rejections` times. `max_attempts`
    counts runs that ended in an error; `max_interruptions` counts restarts without a step between them.
    `help_policy` is for what it asks people; without one, the fleet's counts.

    The rest is for brains that drive a model. `agent` names an agent definition, `model` the model. `tools` are
    those it is offered beside the mesh (None: those of its definition, else the reading ones). `grants` are what it
    may do without asking a person: `write`, `run` (any command), `run:pytest` (commands that begin so), `network`,
    `unsandboxed`. `on_doubt` says for each tool (or `*`) what follows when a call was cut off: `tell` the agent,
    `ask` a person, `retry`. `max_tokens` bounds a reply; `thinking` and `effort` go to the model as they are; beyond
    `compact_at_tokens` the context is compacted (None: at four fifths of the model's window).
    `mcp_servers` are outside servers whose tools it may use. `budget` bounds what it may spend; it pauses there.
    """

    role: str
    prompt: str
    name: str = ""
    brain: str = ""
    agent: str = ""
    model: str = ""
    skills: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    each: tuple[Any, ...] | None = None
    result_schema: dict[str, Any] | bool | None = None
    max_attempts: int = 3
    max_rejections: int = 3
    max_interruptions: int = 50
    tools: tuple[str, ...] | None = None
    grants: tuple[str, ...] = ()
    on_doubt: dict[str, DoubtPolicy] | None = None
    max_tokens: int | None = None
    thinking: dict[str, Any] | None = None
    effort: str = ""
    compact_at_tokens: int | None = None
    mcp_servers: tuple[McpServerSpec, ...] = ()
    help_policy: HelpPolicy | None = None
    budget: Budget | None = None
    command: CommandSpec | None = None

    @property
    def is_external(self) -> bool:
        """Nothing here drives it: somebody outside does."""
        return self.brain in ("", "external")


class FleetSpec(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What to spawn. `timeout_s` counts runtime uptime; `max_concurrency` bounds how many brains of
    the fleet run at the same moment; `keep_open` keeps the fleet after its last agent has ended; `budget` bounds
    what its agents may spend together: the fleet pauses there."""

    agents: tuple[AgentSpec, ...]
    name: str = ""
    goal: str = ""
    workspace: str = ""
    timeout_s: float | None = None
    max_concurrency: int | None = None
    keep_open: bool = False
    help_policy: HelpPolicy | None = None
    budget: Budget | None = None


class TemplateVariable(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A variable of a fleet template; without a `default`, whoever spawns from it must give a value."""

    name: str
    description: str = ""
    default: str | None = None


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What model calls have used. Money is exact: `cost_nusd` is integer nano-dollars (a billionth of a dollar).
    `input_tokens` are those that were neither read from a cache nor written to one; `calls` counts turns."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    calls: int = 0
    cost_nusd: int = 0

    @property
    def tokens(self) -> int:
        """All tokens, of every kind."""
        return self.prompt_tokens + self.output_tokens

    @property
    def prompt_tokens(self) -> int:
        """All tokens that were sent."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens + self.cache_write_1h_tokens

    def plus(self, other: "Usage") -> "Usage":
        """The sum."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            self.calls + other.calls,
            self.cost_nusd + other.cost_nusd,
        )

    def minus(self, other: "Usage") -> "Usage":
        """The difference."""
        return Usage(
            self.input_tokens - other.input_tokens,
            self.output_tokens - other.output_tokens,
            self.cache_read_tokens - other.cache_read_tokens,
            self.cache_write_tokens - other.cache_write_tokens,
            self.cache_write_1h_tokens - other.cache_write_1h_tokens,
            self.calls - other.calls,
            self.cost_nusd - other.cost_nusd,
        )


class Member(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An agent as its fleet knows it."""

    name: str
    agent_id: str
    role: str
    depends_on: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()


class Waiting(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An agent that waits for ever: in its step `index`, called `what`, for the peer `on` (empty: for anybody)."""

    name: str
    index: int
    what: str
    on: str = ""


_OF_A_FLEET = frozenset({"agent", "council", "discussion", "fleet", "token"})
"""The kinds of ids that hold a fleet's stamp."""


@lru_cache(65_536)
def stamp_of(stream_id: str) -> str:
    """The fleet's stamp in the id of a fleet, or of something in it; empty when the id has another form."""
    parts = stream_id.split("-", 4)
    return "-".join(parts[1:4]) if len(parts) >= 4 and parts[0] in _OF_A_FLEET else ""


@lru_cache(65_536)
def fleet_id_of(stream_id: str) -> str:
    """The id of the fleet an agent (or the fleet itself) belongs to; empty for what is of no fleet."""
    stamp = stamp_of(stream_id)
    return f"fleet-{stamp}" if stamp else ""


def agent_name_of(agent_id: str) -> str:
    """The name in an agent's id; what is no agent's id is its own name."""
    prefix = f"agent-{stamp_of(agent_id)}-" if agent_id.startswith("agent-") else ""
    return agent_id.removeprefix(prefix)


def agent_id_for(fleet_id: str, name: str) -> str:
    """The id of the agent called `name` in a fleet."""
    return f"agent-{stamp_of(fleet_id)}-{name}"
