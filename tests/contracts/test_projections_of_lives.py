"""Read models over random lives: fleets and agents as the domain really decides them, folded in every way."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from msgspec import structs

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import Refused, StoreFault
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import AGENT_ENDED, Budget, FleetSpec, HelpPolicy, Message, Usage, Waiting
from fleetlog.projections.all import all_projections
from fleetlog.projections.fleets import stored_budget
from fleetlog.projections.projection import Handler, Projection, Recorded, Rows
from fleetlog.projections.spend import USAGE_COLUMNS
from fleetlog.runtime import codec
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import EventStore, NewEvent, open_store
from fleetlog.runtime.views import ViewFile
from tests.domain.given import FLEET, at, id_of, role, value

START_MS = 1_767_268_800_000
NAMES = ("a", "b", "c")
AIMS = st.sampled_from([0, 0, 0, 0, -1])
IDS = st.sampled_from(["message-1", "message-2", "help-1-answer", ""])
HELPS = st.just("help-1")
every_projection = pytest.mark.parametrize("projection", all_projections(), ids=lambda projection: projection.name)


def next_step(make: Callable[..., Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Commands whose index is aimed from the agent's next step."""
    return st.builds(lambda aim, **given: lambda steps: make(index=steps + aim, **given), aim=AIMS, **more)


