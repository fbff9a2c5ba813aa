"""Wishes of people become requests in ticks and lots, or are refused with what to write."""

import pytest

from services.strategy.desk import make_rules
from shared.errors import ConfigError
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side
from shared.wishes import Wish, order_requested, route_requested

SYMBOL = "binance_usdm:BTCUSDT"
RULES = {SYMBOL: make_rules(SYMBOL)}


def asked(**changes):
    wish = {"symbol": SYMBOL, "side": "buy", "quantity": "0.005", **changes}
    return order_requested(Wish(**wish), RULES, "me", 7)


@pytest.mark.req("BR-27")
def test_an_order_without_a_price_is_a_market_order():
    order = asked()

    assert (order.order_type, order.tif, order.price_ticks, order.qty_lots) == (
        OrderType.MARKET,
        TimeInForce.IOC,
        0,
        5,
    )


@pytest.mark.req("BR-27", "BR-15")
def test_prices_stops_and_ends_are_in_the_units_of_the_market():
    order = asked(price="60000.1", stop="60000", good_for_s=60)

    assert (order.price_ticks, order.stop_ticks, order.expire_ns) == (600_001, 600_000, 7 + 60 * NS_PER_S)
    assert (order.order_type, order.tif) == (OrderType.LIMIT, TimeInForce.GTD)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"symbol": "x:Y"}, "followed are binance_usdm:BTCUSDT"),
        ({"side": "up"}, "write buy or sell"),
        ({"quantity": "0.0015"}, "write 0.001 or 0.002"),
        ({"quantity": "inf"}, "plain decimal"),
        ({"quantity": "1e40"}, "plain decimal"),
        ({"quantity": "-1"}, "plain decimal"),
        ({"price": "60000.05"}, "no multiple of 0.1"),
        ({"tif": "gtd", "price": "1"}, "for how many seconds"),
        ({"good_for_s": 5}, "goes with a limit order"),
        ({"is_post_only": True}, "post-only is for limit orders"),
        ({"is_post_only": True, "price": "1", "stop": "1"}, "post-only"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(changes, text):
    with pytest.raises(ConfigError, match=text):
        asked(**changes)


@pytest.mark.req("BR-20")
def test_a_route_is_checked_against_the_markets_it_names():
    route = route_requested([SYMBOL], "sell", "0.1", "twap", RULES, by="me", slices=3, interval_ms=1000)

    assert (route.side, route.quantity, route.slices, route.interval_ms) == (Side.SELL, "0.1", 3, 1000)
    with pytest.raises(ConfigError, match="only a twap has slices"):
        route_requested([SYMBOL], "sell", "0.1", "sweep", RULES, by="me", slices=3)
    with pytest.raises(ConfigError, match="some time apart"):
        route_requested([SYMBOL], "sell", "0.1", "twap", RULES, by="me", slices=3)
    with pytest.raises(ConfigError, match="limit 'x'"):
        route_requested([SYMBOL], "sell", "0.1", "sweep", RULES, by="me", limit="x")
