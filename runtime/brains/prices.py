"""What a model call costs: exact, in integer nano-dollars, from a dated table that the operator may add to.

A token's price is a whole number of nano-dollars: $0.10 for a million tokens is 100 of them.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Usage

__all__ = ["UNKNOWN_MODEL", "ModelPrice", "Prices", "Rates"]

_KINDS = ("input", "output", "cache_read", "cache_write", "cache_write_1h")


class Rates(msgspec.Struct, frozen=True):
    """Nano-dollars a token."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    cache_write_1h: int

    def of(self, usage: Usage) -> int:
        """The nano-dollars of the usage's tokens."""
        return (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * self.cache_read
            + usage.cache_write_tokens * self.cache_write
            + usage.cache_write_1h_tokens * self.cache_write_1h
        )

    @property
    def dearest_input(self) -> int:
        """What an input token costs at most, however it is cached (for five minutes; we write no longer ones)."""
        return max(self.input, self.cache_read, self.cache_write)


class ModelPrice(msgspec.Struct, frozen=True):
    """One model's rates and limits. Prompts above `long_prompt_tokens` are charged by `long`."""

    rates: Rates
    context_window: int
    max_output: int
    long_prompt_tokens: int | None = None
    long: Rates | None = None

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates for a prompt of this length (all input tokens, cached ones too)."""
        if self.long is not None and self.long_prompt_tokens is not None and prompt_tokens > self.long_prompt_tokens:
            return self.long
        return self.rates

    def cost_nusd(self, usage: Usage) -> int:
        """What the usage of one call costs, in nano-dollars."""
        return self.rates_for(usage.tokens - usage.output_tokens).of(usage)

    def bound(self, prompt_tokens: int, output_tokens: int, extra_nusd: int = 0) -> Usage:
        """The most one call can use and cost with a prompt of at most this length."""
        rates = self.rates_for(prompt_tokens)
        cost = prompt_tokens * rates.dearest_input + output_tokens * rates.output + extra_nusd
        return Usage(input_tokens=prompt_tokens, output_tokens=output_tokens, calls=1, cost_nusd=cost)


UNKNOWN_MODEL = ModelPrice(Rates(0, 0, 0, 0, 0), 200_000, 32_000)
"""A model that is not in the table: counted in tokens, at no price, with careful limits."""


class Prices:
    """The table."""

    def __init__(
        self, models: Mapping[str, ModelPrice], aliases: Mapping[str, str], web_search_nusd: int, dated: str
    ) -> None:
        self._models, self._aliases = dict(models), dict(aliases)
        self.web_search_nusd, self.dated = web_search_nusd, dated

    @classmethod
    def load(cls, overrides: Path | None = None) -> "Prices":
        """The shipped table, with the models of a file of the same form added or replaced. Raises
        `InvalidArgument` that names the file and the entry."""
        shipped = resources.files("fleetlog.runtime.brains").joinpath("prices.toml").read_text("utf-8")
        table = _parsed(shipped, "prices.toml")
        models, search, dated = dict(table["models"]), table["web_search_usd_per_1000"], table["dated"]
        aliases = dict(table["aliases"])
        if overrides is not None and overrides.exists():
            own = _parsed(overrides.read_text("utf-8"), str(overrides))
            models |= own.get("models", {})
            search = own.get("web_search_usd_per_1000", search)
            dated = own.get("dated", dated)
            aliases |= own.get("aliases", {})
        where = str(overrides or "prices.toml")
        priced = {name: _model(name, entry, where) for name, entry in models.items()}
        return cls(priced, aliases, _nano(search, "web_search_usd_per_1000", where) * 1000, str(dated))

    def alias(self, name: str) -> str:
        """The id of a model that is called by a short name; the name itself when it is none."""
        return self._aliases.get(name, name)

    def find(self, model: str) -> ModelPrice | None:
        """The entry of a model, also by the id of one of its dated versions (`name-20261007`)."""
        stem, _, version = model.rpartition("-")
        return self._models.get(model) or (self._models.get(stem) if version.isdigit() and len(version) == 8 else None)

    @property
    def models(self) -> tuple[str, ...]:
        """The names in the table."""
        return tuple(sorted(self._models))


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidArgument(f"{where} is not TOML: {error}") from error


def _model(name: str, entry: Any, where: str) -> ModelPrice:
    if not isinstance(entry, dict):
        raise InvalidArgument(f"{where}: 'models.{name}' must be a table")
    long = entry.get("long")
    return ModelPrice(
        _rates(entry, f"models.{name}", where),
        _count(entry, "context_window", name, where),
        _count(entry, "max_output", name, where),
        _count(entry, "long_prompt_tokens", name, where) if long is not None else None,
        _rates(long, f"models.{name}.long", where) if long is not None else None,
    )


def _rates(entry: Mapping[str, Any], at: str, where: str) -> Rates:
    return Rates(*(_nano(entry.get(kind), f"{at}.{kind}", where) for kind in _KINDS))


def _nano(usd_per_million: Any, at: str, where: str) -> int:
    """Dollars for a million as nano-dollars for one; refuses what is no such number."""
    try:
        nano = Decimal(str(usd_per_million)) * 1000
    except InvalidOperation:
        nano = Decimal("NaN")
    if not nano.is_finite() or nano < 0 or nano != int(nano):
        raise InvalidArgument(
            f"{where}: '{at}' must be dollars for a million tokens like \"2.50\", got {usd_per_million}"
        )
    return int(nano)


def _count(entry: Mapping[str, Any], key: str, name: str, where: str) -> int:
    value = entry.get(key)
    if type(value) is not int or value < 1:
        raise InvalidArgument(f"{where}: 'models.{name}.{key}' must be a positive number of tokens, got {value}")
    return value