def plain(make: Callable[..., Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(lambda **given: lambda steps: make(**given), **more)


def of_agent(make: Callable[[Agent, Usage], Any]) -> st.SearchStrategy[Any]:
    """Commands about paid calls, made from the agent as it is."""
    return st.builds(lambda used: lambda _: lambda agent: make(agent, used), USAGES)


USAGES = st.sampled_from([Usage(), Usage(1, 2, 3, 4, 5, 1, 60), Usage(output_tokens=9, calls=1, cost_nusd=10)])
BUDGETS = st.sampled_from([Budget(), Budget(turns=2), Budget(cost_nusd=100, wall_s=20.0)])
STEP = {"name": st.sampled_from(["look", "write"])}
EFFECT = {"effect": st.sampled_from(["pure", "idempotent", "effectful"])}
MESSAGES = st.builds(
    Message,
    id=st.sampled_from(["message-1", "message-2"]),
    sender=st.sampled_from(["operator", id_of("b")]),
    type=st.sampled_from(["question", "handoff", "alert"]),
    payload=st.sampled_from(["take this", '{"text": "hello"}', "[1, 2"]),
    broadcast_size=st.sampled_from([0, 2]),
)
AGENT_COMMANDS = st.one_of(
    plain(c.BeginRun, interrupted=st.booleans()),
    plain(c.BeginRun, interrupted=st.booleans()),
    next_step(c.StartStep, **STEP),
    st.just(lambda steps: c.NoteStep(steps - 1, "session-1")),
    next_step(c.CompleteStep, **STEP, **EFFECT, value=st.just(value())),
    next_step(c.FailStep, **STEP, **EFFECT, error_type=st.just("OSError"), error=st.just("gone")),
    next_step(
        c.RecordSend, name=st.just("send"), message_id=st.just("sent"), recipients=st.just(1), correlation_id=IDS
    ),
    next_step(
        c.TakeMessage, name=st.just("receive"), timeout_s=st.sampled_from([None, 5.0]), acknowledge=st.booleans()
    ),
    plain(c.DeliverMessage, message=MESSAGES),
    plain(c.DeliverMessage, message=MESSAGES),
    plain(c.AcknowledgeMessage, message_id=IDS),
    next_step(c.RequestHelp, help_id=HELPS, blocker=st.just("no key")),
    plain(c.RequestHelp, help_id=HELPS, blocker=st.just("asked from outside")),
    plain(c.AnswerHelp, help_id=HELPS, answer=st.just("yes"), by=st.just("ann")),
    plain(c.CancelHelp, help_id=HELPS),
    plain(c.AgeTickets),
    plain(c.AgeTickets),
    next_step(c.AbandonWait, reason=st.just("everyone waits")),
    plain(c.ReportProgress, text=st.just("half"), fraction=st.sampled_from([None, 0.5]), ordinal=st.just(9)),
    next_step(
        c.SubmitResult,
        output=st.just(value()),
        violations=st.sampled_from([(), ("it is no number",)]),
        returned=st.booleans(),
    ),
    st.just(lambda steps: c.SuspendInDoubt(steps - 1)),
    plain(c.ResolveDoubt, outcome=st.sampled_from(["done", "retry"]), by=st.just("ann")),
    plain(c.FailRun, error=st.just("it broke"), retryable=st.booleans()),
    plain(c.FinishRun),
    plain(c.ExpireWait),
    of_agent(lambda agent, used: c.StartCall(len(agent.steps), "ask", agent.calls + 1, used)),
    of_agent(lambda agent, used: c.CompleteStep(len(agent.steps), "ask", "pure", value(), used)),
    of_agent(lambda agent, _: c.ReleaseCall(agent.calls + 1)),
    of_agent(lambda agent, used: c.LoseCall(agent.calls + 1, used if used.calls else None)),
    plain(c.PauseAgent, reason=st.just("lunch"), kind=st.sampled_from(["operator", "budget", "provider"])),
    plain(c.ResumeAgent),
    plain(c.SetBudget, budget=BUDGETS),
    plain(c.RegisterCapability, role=st.sampled_from(["b", "x"]), skills=st.sampled_from([(), ("audit",)])),
    plain(c.RecordRoutingOutcome, capability_key=st.sampled_from(["audit", "Audit"]), success=st.booleans()),
    plain(c.CancelAgent, reason=st.just("enough")),
    plain(c.StopAgent, status=st.sampled_from(["cancelled", "timed_out"]), reason=st.just("over")),
)
FLEET_COMMANDS = st.sampled_from(
    [
        c.SetFleetTimeout(5.0),
        c.ExpireFleet(),
        c.CloseFleet("no more"),
        c.CancelFleet("enough"),
        c.ArchiveFleet("old"),
        c.AttachAgent(role("late")),
        c.PauseFleet("lunch"),
        c.ResumeFleet(),
        c.SetBudget(Budget(cost_nusd=100)),
        c.SetBudget(Budget(turns=9)),
        *(c.ReserveSpend("a", number, Usage(calls=1, cost_nusd=60)) for number in (1, 2, 3)),
        c.SettleSpend("a", 1, Usage(calls=1, cost_nusd=20), idle=True),
        c.SettleSpend("a", 2, Usage(calls=2, cost_nusd=50)),
        c.DeclareStuck((Waiting("a", 0, "receive"),), ("b", "c")),
    ]
)
# The tests' wall clock goes a millisecond for each second of uptime.
POLICY = HelpPolicy(remind_after_s=0.002, escalate_after_s=0.003, escalate_to="ben", expire_after_s=0.008)
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(NAMES), AGENT_COMMANDS),
        st.tuples(st.sampled_from(NAMES), AGENT_COMMANDS),
        st.tuples(st.sampled_from(NAMES), AGENT_COMMANDS),
        st.tuples(st.just(""), FLEET_COMMANDS),
    ),
    min_size=20,
    max_size=60,
)


