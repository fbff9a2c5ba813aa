"""What wallets at venues should stand at: by cash flow, in 10^-18, whatever the venue rounds."""

import pytest

from services.broker.live_account import Wallets, fee_for_profit, units, units_text
from shared.messages.orders import Fill, FundingPaid
from shared.messages.venue import AccountAdjusted
from shared.units import Side


def fill(symbol, side=Side.BUY, price=600_000, lots=5, fee=0, asset="USDT"):
    return Fill("7-mm-b0-1", "mm", symbol, "1", side, price, lots, lots, 0, fee, asset, True, 0)


@pytest.mark.parametrize(
    ("text", "amount", "again"),
    [
        ("1", 10**18, "1"),
        ("-0.5", -5 * 10**17, "-0.5"),
        ("0E-8", 0, "0"),
        ("1e3", 10**21, "1000"),
        ("0.000000000000000001", 1, "0.000000000000000001"),
        ("0.0000000000000000019", 1, "0.000000000000000001"),
    ],
)
def test_amounts_are_read_exactly_and_rounded_down_past_18_digits(text, amount, again):
    assert units(text) == amount
    assert units_text(amount) == again


@pytest.mark.parametrize("text", ["", "much", "NaN", "Infinity", "1,5"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(ValueError, match="is no amount of an asset"):
        units(text)


@pytest.mark.req("BR-10")
def test_a_spot_fill_moves_both_assets_and_its_fee_its_own(make_bench):
    wallets, rules = Wallets(), make_bench.rules(make_bench.SPOT)

    wallets.book(fill(make_bench.SPOT, fee=500_000, asset="BTC"), rules)
    wallets.book(fill(make_bench.SPOT, Side.SELL, 600_010, 2, 30_000, "BNB"), rules)

    found = {asset: units_text(amount) for asset, amount in wallets.expected("binance").items()}
    assert found == {"USDT": "-179.998", "BTC": "-0.002", "BNB": "-0.0003"}


def test_a_position_of_a_derivative_stands_at_what_it_cost(make_bench):
    wallets, rules = Wallets(), make_bench.rules(make_bench.PERP)

    wallets.book(fill(make_bench.PERP, lots=2, fee=1_000_000), rules)
    wallets.book_funding(FundingPaid("mm", make_bench.PERP, 1, 0, 0, 2, -5, "USDT"), rules)

    assert units_text(wallets.expected("binance_usdm")["USDT"]) == "-120.01000005"


def test_money_from_outside_is_booked_and_a_venue_without_any_is_known_as_opened():
    wallets = Wallets()

    wallets.adjust(AccountAdjusted("binance", "USDT", "500.5", "500.5", "opening"))
    wallets.adjust(AccountAdjusted("empty", "", "0", "0", "opening"))
    again = Wallets()
    again.load(*wallets.dump())

    assert again.expected("binance") == {"USDT": units("500.5")}
    assert sorted(again.opened) == ["binance", "empty"]
    assert again.expected("empty") == {}


@pytest.mark.parametrize(("asset", "fee"), [("USDT", 10), ("BTC", 600_000), ("BNB", None)])
def test_a_fee_counts_for_profit_in_quote_where_the_fill_tells_its_price(make_bench, asset, fee):
    rules = make_bench.rules(make_bench.SPOT)

    assert fee_for_profit(fill(make_bench.SPOT, fee=10, asset=asset), rules) == fee
