"""Trades and fundings kept from frames."""

import json

from services.venue_sim.venue import StreamFrame
from services.venue_sim.wire.tape import DAY_MINUTES, MINUTE_MS, TRADES_KEPT, Tape


def trade(n, price="10", quantity="1", at_ms=0, venue="binance"):
    told = {"e": "trade", "s": "BTCUSDT", "t": n, "p": price, "q": quantity, "T": at_ms, "m": False}
    return StreamFrame(venue, "btcusdt@trade", json.dumps(told).encode())


def mark(next_ms, rate):
    told = {"e": "markPriceUpdate", "s": "BTCUSDT", "p": "11", "r": rate, "T": next_ms}
    return StreamFrame("binance", "btcusdt@markPrice@1s", json.dumps(told).encode())


def test_the_newest_trades_are_kept():
    tape = Tape("binance")
    for n in range(TRADES_KEPT + 5):
        tape.take(trade(n))

    kept = tape.of("BTCUSDT")
    assert (kept.trades[0].t, kept.trades[-1].t) == (5, TRADES_KEPT + 4)
    assert [each.t for each in kept.since(TRADES_KEPT + 3)] == [TRADES_KEPT + 3, TRADES_KEPT + 4]


def test_minutes_add_up_and_those_older_than_a_day_go():
    tape = Tape("binance")
    tape.take(trade(1, "10", "2", at_ms=0))
    tape.take(trade(2, "12", "1", at_ms=1))
    tape.take(trade(3, "9", "1", at_ms=MINUTE_MS))

    first, second = tape.of("BTCUSDT").minutes
    assert (first.high, first.low, first.volume, first.quote, first.count) == (12, 10, 3, 32, 2)
    assert (second.first.t, second.last.t) == (3, 3)
    tape.take(trade(4, at_ms=DAY_MINUTES * MINUTE_MS))
    assert [minute.minute for minute in tape.of("BTCUSDT").minutes] == [1, DAY_MINUTES]


def test_other_venues_and_other_streams_are_left_alone():
    tape = Tape("binance")
    tape.take(trade(1, venue="binance_usdm"))
    tape.take(StreamFrame("binance", "btcusdt@bookTicker", b"{}"))

    assert not tape.of("BTCUSDT").trades


def test_a_funding_is_what_stood_last_before_its_time():
    tape = Tape("binance")
    for next_ms, rate in ((100, "1"), (100, "2"), (200, "3")):
        tape.take(mark(next_ms, rate))

    (funding,) = tape.fundings
    assert (funding.time_ms, funding.rate, funding.mark_price) == (100, "2", "11")
