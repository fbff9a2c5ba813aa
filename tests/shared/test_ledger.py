"""The ledger books each fill once, for the strategy and for the account."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ledger import TRADE_IDS_KEPT, Ledger
from shared.messages.orders import Fill
from shared.units import Side


def a_fill(trade_id="t1", side=Side.BUY, price_ticks=100, qty_lots=5, strategy="a", fee_atoms=1):
    return Fill(
        "id", strategy, "m:X", trade_id, side, price_ticks, qty_lots, qty_lots, 0, fee_atoms, "USDT", True, 0
    )


@pytest.fixture
def ledger():
    ledger = Ledger()
    ledger.register("m:X", 10)
    return ledger


@pytest.mark.req("I-15")
def test_a_fill_is_booked_once(ledger):
    assert ledger.apply(a_fill())
    assert not ledger.apply(a_fill())
    assert not ledger.apply(a_fill(strategy="b", qty_lots=9))

    assert ledger.position_lots("m:X") == 5


def test_strategies_and_the_account_are_apart(ledger):
    ledger.apply(a_fill("1", Side.BUY, strategy="a"))
    ledger.apply(a_fill("2", Side.SELL, strategy="b", qty_lots=2))

    assert ledger.position_lots("m:X") == 3
    assert ledger.strategy_position_lots("a", "m:X") == 5
    assert ledger.strategy_position_lots("b", "m:X") == -2
    assert ledger.strategy_position_lots("c", "m:X") == 0
    assert ledger.position_lots("m:Y") == 0


def test_profit_needs_a_mark_for_what_is_open(ledger):
    ledger.apply(a_fill("1", Side.BUY, 100, 5))
    ledger.apply(a_fill("2", Side.SELL, 110, 2))

    assert ledger.profit_atoms("m:X", None) == 2 * 10 * 10 - 2
    assert ledger.profit_atoms("m:X", 12_000) == 2 * 10 * 10 - 2 + 3 * 20 * 10
    assert ledger.profit_atoms("m:Y", 1) == 0


def test_the_scale_of_a_market_with_fills_cannot_change(ledger):
    ledger.register("m:X", 20)
    ledger.register("m:X", 10)
    ledger.apply(a_fill())

    assert not ledger.register("m:X", 20)
    assert ledger.by_symbol["m:X"].cost_atoms == 5 * 100 * 10
    assert ledger.is_registered("m:X")
    assert not ledger.is_registered("m:Y")


def test_memory_of_trade_ids_is_bounded(ledger):
    for number in range(TRADE_IDS_KEPT + 3):
        ledger.apply(a_fill(f"t{number}", qty_lots=1))

    assert len(ledger.dump().trade_ids[0][1]) == TRADE_IDS_KEPT


@pytest.mark.req("I-16")
@given(
    st.lists(
        st.tuples(
            st.integers(0, 15),
            st.sampled_from(Side),
            st.integers(1, 10**6),
            st.integers(1, 10**6),
            st.sampled_from("ab"),
            st.integers(-50, 50),
        ),
        max_size=30,
    )
)
@settings(max_examples=80, deadline=None)
def test_the_account_is_the_sum_of_strategies_and_cash_is_exact(said):
    ledger = Ledger()
    ledger.register("m:X", 10)
    cash = held = 0
    for trade_id, side, price, lots, strategy, fee in said:
        if ledger.apply(a_fill(f"t{trade_id}", side, price, lots, strategy, fee)):
            cash -= side.sign * price * lots * 10 + fee
            held += side.sign * lots

    assert ledger.position_lots("m:X") == held
    assert sum(ledger.strategy_position_lots(s, "m:X") for s in "ab") == held
    assert ledger.profit_atoms("m:X", 12_300) == cash + held * 123 * 10

    copy = Ledger()
    copy.load(ledger.dump())
    assert copy.dump() == ledger.dump()
