"""The paper account keeps cash and holdings by cash flow."""

import pytest

from services.broker.account import Account
from shared.messages.orders import Fill, FundingPaid
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


@pytest.mark.req("RK-29", "I-16")
def test_rows_are_the_account_by_strategy_with_funding_beside_the_cash(make_bench):
    account, rules = Account(), make_bench.rules()
    account.book(a_fill(make_bench, Side.BUY, 600_000, 10), rules)
    account.book_funding(FundingPaid("mm", make_bench.PERP, 9, 10_000, 60_000_000, 10, -600_000, "USDT"))

    row = account.rows["mm", make_bench.PERP]
    cash = -600_000 * 10 * 10_000 - 7
    assert (row.lots, row.cash_atoms, row.fees_atoms, row.volume_atoms) == (10, cash, 7, 60_000_000_000)
    assert (row.funding_atoms, row.funding_count) == (-600_000, 1)
    assert account.cash_atoms[make_bench.PERP] == cash - 600_000
    assert account.positions(make_bench.PERP) == [("mm", 10)]

    copy = Account()
    copy.load(account.dump(), account.dump_rows())
    assert (copy.dump(), copy.dump_rows()) == (account.dump(), account.dump_rows())


def test_money_beyond_64_bits_is_dumped_as_text(make_bench):
    account, rules = Account(), make_bench.rules()
    for number in range(4):
        account.book(a_fill(make_bench, Side(number % 2), 10**8 + number, 10**7), rules)

    assert account.dump_rows().rows[0].volume_atoms == str((4 * 10**8 + 6) * 10**7 * 10_000)
    copy = Account()
    copy.load(account.dump(), account.dump_rows())
    assert copy.rows == account.rows
