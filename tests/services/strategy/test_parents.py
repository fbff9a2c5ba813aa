"""Parent orders: their sums are exact whatever their children report."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.desk import make_rules
from services.strategy.parents import Parent, new_child
from shared.messages import orders
from shared.orders import OrderState
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
RULES = make_rules(SYMBOL)


def parent(*lots, asked="0.01", **changes):
    one = Parent("r1", "sweep", Side.BUY, asked, [SYMBOL], slices_done=1, **changes)
    one.children = [new_child(f"c{n}", each, RULES) for n, each in enumerate(lots)]
    return one


def report(one, n, kind, *values):
    child = one.children[n]
    child.report(kind(child.client_order_id, "manual", SYMBOL, *values))


def fill(one, n, lots, leaves, price=600_000):
    filled = one.children[n].filled_lots + lots
    report(one, n, orders.Fill, f"t{n}{filled}", Side.BUY, price, lots, filled, leaves, 0, "USDT", False, 0)


def sent(one, n):
    lots = one.children[n].qty_lots
    report(one, n, orders.OrderApproved, Side.BUY, 600_000, lots)
    report(one, n, orders.OrderSent, Side.BUY, 600_000, lots)


@pytest.mark.req("BR-21")
def test_the_average_price_is_that_of_all_children():
    one = parent(4, 6)
    for n in range(2):
        sent(one, n)
    fill(one, 0, 4, 0, price=600_000)
    fill(one, 1, 6, 0, price=600_010)

    told = one.progress()

    # (4 * 60000 + 6 * 60001) / 10
    assert (told.state, told.filled, told.average_price) == ("done", "0.01", "60000.6")


@pytest.mark.req("BR-21")
def test_risk_may_allow_less_and_the_rest_is_told_as_unfilled():
    one = parent(10)
    report(one, 0, orders.OrderAdjusted, Side.BUY, 600_000, 7, 10, "position", "less fits")

    assert (one.progress().open, one.progress().unfilled) == ("0.007", "0.003")


@pytest.mark.req("BR-21", "I-07")
def test_a_report_that_cannot_follow_leaves_the_child_in_doubt_and_open():
    one = parent(10)
    report(one, 0, orders.OrderAccepted, "v", 0)

    assert one.children[0].state is OrderState.UNKNOWN
    assert one.progress().open == "0.01"
    assert one.is_working


@pytest.mark.req("BR-20")
@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()), max_size=6))
@settings(max_examples=60, deadline=None)
def test_filled_open_and_unfilled_always_add_up(children):
    total = sum(lots for lots, _, _ in children) + 3
    one = parent(*(lots for lots, _, _ in children), asked=str(Decimal(total) / 1000))
    for n, (lots, part, is_over) in enumerate(children):
        sent(one, n)
        if min(part, lots):
            fill(one, n, min(part, lots), lots - min(part, lots))
        if is_over and part < lots:
            report(one, n, orders.OrderExpired, min(part, lots))

    told = one.progress()

    assert sum(map(Decimal, (told.filled, told.open, told.unfilled))) == Decimal(one.asked)
