import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.strategy.base import Quote
from services.strategy.own_orders import OwnOrders
from services.strategy.quoter import (
    CANCEL_AGAIN_NS,
    DOUBT_NS,
    RETRY_NS,
    WINDOW_NS,
    BackOff,
    Touch,
    crosses_own,
    is_failure,
    is_still_wanted,
    plan,
    remember_slots,
)
from shared.messages import orders
from shared.orders import OrderState
from shared.units import NS_PER_S, Side

S = "binance_usdm:BTCUSDT"
FAR = Touch(0, 0)
NOW = 10**18


def head(order_id):
    return order_id, "one", S


def place(own, quote, order_id, now_ns=NOW):
    return own.intend(
        orders.OrderIntent(
            *head(order_id),
            quote.side,
            quote.price_ticks,
            quote.qty_lots,
            is_post_only=quote.is_post_only,
            slot=quote.slot,
        ),
        now_ns,
    )


def accept(own, order):
    for report in (
        orders.OrderApproved(*head(order.client_order_id), order.side, order.price_ticks, order.qty_lots),
        orders.OrderSent(*head(order.client_order_id), order.side, order.price_ticks, order.qty_lots),
        orders.OrderAccepted(*head(order.client_order_id), "v", 0),
    ):
        own.report(report, order.client_order_id, NOW)


def resting(quote, order_id="e-one-bid-1"):
    own = OwnOrders()
    accept(own, place(own, quote, order_id))
    return own


BID = Quote("bid", Side.BUY, 100, 5)
ASK = Quote("ask", Side.SELL, 110, 5)


def test_missing_quotes_are_placed() -> None:
    done = plan([BID, ASK], OwnOrders(), BackOff(), FAR, NOW)

    assert done == ([], [BID, ASK], True)


@pytest.mark.req("ST-17")
def test_a_quote_that_rests_where_it_is_wanted_stays_however_long() -> None:
    done = plan([BID], resting(BID), BackOff(), FAR, NOW + 10**15)

    assert done == ([], [], True)


@pytest.mark.req("I-04")
def test_a_moved_quote_is_cancelled_first_and_placed_when_that_is_confirmed() -> None:
    own = resting(BID)
    moved = Quote("bid", Side.BUY, 101, 5)

    first = plan([moved], own, BackOff(), FAR, NOW)
    assert [order.slot for order, _ in first.cancels] == ["bid"]
    assert first.places == []

    own.ask_cancel(orders.CancelIntent(*head("e-one-bid-1")), NOW)
    assert plan([moved], own, BackOff(), FAR, NOW) == ([], [], False)

    own.report(orders.OrderCanceled(*head("e-one-bid-1"), 0), "e-one-bid-1", NOW)
    assert plan([moved], own, BackOff(), FAR, NOW).places == [moved]


def test_quotes_that_nobody_wants_are_cancelled() -> None:
    done = plan([], resting(BID), BackOff(), FAR, NOW)

    assert len(done.cancels) == 1


@pytest.mark.req("I-05")
def test_an_order_in_doubt_blocks_its_slot_alone() -> None:
    own = resting(BID)
    own.report(orders.OrderUnknown(*head("e-one-bid-1"), "timeout"), "e-one-bid-1", NOW)
    own.by_slot["bid"].cancel_ns = NOW

    done = plan([Quote("bid", Side.BUY, 99, 5), ASK], own, BackOff(), FAR, NOW)

    assert done.cancels == []
    assert done.places == [ASK]


@pytest.mark.req("ST-17")
def test_a_cancel_without_answer_is_sent_again_after_thirty_seconds() -> None:
    own = resting(BID)
    own.ask_cancel(orders.CancelIntent(*head("e-one-bid-1")), NOW)

    assert plan([], own, BackOff(), FAR, NOW + CANCEL_AGAIN_NS - 1).cancels == []
    assert len(plan([], own, BackOff(), FAR, NOW + CANCEL_AGAIN_NS).cancels) == 1


@pytest.mark.req("ST-17")
def test_an_order_in_doubt_for_thirty_seconds_is_cancelled_though_it_is_wanted() -> None:
    own = resting(BID)
    own.report(orders.OrderUnknown(*head("e-one-bid-1"), "timeout"), "e-one-bid-1", NOW)

    assert plan([BID], own, BackOff(), FAR, NOW + DOUBT_NS - 1) == ([], [], False)
    late = plan([BID], own, BackOff(), FAR, NOW + DOUBT_NS)

    assert [(order.slot, reason) for order, reason in late.cancels] == [("bid", "in doubt for 30 s")]


