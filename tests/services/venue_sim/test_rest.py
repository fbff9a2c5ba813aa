"""REST answers and error bodies as the venue gives them."""

import json

import pytest

from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings


@pytest.fixture(scope="module")
def venue():
    return GeneratedVenue(VenueSimSettings())


def ask(venue, at, target, method="GET"):
    status, body = venue.request(at, method, target, 1_700_000_000_123_000_000)
    return status, json.loads(body)


@pytest.mark.req("MD-20")
@pytest.mark.parametrize(
    ("at", "target", "status", "code", "msg"),
    [
        ("binance", "/api/v3/depth?symbol=NOPE", 400, -1121, "Invalid symbol."),
        ("binance", "/api/v3/depth?symbol=btcusdt", 400, -1121, "Invalid symbol."),
        ("binance_usdm", "/fapi/v1/depth?symbol=NOPE", 400, -1121, "Invalid symbol."),
        ("binance", "/api/v3/depth", 400, -1102, "Mandatory parameter 'symbol' was not sent"),
        ("binance", "/api/v3/depth?symbol=BTCUSDT&limit=0", 400, -1130, "Data sent for parameter 'limit'"),
        ("binance", "/api/v3/depth?symbol=BTCUSDT&limit=abc", 400, -1100, "Illegal characters found"),
        ("binance", "/api/v3/depth?symbol=BTCUSDT&limit=-5", 400, -1100, "Illegal characters found"),
        ("binance_usdm", "/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021, "7 is not valid depth limit."),
        ("binance", "/api/v3/exchangeInfo?symbol=NOPE", 400, -1121, "Invalid symbol."),
        ("binance", "/api/v3/exchangeInfo?symbols=oops", 400, -1100, "Illegal characters found"),
    ],
)
def test_a_wrong_call_gets_the_venue_s_own_error(venue, at, target, status, code, msg):
    answered, body = ask(venue, at, target)

    assert (answered, body["code"]) == (status, code)
    assert body["msg"].startswith(msg)


@pytest.mark.parametrize(
    ("at", "target"),
    [
        ("binance", "/fapi/v1/ping"),
        ("binance_usdm", "/api/v3/ping"),
        ("binance", "/api/v3/nothing"),
        ("binance", "/"),
    ],
)
def test_a_path_of_the_other_venue_or_of_none_is_not_found(venue, at, target):
    assert venue.request(at, "GET", target, 0)[0] == 404


def test_other_methods_are_refused(venue):
    assert ask(venue, "binance", "/api/v3/depth?symbol=BTCUSDT", "POST")[0] == 405


@pytest.mark.req("MD-20")
@pytest.mark.parametrize(("at", "prefix"), [("binance", "/api/v3"), ("binance_usdm", "/fapi/v1")])
def test_ping_time_and_the_default_depth(venue, at, prefix):
    assert ask(venue, at, f"{prefix}/ping") == (200, {})
    assert ask(venue, at, f"{prefix}/time") == (200, {"serverTime": 1_700_000_000_123})
    status, body = ask(venue, at, f"{prefix}/depth?symbol=BTCUSDT")
    assert status == 200
    assert len(body["bids"]) == (100 if at == "binance" else len(body["bids"]))
    assert [float(p) for p, _ in body["bids"]] == sorted((float(p) for p, _ in body["bids"]), reverse=True)
    assert [float(p) for p, _ in body["asks"]] == sorted(float(p) for p, _ in body["asks"])
    assert ("E" in body) == (at == "binance_usdm")


@pytest.mark.req("MD-20")
def test_exchange_info_lists_the_markets_with_their_filters(venue):
    _, usdm = ask(venue, "binance_usdm", "/fapi/v1/exchangeInfo")
    _, spot = ask(venue, "binance", '/api/v3/exchangeInfo?symbols=["BTCUSDT"]')

    assert [symbol["symbol"] for symbol in usdm["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert [symbol["symbol"] for symbol in spot["symbols"]] == ["BTCUSDT"]
    kinds = [{f["filterType"] for f in answer["symbols"][0]["filters"]} for answer in (usdm, spot)]
    assert {"PRICE_FILTER", "LOT_SIZE", "MARKET_LOT_SIZE", "MIN_NOTIONAL"} <= kinds[0]
    assert {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"} <= kinds[1]
    assert usdm["symbols"][0]["contractType"] == "PERPETUAL"
