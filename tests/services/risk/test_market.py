"""What risk sees of one market: mark, freshness and value."""

import array

from services.risk.market import Market
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate


def levels(*pairs):
    return array.array("q", [n for pair in pairs for n in pair]).tobytes()


def test_the_mark_is_the_last_mid_of_a_trusted_book():
    market = Market("m:X")
    assert market.mark_centiticks is None

    market.apply(BookSnapshot("m:X", 1, 1, 1, levels((100, 1), (103, 1)), "start", 0, 0), 10)
    assert (market.mark_centiticks, market.fresh_ns) == (10150, 10)

    market.apply(BookInvalid("m:X", "gap"), 20)
    assert not market.book.is_trusted
    assert (market.mark_centiticks, market.fresh_ns) == (10150, 10)


def test_a_gap_in_the_updates_invalidates_at_that_event():
    market = Market("m:X")
    market.apply(BookSnapshot("m:X", 1, 1, 1, levels((100, 1), (103, 1)), "start", 0, 0), 10)

    market.apply(BookUpdate("m:X", 3, 1, 1, 1, levels((101, 1)), 0, 0), 20)

    assert not market.book.is_trusted
    assert market.fresh_ns == 10


def test_value_is_rounded_up(make_bench):
    market = Market(make_bench.PERP)
    market.rules = make_bench.rules(tick_lot_atoms=1)
    market.mark_half_ticks = 201

    assert market.value_atoms(-3) == 302
