"""nautilus_trader on the columns of a feed; run by the Python of an environment that has it, never imported.

usage: python backtest_peer_nautilus.py FOLDER ROWS; prints one line of JSON: seconds of its run, orders sent,
fills. Building its event objects and adding them is not counted. A two-sided maker every 100 ms.
"""
# mypy: ignore-errors
# ruff: noqa: ANN001, ANN201, ANN204  types of a peer that is not installed here

import json
import sys
import time
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from nautilus_trader.backtest.config import BacktestEngineConfig  # noqa: E402
from nautilus_trader.backtest.engine import BacktestEngine  # noqa: E402
from nautilus_trader.config import LoggingConfig, StrategyConfig  # noqa: E402
from nautilus_trader.model.currencies import BTC, USDT  # noqa: E402
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick  # noqa: E402
from nautilus_trader.model.enums import (  # noqa: E402
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
)
from nautilus_trader.model.identifiers import TradeId, TraderId, Venue  # noqa: E402
from nautilus_trader.model.objects import Money  # noqa: E402
from nautilus_trader.test_kit.providers import TestInstrumentProvider  # noqa: E402
from nautilus_trader.trading.strategy import Strategy  # noqa: E402

STEP_NS = 100_000_000
TICK, LOT = 0.01, 0.001
MOST, ORDER = 1.0, 0.1
SKEW, HALF_SPREAD = 0.06, 0.015
LAST = 128


class Settings(StrategyConfig, frozen=True):
    """None of its own."""


class Maker(Strategy):
    """One order a side around the size-weighted mid."""

    def __init__(self, settings, instrument):
        """Hold nothing yet."""
        super().__init__(settings)
        self.instrument = instrument
        self.next_ns = 0
        self.resting = {OrderSide.BUY: None, OrderSide.SELL: None}
        self.sent = self.fills = 0

    def on_start(self):
        """Ask for the book."""
        self.subscribe_order_book_deltas(self.instrument.id, BookType.L2_MBP)

    def on_order_filled(self, _event):
        """Count it."""
        self.fills += 1

    def on_order_book_deltas(self, deltas):
        """Quote anew at each step."""
        if deltas.ts_event < self.next_ns:
            return
        self.next_ns = deltas.ts_event + STEP_NS
        book = self.cache.order_book(self.instrument.id)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is None or ask is None:
            return
        bid_qty, ask_qty = float(book.best_bid_size()), float(book.best_ask_size())
        fair = (float(bid) * ask_qty + float(ask) * bid_qty) / (ask_qty + bid_qty)
        position = float(self.portfolio.net_position(self.instrument.id))
        fair -= SKEW * position / MOST
        self.quote(OrderSide.BUY, min(round(fair - HALF_SPREAD, 2), float(bid)), position < MOST)
        self.quote(OrderSide.SELL, max(round(fair + HALF_SPREAD, 2), float(ask)), position > -MOST)

    def quote(self, side, price, is_wanted):
        """Keep, replace or cancel the order of a side."""
        price = self.instrument.make_price(price)
        old = self.resting[side]
        if old is not None and old.is_open:
            if old.price == price and is_wanted:
                return
            self.cancel_order(old)
        if is_wanted:
            quantity = self.instrument.make_qty(ORDER)
            order = self.order_factory.limit(self.instrument.id, side, quantity, price, post_only=True)
            self.resting[side] = order
            self.submit_order(order)
            self.sent += 1


def events_of(folder, rows, instrument):
    """Return the first rows as this peer's objects."""
    names = (("ts_local_ns", "i8"), ("price_ticks", "i4"), ("lots", "i8"), ("kind", "u1"), ("side", "u1"))
    columns = [np.fromfile(folder / name, dtype, count=rows).tolist() for name, dtype in names]
    events = []
    for at, (ts_ns, ticks, lots, kind, side) in enumerate(zip(*columns, strict=True)):
        price, size = instrument.make_price(round(ticks * TICK, 2)), instrument.make_qty(lots * LOT)
        if kind & 15 == 1:
            aggressor = AggressorSide.SELLER if side else AggressorSide.BUYER
            events.append(TradeTick(instrument.id, price, size, aggressor, TradeId(str(at)), ts_ns, ts_ns))
        elif kind & 15 == 0:
            action = BookAction.UPDATE if lots else BookAction.DELETE
            order = BookOrder(OrderSide.SELL if side else OrderSide.BUY, price, size, 0)
            events.append(OrderBookDelta(instrument.id, action, order, LAST, 0, ts_ns, ts_ns))
    return events


def main():
    """Run once."""
    instrument = TestInstrumentProvider.btcusdt_binance()
    events = events_of(Path(sys.argv[1]), int(sys.argv[2]), instrument)
    settings = BacktestEngineConfig(
        trader_id=TraderId("BT-001"), logging=LoggingConfig(bypass_logging=True), run_analysis=False
    )
    engine = BacktestEngine(settings)
    engine.add_venue(
        venue=Venue("BINANCE"),
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(10_000_000.0, USDT), Money(1000.0, BTC)],
        book_type=BookType.L2_MBP,
    )
    engine.add_instrument(instrument)
    engine.add_data(events)
    strategy = Maker(Settings(), instrument)
    engine.add_strategy(strategy)
    started = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - started
    print(  # noqa: T201
        json.dumps(
            {"seconds": seconds, "rows": len(events), "orders": strategy.sent, "fills": strategy.fills}
        ),
        flush=True,
    )


main()
