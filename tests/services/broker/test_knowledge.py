"""What the broker knows: money held back, and settings that come with its own start."""

from dataclasses import replace
from decimal import Decimal

import pytest

from services.broker.settings import BrokerSettings
from shared.messages import system
from shared.messages.orders import OrderType
from shared.settings import pack
from shared.units import Side


@pytest.mark.req("BR-19")
def test_open_buys_and_past_fills_are_held_back_from_the_spot_wallet(make_bench):
    bench = make_bench(broker=replace(BrokerSettings(), initial_balance=Decimal(5000))).start()
    rules = bench.rules(bench.SPOT)
    bench.resting(Side.BUY, 599_990, 10, symbol=bench.SPOT)
    bench.resting(Side.BUY, 0, 10, symbol=bench.SPOT, order_type=OrderType.MARKET)
    bench.fill_position(Side.BUY, 10)
    bench.pass_ms(1000)

    some = next(iter(bench.broker.known.orders.values()))
    other = replace_id(some)
    free = bench.broker.known.free_cash_atoms(other, rules)

    open_buy = -(-599_990 * 10 * 10_000 * 1_000_200 // 1_000_000)
    filled = 600_010 * 10 * 10_000
    fee = -(-filled * 500 // 1_000_000)
    assert free == 5000 * 10**8 - open_buy - filled - fee
    # Its own reservation does not count against an order, and the perpetual has another wallet.
    assert bench.broker.known.free_cash_atoms(some, rules) == free + open_buy


def replace_id(order):
    values = {name: getattr(order, name) for name in order.__struct_fields__}
    return type(order)(**{**values, "client_order_id": "other"})


def test_settings_come_with_the_own_start(bench):
    strict = replace(BrokerSettings(), queue_model="behind", seed=9)

    bench.say("bus", system.ServiceStarted("broker", 2, "bench", pack(strict), ["broker"]))

    assert bench.broker.known.settings == strict


def test_settings_of_others_change_nothing(bench):
    before = bench.broker.known.settings

    bench.say("bus", system.ServiceStarted("risk", 2, "bench", pack(BrokerSettings(seed=9)), ["risk"]))

    assert bench.broker.known.settings == before
