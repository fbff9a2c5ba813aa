"""An order of the broker begins as its intent says."""

from services.broker.order import from_intent
from shared.messages.orders import OrderIntent, OrderType, TimeInForce
from shared.orders import OrderState
from shared.units import Side


def test_an_order_takes_over_every_term_of_its_intent():
    intent = OrderIntent("id", "mm", "m:X", Side.SELL, 7, 9, OrderType.MARKET, TimeInForce.IOC, True, True)

    order = from_intent(intent, 3)

    assert order.name == ("id", "mm", "m:X")
    assert (order.side, order.price_ticks, order.asked_lots) == (Side.SELL, 7, 9)
    assert (order.order_type, order.tif) == (OrderType.MARKET, TimeInForce.IOC)
    assert order.is_post_only
    assert order.is_reduce_only
    assert (order.state, order.qty_lots, order.handle) == (OrderState.INTENDED, 0, 3)