class World:
    """A fleet with its agents, and the log they lead to. What is refused leaves no trace."""

    def __init__(self, deeds: Sequence[tuple[str, Any]] = (), keep_open: bool = True) -> None:
        self.log: list[tuple[str, Any]] = []
        self.fleet = Fleet(FLEET)
        self.agents: dict[str, Agent] = {}
        self._now_s = 10.0
        specs = tuple(role(name, brain="plan", max_attempts=2) for name in NAMES)
        self._tell(self.fleet, c.SpawnFleet(FleetSpec(agents=specs, name="job", keep_open=keep_open)))
        for spec in specs:
            self.agents[spec.name] = Agent(id_of(spec.name))
            asking = structs.replace(spec, help_policy=POLICY)
            self._add(self.agents[spec.name], [e.AgentSpawned(FLEET, spec.name, asking)])
        for deed in deeds:
            self.do(*deed)

    def do(self, name: str, deed: Any) -> None:
        """`deed` is the fleet's command, or makes the agent's from how many steps it has."""
        self._now_s += 1.0
        agent = self.agents.get(name)
        if agent is None:
            self._tell(self.fleet, deed)
            return
        command = deed(len(agent.steps))
        self._tell(agent, command(agent) if callable(command) else command)
        if agent.status in AGENT_ENDED:
            self._tell(self.fleet, c.RecordAgentEnd(agent.name, agent.status, agent.returned))  # type: ignore[arg-type]

    def _tell(self, aggregate: Agent | Fleet, command: Any) -> None:
        try:
            made = aggregate.decide(command, at(self._now_s))
        except Refused:
            return
        self._add(aggregate, made)

    def _add(self, aggregate: Agent | Fleet, made: Sequence[Any]) -> None:
        for event in made:
            aggregate.evolve(event)
            self.log.append((aggregate.id, event))

    def stored(self) -> list[NewEvent]:
        """The log as the journal would append it."""
        versions, chains, stored = dict[str, int](), dict[str, bytes](), list[NewEvent]()
        for stream_id, event in self.log:
            version = versions[stream_id] = versions.get(stream_id, 0) + 1
            origin = (START_MS + len(stored), "operator", "")
            topic, state, chain = codec.encode(event, stream_id, version, chains.get(stream_id, codec.GENESIS), origin)
            chains[stream_id] = chain
            stored.append(NewEvent(stream_id, version, topic, state))
        return stored


LONG = World(
    [
        deed
        for number in range(300)
        for deed in (
            ("a", lambda _, n=number: c.DeliverMessage(Message(f"message-{n}", "operator", "alert", "x" * 300))),
            ("b", lambda _: c.BeginRun()),
            ("b", lambda steps: c.CompleteStep(steps, "look", "pure", value())),
            ("c", lambda _, n=number: c.RequestHelp(f"help-{n}", "no key")),
        )
    ]
)
LONG.do("b", lambda steps: c.SubmitResult(steps, value(), returned=True))  # which its fleet records


@contextmanager
def projecting(store: EventStore, path: Path, projections: Sequence[Projection] | None = None) -> Iterator[Projector]:
    found = projections or all_projections()
    working = Projector(store, ViewFile(path, found), found)
    try:
        yield working
    finally:
        working.close()


def fold(store: EventStore, path: Path, projections: Sequence[Projection] | None = None) -> None:
    with projecting(store, path, projections) as working:
        working.wait(store.head(), timeout_s=20)


def query(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def rows(path: Path) -> dict[str, list[Any]]:
    tables = [table for projection in all_projections() for table in projection.tables]
    return {table: sorted(map(repr, query(path, f"SELECT * FROM {table}"))) for table in tables}


# --- what the rows are ---------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(deeds=DEEDS, keep_open=st.booleans(), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_in_one_batch_in_any_batches_and_rebuilt_the_rows_are_the_same(
    deeds: list[tuple[str, Any]], keep_open: bool, cuts: list[int]
) -> None:
    stored = World(deeds, keep_open).stored()
    with TemporaryDirectory() as folder, open_store(None) as store:
        pieces, whole = Path(folder) / "pieces.db", Path(folder) / "whole.db"
        with projecting(store, pieces) as working:
            at_event, turn = 0, 0
            while at_event < len(stored):
                size = cuts[turn % len(cuts)]
                store.append(stored[at_event : at_event + size])
                working.wait(store.head(), timeout_s=20)
                at_event, turn = at_event + size, turn + 1
        fold(store, whole)
        in_pieces = rows(pieces)
        assert in_pieces == rows(whole)
        again = ViewFile(pieces, all_projections())
        again.replace()
        again.close()
        assert not any(rows(pieces).values())
        fold(store, pieces)
        assert rows(pieces) == in_pieces


