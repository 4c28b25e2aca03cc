"""Is the right runbook chosen, is it healed, and is nothing done about what is well? On a real web server and a
PostgreSQL.

Each breakage is made at random moments of the watch's rhythm, in an order of the seed's; the figures are printed.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from msgspec import Struct

from tests.scenarios.monitor.conftest import MakeMonitor
from tests.scenarios.monitor.places import STOP, Database, Shop

SEEDS = (3, pytest.param(11, marks=pytest.mark.slow))


class Breakage(Struct, frozen=True):
    """Something to break; `runbook` is the one that is right."""

    name: str
    runbook: str
    make: Callable[[], None]


def of_the_shop(shop: Shop) -> list[Breakage]:
    return [
        Breakage("killed", "open the shop", lambda: shop.send_signal(9)),
        Breakage("answers 500", "free the till", lambda: assert_status(shop, "/jam", 500)),
        Breakage("hangs", "free the till", lambda: shop.send_signal(STOP)),
        Breakage("logs are full", "tidy the logs", lambda: shop.fill_logs(1_500_000)),
    ]


def assert_status(shop: Shop, path: str, status: int) -> None:
    assert shop.get(path) == status


def of_the_database(database: Database, stack: ExitStack) -> list[Breakage]:
    return [
        Breakage("stopped", "start the database", database.stop),
        Breakage("no connection left", "free connections", lambda: take_all_connections(database, stack)),
        Breakage("stuck lock", "end who blocks", lambda: stack.enter_context(stuck_lock(database))),
    ]


def take_all_connections(database: Database, stack: ExitStack) -> None:
    """As a leaking pool does; what is watched may have to be waited for."""
    for _ in range(100):
        try:
            stack.callback(database.connect().close)
        except psycopg.OperationalError:
            return
    raise AssertionError("there are more connections than the server admits")


@contextmanager
def stuck_lock(database: Database) -> Iterator[None]:
    """A transaction somebody forgot, and a customer who waits for it."""
    forgotten = psycopg.connect(database.url("app"))
    forgotten.execute("update stock set pieces = pieces - 1 where item = 1")
    bought = threading.Thread(target=buy, args=(database,))
    bought.start()
    try:
        yield
    finally:
        forgotten.close()
        bought.join()


def buy(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("update stock set pieces = pieces - 1 where item = 1")


def chosen(
    make_monitor: MakeMonitor, text: str, folder: Path, breakage: Breakage, stack: ExitStack
) -> tuple[str, bool]:
    """(the runbook that was chosen, whether it was healed by one action) for one breakage."""
    monitor = make_monitor(text, folder)
    monitor.until_watching()
    breakage.make()
    monitor.until_said("Incident 1")
    stack.close()
    found = monitor.end()
    runbook = found["report"].partition("### 1. ")[2].partition("runbook `")[2].partition("`")[0]
    return runbook, found["healed"] == found["incidents"] == found["actions"] == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_every_breakage_is_healed_by_the_right_runbook(
    seed: int,
    shop: Shop,
    database: Database,
    tmp_path: Path,
    make_monitor: MakeMonitor,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = f"{shop.runbooks().replace('timeout_s = 5 ', 'timeout_s = 1 ')}\n{database.runbooks()}"
    with ExitStack() as stack:
        breakages = of_the_shop(shop) + of_the_database(database, stack)
        random.Random(seed).shuffle(breakages)
        found = [(one, *chosen(make_monitor, text, shop.folder, one, stack)) for one in breakages]
    right = sum(runbook == one.runbook for one, runbook, _ in found)
    healed = sum(was_healed for _, _, was_healed in found)
    acted = sum(bool(runbook) for _, runbook, _ in found)
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f"\nbreakages {len(found)}: healed {healed}, right runbook {right} of {acted} that were chosen"
        )
    assert (right, healed) == (len(found), len(found)), [(one.name, runbook, ok) for one, runbook, ok in found]


def test_nothing_is_done_about_what_is_well(
    shop: Shop, database: Database, make_monitor: MakeMonitor, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = shop.runbooks().replace(f":{shop.port}/", f":{shop.port}/slow")
    monitor = make_monitor(f"{slow}\n{database.runbooks()}", shop.folder)
    monitor.until_watching()
    shop.fill_logs(900_000)
    with database.connect() as connection, connection.transaction():
        connection.execute("update stock set pieces = pieces + 1 where item = 1")
    false_alarms = (
        "the shop page is down",
        "database: too many clients",
        "disk space is low",
        "a lock in the database",
    )
    for number, text in enumerate(false_alarms):
        monitor.runtime.alert(monitor.fleet_id, "critical", text)
        monitor.until_said(f"Incident {number + 1}", "was well when it was looked at")
    found = monitor.end()
    with capsys.disabled():
        print(  # noqa: T201 - the figures
            f"\nfalse alarms {len(false_alarms)}: acted on {found['actions']}"
        )
    assert (found["incidents"], found["actions"], found["asked_people"]) == (len(false_alarms), 0, 0)
