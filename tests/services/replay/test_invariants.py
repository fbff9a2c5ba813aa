"""The judge of a stored log finds each kind of fault when it is planted."""

import pytest

from services.replay.invariants import check_log
from shared.messages import Event, Header, orders, system
from shared.messages.market import BookInvalid, BookSnapshot
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
START_NS = 1_700_000_000_000_000_000


class ALog:
    """A legal log written step by step; `say` numbers each source as the bus would."""

    def __init__(self):
        self.events = []
        self._n = {}

    def say(self, source, message, *, cause_seq=None, n=None):
        seq = len(self.events) + 1
        self._n[source] = self._n.get(source, 0) + 1 if n is None else n
        is_core = not source.endswith(".io") and source != "bus"
        cause = (seq - 1 if is_core else 0) if cause_seq is None else cause_seq
        header = Header(seq, START_NS + seq, START_NS, 7, source, 1, self._n[source], cause)
        self.events.append(Event(header, message))
        return self


def a_book(log):
    return log.say("market_data.io", BookSnapshot(SYMBOL, 1, 1, 0, b"", "start", 0, 0))


def an_intent(client_order_id="7-s-b0-1", slot="b0", qty_lots=5):
    return orders.OrderIntent(client_order_id, "s", SYMBOL, Side.BUY, 100, qty_lots, slot=slot)


def an_approval(client_order_id="7-s-b0-1", qty_lots=5):
    return orders.OrderApproved(client_order_id, "s", SYMBOL, Side.BUY, 100, qty_lots)


def a_sent(client_order_id="7-s-b0-1", qty_lots=5, price_ticks=100):
    return orders.OrderSent(client_order_id, "s", SYMBOL, Side.BUY, price_ticks, qty_lots)


def a_fill(trade_id="t1", qty_lots=2, filled_lots=2, leaves_lots=3, price_ticks=100):
    return orders.Fill(
        "7-s-b0-1",
        "s",
        SYMBOL,
        trade_id,
        Side.BUY,
        price_ticks,
        qty_lots,
        filled_lots,
        leaves_lots,
        1,
        "USDT",
        True,
        0,
    )


def a_legal_log():
    log = a_book(ALog())
    log.say("strategy/s", an_intent()).say("risk", an_approval()).say("broker", a_sent())
    log.say("broker", orders.OrderAccepted("7-s-b0-1", "s", SYMBOL, "v1", 0))
    return log.say("broker", a_fill()).say("broker", a_fill("t2", 3, 5, 0))


def problems_of(log):
    return check_log(log.events).problems


@pytest.mark.req("I-01", "I-15")
def test_a_legal_log_has_no_problem():
    check = check_log(a_legal_log().events)

    assert check.problems == []
    assert (check.order_count, check.fill_count, check.unresolved_count) == (1, 2, 0)


def test_a_hole_is_found():
    log = a_legal_log()
    del log.events[3]

    assert "hole" in problems_of(log)[0]


def test_a_repeated_fill_is_found():
    log = a_legal_log().say("broker", a_fill("t2", 3, 5, 0))

    assert any("stands twice" in problem for problem in problems_of(log))


def test_a_fill_that_miscounts_is_found():
    log = a_book(ALog()).say("strategy/s", an_intent()).say("risk", an_approval()).say("broker", a_sent())

    log.say("broker", a_fill(filled_lots=4))

    assert any("sum to 2" in problem for problem in problems_of(log))


def test_a_fill_worse_than_the_limit_is_found():
    log = a_book(ALog()).say("strategy/s", an_intent()).say("risk", an_approval()).say("broker", a_sent())

    log.say("broker", a_fill(price_ticks=101))

    assert any("worse than its limit" in problem for problem in problems_of(log))


@pytest.mark.req("I-01")
def test_an_order_sent_without_approval_is_found():
    log = a_book(ALog()).say("strategy/s", an_intent()).say("broker", a_sent())

    assert any("without approval" in problem for problem in problems_of(log))


@pytest.mark.req("I-03")
def test_an_order_sent_twice_is_found():
    log = a_legal_log().say("broker", a_sent())

    assert any("sent twice" in problem for problem in problems_of(log))


@pytest.mark.req("I-03")
def test_a_client_order_id_used_twice_is_found():
    log = a_legal_log().say("strategy/s", an_intent())

    assert any("used twice" in problem for problem in problems_of(log))


@pytest.mark.req("I-04")
def test_two_live_orders_in_one_slot_are_found():
    log = a_book(ALog()).say("strategy/s", an_intent()).say("strategy/s", an_intent("7-s-b0-2"), cause_seq=1)

    assert any("I-04" in problem for problem in problems_of(log))


@pytest.mark.req("I-31")
def test_an_order_decided_on_an_invalid_book_is_found():
    log = a_book(ALog()).say("market_data.io", BookInvalid(SYMBOL, "gap")).say("strategy/s", an_intent())

    assert any("invalid book" in problem for problem in problems_of(log))


def test_an_order_decided_before_the_book_broke_is_legal_however_late_it_is_stored():
    log = a_book(ALog()).say("market_data.io", BookInvalid(SYMBOL, "gap"))

    log.say("strategy/s", an_intent(), cause_seq=1)

    assert problems_of(log) == []


def test_a_source_that_skips_a_number_is_found():
    log = a_book(ALog()).say("strategy/s", an_intent()).say("strategy/s", an_intent("x"), n=5)

    assert any("says n=5 after 1" in problem for problem in problems_of(log))


def test_market_data_may_skip_numbers():
    log = a_book(ALog()).say("market_data.io", BookInvalid(SYMBOL, "gap"), n=9)

    assert problems_of(log) == []


def test_a_clock_that_falls_is_found():
    log = a_legal_log().say("bus", system.Tick(1))
    last = log.events[-1]
    log.events[-1] = Event(last.header.__class__(last.header.seq, 5, 5, 7, "bus", 0, 1, 0), last.message)

    assert any("clock fell" in problem for problem in problems_of(log))
