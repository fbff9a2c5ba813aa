"""The FIFO matching core against a plain list of orders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.matching import BUY, SELL, Match, MatchingBook, UpdateIds


class PlainBook:
    """The rules of price-time priority, written as slowly and plainly as possible."""

    def __init__(self) -> None:
        self.orders: list[list[int]] = []

    def submit(self, order_id: int, side: int, price: int, lots: int, is_ioc: bool) -> list[Match]:
        matches = []
        while lots:
            others = [
                o for o in self.orders if o[1] != side and (o[2] <= price if side == BUY else o[2] >= price)
            ]
            if not others:
                break
            best = min(others, key=lambda o: (o[2] if side == BUY else -o[2], self.orders.index(o)))
            traded = min(lots, best[3])
            matches.append(Match(best[0], order_id, side, best[2], traded))
            lots -= traded
            best[3] -= traded
            if best[3] == 0:
                self.orders.remove(best)
        if lots and not is_ioc:
            self.orders.append([order_id, side, price, lots])
        return matches

    def cancel(self, order_id: int) -> int:
        for order in self.orders:
            if order[0] == order_id:
                self.orders.remove(order)
                return order[3]
        return 0

    def levels(self, side: int) -> list[tuple[int, int]]:
        totals: dict[int, int] = {}
        for _, at, price, lots in self.orders:
            if at == side:
                totals[price] = totals.get(price, 0) + lots
        return sorted(totals.items(), reverse=side == BUY)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["rest", "ioc"]),
            st.sampled_from([BUY, SELL]),
            st.integers(95, 105),
            st.integers(1, 9),
        ),
        st.tuples(st.just("cancel"), st.integers(1, 40)),
    ),
    max_size=60,
)


@pytest.mark.req("BT-7")
@given(ACTIONS)
@settings(max_examples=100, deadline=None)
def test_orders_match_by_price_then_time_like_the_plain_rules(actions):
    book, plain = MatchingBook(UpdateIds(0)), PlainBook()
    told: dict[tuple[int, int], int] = {}
    last_id = 0

    for order_id, action in enumerate(actions, start=1):
        if action[0] == "cancel":
            assert book.cancel(action[1]) == plain.cancel(action[1])
        else:
            kind, side, price, lots = action
            before = sum(order[3] for order in plain.orders)
            matches = book.submit(order_id, side, price, lots, is_ioc=kind == "ioc")
            assert matches == plain.submit(order_id, side, price, lots, kind == "ioc")
            # Conservation: what was traded left the book, and no more than was ordered.
            traded = sum(match.lots for match in matches)
            rested = sum(lots for _, lots in book.queue(side, price)) if book.has(order_id) else 0
            assert traded <= lots
            after = sum(order[3] for order in plain.orders)
            assert after == before - traded + (lots - traded if kind == "rest" else 0)
            assert rested >= (lots - traded if kind == "rest" and traded < lots else 0)
        # The book is what the plain rules say, and never crossed.
        assert [book.levels(side, 99) for side in (BUY, SELL)] == [plain.levels(side) for side in (BUY, SELL)]
        assert not book.best(BUY) or not book.best(SELL) or book.best(BUY) < book.best(SELL)
        # Diffs alone rebuild the levels, and their ids follow each other.
        if order_id % 3 == 0 and book.changed:
            assert book.first_id == last_id + 1
            last_id = book.last_id
            for side, levels in enumerate(book.drain()):
                told |= {(side, price): lots for price, lots in levels}
            assert {k: v for k, v in told.items() if v} == {
                (side, price): lots for side in (BUY, SELL) for price, lots in plain.levels(side)
            }


@given(ACTIONS)
@settings(max_examples=50, deadline=None)
def test_a_book_loaded_from_its_dump_matches_the_same(actions):
    book, again = MatchingBook(UpdateIds(0)), MatchingBook(UpdateIds(0))
    for order_id, action in enumerate(actions, start=1):
        if action[0] != "cancel":
            book.submit(order_id, *action[1:], is_ioc=action[0] == "ioc")

    again.load(book.dump())

    assert again.dump() == book.dump()
    assert again.submit(999, BUY, 200, 25) == book.submit(999, BUY, 200, 25)
    assert again.lots_until(SELL, 200) == book.lots_until(SELL, 200)


def test_levels_and_queues_are_read_best_and_oldest_first():
    book = MatchingBook(UpdateIds(0))
    for order_id, (side, price, lots) in enumerate(
        [(BUY, 99, 1), (BUY, 100, 2), (BUY, 100, 3), (SELL, 102, 4)]
    ):
        book.submit(order_id, side, price, lots)

    assert book.levels(BUY, 1) == [(100, 5)]
    assert book.queue(BUY, 100) == [(1, 2), (2, 3)]
    assert book.resting_better(BUY, 99) == [1, 2]
    assert book.resting_better(SELL, 102) == []
    assert (book.lots_until(BUY, 100), book.lots_until(BUY, 99), book.lots_until(SELL, 101)) == (5, 6, 0)
    assert book.cancel(77) == 0


@pytest.mark.parametrize(("price", "lots"), [(0, 1), (1, 0), (-5, 1), (1, -1)])
def test_an_order_without_price_or_quantity_is_refused(price, lots):
    with pytest.raises(AssertionError, match="must be above 0"):
        MatchingBook(UpdateIds(0)).submit(1, BUY, price, lots)
