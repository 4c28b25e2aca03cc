"""A council: agents vote on a proposal, each with its weight.

The rules. A vote approves or declines; a voter may vote again while the council is open, and the last vote counts.
Ratified: the weight of the approvals reaches the quorum, and every required sign-off approves. Rejected: that cannot
come about any more with the votes that are missing, or a required sign-off declines. Both are decided at once, and as
each approval only brings the first nearer and each decline the second, the order of the votes does not change the
result. At the deadline those who have not voted are silent: under `abstain` they count for nothing, under `approve` as
approvals; but silence is never a sign-off. What is not ratified then has expired. Whatever has ended stays so.

Saying the same again changes nothing, also after the end: an agent's step that was cut off may open and vote twice.
"""

from collections.abc import Mapping
from typing import Literal, assert_never

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import Now, agent_name_of

__all__ = ["MAX_WEIGHT", "Council", "CouncilStatus", "Tally", "tally_of"]

MAX_WEIGHT = 1_000_000
MAX_VOTERS = 10_000
CouncilStatus = Literal["open", "ratified", "rejected", "expired"]
Votes = Mapping[str, bool]


class Tally(msgspec.Struct, frozen=True):
    """How a council stands. `approvals`, `declines` and `pending` count voters, the weights are their sums;
    `reachable`: the quorum can still be reached, and no required sign-off has declined."""

    status: CouncilStatus
    quorum: int
    approvals: int
    declines: int
    pending: int
    required_signoffs: tuple[str, ...]
    signoffs_met: bool
    reachable: bool
    approval_weight: int
    decline_weight: int
    pending_weight: int
    total_weight: int
    weights: dict[str, int]


def tally_of(council: e.CouncilOpened, votes: Votes, status: CouncilStatus) -> Tally:
    """The count of these votes."""
    weights = {voter: council.weights.get(voter, 1) for voter in council.voters}
    approvals = [voter for voter, approves in votes.items() if approves]
    approval_weight = sum(weights[voter] for voter in approvals)
    decline_weight = sum(weights[voter] for voter, approves in votes.items() if not approves)
    total = sum(weights.values())
    declined = any(votes.get(voter) is False for voter in council.required_signoffs)
    return Tally(
        status=status,
        quorum=council.quorum,
        approvals=len(approvals),
        declines=len(votes) - len(approvals),
        pending=len(council.voters) - len(votes),
        required_signoffs=council.required_signoffs,
        signoffs_met=all(votes.get(voter) is True for voter in council.required_signoffs),
        reachable=total - decline_weight >= council.quorum and not declined,
        approval_weight=approval_weight,
        decline_weight=decline_weight,
        pending_weight=total - approval_weight - decline_weight,
        total_weight=total,
        weights=weights,
    )


