"""An instance comes back from its state as it was, one of an earlier build too."""

import msgspec
import pytest

from services.strategy.desk import Desk, make_rules
from services.strategy.instance_state import InstanceState, dump_instance, load_instance
from services.strategy.settings import InstanceSettings, StrategySettings
from services.strategy.world import World

SYMBOL = "binance_usdm:BTCUSDT"


def desk_of():
    instance = InstanceSettings(
        kind="avellaneda_stoikov",
        symbol=SYMBOL,
        params={"warmup_books": 0},
        flags={"half_size": True},
        on_pause="keep",
    )
    desk = Desk(
        StrategySettings(instances={"one": instance}, warmup_s=0, warmup_points=0), make_rules(SYMBOL)
    )
    desk.start()
    for _ in range(20):
        desk.step()
    return desk


@pytest.mark.req("ST-2")
def test_a_state_decodes_to_itself() -> None:
    state = dump_instance(desk_of().core.instance("one"))

    packed = msgspec.msgpack.encode(state, order="sorted")

    assert msgspec.msgpack.decode(packed, type=InstanceState) == state
    assert state.options.flags == ("half_size",)


def test_a_state_of_an_earlier_build_has_defaults_for_what_came_later() -> None:
    state = dump_instance(desk_of().core.instance("one"))
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(state))
    earlier = plain[: InstanceState.__struct_fields__.index("options")]

    found = msgspec.msgpack.decode(msgspec.msgpack.encode(earlier), type=InstanceState)

    assert (found.options.on_pause, found.shadow, found.blocked_n) == ("cancel", None, 0)
    assert found.orders == state.orders


def test_orders_of_a_build_that_did_not_tell_commands_from_quotes_are_the_quoters() -> None:
    instance = desk_of().core.instance("one")
    state = dump_instance(instance)
    state.quoted_slots = None

    load_instance(instance, state, World())

    assert set(instance.quoted_slots) == set(instance.orders.by_slot) != set()
