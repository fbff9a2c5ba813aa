"""Answers of the venue become reports; what is missing, extra or of a wrong type is never guessed."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from services.broker.binance import answers
from services.broker.binance.answers import UNREADABLE, Order, Trade
from services.broker.binance.markets import Market, OffGridError, decimal_of
from services.broker.binance.settings import SPOT, USDM
from shared.execution.reports import Balance, KeyRightsTold, VenuePosition, VenueState
from shared.messages.orders import OrderType, TimeInForce
from shared.units import Side
from tests.services.broker.binance.venue_words import WRONG, order_body, rules_of

SPOT_MARKET, USDM_MARKET = Market(rules_of(SPOT)), Market(rules_of(USDM))


def order(**changes):
    return answers.order_decoder.decode(json.dumps(order_body({}, 5_000_000, **changes)))


def test_texts_of_the_venue_become_ticks_and_lots_exactly_and_back():
    assert SPOT_MARKET.ticks("60000.01000000") == 6_000_001
    assert SPOT_MARKET.lots("1e-05") == 1
    assert (SPOT_MARKET.price_text(6_000_001), SPOT_MARKET.qty_text(1)) == ("60000.01", "0.00001")
    assert USDM_MARKET.near_ticks("60000.05") == 600_000
    assert decimal_of("1E-8") == "0.00000001"


@pytest.mark.parametrize("text", ["", "x", "NaN", "Infinity", "1e999", "-1e400", "0x10"])
def test_a_text_that_is_no_number_of_an_account_is_refused(text):
    for read in (SPOT_MARKET.ticks, SPOT_MARKET.lots, SPOT_MARKET.near_ticks, decimal_of):
        with pytest.raises(ValueError, match="no number"):
            read(text)


def test_a_number_between_two_steps_names_the_filter():
    with pytest.raises(OffGridError, match=r"0.000001 is no multiple of 0.00001") as caught:
        SPOT_MARKET.lots("0.000001")
    assert (caught.value.symbol, caught.value.filter_name) == ("binance:BTCUSDT", "LOT_SIZE")


def test_the_order_in_the_answer_to_a_cancel_keeps_its_own_id():
    told = answers.order_of(order(clientOrderId="cancel-id", origClientOrderId="mine"), SPOT_MARKET)
    assert told.client_order_id == "mine"


@pytest.mark.parametrize(
    ("changes", "field", "value"),
    [
        ({"status": "EXPIRED_IN_MATCH"}, "state", VenueState.EXPIRED),
        ({"status": "PENDING_NEW"}, "state", VenueState.NEW),
        ({"type": "LIMIT_MAKER"}, "is_post_only", True),
        ({"timeInForce": "GTX"}, "is_post_only", True),
        ({"timeInForce": "RPI"}, "tif", TimeInForce.GTC),
        ({"type": "STOP_MARKET"}, "order_type", OrderType.MARKET),
        ({"reduceOnly": True}, "is_reduce_only", True),
        ({"side": "SELL"}, "side", Side.SELL),
    ],
)
def test_words_of_the_venue_are_ours(changes, field, value):
    assert getattr(answers.order_of(order(**changes), USDM_MARKET), field) == value


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(sorted(Order.__struct_fields__)), value=st.sampled_from(WRONG))
def test_an_order_with_a_wrong_field_is_read_rightly_or_not_at_all(key, value):
    body = json.dumps({**order_body({}, 5_000_000), key: value}).encode()
    try:
        told = answers.order_of(answers.order_decoder.decode(body), USDM_MARKET)
    except UNREADABLE:
        return
    assert told.qty_lots == 10
    assert told.state is VenueState.NEW


def test_an_execution_of_the_history_says_who_was_maker_in_the_words_of_either_venue():
    base = {"symbol": "BTCUSDT", "id": 5, "orderId": 6, "price": "60000", "qty": "0.001"}
    base |= {"commission": "-0.1", "commissionAsset": "BNB", "time": 7}
    (told,) = answers.trades_decoder.decode(json.dumps([{**base, "isBuyer": False, "isMaker": True}]))
    spot = answers.fill_of(told, SPOT_MARKET)
    usdm = answers.fill_of(Trade(**base, side="SELL", maker=True, buyer=False), USDM_MARKET)
    assert (
        (spot.side, spot.is_maker, spot.fee)
        == (usdm.side, usdm.is_maker, usdm.fee)
        == (Side.SELL, True, "-0.1")
    )
    with pytest.raises(ValueError, match="does not say"):
        answers.fill_of(Trade(**base), SPOT_MARKET)


def test_accounts_have_what_is_held_and_leave_out_markets_without_units():
    spot = answers.spot_account(b'{"balances":[{"asset":"BTC","free":"1.0","locked":"0.5"}]}', 1, 2)
    assert spot.balances == [Balance("BTC", "1.0", "0.5")]
    body = (
        b'{"assets":[{"asset":"USDT","walletBalance":"5"}],"positions":[{"symbol":"BTCUSDT","positionAmt":'
        b'"-0.002","entryPrice":"60000"},{"symbol":"OTHER","positionAmt":"1"}]}'
    )
    usdm = answers.usdm_account(body, 1, 2, {"BTCUSDT": USDM_MARKET})
    assert usdm.positions == [VenuePosition("binance_usdm:BTCUSDT", -2, usdm.positions[0].entry_price)]


def test_rights_of_a_key_are_those_of_its_market_and_rights_of_a_testnet_those_of_the_account():
    body = (
        b'{"enableWithdrawals":true,"enableFutures":true,"permitsUniversalTransfer":true,"ipRestrict":true}'
    )
    assert answers.restrictions_of(body, 1, is_spot=False) == KeyRightsTold(1, True, True, True, True)
    assert answers.restrictions_of(body, 1, is_spot=True) == KeyRightsTold(1, False, True, True, True)
    flags = b'{"canTrade":true,"canWithdraw":true}'
    assert answers.flags_of(flags, 1, is_spot=True).can_withdraw
    assert not answers.flags_of(flags, 1, is_spot=False).can_withdraw
    with pytest.raises(UNREADABLE):
        answers.restrictions_of(b"{}", 1, is_spot=True)
