"""exchangeInfo: the rules of the exchange in the venue's form."""

import json

from services.venue_sim.exchange_info import filters_of
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import VenueSimSettings


def told(venue, at="binance", path="/api/v3/exchangeInfo"):
    status, body = venue.request(at, "GET", path, 0)
    assert status == 200
    return {symbol["symbol"]: symbol for symbol in json.loads(body)["symbols"]}


def test_a_change_of_rules_is_told_at_once():
    venue = GeneratedVenue(VenueSimSettings())
    acts = venue.exchange.acts
    acts.set_status("binance", "BTCUSDT", "HALT", 0)
    acts.change_filter("binance", "BTCUSDT", "LOT_SIZE", {"minQty": "0.50000000"}, 0)

    symbol = told(venue)["BTCUSDT"]

    assert symbol["status"] == "HALT"
    assert {"filterType": "LOT_SIZE", "minQty": "0.50000000"}.items() <= symbol["filters"][1].items()


def test_a_recorded_answer_is_served_as_it_is_until_something_changes():
    plain = GeneratedVenue(VenueSimSettings())
    recorded = plain.request("binance", "GET", "/api/v3/exchangeInfo", 0)[1].replace(b"9000.0", b"7000.0")
    venue = GeneratedVenue(VenueSimSettings(), None, {"binance": recorded})

    assert venue.request("binance", "GET", "/api/v3/exchangeInfo", 0)[1] == recorded
    assert venue.exchange.rules("binance", "BTCUSDT").limit("LOT_SIZE", "maxQty") == 7000 * 10**18
    assert filters_of({"binance": recorded})["binance", "BTCUSDT"] == told(venue)["BTCUSDT"]["filters"]
    venue.exchange.set_status("binance", "BTCUSDT", "BREAK", 0)
    assert told(venue)["BTCUSDT"]["status"] == "BREAK"
    assert told(venue)["BTCUSDT"]["filters"][1]["maxQty"] == "7000.00000000"


def test_both_venues_tell_what_they_take():
    venue = GeneratedVenue(VenueSimSettings())

    assert "STOP_LOSS_LIMIT" in told(venue)["BTCUSDT"]["orderTypes"]
    usdm = told(venue, "binance_usdm", "/fapi/v1/exchangeInfo")
    assert {f["filterType"] for f in usdm["ETHUSDT"]["filters"]} >= {"PERCENT_PRICE", "MARKET_LOT_SIZE"}
