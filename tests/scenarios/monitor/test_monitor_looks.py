"""Each kind of check on the real thing: what passes, what fails, in which words, and that each ends in time."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetlog.runtime.scenarios.monitor.probes import Look, look
from fleetlog.runtime.scenarios.monitor.runbooks import Check
from tests.postgres import free_port
from tests.scenarios.monitor.places import Database, Shop
from tests.servers.house import wait_for


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def http(port: int, path: str = "/", contains: str = "") -> Check:
    url = f"http://127.0.0.1:{port}{path}"
    return Check(name="page", kind="http", url=url, timeout_s=5, contains=contains)


def test_a_web_server_is_asked_for_its_status_and_its_words(shop: Shop) -> None:
    assert look(http(shop.port)) == Look(True, "status 200")
    assert look(http(shop.port, "/slow", "open")).ok
    assert look(http(shop.port, contains="closed")) == Look(False, "status 200, but the page does not say 'closed'")
    assert look(replace(http(shop.port), status=(204,))) == Look(False, "status 200")
    shop.get("/jam")
    assert look(http(shop.port)) == Look(False, "status 500")
    assert look(replace(http(shop.port), status=(500,))).ok
    assert look(http(free_port())) == Look(False, "connection refused")


def test_a_server_that_never_answers_is_given_up_in_time(deaf: int) -> None:
    began = time.monotonic()
    assert look(replace(http(deaf), timeout_s=0.2)) == Look(False, "no answer within 0.2 s")
    assert time.monotonic() - began < 2
    assert look(Check(name="port", kind="tcp", port=deaf)).ok


def test_a_port_is_tried() -> None:
    assert look(Check(name="port", kind="tcp", port=free_port())) == Look(False, "connection refused")


def test_a_folder_and_a_disk_have_room_or_not(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"x" * 2_000_000)
    logs = Check(name="logs", kind="disk", path="logs", max_size_mb=1)
    assert look(logs, str(tmp_path)) == Look(False, "logs holds more than 1 MB")
    assert look(replace(logs, max_size_mb=3.0), str(tmp_path)).ok
    assert not look(Check(name="d", kind="disk", path=str(tmp_path), min_free_mb=1e12)).ok
    assert look(Check(name="d", kind="disk", path=str(tmp_path), min_free_mb=0.001)).ok
    assert not look(Check(name="d", kind="disk", path=str(tmp_path), max_used_percent=0.0001)).ok
    assert (
        look(Check(name="d", kind="disk", path="gone", max_size_mb=1), str(tmp_path)).said
        == "no such file or directory"
    )


def test_a_process_is_found_by_its_command_and_by_its_pid_file(tmp_path: Path) -> None:
    mark = f"monitored-{os.getpid()}"
    child = subprocess.Popen([sys.executable, "-c", "input()", mark], stdin=subprocess.PIPE)
    (tmp_path / "x.pid").write_text(f"{child.pid}\nmore\n")
    by_command = Check(name="p", kind="process", command=mark)
    by_file = Check(name="p", kind="process", pid_file="x.pid")
    another = replace(by_file, command="another-program")
    try:
        wait_for(lambda: look(by_command).ok, "it has no command line")  # a moment after it was started
        assert look(by_file, str(tmp_path)).ok
        assert look(another, str(tmp_path)) == Look(False, "the process of x.pid is another program")
    finally:
        child.communicate()
    assert look(by_command) == Look(False, f"no process is '{mark}'")
    assert look(by_file, str(tmp_path)) == Look(False, "the process of x.pid is gone")
    (tmp_path / "x.pid").unlink()
    assert look(by_file, str(tmp_path)) == Look(False, "x.pid is not there")


def test_sqlite_is_asked_and_can_only_be_read(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table orders (id)")
    connection.close()
    orders = Check(name="q", kind="sql", url="sqlite:shop.db", query="select count(*) from orders", at_most=0)
    assert look(orders, str(tmp_path)) == Look(True, "the query gives 0")
    assert look(replace(orders, at_least=1.0), str(tmp_path)) == Look(False, "the query gives 0, less than 1")
    assert look(replace(orders, equals="3"), str(tmp_path)) == Look(False, "the query gives 0, not 3")
    assert "readonly" in look(replace(orders, query="delete from orders"), str(tmp_path)).said
    assert not look(replace(orders, url="sqlite:other.db"), str(tmp_path)).ok
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    assert look(replace(orders, query=endless, timeout_s=0.2), str(tmp_path)).said == "no answer within 0.2 s"


def test_postgresql_is_asked_and_can_only_be_read(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCK_URL", database.url("app"))
    stock = Check(name="q", kind="sql", url="${STOCK_URL}", query="select count(*) from stock", equals="1")
    assert look(stock) == Look(True, "the query gives 1")
    assert "read-only transaction" in look(replace(stock, query="delete from stock")).said
    assert look(replace(stock, query="select pg_sleep(9)", timeout_s=0.3)).said == "no answer within 0.3 s"
    assert not look(replace(stock, url="postgresql://app@127.0.0.1:1/x")).ok
    monkeypatch.delenv("STOCK_URL")
    assert look(stock) == Look(False, "the environment variable STOCK_URL is not set")
