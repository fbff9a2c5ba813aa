"""The engine in the received clock is the paper venue of live trading, and nothing is made of nothing.

The reference is made of what the live broker is made of (`PaperMarket`, `arrive`, `Deadlines`), driven by the
same messages and orders as the engine.
"""

import struct
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.core import Deadlines
from shared.instrument import fee_atoms, notional_atoms
from shared.kernels.backtest import (
    ACCEPTED,
    CANCELED,
    END,
    EXPIRED,
    FILL,
    REJECTED,
    REJECTS,
    REPORT,
    Engine,
)
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, InstrumentRules, Trade
from shared.messages.orders import OrderType, TimeInForce
from shared.paper.arrival import arrive
from shared.paper.market import PaperMarket, QueuePlace
from shared.units import Side

SYMBOL = "binance_usdm:TEST"
LEVEL, A_TRADE, CLEAR, INVALID = range(4)
MAKER_PPM, TAKER_PPM = 200, 700
TIFS = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
FIRST = [(CLEAR, 0, 0, 0), (LEVEL, 0, 99, 5), (LEVEL, 0, 98, 9), (LEVEL, 1, 101, 4), (LEVEL, 1, 103, 8)]

levels = st.tuples(st.just(LEVEL), st.integers(0, 1), st.integers(95, 105), st.integers(0, 9))
updates = st.lists(levels, min_size=1, max_size=4)
trades = st.tuples(st.just(A_TRADE), st.integers(0, 1), st.integers(96, 104), st.integers(1, 12)).map(
    lambda row: [row]
)
breaks = st.sampled_from([[(INVALID, 0, 0, 0)], FIRST])
messages = st.lists(st.one_of(updates, updates, trades, trades, breaks), min_size=5, max_size=40)
sends = st.builds(
    SimpleNamespace,
    at=st.integers(0, 30),
    side=st.integers(0, 1),
    price_ticks=st.one_of(st.just(0), st.integers(96, 104)),
    lots=st.integers(1, 12),
    tif=st.integers(0, 2),
    is_post_only=st.booleans(),
    delay=st.integers(0, 25),
    cancel_at=st.one_of(st.none(), st.integers(0, 35)),
    cancel_delay=st.integers(0, 25),
).filter(lambda send: send.price_ticks or not send.is_post_only)


def rules_of(*, is_derivative):
    return InstrumentRules(
        symbol=SYMBOL,
        base_asset="B",
        quote_asset="Q",
        tick_size="0.1",
        lot_size="0.1",
        quote_exponent=8,
        tick_lot_atoms=10,
        min_qty_lots=0,
        max_qty_lots=0,
        min_price_ticks=0,
        max_price_ticks=0,
        min_notional_atoms=0,
        maker_fee_ppm=MAKER_PPM,
        taker_fee_ppm=TAKER_PPM,
        is_derivative=is_derivative,
    )


