"""Who is good at what, and how did it go? What work is routed by.

The words of the agents that may still get work are in a full-text table (SQLite's FTS5): an agent that has ended
leaves it. Its capability and its outcomes stay, for those that come after it in its role.
"""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["TOKENIZER", "Capabilities", "capability_key"]

TOKENIZER = "porter unicode61"
MAX_PROMPT_CHARS = 4_000
"""What an agent is for stands at the beginning of its prompt; more of it would drown its role and skills."""
_INSERT = "INSERT OR REPLACE INTO capabilities (agent_id, fleet_id, position, role, skills, model) VALUES (?,?,?,?,?,?)"
_INSERT_WORDS = "INSERT INTO capability_words (rowid, role, skills, description, prompt) VALUES (?,?,?,?,?)"
_AT = "(SELECT position FROM capabilities WHERE agent_id=?)"
_REGISTER = "UPDATE capabilities SET role=?, skills=?, model=?, context_window=? WHERE agent_id=?"
_REGISTER_WORDS = f"UPDATE capability_words SET role=?, skills=? WHERE rowid={_AT}"
_END = f"DELETE FROM capability_words WHERE rowid={_AT}"
_KEY = "INSERT INTO capability_keys (key) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM routing_outcomes WHERE key=?)"
_OUTCOME = (
    "INSERT INTO routing_outcomes (agent_id, key, role, successes, failures)"
    " SELECT agent_id, ?, role, ?, ? FROM capabilities WHERE agent_id=?"
    " ON CONFLICT DO UPDATE SET successes=successes+excluded.successes, failures=failures+excluded.failures"
)


def capability_key(text: str) -> str:
    """The key under which outcomes are counted: without regard to case and spaces."""
    return " ".join(text.lower().split())


class Capabilities:
    """One row an agent; one of words for each that has not ended; one of outcomes for each agent, key and role.
    `skills` is JSON."""

    name = "capabilities"
    version = 1
    tables: Sequence[str] = ("capabilities", "capability_words", "capability_keys", "routing_outcomes")
    schema: Sequence[str] = (
        """CREATE TABLE capabilities (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, position INTEGER NOT NULL, role TEXT NOT NULL,
            skills TEXT NOT NULL, model TEXT NOT NULL, context_window INTEGER
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX capabilities_by_position ON capabilities (position)",
        f"CREATE VIRTUAL TABLE capability_words USING fts5 (role, skills, description, prompt, tokenize='{TOKENIZER}')",
        f"CREATE VIRTUAL TABLE capability_keys USING fts5 (key, tokenize='{TOKENIZER}')",
        """CREATE TABLE routing_outcomes (
            agent_id TEXT NOT NULL, key TEXT NOT NULL, role TEXT NOT NULL, successes INTEGER NOT NULL,
            failures INTEGER NOT NULL, PRIMARY KEY (agent_id, key, role)
        ) WITHOUT ROWID""",
        "CREATE INDEX outcomes_by_key ON routing_outcomes (key)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.AgentSpawned: self._spawned,
            e.CapabilityRegistered: self._registered,
            e.RoutingOutcomeRecorded: self._outcome,
            e.AgentCompleted: self._ended,
            e.AgentFailed: self._ended,
            e.AgentCancelled: self._ended,
            e.AgentTimedOut: self._ended,
        }

    def _spawned(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentSpawned = recorded.event
        spec, at = event.spec, recorded.position
        rows.add(_INSERT, recorded.stream_id, event.fleet_id, at, spec.role, _json(spec.skills), spec.model)
        prompt = spec.prompt[:MAX_PROMPT_CHARS]
        rows.add(_INSERT_WORDS, at, spec.role, _listed(spec.skills), event.description, prompt)

    def _registered(self, recorded: Recorded, rows: Rows) -> None:
        event: e.CapabilityRegistered = recorded.event
        known = (event.role, _json(event.skills), event.model, event.context_window)
        rows.add(_REGISTER, *known, recorded.stream_id)
        rows.add(_REGISTER_WORDS, event.role, _listed(event.skills), recorded.stream_id)

    def _outcome(self, recorded: Recorded, rows: Rows) -> None:
        event: e.RoutingOutcomeRecorded = recorded.event
        key = capability_key(event.capability_key)
        rows.add(_KEY, key, key)
        rows.add(_OUTCOME, key, int(event.success), int(not event.success), recorded.stream_id)

    def _ended(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(_END, recorded.stream_id)


def _json(skills: tuple[str, ...]) -> str:
    return msgspec.json.encode(skills).decode()


def _listed(skills: tuple[str, ...]) -> str:
    return ", ".join(skills)
