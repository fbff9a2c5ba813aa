"""Builders of a small log and the venue's truth about it."""

from decimal import Decimal

import pytest

from services.fused import live_parts as parts
from services.fused.live_oracle import Truth, TruthFill, TruthOrder
from services.fused.live_witness import Witness
from shared.messages import Event, Header, orders
from shared.units import NS_PER_S, Side

SYMBOL = parts.SPOT_SYMBOL
RULES = parts.rules()[0]


class SmallLog:
    """Events of one strategy, `spa`, in the spot market; everything is on disk."""

    def __init__(self):
        self.events = []
        self.now_ns = parts.ORIGIN_NS
        self.witness = Witness(lambda: self.now_ns, lambda: len(self.events))
        self.say(RULES)

    def say(self, message, *, after_s=0):
        self.now_ns += after_s * NS_PER_S
        seq = len(self.events) + 1
        header = Header(seq, self.now_ns, self.now_ns, 1, "broker.io", 1, seq, 0)
        self.events.append(Event(header, message))
        self.witness.on_event(self.events[-1])

    def order(self, order_id, lots=10, price=6_000_000):
        """Intend, approve and send one order, and let the witness see it leave."""
        name = (order_id, "spa", SYMBOL)
        self.say(orders.OrderIntent(*name, Side.BUY, price, lots, slot=order_id.split("-")[2]))
        self.say(orders.OrderApproved(*name, Side.BUY, price, lots))
        self.leave(order_id)
        self.say(orders.OrderSent(*name, Side.BUY, price, lots))
        return name

    @staticmethod
    def true_order(order_id, *, lots=10, filled=0, created_ms=0, ended_ms=1):
        """Return an order as the venue has it."""
        return TruthOrder(SYMBOL, order_id, 0, 6_000_000, lots, filled, created_ms, ended_ms)

    @staticmethod
    def true_fill(order_id, trade_id, lots, fee="0"):
        """Return an execution as the venue has it."""
        return TruthFill(SYMBOL, trade_id, order_id, 0, 6_000_000, lots, Decimal(fee), "USDT")

    def leave(self, order_id):
        text = b'{"id":"1","method":"order.place","params":{"newClientOrderId":"%s"}}'
        self.witness.on_wire("binance", text % order_id.encode())

    def fill(self, name, trade_id, lots, leaves, price=6_000_000):
        told = orders.Fill(*name, trade_id, Side.BUY, price, lots, lots, leaves, 0, "USDT", True, 0)
        self.say(told)


@pytest.fixture
def log():
    """An empty log with the rules of the market."""
    return SmallLog()


@pytest.fixture
def truth():
    """A maker of truths: orders, fills and what they did to the balances."""

    def make(made, fills=()):
        lots = sum(one.qty_lots for one in fills)
        base = lots * Decimal(RULES.lot_size)
        changes = {"binance BTC": base, "binance USDT": -base * 60_000} if lots else {}
        return Truth(list(made), list(fills), changes)

    return make
