"""Make a small shop with a history, whose tests fail for known reasons: something to try `fleetlog run triage` on.

    python examples/triage/make_shop.py shop          # a git repository in shop/
    fleetlog run triage shop/report.xml --workspace shop

47 tests fail: 15 because commits broke what they test, 12 because it was never right, 8 by chance, 12 because
something outside is missing. report.xml and pytest.log are what pytest printed; truth.json says which is which. It
needs git and pytest. Another seed (`--seed 5`) gives other mistakes in another history.
"""

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DAY_S = 86_400
AUTHORS = ("Ann", "Bea", "Cem", "Dot")
MAX_TRIES = 60


class Part(NamedTuple):
    """A function of the shop, right and wrong, and cases in which the wrong one fails."""

    module: str
    name: str
    arguments: str
    right: str
    wrong: str
    cases: str


PARTS = (
    Part("prices", "net", "gross, rate", "return round(gross / (1 + rate), 2)", "return round(gross * (1 - rate), 2)",
         "((119, 0.19), 100), ((107, 0.07), 100), ((238, 0.19), 200)"),
    Part("prices", "discount", "price, percent", "return round(price * (100 - percent) / 100, 2)",
         "return round(price - percent, 2)", "((200, 10), 180), ((50, 50), 25), ((80, 25), 60)"),
    Part("cart", "total", "lines", "return sum(amount * price for amount, price in lines)",
         "return sum(line.amount * line.price for line in lines)",
         "(([(1, 2)],), 2), (([(2, 3), (1, 1)],), 7), (([(5, 5)],), 25)"),
    Part("cart", "cheapest", "lines", "return min(price for _, price in lines)", "return sorted(lines)[0][1]",
         "(([(2, 5), (1, 9)],), 5), (([(3, 1), (1, 2)],), 1), (([(9, 4), (2, 8)],), 4)"),
    Part("stock", "left", "stock, sku, amount", "return stock.get(sku, 0) - amount",
         "return stock[sku.upper()] - amount",
         '(({"a": 3}, "a", 1), 2), (({"b": 5}, "b", 5), 0), (({"c": 2}, "c", 1), 1)'),
    Part("orders", "number", "year, count", 'return f"{year}-{count:05d}"', 'return f"{year}-{count:04d}"',
         '((2026, 7), "2026-00007"), ((2025, 12), "2025-00012"), ((2024, 123), "2024-00123")'),
    Part("search", "tokens", "text", "return text.lower().split()", "return text.split()",
         '(("Red Shoe",), ["red", "shoe"]), (("HAT",), ["hat"]), (("a B",), ["a", "b"])'),
    Part("dates", "quarter", "month", "return (month - 1) // 3 + 1", "return month // 3 + 1",
         "((3,), 1), ((6,), 2), ((12,), 4)"),
    Part("coupons", "percent", "coupon", 'return coupon.get("percent", 0)', 'return coupon["rate"]',
         '(({"percent": 5},), 5), (({},), 0), (({"percent": 20},), 20)'),
    Part("parcels", "boxes", "items, size", "return -(-items // size)", "return items // size",
         "((5, 2), 3), ((7, 3), 3), ((1, 4), 1)"),
    Part("tax", "vat", "country", 'return {"DE": 19, "FR": 20}.get(country, 21)',
         'return {"DE": 19, "FR": 20}[country]',
         '(("ES",), 21), (("NL",), 21), (("BE",), 21)'),
    Part("names", "initials", "name", 'return "".join(part[0] for part in name.split())',
         'return "".join(part[0] for part in name.split(" "))',
         '(("Ann  Bee",), "AB"), (("Cem  D  E",), "CDE"), ((" Fay",), "F")'),
    Part("points", "earned", "total", "return total // 10", "return total // (total % 10)",
         "((10,), 1), ((20,), 2), ((50,), 5)"),
)  # fmt: skip

