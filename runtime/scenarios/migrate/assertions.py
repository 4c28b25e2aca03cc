"""The assert methods of unittest as statements of pytest's. Pure: nodes in, nodes out.

Each rule keeps what the method means, so far as it can be said without running: where it cannot be kept, the call is
left, and with it its class. Meanings: docs.python.org/3/library/unittest.html#unittest.TestCase.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import libcst as cst

__all__ = ["Needs", "Untold", "assertion", "context_manager"]


class Untold(Exception):
    """This call has no equivalent that is certain; the text says why."""


class Needs(NamedTuple):
    """A statement's expression, and the modules it needs."""

    node: cst.BaseExpression
    modules: frozenset[str] = frozenset()


class _Arguments:
    """A call's arguments by place or name."""

    def __init__(self, call: cst.Call, names: Sequence[str]) -> None:
        self._given: dict[str, cst.BaseExpression] = {}
        for place, argument in enumerate(call.args):
            if argument.star:
                raise Untold("its arguments are unpacked with *")
            name = argument.keyword.value if argument.keyword else names[place] if place < len(names) else ""
            if name not in names or name in self._given:
                raise Untold(f"its argument '{name or place + 1}' is not known")
            self._given[name] = argument.value

    def __getitem__(self, name: str) -> cst.BaseExpression:
        if name not in self._given:
            raise Untold(f"its argument '{name}' is missing")
        return self._given[name]

    def get(self, name: str) -> cst.BaseExpression | None:
        return self._given.get(name)


_COMPARED: Mapping[str, cst.BaseCompOp] = {
    "assertEqual": cst.Equal(),
    "assertEquals": cst.Equal(),
    "assertNotEqual": cst.NotEqual(),
    "assertIs": cst.Is(),
    "assertIsNot": cst.IsNot(),
    "assertIn": cst.In(),
    "assertNotIn": cst.NotIn(),
    "assertGreater": cst.GreaterThan(),
    "assertGreaterEqual": cst.GreaterThanEqual(),
    "assertLess": cst.LessThan(),
    "assertLessEqual": cst.LessThanEqual(),
    "assertDictEqual": cst.Equal(),
    "assertListEqual": cst.Equal(),
    "assertTupleEqual": cst.Equal(),
    "assertSetEqual": cst.Equal(),
    "assertMultiLineEqual": cst.Equal(),
}
_PLACES = dict.fromkeys(("assertIn", "assertNotIn"), ("member", "container"))


def assertion(method: str, call: cst.Call) -> tuple[Needs, cst.BaseExpression | None] | None:
    """What the statement `self.METHOD(...)` asserts, and its message; None for a method that is not known here.
    Raises `Untold`."""
    if method in _COMPARED:
        first, second = _PLACES.get(method, _operands(method))
        given = _Arguments(call, (first, second, "msg"))
        return Needs(_compared(given[first], _COMPARED[method], given[second])), given.get("msg")
    rule = _RULES.get(method)
    return rule(call) if rule else None


def _operands(method: str) -> tuple[str, str]:
    if method in ("assertIs", "assertIsNot"):
        return "expr1", "expr2"
    if method.startswith(("assertGreater", "assertLess")):
        return "a", "b"
    names = {"assertDictEqual": ("d1", "d2"), "assertListEqual": ("list1", "list2")}
    names |= {"assertTupleEqual": ("tuple1", "tuple2"), "assertSetEqual": ("set1", "set2")}
    return names.get(method, ("first", "second"))


def _compared(left: cst.BaseExpression, operator: cst.BaseCompOp, right: cst.BaseExpression) -> cst.Comparison:
    return cst.Comparison(_guarded(left), [cst.ComparisonTarget(operator, _guarded(right))])


_LOOSE = (
    cst.Comparison, cst.BooleanOperation, cst.UnaryOperation, cst.IfExp, cst.Lambda, cst.NamedExpr, cst.Tuple,
    cst.GeneratorExp, cst.Yield, cst.Await,
)  # fmt: skip


def _guarded(node: cst.BaseExpression) -> cst.BaseExpression:
    """In parentheses, where an operator beside it could bind it differently."""
    is_loose = isinstance(node, _LOOSE) and not node.lpar
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()]) if is_loose else node


