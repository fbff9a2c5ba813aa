"""What may be executed at worst stays within every limit, whatever happens in whatever order (I-11, I-12)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk.core import RiskCore
from services.risk.settings import RiskSettings, SymbolLimits
from shared.messages import orders, system
from shared.units import Side

LIMIT_LOTS = 40
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["order", "order", "market", "cancel", "unknown", "silent", "trade", "wait", "restart"]
        ),
        st.sampled_from(["a", "b"]),
        st.sampled_from(Side),
        st.integers(-30, 30),
        st.integers(1, 60),
    ),
    max_size=30,
)


def worst_lots(core, symbol, side):
    """Return the position towards `side` if all that is live or unknown on it fills, added from scratch."""
    known = core.known
    live = sum(
        order.qty_lots - order.filled_lots
        for order in known.exposure.open.values()
        if (order.symbol, order.side) == (symbol, side)
    )
    return side.sign * known.ledger.position_lots(symbol) + live


@pytest.mark.req("I-11", "I-12", "I-05")
@given(steps=STEPS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sequence_of_orders_fills_and_doubts_leads_past_the_limit_or_into_ourselves(make_bench, steps):
    limits = replace(SymbolLimits(), position_qty_max=Decimal(LIMIT_LOTS) / 1000)
    bench = make_bench(replace(RiskSettings(), limits=limits, violations_max=10**6)).start()
    ids = []
    for step in steps:
        take_step(bench, ids, *step)

        exposure = bench.risk.known.exposure
        for side in Side:
            assert worst_lots(bench.risk, bench.PERP, side) <= LIMIT_LOTS
            live = sum(order.leaves_lots for order in exposure.open.values() if order.side is side)
            assert exposure.live_lots(bench.PERP, side) == live


def take_step(bench, ids, what, strategy, side, away, lots):
    exposure = bench.risk.known.exposure
    if what == "order":
        ids.append(bench.intent(side, 600_005 + away, lots, strategy=strategy))
        check_crosses_nothing(exposure, exposure.open.get(ids[-1]))
    elif what == "market":
        ids.append(bench.intent(side, 0, lots, strategy=strategy, order_type=orders.OrderType.MARKET))
    elif what == "cancel" and ids:
        order_id = ids[away % len(ids)]
        bench.cancel(order_id, strategy=order_id.split("-")[1])
    elif what == "unknown":
        say_unknown(bench, away)
    elif what == "silent":
        bench.pass_ms(600, is_feed_alive=False)
        bench.book()
    elif what == "trade":
        bench.trade(side, 600_005 + away, lots)
        bench.book()
    elif what == "wait":
        bench.pass_ms(300)
    elif what == "restart":
        core = RiskCore()
        core.restore(bench.risk.snapshot())
        assert core.digest() == bench.risk.digest()
        assert_same_sums(core.known.exposure, exposure, bench.PERP)


def say_unknown(bench, number):
    live = [order for order in bench.risk.known.exposure.open.values() if order.state.is_live]
    if live:
        order = live[number % len(live)]
        name = (order.client_order_id, order.strategy, order.symbol)
        bench.say("broker.io", orders.OrderUnknown(*name, "a lost answer"))


def check_crosses_nothing(exposure, new):
    if new is None:
        return
    for order in exposure.open.values():
        if order.side is not new.side and not new.is_market:
            assert new.side.sign * (new.price_ticks - order.reach_ticks) < 0


def assert_same_sums(one, other, symbol):
    for side in Side:
        assert one.live_lots(symbol, side) == other.live_lots(symbol, side)
        assert one.crossed_id(symbol, side, 600_005) == other.crossed_id(symbol, side, 600_005)
    assert one.live_ticks_lots(symbol) == other.live_ticks_lots(symbol)
    assert one.live_buy_ticks_lots(symbol) == other.live_buy_ticks_lots(symbol)


@pytest.mark.req("I-12")
def test_no_order_of_any_strategy_may_meet_one_of_ours(bench):
    resting = bench.resting(Side.SELL, 600_020, 5, strategy="a")

    for price_ticks in (600_020, 600_030):
        refused = bench.verdict(Side.BUY, price_ticks, 1, strategy="b")
        assert refused.code == "self_trade"
        assert resting in refused.reason
    assert isinstance(bench.verdict(Side.BUY, 600_019, 1, strategy="b"), orders.OrderApproved)
    assert isinstance(bench.verdict(Side.BUY, 600_020, 1, symbol=bench.SPOT), orders.OrderApproved)


@pytest.mark.req("I-12", "I-05")
def test_an_unknown_order_counts_until_it_is_resolved(bench):
    resting = bench.resting(Side.SELL, 600_020, 5)
    bench.say("broker.io", orders.OrderUnknown(resting, "mm", bench.PERP, "time-out"))
    assert bench.verdict(Side.BUY, 600_020, 1).code == "self_trade"

    bench.say("broker.io", orders.OrderCanceled(resting, "mm", bench.PERP, 0))

    assert isinstance(bench.verdict(Side.BUY, 600_020, 1), orders.OrderApproved)


@pytest.mark.req("I-12", "RK-1")
def test_a_market_order_is_followed_into_the_book_for_twice_its_quantity(bench):
    # Given asks of 10, 20 and 30 lots from 600,010 on, and our own bid two ticks below the best
    bench.fill_position(Side.BUY, 20)
    bench.resting(Side.BUY, 599_990, 5)
    market = {"order_type": orders.OrderType.MARKET, "is_reduce_only": True}

    # Then 5 lots stay at the best bid of 10, and 6 could come to ours
    assert isinstance(bench.verdict(Side.SELL, 0, 5, **market), orders.OrderApproved)
    assert bench.verdict(Side.SELL, 0, 6, **market).code == "self_trade"


@pytest.mark.req("I-12")
def test_a_market_order_under_way_may_meet_anything_on_the_other_side(bench):
    bench.fill_position(Side.BUY, 5)
    bench.mesh.hosts.pop("broker")
    bench.intent(Side.SELL, 0, 5, order_type=orders.OrderType.MARKET)

    assert bench.verdict(Side.BUY, 599_000, 1).code == "self_trade"


@pytest.mark.req("RK-1", "RK-10", "I-11")
@given(
    held=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    exits=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 10)), max_size=12),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_opposed_strategies_leave_while_the_mesh_reduces_and_never_hold_more_together(
    make_bench, held, exits
):
    # Given a long and b short in one market, and market data that fell silent
    bench = make_bench().start()
    bench.fill_position(Side.BUY, held[0], strategy="a")
    bench.fill_position(Side.SELL, held[1], strategy="b")
    sides = {"a": Side.SELL, "b": Side.BUY}
    bench.say("bus", system.SourceSilent("market_data", 1000))
    ledger = bench.risk.known.ledger

    def gross():
        return sum(abs(ledger.strategy_position_lots(name, bench.PERP)) for name in "ab")

    # When they leave in parts, in any order
    before = gross()
    for name, most_lots in [*exits, ("a", 8), ("b", 8)]:
        lots = min(most_lots, abs(ledger.strategy_position_lots(name, bench.PERP)))
        if lots:
            bench.fill_position(sides[name], lots, strategy=name)
        assert gross() == before - lots
        before = gross()

    # Then nothing is left, and nothing new was allowed
    assert gross() == 0
    assert bench.verdict(Side.BUY, 599_000, 1, strategy="a").code == "reducing"
