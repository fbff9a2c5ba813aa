"""Connections as they begin."""

from services.market_data.links import Link, Request, Wanted


def test_a_connection_begins_down_and_has_its_own_delays():
    one, other = (Link(f"binance_usdm/{group}", group, ("a@depth",)) for group in ("public", "market"))

    assert not one.is_up
    assert not one.is_finished
    assert one.last_frame_ns == 0
    assert one.backoff is not other.backoff
    assert [one.backoff.next_ms() for _ in range(3)] != [other.backoff.next_ms() for _ in range(3)]


def test_a_request_says_what_it_is_for():
    assert Request("/fapi/v1/klines", ("BTCUSDT",), Wanted.CANDLES).wanted is Wanted.CANDLES
