"""What becomes of an incident: approvals, tickets, duplicates, the cool-down and the limit, and what was cut off."""

import sys
from pathlib import Path

import msgspec
import pytest

from fleetlog.runtime.scenarios.monitor.brains import COMMANDER, RUNNER
from tests.scenarios.monitor.conftest import MakeMonitor, Serve
from tests.scenarios.monitor.places import Monitor, Shop

RESPONDER = "network-responder"
DONE = "done.txt"
VERIFY = 'verify = ["page"]'
ACT = [sys.executable, "-c", f"open('{DONE}','a').write('done;')"]


def times_done(folder: Path) -> int:
    file = folder / DONE
    return file.read_text().count("done;") if file.exists() else 0


def ticket_of(monitor: Monitor) -> str:
    """The one open request to a person."""
    (request,) = monitor.runtime.list_help(monitor.fleet_id, "open").requests
    return request.help_id


def alert(monitor: Monitor, text: str, **fields: object) -> None:
    payload = msgspec.json.encode({"text": text, **fields}).decode()
    monitor.runtime.send_message("operator", monitor.agent(COMMANDER), monitor.fleet_id, "alert", payload)


def mended(folder: Path, serve: Serve, more: str = "") -> tuple[str, Path]:
    """A page that is broken until the action was made."""
    served = serve(lambda number: 200 if times_done(folder) else 503)
    return served.runbooks(ACT, more), folder


def test_an_action_that_needs_approval_is_made_once_a_person_has_approved_and_others_go_on_meanwhile(
    shop: Shop, make_monitor: MakeMonitor
) -> None:
    text = shop.runbooks().replace('"start"]', '"start"]\nneeds_approval = true').replace('["disk"]', '["web"]')
    monitor = make_monitor(text, shop.folder)
    monitor.until_watching()
    shop.do("stop")
    monitor.until_said("Incident 1", "waits for a person", "may '")
    shop.fill_logs(1_200_000)
    monitor.until_said("Incident 2", "was healed")
    monitor.restart()
    monitor.runtime.decide_approval(ticket_of(monitor), approve=True)
    monitor.until_said("Incident 1", "was healed")
    found = monitor.end()
    assert (found["healed"], found["asked_people"]) == (2, 1)


def test_an_action_that_is_denied_is_not_made(tmp_path: Path, serve: Serve, make_monitor: MakeMonitor) -> None:
    text, folder = mended(tmp_path, serve)
    monitor = make_monitor(text + "needs_approval = true\n", folder)
    monitor.until_said("Incident 1", "waits for a person")
    monitor.runtime.decide_approval(ticket_of(monitor), approve=False, note="not today")
    monitor.until_said("Incident 1", "is not known to be well", "a person said no: not today")
    assert times_done(folder) == 0


