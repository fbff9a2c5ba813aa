"""Texts of a venue become ticks and lots exactly, and bad texts are named (MD-8)."""

import struct
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from shared.kernels.levels import LevelParser

steps = st.sampled_from(["0.01", "0.10", "0.00001000", "1", "5", "0.25", "0.00000001", "10", "1E+2", "0.003"])


@pytest.mark.req("MD-8")
@settings(max_examples=100, deadline=None)
@given(steps, steps, st.integers(1, 10**8), st.integers(0, 10**8), st.integers(0, 4))
def test_whole_steps_are_read_exactly_however_many_zeros_follow(tick, lot, ticks, lots, zeros):
    parser = LevelParser(tick, lot)
    price, quantity = (format(Decimal(n) * Decimal(step), "f") for n, step in ((ticks, tick), (lots, lot)))
    if "." in price:
        price += "0" * zeros

    assert parser.ticks(price) == ticks
    assert parser.lots(quantity) == lots
    assert parser.lots_floored(quantity) == (lots, False)


@pytest.mark.req("MD-8")
@settings(max_examples=100, deadline=None)
@given(steps, st.integers(0, 10**7), st.integers(0, 8))
def test_quantities_off_the_lot_are_floored_and_said(lot, digits, decimals):
    parser = LevelParser("0.01", lot)
    text = format(Decimal(digits).scaleb(-decimals), "f")
    exact = Decimal(text) / Decimal(lot)

    lots, is_floored = parser.lots_floored(text)

    assert lots == int(exact)
    assert is_floored == (exact != int(exact))
    if is_floored:
        with pytest.raises(ValueError, match="not a whole number of lots"):
            parser.lots(text)


@pytest.mark.req("MD-8")
def test_a_block_holds_the_pairs_in_order_and_counts_what_was_floored():
    parser = LevelParser("0.01000000", "0.00001000")

    levels, bid_count, floored = parser.block(
        [["61837.63000000", "3.78826000"], ("61837.62", "0.000019")], [["61837.64", "0.00000000"]]
    )

    assert list(struct.iter_unpack("<qq", levels)) == [(6183763, 378826), (6183762, 1), (6183764, 0)]
    assert (bid_count, floored) == (2, 1)
    assert parser.block([], []) == (b"", 0, 0)


bad_texts = [
    "",
    " ",
    "-1",
    "+1",
    "NaN",
    "nan",
    "Infinity",
    "1e5",
    "1E-2",
    "0x10",
    "1_000",
    "1,5",
    "1.2.3",
    ".5",
    "5.",
    " 1",
    "1 ",
    "1\x00",
    "\u0663",
    "1" + "0" * 30,
    "0." + "0" * 18 + "1",
    "1234567890.1234567891",
]


@pytest.mark.req("MD-8")
@pytest.mark.parametrize("text", bad_texts)
def test_a_text_that_is_no_plain_decimal_is_named(text):
    parser = LevelParser("0.01", "0.001")

    for read in (
        parser.ticks,
        parser.lots,
        parser.lots_floored,
        lambda bad: parser.block([[bad, "1"]], []),
        lambda bad: parser.block([], [["1", bad]]),
    ):
        with pytest.raises(ValueError, match=r"price|quantity") as caught:
            read(text)
        assert repr(text) in str(caught.value)


@pytest.mark.req("MD-8")
@pytest.mark.parametrize("value", [1.5, 3, None, b"1.5", ["1"]])
def test_a_value_that_is_no_text_is_named(value):
    parser = LevelParser("0.01", "0.001")

    with pytest.raises(ValueError, match="must be a text"):
        parser.block([[value, "1"]], [])
    with pytest.raises(ValueError, match="must be a text"):
        parser.lots(value)


@pytest.mark.req("MD-8")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("61837.635", "not a whole number of ticks of 0.01"),
        ("0", "must be 1"),
        ("0.00", "must be 1"),
        ("10000000000.01", "must be 1"),
        ("100000000000000000", "too many digits|must be 1"),
    ],
)
def test_a_price_off_the_tick_or_out_of_range_is_named(text, problem):
    with pytest.raises(ValueError, match=problem):
        LevelParser("0.01", "0.001").ticks(text)


def test_a_quantity_out_of_range_is_named():
    with pytest.raises(ValueError, match="at most 1000000000000000"):
        LevelParser("0.01", "0.001").lots("1000000000000.001")


@pytest.mark.parametrize("level", [[], ["1"], ""])
def test_a_level_that_is_no_pair_is_named(level):
    with pytest.raises(ValueError, match="must be \\[price, quantity\\]"):
        LevelParser("0.01", "0.001").block([level], [])


@pytest.mark.parametrize(
    "size", ["0", "-0.01", "NaN", "", "abc", "Infinity", "1e-19", "1e18", "0." + "1" * 19]
)
def test_a_step_size_that_makes_no_sense_is_refused(size):
    with pytest.raises(ValueError, match="tick size"):
        LevelParser(size, "1")
    with pytest.raises(ValueError, match="lot size"):
        LevelParser("1", size)


def test_the_finest_and_the_coarsest_steps_work():
    parser = LevelParser("0.000000000000000001", "100000000000000000")

    assert parser.ticks("0.000000000001") == 1_000_000
    assert parser.lots("300000000000000000") == 3
    assert parser.lots_floored("99999999999999999") == (0, True)
