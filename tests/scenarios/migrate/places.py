"""A repository with tests of unittest's, made for the migration: what each file holds, and what is to become of it."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

PRODUCT = {
    "shop/__init__.py": "",
    "shop/cart.py": '''"""A cart."""


def total(prices):
    """The sum of the prices.

    >>> total([1, 2, 3])
    6
    >>> total([])
    0
    """
    return sum(prices)


def discount(price, percent):
    """The price less a discount.

    >>> discount(200, 10)
    180.0
    """
    if not 0 <= percent <= 100:
        raise ValueError(f"percent must be 0 to 100, got {percent}")
    return price * (100 - percent) / 100


class Cart:
    def __init__(self):
        self.items = {}

    def add(self, name, count=1):
        if count < 1:
            raise ValueError("count must be positive")
        self.items[name] = self.items.get(name, 0) + count
        return self
''',
}


class Case(NamedTuple):
    """A test file. `fate`: migrated, kept (nothing of it is converted) or rolled back; `tests` is how many it has."""

    source: str
    fate: str
    tests: int = 0


def _file(body: str, imports: str = "import unittest\n") -> str:
    return f"{imports}\nfrom shop.cart import Cart, discount, total\n\n\n{body}\n"


PLAIN = """class TotalTest(unittest.TestCase):
    def setUp(self):
        self.prices = [1, 2, 3]

    def test_sum(self):
        # what a comment says stays
        self.assertEqual(total(self.prices), 6)
        self.assertNotEqual(total(self.prices), 7, "not seven")

    def test_empty(self):
        self.assertFalse(total([]))
        self.assertTrue(total([1]) and
                        total([2]))


if __name__ == "__main__":
    unittest.main()"""
RAISES = """class TestDiscount(unittest.TestCase):
    def test_wrong(self):
        with self.assertRaises(ValueError) as caught:
            discount(1, 101)
        self.assertIn("101", str(caught.exception))
        self.assertRaises(ValueError, discount, 1, -1)
        with self.assertRaisesRegex(ValueError, "must be 0 to"):
            discount(1, 200)

    def test_almost(self):
        self.assertAlmostEqual(discount(0.3, 0), 0.1 + 0.2)
        self.assertAlmostEqual(discount(100, 10), 90.4, delta=0.5)
        self.assertNotAlmostEqual(discount(100, 10), 91)"""
MARKS = """class Marks(TestCase):
    maxDiff = None

    @skip("later")
    def test_later(self):
        self.fail("not yet")

    @expectedFailure
    def test_known(self):
        self.assertEqual(total([1]), 2)

    @unittest.skipIf(total([1]) == 1, "always")
    def test_conditional(self):
        self.assertIsNone(1)

    def test_skips(self):
        self.skipTest("no reason")

    def test_shapes(self):
        self.assertIsInstance(Cart(), Cart)
        self.assertRegex("abc", "b.")
        self.assertCountEqual([1, 2, 2], [2, 1, 2])
        self.assertDictEqual(Cart().add("a").items, {"a": 1})
        self.assertGreater(2, 1); self.assertIs(None, None)"""
FAMILY = """class Base(unittest.TestCase):
    def setUp(self):
        super().setUp()
        self.cart = Cart()

    @classmethod
    def setUpClass(cls):
        cls.shared = [1]


class Mixin:
    def check(self, count):
        self.assertEqual(self.cart.items["a"], count)


class AddTest(Mixin, Base):
    def setUp(self):
        super().setUp()
        self.cart.add("a")

    def test_once(self):
        self.check(1)

    def test_twice(self):
        self.cart.add("a")
        self.check(2)
        self.assertEqual(self.shared, [1])"""
LOOPS = """class Loops(unittest.TestCase):
    def test_table(self):
        for price, percent, expected in [(100, 10, 90), (50, 50, 25), (10, 0, 10)]:
            with self.subTest(price=price):
                self.assertEqual(discount(price, percent), expected)"""
LOGS = """class Logs(unittest.TestCase):
    def test_logs(self):
        with self.assertLogs("shop", "INFO"):
            import logging

            logging.getLogger("shop").info("sold")


