"""Orders of one account never trade with each other unless spot is told that they may."""

from decimal import Decimal

import pytest

VENUES = ("binance", "binance_usdm")


@pytest.mark.parametrize("venue", VENUES)
def test_expire_maker_removes_the_resting_order_and_goes_on(floor, venue):
    own = floor.place(venue, "SELL", "1", "100.00").order

    taker = floor.place(venue, "BUY", "1.5", "100.01", stp="EXPIRE_MAKER").order

    assert (floor.order(own).status, floor.order(own).executed) == ("EXPIRED_IN_MATCH", 0)
    assert floor.order(own).prevented == 1
    assert (taker.status, taker.executed) == ("PARTIALLY_FILLED", 1)


@pytest.mark.parametrize("venue", VENUES)
def test_expire_taker_takes_what_comes_before_and_ends(floor, venue):
    floor.street(venue, "SELL", "100.00", "0.5")
    own = floor.place(venue, "SELL", "1", "100.00").order

    taker = floor.place(venue, "BUY", "1.5", "100.01", stp="EXPIRE_TAKER").order

    assert floor.order(own).status == "NEW"
    assert (taker.status, taker.executed, taker.prevented) == ("EXPIRED_IN_MATCH", Decimal("0.5"), 1)


@pytest.mark.parametrize("venue", VENUES)
def test_expire_both_ends_both(floor, venue):
    own = floor.place(venue, "SELL", "1", "100.00").order

    taker = floor.place(venue, "BUY", "1.5", "100.01", stp="EXPIRE_BOTH").order

    assert {floor.order(own).status, taker.status} == {"EXPIRED_IN_MATCH"}
    assert taker.prevented_match_id == floor.order(own).prevented_match_id > 0


def test_the_events_tell_both_orders_of_a_prevented_match(floor):
    own = floor.place("binance", "SELL", "1", "100.00").order
    floor.events()

    taker = floor.place("binance", "BUY", "1", "100.00", stp="EXPIRE_BOTH").order

    told = [(e.kind, e.order.order_id, e.counter_order_id) for e in floor.order_events()]
    assert told == [
        ("NEW", taker.order_id, 0),
        ("TRADE_PREVENTION", own.order_id, taker.order_id),
        ("TRADE_PREVENTION", taker.order_id, own.order_id),
    ]
    assert floor.locked("USDT") == floor.locked("BTC") == 0


def test_without_prevention_spot_trades_with_itself_at_both_commissions(floor):
    own = floor.place("binance", "SELL", "1", "100.00").order

    taker = floor.place("binance", "BUY", "1", "100.00", stp="NONE").order

    assert floor.order(own).status == taker.status == "FILLED"
    trades = floor.exchange.trades("a", "binance", "BTCUSDT")
    assert [fill.is_maker for fill in trades] == [True, False]
    assert len({fill.trade_id for fill in trades}) == 1
    assert floor.free("BTC") == Decimal(10) - Decimal("0.001")


def test_orders_of_two_accounts_trade_and_both_are_told(floor):
    rests = floor.place("binance", "SELL", "1", "100.00", account="b").order

    taken = floor.place("binance", "BUY", "1", "100.00").order

    assert floor.order(rests).status == taken.status == "FILLED"
    assert floor.free("USDT", "b") == Decimal(10_000) + Decimal("99.9")
    said = floor.exchange.events()
    assert [name for name, event in said if getattr(event, "kind", "") == "TRADE"] == ["b", "a"]


@pytest.mark.parametrize(("stp", "status"), [("EXPIRE_TAKER", "EXPIRED"), ("EXPIRE_MAKER", "FILLED")])
def test_a_fill_or_kill_order_counts_only_what_it_may_take(floor, stp, status):
    floor.place("binance", "SELL", "1", "100.00")

    taker = floor.place("binance", "BUY", "1", "100.01", tif="FOK", stp=stp).order

    assert taker.status == status
    assert taker.executed in {0, 1}
