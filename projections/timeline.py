"""What has happened, in one line an event?"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.budget import budget_text, usd
from fleetlog.domain.values import agent_name_of, fleet_id_of, stamp_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Timeline"]

_INSERT = "INSERT INTO timeline (position, fleet_id, agent_id, at_ms, what, by, summary) VALUES (?,?,?,?,?,?,?)"
_SUMMARY_CHARS = 200


class Timeline:
    """One row an event of a fleet, an agent or a template; `what` is the event's stored name."""

    name = "timeline"
    version = 1
    tables: Sequence[str] = ("timeline",)
    schema: Sequence[str] = (
        """CREATE TABLE timeline (
            position INTEGER PRIMARY KEY, fleet_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            at_ms INTEGER NOT NULL, what TEXT NOT NULL, by TEXT NOT NULL, summary TEXT NOT NULL
        )""",
        "CREATE INDEX timeline_by_fleet ON timeline (fleet_id)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            event_class: self._row(e.stored_name(event_class))
            for event_class in e.ALL_EVENTS
            if event_class not in (e.CallRecorded, e.GateClosed)
        }

    @staticmethod
    def _row(what: str) -> Handler:
        say = _SUMMARIES.get(what, _nothing)

        def handle(recorded: Recorded, rows: Rows) -> None:
            position, stream_id, _, at_ms, by, event = recorded
            agent_id = stream_id if stream_id.startswith("agent-") else ""
            rows.add(
                _INSERT,
                position,
                fleet_id_of(stream_id) if stamp_of(stream_id) else "",
                agent_id,
                at_ms,
                what,
                by,
                say(event)[:_SUMMARY_CHARS],
            )

        return handle


def _nothing(_: object) -> str:
    return ""


def _delivered(event: e.MessageDelivered) -> str:
    message = event.message
    return f"{message.type} from {agent_name_of(message.sender)}: {gist(message.payload)}"


class _Worded(msgspec.Struct):
    text: str = ""


def gist(payload: str) -> str:
    """What a message says: its words; of JSON its `text`, or its size."""
    if not payload.startswith(("{", "[")):
        return payload[:_SUMMARY_CHARS]
    try:
        text = msgspec.json.decode(payload, type=_Worded).text
    except msgspec.DecodeError:
        text = ""
    return text or f"{len(payload.encode()):,} bytes of JSON"


def _answered(event: e.HelpAnswered) -> str:
    decided = {True: "granted", False: "denied", None: ""}[event.granted]
    return f"{event.by}: " + " ".join(filter(None, (decided, event.answer)))


def _spawned(event: e.FleetSpawned) -> str:
    return f"{event.spec.name or 'fleet'}: {len(event.members)} agents"


def _admitted(event: e.AgentsAdmitted) -> str:
    rest = len(event.names) - 5
    return ", ".join(event.names[:5]) + (f" and {rest} more" if rest > 0 else "")


