"""What the paper venue does with an order that arrives, as a pure decision."""

from dataclasses import dataclass

import pytest

from shared.messages.market import BookSnapshot
from shared.messages.orders import OrderType, TimeInForce
from shared.paper.arrival import arrive
from shared.paper.market import PaperMarket, QueuePlace
from shared.units import Side


@dataclass
class Order:
    """What the paper venue looks at."""

    symbol: str
    side: Side
    price_ticks: int
    leaves_lots: int
    order_type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    is_post_only: bool = False


@pytest.fixture
def place_of(make_bench):
    def make(symbol):
        place = PaperMarket(symbol, QueuePlace())
        place.rules = make_bench.rules(symbol)
        levels = make_bench.block([(600_000, 10)], [(600_010, 10)])
        place.apply(BookSnapshot(symbol, 1, 1, 1, levels, "start", 0, 0), 0)
        return place

    return make


def an_order(place, side, price_ticks, lots, **terms):
    return Order(place.symbol, side, price_ticks, lots, **terms)


def test_a_derivative_needs_no_cash(place_of, make_bench):
    place = place_of(make_bench.PERP)

    assert arrive(an_order(place, Side.BUY, 600_000, 5), place, 0, 0).is_accepted
    assert arrive(an_order(place, Side.SELL, 600_010, 5), place, 0, 0).is_accepted


@pytest.mark.req("BR-19")
def test_a_spot_buy_needs_its_cost_with_the_fee(place_of, make_bench):
    place = place_of(make_bench.SPOT)
    order = an_order(place, Side.BUY, 600_000, 10)
    cost_atoms = 600_000 * 10 * 10_000
    fee_atoms = cost_atoms * 500 // 1_000_000

    assert arrive(order, place, cost_atoms + fee_atoms, 0).is_accepted
    assert arrive(order, place, cost_atoms + fee_atoms - 1, 0).reject_code == "insufficient_balance"


@pytest.mark.req("BR-19")
def test_a_spot_sell_needs_its_holdings(place_of, make_bench):
    place = place_of(make_bench.SPOT)
    order = an_order(place, Side.SELL, 600_010, 10)

    assert arrive(order, place, 0, 10).is_accepted
    assert arrive(order, place, 0, 9).reject_code == "insufficient_balance"


@pytest.mark.req("BR-15")
def test_what_becomes_of_the_rest_depends_on_the_time_in_force(place_of, make_bench):
    place = place_of(make_bench.PERP)

    gtc = arrive(an_order(place, Side.BUY, 600_010, 15), place, 0, 0)
    ioc = arrive(an_order(place, Side.BUY, 600_010, 15, tif=TimeInForce.IOC), place, 0, 0)
    fok = arrive(an_order(place, Side.BUY, 600_010, 15, tif=TimeInForce.FOK), place, 0, 0)
    taker = arrive(an_order(place, Side.BUY, 0, 15, order_type=OrderType.MARKET), place, 0, 0)

    assert [part.lots for part in gtc.parts] == [10]
    assert gtc.expire_reason == ""
    assert ioc.expire_reason.startswith("ioc")
    assert (fok.parts, fok.is_accepted, fok.expire_reason[:3]) == ((), False, "fok")
    assert taker.expire_reason.startswith("market")


@pytest.mark.req("BR-15")
@pytest.mark.parametrize(
    ("side", "good", "bad"), [(Side.BUY, 600_009, 600_010), (Side.SELL, 600_001, 600_000)]
)
def test_post_only_may_come_close_but_not_take(place_of, make_bench, side, good, bad):
    place = place_of(make_bench.PERP)

    assert arrive(an_order(place, side, good, 1, is_post_only=True), place, 0, 0).is_accepted
    rejected = arrive(an_order(place, side, bad, 1, is_post_only=True), place, 0, 0)
    assert rejected.reject_code == "post_only_would_take"


@pytest.mark.req("I-12")
def test_an_order_that_would_meet_our_own_is_rejected(place_of, make_bench):
    place = place_of(make_bench.PERP)
    place.queue.add(1, 9, 600_005, 5, 0)

    assert arrive(an_order(place, Side.BUY, 600_004, 1), place, 0, 0).is_accepted
    assert arrive(an_order(place, Side.BUY, 600_005, 1), place, 0, 0).reject_code == "self_trade"