class Council:
    """One council; it does not exist until `council.opened` is folded."""

    __slots__ = ("id", "notes", "opened", "reason", "silent", "status", "votes")

    def __init__(self, council_id: str) -> None:
        self.id = council_id
        self.opened: e.CouncilOpened | None = None
        self.votes: dict[str, bool] = {}
        self.notes: dict[str, str] = {}
        self.status: CouncilStatus = "open"
        self.silent: tuple[str, ...] = ()
        self.reason = ""

    @property
    def exists(self) -> bool:
        return self.opened is not None

    @property
    def is_open(self) -> bool:
        return self.exists and self.status == "open"

    def tally(self) -> Tally:
        """The count as it is."""
        assert self.opened is not None
        counted = {**self.votes, **dict.fromkeys(self.silent, True)}
        return tally_of(self.opened, counted, self.status)

    # --- decide ------------------------------------------------------------------------------

    def decide(self, command: c.CouncilCommand, now: Now) -> list[e.CouncilEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if isinstance(command, c.OpenCouncil):
            return self._open(command, now)
        if self.opened is None:
            raise NotFound(f"No such ratification: {self.id}")
        match command:
            case c.CastVote():
                return self._vote(self.opened, command)
            case c.ExpireCouncil():
                return self._expire(self.opened, now)
            case _:
                assert_never(command)

    def _open(self, command: c.OpenCouncil, now: Now) -> list[e.CouncilEvent]:
        if self.opened is not None:
            if _proposal(command) == _proposal(self.opened):
                return []
            raise NotAllowed(f"Ratification {self.id} exists already")
        checks.text("subject", command.subject, max_chars=10_000, empty=False)
        checks.integer("quorum", command.quorum)
        _check_voters(command)
        weights = _checked_weights(command)
        total = sum(weights.get(voter, 1) for voter in command.voters)
        if command.quorum > total:
            raise InvalidArgument(f"'quorum' is {command.quorum}, but all voters together have a weight of {total}")
        if command.deadline_ms is not None and command.deadline_ms <= now.wall_ms:
            raise InvalidArgument(f"'deadline' must be a time to come, got {command.deadline_ms}")
        opened = {**msgspec.structs.asdict(command), "weights": weights}
        return [e.CouncilOpened(**opened)]

    def _vote(self, opened: e.CouncilOpened, command: c.CastVote) -> list[e.CouncilEvent]:
        if command.agent_id not in opened.voters:
            raise NotAllowed(f"{command.agent_id} is no voter of ratification {self.id}")
        if self.votes.get(command.agent_id) is command.approve and self.notes[command.agent_id] == command.note:
            return []
        if self.status != "open":
            raise NotAllowed(f"Ratification {self.id} is {self.status}: no vote counts any more")
        checks.text("note", command.note, max_chars=10_000)
        cast = e.VoteCast(command.agent_id, command.approve, command.note)
        votes = {**self.votes, command.agent_id: command.approve}
        return [cast, *_ending(opened, votes)]

    def _expire(self, opened: e.CouncilOpened, now: Now) -> list[e.CouncilEvent]:
        if self.status != "open" or opened.deadline_ms is None or now.wall_ms < opened.deadline_ms:
            return []
        silent = tuple(voter for voter in opened.voters if voter not in self.votes)
        counted = self.votes
        if opened.silence_policy == "approve":
            counted = {**self.votes, **dict.fromkeys(silent, True)}
        tally = tally_of(opened, counted, "open")
        signed = all(self.votes.get(voter) is True for voter in opened.required_signoffs)
        if signed and tally.approval_weight >= opened.quorum:
            return [e.CouncilRatified(silent)]
        lacking = "a required sign-off is missing" if not signed else f"{tally.approval_weight} of {opened.quorum}"
        return [e.CouncilExpired(f"not ratified by its deadline: {lacking}")]

    # --- evolve ------------------------------------------------------------------------------

    def evolve(self, event: e.CouncilEvent) -> None:
        """Fold one event; total over all council events."""
        match event:
            case e.CouncilOpened():
                self.opened = event
            case e.VoteCast():
                self.votes[event.agent_id] = event.approve
                self.notes[event.agent_id] = event.note
            case e.CouncilRatified():
                self.status, self.silent = "ratified", event.silent
            case e.CouncilRejected():
                self.status, self.reason = "rejected", event.reason
            case e.CouncilExpired():
                self.status, self.reason = "expired", event.reason
            case _:
                assert_never(event)


def _proposal(opened: c.OpenCouncil | e.CouncilOpened) -> tuple[str, str, str]:
    """What makes two proposals of one id the same: the fleet may have got more agents in between."""
    return (opened.proposer, opened.subject, opened.payload)


def _check_voters(command: c.OpenCouncil) -> None:
    voters = set(command.voters)
    if not voters:
        raise InvalidArgument("'voters' must name at least one agent; the fleet has no other")
    if len(voters) != len(command.voters):
        raise InvalidArgument("'voters' names an agent twice")
    if len(voters) > MAX_VOTERS:
        raise InvalidArgument(f"'voters' has {len(voters)} agents (limit {MAX_VOTERS})")
    if strange := [one for one in command.required_signoffs if one not in voters]:
        raise InvalidArgument(f"'required_signoffs' names {strange[0]}, who is no voter")
    if len(set(command.required_signoffs)) != len(command.required_signoffs):
        raise InvalidArgument("'required_signoffs' names an agent twice")


def _checked_weights(command: c.OpenCouncil) -> dict[str, int]:
    """Those that are not 1."""
    for voter, weight in command.weights.items():
        if voter not in command.voters:
            raise InvalidArgument(f"'weights' names {voter}, who is no voter")
        checks.integer(f"weights.{voter}", weight, at_most=MAX_WEIGHT)
    return {voter: weight for voter, weight in command.weights.items() if weight != 1}


def _ending(opened: e.CouncilOpened, votes: Votes) -> list[e.CouncilEvent]:
    """How it ends with these votes, if it does."""
    tally = tally_of(opened, votes, "open")
    if tally.signoffs_met and tally.approval_weight >= opened.quorum:
        return [e.CouncilRatified()]
    if tally.reachable:
        return []
    declined = [agent_name_of(voter) for voter in opened.required_signoffs if votes.get(voter) is False]
    possible = tally.total_weight - tally.decline_weight
    reason = f"{declined[0]}, whose sign-off is required, declined" if declined else ""
    return [e.CouncilRejected(reason or f"only {possible} of the quorum of {opened.quorum} can still be reached")]