@pytest.mark.req("ST-48")
def test_the_rest_of_a_part_filled_quote_stays() -> None:
    own = resting(BID)
    own.report(
        orders.Fill(*head("e-one-bid-1"), "t", Side.BUY, 100, 2, 2, 3, 0, "USDT", True, 0), "e-one-bid-1", NOW
    )

    assert plan([BID], own, BackOff(), FAR, NOW).cancels == []
    assert len(plan([Quote("bid", Side.BUY, 100, 2)], own, BackOff(), FAR, NOW).cancels) == 1


def test_an_order_that_risk_made_smaller_serves_its_quote() -> None:
    own = OwnOrders()
    order = place(own, BID, "e-one-bid-1")
    order.qty_lots = 3

    assert is_still_wanted(order, BID)
    assert not is_still_wanted(order, Quote("bid", Side.BUY, 100, 4))


@pytest.mark.req("I-12")
def test_no_order_is_placed_that_would_cross_an_own_live_one() -> None:
    own = resting(Quote("low", Side.SELL, 100, 5))

    assert plan([BID], own, BackOff(), FAR, NOW).places == []
    assert crosses_own(Side.BUY, 0, own.by_slot.values())
    assert not crosses_own(Side.BUY, 99, own.by_slot.values())
    assert not crosses_own(Side.SELL, 1, own.by_slot.values())


@pytest.mark.req("ST-9")
def test_a_post_only_quote_waits_while_it_would_take() -> None:
    touch = Touch(99, 100)

    assert plan([BID], OwnOrders(), BackOff(), touch, NOW) == ([], [], False)
    assert plan([Quote("bid", Side.BUY, 100, 5, "", False)], OwnOrders(), BackOff(), touch, NOW).is_complete
    assert plan([Quote("ask", Side.SELL, 99, 5)], OwnOrders(), BackOff(), touch, NOW).places == []


@pytest.mark.req("X-04")
def test_a_slot_is_tried_three_times_a_minute_at_most() -> None:
    back_off = BackOff()
    tried = []
    for second in range(60):
        now_ns = NOW + second * RETRY_NS
        if back_off.allows("bid", now_ns):
            tried.append(second)
            back_off.failed("bid", now_ns)

    assert tried == [0, 1, 2]
    assert back_off.allows("ask", NOW)
    assert back_off.allows("bid", NOW + WINDOW_NS)


def test_a_refusal_is_not_repeated_within_a_second() -> None:
    back_off = BackOff()
    back_off.failed("bid", NOW)

    assert not back_off.allows("bid", NOW + RETRY_NS - 1)
    assert back_off.allows("bid", NOW + RETRY_NS)


def test_cleared_refusals_are_forgotten_and_loaded_ones_count() -> None:
    back_off, again = BackOff(), BackOff()
    back_off.failed("bid", NOW)

    again.load(back_off.dump())
    assert not again.allows("bid", NOW)

    again.clear()
    assert again.allows("bid", NOW)


def test_what_we_cancelled_is_no_failure() -> None:
    order = place(OwnOrders(), BID, "e-one-bid-1")
    assert is_failure(order, OrderState.REJECTED)
    assert is_failure(order, OrderState.EXPIRED)

    order.cancel_ns = NOW
    assert not is_failure(order, OrderState.NOT_SENT)


