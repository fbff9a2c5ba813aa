"""A generated market's streams of facts against its trades, over minutes and over a restart."""

import json
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings
from services.venue_sim.streams import TRADE

MS = 1_000_000
SECOND = 1000 * MS
MARKETS = [("binance_usdm", "btcusdt"), ("binance_usdm", "ethusdt"), ("binance", "btcusdt")]


def of(frames, venue, symbol, channel):
    return [json.loads(f.data) for f in frames if (f.venue, f.stream) == (venue, f"{symbol}@{channel}")]


@pytest.fixture(scope="module")
def played():
    """Return the venue after three minutes and a half that began 20 s into a minute, and its frames."""
    settings = VenueSimSettings(seed=4, regime="jump", origin_ns=VenueSimSettings().origin_ns + 20 * SECOND)
    venue = GeneratedVenue(settings)
    return venue, venue.advance(venue.origin_ns + 210 * SECOND)


@pytest.mark.req("MD-16", "BT-7")
@pytest.mark.parametrize(("at", "symbol"), MARKETS)
def test_every_closed_candle_is_the_sum_of_the_trades_of_its_minute(played, at, symbol):
    _, frames = played
    minutes = defaultdict(list)
    for trade in of(frames, at, symbol, TRADE):
        minutes[trade["T"] // 60_000 * 60_000].append(trade)

    closed = [k["k"] for k in of(frames, at, symbol, "kline_1m") if k["k"]["x"]]

    assert [k["t"] for k in closed] == sorted(minutes)[: len(closed)]
    assert len(closed) == 3
    for k in closed:
        trades = minutes[k["t"]]
        prices = [Decimal(t["p"]) for t in trades]
        assert [Decimal(k[x]) for x in "ohlc"] == [prices[0], max(prices), min(prices), prices[-1]]
        assert Decimal(k["v"]) == sum(Decimal(t["q"]) for t in trades)
        assert Decimal(k["q"]) == sum(Decimal(t["q"]) * Decimal(t["p"]) for t in trades)
        assert Decimal(k["V"]) == sum(Decimal(t["q"]) for t in trades if not t["m"])
        assert (k["n"], k["f"], k["L"]) == (len(trades), trades[0]["t"], trades[-1]["t"])


@pytest.mark.req("MD-16")
@pytest.mark.parametrize(("at", "symbol"), MARKETS)
def test_open_candles_come_about_each_second_and_the_last_is_what_rest_says(played, at, symbol):
    venue, frames = played
    candles = of(frames, at, symbol, "kline_1m")
    times = [k["E"] for k in candles if not k["k"]["x"]]

    assert all(1000 <= later - before <= 2500 for before, later in pairwise(times))
    path = "/fapi/v1" if at == "binance_usdm" else "/api/v3"
    _, body = venue.request(at, "GET", f"{path}/klines?symbol={symbol.upper()}&interval=1m&limit=4", 0)
    rows = json.loads(body)
    closed = [k["k"] for k in candles if k["k"]["x"]]
    for row, k in zip(rows, closed, strict=False):
        assert row == [
            k["t"],
            k["o"],
            k["h"],
            k["l"],
            k["c"],
            k["v"],
            k["T"],
            k["q"],
            k["n"],
            k["V"],
            k["Q"],
            "0",
        ]


@pytest.mark.req("MD-17")
def test_a_perpetual_says_its_mark_price_each_second_and_spot_nothing_of_it(played):
    venue, frames = played
    marks = of(frames, "binance_usdm", "btcusdt", "markPrice@1s")

    assert [m["E"] // 1000 for m in marks] == list(range(marks[0]["E"] // 1000, marks[0]["E"] // 1000 + 211))
    assert len(of(frames, "binance_usdm", "btcusdt", "markPrice")) == pytest.approx(70, abs=1)
    trades = of(frames, "binance_usdm", "btcusdt", TRADE)
    assert abs(float(marks[-1]["p"]) / float(trades[-1]["p"]) - 1) < 0.002
    assert all(abs(float(m["p"]) / float(m["i"]) - 1) <= 0.00021 for m in marks)
    assert of(frames, "binance", "btcusdt", "markPrice@1s") == []
    assert not venue.streams_of("binance", "btcusdt@forceOrder")
    assert venue.streams_of("binance_usdm", "btcusdt@forceOrder")
    assert not venue.streams_of("binance", "btcusdt@kline_5m")
    assert of(frames, "binance_usdm", "btcusdt", "forceOrder")


@pytest.mark.req("MD-17")
def test_funding_is_due_at_multiples_of_its_interval(played):
    _, frames = played
    short = GeneratedVenue(VenueSimSettings(funding_interval_s=60))

    usual = {m["T"] for m in of(frames, "binance_usdm", "btcusdt", "markPrice@1s")}
    marks = of(short.advance(short.origin_ns + 130 * SECOND), "binance_usdm", "btcusdt", "markPrice@1s")

    start_ms = short.origin_ns // MS
    assert usual == {start_ms + 28_800_000}
    assert sorted({m["T"] - start_ms for m in marks}) == [60_000, 120_000, 180_000]
    assert all(0 < m["T"] - m["E"] <= 60_000 for m in marks)


def test_the_order_flow_of_a_seed_is_what_it_was_before_there_were_facts():
    venue = GeneratedVenue(VenueSimSettings(seed=1))
    trades = of(venue.advance(venue.origin_ns + 10 * SECOND), "binance_usdm", "btcusdt", TRADE)

    # Taken from the version before: the flow draws from streams of its own.
    first, last = trades[0], trades[-1]
    assert len(trades) == 83
    assert (first["p"], first["q"], first["m"]) == ("60000.60", "0.268", False)
    assert (last["p"], last["q"], last["t"]) == ("60103.40", "0.173", 1704067200083)


@pytest.mark.req("BT-7")
def test_candles_and_facts_go_on_after_a_restart(played):
    wanted = VenueSimSettings(seed=8)
    whole, first = GeneratedVenue(wanted), GeneratedVenue(wanted)
    half_ns = whole.origin_ns + 61_150 * MS
    whole.advance(half_ns)
    first.advance(half_ns)

    second = GeneratedVenue(wanted, first.state(is_clean=True))
    second.resume(second.due_ns())
    second.advance(half_ns + 60 * SECOND)
    whole.advance(half_ns + 60 * SECOND)

    for call in (
        "klines?symbol=BTCUSDT&interval=1m",
        "premiumIndex?symbol=BTCUSDT",
        "openInterest?symbol=BTCUSDT",
    ):
        target = f"/fapi/v1/{call}"
        assert second.request("binance_usdm", "GET", target, 0) == whole.request(
            "binance_usdm", "GET", target, 0
        )


def test_a_state_from_before_there_were_facts_is_taken_and_gets_a_history():
    first = GeneratedVenue(VenueSimSettings())
    first.advance(first.origin_ns + SECOND)
    state = msgspec.msgpack.decode(first.state(is_clean=True))
    del state["facts"]

    again = GeneratedVenue(VenueSimSettings(), msgspec.msgpack.encode(state))
    again.resume(first.origin_ns + 2 * SECOND)

    assert again.notice == ""
    _, body = again.request("binance", "GET", "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=30", 0)
    assert len(json.loads(body)) == 30
