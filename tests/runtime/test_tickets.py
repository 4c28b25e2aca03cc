"""Tickets in a running runtime: deadlines by the wall clock, over restarts; approvals; who is told of them."""

import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.tickets import Approval
from fleetlog.domain.values import AgentSpec, FleetSpec, HelpPolicy, Now
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.journal import Committed
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.rows import HelpRow, TicketNotice
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime, leave_the_memory
from tests.runtime.stores import SlowStore

DAY_S = 86_400.0
POLICY = HelpPolicy(remind_after_s=DAY_S, escalate_after_s=2.5 * DAY_S, escalate_to="boss", expire_after_s=5 * DAY_S)


def asks(ctx: Context) -> Any:
    return ctx.request_help("which door?", "looked around")


def wants_approval(ctx: Context) -> Any:
    approval = ctx.request_approval("delete", {"tool": "delete", "path": "a.txt"}, "it is old")
    return [approval.granted, approval.note, approval.expired]


def fleet_of(brain: str, policy: HelpPolicy | None = None) -> FleetSpec:
    return FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain=brain),), help_policy=policy)


def asking(runtime: Runtime, brain: str = "asks", policy: HelpPolicy | None = POLICY) -> tuple[str, str]:
    """(fleet id, help id) of a fleet whose agent waits for a person."""
    fleet_id = runtime.spawn_fleet(fleet_of(brain, policy)).fleet_id
    wait_until(runtime, fleet_id, is_waiting)
    (ticket,) = runtime.list_help(fleet_id, "open").requests
    return fleet_id, ticket.help_id


def is_waiting(status: FleetStatus) -> bool:
    return status.agents[0].status == "waiting"


def ticket_when(runtime: Runtime, fleet_id: str, what: str) -> HelpRow:
    """The ticket, once this event is in the timeline."""
    after, seen = 0, False
    while not seen:
        entries = runtime.timeline(fleet_id, after=after, wait_s=10)
        assert entries, f"{what} never came"
        after, seen = entries[-1].position, any(entry.what == what for entry in entries)
    return runtime.list_help(fleet_id).requests[0]


class Sleeper(ManualClock):
    """A clock whose wall goes on while its runtime is down."""

    def __init__(self, days: float) -> None:
        super().__init__(1_800_000_000_000 + round(days * DAY_S * 1000))


