"""The send gate: one reason to hold back each order that may not leave, the strongest first."""

from dataclasses import replace

import pytest

from services.broker.gate import Passage, held_back
from services.broker.order import from_intent
from shared.messages.orders import OrderApproved, OrderIntent, OrderType
from shared.units import Side

NAME = ("id", "mm", "binance_usdm:BTCUSDT")


def a_passage(rules, *, approval=None, intent=None, cancel_reason="", **changes):
    order = from_intent(intent or OrderIntent(*NAME, Side.BUY, 600_000, 10), 1)
    order.cancel_reason = cancel_reason
    passage = Passage(
        approval=approval or OrderApproved(*NAME, Side.BUY, 600_000, 10),
        order=order,
        rules=rules,
        age_ns=0,
        ttl_ns=500,
        is_killed=False,
    )
    return replace(passage, **changes)


def code(passage):
    held = held_back(passage)
    return held.code if held else ""


@pytest.mark.req("I-01", "I-22")
def test_a_good_order_leaves(make_bench):
    assert code(a_passage(make_bench.rules())) == ""
    assert code(a_passage(make_bench.rules(), age_ns=500)) == ""


@pytest.mark.req("I-01", "I-02", "I-22")
@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("killed", {"is_killed": True, "is_durable": False, "age_ns": 501}),
        ("run", {"is_run_valid": False}),
        ("not_durable", {"is_durable": False}),
        ("no_intent", {"order": None}),
        ("canceled", {"cancel_reason": "strategy", "age_ns": 501}),
        ("stale", {"age_ns": 501}),
        ("unknown_symbol", {"rules": None}),
    ],
)
def test_each_reason_holds_it_back(make_bench, expected, changes):
    changes = {"rules": make_bench.rules(), **changes}
    assert code(a_passage(changes.pop("rules"), **changes)) == expected


@pytest.mark.req("I-01")
@pytest.mark.parametrize(
    "approval",
    [
        OrderApproved("id", "other", NAME[2], Side.BUY, 600_000, 10),
        OrderApproved("id", "mm", "binance:BTCUSDT", Side.BUY, 600_000, 10),
        OrderApproved(*NAME, Side.SELL, 600_000, 10),
        OrderApproved(*NAME, Side.BUY, 600_001, 10),
        OrderApproved(*NAME, Side.BUY, 600_000, 11),
        OrderApproved(*NAME, Side.BUY, 600_000, 0),
        OrderApproved(*NAME, Side.BUY, 600_000, 10, OrderType.MARKET),
    ],
)
def test_an_approval_of_another_order_holds_it_back(make_bench, approval):
    assert code(a_passage(make_bench.rules(), approval=approval)) == "mismatch"


def test_an_approval_may_be_smaller_and_less_aggressive(make_bench):
    approval = OrderApproved(*NAME, Side.BUY, 599_000, 3)

    assert code(a_passage(make_bench.rules(), approval=approval)) == ""


def test_post_only_may_not_be_dropped(make_bench):
    intent = OrderIntent(*NAME, Side.BUY, 600_000, 10, is_post_only=True)

    assert code(a_passage(make_bench.rules(), intent=intent)) == "mismatch"


@pytest.mark.req("BR-26")
@pytest.mark.parametrize(
    ("expected", "rules"),
    [
        ("", {"min_qty_lots": 10}),
        ("filter", {"min_qty_lots": 11}),
        ("", {"max_qty_lots": 10}),
        ("filter", {"max_qty_lots": 9}),
        ("", {"min_price_ticks": 600_000}),
        ("filter", {"min_price_ticks": 600_001}),
        ("", {"max_price_ticks": 600_000}),
        ("filter", {"max_price_ticks": 599_999}),
        ("", {"min_notional_atoms": 600 * 10**8}),
        ("filter", {"min_notional_atoms": 600 * 10**8 + 1}),
    ],
)
def test_the_filters_of_the_venue_are_kept(make_bench, expected, rules):
    assert code(a_passage(make_bench.rules(**rules))) == expected


@pytest.mark.req("BR-26")
def test_a_market_order_meets_the_filters_of_quantity_only(make_bench):
    terms = (*NAME, Side.BUY, 0, 10, OrderType.MARKET)
    approval, intent = OrderApproved(*terms), OrderIntent(*terms)

    assert code(a_passage(make_bench.rules(min_price_ticks=5), approval=approval, intent=intent)) == ""
    assert code(a_passage(make_bench.rules(min_qty_lots=11), approval=approval, intent=intent)) == "filter"


def test_a_small_rest_of_a_derivative_may_be_closed(make_bench):
    terms = {"is_reduce_only": True}
    approval = OrderApproved(*NAME, Side.BUY, 600_000, 10, **terms)
    intent = OrderIntent(*NAME, Side.BUY, 600_000, 10, **terms)
    rules = make_bench.rules(min_notional_atoms=10**15)

    assert code(a_passage(rules, approval=approval, intent=intent)) == ""
