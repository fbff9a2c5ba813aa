"""Notional, fees and exponents of one market are exact integers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.instrument import fee_atoms, quote_exponent, tick_lot_atoms, venue_of, venue_symbol

STEPS = st.sampled_from(["0.1", "0.01", "0.001", "0.00001", "0.25", "1", "10", "0.00000001"])


@pytest.mark.req("RK-4")
@given(STEPS, STEPS, st.integers(1, 10**8), st.integers(1, 10**8))
def test_a_notional_in_atoms_is_the_decimal_notional(tick: str, lot: str, ticks: int, lots: int) -> None:
    exponent = quote_exponent(tick, lot)

    atoms = tick_lot_atoms(tick, lot, exponent) * ticks * lots

    assert Decimal(atoms).scaleb(-exponent) == Decimal(tick) * ticks * Decimal(lot) * lots


def test_an_exponent_too_small_for_the_market_is_refused() -> None:
    with pytest.raises(AssertionError, match="no whole atom"):
        tick_lot_atoms("0.00001", "0.00001", 8)


@pytest.mark.req("BR-13")
def test_a_fee_is_rounded_against_us_and_a_rebate_too() -> None:
    assert fee_atoms(1_000_001, 200) == 201
    assert fee_atoms(-1_000_001, 200) == 201
    assert fee_atoms(1_000_001, -200) == -200


def test_a_symbol_names_venue_and_market() -> None:
    assert venue_of("binance_usdm:BTCUSDT") == "binance_usdm"
    assert venue_symbol("binance_usdm:BTCUSDT") == "BTCUSDT"
