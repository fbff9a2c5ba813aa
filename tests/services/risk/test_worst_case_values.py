"""Every limit of value holds for all that may be executed at worst, worked out from scratch (I-11, RK-20)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.risk.core import RiskCore
from services.risk.settings import RiskSettings, SymbolLimits
from shared.messages import orders
from shared.units import Side

HALF_TICKS = 1_200_010
"""Bid + ask of the bench's book, which no step moves."""
TICK_LOT_ATOMS = 10_000
USDT = 10**8
LIMITS = SymbolLimits(
    order_notional_max=Decimal(1500),
    position_notional_max=Decimal(2000),
    symbol_notional_max=Decimal(2600),
    price_band_bps=Decimal("0.4"),
)
PORTFOLIO_MAX = 4000
SETTINGS = replace(
    RiskSettings(), limits=LIMITS, portfolio_notional_max=Decimal(PORTFOLIO_MAX), violations_max=10**6
)
KINDS = ["order", "order", "order", "market", "cancel", "unknown", "trade", "wait", "restart"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(["a", "b"]),
        st.booleans(),
        st.sampled_from(Side),
        st.integers(-30, 30),
        st.integers(1, 40),
    ),
    max_size=30,
)


def live_orders(bench, symbol):
    return [order for order in bench.risk.known.exposure.open.values() if order.symbol == symbol]


def value_atoms(bench, symbol):
    """Return position and all open orders of a market in atoms: the former at mid, orders at their price."""
    position = abs(bench.risk.known.ledger.position_lots(symbol))
    held = -(-position * HALF_TICKS * TICK_LOT_ATOMS // 2)
    resting = sum((o.qty_lots - o.filled_lots) * o.price_ticks for o in live_orders(bench, symbol))
    return held + resting * TICK_LOT_ATOMS


def worst_lots(bench, symbol, side):
    live = sum(o.qty_lots - o.filled_lots for o in live_orders(bench, symbol) if o.side is side)
    return side.sign * bench.risk.known.ledger.position_lots(symbol) + live


def check_new(bench, order, reducible_lots):
    """Hold an order that was just approved against every limit of value."""
    beyond = 2 * order.price_ticks - HALF_TICKS
    is_new_risk = order.qty_lots > reducible_lots
    hurts = abs(beyond) if is_new_risk else max(0, order.side.sign * beyond)
    assert Decimal(hurts) / HALF_TICKS * 10_000 <= LIMITS.price_band_bps + Decimal("0.01")
    if is_new_risk:
        value = order.qty_lots * order.price_ticks * TICK_LOT_ATOMS
        assert value <= LIMITS.order_notional_max * USDT
        assert value_atoms(bench, order.symbol) <= LIMITS.symbol_notional_max * USDT
        assert sum(value_atoms(bench, symbol) for symbol in (bench.PERP, bench.SPOT)) <= PORTFOLIO_MAX * USDT


def ask_for(bench, what, strategy, symbol, side, away, lots):
    reducible_lots = max(0, -worst_lots(bench, symbol, side))
    terms = {"order_type": orders.OrderType.MARKET} if what == "market" else {}
    price_ticks = 0 if terms else 600_005 + away
    order_id = bench.intent(side, price_ticks, lots, strategy=strategy, symbol=symbol, **terms)
    order = bench.risk.known.exposure.open.get(order_id)
    if order is not None:
        check_new(bench, order, reducible_lots)
    return order_id


def take_step(bench, ids, what, strategy, is_spot, side, away, lots):
    symbol = bench.SPOT if is_spot else bench.PERP
    if what in {"order", "market"}:
        ids.append((ask_for(bench, what, strategy, symbol, side, away, lots), strategy, symbol))
    elif what == "cancel" and ids:
        order_id, owner, place = ids[away % len(ids)]
        bench.cancel(order_id, strategy=owner, symbol=place)
    elif what == "unknown":
        live = [order for order in live_orders(bench, symbol) if order.state.is_live]
        if live:
            order = live[away % len(live)]
            name = (order.client_order_id, order.strategy, symbol)
            bench.say("broker.io", orders.OrderUnknown(*name, "a lost answer"))
    elif what == "trade":
        bench.trade(side, 600_005 + away, lots, symbol=symbol)
        bench.book(symbol=symbol)
    elif what == "wait":
        bench.pass_ms(300)
    elif what == "restart":
        core = RiskCore()
        core.restore(bench.risk.snapshot())
        assert core.digest() == bench.risk.digest()


@pytest.mark.req("I-11", "RK-6", "RK-20")
@given(steps=STEPS)
@example(steps=[("order", "a", False, Side.BUY, -10, 24), ("order", "b", False, Side.SELL, 10, 24)])
@example(
    steps=[
        ("order", "a", False, Side.BUY, -10, 24),
        ("order", "b", False, Side.SELL, 10, 18),
        ("order", "a", True, Side.BUY, -10, 24),
    ]
)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_sequence_leads_past_a_limit_of_value_or_out_of_the_collar(make_bench, steps):
    bench = make_bench(SETTINGS).start()
    ids = []
    for step in steps:
        take_step(bench, ids, *step)

        for symbol in (bench.PERP, bench.SPOT):
            for side in Side:
                worst = worst_lots(bench, symbol, side) * HALF_TICKS * TICK_LOT_ATOMS // 2
                assert worst <= LIMITS.position_notional_max * USDT


@pytest.mark.req("I-11", "RK-20")
def test_the_property_meets_each_of_the_limits(make_bench):
    # Given orders that need the limits one after the other
    bench = make_bench(replace(SETTINGS, adjust_orders=False)).start()
    ask = {"symbol": bench.PERP, "strategy": "a"}

    codes = [
        bench.verdict(Side.BUY, 599_990, 26, **ask).code,
        bench.verdict(Side.BUY, 599_990, 24, **ask).__class__.__name__,
        bench.verdict(Side.BUY, 599_990, 20, **ask).code,
        bench.verdict(Side.SELL, 600_020, 20, **ask).code,
        bench.verdict(Side.BUY, 600_005 - 24, 1, **ask).__class__.__name__,
        bench.verdict(Side.BUY, 600_005 - 25, 1, **ask).code,
        bench.verdict(Side.BUY, 599_990, 24, symbol=bench.SPOT).__class__.__name__,
        bench.verdict(Side.SELL, 600_020, 18, **ask).code,
    ]

    assert codes == [
        "order_size",
        "OrderApproved",
        "position",
        "symbol_notional",
        "OrderApproved",
        "price_band",
        "OrderApproved",
        "portfolio_notional",
    ]
