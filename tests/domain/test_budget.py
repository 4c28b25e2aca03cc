"""What a budget admits, to the last nano-dollar; and what is no budget and no usage at all."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.budget import MAX_OF_CALL, budget, budget_text, check_budget, check_usage, nusd, shortage, usd
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Budget, Usage

CENT = 10_000_000
SPENT = Usage(input_tokens=60, output_tokens=30, calls=3, cost_nusd=90 * CENT)


@pytest.mark.parametrize(
    ("dollars", "expected"),
    [("0", 0), ("0.25", 25 * CENT), (3, 300 * CENT), (Decimal("0.000000001"), 1), ("1e-9", 1), ("9e9", 9 * 10**18)],
)
def test_dollars_are_exact_nano_dollars(dollars: Any, expected: int) -> None:
    assert nusd(dollars) == expected


@pytest.mark.parametrize(
    "dollars", ["", "ten", "-1", "nan", "inf", "0.0000000001", 0.1, None, "1e10", "1e999999", "1e9999999999"]
)
def test_what_is_no_amount_or_finer_or_larger_than_can_be_kept_is_refused(dollars: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"^'usd' must be "):
        nusd(dollars)


@given(st.integers(0, 2**63 - 1))
def test_an_amount_is_written_as_it_is_read(cost_nusd: int) -> None:
    assert nusd(usd(cost_nusd).removeprefix("$")) == cost_nusd


def test_a_budget_is_said_as_people_say_it() -> None:
    assert budget(usd="2.50", tokens=9, turns=3, wall_s=60) == Budget(
        cost_nusd=250 * CENT, tokens=9, turns=3, wall_s=60
    )
    assert budget() == Budget()
    assert budget_text(budget(usd="2.50", tokens=9, turns=3, wall_s=60)) == "$2.50, 9 tokens, 3 turns, 60 s"
    assert budget_text(Budget()) == budget_text(None) == "no limit"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Budget(tokens=-1), "'budget.tokens' must be >= 0, got -1"),
        (Budget(cost_nusd=0.5), "'budget.cost_nusd' must be an integer, got 0.5 (float)"),  # type: ignore[arg-type]
        (Budget(turns=True), "'budget.turns' must be an integer, got True"),
        (Budget(wall_s=float("nan")), "'budget.wall_s' must be a finite number, got nan"),
    ],
)
def test_limits_that_are_no_numbers_are_refused(wrong: Budget, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_budget("budget", wrong)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (None, "'usage' must be a Usage, got None"),
        (0.5, "'usage' must be a Usage, got 0.5 (float)"),
        (Usage(cost_nusd=0.5), "'usage.cost_nusd' must be an integer, got 0.5 (float)"),  # type: ignore[arg-type]
        (Usage(output_tokens=-1), "'usage.output_tokens' must be >= 0, got -1"),
        (Usage(cost_nusd=MAX_OF_CALL + 1), "'usage.cost_nusd' must be <= 1000000000000000, got 1000000000000001"),
    ],
)
def test_what_is_no_usage_is_refused(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_usage("usage", wrong)
    assert str(caught.value) == words


def test_every_paid_call_is_a_turn() -> None:
    assert check_usage("usage", Usage(cost_nusd=7)) == Usage(calls=1, cost_nusd=7)
    assert check_usage("usage", Usage(calls=2)) == Usage(calls=2)
    assert check_usage("usage", Usage(calls=1, cost_nusd=MAX_OF_CALL)).cost_nusd == MAX_OF_CALL


@pytest.mark.parametrize(
    ("limits", "wanted", "elapsed_s", "words"),
    [
        (None, Usage(cost_nusd=10**18), 10**9, ""),
        (Budget(), Usage(cost_nusd=10**18), 10**9, ""),
        (Budget(cost_nusd=100 * CENT), Usage(cost_nusd=10 * CENT), 0.0, ""),
        (
            Budget(cost_nusd=100 * CENT),
            Usage(cost_nusd=10 * CENT + 1),
            0.0,
            "$0.90 are spent and the next call may use up to $0.100000001, of $1.00",
        ),
        (Budget(tokens=100), Usage(input_tokens=4, output_tokens=1, cache_read_tokens=5), 0.0, ""),
        (
            Budget(tokens=100),
            Usage(input_tokens=2, cache_read_tokens=3, cache_write_tokens=3, cache_write_1h_tokens=3),
            0.0,
            "90 tokens are spent and the next call may use up to 11, of 100",
        ),
        (Budget(turns=4), Usage(calls=1), 0.0, ""),
        (Budget(turns=3), Usage(calls=1), 0.0, "3 turns are spent and the next call may use up to 1, of 3"),
        (Budget(wall_s=60.0), Usage(calls=1), 59.9, ""),
        (Budget(wall_s=60.0), Usage(calls=1), None, ""),
        (Budget(wall_s=60.0), Usage(calls=1), 60.0, "its 60 seconds of wall time are over"),
        (Budget(turns=0), Usage(), 0.0, "3 turns are spent and the next call may use up to 0, of 0"),
    ],
)
def test_a_budget_admits_up_to_its_limit_and_says_what_is_short(
    limits: Budget | None, wanted: Usage, elapsed_s: float | None, words: str
) -> None:
    assert shortage(limits, SPENT, wanted, elapsed_s) == words
