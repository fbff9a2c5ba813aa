"""Risk and broker under any history: a stateful machine with the invariants after each step."""

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from services.broker.core import BrokerCore
from services.broker.settings import BrokerSettings
from services.risk.core import RiskCore
from services.risk.settings import RiskSettings, SymbolLimits
from shared.hosting import CoreHost
from shared.messages import control, market, orders, system
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side

POSITION_LOTS_MAX = 40
LIMITS = replace(SymbolLimits(), position_qty_max=Decimal("0.04"), open_orders_max=12)
PRICES = st.integers(599_970, 600_040)
LOTS = st.integers(1, 30)
PERP, SPOT = "binance_usdm:BTCUSDT", "binance:BTCUSDT"
SYMBOLS = st.sampled_from((PERP, SPOT))
OFTEN = st.sampled_from((True, True, True, False))
STRATEGIES = st.sampled_from(("a", "b"))
TERMS = {
    "post": {"is_post_only": True},
    "ioc": {"tif": TimeInForce.IOC},
    "fok": {"tif": TimeInForce.FOK},
    "market": {"order_type": OrderType.MARKET},
    "reduce": {"is_reduce_only": True},
}
KINDS = ("gtc", "gtc", "gtc", *TERMS)
AGES_MS = (0, 0, 0, 0, 499, 900)
ORDERS = st.tuples(
    st.sampled_from(Side),
    PRICES,
    LOTS,
    SYMBOLS,
    STRATEGIES,
    st.sampled_from(KINDS),
    st.sampled_from(AGES_MS),
)


class Trading(RuleBasedStateMachine):
    """Orders, cancels, books, trades, silence, kill and restores in any order."""

    make_bench = None  # the bench class, set by the test

    @initialize(seed=st.integers(0, 5), model=st.sampled_from(("pro_rata", "behind")))
    def begin(self, seed, model):
        self.bench = self.make_bench(
            replace(RiskSettings(), limits=LIMITS), BrokerSettings(seed=seed, queue_model=model)
        ).start()
        self.offered_lots = {}

    @rule(asked=st.lists(ORDERS, min_size=1, max_size=4), ms=st.sampled_from((0, 60, 130)))
    def order(self, asked, ms):
        for side, price, lots, symbol, strategy, kind, age_ms in asked:
            price_ticks = 0 if kind == "market" else price
            ages = {"strategy": strategy, "symbol": symbol, "age_ms": age_ms}
            self.bench.intent(side, price_ticks, lots, **ages, **TERMS.get(kind, {}))
        self.bench.pass_ms(ms)

    @rule(data=st.data())
    def cancel(self, data):
        ids = [(o.client_order_id, o.strategy, o.symbol) for o in self.bench.said(orders.OrderIntent)]
        if ids:
            order_id, strategy, symbol = data.draw(st.sampled_from(ids))
            self.bench.cancel(order_id, strategy, symbol)

    @rule(side=st.sampled_from(Side), price=PRICES, lots=LOTS, symbol=SYMBOLS)
    def trade(self, side, price, lots, symbol):
        before = len(self.bench.log)
        self.bench.trade(side, price, lots, symbol)
        fills = [e.message for e in self.bench.log[before:] if isinstance(e.message, orders.Fill)]
        assert sum(f.qty_lots for f in fills if f.is_maker and f.symbol == symbol) <= lots

    @rule(touch=st.integers(599_975, 600_035), gap=st.integers(1, 9), lots=LOTS, symbol=SYMBOLS)
    def book(self, touch, gap, lots, symbol):
        self.bench.book(
            ((touch, lots), (touch - 5, 30)), ((touch + gap, lots), (touch + gap + 5, 30)), symbol
        )

    @rule(price=PRICES, lots=st.integers(0, 30), symbol=SYMBOLS)
    def level(self, price, lots, symbol):
        is_bid = price <= 600_000
        level = ((price, lots),)
        self.bench.update(level if is_bid else (), () if is_bid else level, symbol)

    @rule(symbol=SYMBOLS, is_back=OFTEN)
    def invalid(self, symbol, is_back):
        self.bench.say("market_data.io", market.BookInvalid(symbol, "gap"))
        self.bench.trade(Side.SELL, 599_000, 50, symbol)
        if is_back:
            self.bench.book(symbol=symbol)

    @rule(ms=st.sampled_from((10, 60, 130, 1100, 3500)), is_feed_alive=st.booleans())
    def wait(self, ms, is_feed_alive):
        self.bench.pass_ms(ms, is_feed_alive=is_feed_alive)

    @rule(service=st.sampled_from(("strategy", "risk", "broker", "market_data")), is_back=OFTEN)
    def silence(self, service, is_back):
        self.bench.say("bus", system.SourceSilent(service, 1000))
        if is_back:
            self.bench.say("bus", system.SourceBack(service))

    @rule(is_cleared=OFTEN)
    def kill(self, is_cleared):
        self.bench.say("operator", control.KillRequested("me", "test"))
        if is_cleared:
            self.bench.say("operator", control.KillClearRequested("me", "test"))

    @rule(data=st.data())
    def repeated_report(self, data):
        """A report comes twice, or late: a second copy of a fill changes nothing."""
        fills = self.bench.said(orders.Fill)
        if fills:
            before = self.bench.risk.known.ledger.dump()
            self.bench.say("broker.io", data.draw(st.sampled_from(fills)))
            assert self.bench.risk.known.ledger.dump() == before

    @rule(is_risk=st.booleans())
    def restored(self, is_risk):
        """A core is killed and goes on from a snapshot: nothing may differ."""
        service = "risk" if is_risk else "broker"
        host = self.bench.mesh.hosts[service]
        core = RiskCore() if is_risk else BrokerCore()
        copy = CoreHost(core)
        copy.restore(host.snapshot())
        assert core.digest() == host.core.digest()
        self.bench.mesh.hosts[service] = copy
        setattr(self.bench, service, core)

    # ---- what always holds

    @invariant()
    def no_position_can_pass_its_limit(self):
        """I-11: position plus all live, approved and unknown orders of a side."""
        known = self.bench.risk.known
        for symbol in (PERP, SPOT):
            position = known.ledger.position_lots(symbol)
            for side in Side:
                worst = side.sign * position + known.exposure.live_lots(symbol, side)
                assert worst <= POSITION_LOTS_MAX
        assert known.ledger.position_lots(SPOT) >= 0

    @invariant()
    def fills_never_exceed_their_order_and_ids_are_unique(self):
        filled = {}
        for fill in {f.trade_id: f for f in self.bench.said(orders.Fill)}.values():
            filled[fill.client_order_id] = filled.get(fill.client_order_id, 0) + fill.qty_lots
        approved = {o.client_order_id: o.qty_lots for o in self.bench.said(orders.OrderSent)}
        assert all(lots <= approved[order_id] for order_id, lots in filled.items())
        own = [e.message.trade_id for e in self.bench.log if _is_own_fill(e)]
        assert len(own) == len(set(own))

    @invariant()
    def risk_and_broker_agree_on_what_is_open_and_earned(self):
        """RK-29, I-13, I-16: two ledgers that share no arithmetic are equal to the atom."""
        risk, broker = self.bench.risk.known, self.bench.broker.known
        at_venue = {i: o for i, o in broker.orders.items() if o.qty_lots}
        assert set(risk.exposure.open) == set(at_venue)
        for order_id, order in at_venue.items():
            assert risk.exposure.open[order_id].leaves_lots == order.leaves_lots
        for symbol in risk.ledger.by_symbol:
            place = risk.markets[symbol]
            gain = broker.account.gain_atoms(place.rules, place.mark_centiticks)
            assert gain == risk.ledger.profit_atoms(symbol, place.mark_centiticks)
            assert broker.account.holdings_lots[symbol] == risk.ledger.position_lots(symbol)
        assert not risk.mood.quarantine

    @invariant()
    def every_order_reads_as_the_table_allows(self):
        sent = [o.client_order_id for o in self.bench.said(orders.OrderSent)]
        assert len(sent) == len(set(sent))
        approved = {o.client_order_id for o in self.bench.said(orders.OrderApproved, orders.OrderAdjusted)}
        held = {o.client_order_id for o in self.bench.said(orders.NotSent)}
        assert approved == set(sent) | held

    def teardown(self):
        """The log replayed through fresh cores gives the same cores; adopted, the same orders and money."""
        if not hasattr(self, "bench"):
            return
        for core, kept in ((RiskCore(), self.bench.risk), (BrokerCore(), self.bench.broker)):
            host = CoreHost(core)
            for event in self.bench.log:
                host.apply(event)
            assert core.digest() == kept.digest()
        adopted = {}
        for core in (RiskCore(), BrokerCore()):
            host = CoreHost(core)
            host.is_deciding = False
            for event in self.bench.log:
                host.apply(event)
            adopted[core.service] = core.known
        known = self.bench.risk.known
        assert adopted["risk"].ledger.dump() == known.ledger.dump()
        assert adopted["risk"].exposure.dump() == known.exposure.dump()
        assert adopted["broker"].account.dump() == self.bench.broker.known.account.dump()


