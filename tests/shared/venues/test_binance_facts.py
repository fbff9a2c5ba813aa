"""Candles, funding, open interest and liquidations as Binance writes them."""

import gzip
import json
from collections import defaultdict
from decimal import Decimal

import pytest

from shared.units import Side
from shared.venues import VENUES
from shared.venues.base import (
    UNREADABLE,
    CandlePrint,
    FrameKind,
    LiquidationPrint,
    MarkPrint,
    OpenInterestPrint,
)
from shared.venues.binance import envelope_of

SPOT, USDM = VENUES["binance"], VENUES["binance_usdm"]
MS = 1_000_000

# Recorded on 2021-10-12 (cryptofeed).
KLINE = (
    b'{"e":"kline","E":1633998523963,"s":"NKNUSDT","k":{"t":1633998480000,"T":1633998539999,"s":"NKNUSDT",'
    b'"i":"1m","f":19862761,"L":19862790,"o":"0.35270000","c":"0.35280000","h":"0.35280000",'
    b'"l":"0.35220000","v":"25877.00000000","n":30,"x":false,"q":"9116.04600000","V":"58.00000000",'
    b'"Q":"20.46240000","B":"0"}}'
)
# The shapes of the next four are those of the venue's documents.
MARK = (
    b'{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","ap":"11794.1",'
    b'"i":"11784.62659091","P":"11784.25641265","r":"-0.00038167","T":1562306400000,"st":1}'
)
PREMIUM = (
    b'{"symbol":"BTCUSDT","markPrice":"11793.63104562","indexPrice":"11781.80495970",'
    b'"estimatedSettlePrice":"11781.16138815","lastFundingRate":"0.00038246","interestRate":"0.00010000",'
    b'"nextFundingTime":1597392000000,"time":1597370495002}'
)
FORCE = (
    b'{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",'
    b'"p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}'
)
INTEREST = b'{"openInterest":"10659.509","symbol":"BTCUSDT","time":1589437530011}'


def row(open_ms, close="2", **changes):
    values = [
        open_ms, "1", "3", "0.5", close, "10.5", open_ms + 59_999, "20", 7, "5", "10", "0",
    ]  # fmt: skip
    for place, value in changes.items():
        values[int(place[1:])] = value
    return values


@pytest.mark.req("MD-16", "MD-17")
def test_streams_and_targets_are_named_as_the_venue_does_and_spot_has_no_derivative_ones():
    assert SPOT.candle_stream("BTCUSDT") == USDM.candle_stream("BTCUSDT") == "btcusdt@kline_1m"
    assert USDM.mark_stream("BTCUSDT") == "btcusdt@markPrice@1s"
    assert USDM.liquidation_stream("BTCUSDT") == "btcusdt@forceOrder"
    assert SPOT.mark_stream("BTCUSDT") == SPOT.liquidation_stream("BTCUSDT") == ""
    assert SPOT.mark_target("BTCUSDT") == SPOT.open_interest_target("BTCUSDT") == ""
    assert USDM.mark_target("BTCUSDT") == "/fapi/v1/premiumIndex?symbol=BTCUSDT"
    assert USDM.open_interest_target("BTCUSDT") == "/fapi/v1/openInterest?symbol=BTCUSDT"
    assert SPOT.candles_target("BTCUSDT", 60) == "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=60"
    assert USDM.candles_target("BTCUSDT", 5, 60_000 * MS) == (
        "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime=60000&limit=5"
    )


@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("btcusdt@kline_1m", FrameKind.CANDLE),
        ("btcusdt@kline_5m", FrameKind.CONTROL),
        ("btcusdt@markPrice@1s", FrameKind.MARK),
        ("btcusdt@forceOrder", FrameKind.LIQUIDATION),
    ],
)
def test_the_name_of_a_stream_says_what_it_carries(stream, kind):
    assert USDM.kind_of(stream) is kind


def test_facts_of_usdm_go_over_the_market_route():
    streams = [USDM.candle_stream("B"), USDM.mark_stream("B"), USDM.liquidation_stream("B")]

    assert USDM.groups(streams) == {"market": tuple(streams)}


@pytest.mark.req("MD-16")
def test_a_recorded_candle_is_read():
    assert SPOT.parse_candle(KLINE) == CandlePrint(
        "NKNUSDT",
        60,
        1633998480000 * MS,
        "0.35270000",
        "0.35280000",
        "0.35220000",
        "0.35280000",
        "25877.00000000",
        30,
        False,
        1633998523963 * MS,
    )