class Quiet(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([2]), 2)"""
CLEANUP = """class Cleanup(unittest.TestCase):
    def test_cleans(self):
        self.addCleanup(list)
        self.assertEqual(total([]), 0)"""
VALUE = """class Value(unittest.TestCase):
    def test_value(self):
        check = self.assertEqual
        check(total([]), 0)"""
ASYNC = """class Later(unittest.IsolatedAsyncioTestCase):
    async def test_later(self):
        self.assertEqual(total([]), 0)"""
FLAKY = """class Flaky(unittest.TestCase):
    def test_now_and_then(self):
        import pathlib
        mark = pathlib.Path(__file__).with_name("mark")
        again = mark.exists()
        mark.unlink() if again else mark.touch()
        self.assertTrue(again)"""
COUNTED = """class Counted(unittest.TestCase):
    def test_unhashable(self):
        self.assertCountEqual([[1], [2]], [[2], [1]])


class Plain(unittest.TestCase):
    def test_total(self):
        self.assertEqual(total([3]), 3)"""
FAILING = """class Failing(unittest.TestCase):
    def test_wrong(self):
        self.assertEqual(total([1]), 3)

    def test_right(self):
        self.assertEqual(total([1]), 1)"""
ORDER = """class Order(unittest.TestCase):
    longMessage = True

    def shortDescription(self):
        return None

    def test_named(self):
        self.assertIn("test_named", self.id())"""
CUSTOM = """class Custom(unittest.TestCase):
    def assertCheap(self, price):
        self.assertLess(price, 10)

    def test_cheap(self):
        self.assertCheap(total([1, 2]))"""

CASES = {
    "tests/__init__.py": Case("", ""),
    "tests/test_plain.py": Case(_file(PLAIN), "migrated", 2),
    "tests/test_raises.py": Case(_file(RAISES), "migrated", 2),
    "tests/test_marks.py": Case(
        _file(MARKS, "import unittest\nfrom unittest import TestCase, expectedFailure, skip\n"), "migrated", 5
    ),
    "tests/test_family.py": Case(_file(FAMILY), "migrated", 2),
    "tests/test_loops.py": Case(_file(LOOPS), "migrated", 1),
    "tests/test_logs.py": Case(_file(LOGS), "migrated", 2),
    "tests/test_cleanup.py": Case(_file(CLEANUP), "kept", 1),
    "tests/test_value.py": Case(_file(VALUE), "kept", 1),
    "tests/test_later.py": Case(_file(ASYNC), "kept", 1),
    "tests/test_flaky.py": Case(_file(FLAKY), "rolled back", 1),
    "tests/test_counted.py": Case(_file(COUNTED), "migrated", 2),
    "tests/test_failing.py": Case(_file(FAILING), "migrated", 2),
    "tests/test_order.py": Case(_file(ORDER), "kept", 1),
    "tests/test_custom.py": Case(_file(CUSTOM), "migrated", 1),
    "tests/test_broken.py": Case("import unittest\n\ndef broken(:\n", "kept"),
    "tests/test_modern.py": Case("def test_modern():\n    assert True  # no unittest here\n", "kept", 1),
}
"""The truth about each file: what a careful person would do."""


def make_repository(root: Path, cases: "dict[str, Case] | None" = None) -> Path:
    """The repository, with one commit."""
    files = {**PRODUCT, **{path: case.source for path, case in (CASES if cases is None else cases).items()}}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "the shop")
    return root


def git(root: Path, *words: str) -> str:
    identity = {f"GIT_{who}_{what}": "dev" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = subprocess.run(
        ["git", "-C", str(root), *words], env={**os.environ, **identity}, capture_output=True, text=True, check=True
    )
    return done.stdout