def _is_own_fill(event):
    return isinstance(event.message, orders.Fill) and event.header.source == "broker"


@pytest.mark.req("I-01", "I-03", "I-08", "I-11", "I-15", "I-16", "I-39", "RK-29")
@pytest.mark.timeout(300)
def test_risk_and_broker_keep_their_promises_under_any_history(make_bench):
    class Machine(Trading):
        pass

    Machine.make_bench = make_bench
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


@pytest.mark.req("I-01", "I-08", "I-11", "I-15", "I-16", "I-39", "RK-29")
@pytest.mark.parametrize("seed", range(6))
def test_a_long_dense_history_keeps_them_too(make_bench, seed):
    """Hypothesis finds odd corners; this one makes thousands of orders meet each other."""
    Trading.make_bench = make_bench
    draw = Random(seed)
    machine = Trading()
    machine.begin(seed=seed, model=draw.choice(("pro_rata", "behind")))
    for step in range(400):
        symbol, side, lots = draw.choice((PERP, SPOT)), draw.choice(list(Side)), draw.randint(1, 30)
        price = draw.randint(599_970, 600_040)
        action = draw.random()
        if action < 0.45:
            kind, age_ms = draw.choice(KINDS), draw.choice(AGES_MS)
            machine.order([(side, price, lots, symbol, draw.choice("ab"), kind, age_ms)], 0)
        elif action < 0.70:
            machine.trade(side, price, lots, symbol)
        elif action < 0.80:
            machine.level(price, draw.randint(0, 30), symbol)
        elif action < 0.88:
            machine.book(price, draw.randint(1, 9), lots, symbol)
        elif action < 0.96:
            machine.wait(draw.choice((10, 60, 130)), True)
        elif action < 0.98:
            machine.invalid(symbol, True)
        else:
            machine.silence(draw.choice(("strategy", "risk", "broker", "market_data")), True)
            machine.restored(draw.random() < 0.5)
        if step % 5 == 0:
            machine.no_position_can_pass_its_limit()
            machine.risk_and_broker_agree_on_what_is_open_and_earned()
    machine.fills_never_exceed_their_order_and_ids_are_unique()
    machine.every_order_reads_as_the_table_allows()
    assert len(machine.bench.said(orders.Fill)) > 20
    machine.teardown()
