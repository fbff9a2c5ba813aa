"""Ask and cancel at a venue on real sockets, with no process of a mesh running."""

import asyncio

import pytest

from services.canceller.build import clear_venues, open_venue
from services.canceller.direct import VenueSilentError
from services.canceller.truth import read_truth

LIMIT_S = 10.0
VENUES = ("binance", "binance_usdm")

pytestmark = pytest.mark.mesh


@pytest.mark.parametrize("name", VENUES)
def test_a_venue_tells_rights_money_and_open_orders(venue, name):
    venue.rest(name, "2k-as-b0-1")

    async def ask():
        async with open_venue(venue.access(name), venue.place, LIMIT_S) as opened:
            return await read_truth(opened.direct, LIMIT_S)

    told = asyncio.run(ask())

    assert told.rights.can_trade
    assert not told.rights.can_withdraw
    assert any(one.asset == "USDT" and float(one.free) > 0 for one in told.balances)
    (order,) = [one for one in told.orders if one.client_order_id == "2k-as-b0-1"]
    assert (order.symbol, order.filled_lots) == (f"{name}:BTCUSDT", 0)


@pytest.mark.req("BR-29")
def test_all_our_orders_are_cancelled_at_both_venues_and_those_of_others_stay(venue):
    for name in VENUES:
        for n in range(3):
            venue.rest(name, f"1k-as-b{n}-1", price=str(30_000 + n))
        venue.rest(name, "by_hand")

    found = asyncio.run(clear_venues([venue.access(name) for name in VENUES], venue.place, LIMIT_S))

    assert [(one.venue, one.left, one.error) for one in found] == [(name, [], "") for name in VENUES]
    assert all(len(one.gone) >= 3 and len(one.others) == 1 for one in found)
    assert [venue.open_ids(name) for name in VENUES] == [["by_hand"]] * 2

    again = asyncio.run(clear_venues([venue.access(name) for name in VENUES], venue.place, LIMIT_S))
    assert [one.gone for one in again] == [[], []]


def test_one_market_alone_can_be_cleared(venue):
    venue.rest("binance_usdm", "1k-as-b0-7")
    venue.rest("binance_usdm", "1k-as-b0-8", price="1500", symbol="ETHUSDT")
    access = venue.access("binance_usdm", symbols=("BTCUSDT", "ETHUSDT"))

    asyncio.run(clear_venues([access], venue.place, LIMIT_S, "binance_usdm:ETHUSDT"))

    ours = [one for one in venue.open_ids("binance_usdm") if one.startswith("1k-")]
    assert ours == ["1k-as-b0-7"]


def test_a_wrong_key_is_told_with_the_words_of_the_venue(venue):
    path = venue.data.run / "secrets" / "wrong"
    path.write_text('{"api_key": "nobody-knows-it", "secret": "' + "abcdefgh" * 8 + '"}')
    path.chmod(0o400)

    (found,) = asyncio.run(clear_venues([venue.access("binance", key="wrong")], venue.place, 3.0))

    assert found.gone == []
    assert "binance" in found.error
    assert "abcdefgh" not in found.error


def test_a_venue_that_is_not_there_is_an_answer_and_no_crash(venue):
    access = venue.access("binance", network="own", rest_url="http://127.0.0.1:9")

    async def ask():
        async with open_venue(access, venue.place, 2.0):
            raise AssertionError("nobody answers there")

    with pytest.raises(VenueSilentError, match=r"127\.0\.0\.1:9 does not tell its markets"):
        asyncio.run(ask())