def check_against(world: World, path: Path) -> None:
    """The views say of everybody what the aggregates know of themselves."""
    agents = world.agents.values()
    seen = dict(query(path, "SELECT agent_id, status FROM agents"))
    assert seen == {agent.id: agent.status for agent in agents}
    inbox = query(path, "SELECT agent_id, message_id, state FROM inbox")
    assert sorted(inbox) == sorted((agent.id, *item) for agent in agents for item in agent.deliveries.items())
    found = query(path, "SELECT agent_id FROM capabilities JOIN capability_words w ON w.rowid=position")
    assert sorted(found) == sorted((agent.id,) for agent in agents if agent.status not in AGENT_ENDED)
    said = [event.success for _, event in world.log if isinstance(event, e.RoutingOutcomeRecorded)]
    (counted,) = query(path, "SELECT coalesce(sum(successes), 0), coalesce(sum(failures), 0) FROM routing_outcomes")
    assert counted == (said.count(True), said.count(False))
    ended = dict(query(path, "SELECT agent_id, status FROM results"))
    assert ended == {agent.id: agent.status for agent in agents if agent.has_ended}
    ((status, count, unfinished, archived),) = query(
        path, "SELECT status, agent_count, unfinished, archived FROM fleets"
    )
    assert (status, count, archived) == (world.fleet.status, len(world.fleet.members), world.fleet.archived)
    assert unfinished == len(world.fleet.unfinished)
    shown = query(
        path,
        f"SELECT agent_id, {', '.join(f'sum({c})' for c in USAGE_COLUMNS)} FROM paid_calls"
        " WHERE state<>'open' GROUP BY agent_id",
    )
    assert {agent_id: Usage(*usage) for agent_id, *usage in shown} == {a.id: a.spent for a in agents if a.calls}
    is_open = query(path, "SELECT agent_id, number FROM paid_calls WHERE state='open'")
    assert is_open == [(agent.id, agent.open_call.number) for agent in agents if agent.open_call]
    paused = dict(query(path, "SELECT agent_id, pause_reason FROM agents WHERE pause_kind<>''"))
    assert paused == {agent.id: agent.pause.reason for agent in agents if agent.pause}
    ((pause_kind, budget),) = query(path, "SELECT pause_kind, budget FROM fleets")
    assert pause_kind == (world.fleet.pause.kind if world.fleet.pause else "")
    assert budget == stored_budget(world.fleet.purse.budget)
    held = query(path, "SELECT coalesce(sum(cost_nusd), 0) FROM reservations")
    assert held == [(world.fleet.purse.held.cost_nusd,)]
    assert [position for (position,) in query(path, "SELECT position FROM timeline")] == list(
        range(1, len(world.log) + 1)
    )


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(deeds=DEEDS, keep_open=st.booleans())
def test_the_rows_say_of_fleets_and_agents_what_these_know_of_themselves(
    deeds: list[tuple[str, Any]], keep_open: bool
) -> None:
    world = World(deeds, keep_open)
    with TemporaryDirectory() as folder, open_store(None) as store:
        store.append(world.stored())
        fold(store, Path(folder) / "views.db")
        check_against(world, Path(folder) / "views.db")


def test_the_doubt_of_an_agent_that_was_stopped_after_its_result_is_shown_no_more(tmp_path: Path) -> None:
    world = World()
    for deed in (
        lambda _: c.BeginRun(),
        lambda steps: c.SubmitResult(steps, value()),
        lambda steps: c.StartStep(steps, "write"),
        lambda _: c.BeginRun(interrupted=True),
        lambda steps: c.SuspendInDoubt(steps - 1),
        lambda _: c.StopAgent("cancelled", "the fleet was cancelled"),
    ):
        world.do("a", deed)
    assert world.agents["a"].returned
    with open_store(None) as store:
        store.append(world.stored())
        fold(store, tmp_path / "views.db")
    assert query(tmp_path / "views.db", "SELECT agent_id, name FROM doubts") == []


