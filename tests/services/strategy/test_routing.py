"""Splits of a parent order over markets: worked out by hand, and sums that are exact for any books."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.desk import make_rules
from services.strategy.routing import STYLES, Part, Place, best_venue, by_depth, slice_of, sweep
from shared.units import Side

SPOT, PERP = "binance:BTCUSDT", "binance_usdm:BTCUSDT"
FREE = {"maker_fee_ppm": 0, "taker_fee_ppm": 0, "min_notional_atoms": 0, "min_qty_lots": 1, "max_qty_lots": 0}


def place(symbol, levels, tick="0.1", lot="0.001", **changes):
    return Place(make_rules(symbol, **{**FREE, "tick_size": tick, "lot_size": lot, **changes}), levels)


@pytest.mark.req("BR-20")
def test_the_best_venue_takes_it_all_up_to_the_level_it_needs():
    places = [place(SPOT, [(1002, 5), (1003, 50)]), place(PERP, [(1001, 5), (1004, 50)])]

    split = best_venue(places, Side.BUY, Decimal("0.010"), None)

    assert split == ((Part(PERP, 10, 1004),), Decimal(0))


@pytest.mark.req("BR-20")
def test_the_fee_is_part_of_the_price():
    # 100.1 and 1 % costs 101.101; 100.5 without a fee is cheaper
    places = [place(SPOT, [(1005, 50)]), place(PERP, [(1001, 50)], taker_fee_ppm=10_000)]

    assert best_venue(places, Side.BUY, Decimal("0.01"), None).parts[0].symbol == SPOT
    # a sell at 100.5 brings 100.5, at 100.1 less 1 % 99.099
    assert best_venue(places, Side.SELL, Decimal("0.01"), None).parts[0].symbol == SPOT


@pytest.mark.req("BR-20")
def test_a_tie_goes_to_the_first_in_the_alphabet():
    places = [place(PERP, [(1001, 5)]), place(SPOT, [(1001, 5)])]

    assert best_venue(places, Side.BUY, Decimal("0.005"), None).parts[0].symbol == SPOT
    assert best_venue(places[::-1], Side.BUY, Decimal("0.005"), None).parts[0].symbol == SPOT


@pytest.mark.req("BR-20")
def test_by_depth_splits_in_proportion_and_gives_the_rounding_to_the_best_price():
    # depths 30 and 10 of 40 lots: 10 lots give 7.5 and 2.5, the lot between goes to the better price
    places = [place(SPOT, [(1001, 30)]), place(PERP, [(1000, 10)])]

    split = by_depth(places, Side.BUY, Decimal("0.010"), None)

    assert split == ((Part(PERP, 3, 1000), Part(SPOT, 7, 1001)), Decimal(0))


@pytest.mark.req("BR-20")
def test_what_is_too_small_for_one_venue_goes_to_the_others():
    places = [place(SPOT, [(1001, 30)]), place(PERP, [(1000, 10)], min_qty_lots=5)]

    assert by_depth(places, Side.BUY, Decimal("0.010"), None) == ((Part(SPOT, 10, 1001),), Decimal(0))


@pytest.mark.req("BR-20")
def test_a_sweep_takes_the_levels_of_all_venues_in_the_order_of_their_prices():
    places = [place(SPOT, [(1001, 4), (1003, 9)]), place(PERP, [(1002, 3), (1004, 9)])]

    split = sweep(places, Side.BUY, Decimal("0.010"), None)

    # 4 at 1001, 3 at 1002, 3 at 1003
    assert split == ((Part(SPOT, 7, 1003), Part(PERP, 3, 1002)), Decimal(0))


@pytest.mark.req("BR-20")
def test_a_limit_and_an_empty_book_leave_a_rest_that_is_told():
    places = [place(SPOT, [(1001, 4), (1003, 9)]), place(PERP, [])]

    assert sweep(places, Side.BUY, Decimal("0.010"), Decimal("100.2")) == (
        (Part(SPOT, 4, 1001),),
        Decimal("0.006"),
    )
    assert sweep(places[1:], Side.BUY, Decimal("0.010"), None) == ((), Decimal("0.010"))
    assert by_depth(places[1:], Side.BUY, Decimal("0.010"), None) == ((), Decimal("0.010"))
    assert best_venue(places, Side.BUY, Decimal("0.0004"), None).left == Decimal("0.0004")


@pytest.mark.req("BR-20")
@given(
    quantity=st.integers(1, 10**6).map(lambda n: Decimal(n).scaleb(-5)),
    count=st.integers(1, 50),
    step=st.sampled_from([Decimal("0.001"), Decimal("0.01"), Decimal("0.00001")]),
)
@settings(max_examples=100, deadline=None)
def test_slices_add_up_and_differ_by_one_step_at_most(quantity, count, step):
    slices = [slice_of(quantity, step, count, n + 1) for n in range(count)]

    assert sum(slices) == quantity
    whole = [*slices[:-1], slices[-1] - quantity % step]
    assert max(whole) - min(whole) <= step


LEVELS = st.lists(
    st.tuples(st.integers(900, 1100), st.integers(1, 40)), max_size=8, unique_by=lambda one: one[0]
)


@pytest.mark.req("BR-20")
@given(
    style=st.sampled_from(sorted(STYLES)),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    books=st.lists(LEVELS, min_size=1, max_size=3),
    lots=st.lists(st.sampled_from(["0.001", "0.01", "0.00001"]), min_size=3, max_size=3),
    quantity=st.integers(1, 10**5).map(lambda n: Decimal(n).scaleb(-5)),
    limit=st.none() | st.integers(900, 1100).map(lambda n: Decimal(n) / 10),
)
@settings(max_examples=100, deadline=None)
def test_quantities_add_up_exactly_and_no_child_goes_beyond_the_limit(
    style, side, books, lots, quantity, limit
):
    names = ("a:BTCUSDT", SPOT, PERP)
    places = [
        place(name, sorted(levels, reverse=side is Side.SELL), lot=lot)
        for name, levels, lot in zip(names, books, lots, strict=False)
    ]

    split = STYLES[style](places, side, quantity, limit)

    by_name = {one.symbol: one for one in places}
    sent = sum((by_name[part.symbol].lot * part.lots for part in split.parts), Decimal(0))
    assert sent + split.left == quantity
    assert split.left >= 0
    assert len({part.symbol for part in split.parts}) == len(split.parts)
    for part in split.parts:
        assert limit is None or side.sign * (part.price_ticks * Decimal("0.1") - limit) <= 0
