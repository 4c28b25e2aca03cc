"""What a brain does in councils: it opens one, and votes in one. Part of a brain's context.

The council's id follows from the step, and a council takes the same words twice as once, so that both steps are
idempotent: what a crash has cut off is done again, and counted once.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fleetlog.domain import checks, errors
from fleetlog.domain import commands as c
from fleetlog.domain.council import Tally
from fleetlog.domain.values import Effect, stamp_of
from fleetlog.runtime.brains.run import Run
from fleetlog.runtime.council_actor import check_size

__all__ = ["VotesInCouncils"]

T = TypeVar("T")


class VotesInCouncils:
    """Councils as recorded steps. `Context` has the steps."""

    _index: int
    _run: Run

    @property
    def agent_id(self) -> str:
        raise NotImplementedError

    @property
    def fleet_id(self) -> str:
        raise NotImplementedError

    @property
    def name(self) -> str:
        raise NotImplementedError

    def step(self, name: str, effect: Effect, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def open_ratification(
        self,
        subject: str,
        quorum: int,
        *,
        payload: str = "",
        voters: Sequence[str] | None = None,
        required_signoffs: Sequence[str] = (),
        weights: Mapping[str, int] | None = None,
    ) -> str:
        """Put a proposal to the vote of these peers (names or ids; all others of the fleet, if left out), who get it as
        a question whose id is the council's; gives that id. When it has ended, everybody of it gets a `result` of the
        operator's that is correlated with it. A refusal is raised as `StepFailed`."""
        council_id = f"council-{stamp_of(self.agent_id)}-{self.name}-{self._index}"

        def propose() -> str:
            agents = self._run.link.roster()
            asked = agents.recipients(self.agent_id, "*") if voters is None else map(agents.agent_id, voters)
            command = c.OpenCouncil(
                self.fleet_id,
                self.agent_id,
                subject,
                quorum,
                tuple(asked),
                checks.text("payload", payload),
                tuple(map(agents.agent_id, required_signoffs)),
                weights={agents.agent_id(agent): weight for agent, weight in (weights or {}).items()},
            )
            check_size(council_id, command)
            self._tell_council(council_id, command)
            return council_id

        return str(self.step("open_ratification", "idempotent", propose))

    def cast_vote(self, message_id: str, approve: bool, note: str = "") -> str:
        """Vote on the proposal that came as this message; how the council stands then (`open`, `ratified`,
        `rejected`). Voting otherwise, while it is open, changes the vote; what is refused (it has ended, this agent is
        no voter) is raised as `StepFailed`."""
        checks.flag("approve", approve)
        command = c.CastVote(self.agent_id, approve, note)
        return str(self.step(f"cast_vote {message_id}", "idempotent", lambda: self._vote(message_id, command)))

    def _vote(self, message_id: str, command: c.CastVote) -> str:
        if not checks.identifier("message_id", message_id).startswith("council-"):
            raise errors.NotFound(f"No such ratification: {message_id}")
        return self._tell_council(message_id, command).status

    def _tell_council(self, council_id: str, command: c.OpenCouncil | c.CastVote) -> Tally:
        try:
            return self._run.link.tell_council(council_id, command)
        except errors.RuntimeClosed as error:
            self._run.stop(str(error))
            self._run.check()
            raise
