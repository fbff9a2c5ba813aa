"""Events of both venues with wrong fields are read rightly or not at all."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from services.broker.binance import events_spot, events_usdm
from services.broker.binance.answers import UNREADABLE
from services.broker.binance.markets import Market
from services.broker.binance.settings import SPOT, USDM
from shared.execution.reports import BalancesChanged, Filled, OrderChanged
from tests.services.broker.binance.test_private import execution, update
from tests.services.broker.binance.venue_words import WRONG, rules_of

SPOT_MARKETS = {"BTCUSDT": Market(rules_of(SPOT))}
USDM_MARKETS = {"BTCUSDT": Market(rules_of(USDM))}
TRADE = {"x": "TRADE", "X": "FILLED", "l": "0.010", "z": "0.010", "L": "60000.00", "t": 3}


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from("scSofqpPxXriulzLTCnNtm"), value=st.sampled_from(WRONG))
def test_a_damaged_event_of_spot_never_makes_up_an_execution(key, value):
    event = json.dumps({**execution(**TRADE, q="0.010"), key: value}).encode()
    try:
        said = events_spot.reports_of("executionReport", event, SPOT_MARKETS)
    except UNREADABLE:
        return
    for report in said:
        if isinstance(report, Filled):
            assert report.fill.qty_lots == 1000


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from("scSofqpxXilzLTnNtmR"), value=st.sampled_from(WRONG))
def test_a_damaged_event_of_usdm_never_makes_up_an_execution(key, value):
    event = update(**TRADE)
    event["o"][key] = value
    try:
        said = events_usdm.seen_in("ORDER_TRADE_UPDATE", json.dumps(event).encode(), USDM_MARKETS)
    except UNREADABLE:
        return
    for report in said:
        if isinstance(report, Filled):
            assert report.fill.qty_lots == 10


def test_the_fill_is_told_before_the_state_that_may_end_the_order():
    for read, kind, event, markets in (
        (events_spot.reports_of, "executionReport", execution(**TRADE), SPOT_MARKETS),
        (events_usdm.seen_in, "ORDER_TRADE_UPDATE", update(**TRADE), USDM_MARKETS),
    ):
        assert [type(one) for one in read(kind, json.dumps(event).encode(), markets)] == [
            Filled,
            OrderChanged,
        ]


@pytest.mark.parametrize("kind", ["executionReport", "outboundAccountPosition", "balanceUpdate"])
def test_an_event_without_its_fields_is_no_event(kind):
    with pytest.raises(UNREADABLE):
        events_spot.reports_of(kind, b"{}", SPOT_MARKETS)


def test_ids_of_the_venue_s_own_orders_are_known():
    assert events_usdm.is_of_venue("autoclose-157")
    assert events_usdm.is_of_venue("adl_autoclose")
    assert not events_usdm.is_of_venue("1k2-maker-b1-z")
    account = b'{"e":"ACCOUNT_UPDATE","T":5,"a":{"m":"FUNDING_FEE","B":[{"a":"USDT","wb":"1","bc":"-1"}]}}'
    changed, seen = events_usdm.seen_in(events_usdm.kind_of(account), account, USDM_MARKETS)
    assert isinstance(changed, BalancesChanged)
    assert isinstance(seen, events_usdm.FundingSeen)
