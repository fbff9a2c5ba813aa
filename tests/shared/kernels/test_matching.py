"""The queue of our resting paper orders: exact fixtures and conservation."""

import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels.book import Book
from shared.kernels.matching import RestingQueue

BUY, SELL = 0, 1


def a_book(bids, asks):
    book = Book()
    levels = array.array("q", [n for level in [*bids, *asks] for n in level]).tobytes()
    book.snapshot(levels, len(bids), 1)
    return book


@pytest.mark.req("BR-16")
def test_a_trade_at_our_price_first_eats_the_lots_ahead():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 10)

    assert queue.trade(SELL, 100, 6) == []
    assert queue.ahead_lots(1) == 4
    assert queue.trade(SELL, 100, 6) == [(1, 2)]


@pytest.mark.req("BR-16")
def test_a_trade_beyond_our_price_was_for_us():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 10)

    assert queue.trade(SELL, 99, 3) == [(1, 3)]
    assert queue.ahead_lots(1) == 0


def test_a_trade_that_does_not_reach_us_changes_nothing():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 10)

    assert queue.trade(SELL, 101, 50) == []
    assert queue.trade(BUY, 100, 50) == []
    assert queue.ahead_lots(1) == 10


def test_the_better_price_then_the_older_order_comes_first():
    queue = RestingQueue()
    queue.add(SELL, 1, 101, 2, 0)
    queue.add(SELL, 2, 100, 2, 0)
    queue.add(SELL, 3, 100, 2, 0)

    assert queue.trade(BUY, 101, 5) == [(2, 2), (3, 2), (1, 1)]
    assert queue.best_ticks(SELL) == 100
    assert queue.best_ticks(BUY) == 0


def test_lots_between_two_of_our_orders_are_eaten_between_them():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 10)
    queue.add(BUY, 2, 100, 5, 30)

    fills = queue.trade(SELL, 100, 37)

    # 10 ahead of the first, 5 for it, 20 between them, 2 for the second.
    assert fills == [(1, 5), (2, 2)]
    assert queue.ahead_lots(2) == 0


@pytest.mark.req("BR-16")
def test_cancels_of_others_are_shared_between_ahead_and_behind():
    queue = RestingQueue(True)
    queue.add(BUY, 1, 100, 5, 10)
    queue.sync(a_book([(100, 40)], [(102, 1)]), True)

    queue.sync(a_book([(100, 20)], [(102, 1)]), True)

    assert queue.ahead_lots(1) == 5


def test_in_the_strict_model_cancels_of_others_are_all_behind_us():
    queue = RestingQueue(False)
    queue.add(BUY, 1, 100, 5, 10)
    queue.sync(a_book([(100, 40)], [(102, 1)]), True)

    queue.sync(a_book([(100, 20)], [(102, 1)]), True)
    assert queue.ahead_lots(1) == 10

    queue.sync(a_book([(100, 6)], [(102, 1)]), True)
    assert queue.ahead_lots(1) == 6


def test_lots_that_were_traded_are_not_counted_as_cancels_again():
    queue = RestingQueue(True)
    queue.add(BUY, 1, 100, 5, 10)
    queue.trade(SELL, 100, 4)

    queue.sync(a_book([(100, 6)], [(102, 1)]), True)

    assert queue.ahead_lots(1) == 6


def test_after_a_break_only_the_size_of_the_level_is_evidence():
    queue = RestingQueue(True)
    queue.add(BUY, 1, 100, 5, 10)
    queue.sync(a_book([(100, 40)], [(102, 1)]), True)

    queue.sync(a_book([(100, 20)], [(102, 1)]), False)
    assert queue.ahead_lots(1) == 10

    queue.sync(a_book([(99, 20)], [(102, 1)]), False)
    assert queue.ahead_lots(1) == 0


def test_a_level_that_grows_grows_behind_us():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 10)

    queue.sync(a_book([(100, 500)], [(102, 1)]), True)

    assert queue.ahead_lots(1) == 10


@pytest.mark.req("BR-16")
def test_a_touch_does_not_cross_and_a_price_beyond_does():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 0)
    queue.add(SELL, 2, 103, 5, 0)

    assert queue.crossed(a_book([(98, 1)], [(100, 9)])) == []
    assert queue.crossed(a_book([(98, 1)], [(99, 9)])) == [1]
    assert queue.crossed(a_book([(104, 1)], [(105, 9)])) == [2]


