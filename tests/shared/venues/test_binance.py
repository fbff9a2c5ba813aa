"""Binance's names, frames and rules, from its documents and from recordings."""

import gzip
import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.units import Side
from shared.venues import VENUES
from shared.venues.base import UNREADABLE, Answer, CaptureEnd, DepthDiff, Fees, FrameKind, Shutdown
from shared.venues.binance import decimals_beyond, envelope_of

SPOT, USDM = VENUES["binance"], VENUES["binance_usdm"]
FEES = Fees(1000, 1000)


def info(**changes):
    listed = {
        "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "unknown": [1],
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000",
             "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.0", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True},
        ],
    }  # fmt: skip
    return json.dumps({"symbols": [{**listed, **changes}], "timezone": "UTC"}).encode()


@pytest.mark.req("MD-1")
def test_streams_and_targets_are_named_as_the_venue_does():
    assert SPOT.depth_stream("BTCUSDT", "depth@100ms") == "btcusdt@depth@100ms"
    assert (SPOT.trade_stream("BTCUSDT"), USDM.trade_stream("BTCUSDT")) == (
        "btcusdt@trade",
        "btcusdt@aggTrade",
    )
    assert SPOT.depth_target("BTCUSDT", 1000) == "/api/v3/depth?symbol=BTCUSDT&limit=1000"
    assert USDM.depth_target("BTCUSDT", 1000) == "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
    assert SPOT.rules_targets(["A", "B"]) == [
        ("/api/v3/exchangeInfo?symbol=A", ("A",)),
        ("/api/v3/exchangeInfo?symbol=B", ("B",)),
    ]
    assert USDM.rules_targets(["A", "B"]) == [("/fapi/v1/exchangeInfo", ("A", "B"))]


@pytest.mark.req("MD-1")
def test_usdm_streams_go_over_the_route_that_carries_them():
    streams = ["btcusdt@depth@100ms", "btcusdt@aggTrade", "ethusdt@bookTicker", "btcusdt@markPrice@1s"]

    groups = USDM.groups(streams)

    assert groups == {
        "public": ("btcusdt@depth@100ms", "ethusdt@bookTicker"),
        "market": ("btcusdt@aggTrade", "btcusdt@markPrice@1s"),
    }
    assert USDM.stream_path("public", groups["public"]) == (
        "/public/stream?streams=btcusdt@depth@100ms/ethusdt@bookTicker"
    )
    assert SPOT.groups(streams) == {"": tuple(streams)}
    assert SPOT.stream_path("", ["a@trade"]) == "/stream?streams=a@trade"


@pytest.mark.req("MD-5")
@pytest.mark.parametrize(
    ("stream", "kind"),
    [
        ("btcusdt@depth", FrameKind.DEPTH),
        ("btcusdt@depth@0ms", FrameKind.DEPTH),
        ("btcusdt@depth20@100ms", FrameKind.PARTIAL),
        ("btcusdt@aggTrade", FrameKind.TRADE),
        ("btcusdt@trade", FrameKind.TRADE),
        ("!serverShutdown", FrameKind.CONTROL),
    ],
)
def test_the_name_of_a_stream_says_what_it_carries(stream, kind):
    assert SPOT.kind_of(stream) is kind


@pytest.mark.req("MD-4")
def test_a_recorded_usdm_diff_is_read_and_unknown_keys_are_ignored():
    data = (
        b'{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":5123107832006,'
        b'"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],"a":[],"st":1,"ps":"BTCUSDT"}'
    )

    diff = USDM.parse_diff(data)

    assert diff == DepthDiff(
        "BTCUSDT",
        5123107832006,
        5123107837557,
        5123107831937,
        1723161256298_000000,
        [("58710.20", "0.014")],
        [],
    )


def test_trades_of_both_forms_and_venues_are_read():
    spot = SPOT.parse_trade(
        b'{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",'
        b'"q":"0.02000000","T":1723161255342,"m":true,"M":true}'
    )
    usdm = USDM.parse_trade(
        b'{"e":"aggTrade","E":2,"a":7,"s":"BTCUSDT","p":"1","q":"2","nq":"2","f":5,"l":6,"T":1,"m":false}'
    )
    fund = USDM.parse_trade(b'{"e":"trade","E":2,"T":1,"s":"B","t":9,"p":"0","q":"0","X":"NA","m":false}')

    assert (spot.trade_id, spot.price, spot.side, spot.ts_venue_ns) == (
        3735683259, "61837.63000000", Side.SELL, 1723161255342_000000
    )  # fmt: skip
    assert (usdm.trade_id, usdm.side, usdm.is_market) == (7, Side.BUY, True)
    assert not fund.is_market


def test_control_frames_are_told_apart():
    assert SPOT.parse_control("", b'{"result":null,"id":1}') == Answer("")
    assert "2 Invalid" in SPOT.parse_control("", b'{"code":2,"msg":"Invalid request","id":1}').error
    assert "boom" in SPOT.parse_control("", b'{"error":{"msg":"boom"},"id":1}').error
    assert SPOT.parse_control("!serverShutdown", b'{"e":"serverShutdown","E":1}') == Shutdown()
    ended = SPOT.parse_control("!quotemesh@capture", b'{"e":"captureFinished","frames":7}')
    assert ended == CaptureEnd(7)
    with pytest.raises(ValueError, match="not asked for"):
        SPOT.parse_control("ethusdt@depth", b"{}")
    assert SPOT.is_unlisted(400, b'{"code":-1121,"msg":"Invalid symbol."}')
    assert not SPOT.is_unlisted(500, b"-1121")


