"""One paper market: walking, consuming, and the state of both views over the book."""

import pytest

from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate
from shared.paper.market import PaperMarket, Part, QueuePlace
from shared.units import Side


@pytest.fixture
def place(make_bench):
    place = PaperMarket(make_bench.PERP, QueuePlace())
    place.rules = make_bench.rules()
    asks = [(101 + n, 1) for n in range(400)]
    levels = make_bench.block([(100, 7)], asks)
    place.apply(BookSnapshot(place.symbol, 1, 1, 1, levels, "start", 0, 0), 5)
    return place


def test_a_walk_goes_as_deep_as_it_must(place):
    assert len(place.walk(Side.BUY, 0, 399)) == 399
    assert sum(part.lots for part in place.walk(Side.BUY, 0, 10**6)) == 400
    assert place.walk(Side.BUY, 102, 9) == [Part(101, 1), Part(102, 1)]
    assert place.walk(Side.SELL, 100, 9) == [Part(100, 7)]
    assert place.walk(Side.SELL, 101, 9) == []


@pytest.mark.req("BR-14")
def test_what_was_taken_is_gone_until_the_level_changes(place, make_bench):
    place.take(Side.SELL, 101, 1)
    assert place.walk(Side.BUY, 102, 9) == [Part(102, 1)]

    place.apply(BookUpdate(place.symbol, 2, 2, 2, 0, make_bench.block([], [(300, 5)]), 0, 0), 6)
    assert place.walk(Side.BUY, 102, 9) == [Part(102, 1)]

    place.apply(BookUpdate(place.symbol, 3, 3, 3, 0, make_bench.block([], [(101, 4)]), 0, 0), 7)
    assert place.walk(Side.BUY, 102, 9) == [Part(101, 4), Part(102, 1)]


def test_what_lies_beyond_a_price_is_no_touch(place):
    assert place.walk_beyond(Side.BUY, 101, 9) == []
    assert place.walk_beyond(Side.BUY, 102, 9) == [Part(101, 1)]
    assert place.walk_beyond(Side.SELL, 100, 9) == []
    assert place.walk_beyond(Side.BUY, 1, 9) == []


def test_freshness_is_the_receipt_of_the_newest_trusted_data(place):
    assert place.is_open
    assert place.fresh_ns == 5

    place.apply(BookInvalid(place.symbol, "gap"), 9)

    assert not place.is_open
    assert place.fresh_ns == 5


def test_a_market_without_rules_is_closed(place):
    place.rules = None

    assert not place.is_open


def test_both_views_are_restored(place):
    place.queue.add(0, 1, 100, 5, 7)
    place.take(Side.SELL, 101, 1)
    copy = PaperMarket(place.symbol, QueuePlace())

    copy.load(place.dump())

    assert copy.dump() == place.dump()
    assert copy.walk(Side.BUY, 101, 9) == []


def test_another_model_keeps_the_orders(place):
    place.queue.add(0, 1, 100, 5, 7)

    place.model(QueuePlace("behind"))

    assert place.queue.ahead_lots(1) == 7
    assert place.own_opposite_ticks(Side.SELL) == 100
    assert place.opposite_touch_ticks(Side.SELL) == 100


@pytest.mark.req("BR-16")
@pytest.mark.parametrize(
    ("choice", "ahead_lots"),
    [
        # 10 of 40 others are cancelled with 20 ahead and 20 behind us.
        (QueuePlace("behind"), 20),
        (QueuePlace("pro_rata"), 15),
        (QueuePlace("pro_rata", queue_ahead_ppm=400_000), 18),
        (QueuePlace("power", queue_power_pct=100), 15),
        # 1 - (20 / 40)^2 = 3/4 behind us
        (QueuePlace("power3", queue_power_pct=200), 18),
    ],
)
def test_the_model_of_cancels_is_the_one_of_the_settings(make_bench, choice, ahead_lots):
    place = PaperMarket(make_bench.PERP, choice)
    place.queue.add(0, 1, 100, 5, 20)
    state = place.queue.dump()
    state[0][0][4] = 40
    place.queue.load(state)
    place.book.snapshot(make_bench.block([(100, 30)], [(101, 9)]), 1, 1)

    place.queue.sync(place.book, True)

    assert place.queue.ahead_lots(1) == ahead_lots
