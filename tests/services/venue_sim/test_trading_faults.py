"""Faults of trading fall on the calls and events they name, as often as they say."""

import pytest

from services.venue_sim.trading_faults import (
    EVENT_KINDS,
    TRADING_KINDS,
    TradingFault,
    TradingFaults,
    call_of_rest,
    call_of_ws,
)
from services.venue_sim.venue import SPOT, USDM


def test_a_fault_skips_then_takes_its_count_and_is_counted() -> None:
    faults = TradingFaults()
    faults.command(TradingFault(kind="error_after", call="place", count=2, skip=1))
    assert faults.pending == 2

    fates = [faults.of_call(SPOT, "place", n) for n in range(5)]

    assert [fate is not None for fate in fates] == [False, True, True, False, False]
    assert faults.counts == {"error_after": 2}
    assert [(item.at_ns, item.what) for item in faults.injected] == [(1, "place"), (2, "place")]
    assert faults.pending == 0


def test_other_venues_and_calls_pass_unharmed() -> None:
    faults = TradingFaults()
    faults.command(TradingFault(kind="cut_before", venue=USDM, call="cancel"))
    assert faults.of_call(SPOT, "cancel", 0) is None
    assert faults.of_call(USDM, "place", 0) is None
    assert faults.of_event(USDM, "TRADE", is_fill=True, now_ns=0) is None
    assert faults.of_call(USDM, "cancel", 0) is not None


def test_a_late_fill_waits_for_a_fill_and_mangling_falls_on_events_only_when_told() -> None:
    faults = TradingFaults()
    faults.command(TradingFault(kind="late_fill", delay_ms=500))
    faults.command(TradingFault(kind="missing_field", call="events"))
    assert faults.of_call(SPOT, "query", 0) is None
    assert faults.of_event(SPOT, "NEW", is_fill=False, now_ns=0).kind == "missing_field"
    assert faults.of_event(SPOT, "TRADE", is_fill=True, now_ns=0).kind == "late_fill"
    faults.command(TradingFault(kind="wrong_type"))
    assert faults.of_event(SPOT, "TRADE", is_fill=True, now_ns=0) is None
    assert faults.of_call(SPOT, "query", 0).kind == "wrong_type"


def test_clearing_ends_all_faults() -> None:
    faults = TradingFaults()
    faults.command(TradingFault(kind="garbage", count=100))
    faults.clear()
    assert faults.of_call(SPOT, "place", 0) is None


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"kind": "garbage", "venue": "kraken"}, "venue 'kraken' is unknown"),
        ({"kind": "garbage", "call": "buy"}, "call 'buy' is unknown; send one of place"),
        ({"kind": "cut_after", "call": "events"}, "falls on calls"),
        ({"kind": "garbage", "count": 0}, "count 0"),
        ({"kind": "garbage", "skip": -1}, "skip -1"),
        ({"kind": "slow_answer"}, "slow_answer needs delay_ms"),
        ({"kind": "slow_answer", "delay_ms": 3_600_001}, "outside 0 to 3600000"),
        ({"kind": "error_after", "status": 418}, "status 418 is none of"),
    ],
)
def test_a_fault_that_cannot_be_says_what_to_send(fault: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        TradingFaults().command(TradingFault(**fault))


def test_rest_calls_and_methods_have_the_same_names() -> None:
    assert call_of_rest("POST", "/api/v3/order?symbol=A") == call_of_ws("order.place") == "place"
    assert call_of_rest("DELETE", "/fapi/v1/order") == call_of_ws("v1/order.cancel") == "cancel"
    assert call_of_rest("DELETE", "/fapi/v1/allOpenOrders") == call_of_ws("openOrders.cancelAll")
    assert call_of_rest("GET", "/fapi/v3/positionRisk") == call_of_ws("v2/account.position") == "positions"
    assert call_of_rest("POST", "/fapi/v1/listenKey") == "user_stream"
    assert call_of_rest("POST", "/fapi/v1/batchOrders") == "batch"
    assert call_of_rest("GET", "/") == call_of_ws("depth") == "other"
    assert call_of_ws("session.logon") == "session"


def test_every_kind_is_either_of_calls_or_of_events() -> None:
    assert len(TRADING_KINDS) == 19
    assert len(EVENT_KINDS) == 6
