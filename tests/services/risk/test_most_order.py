"""The largest order that can be asked for is the largest that passes (RK-21)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk.ask import Ask, Flow, Objection, caps_of
from services.risk.checks import judge
from services.risk.most_order import largest
from services.risk.settings import RiskSettings, SymbolLimits
from shared.messages import control, guards, orders
from shared.units import Side


def ask_most(bench, side=Side.BUY, price_ticks=0, *, strategy="mm", symbol=None):
    bench.say("operator", guards.MostOrderAsked(strategy, symbol or bench.PERP, side, price_ticks, "me"))
    return bench.said(guards.MostOrderTold)[-1]


@pytest.mark.req("RK-21")
def test_it_is_told_with_the_limit_that_allows_no_more(bench):
    # 5000 / (600,010 * 0.0001 a lot) = 83.3 lots
    assert ask_most(bench) == guards.MostOrderTold(
        "mm", bench.PERP, Side.BUY, 600_010, 83, "order_size", "5040.08400000 USDT is too large for one order"
    )

    bench.resting(Side.BUY, 600_000, 83)
    bench.resting(Side.BUY, 599_990, 80)
    told = ask_most(bench, Side.BUY, 600_000)
    assert (told.qty_lots, told.code) == (3, "position")


@pytest.mark.req("RK-21")
def test_what_is_told_passes_and_one_lot_more_does_not(make_bench):
    bench = make_bench(replace(RiskSettings(), adjust_orders=False)).start()
    told = ask_most(bench, Side.SELL, 600_020)

    assert bench.verdict(Side.SELL, 600_020, told.qty_lots + 1).code == told.code
    assert isinstance(bench.verdict(Side.SELL, 600_020, told.qty_lots), orders.OrderApproved)


@pytest.mark.req("RK-21")
def test_while_only_reducing_orders_pass_it_is_the_position(bench):
    bench.fill_position(Side.BUY, 7)
    bench.say("operator", control.ResumeRequested("", "me", "x"))
    bench.risk.known.mood.silent.append("market_data")

    assert ask_most(bench, Side.BUY).qty_lots == 0
    told = ask_most(bench, Side.SELL)
    assert (told.qty_lots, told.code) == (7, "reducing")


@pytest.mark.req("RK-21")
def test_it_is_none_when_killed_or_unknown(bench):
    assert ask_most(bench, symbol="binance:NOPE").code == "unknown_symbol"
    bench.say("operator", control.KillRequested("me", "x"))
    assert (ask_most(bench).qty_lots, ask_most(bench).code) == (0, "killed")


@pytest.mark.req("RK-21")
def test_asking_changes_nothing(bench):
    bench.fill_position(Side.BUY, 5)
    before = bench.risk.known.exposure.dump(), bench.risk.known.pending, bench.risk.known.guards.dump()[0]

    ask_most(bench)

    assert (
        bench.risk.known.exposure.dump(),
        bench.risk.known.pending,
        bench.risk.known.guards.dump()[0],
    ) == before


STATES = st.fixed_dictionaries(
    {
        "position": st.integers(-60, 60),
        "opposed": st.integers(-60, 60),
        "live": st.integers(0, 30),
        "side": st.sampled_from(Side),
        "limit": st.integers(1, 60),
        "order_max": st.integers(0, 60),
        "is_held": st.booleans(),
        "is_spot": st.booleans(),
        "rate": st.integers(0, 1),
        "minimum": st.integers(1, 5),
        "size_ppm": st.integers(0, 1_000_000),
    }
)


@pytest.mark.req("RK-21")
@given(state=STATES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_larger_order_passes(make_bench, state):
    # Given any state of a market of 60,000
    position = abs(state["position"]) if state["is_spot"] else state["position"]
    rules = make_bench.rules(
        "binance:BTCUSDT" if state["is_spot"] else "binance_usdm:BTCUSDT", min_qty_lots=state["minimum"]
    )
    limits = replace(
        SymbolLimits(),
        position_qty_max=Decimal(state["limit"]) / 1000,
        order_qty_max=Decimal(state["order_max"]) / 1000,
        order_notional_max=Decimal(10**6),
    )
    ask = Ask(
        side=state["side"],
        price_ticks=600_000,
        qty_lots=1,
        is_market=False,
        is_reduce_only=False,
        age_ns=0,
        rules=rules,
        caps=caps_of(RiskSettings(limits=limits), rules),
        is_killed=False,
        reducing_reasons=(),
        is_book_trusted=True,
        book_age_ns=0,
        bid_ticks=600_000,
        ask_ticks=600_010,
        position_lots=position,
        strategy_position_lots=position if state["is_spot"] else position + state["opposed"],
        live_lots=state["live"],
        strategy_live_lots=state["live"],
        live_atoms=0,
        position_atoms=0,
        open_order_count=0,
        portfolio_money=0,
        loss_money=0,
        flows=(Flow("1 s", state["rate"], 1),),
        holds=(Objection("breaker", "x"),) if state["is_held"] else (),
        size_ppm=state["size_ppm"],
    )

    # When it is asked for
    qty_lots, _ = largest(ask)

    # Then trying every quantity finds the same, where the venue takes it
    def passes(lots):
        tried = Ask(**{**{f: getattr(ask, f) for f in ask.__struct_fields__}, "qty_lots": lots})
        return lots >= state["minimum"] and judge(tried, may_adjust=False).qty_lots == lots

    assert qty_lots == max((lots for lots in range(1, 200) if passes(lots)), default=0)