def _true(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
    given = _Arguments(call, ("expr", "msg"))
    node = given["expr"]
    return Needs(_guarded(node) if isinstance(node, cst.Tuple | cst.NamedExpr | cst.GeneratorExp) else node), given.get(
        "msg"
    )


def _false(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
    given = _Arguments(call, ("expr", "msg"))
    return Needs(cst.UnaryOperation(cst.Not(), _guarded(given["expr"]))), given.get("msg")


def _none(operator: cst.BaseCompOp) -> "_Rule":
    def rule(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
        given = _Arguments(call, ("obj", "msg"))
        return Needs(_compared(given["obj"], operator, cst.Name("None"))), given.get("msg")

    return rule


def _instance(*, negated: bool) -> "_Rule":
    def rule(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
        given = _Arguments(call, ("obj", "cls", "msg"))
        node: cst.BaseExpression = cst.Call(cst.Name("isinstance"), [cst.Arg(given["obj"]), cst.Arg(given["cls"])])
        return Needs(cst.UnaryOperation(cst.Not(), node) if negated else node), given.get("msg")

    return rule


def _regex(*, negated: bool) -> "_Rule":
    def rule(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
        second = "unexpected_regex" if negated else "expected_regex"
        given = _Arguments(call, ("text", second, "msg"))
        search = cst.Call(_dotted("re", "search"), [cst.Arg(given[second]), cst.Arg(given["text"])])
        node: cst.BaseExpression = cst.UnaryOperation(cst.Not(), search) if negated else search
        return Needs(node, frozenset({"re"})), given.get("msg")

    return rule


def _wrapped(*wrapper: str) -> "_Rule":
    """Both sides through a function: what is compared are their elements."""

    def rule(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
        names = ("first", "second", "msg") if wrapper == ("collections", "Counter") else ("seq1", "seq2", "msg")
        given = _Arguments(call, names)
        sides = [cst.Call(_dotted(*wrapper), [cst.Arg(given[name])]) for name in names[:2]]
        modules = frozenset(wrapper[:-1])
        return Needs(_compared(sides[0], cst.Equal(), sides[1]), modules), given.get("msg")

    return rule


def _almost(*, negated: bool) -> "_Rule":
    """`round(first - second, places) == 0` is a difference of at most half a unit of that place."""

    def rule(call: cst.Call) -> tuple[Needs, cst.BaseExpression | None]:
        given = _Arguments(call, ("first", "second", "places", "msg", "delta"))
        near = cst.Call(
            _dotted("pytest", "approx"),
            [cst.Arg(given["second"]), _keyword("rel", cst.Integer("0")), _keyword("abs", _margin(given))],
        )
        operator = cst.NotEqual() if negated else cst.Equal()
        return Needs(_compared(given["first"], operator, near), frozenset({"pytest"})), given.get("msg")

    return rule


def _margin(given: _Arguments) -> cst.BaseExpression:
    if (delta := given.get("delta")) is not None:
        return delta
    places = given.get("places") or cst.Integer("7")
    if not isinstance(places, cst.Integer):
        raise Untold("its 'places' is not a plain number")
    return cst.Float(f"5e-{int(places.value) + 1:02d}")


def _keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    plain = cst.SimpleWhitespace("")
    return cst.Arg(value, keyword=cst.Name(name), equal=cst.AssignEqual(plain, plain))


def _dotted(*names: str) -> cst.BaseExpression:
    node: cst.BaseExpression = cst.Name(names[0])
    for name in names[1:]:
        node = cst.Attribute(node, cst.Name(name))
    return node


_Rule = Callable[[cst.Call], tuple[Needs, cst.BaseExpression | None]]
_RULES: Mapping[str, _Rule] = {
    "assertTrue": _true,
    "assert_": _true,
    "assertFalse": _false,
    "assertIsNone": _none(cst.Is()),
    "assertIsNotNone": _none(cst.IsNot()),
    "assertIsInstance": _instance(negated=False),
    "assertNotIsInstance": _instance(negated=True),
    "assertRegex": _regex(negated=False),
    "assertNotRegex": _regex(negated=True),
    "assertSequenceEqual": _wrapped("list"),
    "assertCountEqual": _wrapped("collections", "Counter"),
    "assertAlmostEqual": _almost(negated=False),
    "assertNotAlmostEqual": _almost(negated=True),
}


def context_manager(method: str, call: cst.Call) -> Needs | None:
    """What `with self.METHOD(...)` becomes; None for a method that is not known here. Raises `Untold`."""
    if method not in ("assertRaises", "assertRaisesRegex", "assertWarns", "assertWarnsRegex"):
        return None
    pattern = method.endswith("Regex")
    names: tuple[str, ...] = ("expected_exception", "expected_regex") if pattern else ("expected_exception",)
    if method.startswith("assertWarns"):
        names = tuple(name.replace("exception", "warning") for name in names)
    given = _Arguments(call, names)
    arguments = [cst.Arg(given[names[0]])]
    if pattern:
        arguments.append(_keyword("match", given[names[1]]))
    function = "raises" if method.startswith("assertRaises") else "warns"
    return Needs(cst.Call(_dotted("pytest", function), arguments), frozenset({"pytest"}))