@pytest.mark.req("MD-16")
def test_recorded_candles_agree_with_the_aggregate_trades_of_the_same_recording(captures):
    candles, trades = [], defaultdict(list)
    with gzip.open(captures / "cryptofeed" / "BINANCE.ws.1.0.gz") as file:
        frames = [line.partition(b": ")[2].strip() for line in list(file)[1:]]
        for frame in filter(None, frames):
            envelope = envelope_of(frame)
            if "@kline" in envelope.stream:
                candles.append(SPOT.parse_candle(bytes(envelope.data)))
            elif "@aggTrade" in envelope.stream:
                trade = SPOT.parse_trade(bytes(envelope.data))
                trades[trade.venue_symbol].append(trade)

    assert len(candles) >= 2
    for candle in candles:
        seen = [
            t for t in trades[candle.venue_symbol] if candle.open_ns <= t.ts_venue_ns <= candle.ts_venue_ns
        ]
        # The recording begins within the minute: what it holds of it lies inside the candle.
        assert sum(Decimal(t.qty) for t in seen) <= Decimal(candle.volume)
        assert all(Decimal(candle.low_price) <= Decimal(t.price) <= Decimal(candle.high_price) for t in seen)
        assert not seen or Decimal(seen[-1].price) == Decimal(candle.close_price)


@pytest.mark.req("MD-16")
def test_of_candles_over_rest_the_last_counts_as_open_and_the_others_as_closed():
    body = json.dumps([row(60_000), row(120_000, close="1.5"), row(240_000)]).encode()

    candles = USDM.parse_candles(body, "BTCUSDT")

    assert [(c.open_ns // MS, c.is_closed, c.ts_venue_ns // MS) for c in candles] == [
        (60_000, True, 120_000),
        (120_000, True, 180_000),
        (240_000, False, 0),
    ]
    assert candles[1] == CandlePrint(
        "BTCUSDT", 60, 120_000 * MS, "1", "3", "0.5", "1.5", "10.5", 7, True, 180_000 * MS
    )
    assert USDM.parse_candles(b"[]", "BTCUSDT") == []


@pytest.mark.req("MD-17")
def test_mark_funding_open_interest_and_liquidations_are_read():
    assert USDM.parse_mark(MARK) == MarkPrint(
        "BTCUSDT", "11794.15000000", "11784.62659091", "-0.00038167", 1562306400000 * MS, 1562305380000 * MS
    )
    assert USDM.parse_mark_answer(PREMIUM) == MarkPrint(
        "BTCUSDT", "11793.63104562", "11781.80495970", "0.00038246", 1597392000000 * MS, 1597370495002 * MS
    )
    assert USDM.parse_open_interest(INTEREST) == OpenInterestPrint("BTCUSDT", "10659.509", 1589437530011 * MS)
    assert USDM.parse_liquidation(FORCE) == LiquidationPrint(
        "BTCUSDT", Side.SELL, "9910", "0.014", 1568014460893 * MS
    )


def test_a_liquidation_in_part_counts_what_was_filled():
    partly = USDM.parse_liquidation(FORCE.replace(b'"z":"0.014"', b'"z":"0.005"'))
    unsaid = USDM.parse_liquidation(FORCE.replace(b'"z":"0.014"', b'"z":"0.000"'))

    assert (partly.qty, unsaid.qty) == ("0.005", "0.014")


BAD_ROWS = [
    [row(60_001)],
    [row(60_000, _6=200_000)],
    [row(120_000), row(60_000)],
    [row(60_000), row(60_000)],
    [row(60_000)[:6]],
    [row(60_000, _1=1.5)],
    {"code": -1},
]


@pytest.mark.parametrize("rows", BAD_ROWS)
def test_candles_that_are_out_of_place_are_refused(rows):
    with pytest.raises(UNREADABLE):
        USDM.parse_candles(json.dumps(rows).encode(), "BTCUSDT")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"E":-1}', b"\xff\xfe", b"[" * 5000])
@pytest.mark.parametrize(
    "parse",
    [
        USDM.parse_candle,
        USDM.parse_mark,
        USDM.parse_mark_answer,
        USDM.parse_open_interest,
        USDM.parse_liquidation,
    ],
)
def test_what_is_no_such_frame_is_refused(parse, data):
    with pytest.raises(UNREADABLE):
        parse(data)


@pytest.mark.parametrize(
    ("parse", "data"),
    [
        (USDM.parse_candle, KLINE.replace(b'"i":"1m"', b'"i":"5m"')),
        (USDM.parse_candle, KLINE.replace(b"1633998480000", b"1633998480001")),
        (USDM.parse_candle, KLINE.replace(b"1633998539999", b"1633998540000")),
        # The minute is not over yet.
        (USDM.parse_candle, KLINE.replace(b'"x":false', b'"x":true')),
        (USDM.parse_candle, KLINE.replace(b'"x":false', b'"x":"false"')),
        (USDM.parse_candle, KLINE.replace(b'"n":30', b'"n":-1')),
        (USDM.parse_mark, MARK.replace(b'"T":1562306400000', b'"T":99999999999999999999')),
        (USDM.parse_liquidation, FORCE.replace(b"SELL", b"HOLD")),
    ],
)
def test_values_that_cannot_be_are_refused(parse, data):
    with pytest.raises(UNREADABLE):
        parse(data)