REFUSAL = Part(
    "mail", "refusal", "port", 'return f"Connection refused on port {port}"', 'return f"Refused: {port}"',
    '((25,), "Connection refused on port 25"), ((26,), "Connection refused on port 26"), '
    '((27,), "Connection refused on port 27")',
)  # fmt: skip
"""A regression that speaks of the network and has nothing to do with it."""

DRAW = Part(
    "lottery", "draw", "seed", "return random.Random(seed).randint(1, 6)", "return random.Random(seed).randint(7, 9)",
    "((1,), 2), ((2,), 1), ((3,), 2)",
)  # fmt: skip
"""A real bug with chance in its source, which always fails."""

SERVICES = '''"""What the shop needs of others."""

import ctypes
import socket


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=1)


def address(host):
    return socket.getaddrinfo(host, 25, flags=socket.AI_NUMERICHOST)


def export(text):
    with open("/dev/full", "w") as file:
        file.write(text)


def sign(text):
    return ctypes.CDLL("libshopsign.so.3").sign(text)


def answer(port):
    with connect(port) as connection:
        connection.settimeout(0.05)
        return connection.recv(10)
'''
TEST_SERVICES = """import socket

import pytest

from shop import services


@pytest.fixture
def database():
    with services.connect(1) as connection:
        yield connection


@pytest.mark.parametrize("row", [1, 2, 3, 4])
def test_row(database, row):
    assert database.recv(row)


def test_schema(database):
    assert database


@pytest.mark.parametrize("host", ["mail.shop.internal", "relay.shop.internal"])
def test_host(host):
    assert services.address(host)


@pytest.mark.parametrize("lines", [3, 5000])
def test_export(lines):
    services.export("line\\n" * lines)


@pytest.mark.parametrize("text", ["a", "b"])
def test_signature(text):
    assert services.sign(text)


def test_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert services.answer(server.getsockname()[1])
"""
TEST_SESSION = """from shop import session


def test_login():
    session.OPEN["ann"] = 1
    assert session.OPEN


def test_nobody_is_logged_in():
    assert not session.OPEN


def test_there_is_room():
    assert len(session.OPEN) == 0


def test_a_guest_is_unknown():
    assert "ann" not in session.OPEN
"""
TEST_CHANCE = """import random
import time


def test_banner():
    assert random.random() < 0.5


def test_clock():
    assert time.time_ns() // 1000 % 2


def test_first_offer():
    assert hash("offer") % 2


def test_first_shelf():
    assert hash("shelf") % 2


def test_first_window():
    assert hash("window") % 2
"""
TEST_WAREHOUSE = """import socket

from shop import warehouse


def test_warehouse(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WAREHOUSE_PORT", str(server.getsockname()[1]))
        warehouse.reach().close()
"""
WAREHOUSE = """import os
import socket


def reach():
    return socket.create_connection(("127.0.0.1", {port}))
"""
PORTS = {False: 'int(os.environ["WAREHOUSE_PORT"])', True: "1"}
"""The right one and the wrong one: refused, and yet no infrastructure."""


class Repository:
    """A git repository whose commits are a day apart."""

    def __init__(self, root: Path, chooser: random.Random) -> None:
        self.root, self._chooser, self._time_s = root, chooser, 1_760_000_000
        root.mkdir(parents=True)
        self._git("init", "-q", "-b", "main")

    def commit(self, subject: str, files: dict[str, str]) -> str:
        """Write the files, commit them, and give the commit's id."""
        for name, text in files.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self._time_s += DAY_S
        self._git("add", "-A")
        self._git("commit", "-q", "--allow-empty", "-m", subject)
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        author = self._chooser.choice(AUTHORS)
        who = {"NAME": author, "EMAIL": f"{author.lower()}@example.org", "DATE": f"{self._time_s} +0000"}
        identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        found = subprocess.run(
            ["git", *arguments], cwd=self.root, env=os.environ | identity | quiet, check=True, capture_output=True
        )
        return found.stdout.decode()


