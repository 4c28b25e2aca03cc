"""What the sentinel sees: all watches and schedules, in real time, until something is news.

Its rule: nothing is remembered here that the log must have. What was told is in the `State`, folded from what the
steps gave; after a restart every watch is looked at anew, and what was due meanwhile is told once. Green looks leave
no trace.
"""

import queue
import time

from msgspec import Struct

from fleetlog.runtime.scenarios.monitor.cron import next_due_s
from fleetlog.runtime.scenarios.monitor.looking import SLICE_S, Room, begin, look_at
from fleetlog.runtime.scenarios.monitor.probes import Look
from fleetlog.runtime.scenarios.monitor.runbooks import Check, Plan

__all__ = ["Eyes", "News", "Seen", "State", "Tick", "folded"]

LONGEST_SLICE_S = 1.0
AGAIN_AT_MOST_S = 86_400.0


class News(Struct, frozen=True):
    """A watch fails, fails still, or is well again."""

    watch: str
    ok: bool
    said: str


class Tick(Struct, frozen=True):
    """A schedule is due. `is_late`: it was while nothing ran; told once, however often it was due."""

    schedule: str
    is_late: bool


class Seen(Struct, frozen=True):
    """What a wait gave, at `at_s` (epoch seconds). `is_over`: the time to watch is over."""

    at_s: float
    news: tuple[News, ...] = ()
    ticks: tuple[Tick, ...] = ()
    is_over: bool = False


class Failing(Struct, frozen=True):
    """A watch that was told to fail: when last, and how often."""

    told_s: float
    times: int


class State(Struct, frozen=True):
    """What has been told: the watches that fail, and until when each schedule is done."""

    began_s: float
    failing: dict[str, Failing] = {}
    ticked: dict[str, float] = {}


def folded(state: State, seen: Seen) -> State:
    """The state after this was told."""
    failing = dict(state.failing)
    for news in seen.news:
        before = failing.pop(news.watch, None)
        if not news.ok:
            failing[news.watch] = Failing(seen.at_s, before.times + 1 if before else 1)
    return State(state.began_s, failing, {**state.ticked, **{tick.schedule: seen.at_s for tick in seen.ticks}})


class Eyes:
    """Looks for one run of the sentinel. `again_s`: a watch that goes on failing is told again after so long, then
    after twice as long, and so on."""

    def __init__(self, plan: Plan, room: Room, again_s: float) -> None:
        self._plan, self._room, self._again_s = plan, room, again_s
        self._done: queue.SimpleQueue[tuple[str, Look]] = queue.SimpleQueue()
        self._due = {watch.name: 0.0 for watch in plan.watch}
        self._under_way: set[str] = set()
        self._in_a_row: dict[str, int] = {}
        """Looks that contradict what was told."""
        self._is_first = True

    def all_once(self) -> Seen:
        """Every watch, until it is known whether it fails."""
        found = look_at(self._plan.watch, self._room)
        news = tuple(News(name, ok=False, said=said) for name, said in found.failing.items())
        return Seen(found.at_s, news, is_over=True)

    def until_news(self, state: State, until_s: float | None) -> Seen:
        """Look until something is to be told, or until this moment (epoch seconds). Raises when the run may not go
        on."""
        while True:
            self._begin_due()
            self._room.patience.wait(self._slice())
            at_s = time.time()
            news, ticks = self._news(state, at_s), self._ticks(state, at_s)
            self._is_first = False
            is_over = until_s is not None and at_s >= until_s
            if news or ticks or is_over:
                return Seen(at_s, news, ticks, is_over)

    def _begin_due(self) -> None:
        now = time.monotonic()
        for watch in self._plan.watch:
            if now >= self._due[watch.name] and watch.name not in self._under_way:
                self._under_way.add(watch.name)
                self._due[watch.name] = now + watch.every_s
                begin(watch, self._room.folder, self._done)

    def _slice(self) -> float:
        """Until the next thing can happen; short while an answer is on its way."""
        if self._under_way:
            return SLICE_S / 5
        left = min(self._due.values(), default=float("inf")) - time.monotonic()
        return min(LONGEST_SLICE_S, max(0.0, left))

    def _news(self, state: State, at_s: float) -> tuple[News, ...]:
        """Of each watch at most one: the next look begins after this one is heard."""
        found = []
        checks = self._plan.checks
        while not self._done.empty():
            name, look = self._done.get()
            self._under_way.discard(name)
            if self._is_news(checks[name], look, state, at_s):
                found.append(News(name, look.ok, look.said))
        return tuple(sorted(found, key=lambda news: news.watch))

    def _is_news(self, watch: Check, look: Look, state: State, at_s: float) -> bool:
        told = state.failing.get(watch.name)
        if look.ok != (told is not None):  # as it was told
            self._in_a_row.pop(watch.name, None)
            return told is not None and at_s - told.told_s >= self._patience_s(told.times)
        count = self._in_a_row.get(watch.name, 0) + 1
        self._in_a_row[watch.name] = count
        if count < (watch.passes_after if look.ok else watch.fails_after):
            return False
        del self._in_a_row[watch.name]
        return True

    def _patience_s(self, times: int) -> float:
        return float(min(AGAIN_AT_MOST_S, self._again_s * 2 ** min(times - 1, 20)))

    def _ticks(self, state: State, at_s: float) -> tuple[Tick, ...]:
        found = []
        for one in self._plan.schedule:
            due_s = next_due_s(one.cron, one.zone, state.ticked.get(one.name, state.began_s))
            if due_s <= at_s:
                found.append(Tick(one.name, is_late=self._is_first and at_s - due_s > 2 * LONGEST_SLICE_S))
        return tuple(found)
