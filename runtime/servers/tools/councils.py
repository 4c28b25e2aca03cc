"""Tools of councils and receipts."""

from typing import Annotated

import msgspec
from msgspec import Meta

from fleetlog.domain.council import MAX_WEIGHT
from fleetlog.domain.values import SilencePolicy
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.replies import CouncilReply
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Moment, Reading, Text, Tool, moment_ms

__all__ = ["council_tools"]


class GiveReceipt(Changing, frozen=True, kw_only=True):
    agent_id: Text
    message_id: Text
    action: Annotated[Text, Meta(description="What was done with it, in a word; not ack.")]
    note: str = ""


class OneMessage(Reading, frozen=True, kw_only=True):
    message_id: Text


class OpenRatification(Changing, frozen=True, kw_only=True):
    proposer: Text
    fleet_id: Text
    subject: Text
    quorum: Annotated[int, Meta(ge=1, description="The weight of approvals it needs.")]
    payload: str = ""
    voters: (
        Annotated[tuple[Text, ...], Meta(min_length=1, description="Agents' ids; all others if left out.")] | None
    ) = None
    required_signoffs: Annotated[tuple[Text, ...], Meta(description="Voters who must all approve.")] = ()
    deadline: Annotated[Moment | None, Meta(description="When those who have not voted count as silent.")] = None
    silence_policy: Annotated[SilencePolicy, Meta(description="What silence at the deadline counts as.")] = "abstain"
    weights: Annotated[
        dict[str, Annotated[int, Meta(ge=1, le=MAX_WEIGHT)]], Meta(description="Votes that count more than 1.")
    ] = msgspec.field(default_factory=dict)


class CastVote(Changing, frozen=True, kw_only=True):
    agent_id: Text
    message_id: Annotated[Text, Meta(description="The ratification's id: that of its proposal.")]
    approve: bool
    note: str = ""


class Nothing(Changing, frozen=True, kw_only=True):
    pass


def council_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _receipt(door: Door, given: GiveReceipt) -> object:
    door.give_receipt(given.agent_id, given.message_id, given.action, given.note, idempotency_key=given.idempotency_key)
    mine = [
        receipt
        for receipt in door.receipts(given.message_id).receipts
        if (receipt.agent_id, receipt.action) == (given.agent_id, given.action)
    ]
    return {"receipt": mine[0]}


def _open(door: Door, given: OpenRatification) -> object:
    reply = door.open_ratification(
        given.proposer,
        given.fleet_id,
        given.subject,
        given.quorum,
        payload=given.payload,
        voters=given.voters,
        required_signoffs=given.required_signoffs,
        deadline=moment_ms("open_ratification", "deadline", given.deadline),
        silence_policy=given.silence_policy,
        weights=given.weights,
        idempotency_key=given.idempotency_key,
    )
    return {"message_id": reply.message_id, "tally": reply.tally}


def _vote(door: Door, given: CastVote) -> object:
    reply: CouncilReply = door.cast_vote(
        given.agent_id, given.message_id, given.approve, given.note, idempotency_key=given.idempotency_key
    )
    return {"ok": True, "status": reply.status, "tally": reply.tally}


def _tally(door: Door, given: OneMessage) -> object:
    found = door.ratification(given.message_id)
    return {"message_id": found.message_id, "status": found.status, "tally": found.tally, "votes": found.votes}


def _sweep(door: Door, _: Nothing) -> object:
    resolved = door.sweep_ratifications().resolved
    return {"resolved": [{"message_id": one.message_id, "status": one.status, "tally": one.tally} for one in resolved]}


_READS = Hints(reads=True, repeats=True)
_AGAIN = Hints(repeats=True)
_TOOLS = (
    Tool("receipt", "Say what was done with a message.", GiveReceipt, _receipt, _AGAIN, acting="agent_id"),
    Tool(
        "get_receipts",
        "See what the recipients of a message have done with it.",
        OneMessage,
        lambda door, given: {"receipts": door.receipts(given.message_id).receipts},
        _READS,
    ),
    Tool(
        "open_ratification",
        "Put a proposal to the vote. Every voter gets it as a message, and answers with cast_vote.",
        OpenRatification,
        _open,
        acting="proposer",
    ),
    Tool(
        "cast_vote",
        "Vote on a proposal. Voting again, while it is open, changes the vote.",
        CastVote,
        _vote,
        acting="agent_id",
    ),
    Tool("tally_ratification", "See how a vote stands.", OneMessage, _tally, _READS),
    Tool("sweep_ratifications", "Apply deadlines that have passed, and see what that resolved.", Nothing, _sweep),
)
