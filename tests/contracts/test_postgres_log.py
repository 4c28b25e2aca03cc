"""A log in PostgreSQL: one process appends to it, whatever becomes of connections; and nothing is lost or doubled."""

import io
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psycopg
import pytest

from fleetlog.domain.errors import DirectoryOwned, InvalidArgument, StoreFault, StoreUnavailable
from fleetlog.runtime.store import NewEvent, postgres_writer
from fleetlog.runtime.store.postgres import PART_BYTES, PostgresLog
from tests.conftest import NewLog
from tests.postgres import PostgresServer

SHOWN = "the database"


def event(stream_id: str, version: int, state: bytes = b"state") -> NewEvent:
    return NewEvent(stream_id, version, "it.happened", state)


def versions(log: PostgresLog, stream_id: str) -> list[int]:
    return [stored.originator_version for stored in log.store.read(stream_id)]


@pytest.fixture
def url(new_log: NewLog) -> str:
    return new_log()


@pytest.fixture
def log(url: str) -> Iterator[PostgresLog]:
    with closing(PostgresLog(url, SHOWN, owned=True)) as opened:
        yield opened


def end_its_session(server: PostgresServer, log: PostgresLog) -> None:
    """The server ends the writer's session, as an administrator would."""
    holder = log._database.lock_holder()
    assert holder is not None
    with server.connection() as connection:
        connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))
        while connection.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", (holder[0],)).fetchone():
            pass


# --- who has it ----------------------------------------------------------------------------------


def test_a_log_has_one_owner_who_is_named_and_any_number_of_readers(url: str, log: PostgresLog) -> None:
    log.store.append([event("a", 1)])
    with pytest.raises(DirectoryOwned, match=rf"the log {SHOWN} is owned by process {os.getpid()} \(.*stop that"):
        PostgresLog(url, SHOWN, owned=True)
    with closing(PostgresLog(url, SHOWN, owned=False)) as reader:
        assert versions(reader, "a") == [1]
        assert (reader.owner or "").startswith(f"process {os.getpid()} (")
        with pytest.raises(StoreUnavailable, match="open for reading only"):
            reader.store.append([event("a", 2)])
        log.close()
        assert reader.owner is None
    PostgresLog(url, SHOWN, owned=True).close()


def test_two_schemas_are_two_logs(new_log: NewLog) -> None:
    with (
        closing(PostgresLog(new_log(), SHOWN, owned=True)) as one,
        closing(PostgresLog(new_log(), SHOWN, owned=True)) as other,
    ):
        one.store.append([event("a", 1)])
        assert (one.store.head(), other.store.head()) == (1, 0)
        assert one.log_id != other.log_id


def test_what_another_writes_past_the_lock_ends_our_appends(
    postgres: PostgresServer, url: str, log: PostgresLog
) -> None:
    log.store.append([event("a", 1)])
    schema = url.partition("schema=")[2]
    with postgres.connection() as connection:
        connection.execute(
            f"INSERT INTO {schema}.fleetlog_events (originator_id, originator_version, topic, state, notification_id)"
            " VALUES ('b', 1, 'it.happened', '', 2)"
        )
    for _ in range(2):
        with pytest.raises(StoreFault, match=r"another process has written to the log.*close this runtime"):
            log.store.append([event("a", 2)])
    assert versions(log, "a") == [1]


# --- connections that are lost -------------------------------------------------------------------


def test_a_session_that_is_ended_is_made_again_and_nothing_is_doubled(
    postgres: PostgresServer, log: PostgresLog
) -> None:
    for version in range(1, 6):
        log.store.append([event("a", version), event("b", version)])
        end_its_session(postgres, log)
    assert versions(log, "a") == versions(log, "b") == [1, 2, 3, 4, 5]
    assert [n.id for n in log.store.subscribe().next_batch(100, 0)] == list(range(1, 11))


def test_readers_get_over_connections_that_were_ended(postgres: PostgresServer, log: PostgresLog) -> None:
    log.store.append([event("a", 1)])
    for _ in range(3):
        assert versions(log, "a") == [1]
        with postgres.connection() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
                (log._database.name,),
            )


