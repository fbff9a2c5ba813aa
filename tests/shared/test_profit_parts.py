"""Spread, adverse selection and inventory, worked out by hand and proved to sum to the equity."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels.position import Position
from shared.profit_parts import HORIZONS_NS, PENDING_MAX, Parts, ProfitSplit
from shared.units import NS_PER_MS, NS_PER_S, Side

KEY = ("mm", "m:X")
MS, S = NS_PER_MS, NS_PER_S


def told(split, equity=0, fees=0, funding=0):
    return split.parts(KEY, fees, funding, equity)


@pytest.mark.req("RK-29")
def test_a_buy_below_the_mid_that_the_market_ran_over_worked_by_hand():
    # Bought 3 lots at 100 ticks while the mid was 100.5 (201 half ticks); a tick of a lot is 10 atoms.
    split = ProfitSplit()
    split.take_fill(KEY, 3, 100, 10, 201, 0)
    split.take_mid("m:X", 199, 50 * MS)  # within 0.1 s: -1 tick
    split.take_mid("m:X", 197, 500 * MS)  # within 1 s: -1 tick
    split.take_mid("m:X", 203, 5 * S)  # within 10 s: +3 ticks
    split.take_mid("m:X", 201, 30 * S)  # within 60 s: -1 tick
    split.take_mid("m:X", 221, 61 * S)  # later: +10 ticks, inventory

    equity = 3 * (221 - 200) * 10 // 2 - 7 - 2
    assert told(split, equity, fees=7, funding=-2) == Parts(15, -30, -30, 90, -30, 300, 7, -2, equity)
    assert not split.is_waiting("m:X")


@pytest.mark.req("RK-29")
def test_a_sell_is_the_mirror_of_a_buy():
    split = ProfitSplit()
    split.take_fill(KEY, -3, 101, 10, 201, 0)
    split.take_mid("m:X", 203, 50 * MS)
    split.pass_time(200 * MS)

    assert told(split)[:2] == (15, -30)


@pytest.mark.req("RK-29")
def test_the_mid_of_a_horizon_is_the_last_one_at_or_before_it():
    split = ProfitSplit()
    split.take_fill(KEY, 2, 100, 1, 200, 0)
    split.take_mid("m:X", 202, 100 * MS)  # exactly at the horizon: counts
    split.take_mid("m:X", 300, 100 * MS + 1)  # one nanosecond later: does not

    assert told(split).adverse_100ms_atoms == 2
    split.pass_time(1 * S + 1)
    assert told(split).adverse_1s_atoms == 98


def test_time_alone_settles_in_a_silent_market():
    split = ProfitSplit()
    split.take_fill(KEY, 2, 100, 1, 200, 0)
    split.take_mid("m:X", 204, 20 * MS)

    split.pass_time(61 * S)

    assert told(split)[1:5] == (4, 0, 0, 0)
    assert not split.is_waiting("m:X")


def test_a_fill_before_any_book_stands_for_the_mid_itself():
    split = ProfitSplit()
    split.take_fill(KEY, 2, 100, 1, 0, 0)
    split.take_mid("m:X", 206, 10 * MS)
    split.pass_time(S)

    assert told(split)[:2] == (0, 6)


def test_half_atoms_are_kept_until_a_total_is_told():
    # Each fill earns half an atom of spread; two make a whole one, and three do not make two.
    split = ProfitSplit()
    for number in range(3):
        split.take_fill(KEY, 1, 100, 1, 201, number)
        assert told(split, equity=0).spread_atoms == (number + 1) // 2


def test_waiting_fills_are_bounded_and_none_is_lost():
    split = ProfitSplit()
    for number in range(PENDING_MAX + 10):
        split.take_fill(KEY, 1, 100, 2, 200, number)

    assert [len(queue) for queue in split.dump().waiting[0][2]] == [PENDING_MAX, 10, 0, 0]
    split.take_mid("m:X", 202, 90 * MS)
    split.pass_time(100 * S)
    assert sum(told(split)[1:5]) == (PENDING_MAX + 10) * 2


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("mid"), st.integers(150, 250), st.integers(0, 20_000)),
        st.tuples(st.just("fill"), st.integers(-9, 9).filter(bool), st.integers(80, 120)),
        st.tuples(st.just("time"), st.integers(0, 90_000), st.just(0)),
        st.tuples(st.just("funding"), st.integers(-50, 50), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.req("RK-29", "I-16")
@given(STEPS, st.integers(1, 7))
@settings(max_examples=100, deadline=None)
def test_the_parts_are_those_of_a_naive_computation_and_sum_to_the_equity(steps, tick_lot_atoms):
    """Compare with mids kept in a list, mark-outs looked up in it, and inventory as position times moves."""
    split, position = ProfitSplit(), Position(tick_lot_atoms)
    now_ns, mid, drift_half, funding, fees = 0, 200, 0, 0, 0
    mids, fills = [(0, 200)], []
    for kind, number, other in steps:
        if kind == "mid":
            now_ns += other * MS
            drift_half += position.position_lots * (number - mid) * tick_lot_atoms
            mid = number
            mids.append((now_ns, mid))
            split.take_mid("m:X", mid, now_ns)
        elif kind == "fill":
            side = Side.BUY if number > 0 else Side.SELL
            position.apply_fill(int(side), other, abs(number), 3)
            fees += 3
            fills.append((now_ns, number, other, mid))
            split.take_fill(KEY, number, other, tick_lot_atoms, mid, now_ns)
        elif kind == "time":
            now_ns += number * MS
            split.pass_time(now_ns)
        elif kind == "funding":
            funding += number
        else:
            copy = ProfitSplit()
            copy.load(split.dump())
            assert copy.dump() == split.dump()
            split = copy
        if not fills:
            continue
        spread, adverse = naive(fills, mids, now_ns, tick_lot_atoms)
        cash = position.realized_atoms - position.cost_atoms
        equity = cash + position.position_lots * mid * tick_lot_atoms // 2 - fees + funding
        parts = split.parts(KEY, fees, funding, equity)
        seen = [parts.spread_atoms, *parts[1:5]]
        assert seen == [half // 2 for half in (spread, *adverse)]
        assert sum(seen) + parts.inventory_atoms - fees + funding == equity
        # Inventory is what the position gained by moves of the mid, less what was called adverse.
        assert abs(2 * parts.inventory_atoms - (drift_half - sum(adverse))) <= 12


def naive(fills, mids, now_ns, tick_lot_atoms):
    spread, adverse = 0, [0] * len(HORIZONS_NS)
    for fill_ns, lots, price, mid in fills:
        spread += lots * tick_lot_atoms * (mid - 2 * price)
        former = mid
        for step, horizon_ns in enumerate(HORIZONS_NS):
            if fill_ns + horizon_ns >= now_ns:
                break
            at = [each for ts_ns, each in mids if ts_ns <= fill_ns + horizon_ns][-1]
            adverse[step] += lots * tick_lot_atoms * (at - former)
            former = at
    return spread, adverse
