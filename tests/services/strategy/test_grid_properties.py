"""A grid in its core under any order of events: one order per slot, fills once, exact profit per cycle."""

from collections import defaultdict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.strategy.core import StrategyCore
from services.strategy.desk import Desk, make_rules, terms_of
from services.strategy.grid_slots import Lock
from services.strategy.grid_targets import level_of
from services.strategy.own_orders import slot_of
from services.strategy.settings import InstanceSettings, StrategySettings
from shared.hosting import CoreHost
from shared.messages import orders
from shared.messages.control import InstanceFailed
from shared.messages.system import Tick

USDM = "binance_usdm:BTCUSDT"
GRID = {"interval_bps": 5.0, "order_notional": "300", "buy_window": 3, "sell_window": 3, "order_cap": 8}


class AtVenue:
    """One order as this venue sees it: asked, sent, open, over; a cancel of ours may be on its way."""

    def __init__(self, intent):
        self.intent = intent
        self.state = "asked"
        self.filled = 0
        self.is_cancel_asked = False
        self.is_acked = False

    @property
    def leaves(self):
        return self.intent.qty_lots - self.filled


class GridMachine(RuleBasedStateMachine):
    """The market moves, the venue does what venues do, and the process is replaced now and then."""

    @initialize(
        direction=st.sampled_from(["long", "short", "neutral"]), spacing=st.sampled_from(["steps", "percent"])
    )
    def open(self, direction, spacing):
        params = GRID | {"direction": direction, "spacing": spacing}
        one = InstanceSettings(kind="grid", symbol=USDM, params=params)
        self.desk = Desk(
            StrategySettings(instances={"one": one}, warmup_s=0, warmup_points=0), make_rules(USDM)
        )
        self.desk.is_answering = False
        self.orders = {}
        self.heard = 0
        self.fills = []
        self.level_cash = defaultdict(int)
        self.level_realized = defaultdict(int)
        self.cash = self.position = 0
        self.desk.start()
        self.listen()

    @property
    def instance(self):
        return self.desk.core.instance("one")

    @property
    def ledger(self):
        return self.instance.strategy.ledger

    def listen(self):
        """Take what the core said; a slot with an order that may live gets no other (I-04)."""
        for message in self.desk.said[self.heard :]:
            if isinstance(message, orders.OrderIntent):
                alive = [
                    o for o in self.orders.values() if o.state != "over" and o.intent.slot == message.slot
                ]
                assert alive == [], f"slot {message.slot} has two orders (I-04)"
                self.orders[message.client_order_id] = AtVenue(message)
            elif isinstance(message, orders.CancelIntent):
                self.orders[message.client_order_id].is_cancel_asked = True
            assert not isinstance(message, InstanceFailed), message.error
        self.heard = len(self.desk.said)

    def say(self, message):
        self.desk.say(message)
        self.listen()

    def pick(self, number, *states):
        found = [order for order in self.orders.values() if order.state in states]
        return found[number % len(found)] if found else None

    @staticmethod
    def head(order):
        return order.intent.client_order_id, "one", USDM

    # ---- what happens

    @rule(jump=st.sampled_from([-1500, -700, -310, -90, 0, 90, 310, 700, 1500]), ms=st.integers(50, 3000))
    def market(self, jump, ms):
        self.desk.now_ns += ms * 1_000_000
        self.desk.move(max(self.desk.mid_ticks + jump, 400_000))
        self.listen()

    @rule(ms=st.integers(100, 30_000))
    def time(self, ms):
        self.desk.now_ns += ms * 1_000_000
        self.desk.say(Tick(0), "bus")
        self.listen()

    @rule(number=st.integers(0, 9), outcome=st.sampled_from(["send", "send", "send", "refuse", "hold"]))
    def judge(self, number, outcome):
        order = self.pick(number, "asked")
        if order is None:
            return
        if outcome == "refuse":
            order.state = "over"
            self.say(orders.OrderRefused(*self.head(order), "spread", "too wide"))
            return
        self.say(orders.OrderApproved(*terms_of(order.intent)))
        if outcome == "hold":
            order.state = "over"
            self.say(orders.NotSent(*self.head(order), "stale", "too old"))
        else:
            order.state = "sent"
            self.say(orders.OrderSent(*terms_of(order.intent)))

    @rule()
    def all_is_well(self):
        """Let every order that is asked for rest."""
        for order in [order for order in self.orders.values() if order.state == "asked"]:
            self.say(orders.OrderApproved(*terms_of(order.intent)))
            self.say(orders.OrderSent(*terms_of(order.intent)))
            self.say(orders.OrderAccepted(*self.head(order), "v", 0))
            order.state = "open"

    @rule(number=st.integers(0, 9), outcome=st.sampled_from(["accept", "accept", "reject", "doubt"]))
    def answer(self, number, outcome):
        order = self.pick(number, "sent")
        if order is None:
            return
        if outcome == "accept" or order.filled:
            # also after the first fill (ST-27)
            order.state, order.is_acked = "open", True
            self.say(orders.OrderAccepted(*self.head(order), "v", 0))
        elif outcome == "reject":
            order.state = "over"
            self.say(orders.OrderRejected(*self.head(order), "-5022", "would take"))
        else:
            self.say(orders.OrderUnknown(*self.head(order), "no answer"))

    @rule(number=st.integers(0, 9), part=st.integers(1, 5), fee=st.integers(-500, 900_000))
    def fill(self, number, part, fee):
        order = self.pick(number, "sent", "open")
        if order is not None:
            self.execute(order, part, fee)

    def execute(self, order, part, fee):
        intent, lots = order.intent, min(part, order.leaves)
        order.filled += lots
        order.state = "over" if order.leaves == 0 else order.state
        terms = (intent.side, intent.price_ticks, lots, order.filled, order.leaves, fee, "USDT", True, 0)
        fill = orders.Fill(*self.head(order), f"t{len(self.fills)}", *terms)
        self.fills.append(fill)
        cash = -fill.side.sign * fill.price_ticks * lots * self.desk.rules.tick_lot_atoms - fee
        self.cash += cash
        self.position += fill.side.sign * lots
        before = self.ledger.realized_atoms
        self.say(fill)
        self.check_cycle(level_of(slot_of(fill.client_order_id)), cash, before)

    @rule(
        number=st.integers(0, 9), parts=st.sampled_from([(5,), (5,), (2, 3)]), fee=st.integers(-500, 900_000)
    )
    def trade(self, number, parts, fee):
        """Let everything rest, fill one order, an exit where there is one, and show the next book."""
        self.all_is_well()
        signs = {id(o): self.ledger.sign(level_of(o.intent.slot)) for o in self.orders.values()}
        exits = [o for o in self.orders.values() if o.state == "open" and o.intent.side.sign != signs[id(o)]]
        order = exits[number % len(exits)] if exits and number % 3 else self.pick(number, "open")
        for part in parts:
            if order is not None and order.state == "open":
                self.execute(order, part, fee)
        self.market(0, 100)

    def check_cycle(self, level, cash, before):
        """At the end of a cycle what it realized is the sum of its own cash, to the atom (ST-32)."""
        self.level_cash[level] += cash
        self.level_realized[level] += self.ledger.realized_atoms - before
        slot = self.ledger.slots[level]
        if slot.held_lots == 0:
            assert self.level_realized.pop(level) == self.level_cash.pop(level)

    @precondition(lambda self: self.fills)
    @rule(number=st.integers(0, 99))
    def same_fill_again(self, number):
        before = self.ledger.realized_atoms, self.instance.position_lots
        self.say(self.fills[number % len(self.fills)])
        assert (self.ledger.realized_atoms, self.instance.position_lots) == before

    @rule(number=st.integers(0, 9), outcome=st.sampled_from(["cancel", "cancel", "refuse", "doubt"]))
    def cancel(self, number, outcome):
        found = [o for o in self.orders.values() if o.state in ("sent", "open") and o.is_cancel_asked]
        if not found:
            return
        order = found[number % len(found)]
        if outcome == "cancel":
            order.state = "over"
            self.say(orders.OrderCanceled(*self.head(order), order.filled))
        elif outcome == "refuse":
            order.is_cancel_asked = False
            self.say(orders.CancelRejected(*self.head(order), "-2011", "unknown"))
        else:
            self.say(orders.OrderUnknown(*self.head(order), "no answer"))
            order.state = "sent"

    @rule(how=st.sampled_from(["snapshot", "log"]))
    def restart(self, how):
        host = CoreHost(StrategyCore())
        if how == "snapshot":
            host.restore(self.desk.host.snapshot())
        else:
            for event in self.desk.log:
                host.apply(event)
        assert host.core.digest() == self.desk.core.digest()
        self.desk.host = host
        self.desk.configure(self.desk.settings)
        self.listen()

    # ---- what always holds

    @invariant()
    def holds(self):
        ledger = self.ledger
        assert self.instance.position_lots == ledger.position_lots == self.position
        tied = sum(ledger.sign(s.level) * s.cost_atoms + s.fees_atoms for s in ledger.slots.values())
        assert ledger.realized_atoms - tied - ledger.pot_cost_atoms == self.cash
        by_order = defaultdict(int)
        for fill in self.fills:
            by_order[fill.client_order_id] += fill.qty_lots
        for order_id, lots in by_order.items():
            assert lots <= self.orders[order_id].intent.qty_lots
        assert len(self.instance.orders) <= GRID["order_cap"]
        for order in self.instance.orders.dump():
            # an order that may live, in doubt or not, keeps its slot (ST-20)
            slot = ledger.slots[level_of(order.slot)]
            assert (slot.order_id, slot.lock is Lock.FREE) == (order.client_order_id, False)
        for slot in ledger.slots.values():
            live = self.instance.orders.get(slot.order_id) if slot.order_id else None
            assert (live is not None) == bool(slot.order_id)
            assert slot.held_lots >= 0


GridMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestGrid = pytest.mark.req("I-04", "I-08", "I-15", "ST-20", "ST-27", "ST-32")(GridMachine.TestCase)
