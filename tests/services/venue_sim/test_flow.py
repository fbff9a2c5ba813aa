"""Makers keep a book around the fair price, takers trade in it, and nobody crosses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.draw import Draw
from services.venue_sim.flow import OrderFlow
from services.venue_sim.matching import BUY, SELL, MatchingBook, UpdateIds
from services.venue_sim.regime import Mood

TICK_E8 = 10_000_000
START_E8 = 60_000 * 10**8


def flow_of(seed):
    flow = OrderFlow(MatchingBook(UpdateIds(0)), Draw(seed, 1), 400, TICK_E8, START_E8)
    flow.open(START_E8)
    return flow


@pytest.mark.req("BT-7")
@given(st.integers(0, 2**32), st.lists(st.integers(-5_000_000, 5_000_000), max_size=25))
@settings(max_examples=40, deadline=None)
def test_whatever_the_price_does_the_book_stays_deep_tight_and_uncrossed(seed, moves_ppb):
    flow, price_e8 = flow_of(seed), START_E8

    for move_ppb in moves_ppb:
        price_e8 += price_e8 * move_ppb // 10**9
        before = {side: dict(flow.book.levels(side, 999)) for side in (BUY, SELL)}
        matches = flow.step(Mood(price_e8, 500_000, 500_000))

        bid, ask = flow.book.best(BUY), flow.book.best(SELL)
        assert 1 <= ask - bid <= 3
        assert bid <= price_e8 // TICK_E8 <= ask
        assert all(len(flow.book.levels(side, 999)) >= 100 for side in (BUY, SELL))
        # What was traded at a price was resting there before.
        for price, side in {(match.price_ticks, 1 - match.taker_side) for match in matches}:
            traded = sum(m.lots for m in matches if m.price_ticks == price and m.taker_side == 1 - side)
            assert traded <= before[side][price]


@pytest.mark.req("BT-7")
def test_takers_buy_as_often_as_the_mood_says():
    flow, sides = flow_of(3), []

    for _ in range(400):
        sides += [match.taker_side for match in flow.step(Mood(START_E8, 900_000, 300_000))]

    assert sides.count(BUY) > 4 * sides.count(SELL) > 0


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("lean_ppm", [-800_000, 800_000])
def test_the_book_is_heavier_on_the_side_to_which_makers_lean(lean_ppm):
    flow, heavier = flow_of(5), 0

    for n in range(100):
        flow.step(Mood(START_E8 + n * TICK_E8, 500_000, 0, lean_ppm))
        bids, asks = (sum(lots for _, lots in flow.book.levels(side, 3)) for side in (BUY, SELL))
        heavier += (bids > asks) == (lean_ppm > 0)

    assert heavier > 85


def test_a_flow_loaded_from_its_dump_goes_on_the_same():
    flow, again = flow_of(4), OrderFlow(MatchingBook(UpdateIds(0)), Draw(4, 1), 400, TICK_E8, START_E8)
    for n in range(20):
        flow.step(Mood(START_E8 + n * TICK_E8, 500_000, 100_000))

    again.load(flow.dump())

    for n in range(20, 40):
        mood = Mood(START_E8 + n * TICK_E8, 500_000, 100_000)
        assert again.step(mood) == flow.step(mood)
    assert again.dump() == flow.dump()
