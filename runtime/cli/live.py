"""A person watches fleets work: who does what, what they say to each other, until all have ended.

It only reads. Leaving it early loses nothing: what was not finished goes on with `resume`.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from msgspec import Struct
from msgspec.structs import replace
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from fleetlog.domain.values import AGENT_ENDED, FLEET_ENDED, agent_name_of
from fleetlog.runtime.cli.console import STYLES, Screen, agents_table, counted, duration, plain, without_call
from fleetlog.runtime.cli.hosting import Host
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.rows import AgentRow, TimelineEntry

__all__ = ["Interrupt", "Watched", "interruptible", "watch"]

_PULSE_S = 0.1
_LINES_A_PULSE = 40
_WITHOUT_NEWS_S = 1.0
_TOLD = {
    "message.delivered": "",
    "agent.completed": "is complete",
    "agent.failed": "has failed",
    "agent.cancelled": "is cancelled",
    "agent.timed_out": "has timed out",
    "agent.attempt_failed": "failed in",
    "agent.result_rejected": "must give another result",
    "agent.resumed": "goes on",
    "step.doubted": "does not know if it did",
    "help.requested": "asks for help",
    "help.answered": "has an answer",
    "help.reminded": "still waits for a person:",
    "help.escalated": "has its request escalated:",
    "help.expired": "has no answer in time:",
    "step.wait_abandoned": "waits no longer:",
    "fleet.stuck": "is stuck:",
}


class Interrupt:
    """Whether a signal asked to stop; a second one ends the process at once, which loses nothing either."""

    def __init__(self) -> None:
        self.signal: int | None = None

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Within it, Ctrl-C and the signals that end processes are asked for at `Interrupt.signal`."""
    interrupt = Interrupt()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [(number, signal.signal(number, interrupt)) for number in numbers]
    try:
        yield interrupt
    finally:
        for number, handler in before:
            signal.signal(number, handler)


class Watched(Struct, frozen=True):
    """How watching ended: with every fleet, by a signal, or because only a person can go on (`needs_person`)."""

    fleets: tuple[FleetStatus, ...]
    messages: int
    elapsed_s: float
    is_over: bool
    needs_person: bool = False


def watch(host: Host, fleet_ids: Sequence[str], screen: Screen, interrupt: Interrupt, after: int) -> Watched:
    """Show what happens behind position `after`, until the fleets have ended or nobody but a person can go on."""
    watching = _Watching(host, fleet_ids, screen, after)
    with ExitStack() as stack:
        if screen.err.is_terminal and not screen.as_json:
            watching.live = stack.enter_context(Live(console=screen.err, auto_refresh=False, transient=True))
        while not watching.pulse():
            if interrupt.signal is not None:
                return watching.ending(is_over=False)
            if watching.only_a_person_can_go_on():
                return watching.ending(is_over=False, needs_person=True)
    return watching.ending(is_over=True)