@pytest.mark.req("MD-20", "BR-26")
def test_rules_are_integers_of_the_venues_texts():
    rules = SPOT.parse_rules(info(), ("BTCUSDT",), FEES).rules["BTCUSDT"]

    assert (rules.symbol, rules.base_asset, rules.quote_asset) == ("binance:BTCUSDT", "BTC", "USDT")
    assert (rules.tick_size, rules.lot_size) == ("0.01000000", "0.00001000")
    assert (rules.quote_exponent, rules.tick_lot_atoms) == (8, 10)
    assert (rules.min_qty_lots, rules.max_qty_lots) == (1, 900_000_000)
    assert (rules.min_price_ticks, rules.max_price_ticks) == (1, 100_000_000)
    assert rules.min_notional_atoms == 500_000_000
    assert (rules.maker_fee_ppm, rules.taker_fee_ppm, rules.is_derivative) == (1000, 1000, False)


@pytest.mark.req("MD-20")
def test_a_market_with_fine_steps_gets_a_finer_atom():
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0", "maxPrice": "9", "tickSize": "0.00000001"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "9", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ]

    rules = USDM.parse_rules(info(filters=filters), ("BTCUSDT",), FEES).rules["BTCUSDT"]

    assert (rules.quote_exponent, rules.tick_lot_atoms) == (11, 1)
    assert rules.min_notional_atoms == 5 * 10**11
    assert rules.is_derivative


@pytest.mark.req("MD-20")
@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("tickSize", "0"),
        ("tickSize", "NaN"),
        ("tickSize", "1e-30"),
        ("stepSize", "-1"),
        ("stepSize", "x"),
        ("minQty", "?"),
    ],
)
def test_unusable_rules_are_said_per_market_and_do_not_raise(field, text):
    listed = json.loads(info())
    for one in listed["symbols"][0]["filters"]:
        if field in one:
            one[field] = text

    found = SPOT.parse_rules(json.dumps(listed).encode(), ("BTCUSDT",), FEES)

    assert found.rules == {}
    assert found.unusable["BTCUSDT"]


@pytest.mark.req("MD-20")
def test_a_status_that_is_missing_or_new_is_never_trading():
    assert SPOT.parse_rules(info(status=""), ("BTCUSDT",), FEES).rules["BTCUSDT"].status == "UNKNOWN"
    assert (
        SPOT.parse_rules(info(status="CANCEL_ONLY"), ("BTCUSDT",), FEES).rules["BTCUSDT"].status
        == "CANCEL_ONLY"
    )
    assert SPOT.parse_rules(info(), ("ETHUSDT",), FEES).rules == {}


@pytest.mark.req("MD-20")
def test_every_market_of_a_real_exchange_info_has_usable_rules(captures):
    with gzip.open(captures / "cryptofeed" / "BINANCE.0.gz", "rt") as file:
        body = file.readline().partition(": ")[2].encode()
    listed = {s["symbol"]: s for s in json.loads(body)["symbols"]}

    found = SPOT.parse_rules(body, listed.keys(), FEES)

    assert found.unusable == {}
    assert len(found.rules) == len(listed) > 1000
    for name, rules in found.rules.items():
        filters = {f["filterType"]: f for f in listed[name]["filters"]}
        assert Decimal(rules.tick_size) == Decimal(filters["PRICE_FILTER"]["tickSize"])
        assert Decimal(rules.tick_lot_atoms).scaleb(-rules.quote_exponent) == (
            Decimal(rules.tick_size) * Decimal(rules.lot_size)
        )


@pytest.mark.req("BR-30")
def test_prices_with_more_decimals_than_the_tick_are_seen():
    assert decimals_beyond([("61837.63000000", "1"), ("1.1", "1")], "0.01000000") == 0
    assert decimals_beyond([("0.25974000", "1"), ("0.2597", "1")], "0.00010000") == 1
    assert decimals_beyond([("100", "1")], "0.10") == 0
    assert decimals_beyond([], "1") == 0


@pytest.mark.req("I-34", "MD-8")
@pytest.mark.parametrize(
    "frame", [b"", b"\xff", b"[]", b"{", b"null", b'{"stream":1}', b'{"stream":"x","data":' + b"[" * 100_000]
)
def test_what_is_no_frame_raises_only_what_is_announced(frame):
    with pytest.raises(UNREADABLE):
        envelope_of(frame)


@settings(max_examples=200, deadline=None)
@given(st.data())
@pytest.mark.req("I-34")
def test_parsers_raise_only_what_is_announced(data):
    number = st.one_of(st.integers(), st.floats(), st.text(max_size=5), st.none(), st.just(10**40))
    level = st.lists(st.one_of(st.text(max_size=8), number), max_size=3)
    keys = st.sampled_from([*"eEsUubaptqTmX", "pu", "lastUpdateId", "bids", "asks", "symbols"])
    value = st.one_of(number, st.lists(level, max_size=3), st.booleans())
    frame = data.draw(
        st.one_of(
            st.binary(max_size=60),
            st.dictionaries(keys, value, max_size=9).map(lambda d: json.dumps(d).encode()),
        )
    )
    adapter = data.draw(st.sampled_from([SPOT, USDM]))
    for parse in (
        adapter.parse_diff, adapter.parse_partial, adapter.parse_depth, adapter.parse_trade,
        lambda raw: adapter.parse_control("", raw), lambda raw: adapter.parse_rules(raw, ("B",), FEES),
    ):  # fmt: skip
        try:
            parse(frame)
        except UNREADABLE:
            continue