class Paper:
    """The paper venue as the live broker drives it, for one market."""

    def __init__(self, model):
        self.place = PaperMarket(SYMBOL, QueuePlace(model))
        self.place.rules = rules_of(is_derivative=True)
        self.deadlines = Deadlines()
        self.orders, self.said, self.n = {}, [], 0

    def pass_time(self, now_ns):
        while (key := self.deadlines.pop_due(now_ns)) is not None:
            kind, _, handle = key.partition(":")
            order = self.orders[int(handle)]
            if kind == "a":
                self.arrives(order)
            else:
                self.over(order, CANCELED)

    def event(self, now_ns, rows):
        self.pass_time(now_ns)
        kind = rows[0][0]
        if kind == A_TRADE:
            _, side, price, lots = rows[0]
            fills = self.place.trade(Trade(SYMBOL, 0, price, lots, Side(side), 0, 0))
            for handle, part in fills:
                self.fill(self.orders[handle], self.orders[handle].price_ticks, part, is_maker=True)
            return
        self.place.apply(self.message_of(rows), now_ns)
        if kind == INVALID or not self.place.is_open:
            return
        for handle in self.place.queue.crossed(self.place.book):
            order = self.orders[handle]
            beyond = self.place.walk_beyond(order.side, order.price_ticks, order.leaves_lots)
            if beyond:
                self.fill(order, order.price_ticks, sum(part.lots for part in beyond), is_maker=True)

    def message_of(self, rows):
        self.n += 1
        if rows[0][0] == INVALID:
            return BookInvalid(SYMBOL, "gap")
        pairs = [row for row in rows if row[0] == LEVEL]
        bids = [row for row in pairs if row[1] == 0]
        asks = [row for row in pairs if row[1] == 1]
        block = b"".join(struct.pack("<qq", row[2], row[3]) for row in bids + asks)
        if rows[0][0] == CLEAR:
            return BookSnapshot(SYMBOL, self.n, 0, len(bids), block, "start", 0, 0)
        return BookUpdate(SYMBOL, self.place.book.update_n + 1, 0, 0, len(bids), block, 0, 0)

    def submit(self, handle, send, now_ns):
        order = SimpleNamespace(
            handle=handle,
            symbol=SYMBOL,
            side=Side(send.side),
            price_ticks=send.price_ticks,
            order_type=OrderType.LIMIT if send.price_ticks else OrderType.MARKET,
            tif=TIFS[send.tif],
            is_post_only=send.is_post_only,
            leaves_lots=send.lots,
            arrive_ns=now_ns + send.delay,
        )
        self.orders[handle] = order
        self.deadlines.set(f"a:{handle}", order.arrive_ns)

    def cancel(self, handle, now_ns, delay):
        order = self.orders.get(handle)
        if order is not None:
            self.deadlines.set(f"c:{handle}", max(now_ns + delay, order.arrive_ns))

    def arrives(self, order):
        arrival = arrive(order, self.place, 0, 0)
        if arrival.reject_code:
            self.over(order, REJECTED, arrival.reject_code)
            return
        if arrival.is_accepted:
            self.said.append((ACCEPTED, order.handle))
            if order.order_type is OrderType.LIMIT and order.tif is TimeInForce.GTC:
                level = self.place.book.lots_at(int(order.side), order.price_ticks)
                self.place.queue.add(
                    int(order.side), order.handle, order.price_ticks, order.leaves_lots, level
                )
        for part in arrival.parts:
            self.fill(order, part.price_ticks, part.lots, is_maker=False)
        if arrival.expire_reason:
            self.over(order, EXPIRED)

    def fill(self, order, price, lots, *, is_maker):
        rules = self.place.rules
        fee = fee_atoms(notional_atoms(rules, price, lots), MAKER_PPM if is_maker else TAKER_PPM)
        order.leaves_lots -= lots
        self.said.append((FILL, order.handle, price, lots, order.leaves_lots, int(is_maker), fee))
        self.place.executed(order.handle, order.side, order.price_ticks, price, lots, is_maker=is_maker)
        if order.leaves_lots == 0:
            self.over(order, 0)

    def over(self, order, kind, code=""):
        if kind:
            self.said.append((kind, order.handle, code))
        self.place.queue.remove(order.handle)
        self.deadlines.drop(f"a:{order.handle}")
        self.deadlines.drop(f"c:{order.handle}")
        del self.orders[order.handle]


def said_by_paper(rows, actions, model):
    paper = Paper(model)
    for n, message in enumerate(rows):
        paper.event(10 * (n + 1), message)
        for handle, send in enumerate(actions):
            if send.at == n:
                paper.submit(handle, send, 10 * (n + 1))
        for handle, send in enumerate(actions):
            if send.cancel_at == n and send.at <= n:
                paper.cancel(handle, 10 * (n + 1), send.cancel_delay)
        # What is said of an order is an event as well: it lets pass what is due at once.
        paper.pass_time(10 * (n + 1))
    return paper.said


