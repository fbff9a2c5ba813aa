"""Double entry: every movement sums to zero in each asset, whatever the fee was taken in."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.double_entry import (
    AssetMark,
    Books,
    Entry,
    MarketTerms,
    asset_exponent,
    fee_in_quote,
    fill_entries,
    funding_entries,
    opening_entries,
    terms_of,
)
from shared.ledger import Ledger, LedgerState
from shared.messages.market import InstrumentRules
from shared.messages.orders import Fill, FundingPaid
from shared.units import INT64_MAX, Side

SPOT = "binance:BTCUSDT"


def rules(symbol=SPOT, base="BTC", tick="0.01", lot="0.00001", tick_lot_atoms=10, exponent=8):
    numbers = (1, 0, 0, 0, 0, 1000, 1000)
    return InstrumentRules(symbol, base, "USDT", tick, lot, exponent, tick_lot_atoms, *numbers, False)


def a_fill(trade_id="1", side=Side.BUY, price_ticks=6_000_000, lots=100, fee=0, asset="USDT", symbol=SPOT):
    return Fill("id", "mm", symbol, trade_id, side, price_ticks, lots, lots, 0, fee, asset, True, 0)


def a_ledger(*markets):
    ledger = Ledger()
    for each in markets or (rules(),):
        ledger.register_rules(each)
    return ledger


def test_base_atoms_follow_from_the_lot():
    terms = terms_of(rules())

    assert terms == MarketTerms("BTC", "USDT", 10, 8, lot_base_atoms=1_000, base_exponent=8)
    assert terms_of(rules(lot="1", tick="0.00000001", tick_lot_atoms=1)).lot_base_atoms == 10**8
    assert terms_of(rules(lot="0.0000000001")).base_exponent == 10
    assert [asset_exponent(asset, terms) for asset in ("USDT", "BTC", "BNB")] == [8, 8, 8]


def test_entries_out_of_balance_are_a_bug():
    books = Books()

    with pytest.raises(AssertionError, match="out of balance"):
        books.post([Entry("cash", "USDT", -5), Entry("fees", "BNB", 5)])

    assert books.balances == {}


@pytest.mark.req("I-16", "RK-20")
def test_a_buy_with_its_fee_in_the_base_asset_worked_by_hand():
    # 0.001 BTC at 60,000: 60 USDT = 6e9 atoms; 0.1 % of the BTC is taken: 100 of 100,000 atoms.
    ledger = a_ledger()
    ledger.apply(a_fill(fee=100, asset="BTC"))

    books = ledger.books["mm", SPOT]
    assert books.balances == {
        ("cash", "USDT"): -6_000_000_000,
        ("cost", "USDT"): 6_000_000_000,
        ("held", "BTC"): 99_900,
        ("market", "BTC"): -100_000,
        ("fees", "BTC"): 100,
    }
    assert books.sums() == {"USDT": 0, "BTC": 0}
    # Counted in quote at the price of the fill: 0.000001 BTC at 60,000 is 0.06 USDT.
    assert ledger.by_strategy["mm", SPOT].fees_atoms == 6_000_000
    assert ledger.position_lots(SPOT) == 100


@pytest.mark.req("I-16", "RK-29")
def test_a_fee_in_a_third_asset_is_worth_its_mid_and_stays_in_its_asset():
    bnb = rules("binance:BNBUSDT", base="BNB", tick="0.1", lot="0.001", tick_lot_atoms=10_000)
    ledger = a_ledger(rules(), bnb)
    mid = AssetMark(half_ticks=12_001, terms=ledger.terms["binance:BNBUSDT"])  # 600.05 USDT

    # 0.0001 BNB = 10,000 atoms, worth 0.060005 USDT = 6,000,500 atoms.
    ledger.apply(a_fill("1", fee=10_000, asset="BNB"), mid)
    assert ledger.by_strategy["mm", SPOT].fees_atoms == 6_000_500
    # Without a price it counts for nothing in quote, and is shown.
    ledger.apply(a_fill("2", fee=10_000, asset="BNB"))
    assert ledger.by_strategy["mm", SPOT].fees_atoms == 6_000_500

    assert ledger.books["mm", SPOT].balance("fees", "BNB") == 20_000
    assert ledger.books["mm", SPOT].balance("cash", "BNB") == -20_000
    assert set(ledger.books["mm", SPOT].sums().values()) == {0}


def test_a_fee_is_rounded_against_us_and_so_is_a_rebate():
    terms = MarketTerms("X", "USDT", 1, 8, lot_base_atoms=1_000, base_exponent=8)
    bnb = MarketTerms("BNB", "USDT", 10_000, 8, lot_base_atoms=100_000, base_exponent=8)

    assert fee_in_quote(a_fill(price_ticks=1, fee=1, asset="X"), terms, None) == 1
    assert fee_in_quote(a_fill(price_ticks=1, fee=-1, asset="X"), terms, None) == 0
    assert fee_in_quote(a_fill(fee=1, asset="BNB"), terms, AssetMark(1, bnb)) == 1
    assert fee_in_quote(a_fill(fee=0, asset="BNB"), terms, None) == 0
    assert fee_in_quote(a_fill(fee=1, asset="BNB"), terms, None) is None


def test_decimals_of_two_markets_meet_in_the_value_of_a_fee():
    # The market of the fill counts USDT in 10^-10, the one of BNB in 10^-8: 600 USDT for a BNB.
    terms = MarketTerms("X", "USDT", 1, 10, lot_base_atoms=10**8, base_exponent=8)
    bnb = MarketTerms("BNB", "USDT", 10_000, 8, lot_base_atoms=100_000, base_exponent=8)

    assert fee_in_quote(a_fill(fee=10_000, asset="BNB"), terms, AssetMark(12_000, bnb)) == 600_000_000
    # And a base asset of ten decimals: fees of third assets are always in eight.
    fine = bnb._replace(lot_base_atoms=10_000_000, base_exponent=10)
    assert fee_in_quote(a_fill(fee=10_000, asset="BNB"), terms, AssetMark(12_000, fine)) == 600_000_000


@pytest.mark.req("I-15", "RK-29")
def test_funding_is_booked_once_for_each_time_market_and_strategy():
    ledger = a_ledger()
    paid = FundingPaid("mm", SPOT, 1_000, 10_000, 6_000_000_00, 100, -600_000, "USDT")

    assert ledger.apply_funding(paid)
    assert not ledger.apply_funding(paid)
    copy = Ledger()
    copy.load(ledger.dump())
    assert not copy.apply_funding(paid)
    assert copy.apply_funding(msgspec.structs.replace(paid, funding_ns=500))
    assert copy.apply_funding(msgspec.structs.replace(paid, strategy="other"))

    assert copy.funding_atoms(SPOT) == -1_800_000
    assert copy.strategy_funding("mm", SPOT).count == 2
    assert copy.profit_atoms(SPOT, None) == -1_800_000
    assert copy.strategy_profit_atoms("mm", SPOT, None) == -1_200_000
    assert copy.books["mm", SPOT].balances == {("cash", "USDT"): -1_200_000, ("funding", "USDT"): 1_200_000}


def test_money_brought_in_is_tagged():
    books = Books()
    books.post(opening_entries("USDT", 10_000))
    books.post(funding_entries("USDT", -3))

    assert books.dump() == [
        ("cash", "USDT", 9_997),
        ("funding", "USDT", 3),
        ("opening", "USDT", -10_000),
    ]


@pytest.mark.req("I-16")
def test_a_coin_of_a_millionth_in_huge_quantities_stays_exact():
    # Price 1e-6 in ticks of 1e-8, lots of 1, 10^15 coins: 10^17 atoms each way, far beyond int64 in sum.
    pepe = rules("binance:PEPEUSDT", "PEPE", "0.00000001", "1", tick_lot_atoms=1)
    ledger = a_ledger(pepe)
    for number in range(200):
        side = Side.BUY if number % 2 == 0 else Side.SELL
        ledger.apply(a_fill(str(number), side, 100 + number % 2, 10**15, fee=7, symbol="binance:PEPEUSDT"))

    position = ledger.by_symbol["binance:PEPEUSDT"]
    assert position.volume_atoms == 100 * 10**15 * (100 + 101) > INT64_MAX
    assert position.realized_atoms == 100 * 10**15
    # A state beyond 64 bits is written and read all the same.
    packed = msgspec.msgpack.encode(ledger.dump())
    copy = Ledger()
    copy.load(msgspec.msgpack.decode(packed, type=LedgerState))
    assert copy.dump() == ledger.dump()
    assert copy.by_symbol["binance:PEPEUSDT"].volume_atoms == position.volume_atoms


def test_a_ledger_of_before_double_entry_opens_its_books():
    old = Ledger()
    old.register(SPOT, 10)
    old.apply(a_fill("1", lots=100, fee=5))
    old.apply(a_fill("2", Side.SELL, 6_000_100, 40, fee=5))
    state = msgspec.msgpack.encode(tuple(old.dump())[:4])
    ledger = Ledger()
    ledger.load(msgspec.msgpack.decode(state, type=LedgerState))

    ledger.register_rules(rules())
    ledger.apply(a_fill("3", Side.SELL, 6_000_000, 60, fee=5))

    whole = a_ledger()
    whole.apply(a_fill("1", lots=100, fee=5))
    whole.apply(a_fill("2", Side.SELL, 6_000_100, 40, fee=5))
    whole.apply(a_fill("3", Side.SELL, 6_000_000, 60, fee=5))
    assert ledger.books["mm", SPOT].dump() == whole.books["mm", SPOT].dump()


FILLS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(Side),
        st.integers(1, 10**7),
        st.integers(1, 10**6),
        st.integers(-5_000, 5_000),
        st.sampled_from(["USDT", "BTC", "BNB"]),
    ),
    max_size=25,
)


@pytest.mark.req("I-16", "I-15")
@given(FILLS, st.lists(st.tuples(st.integers(0, 5), st.integers(-(10**9), 10**9)), max_size=6))
@settings(max_examples=80, deadline=None)
def test_every_account_of_every_asset_sums_to_zero_and_tells_the_same_story(fills, payments):
    ledger = a_ledger()
    lots = cash = 0
    fees = {"USDT": 0, "BTC": 0, "BNB": 0}
    for number, side, price, qty, fee, asset in fills:
        if ledger.apply(a_fill(f"t{number}", side, price, qty, fee, asset)):
            lots += side.sign * qty
            cash -= side.sign * price * qty * 10
            fees[asset] += fee
    for funding_ns, amount in payments:
        if ledger.apply_funding(FundingPaid("mm", SPOT, funding_ns, 1, 1, 1, amount, "USDT")):
            cash += amount

    assert ledger.position_lots(SPOT) == lots
    for books in ledger.books.values():
        assert set(books.sums().values()) <= {0}
        assert books.balance("cash", "USDT") == cash - fees["USDT"]
        assert books.balance("held", "BTC") == lots * 1_000 - fees["BTC"]
        assert books.balance("cash", "BNB") == -fees["BNB"]
        assert {asset: books.balance("fees", asset) for asset in fees} == fees
        position = ledger.by_strategy.get(("mm", SPOT))
        if position is not None:
            assert books.balance("cost", "USDT") == position.cost_atoms
            assert books.balance("realized", "USDT") == -position.realized_atoms


def test_a_fill_that_opens_has_no_entry_of_profit():
    entries = fill_entries(a_fill(lots=1), terms_of(rules()), cost_change=60_000_000, realized=0)

    assert [entry.account for entry in entries] == ["cash", "cost", "held", "market"]
