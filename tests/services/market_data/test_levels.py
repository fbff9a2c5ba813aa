"""Levels off the tick: left out far from the touch, never silently at it."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.levels import MarketParser


def pairs(block):
    return [
        (int.from_bytes(block[i : i + 8], "little"), int.from_bytes(block[i + 8 : i + 16], "little"))
        for i in range(0, len(block), 16)
    ]


@pytest.mark.req("MD-8", "I-32")
def test_levels_off_the_tick_are_left_out_and_the_best_of_them_is_told():
    parser = MarketParser("0.10", "0.001")

    parsed = parser.block(
        [("100.0", "1"), ("99.95", "1"), ("99.85", "1"), ("99.97", "0.000")],
        [("101.0", "0.0015"), ("101.55", "2")],
    )

    assert pairs(parsed.levels) == [(1000, 1000), (1010, 1)]
    assert (parsed.bid_count, parsed.floored_count, parsed.stray_count) == (1, 1, 4)
    assert (parsed.stray_bid, parsed.stray_ask) == (Decimal("99.95"), Decimal("101.55"))


@pytest.mark.parametrize(
    ("bids", "asks", "touch", "is_beyond"),
    [
        ([("99.95", "1")], [], (1000, 1010), False),
        ([("100.05", "1")], [], (1000, 1010), True),
        ([("1.05", "1")], [], (0, 1010), True),
        ([], [("100.95", "1")], (1000, 1010), True),
        ([], [("101.05", "1")], (1000, 1010), False),
        ([], [("101.05", "1")], (1000, 0), True),
        ([("100.05", "0")], [("100.95", "0.0")], (1000, 1010), False),
    ],
)
def test_only_a_level_better_than_the_touch_matters(bids, asks, touch, is_beyond):
    parser = MarketParser("0.10", "0.001")

    assert parser.is_beyond_touch(parser.block(bids, asks), touch) is is_beyond


@pytest.mark.req("I-32")
@pytest.mark.parametrize("price", ["0", "0.05", "-0.15", "NaN", "Infinity", "1e-1", "", "abc", "1" * 30])
def test_what_is_no_positive_price_is_refused_even_beside_stray_levels(price):
    parser = MarketParser("0.10", "0.001")

    with pytest.raises(ValueError, match="price"):
        parser.block([(price, "1"), ("99.95", "1")], [])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(0, 10**9)), max_size=30),
    st.sampled_from(["0.01", "0.05"]),
)
def test_exactly_the_levels_on_the_tick_are_kept(levels, tick):
    texts = [(format(Decimal(p) / 1000, "f"), format(Decimal(q) / 10**6, "f")) for p, q in levels]
    texts = [(p, q) for p, q in texts if Decimal(p) > Decimal(tick)]

    parsed = MarketParser(tick, "0.001").block(texts, [])

    kept = [(p, q) for p, q in texts if Decimal(p) % Decimal(tick) == 0]
    assert pairs(parsed.levels) == [
        (int(Decimal(p) / Decimal(tick)), int(Decimal(q) * 1000)) for p, q in kept
    ]
    assert parsed.stray_count == len(texts) - len(kept)
    assert parsed.bid_count == len(kept)
