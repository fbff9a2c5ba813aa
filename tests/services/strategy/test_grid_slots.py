import itertools

import pytest

from services.strategy.grid_slots import (
    LOCK_NEXT,
    ORDER_NEXT,
    Happened,
    HeldState,
    IllegalTransitionError,
    Lock,
    Slot,
    SlotOrder,
)


def walked(*steps):
    slot = Slot(3, 1000)
    for step in steps:
        slot.take(step, "id")
    return slot


@pytest.mark.req("ST-18")
def test_a_buy_goes_from_free_over_pending_and_locked_to_free() -> None:
    slot = Slot(3, 1000)
    seen = []

    for step in (Happened.ASKED, Happened.SENT, Happened.ACCEPTED, Happened.FILLED_PART, Happened.FILLED_ALL):
        slot.take(step, "id")
        seen.append((slot.order, slot.lock))

    assert seen == [
        (SlotOrder.NOT_PLACED, Lock.PENDING),
        (SlotOrder.PLACED, Lock.PENDING),
        (SlotOrder.CONFIRMED, Lock.LOCKED),
        (SlotOrder.PARTIALLY_FILLED, Lock.LOCKED),
        (SlotOrder.FILLED, Lock.FREE),
    ]
    assert slot.order_id == ""


@pytest.mark.req("ST-18")
@pytest.mark.parametrize(
    ("happened", "order", "lock"), [*itertools.product(Happened, SlotOrder, Lock)], ids=str
)
def test_a_transition_is_in_the_table_or_raises(happened, order, lock) -> None:
    slot = Slot(3, 1000, order, lock, "" if happened is Happened.ASKED else "id")
    is_legal = order in ORDER_NEXT[happened] and lock in LOCK_NEXT[happened]

    if is_legal:
        slot.take(happened, "id")
        assert (slot.order, slot.lock) == (ORDER_NEXT[happened][order], LOCK_NEXT[happened][lock])
    else:
        with pytest.raises(IllegalTransitionError, match="cannot happen to a slot"):
            slot.take(happened, "id")


@pytest.mark.req("ST-19")
def test_a_slot_with_an_order_takes_no_other() -> None:
    slot = walked(Happened.ASKED)

    with pytest.raises(IllegalTransitionError, match="asked for other but has id"):
        slot.take(Happened.ASKED, "other")


@pytest.mark.req("ST-19")
def test_only_an_empty_free_slot_buys_and_only_a_filled_free_one_sells() -> None:
    empty, held, busy = Slot(1, 10), Slot(1, 10, held_lots=4), walked(Happened.ASKED)

    assert (empty.may_enter, empty.may_exit, empty.held) == (True, False, HeldState.EMPTY)
    assert (held.may_enter, held.may_exit, held.held) == (False, True, HeldState.FILLED)
    assert (busy.may_enter, busy.may_exit) == (False, False)


@pytest.mark.req("ST-20", "I-05")
def test_a_slot_in_doubt_stays_pending_until_evidence_comes() -> None:
    slot = walked(Happened.ASKED, Happened.SENT, Happened.ACCEPTED, Happened.IN_DOUBT)
    assert slot.lock is Lock.PENDING
    assert not slot.is_idle

    slot.take(Happened.CANCELED, "id")

    assert slot.is_idle


@pytest.mark.req("ST-27")
def test_an_acknowledgement_after_a_fill_changes_nothing() -> None:
    slot = walked(Happened.ASKED, Happened.SENT, Happened.FILLED_PART)

    slot.take(Happened.ACCEPTED, "id")

    assert (slot.order, slot.lock) == (SlotOrder.PARTIALLY_FILLED, Lock.LOCKED)


def test_what_is_said_of_an_earlier_order_is_ignored() -> None:
    slot = walked(Happened.ASKED)

    slot.take(Happened.FILLED_ALL, "older")

    assert (slot.order, slot.lock, slot.order_id) == (SlotOrder.NOT_PLACED, Lock.PENDING, "id")


@pytest.mark.req("I-05")
@pytest.mark.parametrize(
    "outcome", [Happened.ACCEPTED, Happened.REFUSED, Happened.CANCELED, Happened.FILLED_ALL]
)
def test_after_a_doubt_any_outcome_may_follow(outcome) -> None:
    for before in (
        [],
        [Happened.SENT],
        [Happened.SENT, Happened.ACCEPTED],
        [Happened.SENT, Happened.FILLED_PART],
    ):
        slot = walked(Happened.ASKED, *before, Happened.IN_DOUBT)

        slot.take(outcome, "id")
