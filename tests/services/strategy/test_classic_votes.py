import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.strategy.classic_candles import Bar
from services.strategy.classic_votes import BandsVote, Combined, RsiVote, TrendVote, Vote


def seen(vote, closes):
    """(stance, fired) after each close."""
    found = []
    for close in closes:
        vote.add(Bar(0, close, close, close, close, 1, False))
        found.append((vote.stance, vote.fired))
    return found


@pytest.mark.req("ST-46")
def test_momentum_turns_when_the_rsi_comes_back() -> None:
    # window 2. changes -10 -10: RSI 0; +10: gain 5, loss 5: 50, up through 30; +10: 75; +10: 87.5;
    # -30: gain 3.75, loss 16.25: 18.75, down through 70; -10: lower; +40: up through 30 again
    found = seen(RsiVote(2, 30, 70), [100, 90, 80, 90, 100, 110, 80, 70, 110])

    assert found == [
        (None, 0),
        (None, 0),
        (None, 0),
        (1, 1),
        (1, 0),
        (1, 0),
        (-1, -1),
        (-1, 0),
        (1, 1),
    ]


@pytest.mark.req("ST-46")
def test_an_rsi_that_only_touches_its_limit_from_inside_says_nothing() -> None:
    # window 2. -10 -10 +10: RSI 0, then 50 exactly: that is through a limit of 50
    assert seen(RsiVote(2, 50, 70), [100, 90, 80, 90])[2:] == [(None, 0), (1, 1)]
    # window 2. +10 -10: RSI 50; then nothing moves: it stays 50, the limit of both
    assert seen(RsiVote(2, 50, 50.001), [100, 110, 100, 100, 100])[2:] == [(None, 0)] * 3


@pytest.mark.req("ST-46")
def test_mean_reversion_buys_outside_the_band_and_is_done_at_the_middle() -> None:
    # window 4, one deviation. 100 100 100 80: middle 95, deviation 8.66: 80 is below 86.3
    # 100 100 80 70: middle 87.5, 12.99: 70 is below 74.5, but it fired already
    # 100 80 70 80: middle 82.5: 80 is inside and below the middle: held
    # 80 70 80 90: middle 80, 7.07: 90 is above 87.07: the other side
    # 70 80 90 84: middle 81: inside, above the middle: still short
    # 80 90 84 84: middle 84.5: below the middle: done
    found = seen(BandsVote(4, 1.0), [100, 100, 100, 80, 70, 80, 90, 84, 84])

    assert found == [
        (None, 0),
        (None, 0),
        (None, 0),
        (1, 1),
        (1, 0),
        (1, 0),
        (-1, -1),
        (-1, 0),
        (0, 0),
    ]


@pytest.mark.req("ST-46")
def test_bands_without_width_say_flat() -> None:
    assert seen(BandsVote(3, 2.0), [7, 7, 7, 7]) == [(None, 0), (None, 0), (0, 0), (0, 0)]


@pytest.mark.req("ST-46")
def test_a_trend_fires_when_the_averages_cross_and_not_when_they_are_first_known() -> None:
    # windows 1 and 2. slow: (10 + 20)/2 = 15, weight 2/3: 16.67 + ...: 20 > 15, rising at first sight;
    # 10: slow 15 - 5 * 2/3 = 11.67: below, crossed; 9: slow 9.89: below; 12: slow 11.3: above, crossed
    found = seen(TrendVote(1, 2), [10, 20, 10, 9, 12])

    assert found == [(None, 0), (1, 0), (-1, -1), (-1, 0), (1, 1)]


@pytest.mark.req("ST-46")
def test_averages_that_meet_keep_the_side_they_had() -> None:
    assert seen(TrendVote(1, 2), [10, 10, 10]) == [(None, 0), (0, 0), (0, 0)]
    # 20 above 15; then 15, at which the slow average stays: both are equal
    assert seen(TrendVote(1, 2), [10, 20, 15]) == [(None, 0), (1, 0), (1, 0)]


class Said(Vote):
    """A vote whose stances the test names."""

    def __init__(self, stances):
        super().__init__()
        self._stances = list(stances)

    def add(self, bar):  # noqa: ARG002
        self.stance = self._stances.pop(0)

    def text(self):
        return "said"


def combined(rows, weights, enter=0.5, leave=0.0):
    votes = [
        (Said(stances), weight) for stances, weight in zip(zip(*rows, strict=True), weights, strict=True)
    ]
    return seen(Combined(votes, enter, leave), [1] * len(rows))


@pytest.mark.req("ST-46")
def test_votes_are_weighed_and_two_of_three_decide() -> None:
    rows = [
        (None, None, None),
        (1, None, None),  # 1/3: too little
        (1, 0, 1),  # 2/3: enter
        (1, -1, 1),  # 1/3: held
        (0, -1, 1),  # 0: left
        (-1, -1, 1),  # -1/3
        (-1, -1, -1),  # -1: the other side
        (-1, -1, 1),
        (1, 1, 1),
    ]

    assert combined(rows, (1, 1, 1)) == [
        (0, 0),
        (0, 0),
        (1, 1),
        (1, 0),
        (0, 0),
        (0, 0),
        (-1, -1),
        (-1, 0),
        (1, 1),
    ]


@pytest.mark.req("ST-46")
def test_a_weight_outvotes_the_others_and_one_of_zero_has_no_vote() -> None:
    assert combined([(1, -1, -1)], (4, 1, 1), enter=0.3) == [(1, 1)]
    assert combined([(1, -1, -1)], (4, 1, 1), enter=0.34) == [(0, 0)]
    assert combined([(1, -1, -1)], (1, 0, 0), enter=1.0) == [(1, 1)]


@pytest.mark.req("ST-46")
def test_a_position_is_left_at_the_leave_score() -> None:
    rows = [(1, 1, 1), (1, 1, 0), (1, 0, 0), (1, 1, 0)]

    # 1, 2/3, 1/3 (left: not above 0.4), 2/3: below enter
    assert combined(rows, (1, 1, 1), enter=0.9, leave=0.4) == [(1, 1), (1, 0), (0, 0), (0, 0)]


CLOSES = st.lists(st.integers(50, 150), min_size=1, max_size=60)


def votes():
    three = [(RsiVote(3, 30, 70), 1.0), (BandsVote(4, 1.0), 2.0), (TrendVote(2, 5), 0.5)]
    return [vote for vote, _ in three] + [
        Combined([(RsiVote(3, 30, 70), 1.0), (BandsVote(4, 1.0), 2.0), (TrendVote(2, 5), 0.5)], 0.5, 0.1)
    ]


@given(closes=CLOSES, more=CLOSES)
@settings(max_examples=50, deadline=None)
@pytest.mark.req("ST-46")
def test_what_fires_is_the_stance_and_a_loaded_vote_goes_on(closes, more) -> None:
    for vote, other in zip(votes(), votes(), strict=True):
        for stance, fired in seen(vote, closes):
            assert fired in (0, stance)
        other.load(msgspec.msgpack.decode(msgspec.msgpack.encode(vote.dump())))
        assert seen(vote, more) == seen(other, more)
        assert vote.text() == other.text()
        assert vote.dump() == other.dump()
