"""Numbers and times as the venue writes them."""

from decimal import Decimal

import pytest

from services.venue_sim.wire.payload import in_microseconds, padded, rate, short, text


@pytest.mark.parametrize(
    ("value", "plain", "spot", "money"),
    [
        ("0E-8", "0.00000000", "0.00000000", "0"),
        ("0", "0", "0.00000000", "0"),
        ("12.5", "12.5", "12.50000000", "12.5"),
        ("1E+3", "1000", "1000.00000000", "1000"),
        ("1E-8", "0.00000001", "0.00000001", "0.00000001"),
        ("-3.10000000", "-3.10000000", "-3.10000000", "-3.1"),
        ("1.0000000001", "1.0000000001", "1.0000000001", "1.0000000001"),
    ],
)
def test_numbers_have_no_exponent(value, plain, spot, money):
    number = Decimal(value)

    assert (text(number), padded(number), short(number)) == (plain, spot, money)


def test_rates_are_told_with_eight_decimals():
    assert (rate(1_000), rate(-25), rate(0)) == ("0.00100000", "-0.00002500", "0.00000000")


def test_only_times_change_their_unit():
    told = {"T": 5, "u": 1, "workingTime": -1, "isWorking": True, "id": 7, "fills": [{"time": 8, "p": "9"}]}

    assert in_microseconds([told]) == [told | {"T": 5000, "fills": [{"time": 8000, "p": "9"}]}]
    position = {"e": "outboundAccountPosition", "E": 1, "u": 1, "B": []}
    assert in_microseconds(position) == position | {"E": 1000, "u": 1000}
