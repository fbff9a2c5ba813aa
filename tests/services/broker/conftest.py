"""A counter for orders at a scripted venue: risk, broker core and execution over one log in virtual time."""

from dataclasses import replace

import pytest

from services.broker.core import BrokerCore
from services.broker.execution import Execution, Fact
from services.broker.instructions import ClearLatch, LatchKill, StartTrading
from services.broker.live_settings import LiveSettings
from services.broker.settings import BrokerSettings
from services.fused.mesh import FusedMesh
from services.risk.breaker_settings import RampSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings
from shared.execution import commands, reports
from shared.execution.reports import VenueFill, VenueOrder, VenueState
from shared.messages import control, market, orders, system, venue
from shared.settings import pack
from shared.units import NS_PER_MS, Side

PERP = "binance_usdm:BTCUSDT"
SPOT = "binance:BTCUSDT"


class ScriptedVenue:
    """An adapter that answers what the test tells it to, and remembers what it was asked.

    Questions of a comparison are answered from `open`, `fills`, `balances` and `positions` unless `is_mute`.
    """

    def __init__(self, name):
        self.venue = name
        self.asked = []
        self.open = {}
        self.fills = []
        self.balances = [reports.Balance("USDT", "1000")]
        self.positions = []
        self.is_mute = False
        self.has_countdown = False
        self.refusals = {}
        self.is_stopped = False

    def start(self, now_ns):
        del now_ns
        return [reports.Reachable(), reports.UserStreamUp()]

    def stop(self, now_ns):
        del now_ns
        self.is_stopped = True
        return []

    def on_rules(self, rules, now_ns):
        del rules, now_ns
        return []

    def on_time(self, now_ns):
        del now_ns
        return []

    def carry_out(self, asked, now_ns):
        self.asked += asked
        said = []
        for command in asked:
            kind = type(command)
            refused = self.refusals.get(kind)
            if refused is not None:
                said.append(replace_id(refused, command.request_id))
            elif not self.is_mute:
                said += self.answer(command, now_ns)
        return said

    def answer(self, command, now_ns):
        number = command.request_id
        match command:
            case commands.AskOpenOrders():
                return [reports.OpenOrders(number, command.symbol, list(self.open.values()), now_ns)]
            case commands.AskFills():
                mine = [one for one in self.fills if one.symbol == command.symbol]
                after = int(command.after_trade_id or 0)
                mine = [one for one in mine if int(one.trade_id) > after]
                return [reports.Fills(number, command.symbol, mine, now_ns)]
            case commands.AskAccount():
                return [reports.AccountTold(number, list(self.balances), list(self.positions), now_ns)]
            case commands.AskKeyRights():
                return [reports.KeyRightsTold(number, True, False, False, True)]
            case commands.Countdown() if not self.has_countdown:
                refusal = reports.RefusalKind.INVALID
                return [reports.Refused(number, refusal, "none", "no countdown here", is_sent=False)]
            case commands.Countdown():
                return [reports.Done(number)]
            case _:
                return []

    def took(self, kind):
        return [command for command in self.asked if isinstance(command, kind)]


def replace_id(report, number):
    fields = {name: getattr(report, name) for name in report.__struct_fields__}
    return type(report)(**{**fields, "request_id": number})


