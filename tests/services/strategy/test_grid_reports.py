import pytest

from services.strategy.grid_reports import HAPPENED, is_lack_of_money, is_post_only_failure
from services.strategy.own_orders import OwnOrder
from shared.messages import orders
from shared.units import Side

HEAD = ("x-one-n1-1", "one", "binance_usdm:BTCUSDT")


def order(**changes):
    terms = (HEAD[0], "n1", Side.BUY, 599_400, 1, 1, orders.OrderType.LIMIT, orders.TimeInForce.GTC)
    one = OwnOrder(*terms, is_post_only=True, is_reduce_only=False, intended_ns=0)
    for name, value in changes.items():
        setattr(one, name, value)
    return one


@pytest.mark.req("ST-18")
def test_every_message_about_an_order_means_something_but_approvals_fills_and_stops() -> None:
    kinds = {
        kind
        for kind in vars(orders).values()
        if isinstance(kind, type) and issubclass(kind, orders._OrderMessage) and kind.__name__[0] != "_"
    }

    others = {orders.OrderApproved, orders.OrderAdjusted, orders.Fill, orders.OrderTriggered}
    assert kinds - set(HAPPENED) == others


@pytest.mark.req("ST-29")
@pytest.mark.parametrize(
    ("event", "is_lack"),
    [
        (orders.OrderRejected(*HEAD, "-2018", "Balance is insufficient."), True),
        (
            orders.OrderRejected(*HEAD, "-2010", "Account has insufficient balance for requested action."),
            True,
        ),
        (orders.OrderRejected(*HEAD, "-2010", "Order would immediately match and take."), False),
        (orders.OrderRejected(*HEAD, "-5022", "would take"), False),
        (orders.OrderRefused(*HEAD, "margin_ratio", "too high"), True),
        (orders.OrderRefused(*HEAD, "position", "worst-case position 7 lots"), False),
        (orders.OrderCanceled(*HEAD, 0), False),
    ],
)
def test_a_lack_of_money_is_told_by_code_or_text(event, is_lack) -> None:
    assert is_lack_of_money(event) is is_lack


@pytest.mark.req("ST-28")
def test_a_post_only_failure_is_a_rejection_or_an_end_by_the_venue_with_nothing_filled() -> None:
    rejected, expired = orders.OrderRejected(*HEAD, "-5022", "would take"), orders.OrderExpired(*HEAD, 0)

    assert is_post_only_failure(order(), rejected)
    assert is_post_only_failure(order(), expired)
    assert not is_post_only_failure(order(is_post_only=False), rejected)
    assert not is_post_only_failure(order(cancel_ns=5), expired)
    assert not is_post_only_failure(order(filled_lots=1), expired)
    assert not is_post_only_failure(order(), orders.OrderRefused(*HEAD, "spread", "too wide"))
