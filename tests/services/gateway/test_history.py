import itertools
import struct

import pytest

from services.gateway.history import POINTS_MAX, TRADES_KEPT, History
from services.gateway.view import GatewayView
from shared.messages import market, orders, system
from shared.units import NS_PER_S, Side

SYMBOL = "binance_usdm:BTCUSDT"


def trade(number):
    return market.Trade(SYMBOL, number, 1000 + number, 2, Side.SELL, 1, 2)


@pytest.mark.req("GW-4")
def test_the_newest_trades_of_a_market_are_kept_and_no_more(feed, view):
    feed.everything()
    for number in range(TRADES_KEPT + 5):
        feed.say(trade(number))

    kept = view.history.trades[SYMBOL]
    assert len(kept) == TRADES_KEPT
    assert (kept[0].trade_id, kept[-1].trade_id, kept[-1].side) == (5, TRADES_KEPT + 4, Side.SELL)


@pytest.mark.req("GW-5")
def test_the_newest_digest_of_each_service_is_known(feed, view):
    feed.say(system.CoreDigest("risk", 1000, b"old"), "risk.io")
    feed.say(system.CoreDigest("risk", 2000, b"new"), "risk.io")

    assert (view.history.digests["risk"].at_seq, view.history.digests["risk"].digest) == (2000, b"new")


@pytest.mark.req("GW-6")
def test_profit_is_what_was_realized_less_fees_plus_what_the_position_gained(feed, view):
    feed.everything()  # 10 lots bought at 1000 ticks, fee 200 atoms, middle of the book at 1000
    history = view.history

    at_cost = history.profit_atoms(view.positions.values(), view.rules, view.books)
    feed.book(bid=1009, ask=1011)
    ten_ticks_up = history.profit_atoms(view.positions.values(), view.rules, view.books)
    feed.say(orders.PositionChanged("grid", SYMBOL, -5, 100_000, 70_000, 500, "USDT", 0), "risk")
    with_a_short_one = history.profit_atoms(view.positions.values(), view.rules, view.books)

    # One tick of one lot is 10,000 atoms.
    assert at_cost == {"USDT": -200}
    assert ten_ticks_up == {"USDT": -200 + 10 * 10 * 10_000}
    assert with_a_short_one == {"USDT": -200 + 1_000_000 + 70_000 - 500 - 5 * 10 * 10_000}


def test_a_position_is_marked_at_the_last_middle_while_its_book_may_not_be_used(feed, view):
    feed.everything()
    feed.book(bid=1009, ask=1011)
    feed.events += [None] * 2000  # two seconds later
    feed.say(system.Tick(2), "bus")
    feed.say(market.BookInvalid(SYMBOL, "gap"))

    found = view.history.profit_atoms(view.positions.values(), view.rules, view.books)

    assert found == {"USDT": -200 + 1_000_000}


def test_what_is_asked_of_a_history_never_changes_it(feed, view):
    feed.everything()
    before = view.digest()
    feed_book = struct.pack("<qqqq", 1009, 5, 1011, 6)
    view.books[SYMBOL].snapshot(feed_book, 1, 9)
    moved = view.digest()

    view.history.profit_atoms(view.positions.values(), view.rules, view.books)

    assert view.digest() == moved != before


@pytest.mark.req("GW-6")
@pytest.mark.parametrize("seconds", [5, POINTS_MAX, POINTS_MAX + 1, 2 * POINTS_MAX + 3, 5 * POINTS_MAX])
def test_a_curve_is_bounded_and_reaches_back_to_its_first_point(feed, view, seconds):
    feed.everything()
    history = History()
    for second in range(seconds + 1):
        history.take_time(second * NS_PER_S, view.positions.values(), view.rules, view.books)

    points = history.curves["USDT"]
    steps = {b[0] - a[0] for a, b in itertools.pairwise(points)}
    assert min(seconds, POINTS_MAX // 2) <= len(points) <= POINTS_MAX + 1
    assert points[0][0] == 0
    assert seconds * NS_PER_S - points[-1][0] <= 2 * history.interval_ns
    assert max(steps) <= 2 * history.interval_ns


def test_a_restored_history_is_the_same_and_goes_on_alike(feed):
    feed.everything()
    for number in range(5):
        feed.say(trade(number))
    feed.say(system.CoreDigest("risk", 1000, b"d" * 16), "risk.io")

    again = GatewayView()
    again.restore(feed.view.snapshot())
    for view in (feed.view, again):
        view.history.take_time(10**19, view.positions.values(), view.rules, view.books)

    assert again.digest() == feed.view.digest()
    assert again.history.curves == feed.view.history.curves
    assert len(again.history.curves["USDT"]) == 2
