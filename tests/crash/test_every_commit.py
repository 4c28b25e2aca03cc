"""A process may die at any commit: for each of them, the job resumed ends as an undisturbed one does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.function import Brain
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import DyingStore, folded


class Job:
    """Three agents that step, send, broadcast, ask, answer and report; and what was really called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []

    def _call(self, agent: str, step: str, value: Any) -> Callable[[], Any]:
        def call() -> Any:
            self.calls.append((agent, step))
            return value

        return call

    def explorer(self, ctx: Context) -> None:
        files = ctx.step("list", "pure", self._call("explorer", "list", ["a.py", "b.py"]))
        ctx.progress("listed")
        sizes = ctx.step("sizes", "idempotent", self._call("explorer", "sizes", dict.fromkeys(files, 1)))
        ctx.submit_result(sizes)
        for question in ctx.questions():
            looked = f"look {question.payload}"
            answer = ctx.step(looked, "pure", self._call("explorer", looked, question.payload.upper()))
            ctx.reply(question, answer)

    def risk(self, ctx: Context) -> str:
        for number in (1, 2):
            ctx.step(f"risk {number}", "pure", self._call("risk", f"risk {number}", number))
            ctx.send("planner", "alert", f"risk {number}")
        ctx.send("*", "handoff", "2")
        return "two risks"

    def planner(self, ctx: Context) -> Any:
        concerns = []
        while (message := ctx.receive(("alert", "handoff"), sender="risk")) is not None:
            if message.type == "handoff":
                break
            concerns.append(message.payload)
        answers = [ctx.ask("explorer", question).payload for question in ("why", "how")]
        return ctx.step("plan", "pure", self._call("planner", "plan", [concerns, answers]))

    def reporter(self, ctx: Context) -> Any:
        return {"report": ctx.results["planner"], "risks": ctx.results["risk"]}

    def brains(self) -> dict[str, Brain]:
        return {name: getattr(self, name) for name in ("explorer", "risk", "planner", "reporter")}


SPEC = FleetSpec(
    name="job",
    agents=(
        *(AgentSpec(role=name, prompt="do it", brain=name) for name in ("explorer", "risk", "planner")),
        AgentSpec(role="reporter", prompt="do it", brain="reporter", depends_on=("planner", "risk")),
    ),
)
REPORT = {"report": [["risk 1", "risk 2"], ["WHY", "HOW"]], "risks": "two risks"}


def recorded_steps(directory: Path) -> set[tuple[str, str]]:
    with open_store(directory / "log.db") as store:
        states = [state for state in folded(store).values() if isinstance(state, Agent)]
    return {(agent.name, step.name) for agent in states for step in agent.steps if step.state == "completed"}


def run_until_death(directory: Path, appends: int, *, written: bool) -> tuple[bool, Job]:
    directory.mkdir(exist_ok=True)
    job = Job()
    store = DyingStore(open_store(directory / "log.db"), appends, written=written)
    config = RuntimeConfig(linger_s=0 if appends % 2 else 0.3)
    with Runtime.open(directory, brains=job.brains(), store=store, config=config) as runtime:
        try:
            if runtime.list_fleets().fleets:
                fleet_id = runtime.list_fleets().fleets[0].id
            else:
                fleet_id = runtime.spawn_fleet(SPEC, idempotency_key="the job").fleet_id
            while not store.is_dead:
                if runtime.collect_results(fleet_id, wait_s=0.02).status == "complete":
                    break
        except FleetlogError:
            assert store.is_dead
    return store.is_dead, job


def finish(directory: Path) -> tuple[Any, Job]:
    job = Job()
    with Runtime.open(directory, brains=job.brains()) as runtime:
        fleet_id = runtime.spawn_fleet(SPEC, idempotency_key="the job").fleet_id
        results = runtime.collect_results(fleet_id, wait_s=30)
        assert len(runtime.list_fleets().fleets) == 1
        assert results.status == "complete", runtime.fleet_status(fleet_id)
        assert runtime.verify_ledger().findings == ()
        for agent in runtime.list_agents(fleet_id).agents:
            messages = runtime.inbox(agent.id, all=True).messages
            assert len({message.id for message in messages}) == len(messages)
        return results.results[-1].output, job


def commits_of_the_job(tmp_path: Path) -> int:
    store = DyingStore(open_store(None), 10_000, written=True)
    job = Job()
    with Runtime.open("memory:", brains=job.brains(), store=store) as runtime:
        fleet_id = runtime.spawn_fleet(SPEC).fleet_id
        results = runtime.collect_results(fleet_id, wait_s=30)
        assert results.results[-1].output == REPORT
    return store.appends


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False], ids=["committed", "not committed"])
def test_a_job_survives_death_at_every_single_commit(tmp_path: Path, written: bool) -> None:
    appends, died = 1, True
    while died:
        directory = tmp_path / f"at-{appends}"
        died, _ = run_until_death(directory, appends, written=written)
        recorded = recorded_steps(directory)
        report, second = finish(directory)
        assert report == REPORT
        assert recorded.isdisjoint(second.calls), "a recorded step was made again"
        appends += 1
    assert appends > 15


@pytest.mark.slow
def test_a_job_that_dies_again_and_again_still_ends(tmp_path: Path) -> None:
    directory = tmp_path / "d"
    made: list[tuple[str, str]] = []
    for _ in range(60):
        before = recorded_steps(directory) if directory.exists() else set()
        died, job = run_until_death(directory, 3, written=True)
        assert before.isdisjoint(job.calls), "a recorded step was made again"
        made += job.calls
        if not died:
            break
    report, _ = finish(directory)
    assert report == REPORT
