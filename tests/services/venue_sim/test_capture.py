"""Recorded captures are played byte for byte, at the recorded distances, with a true book for REST."""

import csv
import gzip
import json

import pytest

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.capture_file import capture_origin_ns
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.streams import agg_trade
from services.venue_sim.venue import CAPTURE_STREAM

MS = 1_000_000
REAL = {
    "usdm": ("binance_usdm", "/fapi/v1/", ["usdm_btcusdt_20240808.raw.gz"]),
    "spot": ("binance", "/api/v3/", ["spot_btcusdt_20240808.raw.gz", "spot_btcusdt_20240809.raw.gz"]),
}


def call(venue, at, target):
    status, body = venue.request(at, "GET", target, venue.origin_ns)
    assert status == 200, body
    return json.loads(body)


def depth(venue, limit=100):
    return call(venue, "binance", f"/api/v3/depth?symbol=BTCUSDT&limit={limit}")


def lines_of(path):
    with gzip.open(path) as file:
        return file.readlines()


@pytest.mark.req("MD-24", "BT-7")
@pytest.mark.parametrize("market", ["usdm", "spot"])
def test_real_captures_are_played_whole_and_byte_for_byte_and_their_book_equals_the_oracle(captures, market):
    at, prefix, names = REAL[market]
    files = tuple(str(captures / "binance_hft" / name) for name in names)
    table = (captures / "binance_hft" / f"top_of_book_{market}_btcusdt.csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    oracle = {int(row["depth_u"]): row for row in rows}
    venue = CaptureVenue(files)
    recorded = [line for name in files for line in lines_of(name) if b'"stream"' in line]
    start_ns, checked = int(recorded[0].split()[0]), 0

    played = []
    while (due_ns := venue.due_ns()) is not None:
        for frame in venue.advance(due_ns):
            if frame.stream == "btcusdt@kline_1m":
                # Not recorded: derived from the trades, and sent between what was.
                continue
            played.append(frame)
            if frame.stream == "btcusdt@depth" and (row := oracle.get(json.loads(frame.data)["u"])):
                book = call(venue, at, f"{prefix}depth?symbol=BTCUSDT&limit=5")
                assert book["lastUpdateId"] == int(row["depth_u"])
                assert book["bids"][0] == [row["bid_px"], row["bid_qty"]]
                assert book["asks"][0] == [row["ask_px"], row["ask_qty"]]
                checked += 1
            if frame.stream != CAPTURE_STREAM:
                line = recorded[len(played) - 1]
                assert due_ns - venue.origin_ns == int(line.split()[0]) - start_ns

    finish = played.pop()
    assert (finish.venue, finish.stream) == (at, CAPTURE_STREAM)
    assert json.loads(finish.data) == {"e": "captureFinished", "frames": len(recorded)}
    assert venue.finished
    assert venue.frames == len(recorded)
    assert checked == len(rows)
    for frame, line in zip(played, recorded, strict=True):
        assert line.rstrip().endswith(b'"data":' + frame.data + b"}")


@pytest.mark.req("MD-24", "MD-20")
@pytest.mark.parametrize(
    ("market", "tick", "lot"), [("usdm", "0.1", "0.001"), ("spot", "0.01000000", "0.00000100")]
)
def test_rules_come_from_the_texts_and_time_from_the_capture(captures, market, tick, lot):
    at, prefix, names = REAL[market]
    files = tuple(str(captures / "binance_hft" / name) for name in names)

    venue = CaptureVenue(files)

    (symbol,) = call(venue, at, f"{prefix}exchangeInfo")["symbols"]
    filters = {item["filterType"]: item for item in symbol["filters"]}
    assert (symbol["symbol"], symbol["baseAsset"], symbol["quoteAsset"]) == ("BTCUSDT", "BTC", "USDT")
    assert filters["PRICE_FILTER"]["tickSize"] == tick
    assert filters["LOT_SIZE"]["stepSize"] == lot
    assert venue.origin_ns == capture_origin_ns(files)
    assert call(venue, at, f"{prefix}time") == {"serverTime": venue.origin_ns // MS}
    first = json.loads(venue.advance(venue.origin_ns)[0].data)
    assert first["E"] * MS == venue.origin_ns


@pytest.mark.req("MD-24")
def test_before_its_line_the_recorded_snapshot_is_served_and_later_the_own_book(make, write_capture):
    venue = CaptureVenue((write_capture(make.small_capture()),))
    recorded = {
        "lastUpdateId": 100,
        "bids": [["99.00", "2.0"], ["98.00", "1.0"]],
        "asks": [["101.00", "2.0"]],
    }

    assert depth(venue) == recorded
    venue.advance(venue.origin_ns + 250 * MS)
    assert depth(venue) == recorded
    assert depth(venue, limit=1)["bids"] == [["99.00", "2.0"]]
    # At its line the diff 96..105, sent before, is applied on top of it: 105 > 100.
    venue.advance(venue.origin_ns + 300 * MS)
    assert depth(venue) == {
        "lastUpdateId": 105,
        "bids": [["99.00", "3.0"], ["98.00", "1.0"]],
        "asks": [["101.00", "2.0"]],
    }
    venue.advance(venue.origin_ns + 500 * MS)
    assert depth(venue) == {
        "lastUpdateId": 110,
        "bids": [["99.00", "3.0"]],
        "asks": [["101.00", "2.0"], ["102.00", "4.0"]],
    }


@pytest.mark.req("MD-24")
def test_a_hole_in_the_recorded_chain_makes_depth_unknown_until_the_next_snapshot(make, write_capture):
    lines = [
        *make.small_capture(),
        make.spot_diff(600, 200, 205, [["97.00", "1.0"]], []),
        make.snapshot_line(700, 203, [["96.00", "1.0"]], [["101.00", "9.0"]]),
        make.spot_diff(800, 206, 207, [], [["101.00", "8.0"]]),
        make.spot_diff(900, 400, 401, [], [["101.00", "7.0"]]),
    ]
    venue = CaptureVenue((write_capture(lines),))

    venue.advance(venue.origin_ns + 600 * MS)
    assert depth(venue)["lastUpdateId"] == 203
    venue.advance(venue.origin_ns + 800 * MS)
    assert depth(venue) == {
        "lastUpdateId": 207,
        "bids": [["97.00", "1.0"], ["96.00", "1.0"]],
        "asks": [["101.00", "8.0"]],
    }
    venue.advance(venue.origin_ns + 900 * MS)
    status, body = venue.request("binance", "GET", "/api/v3/depth?symbol=BTCUSDT", venue.origin_ns)
    assert (status, json.loads(body)["code"]) == (503, -1001)


@pytest.mark.req("MD-24", "MD-21")
def test_what_a_generated_venue_sends_can_be_recorded_and_played_again(make, write_capture):
    venue = GeneratedVenue(VenueSimSettings(seed=6))
    sent = [f for f in venue.advance(venue.origin_ns + 2000 * MS) if f.venue == "binance_usdm"]
    lines = [b'%d {"result":null,"id":1}\n' % make.start_ns]
    for name in ("BTCUSDT", "ETHUSDT"):
        body = venue.request("binance_usdm", "GET", f"/fapi/v1/depth?symbol={name}&limit=1000", 0)[1]
        lines.append(b"%d %s\n" % (make.start_ns + 10**10, body))
    for frame in sent:
        at_ns = make.start_ns + json.loads(frame.data)["E"] * MS - venue.origin_ns
        trade = frame.stream.replace("@trade", "@aggTrade")
        data = agg_trade("binance_usdm", frame.data) if trade != frame.stream else frame.data
        lines.append(b'%d {"stream":"%s","data":%s}\n' % (at_ns, trade.encode(), data))
    again = CaptureVenue((write_capture(sorted(lines)),))

    played = again.advance(again.origin_ns + 10**9 * 9)

    assert [f.data for f in played] == [
        agg_trade("binance_usdm", f.data) if f.stream.endswith("@trade") else f.data for f in sent
    ]
    for name in ("BTCUSDT", "ETHUSDT"):
        target = f"/fapi/v1/depth?symbol={name}&limit=1000"
        one, other = (json.loads(v.request("binance_usdm", "GET", target, 0)[1]) for v in (venue, again))
        assert other["bids"] == one["bids"]
        assert other["asks"] == one["asks"]
    assert again.source("binance_usdm", "btcusdt@aggTrade") == "btcusdt@aggTrade"


@pytest.mark.req("MD-24")
def test_a_restarted_venue_goes_on_where_the_clock_is_with_the_same_book(make, write_capture):
    path = write_capture(make.small_capture())
    whole, restarted = CaptureVenue((path,)), CaptureVenue((path,))
    whole.advance(whole.origin_ns + 399 * MS)

    restarted.resume(restarted.origin_ns + 400 * MS)

    assert depth(restarted) == depth(whole)
    assert restarted.advance(restarted.origin_ns + 999 * MS) == whole.advance(whole.origin_ns + 999 * MS)
    assert restarted.frames == 5


@pytest.mark.req("MD-24")
def test_a_venue_restarted_after_the_end_is_finished(make, write_capture):
    venue = CaptureVenue((write_capture(make.small_capture()),))

    venue.resume(venue.origin_ns + 3600 * 1000 * MS)

    assert venue.finished
    assert venue.due_ns() is None
    assert venue.advance(venue.origin_ns + 3601 * 1000 * MS) == []


@pytest.mark.req("MD-24", "MD-21")
def test_files_of_two_venues_and_two_markets_play_together_in_the_order_of_time(make, write_capture):
    spot = write_capture(
        [
            make.spot_diff(0, 1, 2, [["100.00", "1.0"]], []),
            make.spot_diff(10, 1, 2, [["3.0", "1"]], [], "ETHUSDT"),
            make.snapshot_line(20, 2, [["3.0", "5"]], [["3.1", "5"]]),
            make.snapshot_line(21, 2, [["100.00", "6.0"]], [["101.00", "5.0"]]),
            make.spot_trade(22, 1, "100.50", "1.0"),
            make.spot_trade(23, 1, "3.1", "1", "ETHUSDT"),
        ],
        "spot.gz",
    )
    diff = {"e": "depthUpdate", "E": make.start_ms + 5, "T": make.start_ms + 5, "s": "BTCUSDT"}
    diff |= {"U": 5, "u": 9, "pu": 4, "b": [["100.0", "1"]], "a": []}
    usdm = write_capture([make.line(5, "btcusdt@depth@0ms", diff)], "usdm.gz")

    venue = CaptureVenue((usdm, spot))

    frames = venue.advance(venue.origin_ns + 100 * MS)
    assert [(f.venue, f.stream) for f in frames] == [
        ("binance", "btcusdt@depth"),
        ("binance_usdm", "btcusdt@depth"),
        ("binance", "ethusdt@depth"),
        ("binance", "btcusdt@kline_1m"),
        ("binance", "btcusdt@trade"),
        ("binance", "ethusdt@kline_1m"),
        ("binance", "ethusdt@trade"),
        ("binance_usdm", CAPTURE_STREAM),
        ("binance", CAPTURE_STREAM),
    ]
    assert depth(venue)["bids"] == [["100.00", "6.0"]]
    eth = call(venue, "binance", "/api/v3/depth?symbol=ETHUSDT")
    assert eth["bids"] == [["3.0", "5"]]
    assert venue.streams_of("binance_usdm", "btcusdt@depth@100ms")
    assert not venue.streams_of("binance_usdm", "ethusdt@depth")
