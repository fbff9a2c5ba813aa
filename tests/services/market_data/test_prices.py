"""Touch and estimates of a book."""

from decimal import Decimal

import pytest

from services.market_data.prices import PriceFeed, price_of
from shared.kernels.book import Book
from shared.units import NS_PER_MS


def book(bids, asks, update_n=1):
    one = Book()
    pairs = [*bids, *asks]
    block = b"".join(value.to_bytes(8, "little") for pair in pairs for value in pair)
    one.snapshot(block, len(bids), update_n)
    return one


BIDS, ASKS = [(100, 5), (99, 1), (98, 2)], [(102, 3), (103, 4)]


@pytest.mark.req("MD-9", "MD-10")
def test_a_price_says_touch_depth_and_imbalance_in_integers():
    price = price_of("binance:BTCUSDT", book(BIDS, ASKS), is_open=True)

    assert price.is_trusted
    assert (price.bid_ticks, price.bid_lots, price.ask_ticks, price.ask_lots) == (100, 5, 102, 3)
    assert (price.bid_depth_lots, price.ask_depth_lots) == (8, 7)
    assert price.imbalance_ppm == int(Decimal(1_000_000) * (8 - 7) / (8 + 7))
    # Two levels on both sides: (5 * (102 * 5 + 100 * 3) + 4 * (103 * 1 + 99 * 4)) / (5 * 8 + 4 * 5) ticks.
    assert price.microprice_centiticks == 100 * 6046 // 60 == 10_076
    # Bids 5 + 0.9 * 1 + 0.81 * 2 = 7.52, asks 3 + 0.9 * 4 = 6.6: 0.92 / 14.12.
    assert price.weighted_imbalance_ppm == 1_000_000 * 92 // 1412 == 65_155
    # The mid is 101 ticks; a spread of 2 of them is 198.0198 basis points.
    assert (price.mid_half_ticks, price.spread_ticks, price.spread_e2_bps) == (202, 2, 19_801)
    assert all(type(value) in (int, bool, str) for value in price.as_dict().values())


@pytest.mark.req("MD-6")
@pytest.mark.parametrize(
    ("bids", "asks", "is_open"), [(BIDS, ASKS, False), (BIDS, [], True), ([], ASKS, True), ([], [], True)]
)
def test_a_book_that_may_not_be_used_has_no_price(bids, asks, is_open):
    price = price_of("binance:BTCUSDT", book(bids, asks), is_open=is_open)

    assert not price.is_trusted
    assert sum(value for value in price.as_dict().values() if type(value) is int) == 0


@pytest.mark.req("MD-13", "MD-14")
def test_a_price_is_said_when_changed_not_too_often_and_again_when_it_is_old():
    feed = PriceFeed("binance:BTCUSDT", 50, 1000)
    one, other = book(BIDS, ASKS), book([(101, 1)], ASKS, update_n=2)
    start = 10**18

    def said(shown, after_ms, is_open=True):
        return feed.due(shown, is_open, start + after_ms * NS_PER_MS) is not None

    assert said(one, 0)
    assert not said(other, 49)
    assert said(other, 50)
    assert not said(other, 500)
    assert said(other, 1050)
    assert not said(other, 1099)
    assert said(other, 1100, is_open=False)
    assert not said(other, 1200, is_open=False)