def test_a_ticket_is_reminded_of_escalated_and_expires(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(brains={"asks": asks}, clock=clock)
    fleet_id, help_id = asking(runtime)
    opened = runtime.list_help(fleet_id).requests[0]
    assert (opened.reminds_at, opened.expires_at) == (
        opened.requested_at + DAY_S * 1000,
        opened.requested_at + 5 * DAY_S * 1000,
    )
    clock.advance(DAY_S)
    assert ticket_when(runtime, fleet_id, "help.reminded").reminders == 1
    clock.advance(1.5 * DAY_S)
    assert ticket_when(runtime, fleet_id, "help.escalated").escalated_to == "boss"
    clock.advance(2.5 * DAY_S)
    assert runtime.collect_results(fleet_id, wait_s=10).results[0].output is None
    (ticket,) = runtime.list_help(fleet_id, "expired").requests
    assert (ticket.status, ticket.reminds_at, ticket.expires_at) == ("expired", None, None)
    with pytest.raises(NotAllowed, match="has expired"):
        runtime.answer_help(help_id, "too late")


def test_a_deadline_that_passes_while_nothing_runs_is_applied_at_the_start(open_runtime: OpenRuntime) -> None:
    first = open_runtime(brains={"asks": asks}, clock=Sleeper(0))
    fleet_id, _ = asking(first)
    first.close()
    second = open_runtime(brains={"asks": asks}, clock=Sleeper(3))
    assert ticket_when(second, fleet_id, "help.escalated").reminders == 3
    second.close()
    third = open_runtime(brains={"asks": asks}, clock=Sleeper(9))
    assert third.collect_results(fleet_id, wait_s=10).results[0].output is None
    assert third.list_help(fleet_id, "expired").requests[0].reminders == 3


def test_an_idle_agent_that_has_left_the_memory_is_still_reminded_for(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    runtime = open_runtime(brains={"asks": asks}, clock=clock, config=RuntimeConfig(idle_after_s=0.2, linger_s=0))
    fleet_id, _ = asking(runtime)
    leave_the_memory(runtime, clock)
    clock.advance(DAY_S)
    assert ticket_when(runtime, fleet_id, "help.reminded").reminders == 1


def test_an_agent_that_goes_to_leave_the_memory_before_its_reminder_is_stored_reminds_again(
    open_runtime: OpenRuntime, clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    store = SlowStore(open_store(tmp_path / "d" / "log.db"))
    runtime = open_runtime(brains={"asks": asks}, clock=clock, store=store)
    fleet_id, _ = asking(runtime, policy=HelpPolicy(remind_after_s=600.0))
    actor = next(one for one in runtime._parts.engine.residents.all() if isinstance(one, AgentActor))
    while actor._run is not None:
        runtime.list_fleets(limit=1)
    store.may_append.clear()
    clock.advance(600)
    assert store.is_waited_for.wait(10)
    while not actor._retiring:
        clock.advance(301)
        runtime.timeline(limit=1)
    actor.post(Committed(0, actor._version))  # as the journal says it, a moment before it answers the wish to leave
    while actor.mailbox._scheduled:
        runtime.timeline(limit=1)
    stays = actor in runtime._parts.engine.residents.all()
    store.may_append.set()
    assert stays
    assert ticket_when(runtime, fleet_id, "help.reminded").reminders == 1
    clock.advance(600)
    wait_until(runtime, fleet_id, lambda _: runtime.list_help(fleet_id).requests[0].reminders > 1)


def test_an_agent_that_has_left_the_memory_is_woken_when_its_wait_is_over(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    config = RuntimeConfig(idle_after_s=0.2, linger_s=0)
    brains = {"a": lambda ctx: ctx.receive(timeout_s=5_000) is None}
    runtime = open_runtime(brains=brains, clock=clock, config=config)
    fleet_id = runtime.spawn_fleet(fleet_of("a")).fleet_id
    wait_until(runtime, fleet_id, is_waiting)
    leave_the_memory(runtime, clock)
    clock.advance(5_000)
    assert runtime.collect_results(fleet_id, wait_s=10).results[0].output is True


def test_a_fleet_that_has_left_the_memory_still_times_out(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    config = RuntimeConfig(idle_after_s=0.2, linger_s=0)
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()}, clock=clock, config=config)
    spec = FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"),), timeout_s=5_000, keep_open=True)
    fleet_id = runtime.spawn_fleet(spec).fleet_id
    wait_until(runtime, fleet_id, is_waiting)
    leave_the_memory(runtime, clock)
    clock.advance(5_000)
    wait_until(runtime, fleet_id, lambda status: status.fleet.status == "timed_out")


def test_an_agents_own_policy_counts_before_its_fleets(open_runtime: OpenRuntime) -> None:
    own = AgentSpec(role="a", prompt="x", brain="asks", help_policy=HelpPolicy(expire_after_s=60.0))
    runtime = open_runtime(brains={"asks": asks}, clock=ManualClock())
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=(own,), help_policy=POLICY)).fleet_id
    wait_until(runtime, fleet_id, is_waiting)
    late = runtime.attach_agent(fleet_id, AgentSpec(role="late", prompt="x"))
    runtime.request_help(late.agent_ids[0], "from outside")
    first, second = runtime.list_help(fleet_id).requests
    assert {first.policy, second.policy} == {own.help_policy, POLICY}


def test_a_cancelled_ticket_lets_its_agent_go_on(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"asks": asks})
    fleet_id, help_id = asking(runtime)
    runtime.cancel_help(help_id, "solved")
    assert runtime.collect_results(fleet_id, wait_s=10).results[0].output is None
    (ticket,) = runtime.list_help(fleet_id, "cancelled").requests
    assert ticket.reason == "solved"


def test_a_ticket_ends_with_its_fleet(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"asks": asks})
    fleet_id, help_id = asking(runtime)
    runtime.cancel_fleet(fleet_id)
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "cancelled")
    assert runtime.list_help(fleet_id).requests[0].status == "cancelled"
    with pytest.raises(NotAllowed, match="cancelled already"):
        runtime.answer_help(help_id, "x")


# --- approvals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_reaches_the_brain_also_after_a_restart(open_runtime: OpenRuntime, approve: bool) -> None:
    first = open_runtime(brains={"a": wants_approval})
    fleet_id, help_id = asking(first, "a", None)
    (ticket,) = first.list_help(kind="approval").requests
    assert (ticket.blocker, json.loads(ticket.subject)) == ("delete", {"tool": "delete", "path": "a.txt"})
    with pytest.raises(NotAllowed, match="decide_approval"):
        first.answer_help(help_id, "yes")
    first.close()
    second = open_runtime(brains={"a": wants_approval})
    second.decide_approval(help_id, approve, "mind the cat", by="ann")
    assert second.collect_results(fleet_id, wait_s=10).results[0].output == [approve, "mind the cat", False]
    (decided,) = second.list_help(fleet_id, "answered").requests
    assert (decided.granted, decided.by, decided.answer) == (approve, "ann", "mind the cat")
    with pytest.raises(NotAllowed, match="answered already"):
        second.decide_approval(help_id, not approve)


