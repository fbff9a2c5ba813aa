"""Generated payloads have the field order, decimals and level order of the recorded ones."""

import gzip
import json

import pytest

from services.venue_sim.market_wire import MarketWire
from services.venue_sim.venue import Market

SPOT = MarketWire(Market("binance", "BTCUSDT", "0.01", "0.00001", 8, 8))
USDM = MarketWire(Market("binance_usdm", "BTCUSDT", "0.1", "0.001", 2, 3))
FILES = {"spot": "spot_btcusdt_20240808.raw.gz", "usdm": "usdm_btcusdt_20240808.raw.gz"}


def fields_of(payload):
    return list(json.loads(payload))


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_generated_frames_have_the_fields_of_recorded_ones_in_their_order(captures, market):
    wire = SPOT if market == "spot" else USDM
    recorded = {}
    with gzip.open(captures / "binance_hft" / FILES[market]) as lines:
        for line, _ in zip(lines, range(100), strict=False):
            frame = json.loads(line.partition(b" ")[2])
            recorded[frame.get("stream", "snapshot").partition("@")[2].partition("@")[0]] = frame.get(
                "data", frame
            )

    made = {
        "depth": wire.depth_diff(5, (1, 2, 0), [(99, 1), (100, 2)], [(101, 1), (102, 0)]),
        "trade": wire.trade(5, 7, 100, 3, is_buyer_maker=True),
        "bookTicker": wire.book_ticker(5, 2, (100, 1), (101, 1)),
        "": wire.depth(5, 2, [(100, 1)], [(101, 1)]),
    }

    assert set(made) == set(recorded)
    for kind, payload in made.items():
        assert fields_of(payload) == list(recorded[kind]), kind
        decimals = [len(text.partition(".")[2]) for text in texts_of(recorded[kind])]
        assert set(decimals) == {len(text.partition(".")[2]) for text in texts_of(json.loads(payload))}


def texts_of(data):
    """Return the price and quantity texts of a payload."""
    levels = [*data.get("bids", []), *data.get("asks", [])]
    for key in "ba":
        levels += data[key] if isinstance(data.get(key), list) else []
    single = [data[key] for key in "pqbBaA" if isinstance(data.get(key), str)]
    return [*single, *(text for level in levels for text in level)]


def test_levels_of_a_diff_come_in_the_venue_s_order_and_zero_deletes():
    bids, asks = [(99, 1), (100, 2)], [(101, 1), (102, 0)]

    spot = json.loads(SPOT.depth_diff(5, (1, 2, 0), bids, asks))
    usdm = json.loads(USDM.depth_diff(5, (1, 2, 0), bids, asks))

    assert spot["b"] == [["1.00000000", "0.00002000"], ["0.99000000", "0.00001000"]]
    assert usdm["b"] == [["9.90", "0.001"], ["10.00", "0.002"]]
    assert usdm["a"] == [["10.10", "0.001"], ["10.20", "0.000"]]
    assert (usdm["U"], usdm["u"], usdm["pu"]) == (1, 2, 0)


def test_prices_without_decimals_have_no_point():
    assert MarketWire(Market("binance_usdm", "XUSDT", "1", "5", 0, 0)).quantity(3) == "15"
