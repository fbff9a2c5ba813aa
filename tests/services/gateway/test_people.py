"""Orders of people through the gateway: what is said, and what is refused before it is."""

import pytest

from shared.messages import control
from shared.messages.orders import OrderType, TimeInForce
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"


@pytest.fixture
def ask(client, feed):
    feed.everything()
    return lambda path, **body: client.post(f"/api/v1/{path}", json=body)


@pytest.mark.req("GW-2", "BR-27")
def test_an_order_is_said_in_the_units_of_its_market(ask, desk):
    answer = ask(
        "order", symbol=SYMBOL, side="sell", quantity="0.005", price="60000.1", good_for_s=60, reason="x"
    )

    assert answer.status_code == 200, answer.text
    said = desk.asked[-1]
    assert isinstance(said, control.OrderRequested)
    assert (said.side, said.price_ticks, said.qty_lots) == (Side.SELL, 600_001, 5)
    assert (said.order_type, said.tif, said.by) == (OrderType.LIMIT, TimeInForce.GTD, "gateway")
    assert said.expire_ns % NS_PER_S == 0 or said.expire_ns > 0


@pytest.mark.req("GW-2", "BR-20", "BR-28")
def test_routes_cancels_and_flatten_are_said_as_they_are_asked(ask, desk):
    ask("route", symbols=[SYMBOL], side="buy", quantity="0.1", style="twap", slices=4, interval_ms=500)
    ask("cancel", name="r1z")
    ask("flatten", symbol=SYMBOL, style="market", reason="done")

    route, cancel, flatten = desk.asked[-3:]
    assert route == control.RouteRequested([SYMBOL], Side.BUY, "0.1", "twap", "gateway", "", "", 4, 500)
    assert cancel == control.OrderCancelRequested("r1z", "gateway", "")
    assert flatten == control.FlattenRequested(SYMBOL, "market", "gateway", "done", 10_000)


@pytest.mark.req("GW-2")
@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("order", {"symbol": "x:Y", "side": "buy", "quantity": "1"}, 422, "no market 'x:Y' is followed"),
        ("order", {"symbol": SYMBOL, "side": "buy", "quantity": "0.0001"}, 422, "write 0.000 or 0.001"),
        ("order", {"symbol": SYMBOL, "side": "buy", "quantity": "nan"}, 422, "plain decimal"),
        ("order", {"symbol": SYMBOL, "side": "up", "quantity": "1"}, 422, ""),
        ("order", {"symbol": SYMBOL, "side": "buy", "quantity": 1.5}, 422, ""),
        ("order", {"symbol": SYMBOL, "side": "buy", "quantity": "1", "leverage": 9}, 422, ""),
        ("route", {"symbols": [SYMBOL], "side": "buy", "quantity": "1", "style": "twap"}, 422, "2 slices"),
        ("route", {"symbols": [], "side": "buy", "quantity": "1"}, 422, ""),
        ("flatten", {"symbol": "x:Y"}, 404, "no market 'x:Y' is followed"),
        ("flatten", {"style": "now"}, 422, ""),
        ("cancel", {}, 422, ""),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_said(ask, desk, path, body, status, text):
    before = len(desk.asked)

    answer = ask(path, **body)

    assert answer.status_code == status
    assert text in answer.text
    assert len(desk.asked) == before
