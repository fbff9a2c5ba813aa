"""A context to call one strategy with, without a core around it."""

from decimal import Decimal

import pytest

from services.strategy.base import Context, Note, TargetQuotes
from services.strategy.classic import Classic, ClassicSettings, Wish
from services.strategy.classic_candles import MINUTE_NS
from services.strategy.desk import Desk, levels_block, make_rules
from services.strategy.grid import Grid
from services.strategy.grid_settings import GridSettings
from services.strategy.market_exit import ENTRY
from services.strategy.own_orders import OwnOrders
from services.strategy.settings import InstanceSettings, StrategySettings
from services.strategy.world import World
from shared.kernels.position import Position
from shared.messages import orders
from shared.messages.market import Candle, Trade
from shared.messages.orders import Fill, OrderExpired, OrderIntent
from shared.units import NS_PER_S, Side

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


# ---- a grid on a stage

GRID_NOW = 10**18


class GridTable:
    """A grid on a stage, with orders that the test answers."""

    def __init__(self, stage, **changes):
        self.stage = stage.at(GRID_NOW)
        values = {"buy_window": 3, "sell_window": 3, "order_cap": 50, **changes}
        self.grid = Grid(GridSettings(**values))
        self.count = 0
        self.wanted = {}
        self.quotes = {}
        self.notes = []

    def start(self):
        self.take(self.grid.on_start(self.stage.ctx))
        return self

    def take(self, intents):
        """Remember what the grid wants and says."""
        found = [one for one in intents if isinstance(one, TargetQuotes)]
        if found:
            self.quotes = {quote.slot: quote for quote in found[-1].quotes}
            self.wanted = quotes_of(intents)
        self.notes += [one for one in intents if isinstance(one, Note)]
        return self.wanted

    def later(self, seconds):
        self.stage.at(self.stage.world.now_ns + round(seconds * 10**9))
        return self

    def price(self, mid):
        """Move the market; return what the grid wants."""
        self.stage.touch(mid - 1, mid + 1)
        return self.take(self.grid.on_book(self.stage.ctx))

    def wait(self, seconds):
        """Let time pass while the book stands still; return what the grid wants."""
        self.later(seconds)
        return self.take(self.grid.on_timer(self.stage.ctx))

    def head(self, slot):
        return self.stage.orders.by_slot[slot].client_order_id, "one", self.stage.rules.symbol

    def ask(self, slot):
        """Send the order of a slot; nobody answers yet."""
        quote = self.quotes[slot]
        self.count += 1
        intent = orders.OrderIntent(
            f"x-one-{slot}-{self.count}", "one", self.stage.rules.symbol, quote.side, quote.price_ticks,
            quote.qty_lots, is_post_only=quote.is_post_only, is_reduce_only=quote.is_reduce_only, slot=slot,
        )  # fmt: skip
        order = self.stage.orders.intend(intent, self.stage.world.now_ns)
        self.take(self.grid.on_order_event(self.stage.ctx, order, intent))

    def send(self, slot):
        """Send the order of a slot; it is on its way."""
        self.ask(slot)
        quote = self.quotes[slot]
        terms = (*self.head(slot), quote.side, quote.price_ticks, quote.qty_lots)
        self.hear(orders.OrderApproved(*terms))
        self.hear(orders.OrderSent(*terms))

    def place(self, *slots):
        """Place what is wanted, or only some of it; the venue holds it."""
        for slot in slots or [slot for slot in self.wanted if slot not in self.stage.orders.by_slot]:
            self.send(slot)
            self.hear(orders.OrderAccepted(*self.head(slot), "v", 0))
        return self

    def hear(self, message):
        order, problem = self.stage.orders.report(message, message.client_order_id, GRID_NOW)
        assert problem == ""
        self.take(self.grid.on_order_event(self.stage.ctx, order, message))

    def withdraw(self):
        """Cancel what is not wanted any more."""
        for slot in [slot for slot in self.stage.orders.by_slot if slot not in self.wanted]:
            self.cancel(slot)
        return self

    def cancel(self, slot):
        head = self.head(slot)
        order = self.stage.orders.ask_cancel(orders.CancelIntent(*head), 1)
        self.grid.on_order_event(self.stage.ctx, order, orders.CancelIntent(*head))
        filled = order.filled_lots
        self.hear(orders.OrderCanceled(*head, filled))

    def fill(self, slot, lots=None, price=None, fee_atoms=0):
        order = self.stage.orders.by_slot[slot]
        lots = lots or order.leaves_lots
        done = order.filled_lots + lots
        self.count += 1
        terms = (order.side, price or order.price_ticks, lots, done, order.qty_lots - done)
        fill = orders.Fill(*self.head(slot), f"t{self.count}", *terms, fee_atoms, "USDT", True, 0)
        self.stage.position.apply_fill(order.side, fill.price_ticks, lots, fee_atoms)
        self.stage.orders.report(fill, fill.client_order_id, GRID_NOW)
        self.grid.on_fill(self.stage.ctx, slot, fill)
        return fill


