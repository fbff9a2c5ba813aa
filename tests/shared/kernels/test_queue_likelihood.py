"""How likely is what a waiting order saw: worked out by hand, and the truth is likelier than what is not."""

import math
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernels.queue_likelihood import QueueLikelihood

DOUBT = 0.01


def of(steps, level_lots, share):
    numbers = array("q", [number for step in steps for number in step])
    return QueueLikelihood().of(numbers, len(steps), level_lots, share)


def trade(lots, least, most=-1):
    return (1, lots, least, most)


def level(lots):
    return (0, lots, 0, -1)


@pytest.mark.req("BT-13")
def test_a_cancel_and_a_fill_have_the_likelihood_worked_out_by_hand():
    # Given 100 ahead and 100 behind; 40 of the 200 are cancelled: ahead with the chance 1/2 at a full share.
    steps = [level(200), level(160), trade(70, 60, 60)]

    # The trade of 70 that fills 10 of us shows 60 ahead: only if the cancel was ahead.
    assert of(steps, 100, 1.0) == pytest.approx(math.log(DOUBT + (1 - DOUBT) * 0.5))
    assert of(steps, 100, 0.5) == pytest.approx(math.log(DOUBT + (1 - DOUBT) * 0.25))
    assert of(steps, 100, 0.0) == pytest.approx(math.log(DOUBT))


def test_a_trade_that_passes_us_by_shows_that_enough_were_ahead():
    assert of([trade(100, 100)], 100, 0.3) == pytest.approx(0.0)
    assert of([trade(101, 101)], 100, 0.3) == pytest.approx(math.log(DOUBT))


def test_a_level_that_shrinks_below_the_lots_ahead_shows_that_they_are_gone():
    assert of([level(30), trade(30, 30)], 100, 0.0) == pytest.approx(0.0)


def test_what_was_traded_is_no_cancel():
    steps = [trade(40, 40), level(60), trade(60, 60)]

    assert of(steps, 100, 1.0) == of(steps, 100, 0.0) == pytest.approx(0.0)


def test_no_step_says_nothing():
    assert of([], 0, 0.5) == 0.0


@pytest.mark.parametrize(("level_lots", "share"), [(-1, 0.5), (10, -0.1), (10, 1.1), (10, math.nan)])
def test_what_cannot_be_is_refused(level_lots, share):
    with pytest.raises(ValueError, match="out of range"):
        of([], level_lots, share)


@given(
    st.lists(
        st.one_of(
            st.integers(0, 5000).map(level),
            st.tuples(st.integers(1, 500), st.integers(0, 500), st.integers(-1, 500)).map(
                lambda numbers: (1, *numbers)
            ),
        ),
        max_size=30,
    ),
    st.integers(0, 5000),
    st.floats(0, 1),
)
@settings(max_examples=100, deadline=None)
def test_it_is_a_logarithm_of_a_probability_whatever_is_seen(steps, level_lots, share):
    found = of(steps, level_lots, share)

    assert math.isfinite(found)
    assert found <= 1e-9
