import pytest

from services.strategy.desk import levels_block, make_rules
from services.strategy.world import World

SYMBOL = "binance_usdm:BTCUSDT"


def good():
    world = World()
    world.rules[SYMBOL] = make_rules(SYMBOL)
    world.book(SYMBOL).snapshot(levels_block([(99, 5)], [(101, 5)]), 1, 7)
    return world


@pytest.mark.req("I-27", "I-29")
def test_each_thing_that_is_wrong_is_a_reason_to_hold() -> None:
    assert good().hold_reason(SYMBOL, "mm") == ""

    world = good()
    world.is_killed = True
    assert world.hold_reason(SYMBOL, "mm") == "killed"

    world = good()
    world.stop()
    assert world.hold_reason(SYMBOL, "mm") == "the mesh is being stopped"
    world.begin_epoch(1)
    assert world.hold_reason(SYMBOL, "mm") == ""

    world = good()
    world.silent = {"risk", "broker"}
    assert world.hold_reason(SYMBOL, "mm") == "broker is silent"

    world = good()
    world.trading_state, world.trading_reason = "halted", "loss"
    assert world.hold_reason(SYMBOL, "mm") == "halted: loss"

    world = good()
    world.book(SYMBOL).invalidate()
    assert world.hold_reason(SYMBOL, "mm") == "book not trusted"

    assert good().hold_reason("binance:BTCUSDT", "mm") == "no rules of binance:BTCUSDT yet"


def test_a_loaded_world_is_the_saved_one_books_included() -> None:
    world, other = good(), World()
    world.book("binance:BTCUSDT")
    world.is_killed = True
    world.silent = {"risk"}
    world.finished = {"binance"}
    world.trading_state = "reducing"
    world.begin_epoch(5)
    world.stop()

    other.load(world.dump())

    assert other.dump() == world.dump()
    assert other.is_reducing
    assert other.is_finished("binance:BTCUSDT")
    assert other.book(SYMBOL).is_trusted
    assert not other.book("binance:BTCUSDT").is_valid
    assert other.book(SYMBOL).update(b"", 0, 8)


def test_each_reason_to_reduce_is_told_for_the_part_it_holds():
    world = good()
    assert world.reducing_reason("mm", SYMBOL) == ""

    world.set_scope("mm", "", "reducing", "losing_streak: 5 losing round trips in a row")
    world.trading_state, world.trading_reason = "reducing", "market_data is silent"

    both = "only reducing: market_data is silent; losing_streak: 5 losing round trips in a row"
    assert world.reducing_reason("mm", SYMBOL) == both
    assert world.reducing_reason("grid", SYMBOL) == "only reducing: market_data is silent"
