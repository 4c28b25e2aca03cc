"""A backup made while the directory is in use is whole, can be made again, and goes on elsewhere."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.backup import back_up
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.places import Place

LARGE = "x" * 300_000


def work(ctx: Any) -> dict[str, Any]:
    large = ctx.step("make", "pure", lambda: LARGE)
    first = ctx.receive(types=("handoff",))
    return {"size": len(large), "told": first.payload}


def started(directory: Path) -> tuple[Runtime, str, str]:
    runtime = Runtime.open(directory, brains={"work": work})
    fleet = runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="a", prompt="b", brain="work"),)))
    while runtime.fleet_status(fleet.fleet_id).agents[0].status != "waiting":
        runtime.timeline(fleet.fleet_id, after=runtime.position, wait_s=0.2)
    return runtime, fleet.fleet_id, fleet.agent_ids[0]


def test_a_backup_of_a_directory_in_use_goes_on_elsewhere(tmp_path: Path) -> None:
    runtime, fleet_id, agent_id = started(tmp_path / "live")
    with runtime:
        stop = threading.Event()

        def write() -> None:
            while not stop.is_set():
                runtime.send_message("operator", agent_id, fleet_id, "alert", "on and on")

        writer = threading.Thread(target=write)
        writer.start()
        try:
            done = [back_up(Place(tmp_path / "live"), Place(tmp_path / "copy")) for _ in range(5)]
        finally:
            stop.set()
            writer.join()
    positions = [one.position for one in done]
    assert positions == sorted(positions)
    assert all(one.verdict.ok for one in done)
    assert [(one.artifacts, one.new_artifacts) for one in done] == [(1, 1), *[(1, 0)] * 4]
    with Runtime.open(tmp_path / "copy", brains={"work": work}) as copy:
        assert copy.position >= positions[-1]
        copy.send_message("operator", agent_id, fleet_id, "handoff", "go on")
        results = copy.collect_results(fleet_id, wait_s=30)
    assert results.results[0].output == {"size": len(LARGE), "told": "go on"}


def _another_log(live: Path, target: Path) -> None:
    started(target)[0].close()


def _a_file(live: Path, target: Path) -> None:
    target.write_text("x")


def _other_things(live: Path, target: Path) -> None:
    target.mkdir()
    (target / "letter.txt").write_text("keep me")


def _a_copy_that_went_on(live: Path, target: Path) -> None:
    back_up(Place(live), Place(target))
    with Runtime.open(target, brains={"work": work}) as runtime:
        runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="c", prompt="d"),)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_another_log, "holds another log"),
        (_a_copy_that_went_on, "holds another log, or one that is ahead"),
        (_a_file, "must be a folder"),
        (_other_things, "neither empty nor a backup"),
    ],
)
def test_what_is_no_earlier_copy_is_never_overwritten(
    tmp_path: Path, make: Callable[[Path, Path], None], said: str
) -> None:
    started(tmp_path / "live")[0].close()
    target = tmp_path / "target"
    make(tmp_path / "live", target)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and "target" in str(path)}
    with pytest.raises(InvalidArgument, match=said):
        back_up(Place(tmp_path / "live"), Place(target))
    assert {path: path.read_bytes() for path in before} == before


def test_a_backup_inside_the_directory_is_refused(tmp_path: Path) -> None:
    started(tmp_path / "live")[0].close()
    with pytest.raises(InvalidArgument, match="outside"):
        back_up(Place(tmp_path / "live"), Place(tmp_path / "live" / "copy"))
