"""The table of prices: exact, and open to the operator."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Usage
from fleetlog.runtime.brains.prices import Prices

PRICES = Prices.load()
counts = st.integers(0, 2_000_000)


def test_a_price_is_exact_to_the_nano_dollar() -> None:
    sonnet = PRICES.find("claude-sonnet-5-5")
    assert sonnet is not None
    usage = Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4, cache_write_1h_tokens=5)
    assert sonnet.cost_nusd(usage) == 1 * 2_000 + 2 * 10_000 + 3 * 200 + 4 * 2_500 + 5 * 4_000


def test_a_long_prompt_is_charged_by_the_long_table_cached_tokens_counted() -> None:
    haiku = PRICES.find("claude-haiku-5-5")
    assert haiku is not None
    assert haiku.cost_nusd(Usage(input_tokens=50_000, cache_read_tokens=50_000)) == 50_000 * 100 + 50_000 * 10
    assert haiku.cost_nusd(Usage(input_tokens=50_001, cache_read_tokens=50_000)) == 50_001 * 500 + 50_000 * 50


def test_a_dated_version_of_a_model_costs_what_the_model_costs() -> None:
    assert PRICES.find("claude-haiku-4-5-20251001") == PRICES.find("claude-haiku-4-5")
    assert PRICES.find("claude-haiku-4-5-turbo") is None


def test_short_names_stand_for_models_of_the_table() -> None:
    for name in ("sonnet", "opus", "haiku", "fable"):
        assert PRICES.find(PRICES.alias(name)) is not None
    assert PRICES.alias("claude-opus-5") == "claude-opus-5"


@given(st.sampled_from(PRICES.models), counts, counts, counts, st.integers(0, 128_000))
def test_no_call_costs_more_than_its_bound(model: str, fresh: int, read: int, written: int, output: int) -> None:
    price = PRICES.find(model)
    assert price is not None
    used = Usage(input_tokens=fresh, cache_read_tokens=read, cache_write_tokens=written, output_tokens=output)
    bound = price.bound(used.prompt_tokens, output)
    assert price.cost_nusd(used) <= bound.cost_nusd
    assert used.tokens <= bound.tokens


def test_the_operator_adds_models_and_replaces_them(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(
        'dated = "2030-01-01"\n[aliases]\nmine = "my-model"\n[models.my-model]\n'
        'input = "1"\noutput = "2"\ncache_read = "0.1"\ncache_write = "1.25"\ncache_write_1h = "2"\n'
        "context_window = 1000\nmax_output = 100\n"
    )
    prices = Prices.load(own)
    mine = prices.find(prices.alias("mine"))
    assert mine is not None
    assert (mine.rates.input, mine.context_window, prices.dated) == (1_000, 1000, "2030-01-01")
    assert prices.find("claude-sonnet-5-5") == PRICES.find("claude-sonnet-5-5")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models = ", "is not TOML"),
        ("[models]\nx = 3\n", "'models.x' must be a table"),
        ('[models.x]\ninput = "free"\n', "'models.x.input' must be dollars for a million tokens"),
        ('[models.x]\ninput = "-1"\n', "'models.x.input' must be dollars"),
        ('[models.x]\ninput = "0.00001"\n', "'models.x.input' must be dollars"),
        (
            '[models.x]\ninput = "1"\noutput = "1"\ncache_read = "1"\ncache_write = "1"\ncache_write_1h = "1"\n'
            "context_window = 0\nmax_output = 1\n",
            "'models.x.context_window' must be a positive number of tokens, got 0",
        ),
    ],
)
def test_a_broken_table_is_refused_with_its_file_and_entry(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "prices.toml"
    own.write_text(text)
    with pytest.raises(InvalidArgument) as refusal:
        Prices.load(own)
    assert str(own) in str(refusal.value)
    assert said in str(refusal.value)
