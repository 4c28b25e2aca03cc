"""kill -9 of the process that appends to PostgreSQL, and of PostgreSQL itself: what was answered is there, once."""

import itertools
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.backup import back_up
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.places import place_of
from fleetlog.runtime.store.postgres import PostgresLog
from tests.crash.logs import check_log
from tests.crash.test_kill import CHILD, make_workspace, run_to_the_end
from tests.postgres import IS_INSTALLED, PostgresServer

DEATHS = 12
AGENTS, STEPS = 20, 30
OURS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'fleetlog%'"

WRITER = """
import sys
from fleetlog.runtime.store import NewEvent
from fleetlog.runtime.store.postgres import PostgresLog
log = PostgresLog(sys.argv[1], "the database", owned=True)
version = len(log.store.read("left"))
print("open", version, flush=True)
while True:
    version += 1
    log.store.append([NewEvent(name, version, "it.happened", b"%d" % version) for name in ("left", "right")])
    print("answered", version, flush=True)
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    if not IS_INSTALLED:
        pytest.skip("there is no PostgreSQL server below /usr/lib/postgresql")
    server = PostgresServer()
    yield server
    server.close()


def start_writer(url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True)


def read_answers(child: "subprocess.Popen[str]", count: int) -> int:
    """The last number that was answered, of so many lines or as many as there are."""
    assert child.stdout is not None
    last = 0
    for _ in range(count):
        if not (line := child.stdout.readline()):
            break
        last = int(line.split()[1])
    return last


@pytest.mark.slow
def test_every_append_that_was_answered_is_there_once_whoever_is_killed(server: PostgresServer) -> None:
    chooser = random.Random()
    answered = 0
    child = start_writer(server.url())
    for number in range(DEATHS):
        answered = max(answered, read_answers(child, chooser.randint(1, 200)))
        if number % 3 == 2:  # the writer lives, and goes on by itself
            server.stop()
            server.start()
            continue
        child.send_signal(signal.SIGKILL)
        answered = max(answered, read_answers(child, 1_000_000))
        child.communicate()
        child = start_writer(server.url())
    answered = max(answered, read_answers(child, 20))
    child.send_signal(signal.SIGKILL)
    answered = max(answered, read_answers(child, 1_000_000))
    child.communicate()
    with closing(PostgresLog(server.url(), "the database", owned=True)) as log:
        for name in ("left", "right"):
            stored = [(one.originator_version, bytes(one.state)) for one in log.store.read(name)]
            assert len(stored) in (answered, answered + 1)
            assert stored == [(version, b"%d" % version) for version in range(1, len(stored) + 1)]
        assert log.store.head() == 2 * len(stored)


@pytest.mark.slow
def test_a_fleet_makes_each_step_once_while_its_sessions_and_its_server_die_under_it(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made: Counter[tuple[str, int]] = Counter()
    over = threading.Event()

    def work(ctx: Context) -> int:
        def act(number: int) -> str:
            made[ctx.name, number] += 1
            return "x" * (300_000 if number % 2 else 10)

        return sum(len(ctx.step("act", "effectful", act, number)) for number in range(STEPS))

    def kill_sessions() -> None:
        for number in itertools.count(1):
            if over.wait(0.2):
                return
            if number % 8:
                with server.connection() as connection:
                    connection.execute(OURS)
            else:
                server.stop()
                server.start()

    with Runtime.open(server.url(), brains={"work": work}) as runtime:
        killer = threading.Thread(target=kill_sessions)
        killer.start()
        try:
            agent = AgentSpec(role="w", prompt="x", brain="work", each=tuple(range(AGENTS)))
            fleet_id = runtime.spawn_fleet(FleetSpec(agents=(agent,))).fleet_id
            results = runtime.collect_results(fleet_id, wait_s=120)
        finally:
            over.set()
            killer.join()
        assert {result.output for result in results.results} == {STEPS // 2 * 300_010}
        assert (len(results.results), results.status) == (AGENTS, "complete")
        assert set(made.values()) == {1}
        assert len(made) == AGENTS * STEPS
        assert runtime.verify_ledger().findings == ()


def start_job(url: str, workspace: Path, machine: Path) -> "subprocess.Popen[str]":
    machine.mkdir(exist_ok=True)
    program = CHILD.replace("directory, workspace = Path(sys.argv[1]), sys.argv[2]", JOB)
    program = program.replace("Runtime.open(directory)", "Runtime.open(url)")
    child = subprocess.Popen(
        [sys.executable, "-c", program, url, str(workspace), str(machine)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(machine)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


JOB = "url, workspace, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])"


@pytest.mark.slow
def test_a_job_that_moves_between_machines_as_they_die_gives_the_undisturbed_report(
    server: PostgresServer, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    make_workspace(workspace)
    undisturbed = run_to_the_end(tmp_path / "undisturbed", workspace)
    chooser = random.Random()
    for number in range(DEATHS):
        child = start_job(server.url(), workspace, tmp_path / f"machine-{number % 3}")
        try:
            child.wait(chooser.uniform(0.0, 0.6))
        except subprocess.TimeoutExpired:
            if number % 4 == 3:
                server.stop()
                server.start()
        child.send_signal(signal.SIGKILL)
        child.communicate()
    machine = tmp_path / "machine-last"
    child = start_job(server.url(), workspace, machine)
    output, _ = child.communicate(timeout=120)
    assert (child.returncode, output) == (0, "done\n")
    assert (machine / "report.md").read_text() == undisturbed
    source, copy = place_of(server.url()), place_of(tmp_path / "copy")
    assert source is not None
    assert copy is not None
    assert back_up(source, copy).verdict.ok
    check_log(copy.folder)