_SUMMARIES: Mapping[str, Callable[..., str]] = {
    "fleet.forked": lambda event: f"from {event.forked_from}",
    "council.opened": lambda event: f"{event.subject} ({len(event.voters)} voters, quorum {event.quorum})",
    "council.vote_cast": lambda event: (
        f"{agent_name_of(event.agent_id)} {'approves' if event.approve else 'declines'}"
        f"{f': {event.note}' if event.note else ''}"
    ),
    "council.ratified": lambda event: f"{len(event.silent)} by their silence" if event.silent else "",
    "council.rejected": lambda event: event.reason,
    "council.expired": lambda event: event.reason,
    "discussion.opened": lambda event: f"{agent_name_of(event.asker)} asks {agent_name_of(event.peer)}",
    "discussion.turn_reserved": lambda event: agent_name_of(event.agent_id),
    "discussion.turn_replied": lambda event: f"{event.type}: {event.payload}",
    "discussion.ended": lambda event: event.status,
    "message.receipt_given": lambda event: f"{event.action}{f': {event.note}' if event.note else ''}",
    "token.issued": lambda event: f"{event.scope}{f' {event.label}' if event.label else ''}",
    "token.revoked": lambda event: event.reason,
    "token.forgery_refused": lambda event: f"{event.operation} as {event.claimed}",
    "agent.spawned": lambda event: f"{event.name} ({event.spec.role})",
    "agent.resumed": lambda event: (
        f"after {event.interruptions} interruptions without a step" if event.interruptions > 1 else ""
    ),
    "agent.suspended": lambda event: f"waits: {event.name}",
    "agent.attempt_failed": lambda event: f"attempt {event.attempt}: {event.error}",
    "agent.returned": lambda event: event.error,
    "agent.result_rejected": lambda event: "; ".join(event.reasons),
    "agent.failed": lambda event: "; ".join(event.reasons),
    "agent.cancelled": lambda event: event.reason,
    "agent.timed_out": lambda event: event.reason,
    "agent.progress_reported": lambda event: event.text,
    "step.started": lambda event: event.name,
    "step.noted": lambda event: event.note,
    "lease.taken": lambda event: f"{event.client}, for {event.ttl_s:g} seconds at a time",
    "lease.lost": lambda event: f"alert: {event.client} has lost the agent, {event.reason}",
    "lease.released": lambda event: event.client,
    "step.completed": lambda event: event.name,
    "step.failed": lambda event: f"{event.name}: {event.error_type}: {event.error}",
    "step.doubted": lambda event: event.name,
    "step.doubt_resolved": lambda event: f"{event.outcome} by {event.by}",
    "step.wait_timed_out": lambda event: event.name,
    "call.started": lambda event: f"{event.name}, for up to {usd(event.bound.cost_nusd)}",
    "call.lost": lambda event: f"counted as {usd(event.counted.cost_nusd)}",
    "agent.paused": lambda event: event.reason,
    "agent.budget_set": lambda event: budget_text(event.budget),
    "step.wait_abandoned": lambda event: f"{event.name}: {event.reason}",
    "message.delivered": _delivered,
    "message.sent": lambda event: f"{event.name} {event.to_operator}".rstrip(),
    "message.seen": lambda event: event.message_id,
    "message.acknowledged": lambda event: event.message_id,
    "help.requested": lambda event: event.blocker + (f": {event.subject}" if event.subject else ""),
    "help.answered": _answered,
    "help.reminded": lambda event: f"reminder {event.number} of {event.help_id}",
    "help.escalated": lambda event: f"{event.help_id} to {event.to}",
    "help.expired": lambda event: event.help_id,
    "help.cancelled": lambda event: f"{event.help_id} {event.reason}".rstrip(),
    "capability.registered": lambda event: f"{event.role}: {', '.join(event.skills)}",
    "routing.outcome_recorded": lambda event: f"{event.capability_key}: {'success' if event.success else 'failure'}",
    "fleet.spawned": _spawned,
    "fleet.agent_attached": lambda event: event.member.name,
    "fleet.agents_admitted": _admitted,
    "fleet.agent_ended": lambda event: f"{event.name} {event.status}",
    "fleet.timeout_set": lambda event: f"{event.timeout_s:g} seconds",
    "fleet.closed": lambda event: event.reason,
    "fleet.stuck": lambda event: event.reason,
    "fleet.failed": lambda event: event.reason,
    "fleet.cancelled": lambda event: event.reason,
    "fleet.timed_out": lambda event: f"after {event.timeout_s:g} seconds",
    "fleet.archived": lambda event: event.reason,
    "fleet.spend_reserved": lambda event: f"{event.name}: up to {usd(event.bound.cost_nusd)}",
    "fleet.spend_settled": lambda event: f"{event.name}: {usd(event.usage.cost_nusd)}",
    "fleet.spend_released": lambda event: event.name,
    "fleet.paused": lambda event: event.reason,
    "fleet.budget_set": lambda event: budget_text(event.budget),
    "template.saved": lambda event: f"version {event.version}: {len(event.spec.agents)} agents",
    "template.deleted": lambda event: event.reason,
}
