"""Prices that orders wait for."""

from services.venue_sim.exchange.triggers import Trigger, Triggers


def test_a_trigger_is_reached_from_its_side_only():
    assert Trigger(100, is_falling=True).is_reached(100, 120)
    assert not Trigger(100, is_falling=True).is_reached(101, 120)
    assert Trigger(100, is_falling=False).is_reached(90, 100)
    assert not Trigger(100, is_falling=False).is_reached(90, 99)


def test_what_is_due_is_told_once_and_oldest_first():
    triggers = Triggers()
    for order_id, price in ((3, 100), (1, 99), (2, 50)):
        triggers.add("X", order_id, Trigger(price, is_falling=True))

    assert triggers.due("X", 99, 120) == [3, 1]
    assert triggers.due("X", 99, 120) == []
    triggers.remove("X", 2)
    triggers.remove("X", 2)
    assert triggers.of_symbol == {}
