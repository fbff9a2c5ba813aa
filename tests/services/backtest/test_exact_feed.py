"""Rows of columns become the messages that market_data says."""

import pytest

from services.backtest.exact_feed import MarketFeed, merged
from shared.columns import LAST, LEVEL, ColumnsError
from shared.kernels.book import Book
from shared.messages.market import BookInvalid, BookSnapshot, BookUpdate, Candle, FundingRate, Trade
from shared.units import NS_PER_MS, Side

START_NS = 1_700_000_000 * 10**9


def said(columns, *, has_candles=False, from_ns=0, until_ns=2**63 - 1):
    feed = MarketFeed([columns], columns.header.rules, has_candles)
    return list(feed.messages(from_ns, until_ns)), feed


@pytest.mark.req("BT-1")
def test_a_message_of_the_venue_is_one_message_of_ours_at_its_local_time(tape, tmp_path):
    columns = (
        tape()
        .book(0)
        .change(100, bids=[(600_000, 7), (599_980, 0)])
        .trade(150, 600_010, 3, 0)
        .invalid(200)
        .open(tmp_path / "a.columns")
    )

    messages, feed = said(columns)

    assert [at_ns - START_NS for at_ns, _ in messages] == [at * NS_PER_MS for at in (0, 100, 150, 200)]
    whole, change, trade, invalid = (message for _, message in messages)
    assert isinstance(whole, BookSnapshot)
    assert whole.bid_count == 2
    assert isinstance(change, BookUpdate)
    assert (change.update_n, change.bid_count) == (whole.update_n + 1, 2)
    assert trade == Trade(
        "binance_usdm:BTCUSDT",
        8,
        600_010,
        3,
        Side.BUY,
        START_NS + 130 * NS_PER_MS,
        START_NS + 150 * NS_PER_MS,
    )
    assert isinstance(invalid, BookInvalid)
    assert feed.event_count == 4


def test_the_book_of_the_messages_is_the_book_of_the_rows(tape, tmp_path):
    columns = tape().book(0).change(100, bids=[(600_000, 0), (599_995, 4)], asks=[(600_010, 6)])
    messages, _ = said(columns.open(tmp_path / "a.columns"))

    book = Book()
    book.snapshot(messages[0][1].levels, messages[0][1].bid_count, messages[0][1].update_n)
    assert book.update(messages[1][1].levels, messages[1][1].bid_count, messages[1][1].update_n)

    assert book.levels(0, 5) == [(599_995, 4), (599_990, 20)]
    assert book.levels(1, 5) == [(600_010, 6), (600_020, 20)]


def test_what_lies_before_the_start_builds_the_book(tape, tmp_path):
    columns = (
        tape()
        .book(0)
        .change(100, bids=[(600_000, 7)])
        .trade(150, 600_010, 3, 0)
        .change(200, asks=[(600_010, 1)])
    )

    messages, _ = said(columns.open(tmp_path / "a.columns"), from_ns=START_NS + 160 * NS_PER_MS)

    whole, change = (message for _, message in messages)
    assert isinstance(whole, BookSnapshot)
    assert isinstance(change, BookUpdate)
    assert change.update_n == whole.update_n + 1
    book = Book()
    book.snapshot(whole.levels, whole.bid_count, whole.update_n)
    assert book.levels(0, 1) == [(600_000, 7)]


def test_nothing_after_the_end_is_told(tape, tmp_path):
    columns = tape().book(0).trade(150, 600_010, 3, 0).open(tmp_path / "a.columns")

    messages, _ = said(columns, until_ns=START_NS + 149 * NS_PER_MS)

    assert len(messages) == 1


def test_files_and_markets_are_merged_by_time(tape, tmp_path):
    first = tape().book(0).open(tmp_path / "a.columns")
    second = tape().trade(300, 600_010, 3, 0).open(tmp_path / "b.columns")
    other = tape("binance:BTCUSDT").book(200).open(tmp_path / "c.columns")
    feeds = [
        MarketFeed([first, second], first.header.rules, has_candles=False),
        MarketFeed([other], other.header.rules, has_candles=False),
    ]

    messages = [(at_ns, message.symbol) for at_ns, message in merged(feeds)]

    assert messages == [
        (START_NS, "binance_usdm:BTCUSDT"),
        (START_NS + 200 * NS_PER_MS, "binance:BTCUSDT"),
        (START_NS + 300 * NS_PER_MS, "binance_usdm:BTCUSDT"),
    ]


def test_files_in_the_wrong_order_are_refused(tape, tmp_path):
    early = tape().book(0).open(tmp_path / "a.columns")
    late = tape().trade(300, 600_010, 3, 0).open(tmp_path / "b.columns")
    feed = MarketFeed([late, early], early.header.rules, has_candles=False)

    with pytest.raises(ColumnsError, match="must follow each other in time"):
        list(feed.messages())


def test_funding_is_paid_with_the_next_event(tape, tmp_path):
    columns = tape().book(0).funding(100, 10_000, 600_005).open(tmp_path / "a.columns")

    messages, _ = said(columns)

    rate = messages[1][1]
    assert isinstance(rate, FundingRate)
    assert (rate.rate_e8, rate.mark_centiticks) == (10_000, 60_000_500)
    assert rate.next_funding_ns == START_NS + 100 * NS_PER_MS + 1


def test_candles_are_made_from_the_trades_of_their_minute(tape, tmp_path):
    # The venue's times are 20 ms earlier; 1,700,000,000 s is 20 s after a full minute.
    columns = (
        tape()
        .trade(0, 600_000, 1, 0)
        .trade(10_000, 600_030, 2, 1)
        .trade(20_000, 599_990, 3, 0)
        .trade(42_000, 600_010, 4, 1)
        .open(tmp_path / "a.columns")
    )

    messages, _ = said(columns, has_candles=True)

    closed = [m for _, m in messages if isinstance(m, Candle) and m.is_closed]
    assert [(c.open_ns, c.open_ticks, c.high_ticks, c.low_ticks, c.close_ticks) for c in closed] == [
        (START_NS - 20 * 10**9, 600_000, 600_030, 599_990, 599_990)
    ]
    assert (closed[0].volume_lots, closed[0].trade_count) == (6, 3)


def test_levels_in_any_order_make_the_same_book(tape, tmp_path):
    mixed, apart = tape(), tape()
    for one in (mixed, apart):
        one.book(0)
    rows = [(599_990, 5, 0), (600_010, 6, 1), (599_980, 7, 0), (600_020, 0, 1)]
    for price_ticks, lots, side in rows:
        mixed.row(100, LEVEL, price_ticks, lots, side)
    mixed.columns[4][-1] |= LAST
    apart.change(100, bids=[(599_990, 5), (599_980, 7)], asks=[(600_010, 6), (600_020, 0)])

    in_any_order, _ = said(mixed.open(tmp_path / "a.columns"))
    bids_first, _ = said(apart.open(tmp_path / "b.columns"))

    assert in_any_order == bids_first
