"""The pass over captures: steps of the texts, and what does not fit together."""

from math import gcd

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.capture import CaptureVenue
from services.venue_sim.capture_scan import StepFinder, scaled, scan_captures
from shared.errors import ConfigError


@pytest.mark.req("MD-20")
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_the_step_is_the_greatest_that_divides_every_text(counts, decimals):
    finder = StepFinder()
    texts = [f"{n // 10**decimals}.{n % 10**decimals:0{decimals}d}" if decimals else str(n) for n in counts]

    for text in texts:
        finder.add(text)

    assert finder.step == gcd(*counts) * 10 ** (18 - decimals)
    assert finder.decimals == decimals
    if finder.step:
        assert all(scaled(text) % scaled(finder.text()) == 0 for text in texts)


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "NaN", "1e5", "1.2.3", " 1", "0x1", "1" * 41, "0." + "1" * 19]
)
def test_what_is_no_plain_number_is_refused(text):
    with pytest.raises(ValueError, match="no plain non-negative decimal"):
        scaled(text)


def test_a_market_without_any_price_is_refused(make, write_capture):
    path = write_capture([*make.small_capture(), make.line(900, "ethusdt@kline_1m", {"e": "kline"})])

    with pytest.raises(ConfigError, match="no price and quantity of binance:ETHUSDT"):
        scan_captures((path,))


def test_a_snapshot_that_fits_no_market_is_named(make, write_capture):
    lines = [
        make.spot_diff(0, 1, 2, [["100", "1"]], []),
        make.spot_trade(1, 1, "100", "1"),
        make.spot_diff(2, 1, 2, [["3", "1"]], [], "ETHUSDT"),
        make.spot_trade(3, 1, "3", "1", "ETHUSDT"),
        make.snapshot_line(4, 2, [["5000", "1"]], []),
    ]

    with pytest.raises(ConfigError, match="line 5: is a snapshot that fits no market"):
        scan_captures((write_capture(lines),))
    only = [make.spot_trade(0, 1, "100", "1"), make.snapshot_line(4, 2, [["100", "1"]], [])]
    with pytest.raises(ConfigError, match="line 2: is a snapshot in a file without depth"):
        scan_captures((write_capture(only),))


def test_captures_that_cover_the_same_time_of_a_market_are_refused(make, write_capture):
    one = write_capture(make.small_capture(), "one.gz")
    other = write_capture(make.small_capture(), "other.gz")

    with pytest.raises(ConfigError, match="cover the same time of binance:BTCUSDT"):
        CaptureVenue((one, other))
    with pytest.raises(ConfigError, match="name at least one capture"):
        CaptureVenue(())