class LiveBench:
    """The counter; everything said is in `log`."""

    PERP, SPOT = PERP, SPOT

    def __init__(self, make_rules, block, live=None, risk=None, venues=("binance", "binance_usdm"), **broker):
        risk = replace(risk or RiskSettings(), ramp=RampSettings(duration_s=0))
        settings = BrokerSettings(mode="testnet", live=live or LiveSettings(), **broker)
        self.make_rules, self.block = make_rules, block
        self.sections = {"risk": pack(risk), "broker": pack(settings)}
        self.log, self.latched = [], []
        self.venues = {name: ScriptedVenue(name) for name in venues}
        self.order_count = self.trade_count = 0
        self.update_n = {}
        self.is_durable = True
        self.risk, self.broker = RiskCore(), BrokerCore()
        self.mesh = FusedMesh(
            [self.risk, self.broker],
            self.sections,
            build="bench",
            epoch=7,
            store=lambda stored: self.log.append(stored.event),
            watch=self._watch,
            carry_out=self._carry_out,
        )
        self.execution = Execution(self.venues.values())
        self._events = []

    # ---- the driver

    def _watch(self, event):
        self._events.append(event)

    def _carry_out(self, service, instruction, event):
        if service == "broker":
            self._events.append((instruction, event))

    def turn(self):
        """Hand on what the log and the core have for execution, until nothing is left."""
        now_ns = self.mesh.now_ns
        while self._events:
            item = self._events.pop(0)
            if isinstance(item, tuple) and not hasattr(item, "header"):
                self._act(*item)
            else:
                self.publish(self.execution.on_event(item, now_ns))
        if self.is_durable:
            self.publish(self.execution.on_durable(self.mesh.head_seq, now_ns))
            if self._events:
                self.turn()

    def _act(self, instruction, event):
        now_ns = self.mesh.now_ns
        if isinstance(instruction, StartTrading):
            self.publish(self.execution.start(self.broker, instruction.run, now_ns))
        elif isinstance(instruction, LatchKill):
            self.latched.append(instruction)
            self.publish(self.execution.on_latch(True, now_ns))
            self.mesh.say("broker.io", control.KillLatched(instruction.by, instruction.reason, "log"))
        elif isinstance(instruction, ClearLatch):
            self.publish(self.execution.on_latch(False, now_ns))
            self.mesh.say("broker.io", control.KillCleared(instruction.by, instruction.reason))
        else:
            self.publish(self.execution.carry_out(instruction, event, now_ns))

    def publish(self, out):
        for one in out:
            if isinstance(one, Fact):
                self.mesh.say("broker.io", one.message, origin_ns=one.origin_ns or None)

    def say(self, source, message, age_ms=0):
        self.mesh.say(source, message, origin_ns=self.mesh.now_ns - age_ms * NS_PER_MS)
        self.turn()

    def start(self, symbols=(PERP, SPOT)):
        self.mesh.start(1_700_000_000 * 10**9, others=("market_data", "strategy"))
        for symbol in symbols:
            self.mesh.say("market_data.io", self.make_rules(symbol))
            self.book(symbol)
        self.turn()
        self.pass_ms(200)
        return self

    def book(self, symbol=PERP):
        self.update_n[symbol] = 1
        bids, asks = ((600_000, 10), (599_990, 20)), ((600_010, 10), (600_020, 20))
        levels = self.block(bids, asks)
        self.mesh.say("market_data.io", market.BookSnapshot(symbol, 1, 1, 2, levels, "start", 0, 0))

    def pass_ms(self, ms, step_ms=50):
        end_ns = self.mesh.now_ns + ms * NS_PER_MS
        while self.mesh.now_ns < end_ns:
            self.mesh.now_ns += step_ms * NS_PER_MS
            if self.mesh.now_ns // NS_PER_MS % 100 == 0:
                self.mesh.tick(self.mesh.now_ns)
                for symbol in self.update_n:
                    self.update_n[symbol] += 1
                    n = self.update_n[symbol]
                    self.mesh.say("market_data.io", market.BookUpdate(symbol, n, n, n, 0, b"", 0, 0))
            self.publish(self.execution.on_time(self.mesh.now_ns))
            self.turn()

    def restart(self):
        """Kill the broker and start another one from the log."""
        self.execution = Execution(self.venues.values())
        self.mesh._run["broker"] += 1
        run = self.mesh.run_of("broker")
        self._events = []
        started = system.ServiceStarted(
            "broker", run, "bench", self.sections["broker"], ["broker", "broker.io"]
        )
        self.say("bus", started)

    # ---- people and strategies

    def intent(
        self, side=Side.BUY, price_ticks=600_000, lots=5, *, slot="", symbol=PERP, strategy="mm", **kw
    ):
        self.order_count += 1
        slot = slot or f"s{self.order_count}"
        age_ms = kw.pop("age_ms", 0)
        order_id = f"7-{strategy}-{slot}-{self.order_count}"
        intent = orders.OrderIntent(order_id, strategy, symbol, side, price_ticks, lots, slot=slot, **kw)
        self.say(f"strategy/{strategy}", intent, age_ms)
        return order_id

    def cancel(self, order_id, strategy="mm", symbol=PERP):
        self.say(f"strategy/{strategy}", orders.CancelIntent(order_id, strategy, symbol))

    # ---- the venue

    def tell(self, *said, venue="binance_usdm"):
        desk = self.execution.desks[venue]
        desk.take(said, self.mesh.now_ns)
        self.publish(self.execution._told(venue, [], self.mesh.now_ns))
        self.turn()

    def number(self, order_id, kind=commands.Place, venue="binance_usdm"):
        """Return the number of the newest command of a kind about an order."""
        asked = [c for c in self.venues[venue].took(kind) if c.client_order_id == order_id]
        return asked[-1].request_id

    def told(self, order_id, state=VenueState.NEW, filled=0, **changes):
        """Return an order as the venue tells it."""
        place = next(
            c
            for one in self.venues.values()
            for c in one.took(commands.Place)
            if c.client_order_id == order_id
        )
        fields = {
            "symbol": place.symbol,
            "client_order_id": order_id,
            "venue_order_id": f"v{order_id}",
            "state": state,
            "side": place.side,
            "price_ticks": place.price_ticks,
            "qty_lots": place.qty_lots,
            "filled_lots": filled,
        }
        return VenueOrder(**{**fields, **changes})

    def fill(self, order_id, lots, trade_id=0, **changes):
        """Return an execution as the venue tells it."""
        told = self.told(order_id)
        self.trade_count += 1
        fields = {
            "symbol": told.symbol,
            "trade_id": str(trade_id or self.trade_count),
            "venue_order_id": told.venue_order_id,
            "client_order_id": order_id,
            "side": told.side,
            "price_ticks": told.price_ticks,
            "qty_lots": lots,
            "fee": "0.01",
            "fee_asset": "USDT",
            "is_maker": True,
            "ts_venue_ns": self.mesh.now_ns,
        }
        return VenueFill(**{**fields, **changes})

    def resting(self, *args, venue="binance_usdm", **kw):
        """Say an intent and let the venue accept it."""
        order_id = self.intent(*args, **kw)
        self.venues[venue].open[order_id] = self.told(order_id)
        self.tell(reports.Acted(self.number(order_id, venue=venue), self.told(order_id)), venue=venue)
        return order_id

    # ---- the log

    def said(self, *kinds, order_id=None):
        found = [event.message for event in self.log if isinstance(event.message, kinds)]
        return [one for one in found if order_id in (None, getattr(one, "client_order_id", None))]

    def life(self, order_id):
        """Return the names of the broker's words about an order, in order."""
        return [
            type(event.message).__name__
            for event in self.log
            if event.header.source in ("broker", "broker.io")
            and getattr(event.message, "client_order_id", None) == order_id
            and not isinstance(event.message, venue.VenueDifference)
        ]

    def differences(self, *kinds):
        found = self.said(venue.VenueDifference)
        return [one for one in found if not kinds or one.kind in kinds]


@pytest.fixture
def make_counter(make_bench):
    """Return a function that makes a started counter."""

    def make(symbols=(PERP, SPOT), prepare=lambda _venues: None, **kw):
        counter = LiveBench(make_bench.rules, make_bench.block, **kw)
        prepare(counter.venues)
        return counter.start(symbols)

    make.PERP, make.SPOT = PERP, SPOT
    return make


@pytest.fixture
def counter(make_counter):
    """Return a started counter with default settings."""
    return make_counter()