class Proxy:
    """Between a client and the server. `lose_answers` lets what is asked through, and no answer back."""

    def __init__(self, port: int, tamper: Callable[[bytes], bytes] = bytes) -> None:
        self._target, self._tamper = port, tamper
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lose_answers = threading.Event()
        self.refuse = threading.Event()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refuse.is_set():
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if self.lose_answers.is_set():
                    self.lose_answers.clear()
                    break
                client.sendall(self._tamper(data))
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def through(proxy: Proxy, server: PostgresServer, url: str) -> str:
    return url.replace(f":{server.port}/", f":{proxy.port}/")


@pytest.fixture
def proxy(postgres: PostgresServer) -> Iterator[Proxy]:
    proxy = Proxy(postgres.port)
    yield proxy
    proxy.close()


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_again(
    postgres: PostgresServer, proxy: Proxy, url: str
) -> None:
    with closing(PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)) as log:
        for version in range(1, 8):
            if version % 2:
                proxy.lose_answers.set()
            assert list(log.store.append([event("a", version), event("b", version)])) == [version * 2 - 1, version * 2]
        assert versions(log, "a") == versions(log, "b") == list(range(1, 8))


def test_while_the_server_cannot_be_reached_appends_fail_and_afterwards_they_go_on(
    postgres: PostgresServer, proxy: Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.3)
    with closing(PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)) as log:
        log.store.append([event("a", 1)])
        proxy.refuse.set()
        proxy.lose_answers.set()  # this one is committed, and nobody hears of it
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="the database cannot be reached"):
                log.store.append([event("a", 2)])
        proxy.refuse.clear()
        with pytest.raises(StoreFault):  # it is there already
            log.store.append([event("a", 2)])
        log.store.append([event("a", 3)])
        assert versions(log, "a") == [1, 2, 3]


def test_who_lost_the_lock_to_another_appends_nothing_while_it_works_and_nothing_after(
    postgres: PostgresServer, proxy: Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.3)
    with closing(PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)) as first:
        first.store.append([event("a", 1)])
        proxy.refuse.set()
        with closing(PostgresLog(url, SHOWN, owned=False)) as reader:
            end_its_session(postgres, reader)
        with closing(PostgresLog(url, SHOWN, owned=True)) as second:
            proxy.refuse.clear()
            with pytest.raises(StoreUnavailable, match="is owned by process"):
                first.store.append([event("a", 2, b"first")])
            second.store.append([event("a", 2, b"second")])
        for _ in range(2):
            with pytest.raises(StoreFault, match="another process has written"):
                first.store.append([event("a", 3)])
        assert [stored.state for stored in first.store.read("a")] == [b"state", b"second"]


def test_a_lock_that_another_held_and_did_nothing_with_is_taken_again(
    postgres: PostgresServer, proxy: Proxy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.3)
    with closing(PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)) as first:
        first.store.append([event("a", 1)])
        proxy.refuse.set()
        with closing(PostgresLog(url, SHOWN, owned=False)) as reader:
            end_its_session(postgres, reader)
        PostgresLog(url, SHOWN, owned=True).close()
        proxy.refuse.clear()
        assert list(first.store.append([event("a", 2)])) == [2]


def test_a_connection_pooler_between_is_refused(postgres: PostgresServer, url: str) -> None:
    def other_session(data: bytes) -> bytes:
        at = data.find(b"K\0\0\0\x0c")  # the message with the session's process id
        return data if at < 0 else data[: at + 5] + secrets.token_bytes(3) + b"\x01" + data[at + 9 :]

    proxy = Proxy(postgres.port, other_session)
    try:
        with pytest.raises(InvalidArgument, match="reached through a connection pooler"):
            PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)
    finally:
        proxy.close()


def test_a_role_that_does_not_wait_for_the_disk_does_so_here(postgres: PostgresServer, new_log: NewLog) -> None:
    role = f"hasty_{secrets.token_hex(4)}"
    with postgres.connection() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
        connection.execute(f"ALTER ROLE {role} SET synchronous_commit = off")
    with closing(PostgresLog(new_log().replace("postgres@", f"{role}@"), SHOWN, owned=True)) as log:
        assert log._writer is not None
        row = log._writer._connection.execute("SHOW synchronous_commit").fetchone()
    assert row == ("on",)


# --- artifacts, uptime, what is refused ----------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, 2 * PART_BYTES + 1])
def test_an_artifact_is_kept_in_parts_and_comes_back_whole(log: PostgresLog, size: int) -> None:
    content, digest = secrets.token_bytes(size), secrets.token_hex(32)
    assert not log.holds(digest)
    assert log.take(digest) is None
    for _ in range(2):
        log.keep(digest, io.BytesIO(content))
    assert log.holds(digest)
    assert log.take(digest) == content
    assert log.digests() == [digest]


