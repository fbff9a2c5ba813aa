import msgspec
import pytest

from shared.messages import Event, Header, orders
from shared.messages.venue import OrderAdopted
from shared.order_record import REPORTS, fold, of_adopted, of_intent
from shared.orders import NEXT
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"
ORDER = ("a", "as_btc", SYMBOL)


def event(message, seq):
    return Event(Header(seq, seq * 1000, seq * 1000, 1, "broker", 1, seq, 0), message)


def record():
    return of_intent(event(orders.OrderIntent(*ORDER, Side.SELL, 1000, 10, slot="ask"), 1))


def fill(filled, leaves, trade_id="t1"):
    return orders.Fill(*ORDER, trade_id, Side.SELL, 1000, filled, filled, leaves, 0, "USDT", True, 1)


@pytest.mark.req("BR-5")
def test_an_order_lives_from_its_intent_to_its_last_fill():
    order = record()
    life = [
        (orders.OrderAdjusted(*ORDER, Side.SELL, 1000, 8, 10, "position", "less"), "approved"),
        (orders.OrderSent(*ORDER, Side.SELL, 1000, 8), "sent"),
        (orders.OrderAccepted(*ORDER, "v1", 1), "accepted"),
        (fill(3, 5), "partially_filled"),
        (fill(8, 0, "t2"), "filled"),
    ]

    for seq, (message, state) in enumerate(life, 2):
        assert fold(order, event(message, seq))
        assert order.state == state

    assert (order.seq, order.updated_seq, order.qty_lots, order.filled_lots) == (1, 6, 8, 8)
    assert order.is_final
    assert order.reason == "less"


def test_a_report_that_cannot_follow_changes_nothing():
    order = record()

    assert not fold(order, event(orders.OrderCanceled(*ORDER, 0), 2))

    assert (order.state, order.updated_seq) == ("intended", 1)


@pytest.mark.req("I-06")
def test_fills_read_out_of_order_never_shrink_the_total():
    order = record()
    for seq, message in enumerate(
        [orders.OrderApproved(*ORDER, Side.SELL, 1000, 10), orders.OrderSent(*ORDER, Side.SELL, 1000, 10)], 2
    ):
        fold(order, event(message, seq))

    fold(order, event(fill(6, 4, "t2"), 4))
    fold(order, event(fill(2, 8, "t1"), 5))

    assert order.filled_lots == 6


def test_every_report_of_the_order_table_is_known():
    in_table = {kind for following in NEXT.values() for kind in following}

    assert in_table <= set(REPORTS)


def test_an_adopted_order_begins_where_the_venue_says_it_stands():
    adopted = OrderAdopted("web_1", "external", ORDER[2], "77", Side.SELL, 1000, 10, 4)

    partly = of_adopted(event(adopted, 7))
    whole = of_adopted(event(msgspec.structs.replace(adopted, filled_lots=0), 7))

    assert (partly.state, partly.filled_lots, partly.strategy) == ("partially_filled", 4, "external")
    assert (whole.state, whole.seq, whole.reason) == ("accepted", 7, "adopted from the venue")
    assert fold(partly, event(orders.OrderCanceled("web_1", "external", ORDER[2], 4), 8))
