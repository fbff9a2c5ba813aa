"""On a capture orders queue behind the recorded book, fill by recorded trades, and change no frame."""

from decimal import Decimal

import pytest

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.exchange.records import NewOrder
from services.venue_sim.settings import VenueSimSettings

MS = 1_000_000
pytestmark = pytest.mark.req("MD-24")


@pytest.fixture
def play(make, write_capture):
    """Return a venue at the recorded book 99.00 x 2, 98.00 x 1 / 101.00 x 2, 102.00 x 4, and its time."""

    def start(lines=()):
        first = [
            make.spot_diff(0, 90, 95, [["99.00", "1.0"]], [["101.00", "1.0"]]),
            make.snapshot_line(
                10, 100, [["99.00", "2.0"], ["98.00", "1.0"]], [["101.00", "2.0"], ["102.00", "4.0"]]
            ),
            make.spot_diff(20, 96, 101, [["97.00", "0.5"]], []),
            make.spot_trade(30, 7, "100.00", "0.1"),
        ]
        venue = CaptureVenue((write_capture([*first, *lines]),), settings=VenueSimSettings())
        venue.advance(venue.origin_ns + 50 * MS)
        return venue

    return start


def place(venue, side, qty, price=None, **more):
    new = NewOrder(
        venue="binance",
        symbol="BTCUSDT",
        side=side,
        type="MARKET" if price is None else "LIMIT",
        time_in_force="" if price is None else "GTC",
        quantity=Decimal(qty),
        price=Decimal(price) if price is not None else None,
        **more,
    )
    return venue.exchange.place("sim", new, venue.now_ms())


def executed(venue, placed):
    return venue.exchange.order("sim", "binance", "BTCUSDT", placed.order.order_id).executed


def at(venue, ms):
    return venue.advance(venue.origin_ns + ms * MS)


def seller(make, ms, trade_id, price, quantity):
    return make.spot_trade(ms, trade_id, price, quantity)


def test_trades_at_the_price_fill_an_order_only_after_what_was_there_before_it(make, play):
    venue = play([seller(make, 60, 8, "99.00", "1.5"), seller(make, 70, 9, "99.00", "1.0")])
    order = place(venue, "BUY", "1", "99.00")

    at(venue, 65)
    assert executed(venue, order) == 0
    at(venue, 75)
    assert executed(venue, order) == Decimal("0.5")


def test_a_level_that_falls_below_our_place_moves_us_forward_and_other_cancels_do_not(make, play):
    venue = play(
        [
            make.spot_diff(60, 102, 102, [["99.00", "3.0"]], []),
            make.spot_diff(70, 103, 103, [["99.00", "0.5"]], []),
            seller(make, 80, 8, "99.00", "0.75"),
        ]
    )
    order = place(venue, "BUY", "1", "99.00")

    at(venue, 90)

    assert executed(venue, order) == Decimal("0.25")


def test_a_trade_through_the_price_fills_at_the_price_of_the_order(make, play):
    venue = play([seller(make, 60, 8, "98.00", "0.4")])
    order = place(venue, "BUY", "1", "99.00")

    at(venue, 65)

    [fill] = venue.exchange.trades("sim", "binance", "BTCUSDT")
    assert (fill.price, fill.quantity, fill.is_maker) == (99, Decimal("0.4"), True)
    assert executed(venue, order) == Decimal("0.4")


def test_the_recorded_book_that_crosses_an_order_fills_it_as_far_as_it_goes(make, play):
    venue = play([make.spot_diff(60, 102, 102, [], [["98.50", "0.3"], ["99.00", "0.2"]])])
    order = place(venue, "BUY", "1", "99.00")

    at(venue, 65)

    assert executed(venue, order) == Decimal("0.5")
    assert all(fill.price == 99 for fill in venue.exchange.trades("sim", "binance", "BTCUSDT"))


def test_what_a_taker_took_is_missing_until_the_level_is_recorded_anew(make, play):
    venue = play([make.spot_diff(60, 102, 102, [], [["101.00", "1.0"]])])

    first = place(venue, "BUY", "1.5", "101.00")
    second = place(venue, "BUY", "1")
    at(venue, 65)
    third = place(venue, "BUY", "1")

    assert first.order.executed == Decimal("1.5")
    assert [(f.price, f.quantity) for f in second.fills] == [(101, Decimal("0.5")), (102, Decimal("0.5"))]
    assert [(f.price, f.quantity) for f in third.fills] == [(101, Decimal(1))]


def test_trade_ids_of_accounts_are_their_own_and_rise(make, play):
    venue = play()

    fills = [*place(venue, "BUY", "3").fills, *place(venue, "BUY", "1").fills]

    ids = [fill.trade_id for fill in fills]
    assert ids == sorted(set(ids))
    assert ids[0] == 1_000_000_000_000


def test_orders_change_no_recorded_byte(make, play):
    lines = [seller(make, 60, 8, "99.00", "9"), make.spot_diff(70, 102, 102, [["99.00", "0"]], [])]
    plain, traded = play(lines), play(lines)
    for price in ("98.00", "99.00", "101.00"):
        place(traded, "BUY", "1", price)

    assert at(traded, 100) == at(plain, 100)
    assert traded.exchange.ledger.fills("binance", "sim")


def test_a_restart_keeps_orders_and_their_place(make, write_capture):
    lines = [
        *make.small_capture(),
        make.spot_diff(600, 111, 112, [["99.00", "3.0"]], []),
        make.spot_trade(700, 9, "99.00", "3.5"),
    ]
    path = write_capture(lines)
    first = CaptureVenue((path,))
    at(first, 650)
    order = place(first, "BUY", "1", "99.00")
    state = first.state(True)

    second = CaptureVenue((path,), state=state)
    second.resume(second.origin_ns + 660 * MS)
    at(second, 800)

    assert executed(second, order) == Decimal("0.5")
    assert second.notice == ""


def test_the_state_of_another_replay_is_left_with_a_notice(make, write_capture):
    path = write_capture(make.small_capture())
    first = CaptureVenue((path,))
    at(first, 450)
    place(first, "BUY", "1", "99.00")

    for state, text in ((first.state(True), "begins anew"), (b"\xc1", "damaged")):
        second = CaptureVenue((path,), state=state)
        second.resume(second.origin_ns)
        assert text in second.notice
        assert second.exchange.open_orders("sim", "binance") == []
