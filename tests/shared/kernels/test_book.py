"""The book keeps every level exactly, wherever the window is (MD-4; DESIGN.md rule 7)."""

import struct

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared.kernels.book import Book

BUY, SELL = 0, 1
ALL = 10**9

near = st.integers(min_value=-40, max_value=40)
far = st.integers(min_value=-60_000, max_value=60_000)
window_edges = st.sampled_from([-12_289, -12_288, -8_192, -4_096, 4_095, 4_096, 8_192, 16_383, 16_384])
offsets = st.one_of(near, near, far, window_edges)
lots = st.sampled_from([0, 0, 1, 7, 10**15])
changes = st.lists(st.tuples(offsets, lots), max_size=8)
jumps = st.sampled_from([0, 0, 1, -1, 500, -3_000, 20_000, -20_000, 10**9, -(10**9)])
steps = st.lists(st.tuples(jumps, changes, changes, st.integers(0, 5)), min_size=1, max_size=25)


def around(centre: int, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(max(1, centre + offset), count) for offset, count in pairs]


def assert_same(book: Book, naive) -> None:
    bids, asks = naive.levels(BUY), naive.levels(SELL)
    assert book.levels(BUY, ALL) == bids
    assert book.levels(SELL, ALL) == asks
    assert (book.bid_ticks, book.bid_lots) == (bids[0] if bids else (0, 0))
    assert (book.ask_ticks, book.ask_lots) == (asks[0] if asks else (0, 0))
    for side, levels in ((BUY, bids), (SELL, asks)):
        for depth in (1, 5, 64, 200):
            assert book.depth_lots(side, depth) == sum(count for _, count in levels[:depth])
        for price, count in levels:
            assert book.lots_at(side, price) == count
            assert book.lots_at(side, price + 1) == naive.sides[side].get(price + 1, 0)
    crossed = bool(bids) and bool(asks) and bids[0][0] >= asks[0][0]
    assert book.is_trusted == (book.is_valid and bool(bids) and bool(asks) and not crossed)


@pytest.mark.req("MD-4")
@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10**12), steps)
def test_a_book_equals_two_dictionaries_after_any_updates(block, naive_book, centre, steps):
    book, naive = Book(), naive_book()
    book.snapshot(*block([], []), 0)

    for number, (jump, bid_changes, ask_changes, deleted) in enumerate(steps, 1):
        centre = min(max(1, centre + jump), 10**12 - 70_000)
        # some of the best levels vanish too: the next best must appear, from the far store if need be
        bids = around(centre, bid_changes) + [(price, 0) for price, _ in naive.levels(BUY)[:deleted]]
        asks = around(centre, ask_changes) + [(price, 0) for price, _ in naive.levels(SELL)[:deleted]]

        assert book.update(*block(bids, asks), number)

        naive.change(bids, asks)
        assert_same(book, naive)


@pytest.mark.req("MD-4")
@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**9), changes, changes, jumps, changes, changes)
def test_a_snapshot_replaces_everything_and_a_dump_restores_it(
    block, naive_book, centre, bids, asks, jump, other_bids, other_asks
):
    book, naive = Book(), naive_book()
    book.snapshot(*block(around(centre, bids), around(centre, asks)), 4)
    centre = max(1, centre + jump)
    naive.replace(around(centre, other_bids), around(centre, other_asks))

    book.snapshot(*block(around(centre, other_bids), around(centre, other_asks)), 9)

    assert_same(book, naive)
    assert book.update_n == 9
    restored = Book()
    restored.snapshot(*book.dump(), book.update_n)
    assert_same(restored, naive)
    assert restored.dump() == book.dump()


@pytest.mark.req("MD-4")
def test_a_dump_lists_both_sides_best_first(block):
    book = Book()
    book.snapshot(*block([(5, 1), (7, 2), (6, 3)], [(90_000, 4), (8, 5)]), 1)

    levels, bid_count = book.dump()

    assert bid_count == 3
    assert list(struct.iter_unpack("<qq", levels)) == [(7, 2), (6, 3), (5, 1), (8, 5), (90_000, 4)]


