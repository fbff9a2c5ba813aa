"""Average cost and profit are exact: no atom appears or vanishes, whatever the fills (BR-19)."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared.kernels.position import Position
from shared.units import Side

fills = st.lists(
    st.tuples(
        st.sampled_from([Side.BUY, Side.SELL]),
        st.one_of(st.integers(1, 200), st.integers(1, 10**12)),
        st.one_of(st.integers(1, 20), st.integers(1, 10**15)),
        st.integers(-50, 50),
    ),
    max_size=30,
)


@pytest.mark.req("BR-19")
@settings(max_examples=100, deadline=None)
@given(st.integers(1, 10**6), fills)
def test_cash_flows_equal_realised_profit_minus_open_cost_after_every_fill(tick_lot_atoms, sequence):
    position = Position(tick_lot_atoms)
    cash = lots = fees = volume = realized = 0

    for side, price, qty, fee in sequence:
        realized += position.apply_fill(side, price, qty, fee)
        value = price * qty * tick_lot_atoms
        cash -= side.sign * value
        lots += side.sign * qty
        volume += value
        fees += fee

        assert position.realized_atoms == realized
        assert cash == position.realized_atoms - position.cost_atoms
        assert (position.position_lots, position.volume_atoms, position.fees_atoms) == (lots, volume, fees)
        assert lots != 0 or position.cost_atoms == 0
        assert position.cost_atoms * lots >= 0
        at_cost = position.average_price_centiticks
        assert (at_cost > 0) == (lots != 0)
        mark = 12_345
        assert position.unrealized_atoms(mark) == lots * mark * tick_lot_atoms // 100 - position.cost_atoms


@pytest.mark.req("BR-19")
def test_a_partial_close_keeps_the_average_and_realises_its_share():
    position = Position(10)
    position.apply_fill(0, 100, 2, 1)
    position.apply_fill(0, 103, 2, 1)
    assert (position.cost_atoms, position.average_price_centiticks) == (4_060, 10_150)

    realized = position.apply_fill(1, 110, 1, 2)

    assert realized == 110 * 10 - 1_015
    assert (position.position_lots, position.average_price_centiticks) == (3, 10_150)
    assert (position.fees_atoms, position.volume_atoms) == (4, 5_160)
    assert position.unrealized_atoms(10_050) == -30


@pytest.mark.req("BR-19")
@pytest.mark.parametrize(
    ("first", "second", "realized", "cost", "average"),
    [
        ((0, 100, 3), (1, 90, 5), -300, -1_800, 9_000),
        ((1, 100, 3), (0, 90, 5), 300, 1_800, 9_000),
        ((1, 100, 3), (0, 90, 3), 300, 0, 0),
    ],
)
def test_a_fill_through_zero_closes_and_opens_at_its_price(first, second, realized, cost, average):
    position = Position(10)
    position.apply_fill(*first, 0)

    assert position.apply_fill(*second, 0) == realized

    assert (position.cost_atoms, position.average_price_centiticks) == (cost, average)


@pytest.mark.req("BR-19")
@pytest.mark.parametrize(("opening", "closing"), [(0, 1), (1, 0)])
def test_rounding_never_realises_too_much_and_is_made_good_by_the_last_close(opening, closing):
    position = Position(1)
    # three lots cost 101 * 2 + 100: a third of it is no whole atom
    position.apply_fill(opening, 101, 2, 0)
    position.apply_fill(opening, 100, 1, 0)

    shares = [position.apply_fill(closing, 101, 1, 0) for _ in range(3)]

    total = 3 * 101 - 302
    assert sum(shares) == (total if opening == 0 else -total)
    assert shares[0] * 3 <= sum(shares)
    assert position.cost_atoms == 0


@pytest.mark.parametrize(
    "fill", [(2, 5, 5, 0), (-1, 5, 5, 0), (0, 0, 5, 0), (0, -1, 5, 0), (1, 5, 0, 0), (1, 5, -3, 0)]
)
def test_a_fill_that_makes_no_sense_is_refused_and_changes_nothing(fill):
    position = Position(10)
    position.apply_fill(0, 100, 3, 1)
    before = position.dump()

    with pytest.raises(ValueError, match=f"fill of side {fill[0]}"):
        position.apply_fill(*fill)

    assert position.dump() == before


@pytest.mark.parametrize("fill", [(0, 5.0, 5, 0), (0, 5, float("nan"), 0), (0, 5, 5, 0.1), (0, "5", 5, 0)])
def test_money_is_never_a_float(fill):
    position = Position(10)

    with pytest.raises(TypeError):
        position.apply_fill(*fill)
    with pytest.raises(TypeError):
        position.unrealized_atoms(100.0)
    with pytest.raises(TypeError):
        Position(1.5)

    assert position.dump() == (10, 0, 0, 0, 0, 0)


def test_a_value_of_a_lot_must_be_positive():
    with pytest.raises(ValueError, match="tick_lot_atoms 0"):
        Position(0)


@pytest.mark.req("BR-19")
@settings(max_examples=30, deadline=None)
@given(fills, fills)
def test_a_position_continues_from_a_dump(before, after):
    whole, restored = Position(7), Position(1)
    for fill in before:
        whole.apply_fill(*fill)
    restored.load(list(whole.dump()))

    assert [restored.apply_fill(*fill) for fill in after] == [whole.apply_fill(*fill) for fill in after]

    assert restored.dump() == whole.dump()
    assert all(type(value) is int for value in restored.dump())
