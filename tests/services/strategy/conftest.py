"""A context to call one strategy with, without a core around it."""

import pytest

from services.strategy.base import Context, TargetQuotes
from services.strategy.desk import Desk, levels_block, make_rules
from services.strategy.own_orders import OwnOrders
from services.strategy.settings import InstanceSettings, StrategySettings
from services.strategy.world import World
from shared.kernels.position import Position
from shared.messages import orders
from shared.messages.market import Trade
from shared.messages.orders import Fill
from shared.units import Side

USDM = "binance_usdm:BTCUSDT"
SPOT = "binance:BTCUSDT"


class Stage:
    """A strategy's context whose book, position and clock the test sets."""

    def __init__(self, symbol=USDM, **changes):
        self.world = World()
        self.rules = make_rules(symbol, **changes)
        self.world.rules[symbol] = self.rules
        self.orders = OwnOrders()
        self.position = Position(self.rules.tick_lot_atoms)
        self.ctx = Context("one", self.rules, self.world, self.position, self.orders.by_slot)
        self.ctx.can_trade = True
        self.trade_id = 0

    def book(self, bids, asks):
        self.ctx.book.snapshot(levels_block(bids, asks), len(bids), 1)
        return self

    def touch(self, bid, ask, lots=1000):
        return self.book([(bid, lots)], [(ask, lots)])

    def at(self, now_ns):
        self.world.now_ns = now_ns
        return self

    def hold(self, lots, price=600_000):
        if lots:
            self.position.apply_fill(0 if lots > 0 else 1, price, abs(lots), 0)
        return self

    def trade(self, side, price, lots):
        self.trade_id += 1
        return Trade(self.rules.symbol, self.trade_id, price, lots, side, 0, 0)

    def fill(self, slot, side, price, lots, leaves=0, order_id="", fee_atoms=0):
        self.trade_id += 1
        return Fill(
            order_id or f"x-one-{slot}-1",
            "one",
            self.rules.symbol,
            f"t{self.trade_id}",
            side,
            price,
            lots,
            lots,
            leaves,
            fee_atoms,
            "USDT",
            True,
            0,
        )


def quotes_of(intents):
    """Return the target quotes among intents as {slot: (side, price, lots)}, None when none were set."""
    found = [one for one in intents if isinstance(one, TargetQuotes)]
    if not found:
        return None
    return {quote.slot: (Side(quote.side), quote.price_ticks, quote.qty_lots) for quote in found[-1].quotes}


@pytest.fixture
def make_stage():
    return Stage


@pytest.fixture
def targets():
    return quotes_of


# ---- a core at a desk

QUICK = {"warmup_books": 0}


def settings_with(warmup_s=0, warmup_points=0, **instances):
    found = {
        name: InstanceSettings(kind=kind, symbol=USDM, params=params, enabled=params.pop("enabled", True))
        for name, (kind, params) in instances.items()
    }
    return StrategySettings(instances=found, warmup_s=warmup_s, warmup_points=warmup_points)


def opened(warmup_s=0, warmup_points=0, **instances):
    instances = instances or {"one": ("avellaneda_stoikov", dict(QUICK))}
    desk = Desk(settings_with(warmup_s, warmup_points, **instances), make_rules(USDM))
    desk.start()
    desk.move(desk.mid_ticks)
    return desk


def of(kind, messages):
    return [message for message in messages if isinstance(message, kind)]


def live(desk, name="one"):
    return {order.slot: order for order in desk.core.instance(name).orders.dump()}


def settle(desk):
    """Let the venue say all that it has to say."""
    for _ in range(50):
        desk.report()


def fill_of(order, trade_id, lots=1, leaves=0):
    head = (order.client_order_id, "one", USDM)
    return orders.Fill(
        *head, trade_id, order.side, order.price_ticks, lots, lots, leaves, 500, "USDT", True, 0
    )


@pytest.fixture(name="settings")
def _settings():
    return settings_with


@pytest.fixture(name="opened")
def _opened():
    return opened


@pytest.fixture(name="of")
def _of():
    return of


@pytest.fixture(name="live")
def _live():
    return live


@pytest.fixture(name="settle")
def _settle():
    return settle


@pytest.fixture(name="fill_of")
def _fill_of():
    return fill_of
