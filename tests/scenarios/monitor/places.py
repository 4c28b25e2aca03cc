"""Services to break on purpose: the shop of the examples, and a PostgreSQL of its own; and a monitor that watches
them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.rows import TimelineEntry
from fleetlog.runtime.scenarios.monitor.brains import COMMANDER, OVER, SENTINEL
from fleetlog.runtime.scenarios.monitor.loading import load_plan
from fleetlog.runtime.scenarios.monitor.spec import Watching, monitor_spec
from tests.postgres import PostgresServer, free_port

EXAMPLE = Path(__file__).parents[3] / "examples" / "monitor"
IN_TIME_S = 60.0


class Shop:
    """The web server of the examples, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True)
        program = (EXAMPLE / "shop.py").read_text()
        (folder / "shop.py").write_text(program.replace('"8642"', f'"{self.port}"'))
        (folder / "logs").mkdir()
        self.do("start")

    def do(self, what: str) -> None:
        subprocess.run([sys.executable, "shop.py", what], cwd=self.folder, check=True, timeout=60)

    def get(self, path: str) -> int:
        """The status that a customer sees."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def send_signal(self, number: int) -> None:
        os.kill(int((self.folder / "shop.pid").read_text()), number)

    def fill_logs(self, size_bytes: int) -> None:
        (self.folder / "logs" / "day.log").write_bytes(b"x" * size_bytes)

    def runbooks(self) -> str:
        """The example's runbooks for this shop, looked at often."""
        text = (EXAMPLE / "runbooks.toml").read_text().replace("8642", str(self.port))
        text = text.replace('"python3"', f'"{sys.executable}"')
        for every in ("every_s = 5", "every_s = 10"):
            text = text.replace(f"{every}\n", "every_s = 0.2\n")
        return text

    def close(self) -> None:
        self.do("stop")


class Served:
    """A web server whose answers a test decides: `answer(number)` gives the status of the request of this number."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self.count = 0
        lock = threading.Lock()
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with lock:
                    served.count += 1
                    number = served.count
                self.send_response(answer(number))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def runbooks(self, command: Sequence[str], more: str = "") -> str:
        """One watch, and one runbook of this command."""
        return f"""
[[watch]]
name = "page"
kind = "http"
url = "http://127.0.0.1:{self._server.server_port}/"
every_s = 0.05
skills = ["web"]
[[runbook]]
name = "mend the page"
when = {{ watches = ["page"], text = "page" }}
skills = ["web"]
{more}
[[runbook.action]]
command = {_array(command)}
settle_s = 0.2
"""

    def wait_for(self, more: int) -> None:
        """Until so many more requests have come."""
        wanted, deadline = self.count + more, time.monotonic() + IN_TIME_S
        while self.count < wanted:
            assert time.monotonic() < deadline, "nobody asks"
            time.sleep(0.01)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Database(PostgresServer):
    """A server with few connections, and a table of the application's."""

    def __init__(self) -> None:
        super().__init__("max_connections = 12", "superuser_reserved_connections = 3", "fsync = off")
        with self.connect("postgres") as connection:
            connection.execute("create role app login")
            connection.execute("create table stock (item int primary key, pieces int)")
            connection.execute("insert into stock values (1, 5)")
            connection.execute("grant all on stock to app")

    def connect(self, user: str = "app") -> "psycopg.Connection[Any]":
        return psycopg.connect(self.url(user), autocommit=True)

    def runbooks(self) -> str:
        """Watches as the application sees it; runbooks that act as the owner."""
        psql = [*self.command(["psql"]), "-X", "-q", "-v", "ON_ERROR_STOP=1", self.url("postgres"), "-c"]
        blockers = (
            "select pg_terminate_backend(b) from (select distinct unnest(pg_blocking_pids(pid)) as b "
            "from pg_stat_activity where wait_event_type = 'Lock') x"
        )
        idle = "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle' and usename = 'app'"
        return f'''
[[watch]]
name = "database"
kind = "sql"
url = "{self.url("app")}"
query = "select 1"
equals = "1"
every_s = 0.3
skills = ["database"]
[[watch]]
name = "locks"
kind = "sql"
url = "{self.url("postgres")}"
query = """
select count(*) from pg_stat_activity where wait_event_type = 'Lock' and state_change < now() - interval '1 second'
"""
at_most = 0
every_s = 0.3
skills = ["database"]
[[check]]
name = "database port"
kind = "tcp"
port = {self.port}
[[runbook]]
name = "start the database"
when = {{ watches = ["database", "locks"], text = "database|postgres" }}
skills = ["database"]
if_fails = ["database port"]
verify = ["database"]
[[runbook.action]]
command = {_array(self.command(self.control("start")))}
[[runbook]]
name = "free connections"
when = {{ watches = ["database"], text = "database|postgres" }}
skills = ["database"]
if_passes = ["database port"]
verify = ["database"]
[[runbook.action]]
command = {_array([*psql, idle])}
[[runbook]]
name = "end who blocks"
when = {{ watches = ["locks"], text = "lock" }}
skills = ["database"]
if_passes = ["database"]
verify = ["locks"]
[[runbook.action]]
command = {_array([*psql, blockers])}
'''


