"""What the sentinel finds worth telling, and what the commander's desk makes of it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleetlog.runtime.scenarios.monitor.alerts import Alert, Outcome, alert_in
from fleetlog.runtime.scenarios.monitor.desk import HOUR_S, Desk
from fleetlog.runtime.scenarios.monitor.loading import RESPONDER_SKILLS, plan_of
from fleetlog.runtime.scenarios.monitor.looking import Room
from fleetlog.runtime.scenarios.monitor.report import in_words
from fleetlog.runtime.scenarios.monitor.runbooks import Plan
from fleetlog.runtime.scenarios.monitor.watching import Eyes, Failing, News, Seen, State, Tick, folded
from tests.scenarios.monitor.places import EXAMPLE

DAY_S = 86_400.0


class Patience:
    """Waits for real; ends the wait for good after a time."""

    def __init__(self) -> None:
        self._deadline = time.monotonic() + 20

    def wait(self, seconds: float) -> None:
        assert time.monotonic() < self._deadline, "there is no news"
        time.sleep(min(seconds, 0.05))


def folder_watch(folder: Path, more: str = "") -> Plan:
    """A plan with a watch that fails while the folder has a large file."""
    return plan_of(
        f'[[watch]]\nname = "room"\nkind = "disk"\npath = "{folder}"\nmax_size_mb = 0.001\nevery_s = 0.05\n{more}'
    )


@pytest.fixture
def big(tmp_path: Path) -> Callable[[bool], Path]:
    def make(is_big: bool) -> Path:
        (tmp_path / "file").write_bytes(b"x" * (2_000 if is_big else 0))
        return tmp_path

    return make


def eyes(plan: Plan, again_s: float = 600) -> Eyes:
    return Eyes(plan, Room(Patience(), ""), again_s)


def test_a_watch_that_fails_is_told_once_and_again_when_it_is_well(big: Callable[[bool], Path]) -> None:
    looking = eyes(folder_watch(big(True)))
    state = State(time.time())
    seen = looking.until_news(state, None)
    assert [(news.watch, news.ok) for news in seen.news] == [("room", False)]
    state = folded(state, seen)
    quiet = looking.until_news(state, time.time() + 0.3)
    assert (quiet.news, quiet.ticks, quiet.is_over) == ((), (), True)
    big(False)
    seen = looking.until_news(state, None)
    assert [(news.watch, news.ok) for news in seen.news] == [("room", True)]
    assert folded(state, seen).failing == {}


def test_a_restart_tells_nothing_that_was_told_and_misses_nothing(big: Callable[[bool], Path]) -> None:
    plan, told = folder_watch(big(True)), State(time.time(), {"room": Failing(time.time(), 1)})
    assert eyes(plan).until_news(told, time.time() + 0.3).news == ()
    big(False)
    assert [news.ok for news in eyes(plan).until_news(told, None).news] == [True]


def test_what_goes_on_failing_is_told_again_after_a_while_and_then_more_rarely(big: Callable[[bool], Path]) -> None:
    looking = eyes(folder_watch(big(True)), again_s=100)
    for age_s, times, is_told in ((99, 1, False), (101, 1, True), (199, 2, False), (201, 2, True), (DAY_S, 50, True)):
        state = State(0.0, {"room": Failing(time.time() - age_s, times)})
        assert bool(looking.until_news(state, time.time() + 0.2).news) is is_told
    assert folded(state, Seen(5.0, (News("room", False, "still"),))).failing["room"] == Failing(5.0, 51)


def test_a_schedule_that_was_due_while_nothing_ran_is_told_once_and_as_late(big: Callable[[bool], Path]) -> None:
    schedule = '[[schedule]]\nname = "hourly"\ncron = "0 * * * *"\nzone = "UTC"\nchecks = ["room"]\n'
    plan = folder_watch(big(False), schedule)
    state = State(time.time() - 3 * DAY_S)
    looking = eyes(plan)
    seen = looking.until_news(state, None)
    assert seen.ticks == (Tick("hourly", is_late=True),)
    assert looking.until_news(folded(state, seen), time.time() + 0.2).ticks == ()


# --- the desk ------------------------------------------------------------------------------------

PLAN = plan_of((EXAMPLE / "runbooks.toml").read_text())
PAGE = Alert("page fails", watch="page", skills=("web",))
NOW_S = 1_000_000.0
ALL = ("open the shop", "free the till", "tidy the logs")


def desk(plan: Plan = PLAN) -> Desk:
    return Desk(plan, RESPONDER_SKILLS)


def healed(number: int, at_s: float = NOW_S, actions: int = 1) -> Outcome:
    return Outcome(number, "healed", "x", "open the shop", acted_s=(at_s,) * actions, at_s=at_s)


def test_who_has_the_skills_gets_the_case_with_the_runbooks_that_may_be_for_it() -> None:
    incident = desk().opened(PAGE, NOW_S)
    assert incident.responder == "network-responder"
    assert incident.case.candidates == ("open the shop", "free the till")
    assert (incident.case.checks, incident.case.allowance, incident.case.why_not) == (("page",), 2, "")


@pytest.mark.parametrize(
    ("alert", "candidates", "responder"),
    [
        (Alert("InstanceDown", labels={"service": "shop"}), ("open the shop", "free the till"), "network-responder"),
        (Alert("The SHOP is closed"), ("open the shop", "free the till"), "network-responder"),
        (Alert("something about the web"), ("open the shop", "free the till"), "network-responder"),
        (Alert("no space left"), ("tidy the logs",), "database-responder"),
        (Alert("it rains"), (), ""),
        (Alert("logins fail", skills=("auth",)), (), "auth-responder"),
        (Alert("nightly look is due", schedule="nightly look"), ALL, "network-responder"),
    ],
)
def test_an_alert_from_outside_finds_its_runbooks_by_text_labels_and_skills(
    alert: Alert, candidates: tuple[str, ...], responder: str
) -> None:
    incident = desk().opened(alert, NOW_S)
    assert (incident.case.candidates, incident.responder) == (candidates, responder)


def test_what_shares_a_runbook_or_the_alerts_key_with_an_open_incident_joins_it() -> None:
    at = desk()
    first = at.opened(PAGE, NOW_S)
    assert at.joined(Alert("the shop is down", fingerprint="f")) is first
    assert at.joined(Alert("disk space")) is None
    rain = at.opened(Alert("it rains 3 mm"), NOW_S)
    assert at.joined(Alert("It rains 4 mm")) is rain
    at.heard(healed(1))
    assert at.joined(PAGE) is None


def test_within_the_cool_down_nothing_may_be_done_and_after_it_again() -> None:
    at = desk()
    at.opened(PAGE, NOW_S)
    at.heard(healed(1))
    soon = at.opened(replace(PAGE, fingerprint="x"), NOW_S + 299).case
    assert (soon.allowance, soon.why_not[:32]) == (0, "it was healed a short while ago,")
    at.heard(Outcome(2, "left", "x"))
    assert at.opened(PAGE, NOW_S + 301).case.allowance == 2


def test_an_open_incident_that_is_well_again_by_itself_is_said_to_be() -> None:
    at = desk()
    incident = at.opened(PAGE, NOW_S)
    assert at.joined(replace(PAGE, status="resolved")) is incident
    assert in_words(incident).endswith("is being looked into; meanwhile it is well again")
    assert at.joined(PAGE) is incident
    assert (incident.alerts, incident.has_recovered) == (2, False)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 4_000), st.integers(0, 2)), max_size=60))
def test_in_no_hour_are_more_actions_allowed_than_the_limit(moves: list[tuple[int, float, int]]) -> None:
    """Cases come and are closed in any order, with as many actions as they were allowed, or fewer."""
    limit, now_s = 5, NOW_S
    plan = replace(PLAN, limits=replace(PLAN.limits, actions_per_hour=limit, cooldown_s=0.0))
    at, made = desk(plan), list[float]()
    for closes, pause_s, actions in moves:
        now_s += pause_s
        if closes and at.open_incidents:
            case = at.open_incidents[0].case
            times = (now_s,) * min(actions, case.allowance)
            made += times
            at.heard(Outcome(case.number, "left", "x", acted_s=times, at_s=now_s))
        else:
            at.opened(Alert(f"the shop {'x' * len(at.incidents)}"), now_s)
        recent = sum(now_s - one < HOUR_S for one in made)
        assert recent + sum(one.case.allowance for one in at.open_incidents) <= limit


@given(st.text(max_size=200))
def test_any_text_is_an_alert(text: str) -> None:
    assert isinstance(alert_in(text).text, str)
    assert alert_in('{"text": "x", "severity": 3}') == Alert('{"text": "x", "severity": 3}')
