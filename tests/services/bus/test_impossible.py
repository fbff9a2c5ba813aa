import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bus.impossible import LOTS_MAX, PRICE_TICKS_MAX, impossible
from shared.kernels.book import Book
from shared.messages import body_of, message_of
from shared.messages.market import BookSnapshot, BookUpdate, InstrumentRules, Trade
from shared.units import INT64_MAX, Side

SYMBOL = "binance_usdm:BTCUSDT"


def defect(message):
    return impossible(message, body_of(message))


def update(levels, bid_count=1, update_n=1):
    return BookUpdate(SYMBOL, update_n, 1, 1, bid_count, levels, 1, 1)


def block(*values):
    return array.array("q", values).tobytes()


def test_what_the_feed_says_is_possible():
    assert defect(update(block(600_000, 5, 600_010, 0))) == ""
    assert defect(update(b"", bid_count=0)) == ""
    assert defect(Trade(SYMBOL, INT64_MAX, 600_000, 5, Side.BUY, 1, 1)) == ""


@pytest.mark.parametrize(
    ("levels", "bid_count"),
    [
        (b"1234567", 0),
        (block(1, 1), 2),
        (block(1, 1), -1),
        (block(0, 1), 1),
        (block(-5, 1), 1),
        (block(PRICE_TICKS_MAX + 1, 1), 1),
        (block(1, -1), 1),
        (block(1, LOTS_MAX + 1), 0),
    ],
)
def test_levels_that_no_book_takes_are_impossible(levels, bid_count):
    assert "levels" in defect(update(levels, bid_count))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(-2, 2), st.integers(LOTS_MAX - 1, LOTS_MAX + 1), st.just(PRICE_TICKS_MAX)),
        max_size=8,
    ),
    st.integers(-1, 5),
    st.binary(max_size=1),
)
def test_the_gate_and_the_book_agree_on_what_levels_are(values, bid_count, tail):
    message = BookSnapshot(SYMBOL, 1, 1, bid_count, block(*values) + tail, "start", 1, 1)

    try:
        Book().snapshot(message.levels, message.bid_count, message.update_n)
    except ValueError:
        assert defect(message)
    else:
        assert defect(message) == ""


def test_a_number_beyond_64_bits_with_sign_is_impossible():
    body = body_of(update(block(1, 1), update_n=2**63))

    assert "update_n is 9223372036854775808" in impossible(message_of(body), body)


def test_bytes_that_look_like_a_wide_number_are_none():
    levels = block(0x80CF, 5)

    assert b"\xcf\x80" in levels
    assert defect(update(levels)) == ""


@pytest.mark.parametrize("size", ["abc", "0", "-1", "NaN", "1e-400", ""])
def test_rules_with_a_step_that_is_no_number_are_impossible(size):
    rules = InstrumentRules(SYMBOL, "BTC", "USDT", size, "0.001", 8, 10_000, 1, 0, 0, 0, 0, 200, 500, True)

    assert defect(rules)


def test_rules_whose_step_is_worth_something_else_are_impossible():
    rules = InstrumentRules(SYMBOL, "BTC", "USDT", "0.1", "0.001", 8, 10_001, 1, 0, 0, 0, 0, 200, 500, True)

    assert "tick times lot is 10000" in defect(rules)
