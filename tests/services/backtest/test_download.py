"""Downloads of a span: whole pages of a venue, nothing twice, gaps named, a break resumed."""

import json

import pytest

from services.backtest.download import CandlePager, Span, TradePager, takes
from services.backtest.formats_candles import CandleImport
from services.backtest.formats_tardis import TardisImport
from services.backtest.import_rules import GivenRules
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings
from shared.columns import TRADE, Columns
from shared.errors import VenueError

FROM_MS = 1_700_000_040_000
MINUTE_MS = 60_000


def walk(pager, ask, pages=100):
    lines = []
    for _ in range(pages):
        target = pager.target()
        if target is None:
            return lines
        lines += pager.take(ask(target))
    raise AssertionError(f"{pages} pages were not enough")


def query_of(target):
    path, _, query = target.partition("?")
    return path, dict(part.split("=") for part in query.split("&"))


def candle(open_ms, price="100.00"):
    return [open_ms, price, price, price, price, "5.000", open_ms + MINUTE_MS - 1, "500", 7, "2", "200", "0"]


def candle_venue(missing=()):
    """Return what answers klines as the venue documents: the first `limit` from `startTime` to `endTime`."""

    def ask(target):
        path, query = query_of(target)
        assert path == "/api/v3/klines"
        start_ms, end_ms = int(query["startTime"]), int(query["endTime"])
        opens = [
            ms for ms in range(FROM_MS, FROM_MS + 5000 * MINUTE_MS, MINUTE_MS) if start_ms <= ms <= end_ms
        ]
        rows = [candle(ms) for ms in opens if (ms - FROM_MS) // MINUTE_MS not in missing]
        return json.dumps(rows[: int(query["limit"])]).encode()

    return ask


def trade_venue(trades):
    """Return what answers aggTrades of (id, ms): by id, or of at most an hour."""

    def ask(target):
        path, query = query_of(target)
        assert path == "/fapi/v1/aggTrades"
        if "fromId" in query:
            assert "startTime" not in query
            found = [trade for trade in trades if trade[0] >= int(query["fromId"])]
        else:
            start_ms, end_ms = int(query["startTime"]), int(query["endTime"])
            assert end_ms - start_ms < 3_600_000
            found = [trade for trade in trades if start_ms <= trade[1] <= end_ms]
        rows = [
            {"a": n, "p": "100.1", "q": "0.5", "f": 1, "l": 2, "T": ms, "m": n % 2 == 0} for n, ms in found
        ]
        return json.dumps(rows[: int(query["limit"])]).encode()

    return ask


@pytest.mark.req("MD-25")
def test_candles_of_many_pages_are_whole_and_importable(tmp_path):
    # From within a minute on; the last minute is not over before the end.
    span = Span("binance", "BTCUSDT", FROM_MS - 30_000, FROM_MS + 2500 * MINUTE_MS + 30_000)
    pager = CandlePager(span)

    lines = walk(pager, candle_venue(), pages=4)

    assert [int(line.split(",")[0]) for line in lines] == list(
        range(FROM_MS, FROM_MS + 2500 * MINUTE_MS, MINUTE_MS)
    )
    assert (pager.count, pager.gaps()) == (2500, [])
    path = tmp_path / "c.csv"
    path.write_text("\n".join([pager.head, *lines, ""]))
    each = CandleImport(
        [path], tmp_path, GivenRules(tick_size="0.01", lot_size="0.001"), ("binance:BTCUSDT",)
    )
    assert each.read()[0].lines == 2500
    each.abort()


@pytest.mark.req("MD-25")
def test_missing_candles_are_named_also_at_both_ends():
    pager = CandlePager(Span("binance", "BTCUSDT", FROM_MS, FROM_MS + 10 * MINUTE_MS))

    lines = walk(pager, candle_venue(missing={0, 4, 5, 9}))

    assert len(lines) == 6
    assert pager.gaps() == [
        "1 candles from 2023-11-14 22:14:00.000",
        "2 candles from 2023-11-14 22:18:00.000",
        "1 candles from 2023-11-14 22:23:00.000",
    ]


@pytest.mark.req("MD-25", "MD-24")
def test_candles_come_from_the_simulated_venue():
    venue = make_venue(VenueSimSettings())
    now_ns = venue.origin_ns + 5 * 10**9
    venue.advance(now_ns)
    end_ms = now_ns // 10**6 // MINUTE_MS * MINUTE_MS
    pager = CandlePager(Span("binance_usdm", "BTCUSDT", end_ms - 60 * MINUTE_MS, end_ms))

    lines = walk(pager, lambda target: venue.request("binance_usdm", "GET", target, now_ns)[1])

    assert (len(lines), pager.gaps()) == (60, [])


@pytest.mark.req("MD-25")
def test_a_candle_that_is_doubled_or_no_candle_is_refused():
    span = Span("binance", "BTCUSDT", FROM_MS, FROM_MS + 10 * MINUTE_MS)
    for rows, text in (
        (
            [candle(FROM_MS), candle(FROM_MS)],
            "is doubled or out of place, the next one is due at 1700000100000",
        ),
        ([candle(FROM_MS + 1)], "is doubled or out of place"),
        ([candle(FROM_MS - MINUTE_MS)], "is doubled or out of place"),
        ([candle(FROM_MS)[:5]], "is no candle"),
        ({"code": -1}, "the answer cannot be read"),
    ):
        with pytest.raises(VenueError, match=text):
            CandlePager(span).take(json.dumps(rows).encode())


@pytest.mark.req("MD-25")
def test_trades_of_quiet_hours_and_many_pages_are_whole_and_importable(tmp_path):
    hour_ms = 3_600_000
    trades = [(500 + n, FROM_MS + 3 * hour_ms + n // 3) for n in range(2_345)]
    later = [(2_845 + n, FROM_MS + 4 * hour_ms + n) for n in range(20)]
    pager = TradePager(Span("binance_usdm", "BTCUSDT", FROM_MS, FROM_MS + 4 * hour_ms + 10))

    lines = walk(pager, trade_venue(trades + later), pages=8)

    assert len(lines) == 2_345 + 10
    assert pager.gaps() == []
    path = tmp_path / "t.csv"
    path.write_text("\n".join([pager.head, *lines, ""]))
    each = TardisImport([path], tmp_path, GivenRules(tick_size="0.1", lot_size="0.001"))
    assert each.read()[0].trades == 2_355
    made = each.finish()[0]
    with Columns.open(made.path) as columns:
        first = FROM_MS * 10**6 + 3 * hour_ms * 10**6
        assert (columns.ts_exch_ns[0], columns.price_ticks[0], columns.lots[0]) == (first, 1_001, 500)
        # Trade 500: the buyer was the maker, so it was sold.
        assert (columns.kind[0] & 15, columns.side[0], columns.side[1]) == (TRADE, 1, 0)


@pytest.mark.req("MD-25")
def test_missing_and_doubled_trades_are_found():
    pager = TradePager(Span("binance_usdm", "BTCUSDT", FROM_MS, FROM_MS + 1000))
    walk(pager, trade_venue([(5, FROM_MS), (8, FROM_MS + 1), (9, FROM_MS + 2)]))
    assert pager.gaps() == ["trades 6 to 7, after 2023-11-14 22:14:00.000"]

    for trades in ([(5, FROM_MS), (5, FROM_MS)], [(5, FROM_MS + 2), (6, FROM_MS)]):
        with pytest.raises(VenueError, match="is doubled or out of place"):
            walk(TradePager(Span("binance_usdm", "BTCUSDT", FROM_MS, FROM_MS + 1000)), trade_venue(trades))


@pytest.mark.req("MD-25")
def test_a_resumed_download_goes_on_behind_what_is_kept():
    span = Span("binance", "BTCUSDT", FROM_MS, FROM_MS + 2500 * MINUTE_MS)
    whole = walk(CandlePager(span), candle_venue())
    pager = CandlePager(span)

    assert takes(pager, pager.head, True)
    assert all(takes(pager, line, False) for line in whole[:1_300])
    assert not takes(pager, whole[5], False)
    assert not takes(pager, "17,1", False)
    assert f"startTime={FROM_MS + 1300 * MINUTE_MS}" in pager.target()
    assert walk(pager, candle_venue()) == whole[1_300:]
    assert not takes(TradePager(span), CandlePager.head, True)
