"""The actor of one agent: its commands, its share of broadcasts, and its brain's runs.

Its rule: at most one run of its brain is on its way at any time, and only that run may record steps.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent, matches
from fleetlog.domain.errors import InvalidArgument, NotAllowed, Refused, StoreFault
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import Message, fleet_id_of
from fleetlog.runtime.agent_link import ActorLink, Unpark
from fleetlog.runtime.aggregate_host import AggregateHost
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.function import call_brain
from fleetlog.runtime.brains.result_schema import schema_violations
from fleetlog.runtime.brains.run import Run, RunEnded, RunStart
from fleetlog.runtime.engine import Engine, Request
from fleetlog.runtime.journal import Part, Unit
from fleetlog.runtime.mail import Bundle, Contribute, GetRoster, Sealed, Sent
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.stuck import AreYouStill, Still, StillAnswer

__all__ = ["Admit", "AgentActor", "ReportSpend"]

logger = logging.getLogger("fleetlog.actors")

INTERRUPT_AFTER_S = 1.0
RERUN_BASE_S, RERUN_MAX_S = 0.2, 30.0
TICKETS_LOOK_S = 60.0
_OF_TICKETS = (e.HelpRequested, e.HelpReminded, e.HelpEscalated)


@dataclass(frozen=True, slots=True)
class Admit:
    """The fleet says: you may run (and tell me again if you have ended). `limit` is how many of the
    fleet's brains may run at once; `is_watched`: it wants to know when you are still."""

    limit: int | None = None
    is_watched: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Look whether something is due: a timer rang, or a peer waits for an answer."""


@dataclass(frozen=True, slots=True)
class ReportSpend:
    """The fleet asks what became of the money it has set aside for this agent."""


class AgentActor(AggregateHost[Agent]):
    """One agent."""

    __slots__ = (
        "_admitted",
        "_announced",
        "_declined",
        "_has_run",
        "_held",
        "_held_by",
        "_is_watched",
        "_limit",
        "_noted_calls",
        "_owes_report",
        "_parked",
        "_run",
        "_said_still",
        "_settlements",
        "_unclean_runs",
        "_unparked",
    )

    def __init__(self, engine: Engine, stream_id: str) -> None:
        super().__init__(engine, stream_id)
        self._admitted = False
        self._limit: int | None = None
        self._run: Run | None = None
        self._has_run = False
        self._has_rested = stream_id in engine.rested
        engine.rested.discard(stream_id)
        self._unclean_runs = 0
        self._parked = self._unparked = False
        self._is_watched, self._said_still = False, ""
        self._announced = ""
        self._declined: frozenset[str] = frozenset()
        self._settlements: list[tuple[int, c.SettleSpend]] = []
        """Totals for the fleet, each with the version of the stream behind which it is told."""
        self._noted_calls = 0
        self._owes_report = False
        """The fleet is to be told that no run lives that could use what it has set aside."""
        self._held_by: Bundle | None = None
        self._held: list[Unit] = []

    def make_state(self) -> Agent:
        """See `AggregateHost`."""
        self._announced, self._declined = "", frozenset()
        self._settlements.clear()
        return Agent(self.stream_id)

    # --- commands ----------------------------------------------------------------------------

    def handle(self, request: Request) -> None:
        """A run's command counts only while it is this agent's run."""
        if request.run_id and (self._run is None or self._run.run_id != request.run_id):
            request.refuse(NotAllowed(f"Run {request.run_id} of agent {self.stream_id} is over"))
            return
        command = request.command
        if isinstance(command, c.SubmitResult) and command.index < 0 and (violations := self._violations(command)):
            said = "; ".join(violations)
            request.refuse(InvalidArgument(f"'output' does not fit the agent's result schema: {said}"))
            return
        super().handle(request)

    def _violations(self, command: c.SubmitResult) -> tuple[str, ...]:
        """Of a result given from outside: whoever works the mailbox is told at once, and nothing is recorded."""
        try:
            spec = self.state.spec
            return (
                schema_violations(spec.result_schema, self.engine.artifacts.load_value(command.output)) if spec else ()
            )
        except StoreFault:
            return ()  # the command meets the same fault, and is answered with it

    def evolved(self, state: Agent, events: Sequence[Any]) -> None:
        """A run that may go on no longer is stopped at once, before the commit that says so."""
        if self._run is not None:
            self._run.is_paused = state.pause is not None
            if not state.can_run:
                self._stop_run(f"the agent is {state.status}")
        if state.calls != self._noted_calls:
            self._noted_calls = state.calls
            self._settlements.append((self._version, _settlement(state)))
        if any(isinstance(event, e.AgentStarted | e.AgentUnpaused | e.AgentBudgetSet) for event in events):
            self._arm_wall(state)

    def outcome(self, state: Agent, command: Any, events: Sequence[Any]) -> Any:
        """The step's record for a command that records one; what was sent for a delivery."""
        match command:
            case c.DeliverMessage():
                return Sent(command.message.id, (self.stream_id,))
            case c.BeginRun():
                return self._run_start(state) if state.can_run else None
            case c.AcknowledgeMessage():
                return command.message_id in state.deliveries
            case c.StartCall():
                return state.open_call is not None
            case _:
                index = getattr(command, "index", None)
                known = index is not None and 0 <= index < len(state.steps)
                return state.steps[index] if known and index is not None else None

    def _run_start(self, agent: Agent) -> RunStart:
        assert agent.spec is not None
        return RunStart(
            agent.id,
            agent.fleet_id,
            agent.name,
            agent.spec,
            agent.goal,
            agent.workspace,
            agent.item,
            tuple(agent.steps),
            agent.calls,
        )

    def wants_commit(self, state: Agent, events: Sequence[Any]) -> bool:
        """A message nobody waits for, and a step of the run that is going on, lead to nothing here."""
        if state.has_ended or state.calls != self._noted_calls:
            return True
        last = events[-1]
        if isinstance(last, e.MessageDelivered) and len(events) == 1:
            return state.wait is not None and matches(state.wait, last.message)
        return self._run is None or isinstance(last, _OF_TICKETS)

    def committed(self, version: int) -> None:
        """The fleet is told of what has been spent once that is stored, and never before."""
        while self._settlements and self._settlements[0][0] <= version:
            self._tell_fleet(self._settlements.pop(0)[1])
        super().committed(version)

    # --- what follows ------------------------------------------------------------------------

    def follow(self) -> None:
        """Announce an end, answer for questions nobody will answer, or run the brain if it is due."""
        agent = self.state
        self._close_books()
        self._follow(agent)
        self._say_if_still(agent)

    def _follow(self, agent: Agent) -> None:
        if agent.has_ended:
            self._announce_end(agent)
            self._decline_questions(agent)
            if self._run is None:
                self.engine.agent_stopped(agent.fleet_id, agent.id)
        self._arm_tickets(agent)
        if not agent.can_run:
            self.engine.timers.disarm(self._timer_key)
            if self._run is not None:
                self._stop_run(f"the agent is {agent.status}")
            return
        if self._run is not None:
            if agent.wait is not None and agent.is_due(self.engine.clock.now()):
                self._run.wake()
        elif not self._parked and self._are_books_closed and (self._admitted or agent.status != "pending"):
            self._run_or_wait(agent)

    def _run_or_wait(self, agent: Agent) -> None:
        assert agent.spec is not None
        if agent.spec.is_external:
            if agent.status == "pending":
                self.post(Request(c.BeginRun(), by=self.stream_id))
            return
        if agent.pause is not None or self._is_held(agent):
            self.engine.agent_stopped(agent.fleet_id, agent.id)
            self._arm_wait_only(agent)
            return
        if agent.is_due(self.engine.clock.now()):
            self._start_run(agent.spec.brain)
            return
        self._ask_again(agent)
        due = agent.retry_uptime_s
        if due is None and agent.wait is not None:
            due = agent.wait.until_uptime_s
        if due is not None:
            self._arm(due)

    def _is_held(self, agent: Agent) -> bool:
        """Is the fleet paused? Until that is known, nothing runs."""
        known = self.engine.rosters.get(agent.fleet_id)
        if known is not None:
            return known.is_paused
        asked: Reply[Roster] = Reply()
        asked.add_done_callback(self._look_when_known)
        self.engine.residents.post(agent.fleet_id, GetRoster(asked))
        return True

    def _look_when_known(self, asked: Reply[Roster]) -> None:
        if asked.exception() is None:
            self.post(Look())
        else:
            self._arm(self.engine.clock.now().uptime_s + RERUN_MAX_S)

    def _arm_wait_only(self, agent: Agent) -> None:
        """What is paused still gets no answer in time; whatever else is due has to wait."""
        until = agent.wait.until_uptime_s if agent.wait is not None else None
        if until is not None and until > self.engine.clock.now().uptime_s:
            self._arm(until)

    def _arm_wall(self, agent: Agent) -> None:
        due, key = agent.wall_over_uptime_s, f"wall {self.stream_id}"
        if due is None or not agent.can_run:
            self.engine.timers.disarm(key)
        else:
            expire = Request(c.ExpireBudget(), by=self.stream_id)
            self.engine.timers.arm(key, due, functools.partial(self.engine.residents.post, self.stream_id, expire))

    def _start_run(self, brain_name: str) -> None:
        try:
            brain = self.engine.brains.find(brain_name)
        except InvalidArgument as error:
            logger.warning("action=brain_missing agent=%s error=%s", self.stream_id, error)
            return
        jitter = self.engine.jitter()

        def drive(run: Run, start: RunStart) -> None:
            call_brain(brain, Context(run, start), jitter)

        run_id = self.engine.next_run_id()
        link = ActorLink(self.engine, self.stream_id, run_id, self.post)
        self._run = Run(run_id, fleet_id_of(self.stream_id), self._limit, link, drive)
        self._run.interrupted_before = not (self._has_run or self._has_rested) or self._unclean_runs > 0
        self._run.is_paused = self.state.pause is not None
        self._has_run, self._unparked = True, False
        self.engine.workers.submit(self._run)

    def _stop_run(self, reason: str) -> None:
        run = self._run
        assert run is not None
        if not run.is_stopped:
            run.stop(reason)
            due = self.engine.clock.now().uptime_s + INTERRUPT_AFTER_S
            self.engine.timers.arm(f"interrupt {self.stream_id}", due, run.interrupt)

    def _run_ended(self, ended: RunEnded) -> None:
        if self._run is None or self._run.run_id != ended.run_id:
            return
        self._owes_report |= self._run.has_reserved
        self._run = None
        self._close_books()
        self.engine.timers.disarm(f"interrupt {self.stream_id}")
        if ended.clean:
            self._unclean_runs = 0
            self._parked = ended.parked and not self._unparked
            if ended.parked and self._state is not None and self._state.interruptions:
                self.post(Request(c.ParkAgent(), by=self.stream_id))
            self.post(Look())
        else:
            self._unclean_runs += 1
            delay = min(RERUN_MAX_S, RERUN_BASE_S * 2.0 ** (self._unclean_runs - 1))
            self._arm(self.engine.clock.now().uptime_s + delay)

    def _arm(self, uptime_s: float) -> None:
        self.engine.timers.arm(self._timer_key, uptime_s, lambda: self.engine.residents.post(self.stream_id, Look()))

    def _arm_tickets(self, agent: Agent) -> None:
        """The tickets' deadlines are wall time: what may be far off is looked at again, as the wall clock may be
        set, and goes on while the machine sleeps."""
        if not agent.tickets or (due_ms := agent.tickets_due_ms) is None:
            return
        now = self.engine.clock.now()
        if now.wall_ms >= due_ms:
            self.post(Request(c.AgeTickets(), by=self.stream_id))
            return
        wait_s = min((due_ms - now.wall_ms) / 1000, TICKETS_LOOK_S)
        look = functools.partial(self.engine.residents.post, self.stream_id, Look())
        self.engine.timers.arm(f"tickets {self.stream_id}", now.uptime_s + wait_s, look)

    @property
    def _timer_key(self) -> str:
        return f"wake {self.stream_id}"

    def _ask_again(self, agent: Agent) -> None:
        """After a load, a peer that was asked is looked at again: it may have an answer to give, or none."""
        wait = agent.wait
        if wait is None or not wait.correlation_id.startswith("message-") or self._has_run:
            return
        asked = self.engine.rosters.get(agent.fleet_id)
        member = asked.members.get(wait.name.removeprefix("answer from ")) if asked else None
        if member is not None:
            self.engine.residents.post(member.agent_id, Look())

    def _announce_end(self, agent: Agent) -> None:
        if self._announced != agent.status:
            self._announced = agent.status
            ended = c.RecordAgentEnd(agent.name, agent.status, agent.returned or agent.status != "complete")  # type: ignore[arg-type]
            self.engine.residents.post(agent.fleet_id, Request(ended, by=self.stream_id))

    # --- money -------------------------------------------------------------------------------

    def load(self) -> tuple[Agent, bool]:
        """See `AggregateHost`. What is loaded is stored: the fleet may have missed it, if it has anything of ours."""
        agent, fresh = super().load()
        if fresh and agent.exists:
            self._noted_calls = agent.calls
            self._arm_wall(agent)
            if agent.calls:
                self._tell_fleet(_settlement(agent))
        return agent, fresh

    def _close_books(self) -> None:
        """Without a run, no paid call is open, and nothing that the fleet has set aside will be used. No run is begun
        before the fleet was told so: it may ask for the same money again."""
        agent = self._state
        if agent is None or self._run is not None:
            return
        if agent.open_call is not None:
            self.post(Request(c.LoseCall(agent.open_call.number), by=self.stream_id))
        elif self._owes_report and not self._settlements:
            self._owes_report = False
            self._tell_fleet(_settlement(agent, idle=True))

    @property
    def _are_books_closed(self) -> bool:
        return not self._owes_report and self.state.open_call is None

    def _report_spend(self) -> None:
        """Tell the fleet what is spent, as far as it is stored; and, as soon as no run lives, that this is all."""
        self._owes_report = True
        self._look()
        if self._state is not None and self._run is not None and not self._settlements:
            self._tell_fleet(_settlement(self._state))

    def _tell_fleet(self, settlement: c.SettleSpend) -> None:
        self.engine.residents.post(fleet_id_of(self.stream_id), Request(settlement, by=self.stream_id))

    def _say_if_still(self, agent: Agent) -> None:
        """The fleet is told when this agent becomes still, and when it is not any more; of an end it hears anyway."""
        stillness = self._stillness(agent) if self._is_watched else ""
        if stillness != self._said_still:
            self._said_still = stillness
            self.engine.residents.post(agent.fleet_id, Still(agent.name, stillness))

    def _stillness(self, agent: Agent) -> str:
        return agent.stillness if self._run is None and not self._parked else ""

    def _answer_if_still(self, check: int) -> None:
        try:
            agent, fresh = self.load()
        except StoreFault as error:
            self.discard(error)
            return
        if fresh:
            self.follow()
        stillness = self._stillness(agent)
        if not stillness:
            self._said_still = ""
        answer = StillAnswer(check, agent.name, stillness, self._version, agent.waiting if stillness else None)
        self.engine.residents.post(agent.fleet_id, answer)

    def _decline_questions(self, agent: Agent) -> None:
        for question_id, sender in agent.unanswered():
            if question_id in self._declined:
                continue
            text = f"agent {agent.name} is {agent.status} and did not answer"
            answer = Message(
                f"{question_id}-declined", agent.id, "result", text, correlation_id=question_id, declined=True
            )
            self._declined |= {question_id}
            if sender.startswith("agent-"):
                self.engine.residents.post(sender, Request(c.DeliverMessage(answer), by=self.stream_id))

    # --- notes -------------------------------------------------------------------------------

    def on_note(self, message: object) -> None:
        """See `AggregateHost`."""
        match message:
            case RunEnded():
                self._run_ended(message)
            case Admit():
                self._admitted, self._limit, self._announced = True, message.limit, ""
                self._is_watched, self._said_still = message.is_watched, ""
                self._look()
            case Look():
                self._look()
            case Unpark():
                self._parked, self._unparked = False, True
                self._look()
            case ReportSpend():
                self._report_spend()
            case AreYouStill():
                self._answer_if_still(message.check)
            case Contribute():
                self._contribute(message.bundle)
            case Sealed():
                self._release(message)

    def _look(self) -> None:
        try:
            agent, _ = self.load()
        except StoreFault as error:
            self.discard(error)
            return
        if not agent.exists:
            self.forget_nothing()
            return
        wait = agent.wait
        now = self.engine.clock.now()
        if wait is not None and wait.until_uptime_s is not None and now.uptime_s >= wait.until_uptime_s:
            self.post(Request(c.ExpireWait(), by=self.stream_id))
        self.follow()

    def may_retire(self) -> bool:
        """A run, a held part, what the fleet must be told, and who was admitted and has not started stay."""
        if self._admitted and self._state is not None and self._state.status == "pending":
            return False
        return self._run is None and self._held_by is None and not self._settlements and not self._owes_report

    def retired(self) -> None:
        """See `AggregateHost`. That it had run, and ended its run well, is not forgotten."""
        goes_on = self._state is not None and self._state.can_run and not self._unclean_runs
        if goes_on and (self._has_run or self._has_rested):
            self.engine.rested.add(self.stream_id)

    # --- broadcasts --------------------------------------------------------------------------

    def _contribute(self, bundle: Bundle) -> None:
        """Give this agent's event to the bundle, and hold what comes after it until that is on its way."""
        request = bundle.broadcast.request
        now = self.engine.clock.now()
        try:
            agent, _ = self.load()
            messages = bundle.broadcast.deliveries[agent.id]
            events = [event for one in messages for event in agent.decide(c.DeliverMessage(one), now)]
        except StoreFault as error:
            bundle.abort(error)
            self.discard(error)
        except Refused as refusal:
            bundle.skip(refusal)
            if not self.state.exists:
                self.forget_nothing()
        else:
            if events:
                stored = self.record(agent, events, (now.wall_ms, request.by, request.cause))
                self._held_by = bundle
                part = Part(self.stream_id, self._incarnation, stored, self, self.wants_commit(agent, events))
                bundle.add(agent.id, part)
            else:
                bundle.add(agent.id, None)

    def submit(self, unit: Unit) -> None:
        """See `AggregateHost`; what stands behind a bundle's part waits for the bundle."""
        if self._held_by is None:
            super().submit(unit)
        else:
            self._held.append(unit)

    def _release(self, sealed: Sealed) -> None:
        if self._held_by is not sealed.bundle:
            return
        self._held_by = None
        held, self._held = self._held, []
        if sealed.error is None:
            for unit in held:
                super().submit(unit)
            return
        for unit in held:
            if unit.reply is not None:
                unit.reply.set_exception(sealed.error)
        self.discard(sealed.error)


def _settlement(agent: Agent, *, idle: bool = False) -> c.SettleSpend:
    return c.SettleSpend(agent.name, agent.calls, agent.spent, idle)
