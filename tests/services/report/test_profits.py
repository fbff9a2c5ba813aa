"""What a report books: fees in any asset valued at the marks of the log, payments once."""

import pytest
from msgspec.structs import replace

from services.report.marks import Marks
from services.report.profits import Profits
from shared.messages import orders
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


def a_fill(trade_id, fee_atoms, fee_asset, strategy="mm"):
    name = ("id", strategy, SYMBOL)
    return orders.Fill(*name, trade_id, Side.BUY, 1000, 10, 10, 0, fee_atoms, fee_asset, True, 0)


@pytest.fixture
def booked(log, market_rules):
    """Return the profits of a log with a market of BNB beside the traded one, at a mid of 600.05."""
    log.say(market_rules())
    log.say(replace(market_rules("binance:BNBUSDT"), base_asset="BNB"))
    log.touch(6000, 6001, symbol="binance:BNBUSDT")
    marks = Marks()
    for event in log.events:
        marks.apply(event)
    return Profits(marks)


@pytest.mark.req("RK-29", "I-16")
def test_a_fee_in_a_third_asset_counts_at_its_mid(booked):
    rules = booked._marks.rules[SYMBOL]

    found = booked.take_fill(a_fill("1", 10_000, "BNB"), rules, 5)

    # 0.0001 BNB at 600.05: 0.060005 USDT.
    assert found.fee_atoms == 6_000_500
    assert booked.fees_by_asset("mm") == {"BNB": 10**26}
    assert booked.fees_by_asset("other") == {}
    assert booked.take_fill(a_fill("1", 10_000, "BNB"), rules, 6) is None


@pytest.mark.req("I-15", "RK-29")
def test_a_payment_counts_once_in_equity_and_parts(booked):
    booked.take_fill(a_fill("1", 7, "USDT"), booked._marks.rules[SYMBOL], 5)
    paid = orders.FundingPaid("mm", SYMBOL, 1, 1, 1, 10, -50, "USDT")

    assert booked.take_funding(paid)
    assert not booked.take_funding(paid)

    parts = booked.parts(("mm", SYMBOL))
    assert (parts.fees_atoms, parts.funding_atoms, parts.equity_atoms) == (7, -50, -57)
    assert booked.unrealized_atoms(("mm", SYMBOL)) == 0
