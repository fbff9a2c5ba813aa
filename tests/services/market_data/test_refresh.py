"""When the market leaves the levels that a REST answer held, a newer answer takes over, without a pause."""

import pytest

from services.market_data.refresh import edges_of, is_at_edge, narrower
from shared.kernels.book import Book

DEPTH = "btcusdt@depth@100ms"


def whole(kit, last_id, top, count=25):
    bids = [(f"{top - i / 10:.1f}", "1") for i in range(count)]
    asks = [(f"{top + 1 + i / 10:.1f}", "1") for i in range(count)]
    return kit.book(last_id, bids, asks)


@pytest.fixture
def feed(kit, venue):
    venue.depth = whole(kit, 100, 100.0)
    settings = kit.MarketDataSettings(
        venues=(kit.FeedVenue(name="binance_usdm", symbols=("BTCUSDT",), depth_levels=25),),
        depth_stale_ms=10**9,
        silence_ms=10**9,
    )
    rig = kit.live(kit.Rig(settings, venue).start())
    rig.pass_ms(11_000)
    rig.said.clear()
    rig.fetched.clear()
    return rig


def fall(kit, rig):
    """Take the ten best bids away: 15 of the 25 known ones are left."""
    gone = [(f"{100 - i / 10:.1f}", "0") for i in range(10)]
    rig.frame("binance_usdm", DEPTH, kit.diff(rig, 120, 110, bids=gone))


@pytest.mark.req("MD-7")
def test_levels_beyond_the_known_ones_come_with_a_newer_book_while_updates_go_on(kit, feed, venue):
    fall(kit, feed)
    venue.depth = whole(kit, 125, 99.0)
    feed.rest_ms = 300
    feed.pass_ms(100)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 130, 120, bids=[("99.0", "7")]))
    feed.pass_ms(400)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 140, 130))

    updates, (snapshot,) = feed.of(kit.BookUpdate), feed.of(kit.BookSnapshot)
    assert [m.last_update_id for m in updates] == [120, 130, 140]
    assert [m.update_n for m in updates] == [3, 4, 5]
    assert (snapshot.reason, snapshot.last_update_id, snapshot.update_n) == ("period", 130, 4)
    assert snapshot.bid_count == 25
    assert not feed.of(kit.BookInvalid)
    book = feed.core.venues["binance_usdm"].markets["BTCUSDT"].book.book
    assert book.levels(0, 2) == [(990, 7000), (989, 1000)]


@pytest.mark.req("MD-7")
def test_a_newer_book_ahead_of_the_stream_waits_for_it(kit, feed, venue):
    fall(kit, feed)
    venue.depth = whole(kit, 135, 99.0)
    feed.pass_ms(200)
    assert not feed.of(kit.BookSnapshot)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 130, 120))
    assert not feed.of(kit.BookSnapshot)

    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 140, 130))

    (snapshot,) = feed.of(kit.BookSnapshot)
    assert (snapshot.last_update_id, snapshot.bid_count) == (140, 25)


@pytest.mark.req("I-31")
def test_a_gap_meanwhile_closes_the_book_as_ever(kit, feed, venue):
    fall(kit, feed)
    feed.rest_ms = 300
    feed.pass_ms(100)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 300, 200))
    venue.depth = whole(kit, 300, 99.0)
    feed.pass_ms(2000)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 310, 300))

    assert kit.reasons(feed) == ["gap"]
    assert [m.reason for m in feed.of(kit.BookSnapshot)] == ["gap"]


@pytest.mark.req("I-32")
@pytest.mark.parametrize("body", [b"{", b'{"lastUpdateId":125,"bids":[["x","1"]],"asks":[]}'])
def test_an_unusable_answer_leaves_the_book_in_use(kit, feed, venue, body):
    fall(kit, feed)
    venue.depth = body
    feed.pass_ms(3000)
    feed.frame("binance_usdm", DEPTH, kit.diff(feed, 130, 120))

    assert not feed.of(kit.BookInvalid)
    assert len(feed.of(kit.BookUpdate)) == 2


def test_refreshes_are_ten_seconds_apart_and_none_comes_for_a_book_known_whole(kit, feed, venue):
    fall(kit, feed)
    for i in range(30):
        venue.depth = kit.book(121 + i, [(f"{99 - j / 10:.1f}", "1") for j in range(3)], [("101.0", "1")])
        feed.frame("binance_usdm", DEPTH, kit.diff(feed, 121 + i, 120 + i))
        feed.pass_ms(1000)

    assert sum("depth?" in target for _, target in feed.fetched) == 1


def test_edges_are_known_only_of_full_answers():
    block = b"".join(v.to_bytes(8, "little") for pair in [(9, 1), (8, 1), (10, 1)] for v in pair)

    assert edges_of(block, 2, 2) == (8, 0)
    assert edges_of(block, 2, 1) == (8, 10)
    assert edges_of(block, 2, 3) == (0, 0)
    assert narrower((8, 0), (7, 30)) == (8, 30)
    assert narrower((0, 20), (7, 30)) == (7, 20)
    book = Book()
    book.snapshot(block, 2, 1)
    assert not is_at_edge(book, (0, 0))
    assert is_at_edge(book, (8, 0))
