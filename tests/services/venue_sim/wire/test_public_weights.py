"""What public calls weigh."""

import pytest

from services.venue_sim.wire.public_weights import public_weight


@pytest.mark.parametrize(
    ("venue", "limit", "weight"),
    [
        *(("binance", limit, weight) for limit, weight in ((100, 5), (101, 25), (500, 25), (1000, 50))),
        *(("binance", limit, weight) for limit, weight in ((5000, 250), ("x", 5))),
        *(("binance_usdm", limit, weight) for limit, weight in ((5, 2), (50, 2), (100, 5), (500, 10))),
        ("binance_usdm", 1000, 20),
    ],
)
def test_a_book_weighs_by_its_depth(venue, limit, weight):
    path = "/api/v3/depth" if venue == "binance" else "/fapi/v1/depth"

    assert public_weight(venue, f"{path}?symbol=BTCUSDT&limit={limit}") == weight


def test_what_does_not_exist_weighs_one():
    assert public_weight("binance", "/api/v3/nothing?limit=5000") == 1
    assert public_weight("binance_usdm", "/fapi/v1/klines?limit=1500") == 10


def test_a_public_call_is_charged(spot):
    first = spot.raw("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1000")
    second = spot.raw("GET", "/api/v3/depth?symbol=BTCUSDT&limit=1000")

    weights = [int(answer.headers["X-MBX-USED-WEIGHT-1M"]) for answer in (first, second)]
    assert weights[1] - weights[0] == 50