def _array(words: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{word}"' for word in words) + "]"


class Monitor:
    """A fleet that watches by this text, in a runtime of its own."""

    def __init__(self, directory: Path, text: str, folder: Path, *, for_s: str = "", once: bool = False) -> None:
        self.directory = directory
        self.file = folder / "runbooks.toml"
        self.file.write_text(text)
        self.plan = load_plan(str(self.file))
        order = Watching(str(self.file), str(folder), for_s, "yes" if once else "")
        self.spec: FleetSpec = monitor_spec(order, self.plan)
        self.runtime = self._open()
        self.fleet_id = self.runtime.spawn_fleet(self.spec).fleet_id
        self.entries: list[TimelineEntry] = []

    def _open(self) -> Runtime:
        return Runtime.open(self.directory, config=RuntimeConfig(linger_s=0.02))

    def restart(self) -> None:
        """Close the runtime, and open it again."""
        self.runtime.close()
        self.runtime = self._open()

    def agent(self, name: str) -> str:
        return self.fleet_id.replace("fleet-", "agent-") + f"-{name}"

    def until(self, found: Callable[[TimelineEntry], object], what: str, times: int = 1) -> None:
        """Read on in the timeline until there are so many entries like this behind what was read."""
        deadline = time.monotonic() + IN_TIME_S
        while times:
            after = self.entries[-1].position if self.entries else 0
            for entry in self.runtime.timeline(self.fleet_id, after=after, limit=1_000, wait_s=1):
                self.entries.append(entry)
                if found(entry):
                    times -= 1
                    if not times:
                        return
            assert time.monotonic() < deadline, f"it never came: {what}\n" + "\n".join(
                f"{entry.agent_id[-12:]} {entry.what} {entry.summary[:300]}" for entry in self.entries[-30:]
            )

    def until_said(self, *parts: str, times: int = 1) -> None:
        """Until the commander has said something of an incident with all of these words."""
        self.until(
            lambda entry: entry.what == "agent.progress_reported" and all(part in entry.summary for part in parts),
            " ".join(parts),
            times,
        )

    def until_watching(self) -> None:
        """Until the sentinel has begun to watch."""
        name = self.agent(SENTINEL)
        self.until(
            lambda entry: (
                entry.agent_id == name and entry.what == "step.completed" and "look at the clock" in entry.summary
            ),
            "the clock",
        )

    def until_quiet(self) -> int:
        """Until the sentinel watches and everybody else waits; the log's position then."""
        self.until(lambda entry: entry.what == "agent.suspended", "all wait", times=5)
        return self.runtime.position

    def end(self) -> dict[str, Any]:
        """End the watch, and give what the commander submits."""
        self.runtime.cancel_agent(self.agent(SENTINEL), "the test is over")
        self.runtime.send_message("operator", self.agent(COMMANDER), self.fleet_id, "handoff", OVER)
        return self.result()

    def result(self) -> dict[str, Any]:
        results = self.runtime.collect_results(self.fleet_id, wait_s=IN_TIME_S)
        found = next(one for one in results.results if one.name == COMMANDER)
        assert found.status == "complete", results
        output: dict[str, Any] = found.output
        return output

    def close(self) -> None:
        self.runtime.close()


STOP, GO_ON = signal.SIGSTOP, signal.SIGCONT
