"""Each filter of the venue, at its limit and one beyond (BR-26)."""

from dataclasses import dataclass

import msgspec
import pytest

from shared.messages.orders import OrderType
from shared.paper.filters import broken_filter


@dataclass
class Order:
    """What the filters look at."""

    price_ticks: int = 1000
    qty_lots: int = 10
    order_type: OrderType = OrderType.LIMIT
    is_reduce_only: bool = False


@pytest.fixture
def rules(make_bench):
    """2..20 lots, 500..2000 ticks, and at least 5,000 ticks * lots."""
    return msgspec.structs.replace(
        make_bench.rules(),
        min_qty_lots=2,
        max_qty_lots=20,
        min_price_ticks=500,
        max_price_ticks=2000,
        min_notional_atoms=5000 * 10_000,
    )


@pytest.mark.req("BR-26")
@pytest.mark.parametrize(
    ("order", "text"),
    [
        (Order(), ""),
        (Order(qty_lots=20), ""),
        (Order(qty_lots=21), "21 lots, the most is 20"),
        (Order(price_ticks=2000, qty_lots=3), ""),
        (Order(price_ticks=2001), "price 2001 ticks, the most is 2000"),
        (Order(price_ticks=499, qty_lots=20), "price 499 ticks, the least is 500"),
        (Order(price_ticks=1000, qty_lots=5), ""),
        (Order(price_ticks=999, qty_lots=5), "the least is 50000000"),
        (Order(price_ticks=999, qty_lots=5, is_reduce_only=True), ""),
        (Order(qty_lots=1), "1 lots, the least is 2"),
        (Order(price_ticks=0, qty_lots=2, order_type=OrderType.MARKET), ""),
    ],
)
def test_a_broken_filter_is_named_with_its_limit(order, text, rules) -> None:
    broken = broken_filter(order, rules)

    assert (broken == "") if text == "" else (text in broken)


def test_a_reduce_only_order_on_spot_keeps_to_the_least_value(rules) -> None:
    spot = msgspec.structs.replace(rules, is_derivative=False)

    assert broken_filter(Order(price_ticks=999, qty_lots=5, is_reduce_only=True), spot)