@pytest.mark.req("MD-4")
@pytest.mark.parametrize("update_n", [5, 4, 7, 0, -1])
def test_any_update_that_is_not_the_next_makes_the_book_invalid_until_a_snapshot(block, update_n):
    book = Book()
    book.snapshot(*block([(10, 1)], [(11, 1)]), 5)

    assert not book.update(*block([(10, 9)], []), update_n)

    assert not book.is_valid
    assert not book.is_trusted
    assert book.bid_lots == 1
    assert not book.update(*block([(10, 9)], []), 6)
    book.snapshot(*block([(10, 2)], [(11, 1)]), 40)
    assert book.update(*block([(10, 3)], []), 41)
    assert book.is_trusted


def test_a_new_book_is_empty_invalid_and_refuses_updates(block):
    book = Book()

    assert not book.update(*block([(10, 1)], []), 1)

    assert not book.is_valid
    assert (book.bid_ticks, book.bid_lots, book.ask_ticks, book.ask_lots) == (0, 0, 0, 0)
    assert book.levels(BUY, 5) == []
    assert book.dump() == (b"", 0)


def test_an_invalidated_book_stays_readable(block):
    book = Book()
    book.snapshot(*block([(10, 1)], [(11, 1)]), 5)

    book.invalidate()

    assert not book.is_trusted
    assert book.bid_ticks == 10
    assert not book.update(*block([], []), 6)


@pytest.mark.req("MD-4")
@pytest.mark.parametrize(
    ("bids", "asks"), [([(10, 1)], []), ([], [(10, 1)]), ([(10, 1)], [(10, 1)]), ([(11, 1)], [(10, 1)])]
)
def test_a_one_sided_locked_or_crossed_book_is_valid_but_not_trusted(block, bids, asks):
    book = Book()

    book.snapshot(*block(bids, asks), 1)

    assert book.is_valid
    assert not book.is_trusted


@pytest.mark.parametrize(
    "pair",
    [(0, 1), (-5, 1), (10, -1), (10**12 + 1, 1), (10, 10**15 + 1), (-(2**63), 1), (2**63 - 1, 2**63 - 1)],
)
def test_a_level_out_of_range_is_refused_and_changes_nothing(block, pair):
    book = Book()
    book.snapshot(*block([(10, 1)], [(11, 1)]), 5)
    before = book.dump()

    for bids, asks in (([(9, 4), pair], []), ([], [(12, 4), pair])):
        with pytest.raises(ValueError, match=str(pair[0])):
            book.update(*block(bids, asks), 6)
        with pytest.raises(ValueError, match=str(pair[1])):
            book.snapshot(*block(bids, asks), 6)

    assert book.dump() == before
    assert book.update_n == 5
    assert book.is_valid


@pytest.mark.parametrize(("size", "bid_count"), [(15, 0), (17, 0), (16, 2), (16, -1)])
def test_a_malformed_block_is_refused(size, bid_count):
    book = Book()

    with pytest.raises(ValueError, match=f"{size} bytes with {bid_count} bids"):
        book.snapshot(b"\x01" * size, bid_count, 1)

    assert not book.is_valid


def test_only_bytes_are_a_block():
    with pytest.raises(TypeError):
        Book().snapshot([(10, 1)], 1, 1)


def test_a_side_that_is_none_is_refused(block):
    book = Book()

    for read in (lambda: book.levels(2, 1), lambda: book.lots_at(-1, 5), lambda: book.depth_lots(7, 1)):
        with pytest.raises(ValueError, match="must be 0"):
            read()


@pytest.mark.req("MD-4")
def test_a_better_level_far_above_the_window_becomes_the_best_and_its_end_brings_the_old_one_back(block):
    book = Book()
    book.snapshot(*block([(1_000, 1), (999, 2)], [(1_001, 3)]), 1)

    book.update(*block([(900_000, 4)], []), 2)

    assert book.levels(BUY, 9) == [(900_000, 4), (1_000, 1), (999, 2)]
    book.update(*block([(900_000, 0)], []), 3)
    assert book.levels(BUY, 9) == [(1_000, 1), (999, 2)]
    assert book.is_trusted


def test_deleting_levels_that_do_not_exist_changes_nothing(block):
    book = Book()
    book.snapshot(*block([(1_000, 1)], []), 1)

    assert book.update(*block([(999, 0), (1, 0), (10**12, 0)], [(5, 0), (10**12, 0)]), 2)

    assert book.dump() == block([(1_000, 1)], [])
