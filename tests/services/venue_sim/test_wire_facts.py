"""The JSON of facts, read back by the adapter that reads the real venue."""

import json

import pytest

from services.venue_sim.candles import MinuteCandle
from services.venue_sim.derivative import Derivative, Forced
from services.venue_sim.matching import BUY, SELL
from services.venue_sim.venue import Market
from services.venue_sim.wire_facts import FactsWire, e8_text
from shared.units import Side
from shared.venues import VENUES
from shared.venues.base import CandlePrint, LiquidationPrint, MarkPrint, OpenInterestPrint

MS = 1_000_000
OPEN_MS = 1_700_000_040_000
NOW_MS = OPEN_MS + 1_500
CANDLE = MinuteCandle(
    OPEN_MS, 600_000, 600_100, 599_900, 600_050, 1_500, 900_000_000, 4, 500, 300_000_000, 7, 10
)
USDM = FactsWire(Market("binance_usdm", "BTCUSDT", "0.1", "0.001", 2, 3))
SPOT = FactsWire(Market("binance", "BTCUSDT", "0.01", "0.00001", 8, 8))


@pytest.mark.req("MD-16")
def test_a_candle_is_written_with_all_fields_of_the_venue():
    body = json.loads(USDM.kline(NOW_MS, CANDLE, is_closed=False))

    assert body == {
        "e": "kline", "E": NOW_MS, "s": "BTCUSDT",
        "k": {"t": OPEN_MS, "T": OPEN_MS + 59_999, "s": "BTCUSDT", "i": "1m", "f": 7, "L": 10,
              "o": "60000.00", "c": "60005.00", "h": "60010.00", "l": "59990.00", "v": "1.500", "n": 4,
              "x": False, "q": "90000.00000", "V": "0.500", "Q": "30000.00000", "B": "0"},
    }  # fmt: skip


@pytest.mark.req("MD-16")
def test_stream_and_rest_say_the_same_candle():
    (row,) = json.loads(SPOT.klines([CANDLE]))
    streamed = VENUES["binance"].parse_candle(SPOT.kline(OPEN_MS + 60_050, CANDLE, is_closed=True))
    answered, _ = VENUES["binance"].parse_candles(
        SPOT.klines([CANDLE, CANDLE._replace(open_ms=OPEN_MS + 60_000)]), "BTCUSDT"
    )

    assert streamed == CandlePrint(
        "BTCUSDT", 60, OPEN_MS * MS, "6000.00000000", "6001.00000000", "5999.00000000", "6000.50000000",
        "0.01500000", 4, True, (OPEN_MS + 60_050) * MS,
    )  # fmt: skip
    assert answered == streamed._replace(ts_venue_ns=(OPEN_MS + 60_000) * MS)
    assert row[7:] == ["90.00000000", 4, "0.00500000", "30.00000000", "0"]


@pytest.mark.req("MD-17")
def test_mark_price_open_interest_and_liquidations_are_read_back():
    facts = Derivative(1, 1, 400, 10_000_000, 60_000 * 10**8)
    facts.mark_e8, facts.index_e8 = 6_000_012_345_678, 6_000_100_000_000
    funding_ms = OPEN_MS + 3_600_000
    wanted = ("60000.12345678", "60001.00000000", "0.00010000", funding_ms * MS, NOW_MS * MS)
    usdm = VENUES["binance_usdm"]

    assert usdm.parse_mark(USDM.mark_price(NOW_MS, facts, funding_ms)) == MarkPrint("BTCUSDT", *wanted)
    assert usdm.parse_mark_answer(USDM.premium_index(NOW_MS, facts, funding_ms)) == MarkPrint(
        "BTCUSDT", *wanted
    )
    assert usdm.parse_open_interest(USDM.open_interest(NOW_MS, 12_345)) == OpenInterestPrint(
        "BTCUSDT", "12.345", NOW_MS * MS
    )
    for side, name in ((SELL, Side.SELL), (BUY, Side.BUY)):
        assert usdm.parse_liquidation(USDM.force_order(NOW_MS, Forced(side, 600_000, 5))) == LiquidationPrint(
            "BTCUSDT", name, "60000.00", "0.005", NOW_MS * MS
        )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00000000"), (10_000, "0.00010000"), (-38_167, "-0.00038167"), (-1, "-0.00000001")],
)
def test_signed_numbers_keep_their_sign_below_one(value, text):
    assert e8_text(value) == text
