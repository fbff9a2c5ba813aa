"""Facts of recorded markets: as recorded where they were, candles else from the trades."""

import json
from collections import defaultdict
from decimal import Decimal

import pytest

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.venue import CAPTURE_STREAM

MS = 1_000_000
MINUTE_MS = 60_000


def everything(venue):
    frames = []
    while (due_ns := venue.due_ns()) is not None:
        frames += venue.advance(due_ns)
    return frames


def klines(venue, at="binance", query=""):
    path = "/fapi/v1" if at == "binance_usdm" else "/api/v3"
    status, body = venue.request(at, "GET", f"{path}/klines?symbol=BTCUSDT&interval=1m{query}", 0)
    assert status == 200
    return json.loads(body)


@pytest.mark.req("MD-16", "MD-24")
def test_candles_of_a_real_capture_are_the_sums_of_its_trades(captures):
    files = [str(captures / "binance_hft" / f"spot_btcusdt_2024080{day}.raw.gz") for day in (8, 9)]
    venue = CaptureVenue(tuple(files))
    trades, closed = defaultdict(list), []
    assert venue.streams_of("binance", "btcusdt@kline_1m")
    assert klines(venue) == []

    for frame in everything(venue):
        if frame.stream == "btcusdt@trade":
            data = json.loads(frame.data)
            trades[data["T"] // MINUTE_MS * MINUTE_MS].append(data)
        elif frame.stream == "btcusdt@kline_1m":
            body = json.loads(frame.data)["k"]
            closed += [body] if body["x"] else []

    assert len(closed) == len(trades) - 1 >= 10
    for k in closed:
        of_minute = trades[k["t"]]
        prices = [Decimal(t["p"]) for t in of_minute]
        assert [Decimal(k[x]) for x in "ohlc"] == [prices[0], max(prices), min(prices), prices[-1]]
        assert Decimal(k["v"]) == sum(Decimal(t["q"]) for t in of_minute)
        assert Decimal(k["V"]) == sum(Decimal(t["q"]) for t in of_minute if not t["m"])
        assert (k["n"], k["f"], k["L"]) == (len(of_minute), of_minute[0]["t"], of_minute[-1]["t"])
    rows = klines(venue)
    assert [row[0] for row in rows] == [*(k["t"] for k in closed), closed[-1]["t"] + MINUTE_MS]
    assert rows[0][4] == closed[0]["c"]


@pytest.mark.req("MD-16", "MD-17", "MD-24")
def test_recorded_facts_are_played_as_they_were_and_answered_over_rest(write_capture, make):
    source = GeneratedVenue(VenueSimSettings(seed=3, regime="jump"))
    history = source.request("binance_usdm", "GET", "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=30", 0)[
        1
    ]
    interest = source.request("binance_usdm", "GET", "/fapi/v1/openInterest?symbol=BTCUSDT", 0)[1]
    lines, sent = [], []
    for n in range(1000):
        at_ns = source.origin_ns + n * 100 * MS
        for frame in source.advance(at_ns):
            symbol, _, channel = frame.stream.partition("@")
            if frame.venue == "binance_usdm" and symbol == "btcusdt" and channel != "bookTicker":
                lines.append(b'%d {"stream":"%s","data":%s}\n' % (at_ns, frame.stream.encode(), frame.data))
                sent.append(frame)
        if n == 1:
            lines.append(b'%d {"stream":"btcusdt@klines_1m","data":%s}\n' % (at_ns, history))
            lines.append(b'%d {"stream":"btcusdt@openInterest","data":%s}\n' % (at_ns, interest))
    venue = CaptureVenue((write_capture(lines),))

    assert len(klines(venue, "binance_usdm")) == 29, "the history of the start is known at the start"
    assert venue.request("binance_usdm", "GET", "/fapi/v1/premiumIndex?symbol=BTCUSDT", 0)[0] == 503
    played = [
        frame
        for frame in everything(venue)
        if frame.stream not in {CAPTURE_STREAM, "btcusdt@klines_1m", "btcusdt@openInterest"}
    ]

    assert played == sent
    for name in ("kline_1m", "markPrice@1s", "markPrice", "forceOrder"):
        assert venue.streams_of("binance_usdm", f"btcusdt@{name}")
    for call in ("premiumIndex", "openInterest"):
        status, body = venue.request("binance_usdm", "GET", f"/fapi/v1/{call}?symbol=BTCUSDT", 0)
        assert status == 200
        if call == "openInterest":
            assert body == interest
    # The open one is as old as its last frame.
    assert klines(venue, "binance_usdm")[-2] == klines(source, "binance_usdm")[-2]


def test_a_capture_without_facts_has_none(make, write_capture):
    venue = CaptureVenue((write_capture(make.small_capture()),))

    assert venue.source("binance", "btcusdt@markPrice@1s") is None
    assert venue.source("binance", "btcusdt@kline_5m") is None
    assert venue.source("binance", "btcusdt@kline_1m") == "btcusdt@kline_1m"
    assert venue.source("binance", "nopeusdt@kline_1m") is None


@pytest.mark.parametrize("data", [{"e": "kline"}, {"k": {"t": "x"}}, {}])
def test_a_recorded_candle_that_cannot_be_read_is_played_and_forgotten(make, write_capture, data):
    lines = [*make.small_capture(), make.line(600, "btcusdt@kline_1m", data)]
    venue = CaptureVenue((write_capture(lines),))

    frames = everything(venue)

    assert json.loads(frames[-2].data) == data
    assert klines(venue) == []
