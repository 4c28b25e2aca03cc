"""What a budget admits. Pure arithmetic on exact numbers: money is integer nano-dollars."""

from decimal import Decimal

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Budget, Usage

__all__ = ["budget", "budget_text", "check_budget", "check_usage", "nusd", "shortage", "usd"]

NUSD_PER_USD = 1_000_000_000
MAX_OF_CALL = 10**15
"""Tokens or nano-dollars (a million dollars) of one call: sums of them stay within 64 bits."""


def budget(
    *,
    usd: Decimal | str | int | None = None,
    tokens: int | None = None,
    turns: int | None = None,
    wall_s: float | None = None,
) -> Budget:
    """A budget as people say it, with dollars like `"2.50"`; what is left out is without limit."""
    limit = None if usd is None else nusd(usd)
    return check_budget("budget", Budget(tokens=tokens, cost_nusd=limit, turns=turns, wall_s=wall_s))


def nusd(dollars: Decimal | str | int) -> int:
    """Dollars as nano-dollars, exactly: `"0.25"` -> 250_000_000. Refuses what is no amount, or finer than that."""
    try:
        amount = Decimal(dollars) * NUSD_PER_USD
    except (ArithmeticError, TypeError, ValueError):
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or amount != amount.to_integral_value():
        raise InvalidArgument(f"'usd' must be an amount of dollars like 2.50, got {checks.shown(str(dollars))}")
    return checks.integer("usd", int(amount), at_least=0)


def usd(cost_nusd: int) -> str:
    """Nano-dollars as people write dollars, exactly, with at least two places: `$0.25`."""
    whole, rest = divmod(cost_nusd, NUSD_PER_USD)
    places = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"${whole}.{places}"


def budget_text(budget: Budget | None) -> str:
    """A budget's limits for people."""
    if budget is None:
        return "no limit"
    limits = [
        usd(budget.cost_nusd) if budget.cost_nusd is not None else "",
        f"{budget.tokens} tokens" if budget.tokens is not None else "",
        f"{budget.turns} turns" if budget.turns is not None else "",
        f"{budget.wall_s:g} s" if budget.wall_s is not None else "",
    ]
    return ", ".join(filter(None, limits)) or "no limit"


def check_budget(field: str, budget: Budget) -> Budget:
    """Refuses limits that are no numbers of the right kind; zero means: nothing at all."""
    limits = (("tokens", budget.tokens), ("cost_nusd", budget.cost_nusd), ("turns", budget.turns))
    for name, limit in limits:
        if limit is not None:
            checks.integer(f"{field}.{name}", limit, at_least=0)
    if budget.wall_s is not None:
        checks.seconds(f"{field}.wall_s", budget.wall_s, zero=True)
    return budget


def check_usage(field: str, usage: Usage) -> Usage:
    """Refuses what is no usage of one paid call: only whole numbers from 0 can be recorded. It counts as a turn."""
    if not isinstance(usage, Usage):
        raise InvalidArgument(f"'{field}' must be a Usage, got {checks.shown(usage)}")
    for name, count in msgspec.structs.asdict(usage).items():
        checks.integer(f"{field}.{name}", count, at_least=0, at_most=MAX_OF_CALL)
    return usage if usage.calls else msgspec.structs.replace(usage, calls=1)


def shortage(budget: Budget | None, spent: Usage, wanted: Usage, elapsed_s: float | None) -> str:
    """Why the budget does not admit this much on top of what is spent, for people; empty when it does. `elapsed_s` is
    the wall time that has passed, None while that is not known."""
    if budget is None:
        return ""
    if budget.wall_s is not None and elapsed_s is not None and elapsed_s >= budget.wall_s:
        return f"its {budget.wall_s:g} seconds of wall time are over"
    total = spent.plus(wanted)
    if budget.cost_nusd is not None and total.cost_nusd > budget.cost_nusd:
        return f"{_said(usd(spent.cost_nusd), usd(wanted.cost_nusd))}, of {usd(budget.cost_nusd)}"
    if budget.tokens is not None and total.tokens > budget.tokens:
        return f"{_said(f'{spent.tokens} tokens', str(wanted.tokens))}, of {budget.tokens}"
    if budget.turns is not None and total.calls > budget.turns:
        return f"{_said(f'{spent.calls} turns', str(wanted.calls))}, of {budget.turns}"
    return ""


def _said(spent: str, wanted: str) -> str:
    return f"{spent} are spent and the next call may use up to {wanted}"
