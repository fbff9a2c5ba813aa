"""The suite catches what it is for: each check is shown a strategy that breaks its rule."""

# ruff: noqa: ARG002  callbacks take what the interface gives

import itertools
import sys
import types
from dataclasses import dataclass

import pytest

from services.strategy.base import PlaceOrder, Quote, Strategy, TargetQuotes
from services.strategy.conformance import (
    Candidate,
    check_adopts,
    check_repeats,
    check_restores,
    check_safety,
)
from shared.messages.orders import TimeInForce
from shared.units import Side

COUNTER = itertools.count()


@dataclass(frozen=True)
class NoSettings:
    """Nothing to set."""


class Random(Strategy):
    """Remembers something outside the log."""

    Settings = NoSettings

    def on_book(self, ctx):
        return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks - next(COUNTER) % 7, 1),))]


class Forgetful(Strategy):
    """Counts, and leaves the count out of its snapshot."""

    Settings = NoSettings

    def __init__(self, settings):
        super().__init__(settings)
        self.count = 0

    def on_book(self, ctx):
        self.count += 1
        return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks - self.count % 50, 1),))]


class Looked(Strategy):
    """Counts how often its line for people was asked for: that is no event of the log."""

    Settings = NoSettings

    def __init__(self, settings):
        super().__init__(settings)
        self.count = 0

    def format_status(self, ctx):
        self.count += 1
        return ""

    def snapshot(self):
        return self.count.to_bytes(4, "big")

    def restore(self, data):
        self.count = int.from_bytes(data, "big")


class Greedy(Strategy):
    """Buys more than the limit it names."""

    Settings = NoSettings

    def on_book(self, ctx):
        return [PlaceOrder("in", Side.BUY, ctx.book.ask_ticks, 3, tif=TimeInForce.GTC)]

    def most_lots(self, ctx, price_ticks):
        return 5


class ShortOnSpot(Strategy):
    """Sells what it does not have."""

    Settings = NoSettings

    def on_book(self, ctx):
        return [PlaceOrder("out", Side.SELL, ctx.book.bid_ticks, 1)]


class Raises(Strategy):
    """Raises at its first trade."""

    Settings = NoSettings

    def on_trade(self, ctx, trade):
        raise RuntimeError("for the test")


@pytest.fixture(autouse=True)
def _importable():
    module = types.ModuleType("bad_strategies")
    module.__file__ = __file__
    for one in (Random, Forgetful, Looked, Greedy, ShortOnSpot, Raises):
        setattr(module, one.__name__, one)
        one.__module__ = "bad_strategies"
    sys.modules["bad_strategies"] = module
    yield
    del sys.modules["bad_strategies"]


def candidate(name, symbol="binance_usdm:BTCUSDT"):
    return Candidate(f"bad_strategies:{name}", {}, symbol)


def test_a_strategy_that_knows_more_than_the_log_is_caught() -> None:
    [problem] = check_repeats(candidate("Random"), 1)

    assert "two runs over the same events said different things: OrderIntent(" in problem


def test_a_strategy_that_leaves_something_out_of_its_snapshot_is_caught() -> None:
    assert "restored at seq" in check_restores(candidate("Forgetful"), 1)[0]


def test_a_strategy_that_counts_what_a_new_build_does_not_hear_of_is_caught() -> None:
    assert "another strategy" in check_adopts(candidate("Looked"), 1)[0]


def test_a_strategy_that_passes_its_limit_is_caught() -> None:
    assert "the limit is 5 (I-11)" in check_safety(candidate("Greedy"), 1)[0]


def test_a_short_sale_on_spot_is_caught() -> None:
    assert "short by 1 lots on spot" in check_safety(candidate("ShortOnSpot", "binance:BTCUSDT"), 1)[0]


def test_a_strategy_that_raises_is_caught() -> None:
    assert "it raised: RuntimeError" in check_safety(candidate("Raises"), 1)[0]
