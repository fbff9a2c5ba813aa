"""A market that is only a matching book: whoever holds it plays the others. For campaigns and exact tests."""
# ruff: noqa: ARG002 - a book without streams has no use for the time

from collections.abc import Iterator
from typing import Any

from services.venue_sim.capture_scan import scaled
from services.venue_sim.exchange.sides import OnExecution
from services.venue_sim.market import Execution
from services.venue_sim.matching import BUY, SELL, Match, MatchingBook, UpdateIds
from services.venue_sim.venue import Market


class PlainSide:
    """A `sides.MarketSide` without streams.

    `submit`, `cancel` and `reduce` are for orders of others (ids above 0); what they trade with orders of
    accounts is told to the exchange at once. Mark and index price are the last price until they are set.
    """

    def __init__(self, market: Market, *, last_ticks: int, first_trade_id: int = 1) -> None:
        self.market = market
        self.book = MatchingBook(UpdateIds(0))
        self.trade_id = first_trade_id - 1
        self.mark_price_e18 = 0
        self.funding_rate_e8 = 0
        self.next_funding_ms = 0
        self._last_ticks = last_ticks
        self._range = (last_ticks, last_ticks)
        self._on_execution: OnExecution | None = None
        self.is_halted = False
        self._tick_e18 = scaled(market.tick_size)

    # ---- the others

    def submit(
        self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int, *, is_ioc: bool = False
    ) -> list[Execution]:
        """Enter an order of somebody who is no account; returns its trades. Nothing happens in a halt."""
        if self.is_halted:
            return []
        assert order_id > 0, f"order {order_id}: ids below 0 are those of accounts"
        executions = self._printed(self.book.submit(order_id, side, price_ticks, lots, is_ioc=is_ioc))
        for execution in executions:
            if execution.maker_id < 0 and self._on_execution is not None:
                self._on_execution(execution, now_ms)
        return executions

    def cancel(self, order_id: int) -> int:
        """Take an order of somebody else out; returns what was left of it."""
        return self.book.cancel(order_id)

    # ---- the exchange

    def listen(self, on_execution: OnExecution) -> None:
        """Let fills be told."""
        self._on_execution = on_execution

    def best(self, side: int) -> int:
        """Return the best price of a side."""
        return self.book.best(side)

    def walk(self, side: int) -> Iterator[tuple[int, int]]:
        """Yield the levels of a side."""
        return self.book.walk(side)

    def take(self, order_id: int, side: int, limit_ticks: int, lots: int, now_ms: int) -> list[Execution]:
        """Take from the book at once."""
        return self._printed(self.book.submit(order_id, side, limit_ticks, lots, is_ioc=True))

    def rest(self, order_id: int, side: int, price_ticks: int, lots: int, now_ms: int) -> None:
        """Join the queue."""
        matches = self.book.submit(order_id, side, price_ticks, lots)
        assert not matches, f"order {order_id} should rest at {price_ticks} ticks but crosses"

    def withdraw(self, order_id: int, now_ms: int) -> int:
        """Leave the queue."""
        return self.book.cancel(order_id)

    def shrink(self, order_id: int, lots: int, now_ms: int) -> None:
        """Keep the place with fewer lots."""
        self.book.reduce(order_id, lots)

    def print_trade(self, taker_side: int, price_ticks: int, lots: int, now_ms: int) -> int:
        """Count a trade."""
        return self._printed([Match(0, 0, taker_side, price_ticks, lots)])[0].trade_id

    def lots_before(self, order_id: int) -> int:
        """Return the lots at better prices and before it at its own."""
        return self.book.lots_before(order_id)

    def visible_lots(self, order_id: int) -> int:
        """Return the lots of a resting order."""
        return self.book.lots_of(order_id)

    def last_ticks(self) -> int:
        """Return the price of the last trade."""
        return self._last_ticks

    def trade_range(self) -> tuple[int, int]:
        """Return what traded since this was asked last."""
        low, high = self._range
        self._range = (self._last_ticks, self._last_ticks)
        return low, high

    def mark_e18(self) -> int:
        """Return the mark price that was set, else the last price."""
        return self.mark_price_e18 or self._last_ticks * self._tick_e18

    def index_e18(self) -> int:
        """Return the mark price."""
        return self.mark_e18()

    def funding(self) -> tuple[int, int]:
        """Return what was set."""
        return self.funding_rate_e8, self.next_funding_ms

    def _printed(self, matches: list[Match]) -> list[Execution]:
        executions = []
        for match in matches:
            self.trade_id += 1
            self._last_ticks = match.price_ticks
            self._range = (min(self._range[0], match.price_ticks), max(self._range[1], match.price_ticks))
            executions.append(Execution(self.trade_id, *match))
        return executions

    def halt(self, is_halted: bool) -> None:
        """Refuse orders of others too, or take them again."""
        self.is_halted = is_halted

    def top(self) -> tuple[int, int, int, int]:
        """Return (bid_ticks, bid_lots, ask_ticks, ask_lots), 0 where a side is empty."""
        bid, ask = self.book.best(BUY), self.book.best(SELL)
        return bid, self.book.lots_at(BUY, bid), ask, self.book.lots_at(SELL, ask)

    def dump(self) -> list[Any]:
        """Return the book and its counters."""
        prices = [self._last_ticks, self.mark_price_e18, self.funding_rate_e8, self.next_funding_ms]
        return [self.trade_id, prices, self.book.dump()]

    def load(self, dumped: list[Any]) -> None:
        """Take the state of `dump` into an empty book."""
        self.trade_id, prices, orders = dumped
        self._last_ticks, self.mark_price_e18, self.funding_rate_e8, self.next_funding_ms = prices
        self.book.load(orders)