class _Watching:
    def __init__(self, host: Host, fleet_ids: Sequence[str], screen: Screen, after: int) -> None:
        self._host, self._fleet_ids, self._screen, self._after = host, fleet_ids, screen, after
        self.live: Live | None = None
        self._began = self._news = time.monotonic()
        self._messages = 0
        self._fleets: tuple[FleetStatus, ...] = ()
        self._looked, self._look_took_s = 0.0, 0.0
        self._spinner = Spinner("dots")
        self._last_steps: dict[str, str] = {}

    def pulse(self) -> bool:
        """Look once, for a moment; True when all is over and told."""
        entries = self._host.timeline(after=self._after, limit=1_000, wait_s=_PULSE_S)
        if entries:
            self._after, self._news = entries[-1].position, time.monotonic()
        ours = [entry for entry in entries if entry.fleet_id in self._fleet_ids]
        self._tell(ours)
        self._look()
        if self.live is not None:
            self.live.update(self._picture(), refresh=True)
        return not ours and len(entries) < 1_000 and all(_is_over(fleet) for fleet in self._fleets)

    def _look(self) -> None:
        """The fleets' state; of fleets so large that looking takes long, less often."""
        started = time.monotonic()
        if self._fleets and started - self._looked < 5 * self._look_took_s:
            return
        self._fleets = tuple(self._host.fleet_status(fleet_id) for fleet_id in self._fleet_ids)
        self._looked = time.monotonic()
        self._look_took_s = self._looked - started

    def _tell(self, entries: Sequence[TimelineEntry]) -> None:
        steps = [entry for entry in entries if entry.what in ("step.started", "step.completed")]
        self._last_steps.update((entry.agent_id, entry.summary) for entry in steps)
        self._messages += sum(entry.what == "message.delivered" for entry in entries)
        progress = {} if self.live else {"agent.progress_reported": ":"}
        told = [entry for entry in entries if entry.what in _TOLD or entry.what in progress]
        for entry in told[:_LINES_A_PULSE]:
            line = _message(entry) if entry.what == "message.delivered" else _news(entry, {**_TOLD, **progress})
            line.no_wrap, line.overflow = True, "ellipsis"
            self._screen.err.print(line, soft_wrap=self.live is None)
        if len(told) > _LINES_A_PULSE:
            self._screen.say(f"... and {len(told) - _LINES_A_PULSE:,} more", "dim")

    def _picture(self) -> Group:
        parts: list[object] = []
        for status in self._fleets:
            heading = Text.assemble(
                (plain(status.fleet.name) or "fleet", "bold"),
                (f"  {status.fleet.id}  {counted(self._messages, 'message')}  {self._elapsed()}", "dim"),
            )
            self._spinner.update(text=heading)
            agents = [self._with_draft(agent) for agent in _worth_a_row(status.agents, self._screen.err.height)]
            parts += [Text(), self._spinner, agents_table(agents)]
            left_out = len(status.agents) - len(_worth_a_row(status.agents, self._screen.err.height))
            if left_out:
                counts = Counter(agent.status for agent in status.agents)
                said = ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items()))
                parts.append(Text(f"{len(status.agents):,} agents: {said}", style="dim"))
        return Group(*parts)  # type: ignore[arg-type]  # a list of renderables

    def _with_draft(self, agent: AgentRow) -> AgentRow:
        """The row of an agent that a model drives, with what the model is writing, or what it did last."""
        if agent.brain != "claude" or agent.progress or agent.status in AGENT_ENDED:
            return agent
        draft = " ".join(self._host.drafts().get(agent.id, "").split())
        last = without_call(self._last_steps.get(agent.id, ""))
        return replace(agent, progress=draft[-100:] or last)

    def _elapsed(self) -> str:
        return duration(time.monotonic() - self._began)

    def only_a_person_can_go_on(self) -> bool:
        """Every agent that has not ended waits or is paused, nothing was heard for a while, and somebody was asked or
        must have them go on."""
        if time.monotonic() - self._news < _WITHOUT_NEWS_S or any(fleet.fleet.stays_open for fleet in self._fleets):
            return False
        paused = {fleet.fleet.id for fleet in self._fleets if fleet.fleet.status == "paused"}
        if any(self._host.spend(fleet_id).reserved.calls for fleet_id in paused):
            return False
        left = [agent for fleet in self._fleets for agent in fleet.agents if agent.status not in AGENT_ENDED]
        if any(agent.status == "running" and agent.fleet_id not in paused for agent in left):
            return False
        if paused or any(agent.status == "paused" for agent in left):
            return True
        asked = any(self._host.list_help(fleet_id, "open").requests for fleet_id in self._fleet_ids)
        return asked or any(self._host.doubts(fleet_id) for fleet_id in self._fleet_ids)

    def ending(self, *, is_over: bool, needs_person: bool = False) -> Watched:
        """What was seen last."""
        elapsed_s = time.monotonic() - self._began
        return Watched(self._fleets, self._messages, elapsed_s, is_over, needs_person)


def _is_over(status: FleetStatus) -> bool:
    if status.fleet.stays_open and status.fleet.status not in FLEET_ENDED:
        return all(agent.status in AGENT_ENDED for agent in status.agents)
    return status.fleet.status in FLEET_ENDED and all(agent.status in AGENT_ENDED for agent in status.agents)


def _worth_a_row(agents: Sequence[AgentRow], height: int) -> Sequence[AgentRow]:
    """All agents, where they fit on half of the terminal; else those that work."""
    room = max(5, height // 2)
    if len(agents) <= room:
        return agents
    return [agent for agent in agents if agent.status in ("running", "waiting")][:room]


def _message(entry: TimelineEntry) -> Text:
    head, _, said = entry.summary.partition(": ")
    kind, _, sender = head.partition(" from ")
    return Text.assemble(
        (f"{plain(sender):>14}", "bold"),
        (" → ", "dim"),
        (f"{plain(agent_name_of(entry.agent_id)):<14}", "bold"),
        (f" {kind:<9} ", "cyan"),
        plain(" ".join(said.split())),
    )


def _news(entry: TimelineEntry, words: dict[str, str]) -> Text:
    style = STYLES.get(entry.what.removeprefix("agent.").removesuffix("d"), "")
    return Text.assemble(
        (f"{plain(agent_name_of(entry.agent_id)):>14}", "bold"),
        (f" {words[entry.what]}", style or "dim"),
        f" {summary}" if (summary := plain(" ".join(entry.summary.split()))) else "",
    )
