"""Strategies that are opposed in one market may leave while only reducing orders pass (RK-1, RK-10)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.ask import Ask, caps_of
from services.risk.checks import judge
from services.risk.settings import RiskSettings, SymbolLimits
from shared.messages.market import InstrumentRules
from shared.units import Side


def an_ask(settings=None, symbol="binance_usdm:BTCUSDT", **changes):
    """Return a sell of 5 lots of 0.001 at 60,000 while market data are silent."""
    is_derivative = symbol != "binance:BTCUSDT"
    rules = InstrumentRules(
        symbol, "BTC", "USDT", "0.1", "0.001", 8, 10_000, 1, 0, 0, 0, 0, 200, 500, is_derivative
    )
    fields = {
        "side": Side.SELL,
        "price_ticks": 600_000,
        "qty_lots": 5,
        "is_market": False,
        "is_reduce_only": False,
        "age_ns": 0,
        "rules": rules,
        "caps": caps_of(settings or RiskSettings(), rules),
        "is_killed": False,
        "reducing_reasons": ("market_data is silent",),
        "is_book_trusted": True,
        "book_age_ns": 10**12,
        "bid_ticks": 600_000,
        "ask_ticks": 600_010,
        "position_lots": 0,
        "strategy_position_lots": 5,
        "live_lots": 0,
        "strategy_live_lots": 0,
        "live_atoms": 0,
        "position_atoms": 0,
        "open_order_count": 0,
        "portfolio_money": 0,
        "loss_money": 0,
    }
    return Ask(**{**fields, **changes})


def limits(**changes):
    return RiskSettings(limits=replace(SymbolLimits(), **changes))


def refusal(ask):
    judgement = judge(ask, may_adjust=False)
    return "" if judgement.qty_lots else judgement.objection.code


@pytest.mark.req("RK-1", "RK-10", "I-11")
@given(
    side=st.sampled_from(Side),
    own=st.integers(-120, 120),
    others=st.integers(-120, 120),
    own_live=st.integers(0, 60),
    others_live=st.integers(0, 60),
    qty=st.integers(1, 150),
    size_ppm=st.sampled_from([0, 250_000, 1_000_000]),
    is_trusted=st.booleans(),
    may_adjust=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_what_leaves_while_reducing_shrinks_the_account_or_its_own_strategy_within_the_limits(
    side, own, others, own_live, others_live, qty, size_ppm, is_trusted, may_adjust
):
    ask = an_ask(
        limits(position_qty_max=Decimal("0.1")),
        side=side,
        position_lots=own + others,
        strategy_position_lots=own,
        live_lots=own_live + others_live,
        strategy_live_lots=own_live,
        qty_lots=qty,
        size_ppm=size_ppm,
        is_book_trusted=is_trusted,
    )

    allowed = judge(ask, may_adjust=may_adjust).qty_lots

    if allowed > ask.reducible_lots:
        gross = abs(own) + abs(others)
        assert abs(own + side.sign * (own_live + allowed)) + abs(others) <= gross
        assert side.sign * (own + others) + own_live + others_live + allowed <= 100
    if qty <= ask.own_reducible_lots and side.sign * (own + others) + ask.live_lots + qty <= 100:
        assert allowed == qty


@pytest.mark.req("RK-1", "RK-20", "I-11")
@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("position", {"settings": limits(position_qty_max=Decimal("0.004"))}),
        ("position", {"settings": limits(position_notional_max=Decimal(299)), "is_book_trusted": False}),
        ("position", {"bid_ticks": 0, "ask_ticks": 0, "price_ticks": 0, "is_market": True}),
        ("symbol_notional", {"settings": limits(symbol_notional_max=Decimal(299))}),
        ("portfolio_notional", {"portfolio_money": 49_701 * 10**18}),
        ("", {"size_ppm": 0, "loss_money": 10**30, "open_order_count": 10**6}),
        ("", {"bid_ticks": 0, "ask_ticks": 0}),
    ],
)
def test_an_exit_of_one_of_two_opposed_strategies_meets_the_limits_of_what_may_be_held(code, changes):
    # Given +5 lots of one and -5 of another at 60,000: the exit leaves 0.005 short, which is worth 300
    fields = {"is_book_trusted": "bid_ticks" not in changes, **changes}

    assert refusal(an_ask(**fields)) == code


@pytest.mark.req("RK-1")
def test_a_spot_holding_of_another_cannot_be_sold_as_an_own_exit():
    assert refusal(an_ask(symbol="binance:BTCUSDT")) == "holdings"
