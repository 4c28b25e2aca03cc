"""The whole fleet on a real web server that is broken on purpose."""

import time
from pathlib import Path

import pytest

from tests.scenarios.monitor.conftest import MakeMonitor, Serve
from tests.scenarios.monitor.places import Shop


def test_a_killed_server_is_started_again_and_the_report_says_so(shop: Shop, make_monitor: MakeMonitor) -> None:
    monitor = make_monitor(shop.runbooks(), shop.folder)
    monitor.until_watching()
    shop.send_signal(9)
    monitor.until_said("Incident 1", "was healed")
    assert shop.get("/") == 200
    found = monitor.end()
    assert (found["incidents"], found["healed"], found["actions"]) == (1, 1, 1)
    assert "by the runbook `open the shop`" in found["report"]
    assert "- Seen: page: connection refused; port: connection refused." in found["report"]


def test_a_runtime_that_closes_ends_the_watch_within_a_second_and_goes_on_after_it(
    shop: Shop, make_monitor: MakeMonitor
) -> None:
    monitor = make_monitor(shop.runbooks(), shop.folder)
    monitor.until_watching()
    began = time.monotonic()
    monitor.runtime.close()
    assert time.monotonic() - began < 1.0
    shop.do("stop")
    monitor.restart()
    monitor.until_said("Incident 1", "was healed")
    assert monitor.end()["incidents"] == 1


def test_green_looks_leave_no_trace_in_the_log(serve: Serve, tmp_path: Path, make_monitor: MakeMonitor) -> None:
    served = serve(lambda number: 200)
    monitor = make_monitor(served.runbooks(["true"]), tmp_path)
    position = monitor.until_quiet()
    served.wait_for(30)
    assert monitor.runtime.position == position


def test_a_look_that_fails_once_among_good_ones_is_no_incident(
    serve: Serve, tmp_path: Path, make_monitor: MakeMonitor
) -> None:
    served = serve(lambda number: 503 if number % 3 == 0 else 200)
    monitor = make_monitor(served.runbooks(["true"]), tmp_path)
    position = monitor.until_quiet()
    served.wait_for(30)
    assert monitor.runtime.position == position


def test_a_paused_fleet_does_not_look_and_looks_again_when_it_goes_on(shop: Shop, make_monitor: MakeMonitor) -> None:
    monitor = make_monitor(shop.runbooks(), shop.folder)
    monitor.until_watching()
    monitor.runtime.pause_fleet(monitor.fleet_id, "a pause")
    shop.do("stop")
    before = monitor.runtime.position
    assert monitor.runtime.timeline(monitor.fleet_id, after=before, wait_s=1.5) == ()
    monitor.runtime.resume_fleet(monitor.fleet_id)
    monitor.until_said("Incident 1", "was healed")


@pytest.mark.parametrize("restarts", [0, 3])
def test_a_fleet_with_a_time_ends_by_itself_however_often_it_is_restarted(
    shop: Shop, make_monitor: MakeMonitor, restarts: int
) -> None:
    monitor = make_monitor(shop.runbooks(), shop.folder, for_s="1.5")
    monitor.until_watching()
    for _ in range(restarts):
        monitor.restart()
    assert "**Nothing went wrong**" in monitor.result()["report"]
