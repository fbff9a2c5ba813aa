"""Column files made by hand, and the settings of a small backtest over them."""

import sys
import textwrap
from array import array
from dataclasses import replace

import pytest

from services.broker.settings import BrokerSettings
from services.market_data.settings import FeedVenue, MarketDataSettings
from services.risk.settings import RiskSettings
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.columns import CLEAR, FUNDING, INVALID, LAST, LEVEL, TRADE, Columns, ColumnsWriter
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_MS

PERP = "binance_usdm:BTCUSDT"
START_NS = 1_700_000_000 * 10**9


def rules_of(symbol=PERP, **changes):
    """Return rules like those of BTCUSDT: tick 0.1, lot 0.001, atoms of 1e-8, maker 2 and taker 5 bps."""
    fields = {
        "symbol": symbol,
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "tick_size": "0.1",
        "lot_size": "0.001",
        "quote_exponent": 8,
        "tick_lot_atoms": 10_000,
        "min_qty_lots": 1,
        "max_qty_lots": 0,
        "min_notional_atoms": 0,
        "min_price_ticks": 0,
        "max_price_ticks": 0,
        "maker_fee_ppm": 200,
        "taker_fee_ppm": 500,
        "is_derivative": symbol.startswith("binance_usdm"),
    }
    return InstrumentRules(**{**fields, **changes})


class Tape:
    """Rows of one market, written by hand; times are ms after `START_NS`, 20 ms after the venue's."""

    def __init__(self, symbol=PERP, **changes):
        self.symbol = symbol
        self.rules = rules_of(symbol, **changes)
        self.columns = [array(code) for code in "qqiqBB"]

    def row(self, at_ms, kind, price_ticks=0, lots=0, side=0):
        local_ns = START_NS + at_ms * NS_PER_MS
        values = (local_ns - 20 * NS_PER_MS, local_ns, price_ticks, lots, kind, side)
        for column, value in zip(self.columns, values, strict=True):
            column.append(value)

    def book(self, at_ms, bids=((600_000, 10), (599_990, 20)), asks=((600_010, 10), (600_020, 20))):
        self.row(at_ms, CLEAR)
        return self.change(at_ms, bids, asks)

    def change(self, at_ms, bids=(), asks=()):
        for side, levels in enumerate((bids, asks)):
            for price_ticks, lots in levels:
                self.row(at_ms, LEVEL, price_ticks, lots, side)
        self.columns[4][-1] |= LAST
        return self

    def trade(self, at_ms, price_ticks, lots, side):
        self.row(at_ms, TRADE | LAST, price_ticks, lots, side)
        return self

    def invalid(self, at_ms):
        self.row(at_ms, INVALID | LAST)
        return self

    def funding(self, at_ms, rate_e8, mark_ticks):
        self.row(at_ms, FUNDING | LAST, mark_ticks, rate_e8)
        return self

    def write(self, path, source="by hand"):
        writer = ColumnsWriter(path, self.symbol, self.rules, source)
        writer.append_rows(*self.columns)
        writer.finish()
        return path

    def open(self, path):
        return Columns.open(self.write(path))


@pytest.fixture
def tape():
    """A maker of tapes: `tape()` or `tape("binance:BTCUSDT", maker_fee_ppm=0)`."""
    return Tape


def small_sections(symbol=PERP, kind="avellaneda_stoikov", params=None, **broker):
    """Return the settings of a backtest of one strategy `one` without a warm-up, latency 50 ms."""
    venue, _, name = symbol.partition(":")
    chosen = {"latency_ms": 50, "latency_std_ms": 0, "latency_spike_ppm": 0, "latency_min_ms": 0, **broker}
    instance = InstanceSettings(kind=kind, symbol=symbol, params=params or {})
    risk = RiskSettings()
    prepared = replace(risk.prepared, symbols=(symbol,), wallet_balance=BrokerSettings().initial_balance)
    return {
        "strategy": StrategySettings(instances={"one": instance}, warmup_s=0, warmup_points=0),
        "risk": replace(risk, prepared=prepared),
        "broker": BrokerSettings(**chosen),
        "market_data": MarketDataSettings(venues=(FeedVenue(name=venue, symbols=(name,)),), candles=False),
    }


@pytest.fixture
def sections():
    """A maker of settings: see `small_sections`."""
    return small_sections


@pytest.fixture
def own_strategy(tmp_path, monkeypatch):
    """A maker of strategies in plain Python files: `own_strategy("mine", code)` returns its kind."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, code):
        # Another test may have had a module of this name.
        sys.modules.pop(name, None)
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
        return f"{name}:Mine"

    return make


BUYER = """
    from dataclasses import dataclass

    from services.strategy.base import Quote, Strategy, TargetQuotes
    from shared.units import Side

    @dataclass(frozen=True)
    class Settings:
        pass

    class Mine(Strategy):
        Settings = Settings

        def on_book(self, ctx):
            return [TargetQuotes((Quote("bid", Side.BUY, ctx.book.bid_ticks, 5, is_post_only=True),))]
"""


@pytest.fixture
def buyer(own_strategy):
    """The kind of a strategy that joins the best bid with 5 lots at every book."""
    return own_strategy("buyer", BUYER)


@pytest.fixture
def column_file(tmp_path):
    """A column file of 100 s of BTCUSDT: a book that moves each 100 ms, a trade between."""
    tape = Tape().book(0)
    for at in range(1, 1000):
        up = at // 50 % 2
        bids = [(600_000, 0 if up else 10 + at % 7), (599_990, 20 + at % 5)]
        asks = [(600_010, 10 + at % 3 if up else 0), (600_020, 20)]
        tape.change(at * 100, bids, asks)
        tape.trade(at * 100 + 50, 599_990 if at % 2 else 600_020, 3 + at % 4, at % 2)
    return tape.change(100_000, [(600_000, 9)], [(600_010, 9)]).write(tmp_path / "btc.columns")
