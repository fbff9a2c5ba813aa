import itertools

import pytest

from services.strategy.grid_slots import (
    STATES,
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


LEGAL = """
not_placed free         | asked          > not_placed pending
filled free             | asked          > not_placed pending
canceled free           | asked          > not_placed pending
not_placed pending      | sent           > placed pending
not_placed pending      | cancel_asked   > cancel_requested pending
not_placed pending      | refused        > not_placed free
not_placed pending      | in_doubt       > placed pending
placed pending          | sent           > placed pending
placed pending          | accepted       > confirmed locked
placed pending          | filled_part    > partially_filled locked
placed pending          | filled_all     > filled free
placed pending          | cancel_asked   > cancel_requested pending
placed pending          | cancel_refused > placed pending
placed pending          | canceled       > canceled free
placed pending          | refused        > not_placed free
placed pending          | in_doubt       > placed pending
placed locked           | accepted       > confirmed locked
placed locked           | filled_part    > partially_filled locked
placed locked           | filled_all     > filled free
placed locked           | cancel_asked   > cancel_requested locked
placed locked           | cancel_refused > placed locked
placed locked           | canceled       > canceled free
placed locked           | in_doubt       > placed pending
confirmed locked        | accepted       > confirmed locked
confirmed locked        | filled_part    > partially_filled locked
confirmed locked        | filled_all     > filled free
confirmed locked        | cancel_asked   > cancel_requested locked
confirmed locked        | cancel_refused > confirmed locked
confirmed locked        | canceled       > canceled free
confirmed locked        | in_doubt       > placed pending
partially_filled locked | accepted       > partially_filled locked
partially_filled locked | filled_part    > partially_filled locked
partially_filled locked | filled_all     > filled free
partially_filled locked | cancel_asked   > cancel_requested locked
partially_filled locked | cancel_refused > partially_filled locked
partially_filled locked | canceled       > canceled free
partially_filled locked | in_doubt       > placed pending
cancel_requested pending| sent           > cancel_requested pending
cancel_requested pending| accepted       > cancel_requested locked
cancel_requested pending| filled_part    > cancel_requested locked
cancel_requested pending| filled_all     > filled free
cancel_requested pending| cancel_asked   > cancel_requested pending
cancel_requested pending| cancel_refused > placed pending
cancel_requested pending| canceled       > canceled free
cancel_requested pending| refused        > not_placed free
cancel_requested pending| in_doubt       > cancel_requested pending
cancel_requested locked | accepted       > cancel_requested locked
cancel_requested locked | filled_part    > cancel_requested locked
cancel_requested locked | filled_all     > filled free
cancel_requested locked | cancel_asked   > cancel_requested locked
cancel_requested locked | cancel_refused > placed locked
cancel_requested locked | canceled       > canceled free
cancel_requested locked | in_doubt       > cancel_requested pending
"""


def legal_rows():
    """Return {(order, lock, happened): (order, lock)} of the table above, written by hand."""
    found = {}
    for line in LEGAL.strip().splitlines():
        before, _, rest = line.partition("|")
        happened, _, after = rest.partition(">")
        order, lock = before.split()
        then_order, then_lock = after.split()
        key = SlotOrder(order), Lock(lock), Happened(happened.strip())
        found[key] = SlotOrder(then_order), Lock(then_lock)
    return found


@pytest.mark.req("ST-18")
@pytest.mark.parametrize("happened", Happened)
@pytest.mark.parametrize("order", SlotOrder)
def test_each_of_all_combinations_goes_where_the_table_says_or_raises(order, happened) -> None:
    legal = legal_rows()
    for lock, held_lots in itertools.product(Lock, (0, 5)):
        slot = Slot(3, 1000, order, lock, "" if happened is Happened.ASKED else "id", held_lots)
        before = (slot.order, slot.lock, slot.held, slot.order_id)

        if (order, lock, happened) in legal:
            slot.take(happened, "id")
            assert (slot.order, slot.lock) == legal[order, lock, happened]
            # the position is moved by fills alone, the id is that of the live order
            assert slot.held is before[2]
            assert slot.order_id == ("" if slot.lock is Lock.FREE else "id")
        else:
            with pytest.raises(IllegalTransitionError, match="cannot happen to a slot"):
                slot.take(happened, "id")
            assert (slot.order, slot.lock, slot.held, slot.order_id) == before


@pytest.mark.req("ST-18")
def test_no_walk_leaves_the_states_of_the_table_and_each_is_reached() -> None:
    seen, waiting = set(), [(SlotOrder.NOT_PLACED, Lock.FREE)]
    while waiting:
        order, lock = waiting.pop()
        if (order, lock) in seen:
            continue
        seen.add((order, lock))
        for happened in Happened:
            slot = Slot(3, 1000, order, lock, "" if happened is Happened.ASKED else "id")
            try:
                slot.take(happened, "id")
            except IllegalTransitionError:
                continue
            waiting.append((slot.order, slot.lock))

    assert seen == {key[:2] for key in legal_rows()} == STATES


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
