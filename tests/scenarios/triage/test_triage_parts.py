"""The parts by themselves: what counts as the same failure, as infrastructure, as a run; the search; the copies."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.runtime.brains.processes import CommandResult
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.triage.clusters import clusters_of, normalised
from fleetlog.runtime.scenarios.triage.copies import copy_of
from fleetlog.runtime.scenarios.triage.cutting import cut_to
from fleetlog.runtime.scenarios.triage.facts import Failure, Frame, Ground, Trace
from fleetlog.runtime.scenarios.triage.order import Order, inputs_text, order_of
from fleetlog.runtime.scenarios.triage.outcomes import outcomes_of
from fleetlog.runtime.scenarios.triage.search import Search, search
from fleetlog.runtime.scenarios.triage.signs import infrastructure

FILES = frozenset({"shop/net.py", "tests/test_net.py"})
OWN, TESTS, STDLIB = (
    Frame("shop/net.py", 1, "reach"),
    Frame("tests/test_net.py", 2, "test_x"),
    Frame("/usr/lib/socket.py", 9, "f"),
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 is late", "order 4711 is late"),
        ("<Cart at 0x7f3a>", "<Cart at 0x11bc>"),
        ("no /tmp/a/b1/x.txt here", "no /var/tmp/c/y.txt here"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-e89b-12d3-a456-426614174abc"),
        ("at 2026-11-23T10:00:00Z", "at 2025-01-02 11:12:13.5"),
        ("assert 'red' == 'blue'", "assert 'one' == 'two'"),
        ("assert 9.5 == -3", "assert 1 == 2"),
    ],
)
def test_what_varies_does_not_tell_messages_apart(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_what_is_said_tells_them_apart() -> None:
    assert (
        len({normalised(words) for words in ("no such order", "no such cart", "assert 1 == 2", "assert 1 in [2]")}) == 4
    )


def failing(test: str, *frames: Frame, message: str = "bad 1", exception: str = "ValueError") -> Failure:
    return Failure(
        f"tests/test_net.py::{test}", "call", Trace(exception, message, frames, (f"{exception}: {message}",))
    )


def test_one_mistake_reached_from_many_tests_is_one_cluster() -> None:
    failures = [
        failing(f"test_{n}", Frame("tests/test_net.py", n, f"test_{n}"), OWN, message=f"bad {n}") for n in range(5)
    ]
    failures.append(failing("test_a[1]", TESTS, message="assert 1 == 2", exception="AssertionError"))
    failures.append(failing("test_a[2]", TESTS, message="assert 3 == 4", exception="AssertionError"))
    found = clusters_of(failures, Ground(tuple(FILES)), {})
    assert [(cluster.id, len(cluster.tests)) for cluster in found] == [("C1", 5), ("C2", 2)]


REFUSED = "ConnectionRefusedError: [Errno 111] Connection refused"


@pytest.mark.parametrize(
    ("exception", "said", "frames", "source", "sign"),
    [
        ("ConnectionRefusedError", [REFUSED], [OWN, STDLIB], "", "connection refused"),
        ("ServiceError", [REFUSED, "ServiceError: gave up"], [OWN], "raise ServiceError", "connection refused"),
        ("OSError", ["OSError: [Errno 28] No space left on device"], [OWN], "x", "disk full"),
        ("TimeoutError", ["TimeoutError: timed out"], [OWN], "s.recv(1)", "time-out of a service"),
        ("ModuleNotFoundError", ["No module named 'redis'"], [], "", "dependency not installed"),
        ("OSError", ["OSError: x.so: cannot open shared object file"], [OWN], "", "system library missing"),
        ("AssertionError", ["AssertionError: Connection refused"], [TESTS], "", ""),
        ("ConnectionError", ["ConnectionError: Connection refused by policy"], [OWN], "raise ConnectionError(x)", ""),
        ("TimeoutError", ["TimeoutError: timed out"], [OWN], "raise TimeoutError('timed out')", ""),
        ("ModuleNotFoundError", ["No module named 'shop.cart'"], [], "", ""),
        ("FileNotFoundError", ["[Errno 2] No such file or directory: 'a.txt'"], [OWN], "", ""),
    ],
)
def test_infrastructure_is_what_breaks_outside_and_not_what_speaks_of_it(
    exception: str, said: list[str], frames: list[Frame], source: str, sign: str
) -> None:
    trace = Trace(exception, "", tuple(frames), tuple(said))
    found = infrastructure(trace, FILES, {"shop/net.py": source})
    assert (found[0] if found else "") == sign


@pytest.mark.parametrize(
    ("code", "output", "outcome"),
    [
        (0, "1 passed in 0.01s", "passed"),
        (1, "FAILED tests/test_net.py::test_x - assert 1 == 2\n1 failed in 0.01s", "failed"),
        (1, "FAILED sub/tests/test_net.py::test_x - assert 1 == 2\n1 failed in 0.01s", "failed"),
        (1, "/usr/bin/python: No module named pytest", "unusable"),
        (0, "1 skipped in 0.01s", "unusable"),
        (4, "ERROR: not found: /x/tests/test_net.py::test_x", "absent"),
        (4, "ERROR: file or directory not found: tests/test_net.py", "absent"),
        (4, "ERROR: unrecognized arguments: --what", "unusable"),
        (2, "ERROR tests/test_net.py - ImportError: no\n1 error in 0.1s", "failed"),
        (127, "env: 'pytest': No such file or directory", "unusable"),
        (-9, "", "failed"),
    ],
)
def test_a_run_is_believed_by_what_it_says(code: int, output: str, outcome: str) -> None:
    test = "tests/test_net.py::test_x"
    assert outcomes_of(CommandResult(code, output), [test], is_pytest=True)[test].outcome == outcome


def test_of_tests_that_are_run_together_each_has_its_outcome() -> None:
    tests = ["a/test_a.py::test_b", "a/test_a.py::test_c"]
    found = outcomes_of(
        CommandResult(1, f"FAILED {tests[1]} - KeyError: 1\n1 failed, 1 passed in 1s"), tests, is_pytest=True
    )
    assert [found[test].outcome for test in tests] == ["passed", "failed"]


@given(st.data())
def test_the_search_finds_the_commit_that_broke_it(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 300))
    first_bad = data.draw(st.integers(0, count - 1), label="oldest bad")
    born = data.draw(st.integers(first_bad, count - 1), label="oldest with the feature")
    known = data.draw(st.none() | st.just(count - 1))
    looks: list[int] = []

    def look(at: int) -> str:
        looks.append(at)
        return "bad" if at <= first_bad else "good" if at <= born else "absent"

    found = search(count, look, known)
    assert len(looks) <= 20
    if first_bad == count - 1:
        assert found == Search(count - 1, count - 1, "bad")
    else:
        assert found == Search(first_bad, first_bad + 1, "good" if first_bad < born else "absent")


def test_commits_that_cannot_be_judged_are_stepped_over_or_named_as_a_span() -> None:
    states = ["bad", "bad", "unknown", "unknown", "good", "good"]
    assert search(6, states.__getitem__) == Search(1, 4, "good")
    assert not search(6, states.__getitem__).is_exact
    assert search(3, ["bad", "unknown", "unknown"].__getitem__, 2) == Search(0, 0, "bad")


def test_a_file_of_tests_is_cut_to_one_of_them() -> None:
    source = (
        "import pytest\nfrom shop.cart import cheapest, total as whole\nfrom shop.new import later\n\nCASES = [1]\n"
        "\n@pytest.fixture\ndef box():\n    return 1\n\ndef test_total(box):\n    assert whole(CASES)\n"
        "\ndef test_cheapest():\n    assert cheapest([])\n"
        "\nclass TestLater:\n    def test_later(self):\n        later()\n"
    )
    cut = cut_to(source, "tests/test_cart.py::test_total[1]")
    assert "from shop.cart import total as whole" in cut
    assert "def box" in cut
    assert "CASES" in cut
    assert not [word for word in ("cheapest", "later") if word in cut]
    assert "from shop.new import later" in cut_to(source, "tests/test_cart.py::TestLater::test_later")
    assert cut_to("def broken(", "t.py::test_a") == "def broken("


def test_an_order_goes_through_a_prompt_unchanged() -> None:
    order = Order("/a b/c: d.xml", 0, "abc", "env A=1 python -m pytest {test}", 3, 7)
    assert order_of(inputs_of(f"Do it.{inputs_text(order)}")) == order


def test_a_copy_has_what_is_not_committed_and_an_older_one_has_not_and_the_workspace_stays(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "sub").mkdir(parents=True)

    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(["git", *identity, *words], cwd=top, check=True, capture_output=True, text=True).stdout

    git("init", "-q", "-b", "main")
    (top / "sub" / "a.py").write_text("old\n")
    (top / ".gitignore").write_text("secret.txt\n")
    git("add", "-A")
    git("commit", "-q", "-m", "begin")
    (top / "sub" / "a.py").write_text("new\n")
    (top / "sub" / "b.py").write_text("untracked\n")
    (top / "sub" / "secret.txt").write_text("ignored\n")
    before = git("status", "--porcelain"), git("for-each-ref"), git("rev-parse", "HEAD")
    with copy_of(str(top / "sub"), "t") as copy:
        assert (copy.folder / "a.py").read_text() == "new\n"
        assert sorted(path.name for path in copy.folder.iterdir()) == ["a.py", "b.py"]
        (copy.folder / "a.py").write_text("spoilt\n")
        (copy.folder / "left.txt").touch()
        copy.reset()
        assert (copy.folder / "a.py").read_text() == "new\n"
        assert not (copy.folder / "left.txt").exists()
        place = copy.folder
    assert not place.exists()
    with copy_of(str(top / "sub"), "t", "HEAD", {"b.py": "untracked\n"}) as copy:
        assert (copy.folder / "a.py").read_text() == "old\n"
        assert (copy.folder / "b.py").read_text() == "untracked\n"
    assert (git("status", "--porcelain"), git("for-each-ref"), git("rev-parse", "HEAD")) == before