def test_an_approval_nobody_decides_is_neither_granted_nor_denied(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    runtime = open_runtime(brains={"a": wants_approval}, clock=clock)
    fleet_id, _ = asking(runtime, "a")
    clock.advance(5 * DAY_S)
    granted, note, expired = runtime.collect_results(fleet_id, wait_s=10).results[0].output
    assert (granted, expired) == (False, True)
    assert "nobody answered" in note
    assert runtime.list_help(fleet_id).requests[0].granted is None


def test_what_json_cannot_hold_is_no_action_to_approve(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.request_approval("x", object())})
    spec = FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a", max_attempts=1),))
    fleet_id = runtime.spawn_fleet(spec).fleet_id
    assert "'subject' cannot be shown as JSON" in runtime.collect_results(fleet_id, wait_s=10).results[0].error


def test_an_approval_is_a_plain_value() -> None:
    assert Approval(granted=True) == Approval(True, "", False)


# --- who is told ---------------------------------------------------------------------------------


class Notices:
    """A host's hook, which may fail; and what it was told."""

    def __init__(self, fails: bool = False) -> None:
        self.told: list[TicketNotice] = []
        self._changed = threading.Condition()
        self._fails = fails

    def __call__(self, notice: TicketNotice) -> None:
        with self._changed:
            self.told.append(notice)
            self._changed.notify_all()
        if self._fails:
            raise OSError("no mail today")

    def wait_for(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, 10)
            return [notice.what for notice in self.told]


def test_a_host_is_told_of_tickets_and_its_errors_hurt_nobody(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    notices = Notices(fails=True)
    runtime = open_runtime(brains={"asks": asks}, clock=clock, on_ticket=notices)
    fleet_id, help_id = asking(runtime)
    assert notices.wait_for(1) == ["opened"]
    clock.advance(2.5 * DAY_S)
    assert notices.wait_for(3) == ["opened", "reminded", "escalated"]
    assert notices.told[2].ticket.escalated_to == "boss"
    runtime.answer_help(help_id, "the left one")
    assert runtime.collect_results(fleet_id, wait_s=10).status == "complete"


def test_a_host_that_comes_back_is_told_what_it_has_missed_and_not_what_it_knows(
    open_runtime: OpenRuntime, tmp_path: Path
) -> None:
    first = open_runtime(brains={"asks": asks}, clock=Sleeper(0))
    fleet_id, help_id = asking(first)
    first.close()
    early = Notices()
    second = open_runtime(brains={"asks": asks}, clock=Sleeper(0.1), on_ticket=early)
    assert early.wait_for(1) == ["opened"]
    second.close()
    assert (tmp_path / "d" / "notified").read_text().strip() == str(early.told[0].position)
    late = Notices()
    third = open_runtime(brains={"asks": asks}, clock=Sleeper(1), on_ticket=late)
    assert late.wait_for(1) == ["reminded"]
    third.answer_help(help_id, "left")
    assert third.collect_results(fleet_id, wait_s=10).status == "complete"


def test_a_hook_that_hangs_keeps_no_actor_from_its_work(open_runtime: OpenRuntime) -> None:
    release = threading.Event()
    runtime = open_runtime(brains={"asks": asks}, on_ticket=lambda notice: release.wait(30))
    fleet_id, help_id = asking(runtime)
    runtime.answer_help(help_id, "left")
    assert runtime.collect_results(fleet_id, wait_s=10).status == "complete"
    release.set()


def test_a_command_gets_the_ticket_as_json(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    target = tmp_path / "told.json"
    program = f"import sys; open({str(target)!r}, 'a').write(sys.stdin.read() + chr(10))"
    notices = Notices()
    config = RuntimeConfig(linger_s=0, notify_command=(sys.executable, "-c", program))
    runtime = open_runtime(brains={"asks": asks}, config=config, on_ticket=notices)
    _, help_id = asking(runtime, policy=None)
    runtime.request_help(runtime.list_help().requests[0].agent_id, "second")
    notices.wait_for(2)  # the hooks have their turns one after the other: the command's first one is over
    told = json.loads(target.read_text().splitlines()[0])
    assert (told["what"], told["ticket"]["help_id"]) == ("opened", help_id)


def test_a_moment_is_what_the_clock_of_the_tests_says() -> None:
    assert Sleeper(1).now() == Now(1_800_086_400_000, 0.0)
