"""A process may die at any commit of a Claude agent's: resumed, it ends as an undisturbed one does.

The agent's calls have all three effects; what a crash between the start and the end of an effectful one does is tested
for each of the three policies.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetlog.domain import events as e
from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.values import AgentSpec, DoubtPolicy, FleetSpec
from fleetlog.runtime import codec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.rows import DoubtRow
from fleetlog.runtime.store import EventStore, NewEvent, open_store
from fleetlog.runtime.testing import DyingStore, wait_until
from tests.crash.logs import check_effects, check_log, check_no_recorded_call_was_repeated, facts_of, recorded_calls
from tests.crash.plans import IN_DOUBT, LEDGER, append_to_ledger, heard, next_reply, result_of
from tests.fakes.messages_api.replies import Block, Reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.server import FakeMessagesApi

ROUNDS = 1_000
APPEND = append_to_ledger("once")
DONE = {"text": "Exit code 0, says the operator.", "is_error": False}
CLERK = AgentSpec(
    role="clerk",
    prompt="[script:clerk] Do it.",
    brain="claude",
    tools=("read_file", "write_file", "run_command"),
    grants=("write", "run", "unsandboxed"),
)


def plan(request: ParsedRequest) -> Iterator[list[Block]]:
    """Pure, idempotent and effectful calls, a question to a peer, one to a person, and a wait for what never comes."""
    source, asks = tool_use("read_file", path="facts.txt"), tool_use("request_help", blocker="which?")
    waits = tool_use("wait_for_messages", **{"from": "peer", "timeout_s": 5})
    yield [source, tool_use("note", text="begun"), tool_use("send_message", to="peer", type="alert", text="begun")]
    yield [tool_use("write_file", path="out.txt", content="written"), APPEND]
    yield [tool_use("ask_peer", to="peer", question="well?"), asks]
    yield [waits]
    answers = [message.payload for message in heard(request) if message.type == "result"]
    found = ["42" in result_of(request, source), *answers, result_of(request, asks), result_of(request, waits)]
    yield [tool_use("submit_result", result=str(found))]


REPORT = str([True, "WELL?", "this one", "No message has come in that time."])


class Clerk:
    """The model, and what it was told of its command."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def whole(self, request: ParsedRequest) -> Reply:
        return next_reply(request, plan)

    def command(self, request: ParsedRequest) -> Reply:
        """Makes the command alone, and leaves it at what it is told of it."""
        if request.turn == 0:
            return Reply((APPEND,))
        self.told.append(result_of(request, APPEND))
        return Reply((tool_use("submit_result", result="done"),))


def peer(ctx: Context) -> None:
    ctx.submit_result("at your service")
    for question in ctx.questions():
        ctx.reply(question, question.payload.upper())


class Place:
    """A directory and a workspace, in which an agent lives through any number of processes."""

    def __init__(self, path: Path, api: FakeMessagesApi, clerk: AgentSpec = CLERK) -> None:
        self.directory, self.workspace, self.api = path / "d", path / "workspace", api
        self.calls_before = len(api.calls())
        self.directory.mkdir(parents=True)
        self.workspace.mkdir()
        (self.workspace / "facts.txt").write_text("It is 42.\n")
        agents = (clerk, AgentSpec(role="peer", prompt="answer", brain="peer"))
        self.spec = FleetSpec(agents=agents, workspace=str(self.workspace))
        self.clock = ManualClock()

    def open(self, store: EventStore | None = None) -> Runtime:
        claude = ClaudeSettings(api_key=self.api.api_key, base_url=self.api.url)
        config = RuntimeConfig(claude=claude, linger_s=0, stuck_after_s=None)
        self.clock = ManualClock(self.clock.now().wall_ms)
        brains = {"peer": peer}
        return Runtime.open(self.directory, brains=brains, config=config, clock=self.clock, store=store)

    def store(
        self, appends: int, *, written: bool, counted: Callable[[Sequence[NewEvent]], bool] = lambda _: True
    ) -> DyingStore:
        return DyingStore(open_store(self.directory / "log.db"), appends, written=written, counted=counted)

    def spawn(self, runtime: Runtime) -> str:
        return runtime.spawn_fleet(self.spec, idempotency_key="the job").fleet_id

    def work(self, runtime: Runtime, store: DyingStore | None = None) -> Any:
        """Let time pass and tickets be answered until the fleet has ended; gives the clerk's result."""
        fleet_id = self.spawn(runtime)
        for _ in range(ROUNDS):
            if store is not None and store.is_dead:
                return None
            self._serve(runtime, fleet_id)
            results = runtime.collect_results(fleet_id, wait_s=0.01)
            if results.is_final:
                assert results.status == "complete", results
                return results.results[0].output
            self.clock.advance(1)
        raise AssertionError(f"it never ended: {runtime.fleet_status(fleet_id)}")

    def _serve(self, runtime: Runtime, fleet_id: str) -> None:
        for ticket in runtime.list_help(fleet_id, "open").requests:
            key = f"about {ticket.help_id}"
            if ticket.kind == "help":
                runtime.answer_help(ticket.help_id, "this one", idempotency_key=key)
            else:
                runtime.decide_approval(ticket.help_id, True, idempotency_key=key)

    def work_until_death(self, store: DyingStore) -> Any:
        with self.open(store) as runtime:
            try:
                return self.work(runtime, store)
            except FleetlogError:
                assert store.is_dead
        return None

    def ledger(self) -> list[str]:
        path = self.workspace / LEDGER
        return path.read_text().split() if path.exists() else []

    def check(self) -> None:
        """The log is whole, the model was asked nothing again, and every message was delivered once."""
        check_log(self.directory)
        recorded = recorded_calls(self.directory)
        check_no_recorded_call_was_repeated(recorded, self.api.calls(), self.calls_before)
        assert self.api.violations == []

    def delivered(self, to: str) -> list[str]:
        facts = [(stream, fact) for stream, _, fact in facts_of(self.directory) if isinstance(fact, e.MessageDelivered)]
        return [fact.message.payload for stream, fact in facts if stream.endswith(f"-{to}")]