class Shop:
    """The shop as it grows: which parts it has, which of them are wrong, which are tested."""

    def __init__(self, root: Path, seed: int, *, with_warehouse: bool, is_small: bool) -> None:
        self._chooser = random.Random(seed)
        self._repository = Repository(root, self._chooser)
        self._with_warehouse = with_warehouse
        parts = self._chooser.sample(PARTS, len(PARTS))
        self.regressed, self.born_wrong, self.sound = [REFUSAL, *parts[:4]], [DRAW, *parts[4:7]], parts[7:]
        if is_small:
            self.regressed, self.born_wrong, self.sound = parts[:2], parts[4:5], parts[7:9]
        self.is_small = is_small
        self._present: list[Part] = []
        self._wrong: set[Part] = set()
        self._tested: set[Part] = set()
        self._remarks = 0
        self.culprits: dict[str, str] = {}
        self.first = ""

    def build(self) -> None:
        """The whole history."""
        late = {self.regressed[-1], self.born_wrong[-1]}
        self._present = [*self.regressed, *self.sound[:3]]
        self._tested = set(self._present) - late
        warehouse = self._warehouse(wrong=False) if self._with_warehouse else {}
        self.first = self._commit("Begin the shop", {"shop/session.py": "OPEN = {}\n"} | warehouse)
        events = [("grow", part) for part in (*self.born_wrong, *self.sound[3:])]
        events += [("break", part) for part in self.regressed] + [("remark", part) for part in self.sound[:4]]
        self._chooser.shuffle(events)
        for what, part in events:
            self._happen(what, part, late)
        if self._with_warehouse:
            broken = self._commit("Settle the port of the warehouse", self._warehouse(wrong=True))
            self.culprits["tests/test_warehouse.py::test_warehouse"] = broken
        self._tested |= late
        self._commit("Test more", {})
        if self.is_small:
            return
        services = {"shop/services.py": SERVICES, "tests/test_services.py": TEST_SERVICES}
        chance = {"tests/test_session.py": TEST_SESSION, "tests/test_chance.py": TEST_CHANCE}
        self._commit("Test services, sessions and offers", services | chance)
        self._remarks += 1
        self._commit("Explain the lottery", {})

    def _happen(self, what: str, part: Part, late: set[Part]) -> None:
        if what == "grow":
            self._present.append(part)
            self._tested |= {part} - late
            if part in self.born_wrong:
                self._wrong.add(part)
            self._commit(f"Add {part.name} to {part.module}", {})
        elif what == "break":
            self._wrong.add(part)
            commit = self._commit(f"Simplify {part.name}", {"CHANGES.md": f"- simpler {part.name}\n"})
            self.culprits |= dict.fromkeys(tests_of(part), commit)
        else:
            self._remarks += 1
            self._commit(f"Explain {part.module}", {})

    def _warehouse(self, *, wrong: bool) -> dict[str, str]:
        return {"shop/warehouse.py": WAREHOUSE.format(port=PORTS[wrong]), "tests/test_warehouse.py": TEST_WAREHOUSE}

    def _commit(self, subject: str, files: dict[str, str]) -> str:
        return self._repository.commit(subject, dict(self._files()) | files)

    def _files(self) -> Iterator[tuple[str, str]]:
        yield "shop/__init__.py", ""
        for module in dict.fromkeys(part.module for part in self._present):
            parts = [part for part in self._present if part.module == module]
            yield f"shop/{module}.py", self._module(module, parts)
            tested = [part for part in parts if part in self._tested]
            if tested:
                yield f"tests/test_{module}.py", _tests(module, tested)

    def _module(self, module: str, parts: list[Part]) -> str:
        remark = f"  # remark {self._remarks}" if module in ("lottery", self.sound[0].module) else ""
        functions = [
            f"def {part.name}({part.arguments}):{remark}\n    {part.wrong if part in self._wrong else part.right}\n"
            for part in parts
        ]
        imports = "import random\n\n\n" if module == "lottery" else ""
        return f'"""The {module} of the shop."""\n\n{imports}' + "\n\n".join(functions)


