"""The actor of one council: it asks the voters, keeps the deadline, and tells everyone how it ended.

All of it follows from the council's state, and is said again after a restart: whoever knows a message drops it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.council import Council
from fleetlog.domain.values import Message, MessageType
from fleetlog.runtime.aggregate_host import AggregateHost, Recover
from fleetlog.runtime.engine import Request

__all__ = ["CouncilActor", "check_size", "outcome_text", "proposal_text"]

LOOK_EVERY_S = 60.0
"""The deadline is wall time: the clock may be set, and goes on while the machine sleeps."""


@dataclass(frozen=True, slots=True)
class Look:
    """The deadline may be near."""


class CouncilActor(AggregateHost[Council]):
    """One council."""

    def make_state(self) -> Council:
        """See `AggregateHost`."""
        return Council(self.stream_id)

    def outcome(self, state: Council, command: Any, events: Sequence[Any]) -> Any:
        """The tally."""
        return state.tally()

    def wants_commit(self, state: Council, events: Sequence[Any]) -> bool:
        """A vote that decides nothing leads to nothing."""
        return any(not isinstance(event, e.VoteCast) for event in events)

    def follow(self) -> None:
        """Ask the voters and wait for the deadline; or tell how it ended."""
        opened = self.state.opened
        assert opened is not None
        if self.state.is_open:
            self._tell(opened.voters, f"{self.stream_id}", "question", proposal_text(self.stream_id, opened), "")
            self._wait_for_deadline(opened)
            return
        self.engine.timers.disarm(self._timer_key)
        told = tuple(dict.fromkeys((opened.proposer, *opened.voters)))
        text = outcome_text(self.stream_id, self.state)
        self._tell(told, f"{self.stream_id}-outcome", "result", text, self.stream_id)

    def _tell(self, agents: Sequence[str], message_id: str, kind: MessageType, text: str, about: str) -> None:
        assert self.state.opened is not None
        sender = self.state.opened.proposer if kind == "question" else "operator"
        message = Message(message_id, sender, kind, text, about, len(agents))
        for agent_id in agents:
            if agent_id.startswith("agent-"):
                deliver = Request(c.DeliverMessage(message), by=self.stream_id, cause=self.stream_id)
                self.engine.residents.post(agent_id, deliver)

    def _wait_for_deadline(self, opened: e.CouncilOpened) -> None:
        if opened.deadline_ms is None:
            return
        now = self.engine.clock.now()
        if now.wall_ms >= opened.deadline_ms:
            self.post(Request(c.ExpireCouncil(), by=self.stream_id))
            return
        wait_s = min((opened.deadline_ms - now.wall_ms) / 1000, LOOK_EVERY_S)
        look = functools.partial(self.engine.residents.post, self.stream_id, Look())
        self.engine.timers.arm(self._timer_key, now.uptime_s + wait_s, look)

    def on_note(self, message: object) -> None:
        """See `AggregateHost`."""
        if isinstance(message, Look):
            if self._state is None:
                self.post(Recover())
            elif self.state.is_open and self.state.opened is not None:
                self._wait_for_deadline(self.state.opened)

    @property
    def _timer_key(self) -> str:
        return f"council {self.stream_id}"


def proposal_text(council_id: str, opened: e.CouncilOpened | c.OpenCouncil) -> str:
    """What the voters are sent: JSON."""
    proposal = {
        "ratification": council_id,
        "subject": opened.subject,
        "payload": opened.payload,
        "quorum": opened.quorum,
        "required_signoffs": opened.required_signoffs,
        "deadline": opened.deadline_ms,
        "text": f"Vote on: {opened.subject} (cast_vote, message_id {council_id})",
    }
    return msgspec.json.encode(proposal).decode()


def check_size(council_id: str, command: c.OpenCouncil) -> None:
    """The proposal goes out as a message: it must fit into one."""
    checks.payload(proposal_text(council_id, command))


def outcome_text(council_id: str, council: Council) -> str:
    """What everybody is sent when it has ended: JSON."""
    subject = council.opened.subject if council.opened else ""
    outcome = {
        "ratification": council_id,
        "status": council.status,
        "reason": council.reason,
        "tally": council.tally(),
        "text": f"{council.status}: {subject}",
    }
    return msgspec.json.encode(outcome).decode()