def test_orders_are_reduced_removed_and_restored():
    queue = RestingQueue()
    for handle in range(40):
        queue.add(handle % 2, handle, 100 + handle, 5, 1)

    assert queue.reduce(7, 5)
    assert not queue.reduce(7, 1)
    assert queue.remove(8)
    assert not queue.remove(8)
    assert queue.ahead_lots(8) == -1
    assert len(queue) == 38

    copy = RestingQueue()
    copy.load(queue.dump())
    assert copy.dump() == queue.dump()


@pytest.mark.parametrize("row", [(2, 1, 100, 5, 0), (0, 1, 0, 5, 0), (0, 1, 100, 0, 0), (0, 1, 100, 5, -1)])
def test_an_order_out_of_range_is_refused(row):
    with pytest.raises(ValueError, match="must be"):
        RestingQueue().add(*row)


def test_a_fill_beyond_what_is_left_is_refused():
    queue = RestingQueue()
    queue.add(BUY, 1, 100, 5, 0)

    with pytest.raises(ValueError, match="6 lots of 5 left"):
        queue.reduce(1, 6)


def test_huge_levels_do_not_overflow():
    queue = RestingQueue(True)
    queue.add(BUY, 1, 100, 5, 4 * 10**14)
    queue.sync(a_book([(100, 8 * 10**14)], [(102, 1)]), True)

    queue.sync(a_book([(100, 4 * 10**14)], [(102, 1)]), True)

    assert queue.ahead_lots(1) == 2 * 10**14


events = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(95, 105), st.integers(1, 9), st.integers(0, 20)),
        st.tuples(st.just("trade"), st.integers(95, 105), st.integers(1, 30), st.integers(0, 1)),
        st.tuples(st.just("book"), st.integers(95, 105), st.integers(0, 30), st.booleans()),
    ),
    max_size=40,
)


@pytest.mark.req("BR-16")
@given(events=events, pro_rata=st.booleans())
@settings(max_examples=100, deadline=None)
def test_no_lot_fills_twice_and_no_place_gets_worse(events, pro_rata):
    queue = RestingQueue(pro_rata)
    leaves = {}
    for number, (kind, price, lots, extra) in enumerate(events):
        before = {handle: queue.ahead_lots(handle) for handle in leaves}
        if kind == "add":
            side = number % 2
            queue.add(side, number, price, lots, extra)
            leaves[number] = lots
        elif kind == "trade":
            fills = queue.trade(extra, price, lots)
            assert sum(filled for _, filled in fills) <= lots
            for handle, filled in fills:
                assert 0 < filled <= leaves[handle]
                leaves[handle] -= filled
                queue.reduce(handle, filled)
        else:
            queue.sync(a_book([(price, lots)] if lots else [], [(200, 1)]), extra)
        leaves = {handle: left for handle, left in leaves.items() if left}
        assert all(0 <= queue.ahead_lots(h) <= before.get(h, 10**9) for h in leaves)
    assert len(queue) == len(leaves)


@pytest.mark.req("BR-16")
@pytest.mark.parametrize(("share_ppm", "ahead"), [(1_000_000, 75), (500_000, 88), (0, 100)])
def test_a_calibrated_share_takes_only_its_part_of_a_cancel_from_ahead(share_ppm, ahead):
    # Given 100 ahead of us and 100 behind: of 50 cancelled lots pro rata takes 25 from ahead.
    book = a_book([(1000, 100)], [])
    queue = RestingQueue(True)
    queue.set_share(share_ppm)
    queue.add(0, 1, 1000, 5, 100)
    book.update(array.array("q", [1000, 200]).tobytes(), 1, 2)
    queue.sync(book, True)

    book.update(array.array("q", [1000, 150]).tobytes(), 1, 3)
    queue.sync(book, True)

    assert queue.ahead_lots(1) == ahead


def test_a_share_outside_of_its_range_is_refused():
    with pytest.raises(ValueError, match="share -1 ppm"):
        RestingQueue(True).set_share(-1)