def _tests(module: str, parts: list[Part]) -> str:
    names = ", ".join(part.name for part in parts)
    tests = [
        f'@pytest.mark.parametrize(("given", "expected"), [{part.cases}], ids=["1", "2", "3"])\n'
        f"def test_{part.name}(given, expected):\n    assert {part.name}(*given) == expected\n"
        for part in parts
    ]
    return f"import pytest\n\nfrom shop.{module} import {names}\n\n\n" + "\n\n".join(tests)


def tests_of(part: Part) -> list[str]:
    """Its tests' names."""
    return [f"tests/test_{part.module}.py::test_{part.name}[{case}]" for case in (1, 2, 3)]


def classes_of(shop: Shop) -> dict[str, str]:
    """The class of every test that fails."""
    infrastructure = [
        *(f"test_row[{row}]" for row in (1, 2, 3, 4)), "test_schema", "test_host[mail.shop.internal]",
        "test_host[relay.shop.internal]", "test_export[3]", "test_export[5000]", "test_signature[a]",
        "test_signature[b]", "test_answer",
    ]  # fmt: skip
    sessions = ("nobody_is_logged_in", "there_is_room", "a_guest_is_unknown")
    chances = ("banner", "clock", "first_offer", "first_shelf", "first_window")
    flaky = [f"tests/test_session.py::test_{name}" for name in sessions]
    flaky += [f"tests/test_chance.py::test_{name}" for name in chances]
    broken = dict.fromkeys(shop.culprits, "regression")
    broken |= {test: "real bug" for part in shop.born_wrong for test in tests_of(part)}
    if shop.is_small:
        return broken
    return (
        broken
        | dict.fromkeys(flaky, "flaky")
        | {f"tests/test_services.py::{name}": "infrastructure" for name in infrastructure}
    )


def hash_seed() -> str:
    """A seed of Python's hashes with which every test that depends on them fails."""
    look = "print(any(hash(word) % 2 for word in ('offer', 'shelf', 'window')))"
    for seed in map(str, range(1, 1_000)):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        if b"False" in subprocess.run([sys.executable, "-c", look], env=environment, capture_output=True).stdout:
            return seed
    raise SystemExit("no seed of hashes makes the tests fail")


def run_tests(root: Path, failing: int, *options: str) -> str:
    """What pytest printed in a run in which everything fails that can; report.xml is of the same run."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed(), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--junitxml=report.xml", *options, "tests"]
    for _ in range(MAX_TRIES):
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
        xml = (root / "report.xml").read_text() if (root / "report.xml").exists() else ""
        if xml.count("<failure ") + xml.count("<error ") == failing:
            return done.stdout
    raise SystemExit(f"pytest never failed in {failing} tests; it said last:\n{done.stdout[-2000:]}{done.stderr}")


def make_shop(root: Path, seed: int = 1, *, with_warehouse: bool = False, is_small: bool = False) -> dict[str, object]:
    """Make the repository, run its tests, and say what is true: class and commit by test, the first commit. A small
    shop has 9 failing tests, and nothing in it is left to chance."""
    shop = Shop(root, seed, with_warehouse=with_warehouse, is_small=is_small)
    shop.build()
    classes = classes_of(shop)
    (root / "pytest.log").write_text(run_tests(root, len(classes)))
    truth: dict[str, object] = {"classes": classes, "culprits": shop.culprits, "first": shop.first}
    (root / "truth.json").write_text(json.dumps(truth, indent=1))
    return truth


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make a shop whose tests fail for reasons that are known.")
    parser.add_argument("folder", type=Path, help="where to make it: a folder that is not there yet")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if given.folder.exists():
        parser.error(f"{given.folder} is there already: name a folder that is not")
    made = make_shop(given.folder, given.seed)
    print(f"{given.folder}: {len(made['classes'])} failing tests")  # type: ignore[arg-type]
