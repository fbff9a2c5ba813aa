"""The cap on capital, worked out by hand: 60,000.0 USDT at a lot of 0.001 BTC is 60 USDT a lot."""

import pytest

from services.strategy.base import PlaceOrder
from services.strategy.capital import has_capital
from services.strategy.desk import levels_block, make_rules
from services.strategy.instance import Instance, Options
from services.strategy.world import World
from shared.kernels.position import Position
from shared.messages.orders import OrderIntent, OrderType
from shared.units import Side

SYMBOL = "binance_usdm:BTCUSDT"


def held_back(capital_max, order, position_lots=0, open_orders=(), *, has_book=True):
    world = World()
    world.rules[SYMBOL] = make_rules(SYMBOL)
    if has_book:
        world.book(SYMBOL).snapshot(levels_block([(599_999, 10)], [(600_001, 10)]), 1, 1)
    instance = Instance("one", "grid", SYMBOL, b"", "v", Options(capital_max=capital_max))
    instance.position = Position(10_000)
    if position_lots:
        instance.position.apply_fill(0 if position_lots > 0 else 1, 600_000, abs(position_lots), 0)
    for n, (side, price, lots) in enumerate(open_orders):
        instance.orders.intend(
            OrderIntent(f"1-one-s{n}-1", "one", SYMBOL, side, price, lots, slot=f"s{n}"), 1
        )
    return has_capital(instance, world, order)


def buy(lots, price=600_000):
    return PlaceOrder("in", Side.BUY, price, lots, OrderType.LIMIT if price else OrderType.MARKET)


def sell(lots, price=600_000):
    return PlaceOrder("out", Side.SELL, price, lots)


@pytest.mark.req("ST-3")
@pytest.mark.parametrize(
    ("capital_max", "order", "position", "orders", "is_allowed"),
    [
        ("0", buy(1000), 0, (), True),
        ("120", buy(2), 0, (), True),
        ("119.99", buy(2), 0, (), False),
        ("180", buy(2), 1, (), True),
        ("179", buy(2), 1, (), False),
        ("180", buy(1), 0, ((Side.BUY, 600_000, 2),), True),
        ("179", buy(1), 0, ((Side.BUY, 600_000, 2),), False),
        ("60", buy(1), 0, ((Side.SELL, 600_000, 50),), True),
        ("60", buy(3), -2, (), True),
        ("59", buy(3), -2, (), False),
        ("1", sell(2), 2, (), True),
        ("59", sell(3), 2, (), False),
        ("60", buy(1, price=0), 0, (), False),
        ("61", buy(1, price=0), 0, (), True),
    ],
)
def test_the_worst_case_of_a_side_keeps_to_the_cap(capital_max, order, position, orders, is_allowed) -> None:
    problem = held_back(capital_max, order, position, orders)

    assert (problem == "") == is_allowed
    assert is_allowed or f"capital_max is {capital_max}" in problem


def test_what_cannot_be_valued_is_held_back() -> None:
    assert "no order can be valued" in held_back("100", buy(1), has_book=False)