def test_the_random_lives_are_rich(tmp_path: Path) -> None:
    kinds: set[type] = set()

    @settings(max_examples=500, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(deeds=DEEDS)
    def live(deeds: list[tuple[str, Any]]) -> None:
        kinds.update(type(event) for _, event in World(deeds).log)

    live()
    lived = {kind.__name__ for kind in (*e.AgentEvent.__args__, *e.FleetEvent.__args__)}
    assert lived - {kind.__name__ for kind in kinds} <= {
        "FleetStuck",
        "LeaseLost",  # these live without external agents: test_leases.py has them
        "LeaseReleased",
        "LeaseTaken",
        "AgentParked",  # nor models with gates: test_limits.py has them
        "ReceiptGiven",  # and give no receipts: test_councils.py has them
        "CompactionUndone",
        "StepDoubtResolved",
        "WaitTimedOut",
        "WaitAbandoned",
        "FleetArchived",
        "FleetForked",
        "FleetCompleted",
        "FleetFailed",
        "TemplateSaved",
        "TemplateDeleted",
    }


# --- one transaction -----------------------------------------------------------------------------


class Bomb:
    """A parameter that goes off when it is bound: after the statements before it, before the position."""

    def __init__(self, go_off: Callable[[], Any]) -> None:
        self._go_off = go_off

    def __conform__(self, _: object) -> Any:
        return self._go_off()


class GoesOff(Exception):
    pass


def go_off() -> None:
    raise GoesOff


@every_projection
def test_rows_and_position_of_a_read_model_move_together_or_not_at_all(projection: Projection, tmp_path: Path) -> None:
    half = len(LONG.log) // 2
    path, stored = tmp_path / "views.db", LONG.stored()
    with open_store(None) as store:
        store.append(stored[:half])
        fold(store, path, [projection])
    before = [query(path, f"SELECT * FROM {table}") for table in projection.tables]
    written = Rows()
    for position, (stream_id, event) in enumerate(LONG.log[half:], start=half + 1):
        if handler := projection.handlers.get(type(event)):
            handler(Recorded(position, stream_id, 1, START_MS, "operator", event), written)
    file = ViewFile(path, [projection])
    bad, good = Rows(), written
    for sql, run in good.runs():
        for parameters in run:
            bad.add(sql, *parameters)
    bad.add("UPDATE projections SET position=?", Bomb(go_off))
    with pytest.raises(GoesOff):
        file.write([(projection, bad, len(LONG.log))])
    assert file.positions == {projection.name: half}
    assert [query(path, f"SELECT * FROM {table}") for table in projection.tables] == before
    assert query(path, "SELECT position FROM projections") == [(half,)]
    file.write([(projection, good, len(LONG.log))])  # and the file is as good as before
    file.close()
    assert query(path, "SELECT position FROM projections") == [(len(LONG.log),)]


KILLED = """
import os, sys
from pathlib import Path
from fleetlog.domain import events as e
from fleetlog.projections.all import all_projections
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import open_store
from fleetlog.runtime.views import ViewFile

class Bomb:
    def __conform__(self, _):
        os._exit(9)

class Last:
    name, version, tables = "last", 1, ("last",)
    schema = ("CREATE TABLE last (x)",)
    handlers = {e.HelpRequested: lambda recorded, rows: rows.add("INSERT INTO last VALUES (?)", Bomb())}

directory, projections = Path(sys.argv[1]), (*all_projections(), Last())
store = open_store(directory / "log.db")
Projector(store, ViewFile(directory / "views.db", projections), projections).wait(store.head())
"""


@pytest.mark.slow
def test_a_process_that_dies_within_a_batch_has_moved_neither_rows_nor_positions(tmp_path: Path) -> None:
    stored, path, quiet = LONG.stored(), tmp_path / "views.db", 4
    with open_store(tmp_path / "log.db") as store:
        store.append(stored[:quiet])
        fold(store, path)
        before = rows(path)
        store.append(stored[quiet:])
    child = subprocess.run([sys.executable, "-c", KILLED, tmp_path], timeout=60, check=False)
    assert child.returncode == 9
    assert rows(path) == before
    assert dict(query(path, "SELECT name, position FROM projections")) == {
        **{projection.name: quiet for projection in all_projections()},
        "last": 0,
    }
    with open_store(tmp_path / "log.db") as store:
        fold(store, path)
        fold(store, tmp_path / "whole.db")
    assert rows(path) == rows(tmp_path / "whole.db")


class Faulty:
    """A read model whose SQL is wrong."""

    name, version = "faulty", 1
    tables: Sequence[str] = ("faulty",)
    schema: Sequence[str] = ("CREATE TABLE faulty (x)",)
    handlers: Mapping[type, Handler] = {
        e.AgentSpawned: lambda recorded, rows: rows.add("INSERT INTO nowhere VALUES (1)")
    }


def test_a_read_model_whose_statement_fails_is_named_and_stops_no_other(tmp_path: Path) -> None:
    with open_store(None) as store:
        store.append(World().stored())
        with (
            projecting(store, tmp_path / "views.db", [*all_projections(), Faulty()]) as working,
            pytest.raises(StoreFault) as caught,
        ):
            working.wait(store.head(), timeout_s=1)
        fold(store, tmp_path / "whole.db")
    assert "faulty" in str(caught.value)
    assert rows(tmp_path / "views.db") == rows(tmp_path / "whole.db")


# --- files and readers ---------------------------------------------------------------------------


def cut(path: Path) -> None:
    for file in path.parent.glob(path.name + "*"):
        file.unlink()


def garble(path: Path) -> None:
    """All but the first two pages: what a look at the positions alone does not find."""
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (path.stat().st_size - 8192))


