"""Ticks, lots, atoms and sides, and the only rounding there is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.units import Side, atoms_text, ceil_div, decimal_text, exact, round_down, round_up

PRICES = st.decimals(min_value=-(10**9), max_value=10**9, places=8, allow_nan=False)
STEPS = st.sampled_from([Decimal(text) for text in ("0.1", "0.01", "0.001", "0.25", "5", "0.00000001")])


@pytest.mark.req("MD-8")
@given(PRICES, STEPS)
def test_rounding_encloses_the_value_within_one_step(value: Decimal, step: Decimal) -> None:
    below, above = round_down(value, step), round_up(value, step)

    assert below * step <= value <= above * step
    assert above - below == (0 if exact(value, step) is not None else 1)


@given(st.integers(-(10**15), 10**15), st.sampled_from(["0.1", "0.01", "0.00001", "1", "0.25"]))
def test_text_of_a_count_leads_back_to_the_count(count: int, step: str) -> None:
    text = decimal_text(count, step)

    assert exact(Decimal(text), Decimal(step)) == count
    assert "E" not in text


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**12))
def test_ceil_div_never_rounds_in_our_favour(numerator: int, denominator: int) -> None:
    quotient = ceil_div(numerator, denominator)

    assert (quotient - 1) * denominator < numerator <= quotient * denominator


def test_a_side_indexes_a_book_and_signs_a_position() -> None:
    assert (Side.BUY, Side.SELL) == (0, 1)
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
    assert Side.BUY.opposite is Side.SELL
    assert Side.SELL.opposite is Side.BUY


def test_atoms_are_plain_decimal_text() -> None:
    assert atoms_text(123_456_789, 8) == "1.23456789"
    assert atoms_text(-5, 8) == "-0.00000005"
    assert atoms_text(0, 8) == "0.00000000"
