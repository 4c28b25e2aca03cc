"""`fleetlog run monitor`, alone and with a daemon, and alerts from outside."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from fleetlog.runtime.client import Client
from tests.cli.conftest import Fleetlog, fleetlog  # noqa: F401
from tests.scenarios.monitor.places import IN_TIME_S, Shop
from tests.servers.house import House, wait_for

PROGRAM = [sys.executable, "-m", "fleetlog.runtime.cli.main"]


def test_one_look_heals_and_prints_the_same_report_each_time(fleetlog: Fleetlog, shop: Shop) -> None:  # noqa: F811
    (shop.folder / "runbooks.toml").write_text(shop.runbooks())
    reports = []
    for _ in range(2):
        shop.do("stop")
        said = fleetlog("run", "monitor", str(shop.folder / "runbooks.toml"), "--once", "--out", "report.md")
        assert said.code == 0
        reports.append(Path("report.md").read_text())
        assert shop.get("/") == 200
    assert reports[0] == reports[1]
    assert "**1 incident** from 1 alert: 1 healed. 1 action made; nobody was asked." in reports[0]
    for hidden in (str(shop.folder), "help-", "fleet-"):
        assert hidden not in reports[0]


def test_a_daemon_keeps_watch_and_a_webhook_and_an_alert_reach_the_commander(
    fleetlog: Fleetlog, shop: Shop, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    (shop.folder / "runbooks.toml").write_text(shop.runbooks())
    house = House(tmp_path / "d")
    try:
        said = fleetlog("run", "monitor", str(shop.folder / "runbooks.toml"), "--detach", "--dir", str(tmp_path / "d"))
        assert said.code == 0
        (fleet,) = house.runtime.list_fleets(status="running").fleets
        hook = {"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "Slow", "service": "shop"}}]}
        for _ in range(2):
            answer = httpx2.post(f"{house.url}/hooks/alerts?fleet={fleet.id}", json=hook, trust_env=False)
            assert answer.status_code == 200
        commander = fleet.id.replace("fleet-", "agent-") + "-incident-commander"
        wait_for(lambda: "Incident 1 (Slow) was well" in progress(house, fleet.id, commander), "the webhook", IN_TIME_S)
        assert fleetlog("alert", fleet.id, "the shop page is odd", "--dir", str(tmp_path / "d")).code == 0
        wait_for(
            lambda: "Incident 2 (the shop page is odd)" in progress(house, fleet.id, commander), "alert", IN_TIME_S
        )
        asked = fleetlog("ask", "incident-commander", "how is it?", "--dir", str(tmp_path / "d"))
        assert asked.out.splitlines()[0].startswith("Incident 1 (Slow) was well when it was looked at")
        assert len(asked.out.splitlines()) == 2
    finally:
        house.close()


def progress(house: House, fleet_id: str, agent_id: str) -> str:
    return next(agent.progress for agent in house.runtime.fleet_status(fleet_id).agents if agent.id == agent_id)


@pytest.mark.slow
def test_a_watch_that_is_interrupted_goes_on_with_resume(shop: Shop, tmp_path: Path) -> None:
    (shop.folder / "runbooks.toml").write_text(shop.runbooks())
    words = ["run", "monitor", str(shop.folder / "runbooks.toml"), "--for", "10s", "--dir", str(tmp_path / "d")]
    child = subprocess.Popen([*PROGRAM, *words], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert "watches by" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGINT
    assert "To go on: fleetlog resume" in said
    shop.do("stop")
    child = subprocess.Popen([*PROGRAM, "resume", "--dir", str(tmp_path / "d")], stdout=subprocess.PIPE, text=True)
    out, _ = child.communicate(timeout=IN_TIME_S)
    assert child.returncode == 0
    assert "1 healed" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.toml"], "the runbooks {cwd}/nowhere.toml cannot be read"),
        (["bad.toml"], "{cwd}/bad.toml: watch 'x': unknown key 'prt'; did you mean 'port'?"),
        (["good.toml", "--for", "10"], "'--for' must be a time like 90s, 10m, 12h or 7d, got '10'"),
        (["good.toml", "--for", "1m", "--once"], "'--once' and '--for' exclude each other"),
        (["good.toml", "--workspace", "nowhere"], "'--workspace' must be a folder"),
        (["good.toml", "--brain", "clod"], "'--brain' must be exactly one of offline | claude"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_anything_is_recorded(
    arguments: list[str], said: str, fleetlog: Fleetlog  # noqa: F811
) -> None:  # fmt: skip
    good = '[[watch]]\nname = "x"\nkind = "tcp"\nport = 80\nevery_s = 1\n'
    Path("good.toml").write_text(good)
    Path("bad.toml").write_text(good.replace("port", "prt"))
    found = fleetlog("run", "monitor", *arguments)
    assert found.code == 2
    assert said.format(cwd=os.getcwd()) in found.err
    assert not Path(".fleetlog").exists()


def test_a_client_spawns_the_template_that_comes_along(shop: Shop, tmp_path: Path) -> None:
    (shop.folder / "runbooks.toml").write_text(shop.runbooks())
    house = House(tmp_path / "d")
    try:
        with Client.of(tmp_path / "d") as client:
            values = {"runbooks": str(shop.folder / "runbooks.toml"), "workspace": str(shop.folder), "for_s": "0.5"}
            made = client.spawn_from_template("monitor", values, spawn=True)
            assert client.collect_results(made.fleet_id, wait_s=30).status == "complete"
    finally:
        house.close()