@pytest.mark.parametrize("harm", [cut, garble])
def test_a_file_that_is_deleted_or_damaged_while_the_runtime_is_up_is_made_anew(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    path, stored = tmp_path / "views.db", LONG.stored()
    with open_store(None) as store:
        store.append(stored[:-1])
        fold(store, path)
        with projecting(store, path) as working:
            working.wait(store.head(), timeout_s=10)
            harm(path)
            store.append(stored[-1:])
            working.wait(store.head(), timeout_s=10)
        fold(store, tmp_path / "whole.db")
    assert rows(path) == rows(tmp_path / "whole.db")


READER = """
import sys
from pathlib import Path
from fleetlog.runtime.views import Reader

reader, last, looks = Reader(Path(sys.argv[1])), -1, 0
while last < int(sys.argv[2]):
    with reader.connection() as connection:
        connection.execute("BEGIN")
        position = connection.execute("SELECT position FROM projections WHERE name='timeline'").fetchone()[0]
        count = connection.execute("SELECT count(*) FROM timeline").fetchone()[0]
        connection.execute("COMMIT")
    assert position == count, (position, count)
    looks += 1
    if position != last:
        last = position
        print(position, flush=True)
reader.close()
print("looks", looks)
"""


@pytest.mark.slow
def test_another_process_reads_whole_batches_while_rows_are_written(tmp_path: Path) -> None:
    path, stored = tmp_path / "views.db", LONG.stored()
    with open_store(None) as store, projecting(store, path) as working:
        command = [sys.executable, "-c", READER, str(path), str(len(stored))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "0\n"
            for start in range(0, len(stored), 40):
                store.append(stored[start : start + 40])
                working.wait(store.head(), timeout_s=10)
                while (said := child.stdout.readline()) != f"{store.head()}\n":
                    assert said, "the reader has died"
            assert child.wait(20) == 0
            assert int(child.stdout.readline().removeprefix("looks ")) > len(stored) / 40
