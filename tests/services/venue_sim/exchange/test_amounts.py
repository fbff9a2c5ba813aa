"""Amounts in 1e-18."""

from decimal import Decimal

import pytest

from services.venue_sim.exchange.amounts import decimal_of, e18_of, fee_of

E18 = 10**18


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", E18),
        ("-0.1", -(10**17)),
        ("1E-18", 1),
        ("1E-19", None),
        ("NaN", None),
        ("Infinity", None),
        ("1E+31", None),
        ("1E+30", 10**48),
        ("123456789012345678901.000000000000000001", 123456789012345678901000000000000000001),
    ],
)
def test_decimals_become_whole_numbers_or_nothing(text, amount):
    assert e18_of(Decimal(text)) == amount


def test_amounts_are_shown_with_eight_decimals_or_with_all_they_have():
    assert format(decimal_of(E18), "f") == "1.00000000"
    assert format(decimal_of(1), "f") == "0.000000000000000001"
    assert format(decimal_of(-25 * 10**16, 2), "f") == "-0.25"


@pytest.mark.parametrize(("rate", "fee"), [(1_000, 123 * 10**10), (-1_000, -123 * 10**10), (0, 0)])
def test_commissions_are_cut_to_eight_decimals(rate, fee):
    assert fee_of(1_239 * 10**12, rate) == fee
