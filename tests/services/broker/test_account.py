"""The paper account keeps cash and holdings by cash flow."""

import pytest

from services.broker.account import Account
from shared.messages.orders import Fill
from shared.units import Side


def a_fill(bench_class, side, price_ticks, lots, fee_atoms=7):
    name = ("id", "mm", bench_class.PERP)
    return Fill(*name, "t", side, price_ticks, lots, lots, 0, fee_atoms, "USDT", True, 0)


@pytest.mark.req("BR-19", "I-16")
def test_cash_moves_by_notional_and_fee(make_bench):
    account, rules = Account(), make_bench.rules()

    account.book(a_fill(make_bench, Side.BUY, 600_000, 10), rules)
    account.book(a_fill(make_bench, Side.SELL, 600_100, 4, fee_atoms=-3), rules)

    expected = (-600_000 * 10 + 600_100 * 4) * 10_000 - 7 + 3
    assert account.dump() == [(make_bench.PERP, expected, 6)]
    assert account.gain_atoms(rules, 60_000_000) == expected + 6 * 600_000 * 10_000


def test_state_is_restored():
    account = Account()
    account.load([("m:X", -5, 3)])

    assert account.dump() == [("m:X", -5, 3)]


def test_a_market_without_fills_has_earned_nothing(make_bench):
    assert Account().gain_atoms(make_bench.rules(), 100) == 0
