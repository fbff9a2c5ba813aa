# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
# mypy: disable-error-code="arg-type, attr-defined, misc"
"""Compiled rules for `Engine.run_rule`: the simple skewed maker of the benchmark, and a Python function.

A rule of your own is a kernel that cimports `Rule` of backtest_account and overrides `decide`.
"""

from collections.abc import Callable

import cython

if cython.compiled:
    from cython.cimports.shared.kernels.backtest_account import Account, Rule
    from cython.cimports.shared.kernels.backtest_market import Market
    from cython.cimports.shared.kernels.book import WINDOW_TICKS, Book
else:
    from shared.kernels.backtest_account import Account, Rule
    from shared.kernels.backtest_market import Market
    from shared.kernels.book import Book
    from shared.kernels.words import WINDOW_TICKS

E6 = cython.declare(cython.longlong, 1_000_000)


@cython.cclass
class SkewedMaker(Rule):
    """One order of `lots` a side around the size-weighted mid, shifted against the position.

    fair = (bid * ask_lots + ask * bid_lots) / (ask_lots + bid_lots); reserve = fair - skew * position / most;
    quotes floor(reserve - half_spread) and ceil(reserve + half_spread), never inside the touch, none that
    would grow a position of `most_lots`. Skew and half spread in 10^-6 ticks.
    """

    def __init__(self, lots: int, most_lots: int, skew_e6: int, half_spread_e6: int) -> None:
        if lots <= 0 or most_lots <= 0:
            raise ValueError(f"{lots} lots an order, {most_lots} at most: both must be positive")
        self.lots, self.most_lots = lots, most_lots
        self.skew_e6, self.half_spread_e6 = skew_e6, half_spread_e6

    def decide(
        self,
        engine: Account,
        market: Market,
        now_ns: cython.longlong,  # noqa: ARG002
    ) -> cython.int:
        """Quote anew."""
        book: Book = market.local
        bid: cython.longlong = book._best_price(0)
        ask: cython.longlong = book._best_price(1)
        bid_lots: cython.longlong = book._lots[book._best[0]]
        ask_lots: cython.longlong = book._lots[WINDOW_TICKS + book._best[1]]
        fair: cython.longlong = (ask - bid) * bid_lots * E6 // (bid_lots + ask_lots)
        position: cython.longlong = market.position_lots
        low: cython.longlong
        high: cython.longlong
        fair -= self.skew_e6 * position // self.most_lots
        low = bid + (fair - self.half_spread_e6) // E6
        high = bid - (-(fair + self.half_spread_e6) // E6)
        low = min(low, bid) if position < self.most_lots else 0
        high = max(high, ask) if position > -self.most_lots else 0
        return engine.quote(market, low, high, self.lots)


@cython.cclass
class FunctionRule(Rule):
    """A plain Python function as a rule: `function(now_ns, bid, ask, bid_lots, ask_lots, position_lots)`.

    It returns the pair of prices (ticks) to quote `lots` at, 0 for none; None leaves everything as it is.
    """

    def __init__(
        self, function: Callable[[int, int, int, int, int, int], tuple[int, int] | None], lots: int
    ) -> None:
        if lots <= 0:
            raise ValueError(f"{lots} lots an order: must be positive")
        self.function, self.lots = function, lots

    def decide(self, engine: Account, market: Market, now_ns: cython.longlong) -> cython.int:
        """Ask the function."""
        book: Book = market.local
        low: cython.longlong
        high: cython.longlong
        wanted: object = self.function(
            now_ns,
            book._best_price(0),
            book._best_price(1),
            book._lots[book._best[0]],
            book._lots[WINDOW_TICKS + book._best[1]],
            market.position_lots,
        )
        if wanted is None:
            return 0
        low, high = wanted
        if low < 0 or high < 0:
            raise ValueError(
                f"the function wants {low} and {high} ticks at {now_ns} ns: 0 is no quote, else > 0"
            )
        return engine.quote(market, low, high, self.lots)


def run_function(engine: object, function: object, step_ns: int, lots: int, until_ns: int = 2**63 - 1) -> int:
    """Let a plain Python function decide (see `FunctionRule`) every `step_ns`; return END or PAUSE."""
    return engine.run_rule(FunctionRule(function, lots), step_ns, until_ns)


def skewed_maker(
    most_lots: int, skew_e6: int, half_spread_e6: int
) -> Callable[[int, int, int, int, int, int], tuple[int, int]]:
    """Return `SkewedMaker` as a plain Python function, to compare speeds and results."""

    def wanted(
        _now_ns: int, bid: int, ask: int, bid_lots: int, ask_lots: int, position: int
    ) -> tuple[int, int]:
        """Return both prices."""
        fair = (ask - bid) * bid_lots * 1_000_000 // (bid_lots + ask_lots) - skew_e6 * position // most_lots
        low = bid + (fair - half_spread_e6) // 1_000_000
        high = bid - (-(fair + half_spread_e6) // 1_000_000)
        low = bid if low > bid else low
        high = ask if high < ask else high
        return low if position < most_lots else 0, high if position > -most_lots else 0

    return wanted
