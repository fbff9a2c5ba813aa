"""REST answers for candles, mark price and open interest, and the errors of the venue."""

import json

import pytest

from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings

MS = 1_000_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def venue():
    one = GeneratedVenue(VenueSimSettings())
    one.advance(one.origin_ns + 5_000 * MS)
    return one


def ask(venue, at, target):
    status, body = venue.request(at, "GET", target, venue.origin_ns + 5_000 * MS)
    return status, json.loads(body)


@pytest.mark.req("MD-16")
@pytest.mark.parametrize(("at", "prefix"), [("binance", "/api/v3"), ("binance_usdm", "/fapi/v1")])
def test_candles_are_rows_of_twelve_and_the_last_is_the_open_one(venue, at, prefix):
    start_ms = venue.origin_ns // MS

    status, rows = ask(venue, at, f"{prefix}/klines?symbol=BTCUSDT&interval=1m&limit=26")

    assert status == 200
    assert [row[0] for row in rows] == [start_ms - n * MINUTE_MS for n in range(25, -1, -1)]
    for row in rows:
        assert len(row) == 12
        assert row[6] == row[0] + 59_999
        assert float(row[3]) <= min(float(row[1]), float(row[4]))
        assert float(row[2]) >= max(float(row[1]), float(row[4]))
        assert float(row[9]) <= float(row[5])
        assert isinstance(row[8], int)


def test_candles_can_be_asked_for_from_a_time_and_until_one(venue):
    start_ms = venue.origin_ns // MS
    target = "/fapi/v1/klines?symbol=btcusdt&interval=1m"

    _, first = ask(venue, "binance_usdm", f"{target}&startTime={start_ms - 600_000}&limit=2")
    _, until = ask(venue, "binance_usdm", f"{target}&endTime={start_ms - 60_001}&limit=2")
    _, default = ask(venue, "binance_usdm", target)

    assert [row[0] for row in first] == [start_ms - 600_000, start_ms - 540_000]
    assert [row[0] for row in until] == [start_ms - 180_000, start_ms - 120_000]
    assert len(default) == 181


@pytest.mark.req("MD-17")
def test_mark_price_and_open_interest_of_a_perpetual_are_answered(venue):
    _, premium = ask(venue, "binance_usdm", "/fapi/v1/premiumIndex?symbol=BTCUSDT")
    _, interest = ask(venue, "binance_usdm", "/fapi/v1/openInterest?symbol=ETHUSDT")

    assert premium["symbol"] == "BTCUSDT"
    assert 59_000 < float(premium["markPrice"]) < 61_000
    assert abs(float(premium["markPrice"]) / float(premium["indexPrice"]) - 1) < 0.0003
    assert abs(float(premium["lastFundingRate"])) <= 0.003
    assert premium["nextFundingTime"] % 28_800_000 == 0
    assert 0 < premium["nextFundingTime"] - premium["time"] <= 28_800_000
    assert interest["symbol"] == "ETHUSDT"
    assert float(interest["openInterest"]) > 0


@pytest.mark.parametrize(
    ("at", "target", "status", "code"),
    [
        ("binance", "/api/v3/klines?interval=1m", 400, -1102),
        ("binance", "/api/v3/klines?symbol=BTCUSDT", 400, -1102),
        ("binance", "/api/v3/klines?symbol=NOPE&interval=1m", 400, -1121),
        ("binance", "/api/v3/klines?symbol=btcusdt&interval=1m", 400, -1121),
        ("binance", "/api/v3/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("binance", "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=0", 400, -1130),
        ("binance", "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=x", 400, -1100),
        ("binance", "/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=-1", 400, -1100),
        ("binance_usdm", "/fapi/v1/openInterest", 400, -1102),
        ("binance_usdm", "/fapi/v1/premiumIndex?symbol=NOPE", 400, -1121),
    ],
)
def test_a_wrong_call_gets_the_venue_s_own_error(venue, at, target, status, code):
    answered, body = ask(venue, at, target)

    assert (answered, body["code"]) == (status, code)


@pytest.mark.parametrize("call", ["openInterest", "premiumIndex"])
def test_spot_has_no_calls_of_perpetuals(venue, call):
    status, _ = venue.request("binance", "GET", f"/api/v3/{call}?symbol=BTCUSDT", 0)

    assert status == 404