@pytest.fixture
def clerk() -> Clerk:
    return Clerk()


@pytest.fixture
def api(clerk: Clerk) -> Iterator[FakeMessagesApi]:
    with FakeMessagesApi({"clerk": clerk.whole, "command": clerk.command}) as api:
        yield api


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False], ids=["committed", "not committed"])
def test_a_claude_agent_survives_death_at_every_single_commit(
    tmp_path: Path, api: FakeMessagesApi, written: bool
) -> None:
    appends, is_dead = 0, True
    while is_dead:
        appends += 1
        place = Place(tmp_path / f"at-{appends}", api)
        store = place.store(appends, written=written)
        place.work_until_death(store)
        is_dead = store.is_dead
        before = recorded_calls(place.directory)
        with place.open() as runtime:
            assert place.work(runtime) == REPORT
        assert before.items() <= recorded_calls(place.directory).items()
        place.check()
        check_effects(place.directory)
        assert place.delivered("peer") == ["begun", "well?"]
        assert place.ledger() == ["once"]
        assert (place.workspace / "out.txt").read_text() == "written"
    assert appends > 20


# --- between the start and the end of an effectful step ------------------------------------------


def holds(stem: type[e.Event]) -> Callable[[Sequence[NewEvent]], bool]:
    """The append that holds this event of the command's step."""

    def holds_it(events: Sequence[NewEvent]) -> bool:
        facts = [codec.decode(event.topic, event.state).body.event for event in events]
        return any(isinstance(fact, stem) and getattr(fact, "name", "").startswith("run_command") for fact in facts)

    return holds_it


def cut_off_command(path: Path, api: FakeMessagesApi, policy: DoubtPolicy, *, made: bool, granted: bool) -> Place:
    """A place in which the process died within the command: just before it was made, or just after."""
    others: DoubtPolicy = "tell" if policy == "ask" else "ask"
    grants = CLERK.grants if granted else ("write", "unsandboxed")
    doubts = {"run_command": policy, "*": others}
    spec = msgspec.structs.replace(CLERK, prompt="[script:command] Do it.", on_doubt=doubts, grants=grants)
    place = Place(path, api, spec)
    died_at = holds(e.StepCompleted) if made else holds(e.StepStarted)
    store = place.store(1, written=not made, counted=died_at)
    place.work_until_death(store)
    assert store.is_dead
    assert place.ledger() == ["once"] * made
    return place


def the_doubt(runtime: Runtime, fleet_id: str) -> DoubtRow:
    """The one step a person is asked about, once there is one."""
    wait_until(runtime, fleet_id, lambda _: bool(runtime.doubts(fleet_id)))
    (doubt,) = runtime.doubts(fleet_id)
    return doubt


MOMENT = pytest.mark.parametrize("made", [True, False], ids=["made", "not made"])
GRANT = pytest.mark.parametrize("granted", [True, False], ids=["granted", "approved"])


@pytest.mark.slow
@GRANT
@MOMENT
def test_a_call_in_doubt_is_told_and_never_made_again_by_itself(
    tmp_path: Path, api: FakeMessagesApi, clerk: Clerk, made: bool, granted: bool
) -> None:
    place = cut_off_command(tmp_path, api, "tell", made=made, granted=granted)
    with place.open() as runtime:
        assert place.work(runtime) == "done"
        assert runtime.doubts() == ()
    assert len(clerk.told) == 1
    assert IN_DOUBT in clerk.told[0]
    assert "Look at what it would have changed" in clerk.told[0]
    assert len(check_effects(place.directory)) == 1
    assert place.ledger() == ["once"] * made
    place.check()


@pytest.mark.slow
@GRANT
@MOMENT
@pytest.mark.parametrize("outcome", ["done", "retry"])
def test_a_person_decides_about_a_call_in_doubt(
    tmp_path: Path, api: FakeMessagesApi, clerk: Clerk, outcome: str, made: bool, granted: bool
) -> None:
    place = cut_off_command(tmp_path, api, "ask", made=made, granted=granted)
    calls = api.report().requests
    for _ in range(2):  # it is asked for as long as nobody has decided, over restarts too
        with place.open() as runtime:
            doubt = the_doubt(runtime, place.spawn(runtime))
            assert doubt.name.startswith("run_command ")
    assert api.report().requests == calls
    assert place.ledger() == ["once"] * made
    with place.open() as runtime:
        doubt = the_doubt(runtime, place.spawn(runtime))
        runtime.resolve_doubt(doubt.agent_id, outcome, DONE if outcome == "done" else None)
        assert place.work(runtime) == "done"
        assert runtime.doubts() == ()
    assert place.ledger() == ["once"] * (made + (outcome == "retry"))
    assert [told.partition(" after")[0].partition(",")[0] for told in clerk.told] == ["Exit code 0"]
    place.check()


@pytest.mark.slow
@GRANT
@MOMENT
def test_a_call_in_doubt_that_may_be_repeated_is_repeated(
    tmp_path: Path, api: FakeMessagesApi, clerk: Clerk, made: bool, granted: bool
) -> None:
    place = cut_off_command(tmp_path, api, "retry", made=made, granted=granted)
    with place.open() as runtime:
        assert place.work(runtime) == "done"
        assert len(runtime.list_help(place.spawn(runtime)).requests) == (not granted)
    assert place.ledger() == ["once"] * (made + 1)
    assert clerk.told[0].startswith("Exit code 0")
    place.check()