def run_engine(columns, rows, actions, **options):
    """Run with the actions after each message (a step just behind it); return (engine, reports)."""
    engine = Engine(**options)
    stamped = [(10 * (n + 1), 10 * (n + 1), message) for n, message in enumerate(rows)]
    engine.add_market(*columns(stamped), tick_lot_atoms=10, maker_fee_ppm=MAKER_PPM, taker_fee_ppm=TAKER_PPM)
    heard = []
    for n in range(len(rows)):
        while engine.run(10 * (n + 1)) == REPORT:
            heard += engine.take_reports()
        for handle, send in enumerate(actions):
            if send.at == n:
                terms = (send.side, send.price_ticks, send.lots, send.tif, send.is_post_only)
                assert engine.submit(0, handle, *terms, latency_ns=send.delay) == 0
        for handle, send in enumerate(actions):
            if send.cancel_at == n and send.at <= n:
                engine.cancel(0, handle, send.cancel_delay)
    while engine.run() != END:
        heard += engine.take_reports()
    return engine, heard


def plain(reports):
    """Return reports in the words of `Paper`."""
    found = []
    for _, _, handle, kind, price, lots, leaves, is_maker, fee in reports:
        if kind == FILL:
            found.append((FILL, handle, price, lots, leaves, is_maker, fee))
        elif kind == ACCEPTED:
            found.append((ACCEPTED, handle))
        else:
            found.append((kind, handle, REJECTS[price] if kind == REJECTED else ""))
    return found


@pytest.mark.req("BT-1")
@settings(max_examples=100, deadline=None)
@given(rows=messages, actions=st.lists(sends, max_size=8), model=st.sampled_from(["pro_rata", "behind"]))
def test_the_received_clock_says_what_the_live_paper_venue_says(columns, rows, actions, model):
    rows = [FIRST, *rows]

    _, heard = run_engine(columns, rows, actions, queue_model=model)

    assert plain(heard) == said_by_paper(rows, actions, model)


@pytest.mark.req("BT-12")
@settings(max_examples=60, deadline=None)
@given(
    rows=messages,
    actions=st.lists(sends, max_size=8),
    is_partial=st.booleans(),
    uses_exchange_time=st.booleans(),
    model=st.sampled_from(["pro_rata", "behind", "power", "power2", "power3", "log", "log2"]),
)
def test_money_and_lots_are_conserved(columns, rows, actions, is_partial, uses_exchange_time, model):
    options = {"is_partial": is_partial, "uses_exchange_time": uses_exchange_time, "queue_model": model}
    engine, heard = run_engine(columns, [FIRST, *rows], actions, **options)
    engine.finish()
    heard += engine.take_reports()

    fills = [each for each in heard if each[3] == FILL]
    signs = {handle: 1 - 2 * send.side for handle, send in enumerate(actions)}
    cash = -sum(signs[f[2]] * f[4] * f[5] * 10 + f[8] for f in fills)
    assert engine.cash_atoms == cash
    assert engine.position_lots(0) == sum(signs[f[2]] * f[5] for f in fills)
    assert engine.markets[0].venue_lots == engine.position_lots(0)
    assert engine.markets[0].venue_cash_atoms == cash
    for handle, send in enumerate(actions):
        mine = [each for each in heard if each[2] == handle]
        ends = [at for at, each in enumerate(mine) if each[3] in {CANCELED, EXPIRED, REJECTED}]
        filled = sum(each[5] for each in mine if each[3] == FILL)
        assert filled <= send.lots
        assert all(each[0] >= 10 * (send.at + 1) + send.delay for each in mine if each[3] == FILL)
        assert not ends or FILL not in [each[3] for each in mine[ends[0] :]]
        if send.price_ticks:
            for each in mine:
                worse = signs[handle] * (each[4] - send.price_ticks)
                assert each[3] != FILL or worse <= 0
    records = engine.orders.take()
    assert sum(row[8] for row in records) == sum(f[5] for f in fills)
    assert engine.open_orders(0) == []