@pytest.fixture
def make_table():
    return GridTable


@pytest.fixture
def table():
    return lambda symbol=USDM, rules=None, **changes: GridTable(Stage(symbol, **(rules or {})), **changes)


# ---- a candle strategy whose bars decide what the test says

CANDLES_START_NS = 1_700_000_000 * 10**9 // MINUTE_NS * MINUTE_NS


class Told(Classic):
    """Takes its decisions from a list, one for each bar."""

    def __init__(self, settings, decisions=()):
        self.decisions = list(decisions)
        self.closes = []
        self.left = 0
        super().__init__(settings)

    def on_bar(self, ctx, bar):  # noqa: ARG002
        self.closes.append(bar.close_ticks)
        if self.decisions:
            self.stance, self.wish = self.decisions.pop(0)

    def forget(self):
        self.closes = []

    def position_left(self):
        self.left += 1


class Led:
    """Leads such a strategy: closes minutes, rings its timer, and reports of its orders."""

    START = CANDLES_START_NS
    BUY = Wish(1, Decimal(100), "test")
    SELL = Wish(-1, Decimal(100), "test")

    def told(self, *decisions, **changes):
        return Told(ClassicSettings(**{"candle_minutes": 1, **changes}), decisions)

    def minute(self, stage, one, number, close=600_000, at_ns=0):
        """Close a minute; the clock stands at its end, or where the test says."""
        opened = self.START + number * MINUTE_NS
        stage.at(at_ns or opened + MINUTE_NS)
        shape = (close, close, close, close)
        times = (opened + MINUTE_NS, opened + MINUTE_NS)
        return list(
            one.on_candle(stage.ctx, Candle(stage.rules.symbol, 60, opened, *shape, 1, 1, True, *times))
        )

    def later(self, stage, one, seconds):
        """Let seconds pass, and the timer ring."""
        stage.at(stage.world.now_ns + seconds * NS_PER_S)
        return list(one.on_timer(stage.ctx))

    def sent(self, stage, one, order):
        """Hold an order as unfinished, and tell the strategy."""
        intent = OrderIntent(
            f"e-one-{order.slot}-9", "one", stage.rules.symbol, order.side, order.price_ticks, order.qty_lots,
            order.order_type, order.tif, slot=order.slot, reason=order.reason,
        )  # fmt: skip
        one.on_order_event(stage.ctx, stage.orders.intend(intent, stage.world.now_ns), intent)

    def ended(self, stage, one, slot):
        """Let an order end without another fill."""
        order = stage.orders.by_slot[slot]
        stage.orders.load([])
        one.on_order_event(
            stage.ctx,
            order,
            OrderExpired(order.client_order_id, "one", stage.rules.symbol, order.filled_lots),
        )

    def filled(self, stage, one, slot, side, price, lots, order_id=""):
        """Let an order fill; the position has it before the strategy hears of it, as in the core."""
        fill = stage.fill(slot, side, price, lots, order_id=order_id)
        stage.position.apply_fill(side, price, lots, 0)
        one.on_fill(stage.ctx, slot, fill)

    def holding(self, make_stage, symbol="binance_usdm:BTCUSDT", side=Side.BUY, **changes):
        """A strategy that holds 2 lots entered at 600,000: its stop is 12,000 away, its target 30,000."""
        stage, one = make_stage(symbol).at(self.START), self.told(**changes)
        stage.touch(599_999, 600_001)
        self.filled(stage, one, ENTRY, side, 600_000, 2)
        return stage, one


@pytest.fixture(name="led")
def _led():
    return Led()
