"""A venue asked once: its clock, rules and prices, and answers that are none."""

import pytest

from services.market_data.settings import FeedVenue
from services.market_data.survey import SurveyError, survey, venue_time_ms
from services.venue_sim.build import make_venue
from services.venue_sim.settings import VenueSimSettings

SPOT = FeedVenue(name="binance", symbols=("BTCUSDT", "NOPEUSDT"))
USDM = FeedVenue(name="binance_usdm", symbols=("BTCUSDT", "NOPEUSDT"), maker_fee_ppm=-50, taker_fee_ppm=400)


@pytest.fixture
def ask_of():
    venue = make_venue(VenueSimSettings())
    venue.advance(venue.origin_ns)
    return lambda name: lambda target: venue.request(name, "GET", target, venue.origin_ns)


@pytest.mark.req("RK-15")
@pytest.mark.parametrize("venue", [SPOT, USDM], ids=lambda venue: venue.name)
def test_a_simulated_venue_tells_rules_prices_and_what_it_does_not_list(venue, ask_of):
    found = survey(venue, ask_of(venue.name))

    assert list(found.rules) == list(found.half_ticks) == [f"{venue.name}:BTCUSDT"]
    assert found.rules[f"{venue.name}:BTCUSDT"].maker_fee_ppm == venue.maker_fee_ppm
    assert list(found.unlisted) == [f"{venue.name}:NOPEUSDT"]
    assert found.unlisted[f"{venue.name}:NOPEUSDT"] == "the venue does not list it"


@pytest.mark.req("RK-15")
def test_the_clock_is_that_of_the_venue(ask_of):
    assert venue_time_ms("binance", ask_of("binance")) == 1_704_067_200_000


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"serverTime": "noon"}', b'{"symbols": [1]}'])
def test_what_is_no_answer_is_one_error(body):
    with pytest.raises(SurveyError):
        venue_time_ms("binance", lambda _: (200, body))
    with pytest.raises(SurveyError):
        survey(USDM, lambda _: (200, body))


def test_a_venue_without_a_book_has_no_price(ask_of):
    ask = ask_of("binance_usdm")
    found = survey(USDM, lambda target: (503, b"{}") if "depth" in target else ask(target))

    assert found.half_ticks == {}
    assert list(found.rules) == ["binance_usdm:BTCUSDT"]
