"""What is to be done: the scenario's inputs, to a prompt and back. Pure."""

from collections.abc import Mapping

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument

__all__ = ["TEST_COMMAND", "Order", "inputs_text", "order_of"]

TEST_COMMAND = "python -m pytest -q {test}"


class Order(Struct, frozen=True):
    """`log` is the path of the log. A failing test is run `rerun` times (0: none is run). `good` is a commit where the
    tests passed (empty: it is searched for). `test_command` runs one test, `{test}`, within `timeout_s`. At most
    `debuggers` agents are attached."""

    log: str
    rerun: int = 3
    good: str = ""
    test_command: str = TEST_COMMAND
    debuggers: int = 8
    timeout_s: int = 120


def inputs_text(order: Order) -> str:
    """The end of a prompt that `order_of` reads."""
    return (
        f"\n\nInputs:\nlog: {order.log}\nrerun: {order.rerun}\ngood: {order.good}\n"
        f"test command: {order.test_command}\ndebuggers: {order.debuggers}\ntimeout: {order.timeout_s}"
    )


def order_of(inputs: Mapping[str, str]) -> Order:
    """The order in a prompt's inputs. Raises `InvalidArgument` for a number that is none."""
    plain = Order(inputs.get("log", ""))
    return Order(
        plain.log,
        _number(inputs, "rerun", plain.rerun),
        inputs.get("good", ""),
        inputs.get("test command", "") or plain.test_command,
        _number(inputs, "debuggers", plain.debuggers, least=1),
        _number(inputs, "timeout", plain.timeout_s, least=1),
    )


def _number(inputs: Mapping[str, str], key: str, default: int, least: int = 0) -> int:
    given = inputs.get(key, "") or str(default)
    if not given.isdecimal() or not least <= int(given) <= 1_000:
        raise InvalidArgument(f"'{key}' must be a whole number from {least} to 1000, got {given}")
    return int(given)