def test_what_is_well_again_when_the_approval_comes_is_left_alone(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    text, folder = mended(tmp_path, serve)
    monitor = make_monitor(text + "needs_approval = true\n", folder)
    monitor.until_said("Incident 1", "waits for a person")
    (folder / DONE).write_text("done;")
    monitor.runtime.decide_approval(ticket_of(monitor), approve=True)
    monitor.until_said("Incident 1", "was well", "without the action")
    assert times_done(folder) == 1


def test_an_action_that_does_not_heal_is_tried_again_as_often_as_it_may_and_then_a_person_is_asked(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 503)
    monitor = make_monitor(served.runbooks(ACT) + "retries = 2\n", tmp_path)
    monitor.until_said("Incident 1", "waits for a person", "at its end")
    assert times_done(tmp_path) == 3
    (request,) = monitor.runtime.list_help(monitor.fleet_id, "open").requests
    assert "page fails: status 503" in request.blocker
    assert request.attempted.count("exit code 0") == 3
    monitor.runtime.answer_help(request.help_id, "the page is gone for good")
    monitor.until_said("Incident 1", "is not known to be well", "gone for good")
    assert monitor.end()["left"] == 1


def test_alerts_about_the_same_thing_are_joined_to_the_open_incident(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    text, folder = mended(tmp_path, serve)
    monitor = make_monitor(text + "needs_approval = true\n", folder)
    monitor.until_said("Incident 1", "waits for a person")
    for number in range(5):
        alert(monitor, f"the page is down for customer {number}", fingerprint=f"f{number % 2}")
    monitor.runtime.decide_approval(ticket_of(monitor), approve=True)
    monitor.until_said("Incident 1", "was healed")
    found = monitor.end()
    assert (found["incidents"], found["alerts"], times_done(folder)) == (1, 6, 1)


def test_whoever_raised_an_alert_is_told_what_became_of_it(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 200)
    monitor = make_monitor(served.runbooks(ACT), tmp_path)
    monitor.until_quiet()
    monitor.runtime.alert(monitor.fleet_id, "high", "customers say that the page is down", skills=("web",))
    monitor.until(lambda entry: entry.what == "message.sent" and "was well when" in entry.summary, "the reply")
    assert times_done(tmp_path) == 0
    assert monitor.end()["well"] == 1


def test_an_alert_told_to_one_responder_alone_reaches_the_commander_and_is_answered(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 200)
    monitor = make_monitor(served.runbooks(ACT), tmp_path)
    monitor.until_quiet()
    monitor.runtime.send_message("operator", monitor.agent(RESPONDER), monitor.fleet_id, "alert", "the page is slow")
    name = monitor.agent(RESPONDER)
    monitor.until(
        lambda entry: entry.agent_id == name and entry.what == "message.sent" and "was well" in entry.summary,
        "the answer",
    )
    assert monitor.end()["incidents"] == 1


def test_what_comes_back_within_the_cool_down_is_shown_to_a_person_and_not_healed_again(
    shop: Shop, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor(shop.runbooks(), shop.folder)
    monitor.until_watching()
    shop.do("stop")
    monitor.until_said("Incident 1", "was healed")
    monitor.until(lambda entry: "page is well again" in entry.summary, "it is well again")
    shop.do("stop")
    monitor.until_said("Incident 2", "waits for a person", "the fix does not hold")
    shop.do("start")
    monitor.runtime.answer_help(ticket_of(monitor), "a cable was loose")
    monitor.until_said("Incident 2", "is well since a person answered", "a cable was loose")
    assert monitor.end()["actions"] == 1


def test_no_more_actions_are_made_than_the_hour_admits(tmp_path: Path, serve: Serve, make_monitor: MakeMonitor) -> None:
    served = serve(lambda number: 503)
    text = "[limits]\nactions_per_hour = 2\n" + served.runbooks(ACT) + "retries = 9\n"
    monitor = make_monitor(text, tmp_path)
    monitor.until_said("Incident 1", "waits for a person", "no more actions are allowed")
    assert times_done(tmp_path) == 2


def test_an_alert_that_no_agent_has_the_skills_for_becomes_a_ticket(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor(serve(lambda number: 200).runbooks(ACT), tmp_path)
    monitor.until_quiet()
    alert(monitor, "the coffee machine is on fire", skills=["coffee"])
    monitor.until_said("Incident 1", "waits for a person", "no agent has the skills for it (coffee)")
    monitor.runtime.answer_help(ticket_of(monitor), "it is out")
    monitor.until_said("Incident 1", "is well since a person answered", "it is out")


def test_a_program_that_is_not_there_or_does_not_end_leads_to_a_ticket(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 503)
    more = "[[runbook.action]]\ncommand = ['no-such-program-here']\nsettle_s = 0.1"
    hangs = [sys.executable, "-c", "import time; time.sleep(600)"]
    monitor = make_monitor(served.runbooks(hangs, more) + "timeout_s = 0.5\n", tmp_path)
    monitor.until_said("Incident 1", "waits for a person")
    (request,) = monitor.runtime.list_help(monitor.fleet_id, "open").requests
    assert "could not be run" in request.attempted
    assert "not done within 0.5 s" in request.attempted


@pytest.mark.parametrize("heals", [True, False])
def test_an_action_that_was_cut_off_is_looked_after_and_not_repeated(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor, heals: bool
) -> None:
    served = serve(lambda number: 200 if heals and times_done(tmp_path) else 503)
    hangs = [sys.executable, "-c", f"open('{DONE}','a').write('done;'); import time; time.sleep(600)"]
    monitor = make_monitor(served.runbooks(hangs), tmp_path)
    monitor.until(lambda entry: entry.what == "step.started" and "act in case" in entry.summary, "the action")
    served.wait_for(1)
    while not times_done(tmp_path):
        served.wait_for(1)
    monitor.restart()
    monitor.until_said("Incident 1", "was healed" if heals else "it was interrupted")
    assert times_done(tmp_path) == 1


def test_a_person_asks_the_runner_for_a_runbook_by_its_name(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 200 if times_done(tmp_path) else 503)
    text = served.runbooks(ACT, VERIFY).replace('watches = ["page"], ', "")
    monitor = make_monitor(text + "retries = 1\n", tmp_path)
    runner = monitor.agent(RUNNER)
    for question, answer in (
        ("mend the pagge", "did you mean 'mend the page'?"),
        ("mend the page", "healed: by"),
        ("`mend the page`", "well: nothing is wrong"),
    ):
        monitor.runtime.send_message("operator", runner, monitor.fleet_id, "question", question)
        monitor.until(
            lambda entry, answer=answer: (  # type: ignore[misc]
                entry.agent_id == runner and entry.what == "message.sent" and answer in entry.summary
            ),
            answer,
        )
    assert times_done(tmp_path) == 1


def test_a_schedule_that_is_due_has_its_runbook_gone_through(
    tmp_path: Path, serve: Serve, make_monitor: MakeMonitor
) -> None:
    text, folder = mended(tmp_path, serve, VERIFY)
    schedule = '[[schedule]]\nname = "nightly"\ncron = "0 3 * * *"\nzone = "UTC"\nrunbook = "mend the page"\n'
    monitor = make_monitor(schedule + text.replace('watches = ["page"], ', ""), folder)
    alert(monitor, "nightly is due", schedule="nightly")
    monitor.until_said("(nightly is due)", "was healed")
    assert times_done(folder) == 1