def test_an_artifact_that_breaks_off_is_not_there(log: PostgresLog) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            if self.tell_count:
                raise OSError("the disk is gone")
            self.tell_count += 1
            return b"x" * size

        tell_count = 0

    with pytest.raises(StoreUnavailable, match="could not be stored: the disk is gone"):
        log.keep("0" * 64, Broken())  # type: ignore[arg-type]  # what it has of a file is enough
    assert not log.holds("0" * 64)


def test_uptime_never_goes_back(log: PostgresLog) -> None:
    assert log.uptime() == 0
    log.keep_uptime(90.5)
    log.keep_uptime(3)
    assert log.uptime() == 90.5


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("postgresql://me:secret@127.0.0.1:1/x", StoreUnavailable, "cannot be reached: .*refused"),
        ("postgresql://me:secret@127.0.0.1/x?colour=red", InvalidArgument, "cannot be used: invalid URI query"),
        ("postgresql://me:secret@127.0.0.1:99999/x", StoreUnavailable, "cannot be reached"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(wrong: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as raised:
        PostgresLog(wrong, SHOWN, owned=True)
    assert "secret" not in str(raised.value)


def test_who_may_not_make_tables_is_told_so(postgres: PostgresServer) -> None:
    with postgres.connection() as connection:
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("CREATE SCHEMA IF NOT EXISTS closed")
    with pytest.raises(StoreFault, match="the log the database cannot be opened: permission denied for schema closed"):
        PostgresLog(postgres.url("guest") + "?schema=closed", SHOWN, owned=True)


def test_a_role_that_may_only_look_looks_and_is_told_that_it_may_not_change(
    postgres: PostgresServer, url: str, log: PostgresLog
) -> None:
    log.store.append([event("a", 1)])
    log.close()
    role, schema = f"looker_{secrets.token_hex(4)}", url.partition("schema=")[2]
    with postgres.connection() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    theirs = url.replace("postgres@", f"{role}@")
    with closing(PostgresLog(theirs, SHOWN, owned=False)) as reader:
        assert versions(reader, "a") == [1]
    with pytest.raises(StoreFault, match="the log the database cannot be opened: permission denied for table"):
        PostgresLog(theirs, SHOWN, owned=True)
    with postgres.connection() as connection:
        connection.execute(f"GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA {schema} TO {role}")
    with closing(PostgresLog(theirs, SHOWN, owned=True)) as theirs_now:
        theirs_now.store.append([event("a", 2)])
        assert versions(theirs_now, "a") == [1, 2]


def test_a_schema_may_have_any_name(postgres: PostgresServer) -> None:
    with closing(PostgresLog(f'{postgres.url()}?schema=Our%20"logs"', SHOWN, owned=True)) as log:
        log.store.append([event("a", 1)])
        assert log.exists
        assert log.size_bytes > 0
        assert versions(log, "a") == [1]


def test_without_psycopg_it_is_said_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['psycopg'] = None\nfrom fleetlog.runtime.host import Runtime\n"
    program += "try: Runtime.open('postgresql://127.0.0.1/x')\nexcept Exception as error: print(repr(error))"
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env).stdout
    assert said.startswith("InvalidArgument(")
    assert "pip install 'fleetlog[postgres]'" in said


def test_a_log_that_is_closed_while_its_server_is_away_does_not_take_the_lock_again(
    postgres: PostgresServer, proxy: Proxy, url: str
) -> None:
    log = PostgresLog(through(proxy, postgres, url), SHOWN, owned=True)
    log.store.append([event("a", 1)])
    proxy.refuse.set()
    with closing(PostgresLog(url, SHOWN, owned=False)) as reader:
        end_its_session(postgres, reader)
    failed: list[Exception] = []

    def append() -> None:
        try:
            log.store.append([event("a", 2)])
        except StoreUnavailable as error:
            failed.append(error)

    appending = threading.Thread(target=append)
    appending.start()
    while log._writer is None or log._writer._lost_at is None:
        assert appending.is_alive()
    log.close()
    proxy.refuse.clear()
    appending.join(5)
    assert not appending.is_alive()
    assert len(failed) == 1
    PostgresLog(url, SHOWN, owned=True).close()
