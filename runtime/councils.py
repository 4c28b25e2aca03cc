"""Councils and receipts of the facade."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import OPERATOR, SilencePolicy, stamp_of
from fleetlog.runtime import arguments, mail
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.council_actor import check_size
from fleetlog.runtime.council_queries import CouncilRow
from fleetlog.runtime.engine import Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.replies import CouncilReply, ReceiptList, ReceiptReply, SweepReply
from fleetlog.runtime.reply import Reply

__all__ = ["Councils"]

ACK = "ack"


class Councils(Changes):
    """The part of `Runtime` that lets agents vote, and say what they have done with a message. Any thread."""

    def open_ratification(
        self,
        proposer: str,
        fleet_id: str,
        subject: str,
        quorum: int,
        *,
        payload: str = "",
        voters: Sequence[str] | None = None,
        required_signoffs: Sequence[str] = (),
        deadline: int | None = None,
        silence_policy: SilencePolicy = "abstain",
        weights: Mapping[str, int] | None = None,
        idempotency_key: str | None = None,
    ) -> CouncilReply:
        """Put a proposal to the vote. It goes to all `voters` (ids; every other agent of the fleet, if left out) as a
        question whose id is the ratification's. The rules are in `fleetlog.domain.council`. `deadline` is an epoch
        millisecond of wall time, and holds while no runtime is up: it is applied at the next start."""
        agents = mail.roster(self._parts.engine, arguments.fleet_id(fleet_id), fresh=True)
        asked = agents.recipients(proposer, "*") if voters is None else tuple(map(agents.agent_id, voters))
        command = c.OpenCouncil(
            fleet_id,
            proposer if proposer == OPERATOR else agents.agent_id(proposer),
            checks.text("subject", subject, empty=False),
            quorum,
            asked,
            checks.text("payload", payload),
            tuple(map(agents.agent_id, required_signoffs)),
            None if deadline is None else checks.integer("deadline", deadline),
            checks.choice("silence_policy", silence_policy, ("abstain", "approve")),  # type: ignore[arg-type]
            {agents.agent_id(agent): weight for agent, weight in (weights or {}).items()},
        )
        council_id = f"council-{stamp_of(fleet_id)}-{secrets.token_hex(4)}"
        check_size(council_id, command)
        return self._change_council("open_ratification", council_id, command, command, idempotency_key)

    def cast_vote(
        self, agent_id: str, message_id: str, approve: bool, note: str = "", *, idempotency_key: str | None = None
    ) -> CouncilReply:
        """Vote on a ratification. Voting again changes the vote; after its end it is refused."""
        command = c.CastVote(arguments.agent_id(agent_id), checks.flag("approve", approve), note)
        given = (message_id, command)
        return self._change_council("cast_vote", _council_id(message_id), command, given, idempotency_key)

    def ratification(self, message_id: str) -> CouncilRow:
        """A ratification, its votes and its tally; raises `NotFound`."""
        self._catch_up()
        return self._parts.councils.council(_council_id(message_id))

    def sweep_ratifications(self) -> SweepReply:
        """Apply deadlines that have passed, now; what that has resolved. They are also applied by themselves."""
        self._catch_up()
        waiting = self._parts.councils.open_ids()
        futures = [Reply[Receipt]() for _ in waiting]
        for council_id, future in zip(waiting, futures, strict=True):
            self._parts.engine.residents.send(council_id, Request(c.ExpireCouncil(), future, by=self._by))
        for future in futures:
            future.result()
        position = self._catch_up()
        return SweepReply(tuple(self._parts.councils.ended_since(waiting)), position)

    def _change_council(
        self, operation: str, council_id: str, command: c.CouncilCommand, given: object, idempotency_key: str | None
    ) -> CouncilReply:
        def seal(tally: Any) -> CouncilReply:
            return CouncilReply(council_id, tally.status, tally)

        return self._change(operation, council_id, command, given, CouncilReply, seal, idempotency_key)

    # --- receipts ----------------------------------------------------------------------------

    def give_receipt(
        self, agent_id: str, message_id: str, action: str, note: str = "", *, idempotency_key: str | None = None
    ) -> ReceiptReply:
        """Say what an agent has done with a message it was sent: one receipt for each action; the second time nothing
        is recorded. Acknowledging has a call of its own (`ack`)."""
        checks.text("action", action, max_chars=200, empty=False)
        if action == ACK:
            raise InvalidArgument("'action' is ack: use ack_message, which takes the message out of the inbox")
        command = c.GiveReceipt(checks.identifier("message_id", message_id), action, checks.text("note", note))
        given = (arguments.agent_id(agent_id), command)
        return self._change(
            "give_receipt",
            agent_id,
            command,
            given,
            ReceiptReply,
            lambda _: ReceiptReply(message_id, agent_id, action),
            idempotency_key,
        )

    def receipts(self, message_id: str) -> ReceiptList:
        """What the recipients of a message have done with it, oldest first; raises `NotFound`."""
        position = self._catch_up()
        found = self._parts.councils.receipts(checks.identifier("message_id", message_id))
        fleet_id = self._parts.councils.fleet_of_message(message_id)
        return ReceiptList(message_id, fleet_id, tuple(found), position)


def _council_id(message_id: str) -> str:
    if not checks.identifier("message_id", message_id).startswith("council-"):
        raise NotFound(f"No such ratification: {message_id}")
    return message_id
