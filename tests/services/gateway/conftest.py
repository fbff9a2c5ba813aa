"""A fed replica and the application over it, without a bus."""

import asyncio
import struct

import pytest
from fastapi.testclient import TestClient

from services.gateway.app import make_app
from services.gateway.desk import NotStoredError
from services.gateway.hub import Hub
from services.gateway.mesh import Mesh
from services.gateway.overview import SERVICES
from services.gateway.processes import Process
from services.gateway.settings import GatewaySettings
from services.gateway.stages import Stages
from services.gateway.view import GatewayView
from services.gateway.watch import Sight
from shared.messages import Event, Header, control, market, orders, system
from shared.settings import pack
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
TOKEN = "a-token-of-the-tests-0123456789"
START_NS = 1_700_000_000_000_000_000


class Feeder:
    """Writes events into a view, numbered and stamped: one millisecond per event."""

    def __init__(self, view, listeners=()):
        self.view = view
        self.listeners = listeners
        self.events = []

    @property
    def now_ns(self):
        return START_NS + len(self.events) * 1_000_000

    def say(self, message, source="market_data.io"):
        seq = len(self.events) + 1
        ts_ns = START_NS + seq * 1_000_000
        event = Event(Header(seq, ts_ns, ts_ns, 1_795_000_000, source, 1, seq, 0), message)
        self.events.append(event)
        self.view.apply(event)
        for listener in self.listeners:
            listener(event)
        return seq

    def start(self, service, settings=None):
        return self.say(
            system.ServiceStarted(service, 1, "build", pack(settings) if settings else b"\x80", [service]),
            "bus",
        )

    def rules(self, symbol=SYMBOL):
        self.say(
            market.InstrumentRules(
                symbol=symbol,
                base_asset="BTC",
                quote_asset="USDT",
                tick_size="0.10",
                lot_size="0.001",
                quote_exponent=8,
                tick_lot_atoms=10_000,
                min_qty_lots=1,
                max_qty_lots=0,
                min_notional_atoms=0,
                min_price_ticks=0,
                max_price_ticks=0,
                maker_fee_ppm=200,
                taker_fee_ppm=500,
                is_derivative=True,
            )
        )

    def book(self, bid=999, ask=1001, symbol=SYMBOL):
        levels = struct.pack("<qqqq", bid, 5, ask, 6)
        self.say(market.BookSnapshot(symbol, 1, 2**60, 1, levels, "start", 1, 2))

    def update(self, number, bid=999, lots=4, symbol=SYMBOL):
        levels = struct.pack("<qq", bid, lots)
        self.say(market.BookUpdate(symbol, number, 2**60 + number, 2**60 + number, 1, levels, 1, 2))

    def order(self, order_id, strategy="as_btc", symbol=SYMBOL):
        seq = self.say(
            orders.OrderIntent(order_id, strategy, symbol, Side.BUY, 1000, 10), f"strategy/{strategy}"
        )
        self.say(orders.OrderApproved(order_id, strategy, symbol, Side.BUY, 1000, 10), "risk")
        self.say(orders.OrderSent(order_id, strategy, symbol, Side.BUY, 1000, 10), "broker")
        self.say(orders.OrderAccepted(order_id, strategy, symbol, "v1", 1), "broker")
        return seq

    def fill(self, order_id, trade_id="t1", strategy="as_btc", symbol=SYMBOL, lots=10):
        self.say(
            orders.Fill(
                order_id,
                strategy,
                symbol,
                trade_id,
                Side.BUY,
                1000,
                lots,
                lots,
                10 - lots,
                200,
                "USDT",
                True,
                1,
            ),
            "broker",
        )
        self.say(orders.PositionChanged(strategy, symbol, lots, 100_000, 0, 200, "USDT", 100_000), "risk")

    def cancel(self, order_id, strategy="as_btc", symbol=SYMBOL):
        self.say(orders.OrderCanceled(order_id, strategy, symbol, 0), "broker")

    def everything(self):
        """A mesh that is up, with one market, two orders, one fill and an active risk."""
        self.say(system.EpochStarted(1_795_000_000, "build"), "bus")
        for service in ("broker", "risk", "market_data", "strategy"):
            self.start(service)
        self.rules()
        self.book()
        self.say(market.FeedStatus("binance_usdm", "live"))
        self.say(control.TradingState("active", []), "risk")
        self.say(control.StrategyStatus("as_btc", "quoting", "", "fine"), "strategy/as_btc")
        self.order("a")
        self.order("b")
        self.fill("a")
        self.say(system.Tick(1), "bus")
        return self


class Desk:
    """Takes control requests as the log would: answers with a seq, or not at all."""

    def __init__(self):
        self.asked = []
        self.is_dead = False
        self.refused = ""
        self.latched = []

    async def ask(self, message):
        await asyncio.sleep(0)
        if self.is_dead:
            raise NotStoredError("the log did not confirm within 5 s")
        self.asked.append(message)
        return 2**53 + len(self.asked)

    async def refusal(self, seq):
        assert seq == 2**53 + len(self.asked)
        return self.refused

    async def latch(self, reason):
        self.latched.append(reason)
        return True


@pytest.fixture
def view():
    return GatewayView()


@pytest.fixture
def hub(view):
    return Hub(view, clients_max=3, queue_max=20)


@pytest.fixture
def feed(view, hub):
    return Feeder(view, [hub.seen])


@pytest.fixture
def new_feed():
    """Return what makes a feeder with its own view: for tests that need several."""
    return lambda: Feeder(GatewayView())


@pytest.fixture
def gateway_settings():
    return GatewaySettings


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def unready():
    """Reasons that the readiness of the application shall give."""
    return []


@pytest.fixture
def sight():
    """What the gateway sees besides the log, in a list so that a test may replace it."""
    services = {
        name: {"applied_seq": 20, "state": "live", "rss_bytes": 2**20, "pid": 7, "silent": False}
        for name in ("market_data", "strategy", "risk", "broker", "gateway")
    }
    bus = {"head_seq": 25, "durable_seq": 24, "pid": 5, "build": "b", "services": services}
    processes = {name: Process(7, 2**20) for name in SERVICES}
    return [Sight(bus, processes, 22, START_NS + 10**9, 20, is_live=True)]


@pytest.fixture
def stages(feed):
    """The measures of a gateway, which sees what is fed."""
    made = Stages()
    feed.listeners.append(made.seen)
    return made


@pytest.fixture
def mesh_parts(view, hub, desk, unready, sight, stages):
    """What the routes of `app` are given."""
    return Mesh(
        view=view,
        hub=hub,
        reasons=lambda: list(unready),
        durable_seq=lambda: view.head_seq,
        ask=desk.ask,
        refusal=desk.refusal,
        latch=desk.latch,
        sight=lambda: sight[0],
        stages=stages,
    )


@pytest.fixture
def app(mesh_parts):
    return make_app(mesh_parts, TOKEN, ["bot.example"])


@pytest.fixture
def token():
    return TOKEN


@pytest.fixture
def anyone(app):
    """A client without a token."""
    return TestClient(app, base_url="http://127.0.0.1:8686")


@pytest.fixture
def client(app):
    """A client with the token."""
    return TestClient(app, base_url="http://127.0.0.1:8686", headers={"Authorization": f"Bearer {TOKEN}"})
