"""What happens outside the API: people, deposits, the venue itself, late fills; and the ledger of it."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.records import AccountUpdate, BalanceMoved, SpotBalances

VENUES = ("binance", "binance_usdm")


def test_a_manual_trade_has_an_id_that_no_client_makes(floor):
    placed = floor.exchange.acts.manual_trade(
        "a", "binance", "BTCUSDT", "BUY", Decimal(1), floor.now, price=Decimal("99.00")
    )

    assert placed.order.client_order_id.startswith("web_")
    assert floor.exchange.open_orders("a", "binance") == [placed.order]


def test_deposits_and_withdrawals_are_told(floor):
    floor.exchange.deposit("a", "binance", "USDT", Decimal(5), floor.now)
    floor.exchange.deposit("a", "binance_usdm", "USDT", Decimal(-7), floor.now)

    balances, moved, update = floor.events()
    assert isinstance(balances, SpotBalances)
    assert isinstance(moved, BalanceMoved)
    assert isinstance(update, AccountUpdate)
    assert (moved.delta, floor.free("USDT")) == (5, 10_005)
    assert (update.reason, floor.wallet()) == ("WITHDRAW", 9_993)
    with pytest.raises(ValueError, match="cannot move -10006 USDT: a has 10005"):
        floor.exchange.deposit("a", "binance", "USDT", Decimal(-10_006), floor.now)


@pytest.mark.parametrize("venue", VENUES)
def test_a_late_fill_of_a_cancelled_order_is_booked_and_told(floor, venue):
    order = floor.place(venue, "BUY", "2", "99.00").order
    floor.cancel(order)
    totals = floor.totals()
    floor.events()

    fill = floor.exchange.acts.fill("a", venue, "BTCUSDT", order.order_id, floor.now, Decimal("0.5"))

    now = floor.order(order)
    assert (now.status, now.executed) == ("CANCELED", Decimal("0.5"))
    assert [e.kind for e in floor.order_events()] == ["TRADE"]
    assert floor.exchange.trades("a", venue, "BTCUSDT") == [fill]
    assert floor.totals() == totals
    floor.exchange.acts.fill("a", venue, "BTCUSDT", order.order_id, floor.now)
    assert floor.order(order).status == "FILLED"
    with pytest.raises(ValueError, match="nothing to fill"):
        floor.exchange.acts.fill("a", venue, "BTCUSDT", order.order_id, floor.now)


@pytest.mark.parametrize("venue", VENUES)
def test_an_open_order_can_be_filled_out_of_turn(floor, venue):
    order = floor.place(venue, "SELL", "2", "101.00").order

    floor.exchange.acts.fill("a", venue, "BTCUSDT", order.order_id, floor.now, Decimal("0.5"))

    assert floor.order(order).status == "PARTIALLY_FILLED"
    assert floor.side(venue).visible_lots(-order.order_id) == 1_500


def test_the_venue_may_end_an_order(floor):
    order = floor.place("binance", "BUY", "1", "99.00").order

    ended = floor.exchange.acts.cancel("a", "binance", "BTCUSDT", order.order_id, floor.now)

    assert (ended.status, ended.expiry_reason) == ("EXPIRED", "VENUE")
    assert floor.locked("USDT") == 0


def test_filters_and_status_change_what_is_served_and_enforced(floor):
    acts = floor.exchange.acts
    acts.change_filter("binance", "BTCUSDT", "LOT_SIZE", {"stepSize": "0.01000000"}, floor.now)
    acts.set_status("binance_usdm", "BTCUSDT", "SETTLING", floor.now)

    assert floor.refused(floor.place, "binance", "BUY", "1.001", "99.00")[0] == -1013
    assert floor.refused(floor.place, "binance_usdm", "BUY", "1", "99.00")[0] == -4140
    rules = floor.exchange.rules("binance", "BTCUSDT")
    assert next(f for f in rules.filters if f["filterType"] == "LOT_SIZE")["stepSize"] == "0.01000000"
    for wrong in ({"stepSize": "much"}, {"stepSize": None}):
        with pytest.raises(ValueError, match="must be a plain decimal text"):
            acts.change_filter("binance", "BTCUSDT", "LOT_SIZE", wrong, floor.now)
    with pytest.raises(ValueError, match="has no filter NOPE"):
        acts.change_filter("binance", "BTCUSDT", "NOPE", {}, floor.now)
    assert floor.place("binance", "BUY", "1.01", "99.00").order.status == "NEW"


def test_fees_and_keys_change(floor):
    acts = floor.exchange.acts
    [key, _] = floor.exchange.keys.values()

    acts.set_fees("a", floor.now, usdm_taker_ppm=-100)
    acts.set_key(key.api_key, floor.now, is_revoked=True, can_withdraw=True)
    acts.allow_addresses(key.api_key, ("10.0.0.1",), floor.now)

    assert floor.place("binance_usdm", "BUY", "1").fills[0].commission == Decimal("-0.010001")
    known = floor.exchange.account_of_key(key.api_key)
    assert (known.is_revoked, known.can_withdraw, known.allowed_addresses) == (True, True, ("10.0.0.1",))
    with pytest.raises(ValueError, match="known rate"):
        acts.set_fees("a", floor.now, usdm_taker_ppm=20_000)
    with pytest.raises(ValueError, match="no such key"):
        acts.set_key(key.api_key, floor.now, can_fly=True)


def test_a_forced_liquidation_closes_both_sides_of_a_hedge(floor):
    floor.exchange.set_position_mode("a", True, floor.now)
    floor.place("binance_usdm", "BUY", "1", position_side="LONG")
    floor.place("binance_usdm", "SELL", "0.5", position_side="SHORT")

    floor.exchange.liquidate("a", "BTCUSDT", floor.now)

    assert floor.position(name="LONG").quantity == floor.position(name="SHORT").quantity == 0
