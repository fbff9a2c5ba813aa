"""Round trips from flat to flat: what they earned, held and cost, worked out by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels.position import Position
from shared.round_trips import ClosedTrip, RoundTrips
from shared.units import Side

KEY = ("mm", "m:X")
BUY, SELL = Side.BUY, Side.SELL


@pytest.mark.req("RK-29")
def test_a_long_trip_in_three_fills():
    trips = RoundTrips()

    assert trips.take_fill(KEY, BUY, 100, 5, 3, 1_000) is None
    assert trips.take_fill(KEY, BUY, 90, 5, 3, 2_000) is None
    trips.take_funding(KEY, -4)
    closed = trips.take_fill(KEY, SELL, 110, 10, -2, 9_000)

    # Bought for 500 + 450, sold for 1,100: 150, less fees of 3 + 3 - 2, less funding of 4.
    assert closed == ClosedTrip(BUY, 10, 1_000, 9_000, 150, 4, -4)
    assert (closed.net_atoms, closed.holding_ns) == (142, 8_000)
    assert trips.open_lots(KEY) == 0


@pytest.mark.req("RK-29")
def test_a_fill_through_zero_is_split_with_its_fee():
    trips = RoundTrips()
    trips.take_fill(KEY, SELL, 100, 3, 1, 1)

    closed = trips.take_fill(KEY, BUY, 90, 7, 10, 2)
    # 3 of the 7 lots close, with 10 * 3 // 7 = 4 of the fee; 4 lots open the next trip with the other 6.
    assert closed == ClosedTrip(SELL, 3, 1, 2, 30, 5, 0)
    assert trips.open_lots(KEY) == 4

    assert trips.take_fill(KEY, SELL, 95, 4, 0, 3) == ClosedTrip(BUY, 4, 2, 3, 20, 6, 0)


def test_strategies_and_markets_have_trips_of_their_own():
    trips = RoundTrips()
    trips.take_fill(("a", "m:X"), BUY, 100, 1, 0, 1)

    assert trips.take_fill(("b", "m:X"), SELL, 100, 1, 0, 2) is None
    assert trips.take_fill(("a", "m:Y"), SELL, 100, 1, 0, 2) is None


def test_a_payment_after_the_end_belongs_to_no_trip():
    trips = RoundTrips()
    trips.take_funding(KEY, -9)
    trips.take_fill(KEY, BUY, 100, 1, 0, 1)

    assert trips.take_fill(KEY, SELL, 100, 1, 0, 2).funding_atoms == 0


@pytest.mark.req("RK-29", "I-16")
@given(
    st.lists(
        st.tuples(
            st.sampled_from(Side), st.integers(1, 10**6), st.integers(1, 50), st.integers(-(10**5), 10**5)
        ),
        max_size=40,
    )
)
@settings(max_examples=100, deadline=None)
def test_trips_sum_to_what_the_position_realized_and_a_restart_changes_nothing(fills):
    trips, position, closed = RoundTrips(), Position(10), []
    for at, (side, price, lots, fee) in enumerate(fills):
        position.apply_fill(int(side), price, lots, fee)
        copy = RoundTrips()
        copy.load(trips.dump())
        trips = copy
        trip = trips.take_fill(KEY, side, price * 10, lots, fee, at)
        if trip is not None:
            closed.append(trip)
        assert trips.open_lots(KEY) == position.position_lots

    still_open = trips.dump()
    open_cash = sum(int(trip.cash_atoms) for trip in still_open)
    open_fees = sum(int(trip.fees_atoms) for trip in still_open)
    assert sum(t.fees_atoms for t in closed) + open_fees == position.fees_atoms
    gross = sum(t.gross_atoms for t in closed) + open_cash
    assert gross == position.realized_atoms - position.cost_atoms