@pytest.mark.req("I-04", "I-05", "I-06", "I-12", "X-04")
class QuoterMachine(RuleBasedStateMachine):
    """Targets change, reports come in any legal order; the venue's own view is the judge."""

    def __init__(self):
        super().__init__()
        self.own = OwnOrders()
        self.back_off = BackOff()
        self.targets = {}
        self.now_ns = NOW
        self.count = 0
        self.failures = {}
        self.base = 1000

    @rule(bid=st.integers(90, 100), lots=st.integers(1, 5))
    def want_bid(self, bid, lots):
        self.targets["bid"] = Quote("bid", Side.BUY, self.base + bid, lots)

    @rule(ask=st.integers(101, 110), lots=st.integers(1, 5))
    def want_ask(self, ask, lots):
        self.targets["ask"] = Quote("ask", Side.SELL, self.base + ask, lots)

    @rule(shift=st.sampled_from([-12, 12]))
    def shift(self, shift):
        self.base += shift
        self.targets = {
            slot: Quote(slot, one.side, one.price_ticks + shift, one.qty_lots)
            for slot, one in self.targets.items()
        }

    @rule(slot=st.sampled_from(["bid", "ask"]))
    def drop(self, slot):
        self.targets.pop(slot, None)

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds):
        self.now_ns += seconds * NS_PER_S

    @rule()
    def act(self):
        done = plan(self.targets.values(), self.own, self.back_off, FAR, self.now_ns)
        for order, _ in done.cancels:
            self.own.ask_cancel(orders.CancelIntent(*head(order.client_order_id)), self.now_ns)
        for quote in done.places:
            assert quote.slot not in self.own.by_slot
            assert not crosses_own(quote.side, quote.price_ticks, self.own.by_slot.values())
            recent = [at for at in self.failures.get(quote.slot, []) if at > self.now_ns - WINDOW_NS]
            assert len(recent) < 3
            self.count += 1
            place(self.own, quote, f"e-one-{quote.slot}-{self.count}", self.now_ns)

    @precondition(lambda self: len(self.own))
    @rule(data=st.data())
    def hear(self, data):
        order = data.draw(st.sampled_from(self.own.dump()))
        h = head(order.client_order_id)
        terms = (order.side, order.price_ticks, order.qty_lots)
        cumulative = order.filled_lots + 1
        done = (order.side, order.price_ticks, 1, cumulative, order.leaves_lots - 1)
        a_fill = orders.Fill(*h, f"t{self.count}", *done, 0, "USDT", True, 0)
        reports = {
            OrderState.INTENDED: [orders.OrderApproved(*h, *terms), orders.OrderRefused(*h, "x", "x")],
            OrderState.APPROVED: [orders.OrderSent(*h, *terms), orders.NotSent(*h, "stale", "x")],
            OrderState.SENT: [
                orders.OrderAccepted(*h, "v", 0),
                orders.OrderRejected(*h, "x", "x"),
                orders.OrderUnknown(*h, "x"),
                a_fill,
            ],
            OrderState.UNKNOWN: [orders.OrderAccepted(*h, "v", 0), orders.OrderCanceled(*h, 0), a_fill],
        }.get(order.state, [orders.OrderCanceled(*h, 0), orders.OrderUnknown(*h, "x"), a_fill])
        if order.is_cancel_asked and order.state.is_live:
            reports = [*reports, orders.CancelRejected(*h, "x", "x")]
        _, problem = self.own.report(data.draw(st.sampled_from(reports)), order.client_order_id, self.now_ns)
        assert problem == ""
        if order.state.is_final and is_failure(order, order.state):
            self.back_off.failed(order.slot, self.now_ns)
            self.failures.setdefault(order.slot, []).append(self.now_ns)

    @invariant()
    def own_orders_never_cross(self):
        buys = [order.price_ticks for order in self.own.dump() if order.side is Side.BUY]
        sells = [order.price_ticks for order in self.own.dump() if order.side is Side.SELL]
        assert max(buys, default=0) < min(sells, default=10**9)

    def teardown(self):
        """A venue that answers everything at once ends where the strategy wants to be."""
        self.back_off.clear()
        for _ in range(6):
            for order in [one for one in self.own.dump() if one.is_cancel_asked]:
                h = head(order.client_order_id)
                if order.state is OrderState.INTENDED:
                    self.own.report(orders.OrderRefused(*h, "", ""), order.client_order_id, self.now_ns)
                else:
                    self.own.report(orders.OrderUnknown(*h, ""), order.client_order_id, self.now_ns)
                    self.own.report(orders.OrderCanceled(*h, 0), order.client_order_id, self.now_ns)
            self.act()
        assert {slot: (o.price_ticks, o.side) for slot, o in self.own.by_slot.items()} == {
            slot: (q.price_ticks, q.side) for slot, q in self.targets.items()
        }


TestQuoterMachine = QuoterMachine.TestCase
TestQuoterMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_slots_are_remembered_by_when_they_were_last_wanted_and_those_in_use_for_good() -> None:
    slots = {"live": None, "old": None}

    remember_slots(slots, ["old", "new"], {"live": None}, most=2)
    remember_slots(slots, ["newest"], {"live": None}, most=2)

    assert list(slots) == ["live", "newest"]
