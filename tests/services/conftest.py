"""A bench for tests: risk and broker over one log in virtual time, with hands on every input."""

import array
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.broker.core import BrokerCore
from services.broker.instructions import ClearLatch, LatchKill
from services.broker.settings import BrokerSettings
from services.fused.mesh import FusedMesh
from services.risk.breaker_settings import RampSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.messages import Event, control, market, orders, system
from shared.settings import pack
from shared.units import NS_PER_MS, Side

PERP = "binance_usdm:BTCUSDT"
SPOT = "binance:BTCUSDT"
START_NS = 1_700_000_000 * 10**9
PROMPT = BrokerSettings(latency_ms=50, latency_std_ms=0, latency_spike_ppm=0)


def block(bids, asks):
    """Return a levels block, bids first."""
    return array.array("q", [number for level in [*bids, *asks] for number in level]).tobytes()


def rules(symbol=PERP, **changes):
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
        "is_derivative": symbol == PERP,
    }
    return market.InstrumentRules(**{**fields, **changes})


class TradingBench:
    """One mesh of risk and broker; everything said is in `log`."""

    PERP, SPOT = PERP, SPOT
    BIDS = ((600_000, 10), (599_990, 20), (599_980, 30))
    ASKS = ((600_010, 10), (600_020, 20), (600_030, 30))
    rules = staticmethod(rules)
    block = staticmethod(block)

    def __init__(self, risk=None, broker=PROMPT, cores=None, *, is_ramping=False):
        """Make it; whole limits hold at once unless `is_ramping`."""
        risk = risk or RiskSettings()
        if not is_ramping:
            risk = replace(risk, ramp=RampSettings(duration_s=0))
        self.log: list[Event] = []
        self.instructions = []
        self.risk, self.broker = cores or (RiskCore(), BrokerCore())
        sections = {"risk": pack(risk), "broker": pack(broker)}
        self.mesh = FusedMesh(
            [self.risk, self.broker],
            sections,
            build="bench",
            epoch=7,
            store=lambda stored: self.log.append(stored.event),
            carry_out=self._carry_out,
        )
        self.update_n: dict[str, int] = {}
        self.order_count = 0
        self.trade_count = 0

    def _carry_out(self, _service, instruction, _event):
        self.instructions.append(instruction)
        if isinstance(instruction, LatchKill):
            self.say("broker.io", control.KillLatched(instruction.by, instruction.reason, instruction.path))
        elif isinstance(instruction, ClearLatch):
            self.say("broker.io", control.KillCleared(instruction.by, instruction.reason))

    def start(self, *, is_reconciled=True, symbols=(PERP, SPOT), **rule_changes):
        """Start all services, say rules and books."""
        self.mesh.start(START_NS, others=("market_data", "strategy"))
        if is_reconciled:
            self.say("broker.io", system.Reconciled(run=1))
        for symbol in symbols:
            self.say("market_data.io", rules(symbol, **rule_changes))
            self.book(symbol=symbol)
        return self

    def say(self, source, message, *, age_ms=0):
        self.mesh.say(source, message, origin_ns=self.mesh.now_ns - age_ms * NS_PER_MS)

    def book(self, bids=BIDS, asks=ASKS, symbol=PERP):
        self.update_n[symbol] = 1
        levels = block(bids, asks)
        message = market.BookSnapshot(symbol, 1, 1, len(bids), levels, "start", 0, 0)
        self.say("market_data.io", message)

    def update(self, bids=(), asks=(), symbol=PERP):
        self.update_n[symbol] += 1
        n = self.update_n[symbol]
        self.say("market_data.io", market.BookUpdate(symbol, n, n, n, len(bids), block(bids, asks), 0, 0))

    def trade(self, side, price_ticks, lots, symbol=PERP):
        self.trade_count += 1
        message = market.Trade(symbol, self.trade_count, price_ticks, lots, side, 0, 0)
        self.say("market_data.io", message)

    def intent(
        self, side=Side.BUY, price_ticks=600_000, lots=5, *, strategy="mm", symbol=PERP, age_ms=0, **kw
    ):
        """Say an intent of a new id and return the id."""
        self.order_count += 1
        order_id = f"7-{strategy}-s{self.order_count}-1"
        message = orders.OrderIntent(order_id, strategy, symbol, side, price_ticks, lots, **kw)
        self.say(f"strategy/{strategy}", message, age_ms=age_ms)
        return order_id

    def resting(self, *args, **kw):
        """Say an intent and wait until it has reached the venue."""
        order_id = self.intent(*args, **kw)
        self.pass_ms(100)
        return order_id

    def cancel(self, order_id, strategy="mm", symbol=PERP):
        self.say(f"strategy/{strategy}", orders.CancelIntent(order_id, strategy, symbol))

    def pass_ms(self, ms, *, is_feed_alive=True):
        """Let time pass in ticks of 100 ms; a living feed says unchanged books."""
        end_ns = self.mesh.now_ns + ms * NS_PER_MS
        while self.mesh.now_ns < end_ns:
            self.mesh.tick(min(end_ns, self.mesh.now_ns + 100 * NS_PER_MS))
            if is_feed_alive:
                for symbol in self.update_n:
                    self.update(symbol=symbol)

    def said(self, *kinds, order_id=None):
        """Return the messages of some kinds on the log, of one order when named."""
        return [
            event.message
            for event in self.log
            if isinstance(event.message, kinds)
            and order_id in {None, getattr(event.message, "client_order_id", "")}
        ]

    def story(self, order_id):
        """Return the names of all messages about one order, in order."""
        return [
            type(event.message).__name__
            for event in self.log
            if getattr(event.message, "client_order_id", None) == order_id
        ]

    def verdict(self, *args, **kw):
        """Say an intent and return risk's answer."""
        order_id = self.intent(*args, **kw)
        kinds = (orders.OrderApproved, orders.OrderAdjusted, orders.OrderRefused)
        return self.said(*kinds, order_id=order_id)[-1]

    def fill_position(self, side, lots, *, strategy="mm", symbol=PERP):
        """Take a position by a market order."""
        self.resting(side, 0, lots, strategy=strategy, symbol=symbol, order_type=orders.OrderType.MARKET)
        self.book(symbol=symbol)

    def replayed(self, core):
        """Return a core that was fed the whole log."""
        for event in self.log:
            core.apply(event)
        return core


@pytest.fixture
def make_bench() -> Callable[..., TradingBench]:
    """Return the bench class; call `.start()` on what it makes."""
    return TradingBench


@pytest.fixture
def bench() -> TradingBench:
    """Return a started bench with default limits and a constant latency of 50 ms."""
    return TradingBench().start()


@pytest.fixture
def limits() -> Callable[..., RiskSettings]:
    """Return a function that makes risk settings; `limits__x` sets a limit of every market."""

    def make(**changes):
        common = {k.removeprefix("limits__"): v for k, v in changes.items() if k.startswith("limits__")}
        own = {k: v for k, v in changes.items() if not k.startswith("limits__")}
        settings = replace(RiskSettings(), **own)
        return replace(settings, limits=replace(settings.limits, **common))

    return make
