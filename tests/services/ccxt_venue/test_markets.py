"""Rules of a market as exact texts in base units; what has no fixed tick is refused with the reason."""

import ccxt
import pytest

from services.ccxt_venue.markets import exact, listed, text_of
from services.ccxt_venue.offline import Offline
from shared.venues.registry import ENTRIES


def market(kind="spot", name="okx", **changes):
    offline = Offline(ENTRIES[name], kind)
    whole = offline.exchange.markets[offline.symbol]
    whole.update(changes)
    return listed(offline.exchange, offline.symbol)


@pytest.mark.req("MD-26", "BR-26")
def test_steps_and_limits_are_exact_and_in_base_units() -> None:
    found = market("linear", contractSize=0.01, precision={"price": 1e-05, "amount": 0.1})

    assert (found.tick_size, found.lot_size, found.min_qty, found.max_qty) == (
        "0.00001",
        "0.001",
        "0.01",
        "10",
    )
    assert (found.min_notional, found.maker_fee_ppm, found.is_derivative, found.defect) == (
        "1",
        1000,
        True,
        "",
    )


def test_a_precision_in_decimals_is_a_step() -> None:
    offline = Offline(ENTRIES["okx"], "spot")
    offline.exchange.precisionMode = ccxt.DECIMAL_PLACES
    offline.exchange.markets[offline.symbol]["precision"] = {"price": 2, "amount": 5}

    found = listed(offline.exchange, offline.symbol)

    assert (found.tick_size, found.lot_size) == ("0.01", "0.00001")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"precision": {"price": None, "amount": 1.0}}, "no step of prices"),
        ({"precision": {"price": 0.0, "amount": 1.0}}, "is 0"),
        ({"precision": {"price": "fine", "amount": 1.0}}, "no number"),
        ({"spot": False, "type": "option"}, "option market"),
    ],
)
def test_a_market_that_cannot_be_followed_says_why(changes, text) -> None:
    assert text in market(**changes).defect


def test_inverse_contracts_and_significant_digits_are_refused() -> None:
    assert "spot and linear" in market("linear", linear=False, inverse=True).defect
    assert "significant digits" in market(name="bitfinex").defect
    assert "size" in market("linear", contractSize=-1.0).defect


def test_an_unknown_market_is_none_and_a_closed_one_is_told() -> None:
    offline = Offline(ENTRIES["okx"], "spot")

    assert listed(offline.exchange, "ETH/USDT") is None
    assert market(active=False).is_active is False


def test_floats_stand_for_the_shortest_text_of_the_venue() -> None:
    assert text_of(exact(0.1 + 0.2)) == "0.30000000000000004"
    assert text_of(exact(1e-07)) == "0.0000001"
    assert text_of(exact("10.500")) == "10.5"
    assert text_of(exact(0)) == "0"
    with pytest.raises(ValueError, match="finite"):
        exact(float("inf"))
