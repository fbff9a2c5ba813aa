"""Executions that were booked, and ids that only this system makes."""

import pytest

from services.broker.live_order import (
    SYNTHETIC,
    TRADE_IDS_KEPT,
    TradeMemory,
    is_later,
    slot_of,
    strategy_of,
)


@pytest.mark.req("BR-11")
def test_an_execution_is_seen_once_and_for_ever():
    memory = TradeMemory()
    for n in range(1, TRADE_IDS_KEPT + 501):
        assert not memory.is_seen(str(n))
        memory.add(str(n))

    assert len(memory.ids) == TRADE_IDS_KEPT
    assert all(memory.is_seen(str(n)) for n in range(1, TRADE_IDS_KEPT + 501))
    assert not memory.is_seen(str(TRADE_IDS_KEPT + 501))


def test_the_last_id_is_the_highest_and_never_one_of_our_own_making():
    memory = TradeMemory()

    for trade_id in ("12", "9", f"{SYNTHETIC}3-0-5"):
        memory.add(trade_id)

    assert memory.last_id == "12"
    assert memory.is_seen(f"{SYNTHETIC}3-0-5")


def test_going_back_names_the_id_after_which_the_newest_come_again():
    memory = TradeMemory()
    for n in range(1, 8):
        memory.add(str(n))

    assert memory.go_back(3) == "4"
    assert memory.go_back(7) == ""
    assert TradeMemory().go_back(3) == ""


def test_a_copy_is_another():
    memory = TradeMemory()
    memory.add("1")

    other = memory.copy()
    other.add("2")

    assert (memory.is_seen("2"), other.is_seen("1"), memory.last_id) == (False, True, "1")


def test_two_memories_share_nothing():
    TradeMemory().add("1")

    assert not TradeMemory().is_seen("1")


@pytest.mark.parametrize(("one", "other", "later"), [("10", "9", True), ("9", "10", False), ("b", "a", True)])
def test_ids_that_are_numbers_are_compared_as_numbers(one, other, later):
    assert is_later(one, other) is later


@pytest.mark.req("BR-4")
@pytest.mark.parametrize(
    ("order_id", "strategy", "slot"),
    [
        ("tovk28-grid_eth-n13-1p", "grid_eth", "n13"),
        ("7-mm-b0-1", "mm", "b0"),
        ("web_60dd710212058", "", ""),
        ("x991", "", ""),
        ("a-b-c", "", ""),
        ("7-MM-b0-1", "", ""),
        ("", "", ""),
    ],
)
def test_an_id_of_ours_tells_strategy_and_slot_and_no_other_does(order_id, strategy, slot):
    assert (strategy_of(order_id), slot_of(order_id)) == (strategy, slot)
